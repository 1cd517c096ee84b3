{{/* Name of the chart's objects without the release. */}}
{{- define "voice-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* Name of the chart's objects: names in DNS have 63 characters, and the longest suffix, "-headless", has 9. */}}
{{- define "voice-gateway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "voice-gateway.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "voice-gateway.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What a selector matches: never a version, as selectors cannot change. */}}
{{- define "voice-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "voice-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{/* Labels of objects that are not the gateway's pods or select them. */}}
{{- define "voice-gateway.commonLabels" -}}
app.kubernetes.io/name: {{ include "voice-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: voice-gateway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of every object but the test. */}}
{{- define "voice-gateway.labels" -}}
{{ include "voice-gateway.commonLabels" . }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "voice-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "voice-gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "voice-gateway.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* "true" when clients must show something: a token, a JWT or a certificate. */}}
{{- define "voice-gateway.hasAuth" -}}
{{- if or (include "voice-gateway.hasTokens" .) (include "voice-gateway.hasJwt" .) .Values.tls.clientCaSecret }}true{{ end }}
{{- end }}

{{/* "true" when a token opens. */}}
{{- define "voice-gateway.hasTokens" -}}
{{- if or .Values.auth.tokens .Values.auth.existingSecret }}true{{ end }}
{{- end }}

{{/* The tokens' key in their Secret, which is also the name of their file. */}}
{{- define "voice-gateway.tokensKey" -}}
{{- if .Values.auth.existingSecret }}{{ .Values.auth.existingSecretKey }}{{ else }}AUTH_TOKENS{{ end }}
{{- end }}

{{/* "true" when a JWT opens. */}}
{{- define "voice-gateway.hasJwt" -}}
{{- if or .Values.auth.jwt.jwksUrl .Values.auth.jwt.existingSecret }}true{{ end }}
{{- end }}

{{/* "true" when the caller of `helm test` would be let in. */}}
{{- define "voice-gateway.canTest" -}}
{{- $isBarred := and (include "voice-gateway.hasJwt" .) (not (include "voice-gateway.hasTokens" .)) }}
{{- if and .Values.tests.enabled (not $isBarred) (not .Values.tls.clientCaSecret) }}true{{ end }}
{{- end }}

{{/* "true" when the chart makes a Secret. */}}
{{- define "voice-gateway.hasSecret" -}}
{{- if or .Values.auth.tokens .Values.backends.llm.apiKey .Values.backends.riva.metadata }}true{{ end }}
{{- end }}

{{/* "true" when files come from Secrets. */}}
{{- define "voice-gateway.hasVolumes" -}}
{{- if or .Values.tls.existingSecret (include "voice-gateway.hasTokens" .) .Values.auth.jwt.existingSecret .Values.config.tools.existingSecret .Values.backends.riva.tls.caSecret }}true{{ end }}
{{- end }}

{{/* Port of the health service that kubelet asks: its probes cannot speak TLS, so there it has a port of its own. */}}
{{- define "voice-gateway.healthPort" -}}
{{- if .Values.tls.existingSecret }}{{ include "voice-gateway.plainHealthPort" . }}{{ else }}{{ .Values.service.port }}{{ end }}
{{- end }}

{{- define "voice-gateway.plainHealthPort" -}}
{{- add .Values.service.port 1 }}
{{- end }}

{{/* Fewest pods that are meant to run. */}}
{{- define "voice-gateway.fewestReplicas" -}}
{{- if eq .Values.autoscaling.type "none" }}{{ .Values.replicaCount }}{{ else }}{{ .Values.autoscaling.minReplicas }}{{ end }}
{{- end }}

{{/* Shortest time in which a drain always fits: the wait before SIGTERM, the drain, and 5 s in which the gateway cuts
off what outlived it and writes its last messages. */}}
{{- define "voice-gateway.shortestGrace" -}}
{{- add .Values.drain.preStopSeconds .Values.drain.seconds 5 }}
{{- end }}

{{- define "voice-gateway.terminationGrace" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- add .Values.drain.preStopSeconds .Values.drain.seconds 10 }}
{{- else }}
{{- .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}

{{/* Ports of the backends' addresses, one a line, each once. */}}
{{- define "voice-gateway.backendPorts" -}}
{{- $asr := default .Values.backends.riva.address .Values.backends.asr.address }}
{{- $tts := default .Values.backends.riva.address .Values.backends.tts.address }}
{{- $ports := list }}
{{- range $address := concat (splitList "," $asr) (splitList "," $tts) }}
{{- $ports = append $ports (regexFind "[0-9]+$" $address) }}
{{- end }}
{{- $host := index (splitList "/" (regexReplaceAll "^https?://" .Values.backends.llm.url "")) 0 }}
{{- $standard := ternary "443" "80" (hasPrefix "https://" .Values.backends.llm.url) }}
{{- $ports = append $ports (default $standard (trimPrefix ":" (regexFind ":[0-9]+$" $host))) }}
{{- with .Values.auth.jwt.jwksUrl }}
{{- $issuer := index (splitList "/" (regexReplaceAll "^https?://" . "")) 0 }}
{{- $ports = append $ports (default (ternary "443" "80" (hasPrefix "https://" .)) (trimPrefix ":" (regexFind ":[0-9]+$" $issuer))) }}
{{- end }}
{{- range .Values.networkPolicy.backendPorts }}
{{- $ports = append $ports (toString .) }}
{{- end }}
{{- $ports | uniq | sortAlpha | join "\n" }}
{{- end }}

{{/* Restricted pod security, for the pods of the chart. */}}
{{- define "voice-gateway.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "voice-gateway.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Slow scale-in: a pod that goes takes its calls' time with it. */}}
{{- define "voice-gateway.scaleBehavior" -}}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleInStabilizationSeconds }}
  policies:
    - type: Pods
      value: 1
      periodSeconds: {{ .Values.autoscaling.scaleInPeriodSeconds }}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - type: Percent
      value: 100
      periodSeconds: 30
{{- end }}
