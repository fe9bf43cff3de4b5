{{/* Annotations of the pod. A changed quotad.yaml replaces the pod; a changed plan does not, for it is reloaded. */}}
{{- define "quotad.podAnnotations" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- if $args.q.existingConfigMap -}}
checksum/config: {{ $args.q.existingConfigMap | sha256sum }}
{{- else -}}
checksum/config: {{ include "quotad.settings" . | sha256sum }}
{{- end -}}
{{- end -}}

{{/* The pod's security context: the group that the volumes belong to. */}}
{{- define "quotad.podSecurityContext" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
runAsNonRoot: true
fsGroup: {{ $args.q.runAs.group }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Seconds between SIGTERM and SIGKILL: the drain, and a last snapshot. */}}
{{- define "quotad.terminationGracePeriodSeconds" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- max 30 (add (int (include "quotad.seconds" (list "quotad.drainTimeout" $args.q.drainTimeout))) 15) -}}
{{- end -}}

{{/* Volumes of the pod; that of the books not, if it comes from quotad.volumeClaimTemplates. */}}
{{- define "quotad.volumes" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $q := $args.q -}}
- name: quotad-config
  configMap:
    name: {{ default (include "quotad.fullname" .) $q.existingConfigMap }}
    items:
      - key: plan.yaml
        path: plan.yaml
      - key: quotad.yaml
        path: quotad.yaml
{{- if eq $q.persistence.kind "existingClaim" }}
- name: quotad-data
  persistentVolumeClaim:
    claimName: {{ $q.persistence.existingClaim }}
{{- else if eq $q.persistence.kind "emptyDir" }}
- name: quotad-data
  emptyDir:
    sizeLimit: {{ $q.persistence.size }}
{{- end }}
{{- if and $q.management.enabled $q.management.tokensSecret }}
- name: quotad-tokens
  secret:
    secretName: {{ $q.management.tokensSecret }}
    defaultMode: 0440
    items:
      - key: {{ $q.management.tokensKey }}
        path: tokens.yaml
{{- end }}
{{- if $q.existingSecret }}
- name: quotad-secrets
  secret:
    secretName: {{ $q.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- if $q.dataPlane.socket.enabled }}
- name: quotad-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- end -}}

{{/* Claim templates of a StatefulSet; empty if the books live elsewhere. */}}
{{- define "quotad.volumeClaimTemplates" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $persistence := $args.q.persistence -}}
{{- if eq $persistence.kind "claimTemplate" -}}
- metadata:
    name: quotad-data
    labels:
      {{- include "quotad.selectorLabels" . | nindent 6 }}
  spec:
    accessModes: [{{ $persistence.accessMode }}]
    {{- with $persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ $persistence.size }}
{{- end -}}
{{- end -}}

{{/* For the application's own container: where quotad answers. */}}
{{- define "quotad.appEnv" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
- name: QUOTAD_SERVER
  value: {{ include "quotad.server" $args.q | quote }}
{{- end -}}

{{/* For the application's own container: the folder of the socket; empty if there is none. */}}
{{- define "quotad.appVolumeMounts" -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- if $args.q.dataPlane.socket.enabled -}}
- name: quotad-socket
  mountPath: /run/quotad
{{- end -}}
{{- end -}}
