{{/* Values that the release does not have: with `--reuse-values` Helm takes the defaults of the chart that was installed
for those of this one. First in every file. */}}
{{- define "local-models.defaults" -}}
{{- $added := .Files.Get "added.yaml" | fromYaml }}
{{- if ne (int .Values.valuesVersion) (int $added.valuesVersion) }}
{{- include "local-models.fill" (list .Values $added) }}
{{- end }}
{{- end }}

{{- define "local-models.fill" -}}
{{- $values := index . 0 }}
{{- range $name, $default := index . 1 }}
{{- if not (hasKey $values $name) }}{{ $_ := set $values $name $default }}
{{- else if and (kindIs "map" $default) (kindIs "map" (get $values $name)) }}
{{- include "local-models.fill" (list (get $values $name) $default) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is not null of a map, as YAML; nothing when nothing is left. */}}
{{- define "local-models.withoutNulls" -}}
{{- $kept := dict }}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $name $value }}{{ end }}
{{- end }}
{{- with $kept }}{{ toYaml . }}{{ end }}
{{- end }}
