{{/* Contradictions that the schema cannot see. Each ends the rendering with a sentence that says what to do. */}}
{{- define "voice-gateway.validate" -}}
{{- if not .Values.enabled }}
{{- fail "enabled is false, but the chart was rendered: a parent chart leaves it out by `condition: voice-gateway.enabled` of its dependency." }}
{{- end }}
{{- include "voice-gateway.validateBackends" . }}
{{- include "voice-gateway.validateSecrets" . }}
{{- include "voice-gateway.validateCallers" . }}
{{- include "voice-gateway.validateDoors" . }}
{{- include "voice-gateway.validateDrain" . }}
{{- include "voice-gateway.validateBudget" . }}
{{- include "voice-gateway.validateScaling" . }}
{{- end }}

{{- define "voice-gateway.validateBackends" -}}
{{- $backends := .Values.backends }}
{{- if and (not $backends.riva.address) (not (and $backends.asr.address $backends.tts.address)) }}
{{- fail "backends.riva.address is empty: set it, or both backends.asr.address and backends.tts.address." }}
{{- end }}
{{- if and $backends.riva.tls.caSecret (not $backends.riva.tls.enabled) }}
{{- fail "backends.riva.tls.caSecret is set, but backends.riva.tls.enabled is false: nothing would use it." }}
{{- end }}
{{- end }}

{{- define "voice-gateway.validateSecrets" -}}
{{- if and .Values.auth.tokens .Values.auth.existingSecret }}
{{- fail "auth.tokens and auth.existingSecret are both set: the tokens come from one of them." }}
{{- end }}
{{- if and .Values.backends.llm.apiKey .Values.backends.llm.existingSecret }}
{{- fail "backends.llm.apiKey and backends.llm.existingSecret are both set: the key comes from one of them." }}
{{- end }}
{{- if and .Values.backends.riva.metadata .Values.backends.riva.existingSecret }}
{{- fail "backends.riva.metadata and backends.riva.existingSecret are both set: the metadata comes from one of them." }}
{{- end }}
{{- end }}

{{- define "voice-gateway.validateCallers" -}}
{{- $jwt := .Values.auth.jwt }}
{{- if and $jwt.jwksUrl $jwt.existingSecret }}
{{- fail "auth.jwt.jwksUrl and auth.jwt.existingSecret are both set: the keys come from one of them." }}
{{- end }}
{{- $isWhole := and (include "voice-gateway.hasJwt" .) $jwt.issuer $jwt.audiences }}
{{- if and (not $isWhole) (or (include "voice-gateway.hasJwt" .) $jwt.issuer $jwt.audiences) }}
{{- fail "auth.jwt needs auth.jwt.issuer, auth.jwt.audiences and one of auth.jwt.jwksUrl and auth.jwt.existingSecret." }}
{{- end }}
{{- if and .Values.tls.clientCaSecret (not .Values.tls.existingSecret) }}
{{- fail "tls.clientCaSecret is set, but tls.existingSecret is not: without TLS no client shows a certificate." }}
{{- end }}
{{- if and .Values.tls.clientNames (not .Values.tls.clientCaSecret) }}
{{- fail "tls.clientNames is set, but tls.clientCaSecret is not: no client is asked for a certificate." }}
{{- end }}
{{- end }}

