{{/*
The container. Beside an application it is a native sidecar: an item of initContainers that keeps running, and that the kubelet waits for
before it starts what comes after. Put it first.
*/}}
{{- define "quotad.container" -}}
{{- include "quotad.check" . -}}
{{- $args := dict -}}{{- include "quotad.args" (list . $args) -}}
{{- $q := $args.q -}}
name: quotad
image: {{ include "quotad.image" . }}
imagePullPolicy: {{ $q.image.pullPolicy }}
{{- if $args.sidecar }}
restartPolicy: Always
{{- end }}
# Flags beat the file: what stands in a ConfigMap cannot move the books or the probes.
args:
  - serve
  - --config=/etc/quotad/config/quotad.yaml
  - --plan=/etc/quotad/config/plan.yaml
  - --data-dir=/var/lib/quotad
  - --drain-timeout={{ $q.drainTimeout }}
  - --listen={{ include "quotad.listen" (list $q $q.dataPlane.tcp $q.dataPlane.expose $q.dataPlane.port) }}
  {{- if $q.dataPlane.socket.enabled }}
  - --socket=/run/quotad/quotad.sock
  - --socket-mode={{ $q.dataPlane.socket.mode }}
  {{- end }}
  - --probes-listen={{ include "quotad.listen" (list $q true true $q.probes.port) }}
  - --management-listen={{ include "quotad.listen" (list $q $q.management.enabled $q.management.expose $q.management.port) }}
  {{- if and $q.management.enabled $q.management.tokensSecret }}
  - --management-tokens-file=/etc/quotad/tokens/tokens.yaml
  {{- end }}
env:
  - name: QUOTAD_LOG
    value: {{ $q.log | quote }}
  # For `kubectl exec ... -- quotad balance` and the like.
  - name: QUOTAD_SERVER
    value: {{ include "quotad.server" $q | quote }}
  - name: QUOTAD_PROBES
    value: {{ printf "http://%s:%d" (include "quotad.loopback" $q) (int $q.probes.port) | quote }}
  {{- if $q.management.enabled }}
  - name: QUOTAD_MANAGEMENT
    value: {{ printf "http://%s:%d" (include "quotad.loopback" $q) (int $q.management.port) | quote }}
  {{- end }}
  {{- with $q.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- if and $q.dataPlane.tcp $q.dataPlane.expose }}
  - name: quotad-grpc
    containerPort: {{ $q.dataPlane.port }}
    protocol: TCP
  {{- end }}
  {{- if and $q.management.enabled $q.management.expose }}
  - name: quotad-admin
    containerPort: {{ $q.management.port }}
    protocol: TCP
  {{- end }}
  - name: quotad-probes
    containerPort: {{ $q.probes.port }}
    protocol: TCP
# The kubelet dials the pod's address; the names say what is asked.
startupProbe:
  grpc:
    port: {{ $q.probes.port }}
    service: quotad.startup
  periodSeconds: {{ $q.probes.startup.periodSeconds }}
  timeoutSeconds: 1
  failureThreshold: {{ $q.probes.startup.failureThreshold }}
readinessProbe:
  grpc:
    port: {{ $q.probes.port }}
    service: quotad.readiness
  periodSeconds: {{ $q.probes.readiness.periodSeconds }}
  timeoutSeconds: 2
  failureThreshold: {{ $q.probes.readiness.failureThreshold }}
livenessProbe:
  grpc:
    port: {{ $q.probes.port }}
    service: quotad.liveness
  periodSeconds: {{ $q.probes.liveness.periodSeconds }}
  timeoutSeconds: 5
  failureThreshold: {{ $q.probes.liveness.failureThreshold }}
resources:
  {{- toYaml $q.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $q.runAs.user }}
  runAsGroup: {{ $q.runAs.group }}
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: quotad-data
    mountPath: /var/lib/quotad
  # As a directory, never with subPath: only so does the kubelet swap in what changed.
  - name: quotad-config
    mountPath: /etc/quotad/config
    readOnly: true
  {{- if and $q.management.enabled $q.management.tokensSecret }}
  - name: quotad-tokens
    mountPath: /etc/quotad/tokens
    readOnly: true
  {{- end }}
  {{- if $q.existingSecret }}
  - name: quotad-secrets
    mountPath: /etc/quotad/secrets
    readOnly: true
  {{- end }}
  {{- if $q.dataPlane.socket.enabled }}
  - name: quotad-socket
    mountPath: /run/quotad
  {{- end }}
{{- end -}}

{{/* An address for a flag: values, whether there is a listener, whether other pods reach it, the port. */}}
{{- define "quotad.listen" -}}
{{- if index . 1 -}}
{{- $q := index . 0 -}}
{{- printf "%s:%d" (ternary $q.bindAddress (include "quotad.loopback" $q) (index . 2)) (int (index . 3)) -}}
{{- else -}}
none
{{- end -}}
{{- end -}}

{{/* The loopback address of the family that is listened on. */}}
{{- define "quotad.loopback" -}}
{{- ternary "[::1]" "127.0.0.1" (hasPrefix "[" .bindAddress) -}}
{{- end -}}

{{/* Where the containers of the pod reach the data plane. */}}
{{- define "quotad.server" -}}
{{- if .dataPlane.tcp -}}
{{- printf "http://%s:%d" (include "quotad.loopback" .) (int .dataPlane.port) -}}
{{- else -}}
unix:/run/quotad/quotad.sock
{{- end -}}
{{- end -}}
