"""Plays a journal to a new conversation: are its effects the same, and what was said? Pure."""

from dataclasses import asdict, dataclass

from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement, Change
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.journal.codec import CoreCall, Header, Recording, fingerprint, kept
from voice_gateway.turn import effects
from voice_gateway.turn.conversation import Conversation, MakeConversation


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay gave."""

    script: tuple[str, ...]
    """The conversation, a line each; up to the first difference if there is one."""
    difference: str | None
    """The first call whose effects are not those of the journal; None: all are identical."""


def replay(recording: Recording, converse: MakeConversation) -> Replayed:
    """Play a journal to a conversation made as the one that wrote it was made: by `converse`."""
    header = recording.header
    conversation = converse(header.agreement)
    script = [_title(header)]
    for number, call in enumerate(recording.calls, start=2):
        batch, raised = _step(conversation, call)
        difference = _difference(call, batch, raised)
        if difference is not None:
            return Replayed(tuple(script), f"line {number}, {_name(call)}: {difference}")
        script += _told(batch or (), header, call.at)
        if raised is not None:
            script.append(_at(header, call.at, f"the conversation raised {raised}, as it did then"))
    if recording.is_cut:
        script.append("the journal ends in the middle of a line")
    return Replayed(tuple(script), None)


# --- playing -----------------------------------------------------------------------------------------------------


def _step(conversation: Conversation, call: CoreCall) -> tuple[tuple[effects.Effect, ...] | None, str | None]:
    """Effects, or what the conversation raised."""
    try:
        return conversation.on_deadline(call.at) if call.fact is None else conversation.handle(call.fact, call.at), None
    except Exception as error:  # noqa: BLE001  a fault of the conversation is what a journal may have been kept for
        return None, f"{type(error).__name__}: {error}"


def _difference(call: CoreCall, batch: tuple[effects.Effect, ...] | None, raised: str | None) -> str | None:
    if batch is None:
        if call.effects is None:
            return None
        return f"the journal has {len(call.effects)} effects, the conversation raised {raised}"
    if call.effects is None:
        return f"the journal has an error of the conversation, the replay {len(batch)} effects"
    batch, ours = kept(batch), fingerprint(batch)
    for index, (was, now) in enumerate(zip(call.effects, ours, strict=False)):
        if was != now:
            return f"effect {index + 1} was {was}, it is {now}: {batch[index]}"
    if len(call.effects) > len(ours):
        return f"effect {len(ours) + 1} was {call.effects[len(ours)]}, the replay has no such effect"
    if len(call.effects) < len(ours):
        return f"effect {len(call.effects) + 1} is not in the journal, it is {batch[len(call.effects)]}"
    return None


def _name(call: CoreCall) -> str:
    return "a deadline" if call.fact is None else type(call.fact).__name__


# --- telling -----------------------------------------------------------------------------------------------------


def _title(header: Header) -> str:
    agreed = header.agreement
    who = f"session {agreed.session_id}  {header.wall}  {agreed.transport}  {_languages(agreed)}"
    return f"{who}  voice-gateway {header.server_version}"


def _at(header: Header, now: Instant, text: str) -> str:
    # what was said may hold line ends, terminal controls and half characters
    shown = "".join(char if char.isprintable() else " " for char in text)
    return f"{ms_between(header.clock_ns, now):>8} ms  {shown}"


def _told(batch: tuple[effects.Effect, ...], header: Header, now: Instant) -> list[str]:
    """What the client was told, and how the session failed; orders to the shell are left out."""
    lines = []
    for effect in batch:
        match effect:
            case effects.Emit(event):
                lines.append(_event(event, header.agreement.output_rate_hz))
            case effects.RunTool(call, name, arguments_json):
                lines.append(f"tool    {name} {arguments_json}  (call {call}, of the server)")
            case effects.Reconfigure(change):
                lines.append(f"session ({_change(change, header.agreement.policy)})")
            case effects.Fail(reason, message, _):
                lines.append(f"failed  {reason}: {message}")
    return [_at(header, now, line) for line in lines if line]


def _languages(told: Agreement | Change) -> str:
    """One language where both directions have the same; for a change, only those that it names."""
    if told.heard_language == told.spoken_language:
        return str(told.heard_language)
    each = ((told.heard_language, "heard"), (told.spoken_language, "spoken"))
    return ", ".join(f"{code} {how}" for code, how in each if code is not None)


def _change(change: Change, policy: TurnPolicy) -> str:
    """What is in force from here on; of the policy, what departs from the one that the session began with."""
    parts = [f"language {_languages(change)}"] if change.heard_language or change.spoken_language else []
    if change.voice is not None:
        parts.append(f"voice {change.voice or 'of the backend'}")
    if change.system_prompt is not None:
        parts.append("another system prompt")
    if change.policy is not None:
        was, now = asdict(policy), asdict(change.policy)
        parts.append(
            "policy " + (" ".join(f"{name} {now[name]}" for name in now if now[name] != was[name]) or "as at first")
        )
    if change.tools is not None:
        parts.append("tools " + (" ".join(tool.name for tool in change.tools) or "of the server alone"))
    if change.reply_modality is not None:
        parts.append(f"replies of {change.reply_modality.lower()}")
    return "from here on: " + (", ".join(parts) or "as before")


def _event(event: events.Event, rate_hz: int) -> str:
    """An event in words; empty for what a reader of the conversation can do without."""
    match event:
        case events.SpeechStarted():
            return "user    (speaks)"
        case events.SpeechEnded():
            return ""
        case events.Transcript(turn, text, is_final, _, _):
            return f"USER    {text}  (turn {turn})" if is_final else ""
        case events.ReplyText(reply, _, kind, _, text):
            return f"AGENT   {text.strip()}  ({kind.lower()} {reply})"
        case events.TurnReport(turn, _, total_ms, spans, speculations):
            parts = " + ".join(f"{span.name} {span.duration_ms}" for span in spans if not span.is_overlapped)
            early = ", ".join(f"{each.outcome.lower()} by {each.trigger.lower()}" for each in speculations)
            told = f"latency {total_ms} ms for turn {turn}" + (f" = {parts}" if parts else "")
            return told + (f"  (speculation {early})" if early else "")
        case events.ToolCalled(call, turn, name, arguments_json):
            return f"tool    {name} {arguments_json}  (call {call} for turn {turn})"
        case events.Notice(reason, message, _, _):
            return f"notice  {reason}: {message}"
        case _:
            return _outcome(event, rate_hz)


def _outcome(event: events.Event, rate_hz: int) -> str:
    match event:
        case events.ReplyInterrupted(reply, cause):
            return f"agent   (stops reply {reply}: {cause.lower()})"
        case events.ReplyHeard(reply, samples, text, is_estimate):
            how = "by the clock" if is_estimate else "as the client says"
            return f"agent   (of reply {reply} was heard, {_ms(samples, rate_hz)} {how}: {text.strip()!r})"
        case events.ReplyFinished(reply, _, _, outcome, samples, _):
            return f"agent   (reply {reply} {outcome.lower()}, {_ms(samples, rate_hz)})"
        case events.GoingAway(deadline_ms):
            return f"server  (leaves in {deadline_ms} ms)"
        case events.Ended(cause):
            return f"server  (ended: {cause.lower()})"
        case _:
            return f"event   {event}"


def _ms(samples: int, rate_hz: int) -> str:
    return f"{samples * 1_000 // rate_hz} ms"
