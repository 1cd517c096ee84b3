{{/* What calls are like. A change of it rolls the pods: its hash is an annotation of theirs. */}}
{{- define "voice-gateway.config" -}}
ASR_LANGUAGE: {{ .Values.config.asr.language | quote }}
ASR_SAMPLE_RATE: {{ .Values.config.asr.sampleRate | int64 | toString | quote }}
LLM_MODEL: {{ .Values.config.llm.model | quote }}
LLM_TEMPERATURE: {{ .Values.config.llm.temperature | toString | quote }}
LLM_MAX_TOKENS: {{ include "voice-gateway.numberOrWord" .Values.config.llm.maxTokens }}
LLM_MAX_TOKENS_FIELD: {{ .Values.config.llm.maxTokensField | quote }}
LLM_CONTEXT_TOKENS: {{ .Values.config.llm.contextTokens | int64 | toString | quote }}
LLM_EXTRA_BODY: {{ .Values.config.llm.extraBody | toJson | quote }}
LLM_THOUGHTS: {{ .Values.config.llm.thoughts | quote }}
LLM_SYSTEM_PROMPT: {{ .Values.config.llm.systemPrompt | quote }}
TTS_VOICE: {{ .Values.config.tts.voice | quote }}
TTS_SAMPLE_RATE: {{ .Values.config.tts.sampleRate | int64 | toString | quote }}
{{- range $name, $value := .Values.config.turn }}
TURN_{{ $name | snakecase | upper }}: {{ ternary $value ($value | int64) (kindIs "bool" $value) | toString | quote }}
{{- end }}
{{- end }}
