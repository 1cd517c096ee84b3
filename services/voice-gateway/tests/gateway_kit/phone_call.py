"""Plays a script of facts to a core and writes down what comes of it, readable as a phone call.

A script is lines `<time> ms: <fact>`; below each stand the effects. A line `player: flushes` says what the client's
player does while a reply is held, where it does not pause. Both rates are 16 kHz, so 16 samples are 1 ms.
What the user says and is told stands in capitals' columns, what the machine orders in brackets.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from gateway_kit.contract import Batch
from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement, Change
from voice_gateway.domain.chat import ChatMessage, Role, Tool, Toolbox, ToolCall, ToolPlace
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, SessionId, StreamId
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import Modality, ReplyOptions
from voice_gateway.domain.transcript import SpokenWord, Word
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core
from voice_gateway.turn.reply.factory import ReplyFactory
from voice_gateway.turn.reply.questions import Questions
from voice_gateway.turn.reply.reply import Shared
from voice_gateway.turn.tables import FLOOR, Floor, Machine

RATE_HZ = 16_000
PER_MS = RATE_HZ // 1_000
LANGUAGE = "en-US"
PERSONA = Persona(
    system_prompt="Be brief.",
    apology="Sorry, I have no answer.",
    reprompt="Are you there?",
    goodbye="Goodbye then.",
    filler="One moment.",
    unheard="I cannot hear you.",
)
TOOLBOX = Toolbox(
    (
        Tool("weather", "The weather of a place.", '{"type": "object"}', ToolPlace.SERVER),
        Tool("open_door", "Opens a door.", "", ToolPlace.CLIENT),
    )
)
AGREEMENT = Agreement(
    session_id=SessionId("s1"),
    transport="grpc_v1",
    input_rate_hz=RATE_HZ,
    asr_rate_hz=RATE_HZ,
    output_rate_hz=RATE_HZ,
    heard_language=LANGUAGE,
    spoken_language=LANGUAGE,
    voice="",
    persona=PERSONA,
    policy=TurnPolicy(),
    toolbox=TOOLBOX,
)
_STEP = re.compile(r"(\d+) ms: (.+)")
_PLAYER = re.compile(r"^player: (\w+)$", re.MULTILINE)


def new_core(policy: TurnPolicy | None = None, persona: Persona = PERSONA, **agreed: Any) -> Core:
    """A core as the scripts use it, but for what is `agreed` otherwise: fields of an Agreement."""
    return Core(replace(AGREEMENT, policy=policy or TurnPolicy(), persona=persona, **agreed))


def reply_factory(policy: TurnPolicy | None = None, **agreed: Any) -> ReplyFactory:
    """Makes replies without a core; `agreed` are fields of the agreement that are otherwise."""
    orders = effects.Orders()
    shared = Shared(orders, Machine(FLOOR, Floor.NOBODY), Questions(PERSONA.system_prompt, 1_000, orders))
    return ReplyFactory(replace(AGREEMENT, policy=policy or TurnPolicy(), **agreed), shared)


def play(script: str) -> str:
    """The script with its effects written anew; lines that are neither steps nor effects are kept."""
    core, lines = _core_of(script), []
    for line in script.splitlines():
        if _STEP.fullmatch(line.strip()):
            lines += _step(core, line.strip())
        elif line.startswith("#") or not line.strip() or _PLAYER.fullmatch(line):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _core_of(script: str) -> Core:
    player = _PLAYER.search(script)
    return new_core(player=Player(player[1])) if player else new_core()


def played(core: Core, steps: Iterable[str]) -> str:
    """What comes of these steps, the steps included."""
    return "\n".join(line for step in steps for line in _step(core, step))


def batches(script: str) -> list[Batch]:
    """What a core makes of a script, fact by fact."""
    return [batch for _, batch in timed_batches(script)]


def timed_batches(script: str) -> list[tuple[Instant, Batch]]:
    """The same, each with its instant."""
    core, steps = _core_of(script), filter(_STEP.fullmatch, map(str.strip, script.splitlines()))
    return [(now, batch) for step in steps for _, now, batch in _told(core, step)]


def _step(core: Core, line: str) -> list[str]:
    return [each for told, _, batch in _told(core, line) for each in (told, *rendered(batch.effects))]


def _told(core: Core, line: str) -> Iterator[tuple[str, Instant, Batch]]:
    """Tell the core a step of a script, and the deadlines before it; each with its line and its instant."""
    until_text, words = line.split(" ms: ", 1)
    until = int(until_text)
    while (deadline := core.deadline()) is not None and deadline <= at(until):
        done = core.on_deadline(deadline)
        yield f"    ({-(-deadline // NS_PER_MS)} ms: the deadline comes)", deadline, Batch(None, done)
    fact = None if words == "(time passes)" else parse(words, until)
    yield line, at(until), Batch(fact, () if fact is None else core.handle(fact, at(until)))


def question(batch: Iterable[effects.Effect]) -> effects.StartReply:
    """The one order of a batch to ask the model."""
    (start,) = (effect for effect in batch if isinstance(effect, effects.StartReply))
    return start


def at(milliseconds: int) -> Instant:
    """The instant of a script's time."""
    return Instant(milliseconds * NS_PER_MS)


