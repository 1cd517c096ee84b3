"""The session's `Telemetry` as log lines: when a session starts and ends, its trouble, and one line per turn."""

import logging
from collections.abc import Mapping
from dataclasses import asdict

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import BackendError, ClientError, GatewayError, InternalError
from voice_gateway.domain.events import DisregardCause, Ended, Event, TurnOutcome, TurnRecord, TurnReport
from voice_gateway.domain.ids import TurnId
from voice_gateway.session.ports import Bound

_log = logging.getLogger("voice_gateway.session")


class LogTelemetry:
    """Implements `Telemetry`. Every line names its session, transport, label and the caller's trace; none its words."""

    def session_started(self, agreement: Agreement) -> None:
        """Log who called and what was agreed; the language that is spoken only where it is another than is heard."""
        agreed: dict[str, object] = {
            "account": agreement.caller.account,
            "language": agreement.heard_language,
            "voice": agreement.voice,
            "input_rate_hz": agreement.input_rate_hz,
            "asr_rate_hz": agreement.asr_rate_hz,
            "output_rate_hz": agreement.output_rate_hz,
            "policy": agreement.policy.departures(),
        }
        if agreement.spoken_language != agreement.heard_language:
            agreed["spoken_language"] = agreement.spoken_language
        if agreement.trace.state:
            agreed["tracestate"] = agreement.trace.state
        self._write(logging.INFO, "session_started", agreement, agreed)

    def session_ended(
        self, agreement: Agreement, outcome: Ended | GatewayError | None, duration_ms: int, turns: int
    ) -> None:
        """Log how it ended, how long it took and how many turns had a reply."""
        fields: dict[str, object] = {"duration_ms": duration_ms, "turns": turns}
        self._write(_level(outcome), "session_ended", agreement, fields | _outcome(outcome))

    def turn_ended(self, agreement: Agreement, record: TurnRecord) -> None:
        """Log the one canonical line of a turn, or of a prompt that no turn asked for."""
        finished = record.finished
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
        self._write(logging.INFO, event, agreement, fields | _latency(record.report))

    def turn_counted(self, agreement: Agreement, turn: TurnId, outcome: TurnOutcome) -> None:
        """Log a caller who waited long and gave up: a backend that hangs is no trouble that anybody else tells."""
        if outcome is TurnOutcome.ABANDONED:
            self._write(logging.WARNING, "turn_abandoned", agreement, {"turn": turn})

    def trouble(self, agreement: Agreement, error: GatewayError) -> None:
        """Log a call that failed inside a session."""
        self._write(
            logging.ERROR if isinstance(error, InternalError) else logging.WARNING, "trouble", agreement, _error(error)
        )

    def told(self, agreement: Agreement, event: Event) -> None:
        """See `Telemetry`. No line: it may be what somebody said."""

    def silenced(self, agreement: Agreement, after_ms: int) -> None:
        """See `Telemetry`. No line: metrics tell of all of them."""

    def disregarded(self, agreement: Agreement, cause: DisregardCause, words: int) -> None:
        """See `Telemetry`. No line."""

    def bound_reached(self, agreement: Agreement, bound: Bound) -> None:
        """See `Telemetry`. No line: a client could fill the log by it."""

    def _write(self, level: int, event: str, agreement: Agreement, fields: Mapping[str, object]) -> None:
        who: dict[str, object] = {
            "session": agreement.session_id,
            "transport": agreement.transport,
            "client_label": agreement.client_label,
        }
        _log.log(level, event, extra=who | agreement.trace.logged | dict(fields))


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
