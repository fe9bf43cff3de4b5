{{/*
Every public template takes the application's root context, or a dict:
  root      the root context
  sidecar   false in the chart of the shared instance
  workload  what runs the pod, where values do not say it under the usual names: kind, replicas, strategy, autoscaling
This fills the dict that stands second with what was given. Templates return text only; a dict that is filled is the way around.
*/}}
{{- define "quotad.args" -}}
{{- $given := index . 0 -}}
{{- $args := index . 1 -}}
{{- $root := $given -}}
{{- $_ := set $args "sidecar" true -}}
{{- $_ := set $args "workload" dict -}}
{{- if hasKey $given "root" -}}
{{-   $root = $given.root -}}
{{-   if hasKey $given "sidecar" }}{{ $_ := set $args "sidecar" $given.sidecar }}{{ end -}}
{{-   if hasKey $given "workload" }}{{ $_ := set $args "workload" $given.workload }}{{ end -}}
{{- end -}}
{{- if not (and (hasKey $root "Subcharts") (hasKey $root.Subcharts "quotad")) -}}
{{-   fail "quotad: the values of the library are not found; write `alias: quotad` at the dependency quotad-lib in Chart.yaml" -}}
{{- end -}}
{{- $_ := set $args "root" $root -}}
{{- $_ := set $args "q" $root.Values.quotad -}}
{{- $_ := set $args "library" $root.Subcharts.quotad -}}
{{- end -}}

{{/* The name of all objects: RELEASE-quotad; of a shared instance the release alone, if it says quotad already. */}}
{{- define "quotad.fullname" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $release := $args.root.Release.Name -}}
{{- if and (not $args.sidecar) (contains "quotad" $release) -}}
{{- $release | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-quotad" ($release | trunc 45 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* What selects the pod; never changes, for selectors cannot. */}}
{{- define "quotad.selectorLabels" -}}
quotad.dev/instance: {{ include "quotad.fullname" . }}
{{- end -}}

{{/* The labels of all objects. */}}
{{- define "quotad.labels" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $chart := $args.library.Chart -}}
helm.sh/chart: {{ printf "%s-%s" $args.root.Chart.Name $args.root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: quotad
app.kubernetes.io/instance: {{ $args.root.Release.Name }}
app.kubernetes.io/version: {{ $chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $args.root.Release.Service }}
{{ include "quotad.selectorLabels" . }}
{{- end -}}

{{/* The labels that the pod must have, so that the PodMonitor finds it. */}}
{{- define "quotad.podLabels" -}}
{{- include "quotad.selectorLabels" . -}}
{{- end -}}

{{/* The image with its digest or tag. */}}
{{- define "quotad.image" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $image := $args.q.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default $args.library.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A span such as 1h30m in whole seconds, rounded up. Takes the name of the value and its text. */}}
{{- define "quotad.seconds" -}}
{{- $name := index . 0 -}}{{- $text := toString (index . 1) -}}
{{- if not (regexMatch "^([0-9]+(ms|s|m|h|d))+$" $text) -}}
{{-   fail (printf "%s: %q is no span of time; write numbers with ms, s, m, h or d, such as 5s" $name $text) -}}
{{- end -}}
{{- $unit := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d)" $text -1 -}}
{{-   $letters := regexFind "[a-z]+" . -}}
{{-   $sum = add $sum (mul (int64 (trimSuffix $letters .)) (get $unit $letters)) -}}
{{- end -}}
{{- div (add $sum 999) 1000 -}}
{{- end -}}
