"""Values that the charts refuse, and the sentence that says why."""

import re
from typing import Any

import pytest
from chart_kit import GATEWAY, HELMS, LOCAL_MODELS, nested, objects, refusal, render

DOOR = {"enabled": True, "host": "voice.example.com", "tlsSecret": "door"}
ROUTE = {"enabled": True, "parentRefs": [{"name": "front"}]}
TOKENS = {"tokens": ["abc"]}
BUDGET = "podDisruptionBudget"
GUARDS: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"enabled": False},
        (
            "enabled is false, but the chart was rendered: a parent chart leaves it out by"
            " `condition: voice-gateway.enabled` of its dependency."
        ),
    ),
    (
        {"backends": {"riva": {"address": ""}}},
        "backends.riva.address is empty: set it, or both backends.asr.address and backends.tts.address.",
    ),
    (
        {"backends": {"riva": {"tls": {"caSecret": "ca"}}}},
        "backends.riva.tls.caSecret is set, but backends.riva.tls.enabled is false: nothing would use it.",
    ),
    (
        {"auth": {"tokens": ["abc"], "existingSecret": "mine"}},
        "auth.tokens and auth.existingSecret are both set: the tokens come from one of them.",
    ),
    (
        {"backends": {"llm": {"apiKey": "abc", "existingSecret": "mine"}}},
        "backends.llm.apiKey and backends.llm.existingSecret are both set: the key comes from one of them.",
    ),
    (
        {"backends": {"riva": {"metadata": "a=b", "existingSecret": "mine"}}},
        "backends.riva.metadata and backends.riva.existingSecret are both set: the metadata comes from one of them.",
    ),
    (
        {"ingress": DOOR},
        (
            "ingress.enabled without auth.tokens, auth.existingSecret, auth.jwt or tls.clientCaSecret:"
            " whoever finds this door talks at your cost."
            " Set one of them, or auth.allowAnonymous if that is meant."
        ),
    ),
    (
        {"gatewayRoute": ROUTE},
        (
            "gatewayRoute.enabled without auth.tokens, auth.existingSecret, auth.jwt or tls.clientCaSecret:"
            " whoever finds this door talks at your cost. Set one of them, or auth.allowAnonymous if that is meant."
        ),
    ),
    (
        {"service": {"type": "LoadBalancer"}},
        (
            "service.type LoadBalancer without auth.tokens, auth.existingSecret, auth.jwt or tls.clientCaSecret:"
            " whoever finds this door talks at your cost. Set one of them, or auth.allowAnonymous if that is meant."
        ),
    ),
    (
        {"auth": TOKENS, "ingress": {**DOOR, "host": ""}},
        "ingress.enabled needs ingress.host, the name under which clients call.",
    ),
    (
        {"auth": TOKENS, "ingress": {**DOOR, "tlsSecret": ""}},
        "ingress.enabled needs ingress.tlsSecret: gRPC through nginx needs HTTP/2, and that needs TLS.",
    ),
    (
        {"auth": TOKENS, "gatewayRoute": {"enabled": True}},
        "gatewayRoute.enabled needs gatewayRoute.parentRefs, the Gateways that the route hangs on.",
    ),
    (
        {"gatewayRoute": {"envoyGateway": {"enabled": True}}},
        "gatewayRoute.envoyGateway.enabled without gatewayRoute.enabled: there is no route for the policy.",
    ),
    (
        {"service": {"nodePort": 30_051}},
        "service.nodePort is set, but service.type is ClusterIP, which has none.",
    ),
    (
        {"metrics": {"port": 50_052}},
        "metrics.port 50052 is taken: calls have service.port, and with TLS the probes have the port after it.",
    ),
    *(
        (
            {"admin": {"port": port}},
            (
                f"admin.port {port} is taken: calls have service.port, with TLS the probes have the port after it,"
                " and metrics have metrics.port."
            ),
        )
        for port in (8_080, 50_051, 50_052)
    ),
    (
        {"terminationGracePeriodSeconds": 39},
        (
            "terminationGracePeriodSeconds 39 would cut calls off: drain.preStopSeconds and drain.seconds need 40."
            " Raise it, or leave it null."
        ),
    ),
    (
        {BUDGET: {"minAvailable": 1}},
        "podDisruptionBudget needs one of maxUnavailable and minAvailable, and the other null.",
    ),
    (
        {BUDGET: {"maxUnavailable": 0}},
        (
            "podDisruptionBudget.maxUnavailable 0 blocks every drain of a node."
            " Raise it, or set podDisruptionBudget.allowBlockedDrain if that is meant."
        ),
    ),
    (
        {BUDGET: {"maxUnavailable": 2}},
        "podDisruptionBudget.maxUnavailable 2 lets the last ready pod go: there are as few as 2. Lower it.",
    ),
    (
        {BUDGET: {"maxUnavailable": None, "minAvailable": 0}},
        "podDisruptionBudget.minAvailable 0 lets the last ready pod go. It must be at least 1.",
    ),
    (
        {"replicaCount": 1, BUDGET: {"maxUnavailable": None, "minAvailable": 1}},
        (
            "podDisruptionBudget.minAvailable 1 blocks every drain of a node: there are as few as 1 pods."
            " Lower it, or set podDisruptionBudget.allowBlockedDrain if that is meant."
        ),
    ),
    (
        {"autoscaling": {"type": "hpa", "minReplicas": 4, "maxReplicas": 3}},
        "autoscaling.minReplicas 4 is above autoscaling.maxReplicas 3.",
    ),
    (
        {"autoscaling": {"type": "hpa", "targetCpuPercent": 0}},
        "autoscaling.type hpa needs targetCpuPercent, targetSessions or targetFullnessPercent, to know when.",
    ),
    (
        {"autoscaling": {"type": "hpa"}, "resources": {"requests": {"cpu": None}}},
        "autoscaling.targetCpuPercent is a share of resources.requests.cpu, which is not set.",
    ),
    (
        {"autoscaling": {"type": "keda", "targetSessions": 30}},
        "autoscaling.type keda needs keda.prometheusAddress, and targetSessions or targetFullnessPercent.",
    ),
)
JWT = {"jwksUrl": "https://i/jwks", "issuer": "i", "audiences": ["a"]}
JWT_SAID = "auth.jwt needs auth.jwt.issuer, auth.jwt.audiences and one of auth.jwt.jwksUrl and auth.jwt.existingSecret."
GUARDS = (
    *GUARDS,
    (
        {"auth": {"jwt": {**JWT, "existingSecret": "jwks"}}},
        "auth.jwt.jwksUrl and auth.jwt.existingSecret are both set: the keys come from one of them.",
    ),
    *(({"auth": {"jwt": {**JWT, name: empty}}}, JWT_SAID) for name, empty in (("issuer", ""), ("audiences", []))),
    ({"auth": {"jwt": {**JWT, "jwksUrl": ""}}}, JWT_SAID),
    (
        {"tls": {"clientCaSecret": "ca"}},
        "tls.clientCaSecret is set, but tls.existingSecret is not: without TLS no client shows a certificate.",
    ),
    (
        {"tls": {"existingSecret": "cert", "clientNames": ["desk"]}},
        "tls.clientNames is set, but tls.clientCaSecret is not: no client is asked for a certificate.",
    ),
)
TAKEN: tuple[dict[str, Any], ...] = (
    {"auth": TOKENS, "ingress": DOOR},
    {"auth": {"existingSecret": "mine"}, "ingress": DOOR},
    {"auth": {"jwt": JWT}, "ingress": DOOR},
    {"tls": {"existingSecret": "cert", "clientCaSecret": "ca"}, "service": {"type": "LoadBalancer"}},
    {"auth": {"allowAnonymous": True}, "ingress": DOOR, "gatewayRoute": ROUTE},
    {"auth": {"existingSecret": "mine"}, "service": {"type": "LoadBalancer", "nodePort": 30_051}},
    {"auth": {"allowAnonymous": True}, "service": {"type": "LoadBalancer"}},
    {"terminationGracePeriodSeconds": 40},
    {"replicaCount": 1},
    {"replicaCount": 3, BUDGET: {"maxUnavailable": 2}},
    {"replicaCount": 3, BUDGET: {"maxUnavailable": None, "minAvailable": 2}},
    {"replicaCount": 1, BUDGET: {"maxUnavailable": None, "minAvailable": 1, "allowBlockedDrain": True}},
    {BUDGET: {"maxUnavailable": 0, "allowBlockedDrain": True}},
    {"backends": {"riva": {"address": ""}, "asr": {"address": "a:1"}, "tts": {"address": "t:1"}}},
    {"autoscaling": {"type": "hpa", "targetCpuPercent": 0, "targetSessions": 30}},
    {"autoscaling": {"type": "hpa", "targetCpuPercent": 0, "targetFullnessPercent": 60}},
    {"autoscaling": {"type": "keda", "targetFullnessPercent": 60, "keda": {"prometheusAddress": "http://p:9090"}}},
)
UNFIT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"config": {"llm": {"systemPromt": "Hi"}}}, "systemPromt"),
    ({"config": {"turn": {"leedMs": 3}}}, "leedMs"),
    ({"replicas": 3}, "replicas"),
    ({"replicaCount": "three"}, "replicaCount"),
    ({"replicaCount": 0}, "replicaCount"),
    ({"config": {"turn": {"leadMs": 39}}}, "leadMs"),
    ({"config": {"asr": {"sampleRate": 44_000}}}, "sampleRate"),
    ({"config": {"llm": {"temperature": 2.1}}}, "temperature"),
    ({"config": {"llm": {"systemPrompt": ""}}}, "systemPrompt"),
    ({"image": {"tag": "latest"}}, "tag"),
    ({"image": {"digest": "sha256:12"}}, "digest"),
    ({"backends": {"llm": {"url": "nim:8000"}}}, "url"),
    ({"backends": {"riva": {"address": "riva"}}}, "address"),
    ({"auth": {"tokens": ["a,b"]}}, "tokens"),
    ({"autoscaling": {"type": "vpa"}}, "type"),
    ({"service": {"type": "ExternalName"}}, "type"),
)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(("values", "sentence"), GUARDS, ids=[sentence[:50] for _, sentence in GUARDS])
def test_a_contradiction_is_refused_with_a_sentence(values: dict[str, Any], sentence: str, helm: str) -> None:
    """Who contradicts himself is told what is wrong and what to do, before anything changes."""
    assert sentence in refusal(GATEWAY, values, name=helm)


