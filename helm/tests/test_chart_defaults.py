"""What the charts are when nobody sets anything."""

import os
from pathlib import Path
from typing import Any

import pytest
from chart_kit import ALL, GATEWAY, HELMS, TRACED, environment, objects, run, template
from voice_gateway.config import SECTIONS

SNAPSHOTS = Path(__file__).parent / "snapshots"
CALLS = {
    "ASR_LANGUAGE",
    "ASR_SAMPLE_RATE",
    "LLM_MODEL",
    "LLM_TEMPERATURE",
    "LLM_MAX_TOKENS",
    "LLM_MAX_TOKENS_FIELD",
    "LLM_CONTEXT_TOKENS",
    "LLM_EXTRA_BODY",
    "LLM_THOUGHTS",
    "LLM_SYSTEM_PROMPT",
    "TTS_VOICE",
    "TTS_SAMPLE_RATE",
}


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
@pytest.mark.parametrize("helm", HELMS)
def test_lint_is_clean(chart: Path, helm: str) -> None:
    """Both Helms find nothing wrong with the chart."""
    done = run(helm, "lint", "--strict", str(chart))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
@pytest.mark.parametrize("helm", HELMS)
def test_defaults_are_as_reviewed(chart: Path, helm: str) -> None:
    """A change of what everybody gets is seen as a diff; UPDATE_SNAPSHOTS=1 writes it anew."""
    snapshot = SNAPSHOTS / f"{chart.name}.yaml"
    made = template(chart, name=helm)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(made, encoding="utf-8")
    assert sorted(made.split("---\n")) == sorted(snapshot.read_text(encoding="utf-8").split("---\n"))


def test_configmap_has_the_keys_that_operators_know() -> None:
    """The keys of the ConfigMap are the eight of a call and the turn policy, and nothing else."""
    keys = set(objects(GATEWAY)["ConfigMap"]["data"])
    policy = {setting.name for section in SECTIONS for setting in section.settings if setting.name.startswith("TURN_")}
    assert keys == CALLS | policy


def test_defaults_are_the_gateways_own() -> None:
    """Chart and program agree on every default of a call, so that a value left alone means the same in both."""
    made = objects(GATEWAY)
    said = {**made["ConfigMap"]["data"], **environment(made["Deployment"])}
    known = {setting.name: setting.default for section in SECTIONS for setting in section.settings}
    elsewhere = {
        "ASR_URI",
        "TTS_URI",
        "LLM_SERVICE_URL",
        "METRICS_PORT",
        "MAX_CONNECTION_AGE_MS",
    }  # where backends are is the cluster's
    assert {name: value for name, value in said.items() if name not in elsewhere} == {
        name: known[name] for name in said if name not in elsewhere
    }


def test_every_setting_of_the_gateway_can_be_reached() -> None:
    """A setting that the gateway learns must come to the chart; but a pod has one process, and no disk for journals."""
    everything = {
        "auth": {
            "tokens": ["t"],
            "jwt": {"jwksUrl": "https://i/jwks", "issuer": "i", "audiences": ["a"]},
            "trustedProxies": ["10.0.0.0/8"],
        },
        "tls": {"existingSecret": "cert", "clientCaSecret": "ca"},
        "config": {"tools": {"existingSecret": "tools"}},
        "backends": {"llm": {"apiKey": "k"}, "riva": {"metadata": "a=b", "tls": {"enabled": True, "caSecret": "ca"}}},
        "admin": {"port": 50_060},
        **TRACED,
    }
    made = objects(GATEWAY, everything)
    reached = set(made["ConfigMap"]["data"]) | set(environment(made["Deployment"]))
    settings = {setting.name for section in SECTIONS for setting in section.settings}
    opentelemetrys = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_TRACES_EXPORTER",
        "OTEL_SDK_DISABLED",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
    }  # other spellings of what has a value, for those who set them for all their pods
    assert settings - reached == {"WORKERS", "JOURNAL_DIR", "RIVA_URI", "AUTH_TOKENS", *opentelemetrys}
    # ASR_URI and TTS_URI say it both; tokens come in a file
    assert reached - settings == {"POD_NAME", "OTEL_RESOURCE_ATTRIBUTES"}  # the SDK reads the second, made of the first


def test_every_object_carries_the_recommended_labels() -> None:
    """What belongs to the release can be found by label, and no selector holds a version."""
    for made in objects(GATEWAY).values():
        labels = made["metadata"]["labels"]
        assert {"app.kubernetes.io/name", "app.kubernetes.io/managed-by", "helm.sh/chart"} <= labels.keys()
    selector = objects(GATEWAY)["Deployment"]["spec"]["selector"]["matchLabels"]
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
def test_pods_keep_to_restricted_pod_security(chart: Path) -> None:
    """Every pod of the charts is let into a namespace that enforces `restricted`, with a read-only root."""
    pods = [made for made in objects(chart).values() if made["kind"] in ("Deployment", "Pod")]
    for made in pods:
        spec = made["spec"]["template"]["spec"] if made["kind"] == "Deployment" else made["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert isinstance(spec["securityContext"]["runAsUser"], int)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
def test_no_local_storage_stops_a_drain(chart: Path) -> None:
    """`kubectl drain` refuses pods with an emptyDir unless told otherwise, and node autoscalers keep their nodes."""
    for values in ({}, {"tls": {"existingSecret": "cert"}} if chart == GATEWAY else {}):
        spec = objects(chart, values)["Deployment"]["spec"]["template"]["spec"]
        assert [volume for volume in spec.get("volumes", []) if "emptyDir" in volume] == []


def test_probes_ask_three_health_services() -> None:
    """Liveness is not readiness: a backend that is down must not restart a pod with calls in it."""
    container = objects(GATEWAY)["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    asked = {name: container[f"{name}Probe"]["grpc"] for name in ("startup", "liveness", "readiness")}
    assert asked == {name: {"port": 50_051, "service": name} for name in asked}


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        ({}, ("rollout status deployment/demo-voice-gateway", "No token is asked for"), ("TOKEN=", "--tls", "nginx")),
        (
            {"auth": {"existingSecret": "mine"}, "tls": {"existingSecret": "cert"}, "service": {"port": 6000}},
            ("VOICE_CLIENT_TOKEN=... voice-client talk --server localhost:6000 --tls", "gRPC over TLS"),
            ("No token", "nginx"),
        ),
        (
            {"auth": {"tokens": ["t0ken"]}, "ingress": {"enabled": True, "host": "h", "tlsSecret": "s"}},
            ("client-body-timeout and worker-shutdown-timeout",),
            ("No token", "t0ken"),
        ),
    ],
    ids=["defaults", "closed", "nginx"],
)
def test_the_notes_say_how_to_talk(values: dict[str, Any], said: tuple[str, ...], unsaid: tuple[str, ...]) -> None:
    """Who has installed it reads lines that work as they stand, what is left to do, and no secret."""
    done = run(
        "helm4",
        "install",
        "demo",
        str(GATEWAY),
        "-n",
        "voice",
        "--dry-run=client",
        values=values,
    )
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("\nNOTES:")[2]
    assert [words for words in said if words not in notes] == []
    assert [words for words in unsaid if words in notes] == []


@pytest.mark.parametrize("path", sorted(GATEWAY.glob("templates/**/*.yaml")), ids=lambda path: path.name)
def test_each_file_holds_one_resource(path: Path) -> None:
    """A resource is found by the name of its file."""
    assert path.read_text(encoding="utf-8").count("\nkind:") + path.read_text(encoding="utf-8").startswith("kind:") == 1
