"""The session's `Telemetry` as log lines: when a session starts and ends, its trouble, and one line per turn."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from voice_gateway.domain.errors import BackendError, ClientError, GatewayError, InternalError
from voice_gateway.domain.events import Ended, TurnRecord, TurnReport
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.ports import SessionInfo, SessionRequest, Telemetry

LABEL_CHARS = 128
"""A client's own name for its call is cut to this length: it comes from outside."""

_log = logging.getLogger("voice_gateway.session")


class SharedTelemetry:
    """Implements `Telemetry` by telling several."""

    def __init__(self, *listeners: Telemetry) -> None:
        self._listeners = listeners

    def session_started(self, info: SessionInfo, request: SessionRequest) -> None:
        """See `Telemetry`."""
        for listener in self._listeners:
            listener.session_started(info, request)

    def session_ended(self, info: SessionInfo, outcome: Ended | GatewayError | None, duration_ms: int) -> None:
        """See `Telemetry`."""
        for listener in self._listeners:
            listener.session_ended(info, outcome, duration_ms)

    def turn_ended(self, info: SessionInfo, record: TurnRecord) -> None:
        """See `Telemetry`."""
        for listener in self._listeners:
            listener.turn_ended(info, record)

    def trouble(self, info: SessionInfo, error: GatewayError) -> None:
        """See `Telemetry`."""
        for listener in self._listeners:
            listener.trouble(info, error)


@dataclass(slots=True)
class _Live:
    transport: str
    client_label: str
    turns: int = 0


class LogTelemetry:
    """Implements `Telemetry`. Every line names its session, its transport and the client's label; none its words."""

    def __init__(self) -> None:
        self._live: dict[SessionId, _Live] = {}

    def session_started(self, info: SessionInfo, request: SessionRequest) -> None:
        """Log what was negotiated."""
        self._live[info.session_id] = _Live(request.transport, request.client_label[:LABEL_CHARS])
        negotiated = {
            "account": request.caller.account,
            "language": info.language_code,
            "voice": info.voice,
            "input_rate_hz": info.input_rate_hz,
            "asr_rate_hz": info.asr_rate_hz,
            "output_rate_hz": info.output_rate_hz,
            "policy": dict(request.policy),
        }
        self._write(logging.INFO, "session_started", info, negotiated)

    def session_ended(self, info: SessionInfo, outcome: Ended | GatewayError | None, duration_ms: int) -> None:
        """Log how it ended, how long it took and how many turns it had."""
        live = self._live.get(info.session_id)
        fields: dict[str, object] = {"duration_ms": duration_ms, "turns": live.turns if live else 0}
        self._write(_level(outcome), "session_ended", info, fields | _outcome(outcome))
        self._live.pop(info.session_id, None)

    def turn_ended(self, info: SessionInfo, record: TurnRecord) -> None:
        """Log the one canonical line of a turn, or of a prompt that no turn asked for."""
        finished = record.finished
        live = self._live.get(info.session_id)
        if live is not None and finished.turn is not None:
            live.turns += 1
        fields: dict[str, object] = {
            "turn": finished.turn,
            "reply": finished.reply,
            "kind": finished.kind.value,
            "outcome": finished.outcome.value,
            "user_chars": record.user_chars,
            "reply_chars": record.reply_chars,
            "sentences": record.sentences,
            "total_samples": finished.total_samples,
            "heard_samples": record.heard_samples,
            "underruns": record.underruns,
        }
        event = "prompt" if finished.turn is None else "turn"
        self._write(logging.INFO, event, info, fields | _latency(record.report))

    def trouble(self, info: SessionInfo, error: GatewayError) -> None:
        """Log a call that failed inside a session."""
        self._write(
            logging.ERROR if isinstance(error, InternalError) else logging.WARNING, "trouble", info, _error(error)
        )

    def _write(self, level: int, event: str, info: SessionInfo, fields: Mapping[str, object]) -> None:
        live = self._live.get(info.session_id)
        who: dict[str, object] = {"session": info.session_id}
        if live is not None:
            who |= {"transport": live.transport, "client_label": live.client_label}
        _log.log(level, event, extra=who | dict(fields))


def _level(outcome: Ended | GatewayError | None) -> int:
    if isinstance(outcome, InternalError):
        return logging.ERROR
    if isinstance(outcome, GatewayError) and not isinstance(outcome, ClientError):
        return logging.WARNING
    return logging.INFO


def _outcome(outcome: Ended | GatewayError | None) -> dict[str, object]:
    if outcome is None:
        return {"outcome": "CLIENT_VANISHED"}
    if isinstance(outcome, Ended):
        return {"outcome": outcome.cause.value}
    return {"outcome": "FAILED", **_error(outcome)}


def _error(error: GatewayError) -> dict[str, object]:
    told: dict[str, object] = {"reason": error.reason.value, "detail": error.message}
    return told | {"backend": error.backend.value} if isinstance(error, BackendError) else told


def _latency(report: TurnReport | None) -> dict[str, object]:
    if report is None:
        return {"latency_ms": None, "spans": [], "speculations": []}
    return {
        "latency_ms": report.total_ms,
        "spans": [asdict(span) for span in report.spans],
        "speculations": [asdict(each) for each in report.speculations],
    }