# --- facts -----------------------------------------------------------------------------------------------------------

_RECEIVED = r"(?:, (?P<received>\d+) ms received)?"
_TAKE = r"(?:, take (?P<take>\d+))?"
_Facts = Callable[[re.Match[str], int], inputs.Input]


def _words(text: str, end: int) -> tuple[Word, ...]:
    each = text.split()
    return tuple(
        Word(word, end - (len(each) - i) * 200 * PER_MS, end - (len(each) - i - 1) * 200 * PER_MS)
        for i, word in enumerate(each)
    )


def _final(match: re.Match[str], now_ms: int) -> inputs.Input:
    text, stream = match[1], StreamId(int(match[2] or 1))
    end = int(match[3]) * PER_MS if match[3] else max(0, now_ms - 500) * PER_MS
    return inputs.SegmentFinal(stream, text, _words(text, end), end, end, _received(match, now_ms, end))


def _interim(match: re.Match[str], now_ms: int) -> inputs.Input:
    stream, stability = StreamId(int(match[2] or 1)), 1.0 if match[3] else 0.5
    end = int(match[4]) * PER_MS if match[4] else max(0, now_ms - 200) * PER_MS
    return inputs.TranscriptRevised(stream, match[1], stability, end, _received(match, now_ms, end))


def _edge(match: re.Match[str], now_ms: int) -> inputs.Input:
    at_samples = int(match[2]) * PER_MS
    kind = inputs.SpeechStarted if match[1] == "starts" else inputs.SpeechEnded
    return kind(at_samples, _received(match, now_ms, at_samples))


def _received(match: re.Match[str], now_ms: int, end_samples: int) -> int:
    """How much input had come: `, 8000 ms received`; without these words as much as time has passed."""
    told = match["received"]
    return int(told) * PER_MS if told else max(end_samples, now_ms * PER_MS)


def _speech_done(match: re.Match[str], _: int) -> inputs.Input:
    reply, sentence, samples = _part(match)
    return inputs.SpeechCompleted(reply, sentence, samples, take=int(match["take"] or 1))


def _speech_timed(match: re.Match[str], _: int) -> inputs.Input:
    reply, sentence, samples = _part(match)
    texts = match[4].split()
    each = samples // len(texts)
    words = tuple(SpokenWord(text, i * each, (i + 1) * each) for i, text in enumerate(texts))
    return inputs.SpeechCompleted(reply, sentence, samples, words)


def _settings_changed(match: re.Match[str], _: int) -> inputs.Input:
    """`changes language de-DE, voice Karl, prompt Be long., replies TEXT, min_words 1`; a policy departs from the
    defaults.
    """
    given = dict(part.split(" ", 1) for part in match[1].split(", "))
    language, voice, prompt, replies = (given.pop(name, None) for name in ("language", "voice", "prompt", "replies"))
    numbers = {name: type(getattr(TurnPolicy(), name))(int(value)) for name, value in given.items()}
    policy = TurnPolicy().changed(numbers) if numbers else None
    modality = None if replies is None else Modality(replies)
    change = Change(
        heard_language=language,
        spoken_language=language,
        voice=voice,
        system_prompt=prompt,
        policy=policy,
        reply_modality=modality,
    )
    return inputs.SettingsChanged(change)


