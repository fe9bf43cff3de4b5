{{/* Refuses what only a shared instance could be asked for. */}}
{{- define "shared.check" -}}
{{- if not .Values.quotad.dataPlane.expose -}}
{{-   fail "quotad.dataPlane.expose: a shared instance that no other pod reaches serves nobody; set it to true, or use the chart quotad-lib beside the application" -}}
{{- end -}}
{{- if .Values.quotad.dataPlane.socket.enabled -}}
{{-   fail "quotad.dataPlane.socket: other pods cannot use it; turn it off, or use the chart quotad-lib beside the application" -}}
{{- end -}}
{{- $grace := int .Values.terminationGracePeriodSeconds -}}
{{- $drain := int (include "quotad.seconds" (list "quotad.drainTimeout" .Values.quotad.drainTimeout)) -}}
{{- if and $grace (le $grace $drain) -}}
{{-   fail (printf "terminationGracePeriodSeconds: the drain alone may take %d s; set more than that, or 0" $drain) -}}
{{- end -}}
{{- $leaves := false -}}
{{- range (default dict .Values.quotad.settings.notifications).sinks -}}
{{-   if or .webhook .email }}{{ $leaves = true }}{{ end -}}
{{- end -}}
{{- if and $leaves .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{-   fail "networkPolicy.egress: the policy lets nothing out, and sinks of quotad.settings.notifications are elsewhere; write where they are" -}}
{{- end -}}
{{- range $name := list "clients" "monitoring" "administrators" -}}
{{-   if and $.Values.networkPolicy.enabled (not (get $.Values.networkPolicy $name)) -}}
{{-     fail (printf "networkPolicy.%s: an empty list would let in everybody; name who may, or write namespaceSelector: {} if all are meant" $name) -}}
{{-   end -}}
{{- end -}}
{{- end -}}

{{/* The name of the service account. */}}
{{- define "shared.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "quotad.fullname" (dict "root" . "sidecar" false)) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Who may talk to the instance, and whom it may talk to. */}}
{{- define "shared.networkPolicy" -}}
{{- $values := .root.Values -}}
{{- $policy := $values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "quotad.labels" .context | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "quotad.selectorLabels" .context | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- toYaml $policy.clients | nindent 8 }}
      ports:
        - {port: {{ $values.quotad.dataPlane.port }}, protocol: TCP}
    - from:
        {{- toYaml $policy.monitoring | nindent 8 }}
      ports:
        - {port: {{ $values.quotad.probes.port }}, protocol: TCP}
    {{- if and $values.quotad.management.enabled $values.quotad.management.expose }}
    - from:
        {{- toYaml $policy.administrators | nindent 8 }}
      ports:
        - {port: {{ $values.quotad.management.port }}, protocol: TCP}
    {{- end }}
  {{- if $policy.egress }}
  egress:
    - ports:
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}
    {{- toYaml $policy.egress | nindent 4 }}
  {{- else }}
  egress: []
  {{- end }}
{{- end -}}
