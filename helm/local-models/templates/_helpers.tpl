{{- define "local-models.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "local-models.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- include "local-models.objectName" .Values.fullnameOverride }}
{{- else if contains (include "local-models.name" .) .Release.Name }}
{{- include "local-models.objectName" .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "local-models.name" .) | include "local-models.objectName" }}
{{- end }}
{{- end }}

{{/* A name as every object may have it: lower case, no dots, and no digit first, which a Service's may have only from
Kubernetes 1.36 on. */}}
{{- define "local-models.objectName" -}}
{{- $name := regexReplaceAll "^([0-9])" (regexReplaceAll "[^a-z0-9-]" (lower .) "-") "r${1}" }}
{{- regexReplaceAll "-+$" (trunc 50 $name) "" }}
{{- end }}

{{- define "local-models.selectorLabels" -}}
app.kubernetes.io/name: {{ include "local-models.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: models
{{- end }}

{{- define "local-models.labels" -}}
{{ include "local-models.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: voice-gateway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{/* Requests and limits without those that are null or empty. */}}
{{- define "local-models.resources" -}}
{{- $kept := dict }}
{{- range $kind := list "requests" "limits" }}
{{- $amounts := dict }}
{{- range $name, $amount := get (default dict $) $kind | default dict }}
{{- if $amount }}{{ $_ := set $amounts $name $amount }}{{ end }}
{{- end }}
{{- if $amounts }}{{ $_ := set $kept $kind $amounts }}{{ end }}
{{- end }}
{{- toYaml $kept }}
{{- end }}
