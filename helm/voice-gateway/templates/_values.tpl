{{/* Values that the release does not have: with `--reuse-values` Helm takes the defaults of the chart that was installed
for those of this one. First in every file. */}}
{{- define "voice-gateway.defaults" -}}
{{- $added := .Files.Get "added.yaml" | fromYaml }}
{{- if ne (int .Values.valuesVersion) (int $added.valuesVersion) }}
{{- include "voice-gateway.fill" (list .Values $added) }}
{{- end }}
{{- end }}

{{- define "voice-gateway.fill" -}}
{{- $values := index . 0 }}
{{- range $name, $default := index . 1 }}
{{- if not (hasKey $values $name) }}{{ $_ := set $values $name $default }}
{{- else if and (kindIs "map" $default) (kindIs "map" (get $values $name)) }}
{{- include "voice-gateway.fill" (list (get $values $name) $default) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is not null of a map, as YAML; nothing when nothing is left. */}}
{{- define "voice-gateway.withoutNulls" -}}
{{- $kept := dict }}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $name $value }}{{ end }}
{{- end }}
{{- with $kept }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* A number that need not be whole, without an exponent where it is. */}}
{{- define "voice-gateway.number" -}}
{{- if kindIs "invalid" . }}{{ fail "metrics.prometheusRule: a threshold must not be null" }}{{ end }}
{{- if eq (floor .) (float64 .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}