def test_every_guard_is_tested() -> None:
    """Each sentence in _validate.tpl has a case above."""
    source = (GATEWAY / "templates" / "_validate.tpl").read_text(encoding="utf-8")
    sentences = [re.sub(r"%[ds]", "@", found) for found in re.findall(r'fail (?:\(printf )?"([^"]+)"', source)]
    shown = [re.sub(r"\b[0-9]+\b", "@", sentence) for _, sentence in GUARDS]
    assert [one for one in sentences if re.sub(r"\b[0-9]+\b", "@", one) not in shown] == []
    assert sentences


@pytest.mark.parametrize("values", TAKEN, ids=str)
def test_what_is_no_contradiction_is_taken(values: dict[str, Any]) -> None:
    """A guard refuses what it says and nothing beside it."""
    assert "Deployment" in objects(GATEWAY, values)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(("values", "name"), UNFIT, ids=[str(values) for values, _ in UNFIT])
def test_a_typo_or_a_value_out_of_range_is_refused(values: dict[str, Any], name: str, helm: str) -> None:
    """What does not exist or does not fit is named, instead of having no effect."""
    said = refusal(GATEWAY, values, name=helm)
    assert "specifications of the schema" in said
    assert name in said


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    "path",
    [
        "replicaCount",
        "service.port",
        "config.llm.maxTokens",
        "config.asr.sampleRate",
        "config",
        "probes",
        "auth",
        "tls",
    ],
)
def test_null_where_something_must_be_is_refused(path: str, helm: str) -> None:
    """Helm takes away what is null: an empty line makes neither 0 pods nor a `nil pointer`, it is refused."""
    said = refusal(GATEWAY, nested(path, None), name=helm)
    assert "specifications of the schema" in said
    assert path.rpartition(".")[2] in said


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    "path", ["nodeSelector", "image.tag", "auth.tokens", "service.nodePort", "affinity", "backends.asr.address"]
)
def test_null_where_nothing_need_be_is_taken(path: str, helm: str) -> None:
    """A key with nothing behind it, as people leave them in values files, means nothing."""
    assert render(GATEWAY, helm=helm, **nested(path, None)) == render(GATEWAY, helm=helm)


@pytest.mark.parametrize("helm", HELMS)
def test_a_typo_in_the_models_chart_is_refused(helm: str) -> None:
    """The chart beside it is as strict."""
    assert "replicas" in refusal(LOCAL_MODELS, {"replicas": 3}, name=helm)
