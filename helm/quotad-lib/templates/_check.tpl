{{/* Refuses, each with a sentence, what would multiply or reset quota, and what the binary or Kubernetes would refuse later. */}}
{{- define "quotad.check" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- include "quotad.checkWorkload" $args -}}
{{- include "quotad.checkValues" . -}}
{{- end -}}

{{/* The same without what runs the pod. */}}
{{- define "quotad.checkValues" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- include "quotad.checkConfiguration" $args -}}
{{- include "quotad.checkSinks" $args -}}
{{- include "quotad.checkListeners" $args -}}
{{- range $args.q.env -}}
{{-   if hasPrefix "QUOTAD_" .name -}}
{{-     fail (printf "quotad.env: %s belongs to the chart; write it under quotad.settings, or use the value that decides it" .name) -}}
{{-   end -}}
{{- end -}}
{{- end -}}

{{/*
How many pods there are, and whether a new one starts beside the old one. Looked for under the names that `helm create` uses; `workload`
says it where an application uses others.
*/}}
{{- define "quotad.checkWorkload" -}}
{{- $q := .q -}}
{{- $values := .root.Values -}}
{{- $workload := .workload -}}
{{- $kind := default "" $workload.kind -}}
{{- $replicas := dict -}}
{{- range $name := list "replicas" "replicaCount" -}}
{{-   if hasKey $values $name }}{{ $_ := set $replicas "count" (get $values $name) }}{{ end -}}
{{- end -}}
{{- if hasKey $workload "replicas" }}{{ $_ := set $replicas "count" $workload.replicas }}{{ end -}}
{{- $autoscaling := or $workload.autoscaling $values.autoscaling -}}
{{- if kindIs "map" $autoscaling }}{{ $autoscaling = $autoscaling.enabled }}{{ end -}}
{{- $strategy := or $workload.strategy $values.strategy dict -}}
{{- $persistence := $q.persistence -}}
{{- $so := "quotad.acceptResetOnReplace: true says that it is meant" -}}
{{- if eq $persistence.kind "existingClaim" -}}
{{-   if not $persistence.existingClaim -}}
{{-     fail "quotad.persistence.existingClaim: is empty; name the claim, or set quotad.persistence.kind to claimTemplate" -}}
{{-   end -}}
{{- else if $persistence.existingClaim -}}
{{-   fail (printf "quotad.persistence.existingClaim: is not used while quotad.persistence.kind is %s; set that to existingClaim" $persistence.kind) -}}
{{- end -}}
{{- if and (eq $kind "Deployment") (eq $persistence.kind "claimTemplate") -}}
{{-   fail "quotad.persistence.kind: a Deployment has no claim templates; use a StatefulSet, or a claim of yours with existingClaim" -}}
{{- end -}}
{{- if not $q.acceptResetOnReplace -}}
{{-   if eq $persistence.kind "emptyDir" -}}
{{-     fail (printf "quotad.persistence.kind: an emptyDir is lost with its pod, and then everybody has the whole quota again; use claimTemplate or existingClaim (%s)" $so) -}}
{{-   end -}}
{{-   if gt (int (default 0 $replicas.count)) 1 -}}
{{-     fail (printf "replicas: %d pods would give out the whole quota each, for there is no shared ledger; set it to 1 (%s)" (int $replicas.count) $so) -}}
{{-   end -}}
{{-   if $autoscaling -}}
{{-     fail (printf "autoscaling: each pod that it adds would give out the whole quota again, for there is no shared ledger; turn it off (%s)" $so) -}}
{{-   end -}}
{{-   $surges := and (eq $kind "Deployment") (not $strategy) -}}
{{-   if $strategy -}}
{{-     $rolling := or $strategy.rollingUpdate dict -}}
{{-     $surge := toString (ternary $rolling.maxSurge "25%" (hasKey $rolling "maxSurge")) -}}
{{-     $surges = and (ne (default "RollingUpdate" $strategy.type) "Recreate") (not (has $surge (list "0" "0%"))) -}}
{{-   end -}}
{{-   if and (eq $persistence.kind "existingClaim") (not $kind) (not $strategy) -}}
{{-     fail `quotad.persistence.kind: with existingClaim the chart must know whether a rollout starts the new pod beside the old one; include quotad.container with (dict "root" . "workload" (dict "kind" "StatefulSet")), or whatever runs the pod` -}}
{{-   end -}}
{{-   if eq $kind "DaemonSet" -}}
{{-     fail (printf "kind: a DaemonSet has a pod on each node, and each would give out the whole quota; use a StatefulSet (%s)" $so) -}}
{{-   end -}}
{{-   if $surges -}}
{{-     fail (printf "strategy: a surge starts the new pod beside the old one, which still has the books; use the strategy Recreate, or a maxSurge of 0 (%s)" $so) -}}
{{-   end -}}
{{- end -}}
{{- end -}}

