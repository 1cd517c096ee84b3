"""Looks at the server from outside during a run: its metrics port, and its process if it is on this machine."""

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from typing import Final

from voice_client.errors import ExitStatus, VoiceClientError
from voice_client.load import machine, metrics
from voice_client.load.metrics import BYTES_PER_MIB
from voice_client.load.scores import ServerCost

FETCH_S: Final = 5.0
MAX_BYTES: Final = 16 * BYTES_PER_MIB
"""A gateway's own exposition has less than a hundredth of it."""
PART_BYTES: Final = 65_536


class MeterError(VoiceClientError):
    """The server cannot be looked at."""

    status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True)
class Reading:
    """The server at one moment."""

    samples: metrics.Samples
    cpu_s: float | None = None
    resident_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ServerMeter:
    """Where to look; nothing: everything is told as unknown."""

    metrics_url: str = ""
    pid: int | None = None

    async def read(self) -> Reading:
        """Look now.

        Raises:
            MeterError: the metrics port does not answer with metrics, or the process has ended.
        """
        samples = await asyncio.to_thread(_fetch, self.metrics_url) if self.metrics_url else {}
        if self.pid is None:
            return Reading(samples)
        try:
            return Reading(samples, machine.cpu_s(self.pid), machine.resident_bytes(self.pid))
        except OSError as error:
            raise MeterError(f"there is no process {self.pid} on this machine") from error


def cost(idle: Reading, before: Reading, after: Reading, calls: int, minutes: float) -> ServerCost:
    """What `calls` calls cost between `before` and `after`; `idle` is the server without them."""
    told = metrics.cost(before.samples, after.samples, calls, minutes)
    # calls are refused when they are opened, which is before the first look at a server under load
    told = replace(told, refused_sessions=metrics.increase(idle.samples, after.samples, metrics.REFUSED))
    if before.cpu_s is not None and after.cpu_s is not None and calls:
        told = replace(told, cpu_s_per_call_minute=(after.cpu_s - before.cpu_s) / calls / minutes)
    if after.resident_bytes is not None:
        told = replace(told, resident_mib=after.resident_bytes / BYTES_PER_MIB)
    idle_bytes = idle.resident_bytes or metrics.total(idle.samples, metrics.RESIDENT_BYTES)
    if told.resident_mib is not None and idle_bytes is not None and calls:
        told = replace(told, resident_mib_per_call=(told.resident_mib - idle_bytes / BYTES_PER_MIB) / calls)
    return told


def _fetch(url: str) -> metrics.Samples:
    try:
        with urllib.request.urlopen(url, timeout=FETCH_S) as answer:  # noqa: S310 - the caller's own address, http only
            return metrics.parse(_whole(answer).decode())
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        why = getattr(error, "reason", None) or error
        raise MeterError(f"no metrics from {url}: {getattr(why, 'strerror', None) or str(why).strip()}") from error


def _whole(answer: http.client.HTTPResponse) -> bytes:
    """The body: within `FETCH_S` also from who sends it byte by byte, and no endless one."""
    until_s, found = time.monotonic() + FETCH_S, bytearray()
    while part := answer.read1(PART_BYTES):
        found += part
        if len(found) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES // BYTES_PER_MIB} MiB")
        if time.monotonic() > until_s:
            raise TimeoutError(f"not sent within {FETCH_S:g} s")
    return bytes(found)
