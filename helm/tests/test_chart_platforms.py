"""What platforms ask of the charts: OpenShift's users and DNS, the protocols that meshes read, Secrets from files."""

import base64
import re
from typing import Any

import pytest
import yaml
from chart_kit import (
    ALL,
    CHARTS,
    GATEWAY,
    HELMS,
    LOCAL_MODELS,
    PEER,
    WALL,
    Manifest,
    at,
    by_kind,
    merged,
    objects,
    refusal,
    render,
)

OPENSHIFT: dict[str, Any] = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}
FILES: dict[str, Any] = {
    "tls": {"existingSecret": "cert"},
    "config": {"tools": {"existingSecret": "tools"}},
    "backends": {"riva": {"tls": {"enabled": True, "caSecret": "ca"}}},
}
ISTIO_NAME = re.compile(r"(grpc|http|http2|https|tcp|tls)(-.*)?")
ISTIO_PROTOCOLS = {"grpc", "http", "http2", "https", "tcp", "tls", "kubernetes.io/h2c"}
"""What Istio reads as a port's appProtocol."""


def pods(made: dict[str, Manifest]) -> list[dict[str, Any]]:
    """The specs of all pods."""
    return [
        one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]
        for one in made.values()
        if one["kind"] in ("Pod", "Deployment")
    ]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("way", ["a file", "--set"])
def test_openshift_gives_the_users(way: str, helm: str) -> None:
    """With null for each user and group no pod asks for one, and all else of `restricted` stays."""
    for chart in ALL:
        users = ",".join(f"podSecurityContext.{name}=null" for name in OPENSHIFT["podSecurityContext"])
        found = render(chart, "--set", users, helm=helm) if way == "--set" else render(chart, helm=helm, **OPENSHIFT)
        for pod in pods(by_kind(found)):
            assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
            assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("helm", HELMS)
def test_contexts_can_be_left_out(helm: str) -> None:
    """Null for a whole context leaves it to the platform, in the pod of `helm test` as well."""
    for chart in ALL:
        made = by_kind(render(chart, helm=helm, podSecurityContext=None, securityContext=None))
        for pod in pods(made):
            assert "securityContext" not in pod
            assert "securityContext" not in pod["containers"][0]


