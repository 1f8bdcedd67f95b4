{{- define "relay.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Room for "-migrate" behind it: a label ends at 63 characters. */}}
{{- define "relay.fullname" -}}
{{- $name := include "relay.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* What every object of this release has, and no other. */}}
{{- define "relay.common" -}}
app.kubernetes.io/name: {{ include "relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "relay.selector" -}}
{{ include "relay.common" . }}
app.kubernetes.io/component: relay
{{- end -}}

{{- define "relay.labels" -}}
{{ include "relay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "relay.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end -}}

{{/* Endpoints know of a pod's end later than the pod: for so long it goes on as before. */}}
{{- define "relay.pause" -}}5{{- end -}}

{{/* Twice the deadline and 10 s for the answers, 6 s for the spool and the log (docs/operation.md), the pause, and 4 s to spare. */}}
{{- define "relay.grace" -}}
{{- add (mul 2 (add (int .Values.deadlineSeconds) 10)) 6 (include "relay.pause" . | int) 4 -}}
{{- end -}}

{{- define "relay.urlSecret" -}}
{{ .Values.spool.postgresql.url.secretName | default .Values.secret.name }}
{{- end -}}

{{/* Nothing that a pod of ours does needs a right. */}}
{{- define "relay.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.uid }}
runAsUser: {{ . }}
runAsGroup: {{ . }}
# Whom the volume and the secrets are readable to.
fsGroup: {{ . }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "relay.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where PostgreSQL is and whom to trust there: variables, of the relay and of the Job. The argument is the root. */}}
{{- define "relay.databaseEnv" -}}
- name: RELAY_SPOOL_URL_FILE
  value: /run/secrets/mdss-relay-spool/url
{{- if .Values.spool.postgresql.ca.secretName }}
- name: RELAY_SPOOL_CA_FILE
  value: /run/secrets/mdss-relay-spool/ca.pem
{{- end }}
- name: RELAY_SPOOL_DURABILITY
  value: {{ .Values.spool.postgresql.durability }}
{{- end -}}

{{/* The files of that. The argument: the root, and the Secret and key of the URL. */}}
{{- define "relay.databaseVolume" -}}
- name: spool-secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .name }}
          items:
            - { key: {{ .key }}, path: url }
      {{- with .root.Values.spool.postgresql.ca }}
      {{- if .secretName }}
      - secret:
          name: {{ .secretName }}
          items:
            - { key: {{ .key }}, path: ca.pem }
      {{- end }}
      {{- end }}
{{- end -}}

{{/* The pod of the Deployment and of the StatefulSet. */}}
{{- define "relay.pod" -}}
metadata:
  labels:
    {{- include "relay.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A pod reads its settings once: other settings are other pods.
    checksum/config: {{ .Values.config | sha256sum }}
    kubectl.kubernetes.io/default-container: relay
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  # A Service called relay would be variables that begin with RELAY_, which the relay takes for mistakes.
  enableServiceLinks: false
  {{- with .Values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  # It finishes what is under way: twice RELAY_DEADLINE + 10 s, 6 s for the spool and the log, and the pause of preStop before.
  # What it is killed in the middle of is stored.
  terminationGracePeriodSeconds: {{ include "relay.grace" . }}
  securityContext:
    {{- include "relay.podSecurity" . | nindent 4 }}
  {{- if ne .Values.antiAffinity "none" }}
  affinity:
    podAntiAffinity:
      {{- if eq .Values.antiAffinity "required" }}
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "relay.selector" . | nindent 14 }}
      {{- else }}
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "relay.selector" . | nindent 16 }}
      {{- end }}
  topologySpreadConstraints:
    # Over the zones, where nodes have one.
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "relay.selector" . | nindent 10 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: relay
      image: {{ include "relay.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      env:
        - name: RELAY_CONFIG
          value: /etc/mdss-relay/relay.toml
        - name: APIKEY_FILE
          value: /run/secrets/mdss-relay/api-key
        - name: RELAY_LISTEN
          value: "0.0.0.0:8080"
        # Not on the port that senders reach: metrics and readiness are for who runs it.
        - name: RELAY_ADMIN_LISTEN
          value: "0.0.0.0:8081"
        - name: RELAY_DEADLINE
          value: {{ .Values.deadlineSeconds }}s
        - name: RELAY_MODE
          value: {{ eq .Values.spool.engine "none" | ternary "direct" "spooled" }}
        {{- if ne .Values.spool.engine "none" }}
        - name: RELAY_SPOOL_LIMIT
          value: {{ .Values.spool.limit }}
        {{- end }}
        {{- if eq .Values.spool.engine "sqlite" }}
        - name: RELAY_DATA_DIR
          value: /var/lib/mdss-relay
        {{- with .Values.ledger }}
        {{- if .enabled }}
        - name: RELAY_LEDGER
          value: "on"
        - name: RELAY_LEDGER_LIMIT
          value: {{ .limit }}
        {{- end }}
        {{- end }}
        {{- end }}
        {{- if eq .Values.spool.engine "postgresql" }}
        {{- include "relay.databaseEnv" . | nindent 8 }}
        - name: RELAY_SPOOL_MIGRATE
          value: {{ eq .Values.spool.postgresql.migrate.by "relay" | ternary "on" "off" | quote }}
        {{- if include "relay.sharedLedger" . }}
        - name: RELAY_LEDGER
          value: "on"
        # Of ledger.key alone: the ledger is in the database.
        - name: RELAY_LEDGER_DIR
          value: /run/secrets/mdss-relay-ledger
        - name: RELAY_LEDGER_LIMIT
          value: {{ .Values.ledger.limit }}
        {{- end }}
        {{- end }}
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - { name: events, containerPort: 8080 }
        - { name: admin, containerPort: 8081 }
      # A disk or a database that hangs is answered with 503 after 10 s, which is longer than a probe waits by default. The answer is kept for a
      # moment, so asking often costs nothing, and a pod that cannot store gets no events.
      readinessProbe:
        httpGet: { path: /readyz, port: admin }
        timeoutSeconds: 12
        periodSeconds: 5
        failureThreshold: 2
      # It depends on neither MDSS nor the spool: an outage of either restarts nothing.
      livenessProbe:
        httpGet: { path: /healthz, port: admin }
        timeoutSeconds: 5
        periodSeconds: 10
        failureThreshold: 6
      lifecycle:
        preStop:
          # On SIGTERM the relay closes its port at once. Whoever still sends here, because he has not heard of the pod's end yet, is served.
          sleep: { seconds: {{ include "relay.pause" . }} }
      securityContext:
        {{- include "relay.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - { name: settings, mountPath: /etc/mdss-relay, readOnly: true }
        - { name: secrets, mountPath: /run/secrets/mdss-relay, readOnly: true }
        {{- if eq .Values.spool.engine "postgresql" }}
        - { name: spool-secrets, mountPath: /run/secrets/mdss-relay-spool, readOnly: true }
        {{- if include "relay.sharedLedger" . }}
        - { name: ledger-key, mountPath: /run/secrets/mdss-relay-ledger, readOnly: true }
        {{- end }}
        {{- end }}
        {{- if eq .Values.spool.engine "sqlite" }}
        - { name: spool, mountPath: /var/lib/mdss-relay }
        {{- end }}
  volumes:
    - name: settings
      configMap:
        name: {{ include "relay.fullname" . }}
    - name: secrets
      secret:
        secretName: {{ .Values.secret.name }}
        defaultMode: 0440
    {{- if eq .Values.spool.engine "postgresql" }}
    {{- $url := .Values.spool.postgresql.url }}
    {{- include "relay.databaseVolume" (dict "root" . "name" (include "relay.urlSecret" .) "key" $url.key) | nindent 4 }}
    {{- if include "relay.sharedLedger" . }}
    - name: ledger-key
      secret:
        secretName: {{ .Values.ledger.key.secretName }}
        defaultMode: 0440
        items: [{ key: {{ .Values.ledger.key.key }}, path: ledger.key }]
    {{- end }}
    {{- end }}
{{- end -}}

{{/* Whether the relays keep a ledger in their database. */}}
{{- define "relay.sharedLedger" -}}
{{- if and (eq .Values.spool.engine "postgresql") .Values.ledger.enabled .Values.ledger.key.secretName }}true{{ end -}}
{{- end -}}
