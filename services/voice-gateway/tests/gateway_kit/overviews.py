"""An overview with one of everything, worked out by hand; tests change what they are about."""

from collections.abc import Awaitable, Callable

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
)

Look = Callable[[], Awaitable[Overview]]


def telling(overview: Overview) -> Look:
    """Who always tells this one."""

    async def look() -> Overview:
        return overview

    return look


SPANS = (
    LatencySpan("endpointing", 0, 480),
    LatencySpan("llm_first_token", 200, 40, is_overlapped=True),
    LatencySpan("asr_final", 480, 20),
    LatencySpan("tts_first_audio", 500, 100),
)
TURN = TurnSeen("79cdef0b1687d043", 3, 1_500, 600, SPANS)
CALL = CallSeen(
    session_id="79cdef0b1687d043",
    transport="grpc_v1",
    account="jwt:ada",
    client_label="line 4",
    age_ms=75_000,
    floor=FloorSeen.AGENT,
    turns=3,
    last_turn=TURN,
)


def address(
    where: str, *, p50_ms: int = 0, p95_ms: int = 0, measured: int = 10, state: AddressState = AddressState.HEALTHY
) -> AddressSeen:
    """One address; `measured` calls had a first output if it has a `p50_ms`."""
    is_bad = state is AddressState.EJECTED
    status = AddressStatus(
        address=where,
        name=where,
        state=state,
        calls=2,
        is_leaving=False,
        check_in_ms=400,
        cause="UNAVAILABLE" if is_bad else "",
        failed_ago_ms=1_200 if is_bad else None,
    )
    return AddressSeen(status, 5 if is_bad else 0, measured if p50_ms else 0, p50_ms, p95_ms)


def backend(kind: Backend, *addresses: AddressSeen) -> BackendSeen:
    """One backend."""
    return BackendSeen(kind, is_healthy=True, addresses=addresses)


OVERVIEW = Overview(
    version="1.2.3",
    uptime_ms=7_500_000,
    is_ready=True,
    is_draining=False,
    sessions=1,
    capacity=100,
    fullness_ratio=0.25,
    calls=(CALL,),
    turns=(TURN,),
    backends=(
        backend(Backend.ASR, address("10.0.0.1:50051")),
        backend(Backend.LLM, address("10.0.0.2:8000", p50_ms=40, p95_ms=60)),
        backend(Backend.TTS, address("10.0.0.3:50051", p50_ms=100, p95_ms=130)),
    ),
    refusals=(RefusalsSeen("AT_CAPACITY", "cpu", 7), RefusalsSeen("DRAINING", "", 1)),
    refusals_window_ms=300_000,
    loop_lag=LagSeen(p50_us=120, p99_us=2_340),
    cpu_percent=34.4,
    resident_bytes=125_829_120,
)