def _reply_requested(match: re.Match[str], _: int) -> inputs.Input:
    """`, as text`; `, told "Be kind."`: its instructions; `, with close_door` or `nothing`: its tools of the client."""
    names = () if match[3] in (None, "nothing") else tuple(match[3].split(" and "))
    tools = tuple(Tool(name, "", "", ToolPlace.CLIENT) for name in names)
    modality = Modality.TEXT if match[1] else None
    return inputs.ReplyRequested(ReplyOptions(match[2], None if match[3] is None else tools, modality))


def _part(match: re.Match[str]) -> tuple[ReplyId, SentenceId, int]:
    return ReplyId(int(match[1])), SentenceId(int(match[2])), int(match[3]) * PER_MS


def _tools_called(match: re.Match[str], _: int) -> inputs.Input:
    """`weather {"place": "Rome"} and open_door nothing`; the model numbers them from 1 within the reply."""
    parts = [part.split(" ", 1) for part in match[2].split(" and ")]
    calls = (
        ToolCall(f"c{match[1]}.{i}", name, "" if arguments == "nothing" else arguments)
        for i, (name, arguments) in enumerate(parts, start=1)
    )
    return inputs.ToolsCalled(ReplyId(int(match[1])), tuple(calls))


_FACTS: dict[str, _Facts] = {
    r"session starts": lambda _, __: inputs.SessionStarted(),
    r"a voice is heard": lambda _, __: inputs.VoicingHeard(),
    rf"speech (starts|ends) at (\d+) ms{_RECEIVED}": _edge,
    r"backlog begins": lambda _, __: inputs.BacklogBegan(),
    r"caught up at (\d+) ms": lambda m, _: inputs.CaughtUp(int(m[1]) * PER_MS),
    r"own voice comes back": lambda _, __: inputs.OwnVoiceHeard(),
    rf'interim "(.*?)"(?: on (\d+))?(, sure)?(?: ending at (\d+) ms)?{_RECEIVED}': _interim,
    rf'final "(.*?)"(?: on (\d+))?(?: ending at (\d+) ms)?{_RECEIVED}': _final,
    r'types "(.*)"': lambda m, _: inputs.TextTyped(m[1]),
    r'presses "(.*)"': lambda m, _: inputs.DigitsPressed(m[1]),
    r"changes (.+)": _settings_changed,
    rf"commits{_RECEIVED}": lambda m, now: inputs.CommitRequested(_received(m, now, 0)),
    r'asks for a reply(, as text)?(?:, told "(.*?)")?(?:, with (.+?))?': _reply_requested,
    r"interrupts": lambda _, __: inputs.ClientInterrupted(),
    r"half-closes": lambda _, __: inputs.InputEnded(),
    r"ends": lambda _, __: inputs.EndRequested(),
    r"nothing happens for long": lambda _, __: inputs.SessionIdled(),
    r"server leaves in (\d+) ms": lambda m, now: inputs.DrainRequested(at(now + int(m[1]))),
    r"recognition (\d+) ends": lambda m, _: inputs.RecognitionEnded(StreamId(int(m[1]))),
    r"recognition (\d+) breaks": lambda m, _: inputs.RecognitionFailed(StreamId(int(m[1])), "connection lost"),
    r'model (\d+) writes "(.*)"': lambda m, _: inputs.ReplyDelta(ReplyId(int(m[1])), m[2].replace("\\n", "\n")),
    r"model (\d+) is done": lambda m, _: inputs.ReplyCompleted(ReplyId(int(m[1]))),
    r"model (\d+) calls (.*)": _tools_called,
    r'tool (\d+) (returns|fails:) "(.*)"': lambda m, _: inputs.ToolReturned(
        CallId(int(m[1])), m[3], is_error=m[2] == "fails:"
    ),
    r"model (\d+) fails": lambda m, _: inputs.ReplyFailed(ReplyId(int(m[1])), Reason.LLM_FAILED, "connection lost"),
    r"model (\d+) finds the question too long": lambda m, _: inputs.ReplyTooLong(ReplyId(int(m[1]))),
    rf"speech (\d+)\.(\d+) comes{_TAKE}": lambda m, _: inputs.SpeechReady(
        ReplyId(int(m[1])), SentenceId(int(m[2])), int(m["take"] or 1)
    ),
    rf"speech (\d+)\.(\d+) is complete, (\d+) ms{_TAKE}": _speech_done,
    r'speech (\d+)\.(\d+) is complete, (\d+) ms, words "(.*)"': _speech_timed,
    rf"speech (\d+)\.(\d+) fails after (\d+) ms{_TAKE}": lambda m, _: inputs.SpeechFailed(
        *_part(m), Reason.TTS_FAILED, "connection lost", int(m["take"] or 1)
    ),
    r"playout (\d+) starts at (\d+) ms": lambda m, _: inputs.PlayoutStarted(ReplyId(int(m[1])), int(m[2]) * PER_MS),
    r"playout (\d+) starves at (\d+) ms": lambda m, _: inputs.PlayoutStarved(ReplyId(int(m[1])), int(m[2]) * PER_MS),
    r"playout (\d+) is complete, (\d+) ms": lambda m, _: inputs.PlayoutCompleted(
        ReplyId(int(m[1])), int(m[2]) * PER_MS
    ),
    r"client played (\d+) ms of (\d+), (\d+) ms sent(, final)?": lambda m, _: inputs.PlaybackReported(
        ReplyId(int(m[2])), int(m[1]) * PER_MS, int(m[3]) * PER_MS, is_final=bool(m[4])
    ),
}