@pytest.mark.parametrize(
    ("values", "mode"),
    [({}, 0o440), (OPENSHIFT, 0o444), ({"podSecurityContext": None}, 0o444)],
    ids=["fixed group", "no group", "no context"],
)
def test_files_of_secrets_can_be_read(values: dict[str, Any], mode: int) -> None:
    """Without a group of files they belong to root, and a gateway that is not root must still read its key."""
    volumes = objects(GATEWAY, merged(FILES, values))["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert [volume["secret"]["defaultMode"] for volume in volumes] == [mode] * 3


@pytest.mark.parametrize("helm", HELMS)
def test_names_are_resolved_behind_the_wall(helm: str) -> None:
    """OpenShift's DNS servers listen on 5353, and its policies see that port, whatever the Service has."""
    made = by_kind(render(GATEWAY, helm=helm, **merged(WALL, {"networkPolicy": {"backends": PEER}})))
    dns = made["NetworkPolicy"]["spec"]["egress"][0]
    assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {
        (port, protocol) for port in (53, 5353) for protocol in ("UDP", "TCP")
    }
    assert "to" not in dns


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("given", [{"protocol": "UDP"}, {"port": 70_000}, {"port": 1, "protocol": "QUIC"}, 0, "50051"])
def test_a_port_that_is_none_is_refused(given: object, helm: str) -> None:
    """A backend port is a number, or a port and a protocol that Kubernetes knows."""
    assert "backendPorts" in refusal(GATEWAY, {"networkPolicy": {"backendPorts": [given]}}, name=helm)


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_meshes_know_what_ports_speak(is_tls: bool) -> None:  # noqa: FBT001  a table
    """A mesh that guesses the protocol breaks calls: a port says it by its name or appProtocol, and TLS is not gRPC."""
    values = {"tls": {"existingSecret": "cert"}} if is_tls else {}
    for chart, given in ((GATEWAY, values), (LOCAL_MODELS, {})):
        for name, made in objects(chart, given).items():
            for port in made["spec"]["ports"] if made["kind"] == "Service" else ():
                protocol = port.get("appProtocol", "")
                assert protocol in ISTIO_PROTOCOLS or ISTIO_NAME.fullmatch(port["name"]), (name, port)
                if chart == GATEWAY and port["name"] == "grpc":
                    assert protocol == ("https" if is_tls else "kubernetes.io/h2c"), name


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n\n", ""])
def test_values_from_files_lose_their_newline(end: str, helm: str) -> None:
    """`--set-file` brings the newline that editors put at a file's end: no client could show such a token."""
    values: dict[str, Any] = {
        "auth": {"tokens": [f"one{end}", f"two{end}"]},
        "backends": {"llm": {"apiKey": f"key{end}"}, "riva": {"metadata": f"a=b{end}"}},
    }
    data = by_kind(render(GATEWAY, helm=helm, **values))["Secret"]["data"]
    assert {name: base64.b64decode(text).decode() for name, text in data.items()} == {
        "AUTH_TOKENS": "one,two",
        "LLM_API_KEY": "key",
        "RIVA_METADATA": "a=b",
    }


@pytest.mark.parametrize("token", ["a b", "a\nb", "a,b", "", "\n"], ids=repr)
def test_what_no_token_can_be_is_refused(token: str) -> None:
    """White space inside of a token is no newline of a file."""
    assert "tokens" in refusal(GATEWAY, {"auth": {"tokens": [token]}})


def test_every_container_says_what_it_needs() -> None:
    """Where a quota counts requests and limits, a pod that names none is refused; CPU has no limit by choice."""
    for chart in ALL:
        for pod in pods(objects(chart)):
            for container in pod["containers"]:
                assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
                assert "memory" in container["resources"]["limits"]


def test_spread_counts_the_gateways_own_pods() -> None:
    """The selectors of the spread, the budget, the Services and the monitor all match the pods, and not the test's."""
    made = objects(
        GATEWAY, merged(WALL, {"spread": {"overZones": True}, "metrics": {"serviceMonitor": {"enabled": True}}})
    )
    labels = made["Deployment"]["spec"]["template"]["metadata"]["labels"]
    spread = made["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        *(row["labelSelector"]["matchLabels"] for row in spread),
        at(made["PodDisruptionBudget"], "spec.selector.matchLabels"),
        at(made["NetworkPolicy"], "spec.podSelector.matchLabels"),
        *(made[name]["spec"]["selector"] for name in ("Service", "Service-headless", "Service-metrics")),
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= made["Pod-test"]["metadata"]["labels"].items()
    monitored = made["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items()
    services = [name for name, one in made.items() if name.startswith("Service") and one["kind"] == "Service"]
    assert [name for name in services if monitored <= made[name]["metadata"]["labels"].items()] == ["Service-metrics"]


def test_the_test_may_call_where_nothing_else_may() -> None:
    """Where a namespace denies all, the pod of `helm test` may resolve names and call the gateway, and nothing more."""
    made = objects(GATEWAY, merged(WALL, {"networkPolicy": {"clients": PEER}}))
    policy = made["NetworkPolicy-test"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= made["Pod-test"]["metadata"]["labels"].items()
    assert not policy["podSelector"]["matchLabels"].items() <= made["Deployment"]["metadata"]["labels"].items()
    dns, call = policy["egress"]
    assert dns == made["NetworkPolicy"]["spec"]["egress"][0]
    assert call == {
        "ports": [{"port": 50_051, "protocol": "TCP"}],
        "to": [{"podSelector": made["Deployment"]["spec"]["selector"]}],
    }
    for off in ({"tests": {"enabled": False}}, {"networkPolicy": {"enabled": False}}):
        assert "NetworkPolicy-test" not in objects(GATEWAY, merged(WALL, off))


def test_the_test_runs_where_the_gateway_may() -> None:
    """On nodes that are kept for some by labels, taints and priorities, the pod of `helm test` is one of them."""
    given = {"nodeSelector": {"pool": "voice"}, "tolerations": [{"operator": "Exists"}], "priorityClassName": "calls"}
    made = objects(GATEWAY, given)
    for pod in pods(made):
        assert {name: pod[name] for name in given} == given


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("values", [{"resources": None}, {"resources": {"requests": None, "limits": None}}], ids=str)
def test_a_limit_range_may_decide(values: dict[str, Any], helm: str) -> None:
    """Resources that are null are left to the namespace's own."""
    for chart in ALL:
        made = by_kind(render(chart, helm=helm, **values))
        assert at(made["Deployment"], "spec.template.spec.containers.0.resources") == {}


def test_every_service_has_the_families() -> None:
    """In a cluster with both families each Service of a release is reached by the same ones."""
    for chart in ALL:
        made = objects(chart, {"service": {"ipFamilyPolicy": "PreferDualStack"}})
        services = [one["spec"] for one in made.values() if one["kind"] == "Service"]
        assert {spec.get("ipFamilyPolicy") for spec in services} == {"PreferDualStack"}
        assert len(services) > 1


def test_the_page_on_openshift_leaves_users_to_it() -> None:
    """What the page tells to write takes every user and group away."""
    page = (CHARTS.parent / "docs" / "how-to" / "deploy-to-openshift.md").read_text(encoding="utf-8")
    values = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    for chart in ALL:
        for pod in pods(by_kind(render(chart, **values))):
            assert not {"runAsUser", "runAsGroup", "fsGroup"} & pod["securityContext"].keys()
