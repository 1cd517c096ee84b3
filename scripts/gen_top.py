"""Writes the screen of `voice-gateway top` into its page, as text and picture. With --check: fails if it is stale."""

import re
import sys
from io import StringIO

import generated
from rich.console import Console
from voice_gateway.app.top.screen import screen
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

FOLDER = generated.ROOT / "docs" / "how-to"
PAGE = FOLDER / "watch-a-running-gateway.md"
PICTURE = FOLDER / "watch-a-running-gateway.svg"
WIDTH, HEIGHT = 112, 40
TITLE = "voice-gateway top"
_SCREEN = re.compile(r"(<!-- The screen[^\n]*-->\n\n```\n).*?(```\n)", re.DOTALL)
_FETCHED = re.compile(r"\s*@font-face \{.*?\}|\s*<!--.*?-->", re.DOTALL)
"""A picture fetches no fonts from the web, the reader's own do; and no comment says what drew it."""
_SESSIONS = ("5ce1a72f41a7d996", "95ac5f8b3944f397", "0b1687d04379cdef", "c0ffee5f8b3944f3")


def _address(where: str, p50_ms: int, p95_ms: int, calls: int, measured: int = 100) -> AddressSeen:
    status = AddressStatus(
        address=where,
        name=where,
        state=AddressState.HEALTHY,
        calls=calls,
        is_leaving=False,
        check_in_ms=400,
        cause="",
        failed_ago_ms=None,
    )
    return AddressSeen(status, 0, measured, p50_ms, p95_ms)


def _turn(session: str, turn: int, *durations_ms: int) -> TurnSeen:
    names = ("endpointing", "asr_final", "llm_first_token", "tts_first_audio")
    spans, start_ms = [], 0
    for name, duration_ms in zip(names, durations_ms, strict=True):
        spans.append(LatencySpan(name, start_ms, duration_ms))
        start_ms += duration_ms
    return TurnSeen(session, turn, 1_000, start_ms, tuple(spans))


_TURNS = (
    _turn(_SESSIONS[1], 4, 480, 60, 70, 610),
    _turn(_SESSIONS[0], 9, 480, 70, 80, 95),
    _turn(_SESSIONS[2], 2, 480, 65, 75, 620),
    _turn(_SESSIONS[0], 8, 480, 60, 70, 100),
)


def _call(session: str, floor: FloorSeen, age_ms: int, last: TurnSeen | None, label: str) -> CallSeen:
    return CallSeen(session, "grpc_v1", "jwt:desk", label, age_ms, floor, last.turn if last else 0, last)


OVERVIEW = Overview(
    version="0.1.0",
    uptime_ms=93_780_000,
    is_ready=True,
    is_draining=False,
    sessions=4,
    capacity=100,
    fullness_ratio=0.04,
    calls=(
        _call(_SESSIONS[0], FloorSeen.AGENT, 95_000, _TURNS[1], "line 4"),
        _call(_SESSIONS[1], FloorSeen.USER, 41_000, _TURNS[0], "line 7"),
        _call(_SESSIONS[2], FloorSeen.CONTESTED, 23_000, _TURNS[2], "line 1"),
        _call(_SESSIONS[3], FloorSeen.NOBODY, 2_000, None, "line 9"),
    ),
    turns=_TURNS,
    backends=(
        BackendSeen(Backend.ASR, is_healthy=True, addresses=(_address("10.0.0.21:50051", 0, 0, 4, 0),)),
        BackendSeen(Backend.LLM, is_healthy=True, addresses=(_address("10.0.0.31:8000", 72, 90, 1),)),
        BackendSeen(
            Backend.TTS,
            is_healthy=True,
            addresses=(_address("10.0.0.41:50051", 96, 120, 0), _address("10.0.0.42:50051", 612, 655, 1)),
        ),
    ),
    refusals=(RefusalsSeen("QUOTA_EXCEEDED", "caller_sessions", 3),),
    refusals_window_ms=300_000,
    loop_lag=LagSeen(p50_us=110, p99_us=1_900),
    cpu_percent=6.0,
    resident_bytes=128_974_848,
)
"""A gateway of which one address of synthesis has become slow by half a second."""


def main() -> int:
    console = Console(width=WIDTH, record=True, file=StringIO())
    console.print(screen(OVERVIEW, WIDTH, HEIGHT))
    text = "".join(f"{line.rstrip()}\n" for line in console.export_text(clear=False).splitlines())
    picture = _FETCHED.sub("", console.export_svg(title=TITLE, unique_id="top"))
    page = PAGE.read_text(encoding="utf-8")
    shown = _SCREEN.sub(lambda match: match[1] + text + match[2], page)
    return generated.publish_at(PICTURE, picture) | generated.publish_at(PAGE, shown)


if __name__ == "__main__":
    sys.exit(main())