{{/* Where plan and settings come from, and how long a drain takes. */}}
{{- define "quotad.checkConfiguration" -}}
{{- $q := .q -}}
{{- if and $q.plan $q.existingConfigMap -}}
{{-   fail "quotad.plan: the ConfigMap that quotad.existingConfigMap names has a plan.yaml of its own; give one of them" -}}
{{- end -}}
{{- if not (or $q.plan $q.existingConfigMap) -}}
{{-   fail "quotad.plan: is empty; say what was bought and how it is shared out (--set-file quotad.plan=plan.yaml), or name a quotad.existingConfigMap" -}}
{{- end -}}
{{- $length := len (toYaml $q.plan) -}}
{{- if gt $length 1000000 -}}
{{-   fail (printf "quotad.plan: its %d bytes do not fit into a ConfigMap, which has 1 MiB; leave users that need no limit of their own out of it, or set their limits through the management listener" $length) -}}
{{- end -}}
{{- if gt (int (include "quotad.seconds" (list "quotad.drainTimeout" $q.drainTimeout))) 3600 -}}
{{-   fail "quotad.drainTimeout: is longer than 1 h; choose a shorter one" -}}
{{- end -}}
{{- end -}}

{{/* Secrets of sinks: in a Secret, never in the ConfigMap. */}}
{{- define "quotad.checkSinks" -}}
{{- $q := .q -}}
{{- $folder := "/etc/quotad/secrets/" -}}
{{- $notifications := default dict $q.settings.notifications -}}
{{- range $index, $sink := $notifications.sinks -}}
{{-   range $kind, $keys := dict "webhook" (list "secret" "secret_file") "email" (list "password" "password_file") -}}
{{-     $target := default dict (get $sink $kind) -}}
{{-     $place := printf "quotad.settings.notifications.sinks[%d].%s" $index $kind -}}
{{-     $text := default "" (get $target (index $keys 0)) -}}
{{-     if and $text (not (regexMatch "^[$][{][A-Za-z_][A-Za-z0-9_]*[}]$" $text)) -}}
{{-       fail (printf "%s.%s: would stand in a ConfigMap, which many may read; put it into quotad.existingSecret and write %s: %sKEY" $place (index $keys 0) (index $keys 1) $folder) -}}
{{-     end -}}
{{-     $file := default "" (get $target (index $keys 1)) -}}
{{-     if and $file (not (hasPrefix $folder $file)) -}}
{{-       fail (printf "%s.%s: %s is no file of the container; put it into quotad.existingSecret and write %sKEY" $place (index $keys 1) $file $folder) -}}
{{-     end -}}
{{-     if and $file (not $q.existingSecret) -}}
{{-       fail (printf "%s.%s: there is no quotad.existingSecret that holds it; name one" $place (index $keys 1)) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- end -}}

{{/* Who is listened to, and who may be. */}}
{{- define "quotad.checkListeners" -}}
{{- $q := .q -}}
{{- if not (or $q.dataPlane.tcp $q.dataPlane.socket.enabled) -}}
{{-   fail "quotad.dataPlane: nobody could call, for there is neither TCP nor a socket; turn one of them on" -}}
{{- end -}}
{{- if and $q.dataPlane.expose (not $q.dataPlane.tcp) -}}
{{-   fail "quotad.dataPlane.expose: other pods cannot use a socket; set quotad.dataPlane.tcp to true" -}}
{{- end -}}
{{- if and $q.management.expose (not $q.management.enabled) -}}
{{-   fail "quotad.management.expose: there is no management listener; set quotad.management.enabled to true" -}}
{{- end -}}
{{- if and $q.management.expose (not $q.management.tokensSecret) -}}
{{-   fail "quotad.management.expose: whoever reaches it could read everything; name the Secret of the tokens in quotad.management.tokensSecret" -}}
{{- end -}}
{{- $ports := list (int $q.probes.port) -}}
{{- if $q.dataPlane.tcp }}{{ $ports = append $ports (int $q.dataPlane.port) }}{{ end -}}
{{- if $q.management.enabled }}{{ $ports = append $ports (int $q.management.port) }}{{ end -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{-   fail "quotad: two of dataPlane.port, management.port and probes.port are the same; give each a port of its own" -}}
{{- end -}}
{{- end -}}
