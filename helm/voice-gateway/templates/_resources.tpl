{{/* Requests and limits without those that are null or empty. */}}
{{- define "voice-gateway.resources" -}}
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
