{{/* Environment of the gateway that is not in the ConfigMap: where things are, and how the process runs. */}}
{{- define "voice-gateway.env" -}}
- name: GRPC_PORT
  value: {{ .Values.service.port | toString | quote }}
- name: METRICS_PORT
  value: {{ .Values.metrics.port | toString | quote }}
- name: LOG_LEVEL
  value: {{ .Values.logLevel }}
- name: SHUTDOWN_GRACE_PERIOD
  value: {{ .Values.drain.seconds | toString | quote }}
- name: MAX_CONNECTION_AGE_MS
  value: {{ .Values.maxConnectionAgeMs | int64 | toString | quote }}
- name: ASR_URI
  value: {{ default .Values.backends.riva.address .Values.backends.asr.address | quote }}
- name: TTS_URI
  value: {{ default .Values.backends.riva.address .Values.backends.tts.address | quote }}
- name: LLM_SERVICE_URL
  value: {{ .Values.backends.llm.url | quote }}
- name: LLM_APOLOGY
  value: {{ .Values.config.llm.apology | quote }}
- name: LLM_FIRST_TOKEN_DEADLINE_MS
  value: {{ .Values.config.llm.firstTokenDeadlineMs | toString | quote }}
- name: LLM_TOTAL_DEADLINE_MS
  value: {{ .Values.config.llm.totalDeadlineMs | toString | quote }}
- name: BACKEND_PATIENCE_MS
  value: {{ .Values.config.asr.patienceMs | int64 | toString | quote }}
- name: TTS_FIRST_AUDIO_DEADLINE_MS
  value: {{ .Values.config.tts.firstAudioDeadlineMs | toString | quote }}
- name: LLM_FILLER
  value: {{ .Values.config.llm.filler | quote }}
- name: TOOL_TIMEOUT_MS
  value: {{ .Values.config.tools.timeoutMs | toString | quote }}
{{- if .Values.config.tools.existingSecret }}
- name: TOOLS_FILE
  value: /etc/voice-gateway/tools/{{ .Values.config.tools.existingSecretKey }}
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
  value: /etc/voice-gateway/riva-ca/{{ .Values.backends.riva.tls.caSecretKey }}
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
{{- include "voice-gateway.secretEnv" (list . "AUTH_TOKENS" .Values.auth.tokens .Values.auth) }}
{{- include "voice-gateway.secretEnv" (list . "LLM_API_KEY" .Values.backends.llm.apiKey .Values.backends.llm) }}
{{- include "voice-gateway.secretEnv" (list . "RIVA_METADATA" .Values.backends.riva.metadata .Values.backends.riva) }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
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
      name: {{ $values.existingSecret }}
      key: {{ $values.existingSecretKey }}
{{- else if $given }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "voice-gateway.fullname" $root }}
      key: {{ $name }}
{{- end }}
{{- end }}
