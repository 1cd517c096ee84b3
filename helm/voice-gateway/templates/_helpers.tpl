{{/* Name of the chart's objects without the release. */}}
{{- define "voice-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* Name of the chart's objects: names in DNS have 63 characters, and the longest suffix, "-headless", has 9. */}}
{{- define "voice-gateway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- include "voice-gateway.objectName" .Values.fullnameOverride }}
{{- else if contains (include "voice-gateway.name" .) .Release.Name }}
{{- include "voice-gateway.objectName" .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "voice-gateway.name" .) | include "voice-gateway.objectName" }}
{{- end }}
{{- end }}

{{/* A name as every object may have it: lower case, no dots, and no digit first, which a Service's may have only from
Kubernetes 1.36 on. */}}
{{- define "voice-gateway.objectName" -}}
{{- $name := regexReplaceAll "^([0-9])" (regexReplaceAll "[^a-z0-9-]" (lower .) "-") "r${1}" }}
{{- regexReplaceAll "-+$" (trunc 50 $name) "" }}
{{- end }}

{{/* What a selector matches: never a version, as selectors cannot change. */}}
{{- define "voice-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "voice-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: gateway
{{- end }}

{{/* Labels of objects that are not the gateway's pods or select them. */}}
{{- define "voice-gateway.commonLabels" -}}
app.kubernetes.io/name: {{ include "voice-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: voice-gateway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
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

{{/* The tokens without the newlines that files end in, joined. */}}
{{- define "voice-gateway.tokens" -}}
{{- $tokens := list }}
{{- range .Values.auth.tokens }}{{ $tokens = append $tokens (trim .) }}{{ end }}
{{- join "," $tokens }}
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
{{- if .Values.tls.existingSecret }}{{ include "voice-gateway.plainHealthPort" . }}{{ else }}{{ .Values.service.port | int64 }}{{ end }}
{{- end }}

{{- define "voice-gateway.plainHealthPort" -}}
{{- add .Values.service.port 1 }}
{{- end }}

{{/* Fewest pods that are meant to run. */}}
{{- define "voice-gateway.fewestReplicas" -}}
{{- if eq .Values.autoscaling.type "none" }}{{ .Values.replicaCount | int64 }}{{ else }}{{ .Values.autoscaling.minReplicas | int64 }}{{ end }}
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
{{- .Values.terminationGracePeriodSeconds | int64 }}
{{- end }}
{{- end }}

{{/* Ports of the backends as `port/PROTOCOL`, one a line, each once. */}}
{{- define "voice-gateway.backendPorts" -}}
{{- $asr := default .Values.backends.riva.address .Values.backends.asr.address }}
{{- $tts := default .Values.backends.riva.address .Values.backends.tts.address }}
{{- $ports := list }}
{{- range $address := concat (splitList "," $asr) (splitList "," $tts) }}
{{- $ports = append $ports (printf "%s/TCP" (regexFind "[0-9]+$" $address)) }}
{{- end }}
{{- $host := index (splitList "/" (regexReplaceAll "^https?://" .Values.backends.llm.url "")) 0 }}
{{- $standard := ternary "443" "80" (hasPrefix "https://" .Values.backends.llm.url) }}
{{- $ports = append $ports (printf "%s/TCP" (default $standard (trimPrefix ":" (regexFind ":[0-9]+$" $host)))) }}
{{- range $url := compact (list .Values.auth.jwt.jwksUrl .Values.traces.endpoint) }}
{{- $server := index (splitList "/" (regexReplaceAll "^https?://" $url "")) 0 }}
{{- $ports = append $ports (printf "%s/TCP" (default (ternary "443" "80" (hasPrefix "https://" $url)) (trimPrefix ":" (regexFind ":[0-9]+$" $server)))) }}
{{- end }}
{{- range .Values.networkPolicy.backendPorts }}
{{- $one := ternary . (dict "port" .) (kindIs "map" .) }}
{{- $ports = append $ports (printf "%d/%s" (int64 $one.port) (default "TCP" $one.protocol)) }}
{{- end }}
{{- $ports | uniq | sortAlpha | join "\n" }}
{{- end }}

{{/* Mode of files from Secrets: without a group of files they are root's, and the gateway is not root. */}}
{{- define "voice-gateway.fileMode" -}}
{{- if dig "fsGroup" nil (default dict .Values.podSecurityContext) }}0440{{ else }}0444{{ end }}
{{- end }}

{{/* Leave to ask DNS; OpenShift's servers listen on 5353, and a policy sees the port behind their Service. */}}
{{- define "voice-gateway.dnsEgress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
    - port: 5353
      protocol: UDP
    - port: 5353
      protocol: TCP
{{- end }}

{{/* Slow scale-in: a pod that goes takes its calls' time with it. */}}
{{- define "voice-gateway.scaleBehavior" -}}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleInStabilizationSeconds | int64 }}
  policies:
    - type: Pods
      value: 1
      periodSeconds: {{ .Values.autoscaling.scaleInPeriodSeconds | int64 }}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - type: Percent
      value: 100
      periodSeconds: 30
{{- end }}

{{/* A whole number, or the word that stands in its place. Helm holds numbers of values files as floats, which print as
1e+06 from a million on. */}}
{{- define "voice-gateway.numberOrWord" -}}
{{- ternary . (. | int64 | toString) (kindIs "string" .) | quote }}
{{- end }}