def parse(fact: str, now_ms: int) -> inputs.Input:
    """The input that a script's words mean.

    Raises:
        ValueError: nobody knows these words.
    """
    for pattern, make in _FACTS.items():
        match = re.fullmatch(pattern, fact)
        if match:
            return make(match, now_ms)
    raise ValueError(f"no such fact: {fact}")


# --- effects ---------------------------------------------------------------------------------------------------------


def rendered(batch: tuple[effects.Effect, ...]) -> list[str]:
    """A batch, a line for each effect."""
    return [f"    {_effect(effect)}" for effect in batch]


def _ms(samples: int) -> str:
    return f"{samples // PER_MS} ms"


def _message(message: ChatMessage) -> str:
    if message.role is Role.TOOL:
        return f"tool {message.call_id}: {message.text!r}"
    calls = "".join(f" {call.id}={call.name} {call.arguments_json}" for call in message.calls)
    return f"{message.role}: {message.text!r}{calls}"


def _item(item: Item) -> str:
    match item:
        case UserItem(number, turn, text):
            return f"item {number}, user in turn {turn}: {text!r}"
        case AssistantItem(number, reply, said, heard, is_interrupted):
            rest = f", of {said!r}" if said != heard else ""
            return f"item {number}, reply {reply}{' (interrupted)' if is_interrupted else ''}: {heard!r}{rest}"
        case ToolCallItem(number, call_id, name, arguments_json):
            return f"item {number}, call {call_id}: {name} {arguments_json}"
        case ToolOutputItem(number, call, output):
            return f"item {number}, output of item {call}: {output!r}"


def _effect(effect: effects.Effect) -> str:  # noqa: C901, PLR0912  one line for each effect
    match effect:
        case effects.Emit(event):
            return _event(event)
        case effects.OpenRecognition(stream, start):
            return f"[open recognition {stream} from {_ms(start)}]"
        case effects.FinishRecognition(stream, end):
            return f"[finish recognition {stream}{'' if end is None else f' at {_ms(end)}'}]"
        case effects.ForgetAudio(before):
            return f"[forget audio before {_ms(before)}]"
        case effects.StartReply(reply, turn, messages):
            names = [tool.name for tool in effect.tools]
            usual = [tool.name for tool in TOOLBOX.tools]
            without = "" if names == usual else f" with {' and '.join(names)}" if names else " without tools"
            return f"[ask the model{without} for reply {reply} to turn {turn}: {' | '.join(map(_message, messages))}]"
        case effects.AskAgain(reply, messages):
            return f"[ask the model again for reply {reply}: {' | '.join(map(_message, messages))}]"
        case effects.RunTool(call, name, arguments_json):
            return f"[run tool {call}: {name} {arguments_json}]"
        case effects.CancelTool(call):
            return f"[cancel tool {call}]"
        case effects.Synthesize(reply, sentence, text, take):
            return f"[synthesize {reply}.{sentence}{f', take {take}' if take > 1 else ''}: {text!r}]"
        case effects.DropSpeech(reply, sentence):
            return f"[drop speech {reply}.{sentence}]"
        case effects.ResumePlay(reply, start):
            return f"[resume play {reply} from {_ms(start)}]"
        case effects.Play(reply, sentence):
            return f"[play {reply}.{sentence}]"
        case effects.Reconfigure(change):
            return f"[reconfigure: {_change(change)}]"
        case effects.RecordTurn(record):
            return (
                f"[record reply {record.finished.reply}: {record.finished.outcome}, {_ms(record.heard_samples)} heard]"
            )
        case effects.CountTurn(turn, outcome):
            return f"[count turn {turn}: {outcome}]"
        case effects.Remember(item):
            return f"[remember {_item(item)}]"
        case effects.Forget(item):
            return f"[forget item {item}]"
        case effects.Disregard(cause, words):
            return f"[disregard {words} word{'' if words == 1 else 's'}: {cause.lower()}]"
        case effects.Close(ended):
            return f"[close: {ended.cause}]"
        case effects.Fail(reason, message, backend):
            return f"[fail: {reason} {backend or ''} {message}]"
        case _:
            name = re.sub(r"(?<!^)([A-Z])", r" \1", type(effect).__name__).lower()
            return f"[{name} {getattr(effect, 'reply', None) or getattr(effect, 'stream', None)}]"