{{- define "voice-gateway.validateDoors" -}}
{{- $isOpen := not (or (include "voice-gateway.hasAuth" .) .Values.auth.allowAnonymous) }}
{{- if and .Values.ingress.enabled $isOpen }}
{{- fail "ingress.enabled without auth.tokens, auth.existingSecret, auth.jwt or tls.clientCaSecret: whoever finds this door talks at your cost. Set one of them, or auth.allowAnonymous if that is meant." }}
{{- end }}
{{- if and .Values.gatewayRoute.enabled $isOpen }}
{{- fail "gatewayRoute.enabled without auth.tokens, auth.existingSecret, auth.jwt or tls.clientCaSecret: whoever finds this door talks at your cost. Set one of them, or auth.allowAnonymous if that is meant." }}
{{- end }}
{{- if and (eq .Values.service.type "LoadBalancer") $isOpen }}
{{- fail "service.type LoadBalancer without auth.tokens, auth.existingSecret, auth.jwt or tls.clientCaSecret: whoever finds this door talks at your cost. Set one of them, or auth.allowAnonymous if that is meant." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.enabled needs ingress.host, the name under which clients call." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.tlsSecret) }}
{{- fail "ingress.enabled needs ingress.tlsSecret: gRPC through nginx needs HTTP/2, and that needs TLS." }}
{{- end }}
{{- if and .Values.gatewayRoute.enabled (not .Values.gatewayRoute.parentRefs) }}
{{- fail "gatewayRoute.enabled needs gatewayRoute.parentRefs, the Gateways that the route hangs on." }}
{{- end }}
{{- if and .Values.gatewayRoute.envoyGateway.enabled (not .Values.gatewayRoute.enabled) }}
{{- fail "gatewayRoute.envoyGateway.enabled without gatewayRoute.enabled: there is no route for the policy." }}
{{- end }}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") }}
{{- fail "service.nodePort is set, but service.type is ClusterIP, which has none." }}
{{- end }}
{{- $port := int .Values.metrics.port }}
{{- if has $port (list (int .Values.service.port) (int (include "voice-gateway.plainHealthPort" .))) }}
{{- fail (printf "metrics.port %d is taken: calls have service.port, and with TLS the probes have the port after it." $port) }}
{{- end }}
{{- $admin := int .Values.admin.port }}
{{- if and $admin (has $admin (list $port (int .Values.service.port) (int (include "voice-gateway.plainHealthPort" .)))) }}
{{- fail (printf "admin.port %d is taken: calls have service.port, with TLS the probes have the port after it, and metrics have metrics.port." $admin) }}
{{- end }}
{{- end }}

{{- define "voice-gateway.validateDrain" -}}
{{- $shortest := int (include "voice-gateway.shortestGrace" .) }}
{{- $grace := int (include "voice-gateway.terminationGrace" .) }}
{{- if lt $grace $shortest }}
{{- fail (printf "terminationGracePeriodSeconds %d would cut calls off: drain.preStopSeconds and drain.seconds need %d. Raise it, or leave it null." $grace $shortest) }}
{{- end }}
{{- end }}

{{- define "voice-gateway.validateBudget" -}}
{{- $budget := .Values.podDisruptionBudget }}
{{- $fewest := int (include "voice-gateway.fewestReplicas" .) }}
{{- if $budget.enabled }}
{{- $hasMax := not (kindIs "invalid" $budget.maxUnavailable) }}
{{- $hasMin := not (kindIs "invalid" $budget.minAvailable) }}
{{- if eq $hasMax $hasMin }}
{{- fail "podDisruptionBudget needs one of maxUnavailable and minAvailable, and the other null." }}
{{- end }}
{{- if and $hasMax (eq (int $budget.maxUnavailable) 0) (not $budget.allowBlockedDrain) }}
{{- fail "podDisruptionBudget.maxUnavailable 0 blocks every drain of a node. Raise it, or set podDisruptionBudget.allowBlockedDrain if that is meant." }}
{{- end }}
{{- if and $hasMax (gt (int $budget.maxUnavailable) (max 1 (sub $fewest 1))) }}
{{- fail (printf "podDisruptionBudget.maxUnavailable %d lets the last ready pod go: there are as few as %d. Lower it." (int $budget.maxUnavailable) $fewest) }}
{{- end }}
{{- if and $hasMin (eq (int $budget.minAvailable) 0) (gt $fewest 1) }}
{{- fail "podDisruptionBudget.minAvailable 0 lets the last ready pod go. It must be at least 1." }}
{{- end }}
{{- if and $hasMin (ge (int $budget.minAvailable) $fewest) (not $budget.allowBlockedDrain) }}
{{- fail (printf "podDisruptionBudget.minAvailable %d blocks every drain of a node: there are as few as %d pods. Lower it, or set podDisruptionBudget.allowBlockedDrain if that is meant." (int $budget.minAvailable) $fewest) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "voice-gateway.validateScaling" -}}
{{- $scaling := .Values.autoscaling }}
{{- if ne $scaling.type "none" }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas %d is above autoscaling.maxReplicas %d." (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- end }}
{{- end }}
{{- if eq $scaling.type "hpa" }}
{{- if not (or $scaling.targetCpuPercent $scaling.targetSessions $scaling.targetFullnessPercent) }}
{{- fail "autoscaling.type hpa needs targetCpuPercent, targetSessions or targetFullnessPercent, to know when." }}
{{- end }}
{{- if and $scaling.targetCpuPercent (not .Values.resources.requests.cpu) }}
{{- fail "autoscaling.targetCpuPercent is a share of resources.requests.cpu, which is not set." }}
{{- end }}
{{- end }}
{{- if eq $scaling.type "keda" }}
{{- if not (and (or $scaling.targetSessions $scaling.targetFullnessPercent) $scaling.keda.prometheusAddress) }}
{{- fail "autoscaling.type keda needs keda.prometheusAddress, and targetSessions or targetFullnessPercent." }}
{{- end }}
{{- end }}
{{- end }}
