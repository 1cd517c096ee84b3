"""voicegateway.admin.v1: what a process does, to and from its message. Pure."""

from collections.abc import Iterable
from typing import Final

from voicegateway.admin.v1 import admin_pb2 as pb

from voice_gateway.domain.backend_status import AddressState, AddressStatus
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.events import LatencySpan
from voice_gateway.domain.overview.values import (
    AddressSeen,
    BackendSeen,
    CallSeen,
    FloorSeen,
    LagSeen,
    Overview,
    RefusalsSeen,
    TurnSeen,
    WorkerSeen,
)

_FLOORS: Final = {
    FloorSeen.NOBODY: pb.FLOOR_NOBODY,
    FloorSeen.USER: pb.FLOOR_USER,
    FloorSeen.AGENT: pb.FLOOR_AGENT,
    FloorSeen.CONTESTED: pb.FLOOR_CONTESTED,
}
_FLOORS_BACK: Final = {number: floor for floor, number in _FLOORS.items()}


def encode(overview: Overview) -> bytes:
    """The answer of `GetSnapshot`."""
    lag = overview.loop_lag
    snapshot = pb.Snapshot(
        version=overview.version,
        uptime_ms=overview.uptime_ms,
        is_ready=overview.is_ready,
        is_draining=overview.is_draining,
        sessions=overview.sessions,
        capacity=overview.capacity,
        fullness_ratio=overview.fullness_ratio,
        calls=map(_call, overview.calls),
        turns=map(_turn, overview.turns),
        backends=map(_backend, overview.backends),
        refusals=(pb.Refusal(reason=each.reason, limit=each.limit, calls=each.calls) for each in overview.refusals),
        refusals_window_ms=overview.refusals_window_ms,
        loop_lag=None if lag is None else pb.LoopLag(p50_us=lag.p50_us, p99_us=lag.p99_us),
        cpu_percent=overview.cpu_percent,
        resident_bytes=overview.resident_bytes,
        workers=map(_worker, overview.workers),
    )
    return pb.GetSnapshotResponse(snapshot=snapshot).SerializeToString()


def decode(raw: bytes) -> Overview:
    """What such an answer says.

    Raises:
        DecodeError: it is no such answer.
        ValueError: it has a name that this version does not know.
    """
    told = pb.GetSnapshotResponse.FromString(raw).snapshot
    lag = told.loop_lag
    return Overview(
        version=told.version,
        uptime_ms=told.uptime_ms,
        is_ready=told.is_ready,
        is_draining=told.is_draining,
        sessions=told.sessions,
        capacity=told.capacity,
        fullness_ratio=told.fullness_ratio,
        calls=tuple(map(_call_back, told.calls)),
        turns=tuple(map(_turn_back, told.turns)),
        backends=tuple(map(_backend_back, told.backends)),
        refusals=tuple(RefusalsSeen(each.reason, each.limit, each.calls) for each in told.refusals),
        refusals_window_ms=told.refusals_window_ms,
        loop_lag=LagSeen(lag.p50_us, lag.p99_us) if told.HasField("loop_lag") else None,
        cpu_percent=told.cpu_percent,
        resident_bytes=told.resident_bytes,
        workers=tuple(map(_worker_back, told.workers)),
    )


def _worker(worker: WorkerSeen) -> pb.Worker:
    return pb.Worker(
        index=worker.index,
        has_answered=worker.has_answered,
        sessions=worker.sessions,
        capacity=worker.capacity,
        fullness_ratio=worker.fullness_ratio,
        cpu_percent=worker.cpu_percent,
    )


def _worker_back(told: pb.Worker) -> WorkerSeen:
    return WorkerSeen(
        told.index,
        has_answered=told.has_answered,
        sessions=told.sessions,
        capacity=told.capacity,
        fullness_ratio=told.fullness_ratio,
        cpu_percent=told.cpu_percent,
    )


def _call(call: CallSeen) -> pb.Call:
    return pb.Call(
        session_id=call.session_id,
        transport=call.transport,
        account=call.account,
        client_label=call.client_label,
        age_ms=call.age_ms,
        floor=_FLOORS[call.floor],
        turns=call.turns,
        last_turn=None if call.last_turn is None else _turn(call.last_turn),
        user_text=call.user_text,
        agent_text=call.agent_text,
    )


def _call_back(call: pb.Call) -> CallSeen:
    return CallSeen(
        session_id=call.session_id,
        transport=call.transport,
        account=call.account,
        client_label=call.client_label,
        age_ms=call.age_ms,
        floor=_FLOORS_BACK.get(call.floor, FloorSeen.NOBODY),
        turns=call.turns,
        last_turn=_turn_back(call.last_turn) if call.HasField("last_turn") else None,
        user_text=call.user_text,
        agent_text=call.agent_text,
    )


def _turn(turn: TurnSeen) -> pb.Turn:
    return pb.Turn(
        session_id=turn.session_id,
        turn=turn.turn,
        ago_ms=turn.ago_ms,
        total_ms=turn.total_ms,
        spans=map(_span, turn.spans),
    )


def _span(span: LatencySpan) -> pb.Span:
    return pb.Span(
        name=span.name, start_ms=span.start_ms, duration_ms=span.duration_ms, is_overlapped=span.is_overlapped
    )


def _turn_back(turn: pb.Turn) -> TurnSeen:
    return TurnSeen(turn.session_id, turn.turn, turn.ago_ms, turn.total_ms, _spans_back(turn.spans))


def _spans_back(spans: Iterable[pb.Span]) -> tuple[LatencySpan, ...]:
    return tuple(
        LatencySpan(each.name, each.start_ms, each.duration_ms, is_overlapped=each.is_overlapped) for each in spans
    )


def _backend(backend: BackendSeen) -> pb.BackendState:
    return pb.BackendState(
        backend=backend.backend.value, is_healthy=backend.is_healthy, addresses=map(_address, backend.addresses)
    )


def _backend_back(told: pb.BackendState) -> BackendSeen:
    return BackendSeen(Backend(told.backend), told.is_healthy, tuple(map(_address_back, told.addresses)))


def _address(seen: AddressSeen) -> pb.Address:
    status = seen.status
    return pb.Address(
        address=status.address,
        state=status.state.value,
        is_leaving=status.is_leaving,
        calls=status.calls,
        failures=seen.failures,
        first_outputs=seen.first_outputs,
        first_output_p50_ms=seen.first_output_p50_ms,
        first_output_p95_ms=seen.first_output_p95_ms,
        cause=status.cause,
        name=status.name,
        check_in_ms=status.check_in_ms,
        failed_ago_ms=status.failed_ago_ms,
    )


def _address_back(told: pb.Address) -> AddressSeen:
    status = AddressStatus(
        address=told.address,
        name=told.name,
        state=AddressState(told.state),
        calls=told.calls,
        is_leaving=told.is_leaving,
        check_in_ms=told.check_in_ms if told.HasField("check_in_ms") else None,
        cause=told.cause,
        failed_ago_ms=told.failed_ago_ms if told.HasField("failed_ago_ms") else None,
    )
    return AddressSeen(status, told.failures, told.first_outputs, told.first_output_p50_ms, told.first_output_p95_ms)
