{{/* Environment of the gateway that is not in the ConfigMap: where things are, and how the process runs. */}}
{{- define "voice-gateway.env" -}}
- name: GRPC_PORT
  value: {{ .Values.service.port | int64 | toString | quote }}
- name: METRICS_PORT
  value: {{ .Values.metrics.port | int64 | toString | quote }}
{{- with .Values.admin }}
{{- if .port }}
- name: ADMIN_PORT
  value: {{ .port | int64 | toString | quote }}
- name: ADMIN_TEXT
  value: {{ .text | quote }}
{{- end }}
{{- end }}
- name: LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: SHUTDOWN_GRACE_PERIOD
  value: {{ .Values.drain.seconds | int64 | toString | quote }}
- name: MAX_CONNECTION_AGE_MS
  value: {{ .Values.maxConnectionAgeMs | int64 | toString | quote }}
- name: START_TIMEOUT_MS
  value: {{ .Values.startTimeoutMs | int64 | toString | quote }}
- name: IDLE_TIMEOUT_MS
  value: {{ .Values.idleTimeoutMs | int64 | toString | quote }}
{{- include "voice-gateway.admissionEnv" . }}
- name: ASR_URI
  value: {{ default .Values.backends.riva.address .Values.backends.asr.address | quote }}
- name: TTS_URI
  value: {{ default .Values.backends.riva.address .Values.backends.tts.address | quote }}
- name: LLM_SERVICE_URL
  value: {{ .Values.backends.llm.url | quote }}
- name: LLM_APOLOGY
  value: {{ .Values.config.llm.apology | quote }}
- name: LLM_FIRST_TOKEN_DEADLINE_MS
  value: {{ .Values.config.llm.firstTokenDeadlineMs | int64 | toString | quote }}
- name: LLM_TOTAL_DEADLINE_MS
  value: {{ .Values.config.llm.totalDeadlineMs | int64 | toString | quote }}
- name: BACKEND_PATIENCE_MS
  value: {{ .Values.config.asr.patienceMs | int64 | toString | quote }}
- name: ASR_APOLOGY
  value: {{ .Values.config.asr.apology | quote }}
- name: TTS_FIRST_AUDIO_DEADLINE_MS
  value: {{ .Values.config.tts.firstAudioDeadlineMs | int64 | toString | quote }}
- name: LLM_FILLER
  value: {{ .Values.config.llm.filler | quote }}
- name: TOOL_TIMEOUT_MS
  value: {{ .Values.config.tools.timeoutMs | int64 | toString | quote }}
{{- if .Values.config.tools.existingSecret }}
- name: TOOLS_FILE
  value: {{ printf "/etc/voice-gateway/tools/%s" .Values.config.tools.existingSecretKey | quote }}
{{- end }}
- name: NO_INPUT_REPROMPT
  value: {{ .Values.config.noInput.reprompt | quote }}
- name: NO_INPUT_GOODBYE
  value: {{ .Values.config.noInput.goodbye | quote }}
{{- if .Values.backends.riva.tls.enabled }}
- name: RIVA_TLS
  value: "true"
{{- if .Values.backends.riva.tls.caSecret }}
- name: RIVA_TLS_CA
  value: {{ printf "/etc/voice-gateway/riva-ca/%s" .Values.backends.riva.tls.caSecretKey | quote }}
{{- end }}
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: GRPC_TLS_CERT
  value: /etc/voice-gateway/tls/tls.crt
- name: GRPC_TLS_KEY
  value: /etc/voice-gateway/tls/tls.key
- name: HEALTH_PORT
  value: {{ include "voice-gateway.plainHealthPort" . | quote }}
{{- end }}
{{- include "voice-gateway.callerEnv" . }}
{{- include "voice-gateway.traceEnv" . }}
{{- include "voice-gateway.secretEnv" (list . "LLM_API_KEY" .Values.backends.llm.apiKey .Values.backends.llm) }}
{{- include "voice-gateway.secretEnv" (list . "RIVA_METADATA" .Values.backends.riva.metadata .Values.backends.riva) }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Who may call. Secrets are files, so that they change without a new pod. */}}
{{- define "voice-gateway.callerEnv" -}}
{{- if include "voice-gateway.hasTokens" . }}
- name: AUTH_TOKENS_FILE
  value: {{ printf "/etc/voice-gateway/tokens/%s" (include "voice-gateway.tokensKey" .) | quote }}
{{- end }}
{{- if include "voice-gateway.hasJwt" . }}
- name: JWT_JWKS
  value: {{ default (printf "/etc/voice-gateway/jwks/%s" .Values.auth.jwt.existingSecretKey) .Values.auth.jwt.jwksUrl | quote }}
- name: JWT_ISSUER
  value: {{ .Values.auth.jwt.issuer | quote }}
- name: JWT_AUDIENCE
  value: {{ join "," .Values.auth.jwt.audiences | quote }}
- name: JWT_CLOCK_SKEW_MS
  value: {{ .Values.auth.jwt.clockSkewMs | int64 | toString | quote }}
- name: JWT_ALGORITHMS
  value: {{ join "," .Values.auth.jwt.algorithms | quote }}
{{- end }}
{{- if .Values.tls.clientCaSecret }}
- name: GRPC_TLS_CLIENT_CA
  value: {{ printf "/etc/voice-gateway/client-ca/%s" .Values.tls.clientCaSecretKey | quote }}
- name: GRPC_TLS_CLIENT_NAMES
  value: {{ join "," .Values.tls.clientNames | quote }}
{{- end }}
{{- with .Values.auth.trustedProxies }}
- name: TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{/* Where spans go, and the pod that they come from. */}}
{{- define "voice-gateway.traceEnv" -}}
{{- with .Values.traces }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .protocol | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .sampleRatio | toString | quote }}
- name: TRACE_TRUST_CLIENTS
  value: {{ .trustClients | toString | quote }}
- name: TRACE_TEXT
  value: {{ .text | toString | quote }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ printf "k8s.namespace.name=%s,k8s.pod.name=$(POD_NAME)" $.Release.Namespace | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* How much a pod takes upon itself, and what one caller may have of it. */}}
{{- define "voice-gateway.admissionEnv" -}}
{{- with .Values.admission }}
- name: MAX_SESSIONS
  value: {{ .maxSessions | int64 | toString | quote }}
- name: ADMIT_MAX_CPU_PERCENT
  value: {{ .maxCpuPercent | int64 | toString | quote }}
- name: ADMIT_MAX_ADDED_MS
  value: {{ .maxAddedMs | int64 | toString | quote }}
- name: UNREADY_WHEN_FULL
  value: {{ .unreadyWhenFull | toString | quote }}
{{- end }}
{{- with .Values.quotas }}
- name: QUOTA_SESSIONS
  value: {{ .sessions | int64 | toString | quote }}
- name: QUOTA_NEW_PER_MINUTE
  value: {{ .newPerMinute | int64 | toString | quote }}
- name: QUOTA_AUDIO_S_PER_DAY
  value: {{ .audioSecondsPerDay | int64 | toString | quote }}
{{- end }}
{{- end }}

{{/* One variable from the Secret that holds it: (root, name, value given here, values with existingSecret). */}}
{{- define "voice-gateway.secretEnv" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- $given := index . 2 }}
{{- $values := index . 3 }}
{{- if $values.existingSecret }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $values.existingSecret | quote }}
      key: {{ $values.existingSecretKey | quote }}
{{- else if $given }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "voice-gateway.fullname" $root | quote }}
      key: {{ $name }}
{{- end }}
{{- end }}
