"""Every value of the gateway's chart does what its documentation says: one case for each."""

from dataclasses import dataclass, field
from typing import Any

import gen_charts
import pytest
import yaml
from chart_kit import (
    DASHBOARDS,
    DOOR,
    ENVOY,
    GATEWAY,
    HPA,
    ISSUED,
    JWT,
    KEDA,
    MONITOR,
    MUTUAL,
    PEER,
    ROUTE,
    RULE,
    TLS,
    TRACED,
    WALL,
    at,
    environment,
    merged,
    nested,
    objects,
)

POD = "Deployment:spec.template.spec"
BOX = f"{POD}.containers.0"
NGINX = "Ingress:metadata.annotations"


@dataclass(frozen=True)
class Case:
    """A value, and where it is to be seen.

    Attributes:
        value: what the path is set to.
        where: `Kind:path`, `env:NAME`, `config:NAME`, or only a kind, whose absence is expected with None.
        expected: what is there then.
        beside: other values that are set too.
    """

    path: str
    value: Any
    where: str
    expected: Any
    beside: dict[str, Any] = field(default_factory=dict)


def _call(path: str, value: Any, name: str) -> Case:
    return Case(f"config.{path}", value, f"config:{name}", str(value))


def _turn_cases() -> list[Case]:
    """Each field of the policy, at its default plus one."""
    turn = yaml.safe_load((GATEWAY / "values.yaml").read_text(encoding="utf-8"))["config"]["turn"]
    cases = []
    for name, default in turn.items():
        value = not default if isinstance(default, bool) else default + 1
        variable = "TURN_" + "".join(f"_{char}" if char.isupper() else char for char in name).upper()
        cases.append(Case(f"config.turn.{name}", value, f"config:{variable}", str(value).lower()))
    return cases


