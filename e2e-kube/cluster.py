"""The cluster under test: what the settings say of it, kubectl and Helm, and waiting for what is to become true."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kube_tools
import yaml

ROOT = Path(__file__).resolve().parent.parent
GATEWAY_CHART, MODELS_CHART = ROOT / "helm" / "voice-gateway", ROOT / "helm" / "local-models"
COMMAND_S = 300
POLL_S = 0.5
PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))
"""Every limit of time is multiplied by this: on a machine that others use, a slow start is no fault of ours."""
GRPC_PORT = 50051
Json = dict[str, Any]


class CommandError(Exception):
    """A command ended with another status than 0; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the nodes have or can pull."""

    repository: str
    tag: str

    @property
    def values(self) -> Json:
        """The values of a chart that name it."""
        return {"image": {"repository": self.repository, "tag": self.tag, "pullPolicy": "IfNotPresent"}}

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; docs/how-to/test-on-a-cluster.md has the table."""

    gateway: Image
    models: Image
    fakes: Image
    load: tuple[str, ...]
    """Brings images into the cluster, which are further arguments; empty: they are there."""
    power_off: tuple[str, ...]
    power_on: tuple[str, ...]
    """Take a node's name; empty: nodes cannot be powered off."""
    kubectl: str
    helm: str


def read_settings() -> Settings:
    """Reads the environment."""
    tools = kube_tools.fetch() if kube_tools.is_supported() else None
    return Settings(
        gateway=_image("E2E_GATEWAY_IMAGE", "voice-gateway:e2e"),
        models=_image("E2E_MODELS_IMAGE", "local-models:e2e"),
        fakes=_image("E2E_FAKES_IMAGE", "testkit:e2e"),
        load=_words("E2E_LOAD"),
        power_off=_words("E2E_POWER_OFF"),
        power_on=_words("E2E_POWER_ON"),
        kubectl=str(tools.kubectl) if tools else shutil.which("kubectl") or "kubectl",
        helm=str(tools.helm4) if tools else shutil.which("helm") or "helm",
    )


def _words(name: str) -> tuple[str, ...]:
    return tuple(shlex.split(os.environ.get(name, "")))


def _image(name: str, default: str) -> Image:
    repository, _, tag = os.environ.get(name, default).rpartition(":")
    return Image(repository, tag)


async def run(
    *command: str, given: str = "", timeout_s: float = COMMAND_S, env: Mapping[str, str] | None = None
) -> str:
    """Gives what a command writes.

    Raises:
        CommandError: it failed, or took too long.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(env or {})},
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, _ = await process.communicate(given.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CommandError(f"{shlex.join(command)}: nothing for {timeout_s} s") from None
    if process.returncode != 0:
        raise CommandError(f"{shlex.join(command)}: {process.returncode}\n{out.decode(errors='replace')}")
    return out.decode(errors="replace")


async def until(what: str, is_so: Callable[[], Awaitable[object]], timeout_s: float, every_s: float = POLL_S) -> float:
    """Asks until it is so, and gives the seconds that it took; a failing command is a no.

    Raises:
        TimeoutError: it was not so in time.
    """
    begun_s, said, timeout_s = time.monotonic(), "", timeout_s * PATIENCE
    while True:
        try:
            if await is_so():
                return time.monotonic() - begun_s
        except CommandError as error:
            said = f"; {error}"
        if time.monotonic() - begun_s > timeout_s:
            raise TimeoutError(f"{what}: not within {timeout_s} s{said}")
        await asyncio.sleep(every_s)


class Cluster:
    """kubectl and Helm in one namespace."""

    def __init__(self, settings: Settings, namespace: str) -> None:
        self.settings = settings
        self.namespace = namespace

    async def kubectl(self, *arguments: str, given: str = "", timeout_s: float = COMMAND_S) -> str:
        """Runs kubectl in the namespace; raises CommandError."""
        return await run(
            self.settings.kubectl, "--namespace", self.namespace, *arguments, given=given, timeout_s=timeout_s
        )

    async def helm(self, *arguments: str, values: Json | None = None, timeout_s: float = COMMAND_S) -> str:
        """Runs Helm in the namespace, with values from standard input; raises CommandError."""
        more = () if values is None else ("--values", "-")
        given = "" if values is None else yaml.safe_dump(values)
        return await run(
            self.settings.helm, "--namespace", self.namespace, *arguments, *more, given=given, timeout_s=timeout_s
        )

    async def get(self, *what: str) -> Json:
        """Gives one object, or a list of them, as JSON says it."""
        found: Json = json.loads(await self.kubectl("get", *what, "--output", "json"))
        return found

    async def pods(self, selector: str) -> list[Json]:
        """Gives the pods with these labels, those on their way out too."""
        found: list[Json] = (await self.get("pods", "--selector", selector))["items"]
        return found

    async def ready_pods(self, selector: str) -> list[Json]:
        """Gives the pods with these labels that take calls."""
        return [pod for pod in await self.pods(selector) if is_ready(pod)]

    async def apply(self, *objects: Json) -> None:
        """Makes the objects so."""
        await self.kubectl("apply", "--filename", "-", given=yaml.safe_dump_all(objects))

    async def proxy(self, pod: str, port: int, path: str) -> str:
        """Gives what a pod says over HTTP, through the API server."""
        return await self.kubectl(
            "get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy{path}", timeout_s=20
        )

    async def node_port(self, service: str) -> int:
        """Gives the port of a Service on every node."""
        found = await self.get("service", service)
        return int(found["spec"]["ports"][0]["nodePort"])

    @asynccontextmanager
    async def forwarded(self, what: str, port: int = GRPC_PORT) -> AsyncIterator[str]:
        """`kubectl port-forward` to a pod or Service; gives the address on this machine."""
        process = await asyncio.create_subprocess_exec(
            self.settings.kubectl,
            *("--namespace", self.namespace, "port-forward", what, f":{port}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(30):
                line = (await process.stdout.readline()).decode()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise CommandError(f"kubectl port-forward {what}: {line}")
            yield f"127.0.0.1:{found[1]}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


def is_ready(pod: Json) -> bool:
    """Whether a pod takes calls and is not leaving."""
    conditions = {row["type"]: row["status"] for row in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def node_of(pod: Json) -> str:
    """Where a pod runs."""
    return str(pod["spec"]["nodeName"])


def name_of(pod: Json) -> str:
    """What an object is called."""
    return str(pod["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster."""

    name: str
    address: str
    """Where its NodePorts are reached from here."""


async def nodes(cluster: Cluster) -> list[Node]:
    """Gives the nodes that take pods, by name."""
    found = []
    for node in (await cluster.get("nodes"))["items"]:
        addresses = {row["type"]: row["address"] for row in node["status"]["addresses"]}
        taints = {row["effect"] for row in node["spec"].get("taints", ())}
        if not taints & {"NoSchedule", "NoExecute"}:
            found.append(Node(name_of(node), addresses["InternalIP"]))
    return sorted(found, key=lambda node: node.name)