def _change(change: Change) -> str:
    if change.heard_language == change.spoken_language:
        languages = {"language": change.heard_language}
    else:
        languages = {"heard language": change.heard_language, "spoken language": change.spoken_language}
    texts = languages | {"voice": change.voice, "prompt": change.system_prompt}
    texts["replies"] = change.reply_modality and change.reply_modality.value
    told = [f"{name} {value!r}" for name, value in texts.items() if value is not None]
    if change.policy is not None:
        usual = asdict(TurnPolicy())
        told += [f"{name} {int(value)}" for name, value in asdict(change.policy).items() if value != usual[name]]
    return ", ".join(told)


def _report(report: events.TurnReport) -> str:
    tiles = " + ".join(f"{span.name} {span.duration_ms}" for span in report.spans if not span.is_overlapped)
    beside = ", ".join(
        f"{span.name} {span.duration_ms} from {span.start_ms}" for span in report.spans if span.is_overlapped
    )
    early = ", ".join(
        f"{each.outcome.lower()} by {each.trigger.lower()}"
        + (f" ({each.wasted_tokens} pieces wasted)" if each.wasted_tokens else "")
        for each in report.speculations
    )
    return (
        f"report  turn {report.turn}: {report.total_ms} ms = {tiles}"
        + (f"; beside: {beside}" if beside else "")
        + (f"; speculation {early}" if early else "")
    )


def _event(event: events.Event) -> str:  # noqa: C901, PLR0912  one line for each event
    match event:
        case events.SpeechStarted(start):
            return f"user    (speaks from {_ms(start)})"
        case events.SpeechEnded(end):
            return f"user    (silent from {_ms(end)})"
        case events.Transcript(text="", is_final=False):
            return "user    (nothing, after all)"
        case events.Transcript(turn, text, is_final, _, _):
            return f"USER    {text}  <turn {turn}>" if is_final else f"user    {text}..."
        case events.ReplyText(reply, _, kind, sentence, text):
            return f"AGENT   {text!r}  <{kind.lower()} {reply}.{sentence}>"
        case events.ReplyPaused(reply):
            return f"agent   (holds reply {reply})"
        case events.ReplyResumed(reply, offset):
            return f"agent   (goes on with reply {reply} at {_ms(offset)})"
        case events.ReplyInterrupted(reply, cause):
            return f"agent   (stops reply {reply}: {cause.lower()})"
        case events.ReplyHeard(reply, heard, text, is_estimate):
            return f"agent   (reply {reply} heard to {_ms(heard)}{' by the clock' if is_estimate else ''}: {text!r})"
        case events.ReplyFinished(reply, _, _, outcome, total, goes_on):
            more = ", more is to come" if goes_on else ""
            return f"agent   (reply {reply} {outcome.lower()}, {_ms(total)}{more})"
        case events.ToolCalled(call, turn, name, arguments_json):
            return f"TOOL    {call}: {name} {arguments_json}  <turn {turn}>"
        case events.TurnReport():
            return _report(event)
        case events.Notice(reason, message, _, _):
            return f"notice  {reason}: {message}"
        case events.GoingAway(deadline_ms):
            return f"server  (leaves in {deadline_ms} ms)"
        case events.Ended(cause):
            return f"server  (ended: {cause.lower()})"