CASES = [
    Case("enabled", True, "Deployment", "there"),
    Case("valuesVersion", 0, f"{POD}.securityContext.runAsUser", 10_001, {"podSecurityContext": None}),
    Case("replicaCount", 5, "Deployment:spec.replicas", 5),
    Case("nameOverride", "vg", "Deployment:metadata.name", "demo-vg"),
    Case("fullnameOverride", "desk", "Deployment:metadata.name", "desk"),
    Case("image.repository", "r.example/vg", f"{BOX}.image", "r.example/vg:0.1.0"),
    Case("image.tag", "1.2.3", f"{BOX}.image", "voice-gateway:1.2.3"),
    Case("image.digest", f"sha256:{'a' * 64}", f"{BOX}.image", f"voice-gateway@sha256:{'a' * 64}"),
    Case("image.pullPolicy", "Never", f"{BOX}.imagePullPolicy", "Never"),
    Case("imagePullSecrets", [{"name": "pull"}], f"{POD}.imagePullSecrets", [{"name": "pull"}]),
    Case("backends.riva.address", "r:1", "env:ASR_URI", "r:1"),
    Case("backends.riva.metadata", "a=b", "env:RIVA_METADATA", "demo-voice-gateway/RIVA_METADATA"),
    Case("backends.riva.existingSecret", "mine", "env:RIVA_METADATA", "mine/RIVA_METADATA"),
    Case(
        "backends.riva.existingSecretKey",
        "meta",
        "env:RIVA_METADATA",
        "mine/meta",
        {"backends": {"riva": {"existingSecret": "mine"}}},
    ),
    Case("backends.riva.tls.enabled", True, "env:RIVA_TLS", "true"),
    Case(
        "backends.riva.tls.caSecret",
        "ca",
        f"{POD}.volumes.0.secret.secretName",
        "ca",
        {"backends": {"riva": {"tls": {"enabled": True}}}},
    ),
    Case(
        "backends.riva.tls.caSecretKey",
        "roots.pem",
        "env:RIVA_TLS_CA",
        "/etc/voice-gateway/riva-ca/roots.pem",
        {"backends": {"riva": {"tls": {"enabled": True, "caSecret": "ca"}}}},
    ),
    Case("backends.asr.address", "asr:2", "env:ASR_URI", "asr:2"),
    Case("backends.tts.address", "tts:3", "env:TTS_URI", "tts:3"),
    Case("backends.llm.url", "https://llm/v1", "env:LLM_SERVICE_URL", "https://llm/v1"),
    Case("backends.llm.apiKey", "key", "env:LLM_API_KEY", "demo-voice-gateway/LLM_API_KEY"),
    Case("backends.llm.existingSecret", "mine", "env:LLM_API_KEY", "mine/LLM_API_KEY"),
    Case(
        "backends.llm.existingSecretKey",
        "k",
        "env:LLM_API_KEY",
        "mine/k",
        {"backends": {"llm": {"existingSecret": "mine"}}},
    ),
    _call("asr.language", "de-DE", "ASR_LANGUAGE"),
    _call("asr.sampleRate", 8_000, "ASR_SAMPLE_RATE"),
    _call("llm.model", "meta/llama-3.1-8b-instruct", "LLM_MODEL"),
    _call("llm.temperature", 0.25, "LLM_TEMPERATURE"),
    _call("llm.temperature", "off", "LLM_TEMPERATURE"),
    _call("llm.maxTokens", 30_000, "LLM_MAX_TOKENS"),
    _call("llm.maxTokens", "off", "LLM_MAX_TOKENS"),
    _call("llm.maxTokensField", "max_completion_tokens", "LLM_MAX_TOKENS_FIELD"),
    _call("llm.contextTokens", 131_072, "LLM_CONTEXT_TOKENS"),
    _call("llm.thoughts", "opened", "LLM_THOUGHTS"),
    Case("config.llm.extraBody", {"seed": 7}, "config:LLM_EXTRA_BODY", '{"seed":7}'),
    _call("llm.systemPrompt", 'You are "Ada".\nBe brief: {{ .Values }} 100 %', "LLM_SYSTEM_PROMPT"),
    _call("tts.voice", "Magpie.Aria", "TTS_VOICE"),
    _call("tts.sampleRate", 48_000, "TTS_SAMPLE_RATE"),
    *_turn_cases(),
    Case("config.llm.apology", "Pardon?", "env:LLM_APOLOGY", "Pardon?"),
    Case("config.llm.firstTokenDeadlineMs", 900, "env:LLM_FIRST_TOKEN_DEADLINE_MS", "900"),
    Case("config.llm.totalDeadlineMs", 600_000, "env:LLM_TOTAL_DEADLINE_MS", "600000"),
    Case("config.asr.patienceMs", 3_600_000, "env:BACKEND_PATIENCE_MS", "3600000"),
    Case("config.asr.apology", "Pardon?", "env:ASR_APOLOGY", "Pardon?"),
    Case("config.tts.firstAudioDeadlineMs", 700, "env:TTS_FIRST_AUDIO_DEADLINE_MS", "700"),
    Case("config.llm.filler", "Hm.", "env:LLM_FILLER", "Hm."),
    Case("config.tools.existingSecret", "tools", f"{POD}.volumes.0.secret.secretName", "tools"),
    Case(
        "config.tools.existingSecretKey",
        "t.json",
        "env:TOOLS_FILE",
        "/etc/voice-gateway/tools/t.json",
        {"config": {"tools": {"existingSecret": "tools"}}},
    ),
    Case("config.tools.timeoutMs", 120_000, "env:TOOL_TIMEOUT_MS", "120000"),
    Case("config.noInput.reprompt", "Hello?", "env:NO_INPUT_REPROMPT", "Hello?"),
    Case("config.noInput.goodbye", "Bye.", "env:NO_INPUT_GOODBYE", "Bye."),
    Case("logLevel", "DEBUG", "env:LOG_LEVEL", "DEBUG"),
    Case("auth.tokens", ["one", "two"], "Secret:data.AUTH_TOKENS", "b25lLHR3bw=="),
    Case("auth.existingSecret", "mine", f"{POD}.volumes.0.secret.secretName", "mine"),
    Case(
        "auth.existingSecretKey",
        "t",
        "env:AUTH_TOKENS_FILE",
        "/etc/voice-gateway/tokens/t",
        {"auth": {"existingSecret": "mine"}},
    ),
    Case("auth.jwt.jwksUrl", "https://i.example/jwks", "env:JWT_JWKS", "https://i.example/jwks", ISSUED),
    Case("auth.jwt.existingSecret", "jwks", f"{POD}.volumes.0.secret.secretName", "jwks", ISSUED),
    Case(
        "auth.jwt.existingSecretKey",
        "k.json",
        "env:JWT_JWKS",
        "/etc/voice-gateway/jwks/k.json",
        merged(ISSUED, {"auth": {"jwt": {"existingSecret": "jwks"}}}),
    ),
    Case("auth.jwt.issuer", "https://other.example", "env:JWT_ISSUER", "https://other.example", JWT),
    Case("auth.jwt.audiences", ["a", "b"], "env:JWT_AUDIENCE", "a,b", JWT),
    Case("auth.jwt.clockSkewMs", 600_000, "env:JWT_CLOCK_SKEW_MS", "600000", JWT),
    Case("auth.jwt.algorithms", ["ES256", "EdDSA"], "env:JWT_ALGORITHMS", "ES256,EdDSA", JWT),
    Case("auth.trustedProxies", ["10.0.0.0/8", "fd00::/8"], "env:TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8"),
    Case("auth.allowAnonymous", True, "Ingress:spec.rules.0.host", "h", {"ingress": DOOR["ingress"]}),
    Case("tls.existingSecret", "cert", "env:GRPC_TLS_CERT", "/etc/voice-gateway/tls/tls.crt"),
    Case("tls.clientCaSecret", "ca", f"{POD}.volumes.1.secret.secretName", "ca", TLS),
    Case(
        "tls.clientCaSecretKey",
        "roots.pem",
        "env:GRPC_TLS_CLIENT_CA",
        "/etc/voice-gateway/client-ca/roots.pem",
        MUTUAL,
    ),
    Case("tls.clientNames", ["desk", "spiffe://x/y"], "env:GRPC_TLS_CLIENT_NAMES", "desk,spiffe://x/y", MUTUAL),
    Case("service.type", "NodePort", "Service:spec.type", "NodePort"),
    Case("service.ipFamilyPolicy", "PreferDualStack", "Service-metrics:spec.ipFamilyPolicy", "PreferDualStack"),
    Case("service.port", 6_000, f"{BOX}.livenessProbe.grpc.port", 6_000),
    Case("service.nodePort", 30_051, "Service:spec.ports.0.nodePort", 30_051, {"service": {"type": "NodePort"}}),
    Case("service.annotations", {"a": "b"}, "Service:metadata.annotations", {"a": "b"}),
    Case("service.headless.enabled", False, "Service-headless", None),
    Case("drain.seconds", 3_600, f"{POD}.terminationGracePeriodSeconds", 3_615),
    Case("drain.preStopSeconds", 20, f"{BOX}.lifecycle.preStop.sleep.seconds", 20),
    Case("terminationGracePeriodSeconds", 90, f"{POD}.terminationGracePeriodSeconds", 90),
    Case("maxConnectionAgeMs", 1_000_000, "env:MAX_CONNECTION_AGE_MS", "1000000"),
    Case("startTimeoutMs", 500, "env:START_TIMEOUT_MS", "500"),
    Case("idleTimeoutMs", 86_400_000, "env:IDLE_TIMEOUT_MS", "86400000"),
    Case("admission.maxSessions", 5_000, "env:MAX_SESSIONS", "5000"),
    Case("admission.maxCpuPercent", 0, "env:ADMIT_MAX_CPU_PERCENT", "0"),
    Case("admission.maxAddedMs", 10_000, "env:ADMIT_MAX_ADDED_MS", "10000"),
    Case("admission.unreadyWhenFull", True, "env:UNREADY_WHEN_FULL", "true"),
    Case("quotas.sessions", 3, "env:QUOTA_SESSIONS", "3"),
    Case("quotas.newPerMinute", 100_000, "env:QUOTA_NEW_PER_MINUTE", "100000"),
    Case("quotas.audioSecondsPerDay", 100_000_000, "env:QUOTA_AUDIO_S_PER_DAY", "100000000"),
    *(
        Case(f"probes.{probe}.{name}", 17, f"{BOX}.{probe}Probe.{name}", 17)
        for probe, names in {
            "startup": ("periodSeconds", "failureThreshold"),
            "liveness": ("periodSeconds", "timeoutSeconds", "failureThreshold"),
            "readiness": ("periodSeconds", "timeoutSeconds", "failureThreshold"),
        }.items()
        for name in names
    ),
    Case("resources.requests.cpu", "2", f"{BOX}.resources.requests.cpu", "2"),
    Case("resources.requests.memory", "1Gi", f"{BOX}.resources.requests.memory", "1Gi"),
    Case("resources.limits.cpu", 1.5, f"{BOX}.resources.limits.cpu", 1.5),
    Case("resources.limits.memory", None, f"{BOX}.resources.limits", None),
    Case("podDisruptionBudget.enabled", False, "PodDisruptionBudget", None),
    Case("podDisruptionBudget.maxUnavailable", 3, "PodDisruptionBudget:spec.maxUnavailable", 3, {"replicaCount": 4}),
    Case(
        "podDisruptionBudget.minAvailable",
        1,
        "PodDisruptionBudget:spec.minAvailable",
        1,
        {"podDisruptionBudget": {"maxUnavailable": None}},
    ),
    Case(
        "podDisruptionBudget.allowBlockedDrain",
        True,
        "PodDisruptionBudget:spec.maxUnavailable",
        0,
        {"podDisruptionBudget": {"maxUnavailable": 0}},
    ),
    Case("autoscaling.type", "hpa", "Deployment:spec.replicas", None),
    Case("autoscaling.minReplicas", 3, "HorizontalPodAutoscaler:spec.minReplicas", 3, HPA),
    Case("autoscaling.maxReplicas", 40, "ScaledObject:spec.maxReplicaCount", 40, KEDA),
    Case(
        "autoscaling.targetCpuPercent",
        75,
        "HorizontalPodAutoscaler:spec.metrics.0.resource.target.averageUtilization",
        75,
        HPA,
    ),
    Case(
        "autoscaling.targetSessions",
        30,
        "HorizontalPodAutoscaler:spec.metrics.1.pods",
        {
            "metric": {"name": "voicegateway_sessions_in_progress"},
            "target": {"type": "AverageValue", "averageValue": "30"},
        },
        HPA,
    ),
    Case(
        "autoscaling.targetFullnessPercent",
        60,
        "HorizontalPodAutoscaler:spec.metrics.1.pods",
        {
            "metric": {"name": "voicegateway_fullness_ratio"},
            "target": {"type": "AverageValue", "averageValue": "600m"},
        },
        HPA,
    ),
    Case(
        "autoscaling.scaleInStabilizationSeconds",
        900,
        "HorizontalPodAutoscaler:spec.behavior.scaleDown.stabilizationWindowSeconds",
        900,
        HPA,
    ),
    Case(
        "autoscaling.scaleInPeriodSeconds",
        300,
        "ScaledObject:spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.policies.0.periodSeconds",
        300,
        KEDA,
    ),
    Case(
        "autoscaling.keda.prometheusAddress",
        "http://prom:9090",
        "ScaledObject:spec.triggers.0.metadata",
        {
            "serverAddress": "http://prom:9090",
            "query": 'sum(voicegateway_sessions_in_progress{namespace="voice", service="demo-voice-gateway-metrics"})',
            "threshold": "30",
        },
        KEDA,
    ),
    Case("podSecurityContext", {"runAsUser": 1_000_680_000}, f"{POD}.securityContext.runAsUser", 1_000_680_000),
    Case("securityContext", None, f"{BOX}.securityContext", None),
    Case("nodeSelector", {"disk": "fast"}, f"{POD}.nodeSelector", {"disk": "fast"}),
    Case("tolerations", [{"operator": "Exists"}], f"{POD}.tolerations", [{"operator": "Exists"}]),
    Case("affinity", {"nodeAffinity": {}}, f"{POD}.affinity", {"nodeAffinity": {}}),
    Case("spread.whenUnsatisfiable", "none", f"{POD}.topologySpreadConstraints", None),
    Case("spread.overZones", True, f"{POD}.topologySpreadConstraints.1.topologyKey", "topology.kubernetes.io/zone"),
    Case("priorityClassName", "calls", f"{POD}.priorityClassName", "calls"),
    Case("podLabels", {"team": "voice"}, "Deployment:spec.template.metadata.labels.team", "voice"),
    Case("podAnnotations", {"note": "x"}, "Deployment:spec.template.metadata.annotations.note", "x"),
    Case("extraEnv", [{"name": "TZ", "value": "UTC"}], "env:TZ", "UTC"),
    Case("serviceAccount.create", False, f"{POD}.serviceAccountName", "default"),
    Case("serviceAccount.name", "me", "ServiceAccount", None, {"fullnameOverride": "x"}),
    Case("serviceAccount.annotations", {"role": "r"}, "ServiceAccount:metadata.annotations", {"role": "r"}),
    Case("networkPolicy.enabled", True, "NetworkPolicy:spec.policyTypes", ["Ingress", "Egress"]),
    Case("networkPolicy.clients", PEER, "NetworkPolicy:spec.ingress.0.from.0", PEER[0], WALL),
    Case("networkPolicy.scrapers", PEER, "NetworkPolicy:spec.ingress.1.from", PEER, WALL),
    Case("networkPolicy.backends", PEER, "NetworkPolicy:spec.egress.1.to", PEER, WALL),
    Case(
        "networkPolicy.backendPorts",
        [9_000, {"port": 5_004, "protocol": "UDP"}, {"port": 9_001}],
        "NetworkPolicy:spec.egress.1.ports",
        [
            {"port": 5_004, "protocol": "UDP"},
            {"port": 50_051, "protocol": "TCP"},
            {"port": 8_000, "protocol": "TCP"},
            {"port": 9_000, "protocol": "TCP"},
            {"port": 9_001, "protocol": "TCP"},
        ],
        WALL,
    ),
    Case("ingress.enabled", True, f"{NGINX}.nginx.ingress.kubernetes.io/backend-protocol", "GRPC", DOOR),
    Case("ingress.className", "other", "Ingress:spec.ingressClassName", "other", DOOR),
    Case("ingress.host", "v.example", "Ingress:spec.rules.0.host", "v.example", DOOR),
    Case("ingress.tlsSecret", "crt", "Ingress:spec.tls.0.secretName", "crt", DOOR),
    Case(
        "ingress.streamIdleSeconds",
        1_000_000,
        f"{NGINX}.nginx.ingress.kubernetes.io/proxy-read-timeout",
        "1000000",
        DOOR,
    ),
    Case(
        "ingress.annotations",
        {"nginx.ingress.kubernetes.io/proxy-body-size": "1g"},
        f"{NGINX}.nginx.ingress.kubernetes.io/proxy-body-size",
        "1g",
        DOOR,
    ),
    Case("gatewayRoute.enabled", True, "GRPCRoute:spec.rules.0.backendRefs.0.port", 50_051, ROUTE),
    Case(
        "gatewayRoute.parentRefs",
        [{"name": "g"}, {"group": "", "kind": "Service", "name": "mesh"}],
        "GRPCRoute:spec.parentRefs",
        [
            {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"},
            {"group": "", "kind": "Service", "name": "mesh"},
        ],
        ROUTE,
    ),
    Case("gatewayRoute.hostnames", ["v.example"], "GRPCRoute:spec.hostnames", ["v.example"], ROUTE),
    Case(
        "gatewayRoute.envoyGateway.enabled",
        True,
        "BackendTrafficPolicy:spec.timeout.http",
        {"requestTimeout": "0s", "maxStreamDuration": "0s", "streamIdleTimeout": "3600s"},
        ROUTE,
    ),
    Case(
        "gatewayRoute.envoyGateway.streamIdleSeconds",
        1_000_000,
        "BackendTrafficPolicy:spec.timeout.http.streamIdleTimeout",
        "1000000s",
        ENVOY,
    ),
    Case("metrics.port", 9_090, "env:METRICS_PORT", "9090"),
    Case("metrics.serviceMonitor.enabled", True, "ServiceMonitor:spec.endpoints.0.path", "/metrics"),
    Case("metrics.serviceMonitor.interval", "30s", "ServiceMonitor:spec.endpoints.0.interval", "30s", MONITOR),
    Case("metrics.serviceMonitor.labels", {"p": "q"}, "ServiceMonitor:metadata.labels.p", "q", MONITOR),
    Case(
        "metrics.prometheusRule.enabled",
        True,
        "PrometheusRule:spec.groups.0.rules.0.alert",
        "VoiceGatewayBackendErrors",
    ),
    Case("metrics.prometheusRule.labels", {"p": "q"}, "PrometheusRule:metadata.labels.p", "q", RULE),
    Case(
        "metrics.prometheusRule.runbookBase",
        "https://x",
        "PrometheusRule:spec.groups.0.rules.2.annotations.runbook_url",
        "https://x/voice-gateway-loop-lag.md",
        RULE,
    ),
    Case("metrics.dashboards.enabled", True, "ConfigMap-dashboards:metadata.labels.grafana_dashboard", "1"),
    Case("metrics.dashboards.labels", {"p": "q"}, "ConfigMap-dashboards:metadata.labels.p", "q", DASHBOARDS),
    Case("metrics.dashboards.annotations", {"p": "q"}, "ConfigMap-dashboards:metadata.annotations.p", "q", DASHBOARDS),
    Case("admin.port", 50_060, "env:ADMIN_PORT", "50060"),
    Case("admin.port", 50_060, f"{BOX}.ports.2", {"name": "admin", "containerPort": 50_060}),
    Case("admin.text", True, "env:ADMIN_TEXT", "true", {"admin": {"port": 50_060}}),
    Case("traces.endpoint", "http://otel:4317", "env:OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4317"),
    Case("traces.protocol", "http/protobuf", "env:OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", TRACED),
    Case("traces.sampleRatio", 0.05, "env:OTEL_TRACES_SAMPLER_ARG", "0.05", TRACED),
    Case("traces.sampleRatio", "0.05", "env:OTEL_TRACES_SAMPLER_ARG", "0.05", TRACED),  # as `--set` writes it
    Case("traces.trustClients", True, "env:TRACE_TRUST_CLIENTS", "true", TRACED),
    Case("traces.text", True, "env:TRACE_TEXT", "true", TRACED),
    Case("tests.enabled", False, "Pod-test", None),
    Case("tests.say", "Say it.", "Pod-test:spec.containers.0.env.0.value", "Say it."),
    Case("tests.hears", "it", "Pod-test:spec.containers.0.env.1.value", "it"),
    *(
        Case(f"tests.resources.{path}", value, f"Pod-test:spec.containers.0.resources.{path}", value)
        for path, value in {
            "requests.cpu": "2",
            "requests.memory": "1Gi",
            "limits.cpu": 1.5,
            "limits.memory": "2Gi",
        }.items()
    ),
]
THRESHOLDS = {"slowReplySeconds": 1, "backendErrorsPerSecond": 0, "loopLagSeconds": 2}
"""Alert thresholds, and which rule has them."""
OF_RULES = (
    "answeredPercent",
    "promptPercent",
    "promptSeconds",
    "nearCapacityPercent",
    "refusedPercent",
    "certificateDays",
)
"""More of them, which test_chart_rules.py tries."""


def _seen(made: dict[str, Any], where: str) -> Any:
    kind, _, path = where.partition(":")
    if kind == "env":
        return environment(made["Deployment"]).get(path)
    if kind == "config":
        return made["ConfigMap"]["data"].get(path)
    if kind == "Ingress" and "/" in path:  # a key with dots in it
        return made[kind]["metadata"]["annotations"].get(path.removeprefix("metadata.annotations."))
    if not path:
        return made.get(kind) and "there"
    return at(made[kind], path)


@pytest.mark.parametrize("case", CASES, ids=[case.path for case in CASES])
def test_the_value_has_its_effect(case: Case) -> None:
    """Setting it changes what it says it changes."""
    made = objects(GATEWAY, merged(case.beside, nested(case.path, case.value)))
    if case.path == "serviceAccount.name":  # its object is then called as it is
        assert [one["metadata"]["name"] for one in made.values() if one["kind"] == "ServiceAccount"] == ["me"]
        return
    assert _seen(made, case.where) == case.expected


@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds_reach_their_alert(name: str) -> None:
    """An alert fires at the number that the operator gave."""
    made = objects(GATEWAY, merged(RULE, nested(f"metrics.prometheusRule.{name}", 0.75)))
    assert made["PrometheusRule"]["spec"]["groups"][0]["rules"][THRESHOLDS[name]]["expr"].count("> 0.75") == 1


def test_the_admin_port_is_in_no_service_and_no_policy() -> None:
    """Whoever watches forwards a port of the pod: nothing in the cluster leads there."""
    made = objects(GATEWAY, merged(WALL, {"admin": {"port": 50_060}}))
    assert [name for name, one in made.items() if "50060" in yaml.safe_dump(one)] == ["Deployment"]


def test_every_value_has_a_case() -> None:
    """A value that nobody tests is a value that does nothing one day."""
    source = (GATEWAY / "values.yaml").read_text(encoding="utf-8")
    paths = {path for path, _ in gen_charts.leaves(yaml.safe_load(source), gen_charts.docs(source))}
    tested = {case.path for case in CASES} | {f"metrics.prometheusRule.{name}" for name in (*THRESHOLDS, *OF_RULES)}
    assert tested == paths
