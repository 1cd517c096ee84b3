"""Both charts under names that look like numbers, and inside of another chart."""

from pathlib import Path

import yaml
from cluster import GATEWAY_CHART, MODELS_CHART, Cluster, Json, run, until
from releases import Table
from test_1_whole_system import CALL_S, CLIENT, INSTALL

MODELS, GATEWAY, UMBRELLA = "123", "1e3", "7"
"""Names of releases; the first is a number to YAML, and so is the second to Kubernetes' parser."""
ASKED, ANSWERED = "What is a pod in Kubernetes?\n", "container"
PLATFORMS: Json = {"podSecurityContext": {"runAsUser": 1_000_680_000, "runAsGroup": 0, "fsGroup": 1_000_680_000}}
"""As OpenShift makes pods that name no user: one that no image knows, in the group of root."""
SMALL: Json = {"replicaCount": 1, "resources": {"requests": {"cpu": "100m"}}}


def backends(models: str) -> Json:
    """Values of the gateway, where the other chart's objects are called `models`."""
    return {"riva": {"address": f"{models}-headless:50061"}, "llm": {"url": f"http://{models}:8061/v1"}}


async def speak(cluster: Cluster, release: str, service: str) -> None:
    """Holds the spoken call of `helm test` and a typed one from here."""
    assert "Phase:          Succeeded" in await cluster.helm("test", release, "--timeout=120s")
    async with cluster.forwarded(f"service/{service}") as server:
        told = await run(CLIENT, "talk", "--server", server, "--text", given=ASKED, timeout_s=CALL_S)
    assert ANSWERED in told.lower()


async def is_unchanged(cluster: Cluster, release: str) -> bool:
    """What Helm holds is what the API server holds: nothing that a tool which compares would apply again."""
    manifest = await cluster.helm("get", "manifest", release)
    await cluster.kubectl(
        *("diff", "--server-side", "--force-conflicts", "--field-manager=compare", "--filename", "-"), given=manifest
    )  # fails where there is a difference
    return True


async def test_releases_and_a_namespace_that_are_numbers(numbered: Cluster, table: Table) -> None:
    """Releases 123 and 1e3 in a namespace that is a number become ready, and are spoken with."""

    async def install() -> bool:
        await numbered.helm(*INSTALL, MODELS, str(MODELS_CHART), values=numbered.settings.models.values)
        values = {**numbered.settings.gateway.values, **SMALL, "backends": backends(f"r{MODELS}-local-models")}
        await numbered.helm(*INSTALL, GATEWAY, str(GATEWAY_CHART), values=values)
        return True

    table.add(
        f"releases {MODELS} and {GATEWAY} in {numbered.namespace}, until ready",
        f"{await until('ready', install, 0):.1f} s",
    )
    await speak(numbered, GATEWAY, f"r{GATEWAY}-voice-gateway")
    for release in (GATEWAY, MODELS):
        assert await is_unchanged(numbered, release)
        await numbered.helm("uninstall", release, "--wait", "--timeout=120s")


async def test_both_charts_inside_of_another(numbered: Cluster, tmp_path: Path, table: Table) -> None:
    """A parent chart takes both in by their conditions, as one release that is a number, as OpenShift's users."""
    values: Json = {
        "voice-gateway": {
            **numbered.settings.gateway.values,
            **SMALL,
            **PLATFORMS,
            "backends": backends("models"),
            "enabled": True,
        },
        "local-models": {**numbered.settings.models.values, **PLATFORMS, "fullnameOverride": "models", "enabled": True},
        "unwanted": {"enabled": False},
    }
    chart = await umbrella(numbered, tmp_path)

    async def install() -> bool:
        await numbered.helm(*INSTALL, UMBRELLA, str(chart), values=values)
        return True

    table.add("both charts in a parent chart, until ready", f"{await until('ready', install, 0):.1f} s")
    deployments = (await numbered.get("deployments", f"--selector=app.kubernetes.io/instance={UMBRELLA}"))["items"]
    assert {made["metadata"]["name"] for made in deployments} == {f"r{UMBRELLA}-voice-gateway", "models"}
    await speak(numbered, UMBRELLA, f"r{UMBRELLA}-voice-gateway")
    assert await is_unchanged(numbered, UMBRELLA)
    await numbered.helm("uninstall", UMBRELLA, "--wait", "--timeout=120s")


async def umbrella(cluster: Cluster, folder: Path) -> Path:
    """Makes a chart with both of ours as dependencies, and a second gateway that nobody wants."""
    rows = [
        {"name": chart.name, "version": ">=0.1.0", "repository": f"file://{chart}", "condition": f"{value}.enabled"}
        | ({"alias": value} if value != chart.name else {})
        for chart, value in (
            (GATEWAY_CHART, "voice-gateway"),
            (MODELS_CHART, "local-models"),
            (GATEWAY_CHART, "unwanted"),
        )
    ]
    chart = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": rows}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart), encoding="utf-8")
    await cluster.helm("dependency", "update", str(folder))
    return folder
