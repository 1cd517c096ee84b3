"""What `voice-gateway health` asks a running gateway and prints: is it ready, and for whom does it wait?

The page is JSON at /health on the port of the metrics, status 200 when ready and 503 when not. Probes ask
grpc.health.v1 instead, which has no room for reasons.
"""

import http.client
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from voice_gateway.domain.instant import Instant
from voice_gateway.observability.health import Readiness
from voice_gateway.session.ports import BackendHealth, Occupancy

TIMEOUT_S = 5.0
_READY = 200
_UNREADY = 503
_MS_PER_S = 1_000


class HealthUnknown(Exception):  # noqa: N818  said as the fact it is
    """No gateway answers there."""


class HealthPage:
    """The page of one process."""

    def __init__(
        self,
        readiness: Readiness,
        backends: Sequence[BackendHealth],
        occupancy: Occupancy,
        version: str,
        clock: Callable[[], Instant],
    ) -> None:
        self._readiness = readiness
        self._backends = backends
        self._occupancy = occupancy
        self._version = version
        self._clock = clock

    def write(self) -> tuple[bool, bytes]:
        """Whether the gateway is ready, and the page."""
        now = self._clock()
        is_ready = self._readiness.is_ready(now)
        page = {
            "is_ready": is_ready,
            "is_draining": self._readiness.is_draining,
            "is_unready_because_full": self._readiness.is_kept_away,
            "sessions": self._occupancy.sessions,
            "capacity": self._occupancy.capacity,
            "fullness": round(self._occupancy.fullness, 3),
            "waits_for": [backend.value for backend in self._readiness.missing(now)],
            "backends": {
                each.backend.value: {"is_healthy": each.is_healthy, **asdict(each.status())} for each in self._backends
            },
            "version": self._version,
        }
        return is_ready, json.dumps(page, indent=1).encode() + b"\n"


def ask(address: str) -> dict[str, Any]:
    """The page of the gateway whose metrics are at this `host:port`.

    Raises:
        HealthUnknown: nobody answers there, or somebody else.
    """
    try:
        target = urlsplit(f"//{address}")
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/health")
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        page = json.loads(body) if response.status in {_READY, _UNREADY} else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HealthUnknown(f"no gateway answers at {address}: {error}") from error
    if not isinstance(page, dict) or "is_ready" not in page:
        raise HealthUnknown(f"no gateway answers at {address}: HTTP status {response.status}")
    return page


def render(page: dict[str, Any]) -> list[str]:
    """The page in lines for people."""
    lines = [_verdict(page), _occupancy(page), *map(_worker, page.get("workers", ()))]
    for name, backend in page["backends"].items():
        lines.append(f"{name}: {'healthy' if backend['is_healthy'] else 'no healthy address'}")
        lines += [f"  {_address_line(each)}" for each in backend["addresses"]]
        lines += [f"  {each['name']}: cannot be resolved: {each['cause']}" for each in backend["unresolved"]]
    return lines


def _verdict(page: dict[str, Any]) -> str:
    if page["is_ready"]:
        return "ready"
    reasons = ["it is draining"] if page["is_draining"] else []
    reasons += ["it is full, or was a moment ago"] if page["is_unready_because_full"] else []
    reasons += [f"it waits for {', '.join(page['waits_for'])}"] if page["waits_for"] else []
    others = (worker for worker in page.get("workers", ()) if worker["state"] != "running")
    reasons += [f"worker {worker['worker']} is {worker['state']}" for worker in others]
    return f"not ready: {', and '.join(reasons)}"


def _worker(worker: dict[str, Any]) -> str:
    line = f"worker {worker['worker']}: {worker['state']}"
    if worker["is_ready"] is None:
        return line
    return f"{line}, {'ready' if worker['is_ready'] else 'not ready'}, {_occupancy(worker)}"


def _occupancy(page: dict[str, Any]) -> str:
    line = f"sessions: {page['sessions']} of {page['capacity']}"
    if "workers" not in page:  # of several each has its own, and newcomers find the one that has room
        line += f", {page['fullness']:.0%} full"
    return f"{line}: newcomers are refused" if page["fullness"] >= 1 else line


def _address_line(each: dict[str, Any]) -> str:
    name = "" if each["name"] == each["address"] else f" ({each['name']})"
    parts = [each["state"], f"{each['calls']} calls"]
    if each["is_leaving"]:
        parts.append("leaving")
    if each["failed_ago_ms"] is not None:
        parts.append(f"failed {each['failed_ago_ms'] / _MS_PER_S:.1f} s ago: {each['cause']}")
        if each["check_in_ms"] is not None:
            parts.append(f"asked again in {each['check_in_ms'] / _MS_PER_S:.1f} s")
    return f"{each['address']}{name}: {', '.join(parts)}"
