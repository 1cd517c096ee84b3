"""The gateway's release on fake backends, and the table of what was measured with it."""

import cluster as kube
import fakes
from cluster import GATEWAY_CHART, Cluster, Json, Settings

GATEWAY = "voice-gateway"
GATEWAY_PODS = f"app.kubernetes.io/name={GATEWAY}"


class Table:
    """What was measured, printed at the end."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, what: str, measured: str, limit: str = "") -> None:
        """A row."""
        self.rows.append((what, measured, limit))


def gateway_values(settings: Settings, replicas: int = 1) -> Json:
    """A gateway on the fakes, with a port on every node."""
    return {
        **settings.gateway.values,
        "replicaCount": replicas,
        "fullnameOverride": GATEWAY,
        "backends": fakes.BACKENDS,
        "service": {"type": "NodePort"},
    }


async def upgrade(cluster: Cluster, *arguments: str, replicas: int = 1, prompt: str = "") -> None:
    """Installs the gateway or upgrades it, and waits until its pods are ready; raises CommandError."""
    values = gateway_values(cluster.settings, replicas)
    if prompt:
        values["config"] = {"llm": {"systemPrompt": prompt}}
    chart = str(GATEWAY_CHART)
    await cluster.helm("upgrade", "--install", GATEWAY, chart, "--wait", "--timeout=180s", *arguments, values=values)


async def settled(cluster: Cluster, replicas: int, timeout_s: float = 120) -> list[Json]:
    """Waits until there are `replicas` gateway pods, all ready and none leaving, and gives them."""

    async def is_settled() -> bool:
        pods = await cluster.pods(GATEWAY_PODS)
        return len(pods) == replicas and all(kube.is_ready(pod) for pod in pods)

    await kube.until(f"{replicas} gateway pods and no other", is_settled, timeout_s)
    return await cluster.pods(GATEWAY_PODS)
