{{/* Everything that stands beside the pod: configuration, and what monitoring wants. */}}
{{- define "quotad.objects" -}}
{{- include "quotad.checkValues" . -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- if not $args.q.existingConfigMap }}
---
{{ include "quotad.configMap" . }}
{{- end }}
{{- if $args.q.monitoring.podMonitor.enabled }}
---
{{ include "quotad.podMonitor" . }}
{{- end }}
{{- if $args.q.monitoring.alerts.enabled }}
---
{{ include "quotad.prometheusRule" . }}
{{- end }}
{{- if $args.q.monitoring.dashboard.enabled }}
---
{{ include "quotad.dashboard" . }}
{{- end }}
{{- end -}}

{{/* The text of quotad.yaml. */}}
{{- define "quotad.settings" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
# Listeners, paths and the time to drain are flags of the container.
{{ toYaml $args.q.settings }}
{{- end -}}

{{/* The ConfigMap with plan.yaml and quotad.yaml. */}}
{{- define "quotad.configMap" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "quotad.fullname" . }}
  namespace: {{ $args.root.Release.Namespace }}
  labels:
    {{- include "quotad.labels" . | nindent 4 }}
data:
  quotad.yaml: |
    {{- include "quotad.settings" . | nindent 4 }}
  plan.yaml: |
    {{- if kindIs "string" $args.q.plan }}
    {{- $args.q.plan | nindent 4 }}
    {{- else }}
    {{- toYaml $args.q.plan | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* How Prometheus finds the pod. The alerts and the dashboard rely on the labels `job` and `quotad`. */}}
{{- define "quotad.podMonitor" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $monitor := $args.q.monitoring.podMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "quotad.fullname" . }}
  namespace: {{ $args.root.Release.Namespace }}
  labels:
    {{- include "quotad.labels" . | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "quotad.selectorLabels" . | nindent 6 }}
  podMetricsEndpoints:
    - port: quotad-probes
      path: /metrics
      interval: {{ $monitor.interval }}
      relabelings:
        - targetLabel: job
          replacement: quotad
        # The name of this instance, which stays when pods are replaced.
        - targetLabel: quotad
          replacement: {{ include "quotad.fullname" . }}
{{- end -}}

{{/* The alerts of files/alerts.yaml, with the place of the runbooks and your labels. */}}
{{- define "quotad.prometheusRule" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $alerts := $args.q.monitoring.alerts -}}
{{- $file := $args.library.Files.Get "files/alerts.yaml" | fromYaml -}}
{{- $known := list -}}
{{- $groups := list -}}
{{- range $group := $file.groups -}}
{{-   $rules := list -}}
{{-   range $rule := $group.rules -}}
{{-     $known = append $known $rule.alert -}}
{{-     $_ := set $rule "labels" (merge (deepCopy $alerts.alertLabels) $rule.labels) -}}
{{-     $_ := set $rule.annotations "runbook_url" (printf "%s%s" $alerts.runbookBase (trimPrefix "docs/runbooks/" $rule.annotations.runbook_url)) -}}
{{-     if not (has $rule.alert $alerts.without) }}{{ $rules = append $rules $rule }}{{ end -}}
{{-   end -}}
{{-   if $rules }}{{ $groups = append $groups (dict "name" $group.name "rules" $rules) }}{{ end -}}
{{- end -}}
{{- range $name := $alerts.without -}}
{{-   if not (has $name $known) -}}
{{-     fail (printf "quotad.monitoring.alerts.without: there is no alert %s; known are %s" $name (join ", " $known)) -}}
{{-   end -}}
{{- end -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "quotad.fullname" . }}
  namespace: {{ $args.root.Release.Namespace }}
  labels:
    {{- include "quotad.labels" . | nindent 4 }}
    {{- with $alerts.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  groups:
    {{- toYaml $groups | nindent 4 }}
{{- end -}}

{{/* The dashboard of files/dashboard.json. */}}
{{- define "quotad.dashboard" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $dashboard := $args.q.monitoring.dashboard -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "quotad.fullname" . }}-dashboard
  namespace: {{ $args.root.Release.Namespace }}
  labels:
    {{- include "quotad.labels" . | nindent 4 }}
    {{- with $dashboard.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $dashboard.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
data:
  quotad.json: |
    {{- $args.library.Files.Get "files/dashboard.json" | nindent 4 }}
{{- end -}}
