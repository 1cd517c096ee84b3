"""From the server's events to lines for a terminal. Pure."""

from dataclasses import dataclass
from enum import Enum

from voicegateway.v1 import error_pb2, server_pb2

from voice_client.link import ServerEvent


class Tone(Enum):
    """What a line is, for terminals that have colours."""

    PLAIN = "plain"
    USER = "user"
    AGENT = "agent"
    FAINT = "faint"
    """About the conversation, not in it."""
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that stays."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Live:
    """The one line at the bottom that is drawn again and again; empty to remove it."""

    text: str


Draw = Line | Live


def draws_of(event: ServerEvent, *, is_verbose: bool = False, shows_user: bool = True) -> tuple[Draw, ...]:
    """What an event changes on the screen; `shows_user` is False where people see what they type."""
    match event:
        case server_pb2.Started() if is_verbose:
            return (Line(started_line(event), Tone.FAINT),)
        case server_pb2.Transcript() if shows_user and event.text:
            return _transcript(event)
        case server_pb2.ReplyText() if event.text.strip():
            return (Line(f"agent: {printable(event.text)}", Tone.AGENT),)
        case server_pb2.ReplyHeard():
            heard = f"heard until “{printable(event.heard_text)}”" if event.heard_text else "not heard"
            return (Line(f"       [interrupted, {heard}]", Tone.FAINT),)
        case server_pb2.TurnReport():
            return (Line(f"       {latency_line(event)}", Tone.FAINT),)
        case server_pb2.Notice() | server_pb2.GoingAway() | server_pb2.Ended():
            return _trouble(event)
        case _:
            return ()


def started_line(started: server_pb2.Started) -> str:
    voice = started.voice or "the default voice"
    return printable(
        f"session {started.session_id}, server {started.server_version}, {started.language_code}, {voice}, "
        f"{started.audio_in.sample_rate_hz} Hz in, {started.audio_out.sample_rate_hz} Hz out"
    )


def connected_line(address: str, started: server_pb2.Started) -> str:
    """That the server is there, for people who have seen nothing yet."""
    voice = f", voice {started.voice}" if started.voice else ""
    return printable(f"Connected to {address}: {started.language_code}{voice}.")


def latency_line(report: server_pb2.TurnReport) -> str:
    """A turn's latency budget: `820 ms = endpointing 480 + llm_first_token 70 + ...`."""
    spans = " + ".join(f"{span.name} {span.duration_ms}" for span in report.spans if not span.is_overlapped)
    budget = printable(f"{report.total_ms} ms = {spans}" if spans else f"{report.total_ms} ms")
    return f"{budget} (prepared early)" if report.is_speculative else budget


def reason_name(reason: int) -> str:
    """The stable name of a reason; its number when this client does not know it."""
    known = error_pb2.ErrorReason.DESCRIPTOR.values_by_number.get(reason)
    return known.name.removeprefix("ERROR_REASON_") if known else f"reason {reason}"


def printable(text: str) -> str:
    """On one line, and without the control characters that would steer the terminal."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _transcript(event: server_pb2.Transcript) -> tuple[Draw, ...]:
    if event.is_final:
        return Live(""), Line(f"you:   {printable(event.text)}", Tone.USER)
    return (Live(f"you:   {printable(event.text)} …" if event.text else ""),)


def _trouble(event: server_pb2.Notice | server_pb2.GoingAway | server_pb2.Ended) -> tuple[Draw, ...]:
    match event:
        case server_pb2.Notice():
            backend = f" ({printable(event.backend)})" if event.backend else ""
            said = f"notice: {reason_name(event.reason)}{backend}: {printable(event.message)}"
            return (Line(said, Tone.TROUBLE),)
        case server_pb2.GoingAway():
            left_s = event.deadline_ms / 1000
            reason = reason_name(event.reason)
            said = f"notice: {reason}: the server is leaving and finishes this turn; {left_s:.0f} s are left"
            return (Line(said, Tone.TROUBLE),)
        case _:
            own_doing = (server_pb2.END_REASON_CLIENT_ENDED, server_pb2.END_REASON_CLIENT_HALF_CLOSED)
            if event.reason in own_doing:
                return (Live(""),)
            known = server_pb2.EndReason.DESCRIPTOR.values_by_number.get(int(event.reason))
            name = known.name.removeprefix("END_REASON_") if known else f"reason {int(event.reason)}"
            return Live(""), Line(f"the server ended the conversation: {name}", Tone.TROUBLE)
