"""What values of the gateway's chart do to one another: secrets, walls, TLS, and when pods roll."""

from typing import Any

import pytest
import yaml
from chart_kit import DOOR, GATEWAY, ISSUED, JWT, MUTUAL, PEER, TLS, TRACED, WALL, environment, merged, objects


@pytest.mark.parametrize(
    ("values", "is_rolled"),
    [
        ({"config": {"llm": {"systemPrompt": "Be brief."}}}, True),
        ({"config": {"turn": {"leadMs": 300}}}, True),
        ({"backends": {"llm": {"apiKey": "new"}}}, True),
        ({"replicaCount": 4}, False),
        ({"podDisruptionBudget": {"enabled": False}}, False),
    ],
    ids=str,
)
def test_what_calls_are_like_rolls_the_pods(values: dict[str, Any], is_rolled: bool) -> None:  # noqa: FBT001  a table
    """A new prompt is in force with the next call, and a new number of pods ends nobody's."""
    template = objects(GATEWAY)["Deployment"]["spec"]["template"]
    assert (objects(GATEWAY, values)["Deployment"]["spec"]["template"] != template) is is_rolled


def test_with_tls_the_probes_have_a_port_in_plain_text() -> None:
    """Probes of kubelet cannot speak TLS: on the port of the calls they would fail for ever."""
    made = objects(GATEWAY, {"tls": {"existingSecret": "cert"}})
    container = made["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert {container[f"{name}Probe"]["grpc"]["port"] for name in ("startup", "liveness", "readiness")} == {50_052}
    assert environment(made["Deployment"])["HEALTH_PORT"] == "50052"
    assert {"name": "health", "containerPort": 50_052} in container["ports"]
    assert 50_052 not in [port["port"] for port in made["Service"]["spec"]["ports"]]


def test_behind_tls_a_proxy_speaks_tls_too() -> None:
    """Nginx talks to the pods as the pods talk."""
    made = objects(GATEWAY, merged(DOOR, {"tls": {"existingSecret": "cert"}}))
    assert made["Ingress"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"] == "GRPCS"
    assert made["Service"]["spec"]["ports"][0]["appProtocol"] == "https"


def test_secrets_stand_in_no_other_object() -> None:
    """Keys and tokens are in the Secret alone: neither in the ConfigMap nor in the pod's own fields."""
    secret = {"auth": {"tokens": ["t0ken"]}, "backends": {"llm": {"apiKey": "k3y"}, "riva": {"metadata": "m=e7a"}}}
    made = objects(GATEWAY, secret)
    assert set(made["Secret"]["data"]) == {"AUTH_TOKENS", "LLM_API_KEY", "RIVA_METADATA"}
    others = yaml.safe_dump([one for kind, one in made.items() if kind != "Secret"])
    assert not [word for word in ("t0ken", "k3y", "m=e7a") if word in others]


def test_the_test_may_call_where_few_may() -> None:
    """A wall that names its clients lets the pod of `helm test` through, and only that one beside them."""
    made = objects(GATEWAY, merged(WALL, {"networkPolicy": {"clients": PEER}}))
    peers = made["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    labels = made["Pod-test"]["metadata"]["labels"]
    assert [peer["podSelector"]["matchLabels"].items() <= labels.items() for peer in peers[1:]] == [True]
    assert not peers[1]["podSelector"]["matchLabels"].items() <= made["Deployment"]["metadata"]["labels"].items()
    closed = objects(GATEWAY, merged(WALL, {"networkPolicy": {"clients": PEER}, "tests": {"enabled": False}}))
    assert closed["NetworkPolicy"]["spec"]["ingress"][0]["from"] == PEER


def test_only_the_backends_ports_are_open() -> None:
    """The wall has a gate for each backend, on the port of its address, and for DNS."""
    backends = {"asr": {"address": "a:9,b:10"}, "tts": {"address": "t:11"}, "llm": {"url": "https://llm.example/v1"}}
    egress = objects(GATEWAY, merged(WALL, {"backends": backends}))["NetworkPolicy"]["spec"]["egress"]
    assert {port["port"] for rule in egress for port in rule["ports"]} == {53, 5353, 9, 10, 11, 443}
    traced = objects(GATEWAY, merged(WALL, TRACED))["NetworkPolicy"]["spec"]["egress"]
    assert 4_317 in {port["port"] for rule in traced for port in rule["ports"]}
    issued = objects(GATEWAY, merged(WALL, JWT))["NetworkPolicy"]["spec"]["egress"]
    assert 8_443 in {port["port"] for rule in issued for port in rule["ports"]}


def test_secrets_of_callers_change_without_a_new_pod() -> None:
    """Tokens, keys and certificates are files that kubelet renews: no variable, no hash, no subPath."""
    whole = merged(ISSUED, MUTUAL | {"auth": {"jwt": {"existingSecret": "jwks"}}})
    old, new = ({"auth": {"tokens": [token]}} for token in ("old", "new"))
    made, renewed = (objects(GATEWAY, merged(whole, tokens)) for tokens in (old, new))
    assert made["Secret"] != renewed["Secret"]
    assert made["Deployment"] == renewed["Deployment"]
    pod = made["Deployment"]["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts.keys() == {"tls", "client-ca", "tokens", "jwks"}
    assert not [mount for mount in mounts.values() if "subPath" in mount]
    (tokens,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "tokens"]
    assert (tokens["secretName"], tokens["items"][0]["key"]) == ("demo-voice-gateway", "AUTH_TOKENS")
    assert environment(made["Deployment"])["AUTH_TOKENS_FILE"] == "/etc/voice-gateway/tokens/AUTH_TOKENS"


@pytest.mark.parametrize(
    ("values", "is_there"),
    [
        ({"auth": {"tokens": ["t"]}}, True),
        (TLS, True),
        (JWT, False),
        (merged(JWT, {"auth": {"tokens": ["t"]}}), True),
        (MUTUAL, False),
    ],
    ids=str,
)
def test_the_test_is_there_where_it_gets_in(values: dict[str, Any], is_there: bool) -> None:  # noqa: FBT001  a table
    """`helm test` does not fail for want of a JWT or a certificate that no chart can make."""
    assert ("Pod-test" in objects(GATEWAY, values)) is is_there


def test_production_has_every_wall() -> None:
    """The values for production ask for TLS and tokens, limit each caller, and open to nobody but who is needed."""
    values = yaml.safe_load((GATEWAY.parent / "values-production.yaml").read_text(encoding="utf-8"))
    made = objects(GATEWAY, merged(values, {"ingress": {"enabled": True, "host": "h", "tlsSecret": "s"}}))
    set_ = environment(made["Deployment"])
    assert {"GRPC_TLS_CERT", "GRPC_TLS_KEY", "AUTH_TOKENS_FILE"} <= set_.keys()
    assert all(int(set_[f"QUOTA_{name}"]) for name in ("SESSIONS", "NEW_PER_MINUTE", "AUDIO_S_PER_DAY"))
    assert "NetworkPolicy" in made
    assert "Secret" not in made
