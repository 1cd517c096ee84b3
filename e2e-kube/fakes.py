"""The test kit's fake backends as pods."""

from callers import ANSWER, WORDS
from cluster import Cluster, Image, Json

STATE_PORT = 8062
ASR_PORT, TTS_PORT, LLM_PORT = 50061, 50062, 8061
LABEL = "voice-e2e/part"
ASR = f"{LABEL}=asr"
BACKENDS: Json = {
    "asr": {"address": f"fakes-asr:{ASR_PORT}"},
    "tts": {"address": f"fakes-rest:{TTS_PORT}"},
    "llm": {"url": f"http://fakes-rest:{LLM_PORT}/v1"},
}
"""Values of the gateway's chart."""


def deployment(name: str, part: str, image: Image, node: str, replicas: int = 1) -> Json:
    """Fakes on one node; `part` is what they serve of the Services below."""
    labels = {"app": name, LABEL: part}
    container = {
        "name": "fakes",
        "image": str(image),
        "imagePullPolicy": "IfNotPresent",
        "args": ["--words", " | ".join(WORDS), "--answer", ANSWER],
        "readinessProbe": {"grpc": {"port": ASR_PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
    }
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 2,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(part: str, ports: tuple[int, ...], *, headless: bool) -> Json:
    spec: Json = {"selector": {LABEL: part}, "ports": [{"name": f"p{port}", "port": port} for port in ports]}
    if headless:
        spec["clusterIP"] = "None"
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"fakes-{part}"}, "spec": spec}


async def install(cluster: Cluster, node: str) -> None:
    """Puts one recogniser and one of everything else on `node`, and waits for them."""
    image = cluster.settings.fakes
    await cluster.apply(
        _service("asr", (ASR_PORT,), headless=True),
        _service("rest", (TTS_PORT, LLM_PORT), headless=False),
        deployment("fakes-asr", "asr", image, node),
        deployment("fakes-rest", "rest", image, node),
    )
    for name in ("fakes-asr", "fakes-rest"):
        await cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=180s")
