"""The health pages of several workers as that of one gateway. Pure.

Ready when each worker that serves is ready, and one serves at least. A worker that is being started again is not waited
for: it does not listen, so no call reaches it, and the others must not lose theirs for it. One that is silent is: calls
that reach it wait for an answer. One that is unready for want of room alone turns nobody away from the others. Before
all have served once the gateway is not ready.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Page = dict[str, Any]


class WorkerState(StrEnum):
    """What is known of a worker."""

    STARTING = "starting"
    """It does not listen yet, or waits to be started again."""
    RUNNING = "running"
    SILENT = "silent"
    """It runs and does not answer."""


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One worker."""

    state: WorkerState
    page: Page | None
    """What it says of itself; None unless it runs."""


def merged(workers: Sequence[WorkerHealth], *, has_started: bool, is_draining: bool, version: str) -> Page:
    """The page of the gateway.

    Args:
        workers: all of them, in the order of their numbers.
        has_started: whether all have served once.
        is_draining: whether the gateway is leaving.
        version: of the gateway.
    """
    pages = [worker.page for worker in workers if worker.page is not None]
    is_whole = has_started and not any(worker.state is WorkerState.SILENT for worker in workers)
    return {
        "is_ready": is_whole and not is_draining and _are_ready(pages),
        "is_draining": is_draining or any(page["is_draining"] for page in pages),
        "is_unready_because_full": bool(pages) and all(page["is_unready_because_full"] for page in pages),
        "sessions": sum(page["sessions"] for page in pages),
        "capacity": sum(page["capacity"] for page in pages),
        "fullness": min((page["fullness"] for page in pages), default=0.0),
        "waits_for": list(dict.fromkeys(name for page in pages for name in page["waits_for"])),
        "backends": _backends(pages),
        "version": version,
        "workers": [_worker(index, worker) for index, worker in enumerate(workers)],
    }


def _are_ready(pages: Sequence[Page]) -> bool:
    """Whether one is, and all that are not only want room."""
    lack_room = [
        page["is_unready_because_full"] and not page["waits_for"] and not page["is_draining"] for page in pages
    ]
    may_stay = (page["is_ready"] or lacks for page, lacks in zip(pages, lack_room, strict=True))
    return any(page["is_ready"] for page in pages) and all(may_stay)


def written(page: Page) -> tuple[bool, bytes]:
    """Whether it says that the gateway is ready, and the page."""
    return bool(page["is_ready"]), json.dumps(page, indent=1).encode() + b"\n"


def _worker(index: int, worker: WorkerHealth) -> Page:
    page = worker.page or {}
    told = {name: page.get(name) for name in ("is_ready", "sessions", "capacity", "fullness")}
    return {"worker": index, "state": worker.state.value, **told}


def _backends(pages: Iterable[Page]) -> Page:
    by_name: dict[str, list[Page]] = {}
    for page in pages:
        for name, backend in page["backends"].items():
            by_name.setdefault(name, []).append(backend)
    return {name: _backend(seen) for name, seen in by_name.items()}


def _backend(seen: Sequence[Page]) -> Page:
    addresses: dict[str, Page] = {}
    for each in (each for backend in seen for each in backend["addresses"]):
        known = addresses.get(each["address"])
        addresses[each["address"]] = each if known is None else _address(known, each)
    unresolved = {each["name"]: each for backend in seen for each in backend["unresolved"]}
    return {
        "is_healthy": all(backend["is_healthy"] for backend in seen),
        "addresses": list(addresses.values()),
        "unresolved": list(unresolved.values()),
    }


_WORST_FIRST = ("ejected", "new", "healthy")


def _address(one: Page, other: Page) -> Page:
    """An address as the worker sees it that thinks worst of it, with the calls of both."""
    worst = min(one, other, key=lambda each: _WORST_FIRST.index(each["state"]))
    return {**worst, "calls": one["calls"] + other["calls"]}
