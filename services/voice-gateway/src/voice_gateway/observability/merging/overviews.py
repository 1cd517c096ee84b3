"""What several workers do now, as the overview of one gateway. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.overview.values import (
    MAX_CALLS,
    AddressSeen,
    BackendSeen,
    LagSeen,
    Overview,
    RefusalsSeen,
    WorkerSeen,
)
from voice_gateway.observability.overview.calls import MAX_TURNS

_WORST_FIRST = (AddressState.EJECTED, AddressState.NEW, AddressState.HEALTHY)


def merged(asked: Overview, seen: Sequence[tuple[int, Overview | None]]) -> Overview:
    """All as one.

    Args:
        asked: the overview of the worker that was asked.
        seen: each worker's number and overview, that of `asked` among them; None: it did not answer.
    """
    known = [overview for _, overview in seen if overview is not None]
    calls = sorted(chain.from_iterable(each.calls for each in known), key=lambda call: -call.age_ms)
    turns = sorted(chain.from_iterable(each.turns for each in known), key=lambda turn: turn.ago_ms)
    return replace(
        asked,
        uptime_ms=max(each.uptime_ms for each in known),
        is_ready=all(each.is_ready for each in known),
        is_draining=any(each.is_draining for each in known),
        sessions=sum(each.sessions for each in known),
        capacity=sum(each.capacity for each in known),
        fullness_ratio=max(each.fullness_ratio for each in known),
        calls=tuple(calls[:MAX_CALLS]),
        turns=tuple(turns[:MAX_TURNS]),
        backends=_backends(known),
        refusals=_refusals(known),
        loop_lag=_lag(known),
        cpu_percent=sum(each.cpu_percent for each in known),
        resident_bytes=sum(each.resident_bytes for each in known),
        workers=tuple(_worker(index, overview) for index, overview in seen),
    )


def _worker(index: int, overview: Overview | None) -> WorkerSeen:
    if overview is None:
        return WorkerSeen(index, has_answered=False)
    return WorkerSeen(
        index,
        has_answered=True,
        sessions=overview.sessions,
        capacity=overview.capacity,
        fullness_ratio=overview.fullness_ratio,
        cpu_percent=overview.cpu_percent,
    )


def _lag(known: Iterable[Overview]) -> LagSeen | None:
    """That of the worst worker: whoever is on it waits so long."""
    lags = [each.loop_lag for each in known if each.loop_lag is not None]
    return LagSeen(max(each.p50_us for each in lags), max(each.p99_us for each in lags)) if lags else None


def _refusals(known: Iterable[Overview]) -> tuple[RefusalsSeen, ...]:
    total: Counter[tuple[str, str]] = Counter()
    for each in (each for overview in known for each in overview.refusals):
        total[(each.reason, each.limit)] += each.calls
    return tuple(RefusalsSeen(reason, limit, calls) for (reason, limit), calls in total.most_common())


def _backends(known: Sequence[Overview]) -> tuple[BackendSeen, ...]:
    by_name: dict[str, list[BackendSeen]] = {}
    for backend in (backend for overview in known for backend in overview.backends):
        by_name.setdefault(backend.backend, []).append(backend)
    return tuple(
        BackendSeen(seen[0].backend, all(each.is_healthy for each in seen), _addresses(seen))
        for seen in by_name.values()
    )


def _addresses(seen: Iterable[BackendSeen]) -> tuple[AddressSeen, ...]:
    by_address: dict[str, AddressSeen] = {}
    for each in (each for backend in seen for each in backend.addresses):
        known = by_address.get(each.status.address)
        by_address[each.status.address] = each if known is None else _both(known, each)
    return tuple(by_address.values())


def _both(one: AddressSeen, other: AddressSeen) -> AddressSeen:
    """An address as the worker sees it that thinks worst of it, with the calls of both.

    Percentiles are the means of theirs, by the number of calls that each has measured.
    """
    worst = min(one, other, key=lambda each: _WORST_FIRST.index(each.status.state))
    count = one.first_outputs + other.first_outputs

    def mean_ms(of: Callable[[AddressSeen], int]) -> int:
        total_ms = of(one) * one.first_outputs + of(other) * other.first_outputs
        return round(total_ms / count) if count else 0

    return AddressSeen(
        replace(worst.status, calls=one.status.calls + other.status.calls),
        failures=one.failures + other.failures,
        first_outputs=count,
        first_output_p50_ms=mean_ms(lambda each: each.first_output_p50_ms),
        first_output_p95_ms=mean_ms(lambda each: each.first_output_p95_ms),
    )
