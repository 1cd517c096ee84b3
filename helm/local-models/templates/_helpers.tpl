{{- define "local-models.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "local-models.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "local-models.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "local-models.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "local-models.selectorLabels" -}}
app.kubernetes.io/name: {{ include "local-models.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: models
{{- end }}

{{- define "local-models.labels" -}}
{{ include "local-models.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: voice-gateway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Requests and limits without those that are null or empty. */}}
{{- define "local-models.resources" -}}
{{- $kept := dict }}
{{- range $kind := list "requests" "limits" }}
{{- $amounts := dict }}
{{- range $name, $amount := index $ $kind }}
{{- if $amount }}{{ $_ := set $amounts $name $amount }}{{ end }}
{{- end }}
{{- if $amounts }}{{ $_ := set $kept $kind $amounts }}{{ end }}
{{- end }}
{{- toYaml $kept }}
{{- end }}
