"""The scenes of the acceptance of conversations: each is one caller doing a few things, and what came of them."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from num2words import num2words
from voice_client.device import INPUT_RATE_HZ
from voicegateway.v1 import server_pb2

from accept.caller import SPEAKER_DELAY_SAMPLES, Caller, silence, sound_end_samples
from accept.speech import COUNTING, REAL_INTERRUPTION, SHORT_STORY, STORY, Sound
from accept.wer import normalise

ANSWER_LIMIT_S = 12.0
STORY_LIMIT_S = 90.0
QUIET_MS = 1_500
"""After an answer: whatever would come twice has come by then."""
KNOWN_WITHIN_MS = 120
"""A word that ends so near the cut may be counted as heard or not: the client's buffer and the wire are in between."""
LEAST_VOICE_MS, MOST_PAUSES = 45_000, 2
TICK_MS = 40
"""Two frames: so finely the caller can tell its microphone when to speak."""
SAMPLES_PER_MS = INPUT_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one thing that a caller did; `trouble` says what was wrong, "" when nothing was."""

    name: str
    trouble: str
    latency_ms: float | None = None
    pause_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply as it arrived and as it was played; positions in samples of its own timeline."""

    reply_id: str
    text: str
    outcome: "server_pb2.ReplyOutcome.ValueType"
    total_samples: int
    sentence_ends: tuple[int, ...]
    """Where the sound of each sentence that came ends."""
    got: frozenset[int] = field(repr=False)
    """Blocks of 1 ms that arrived."""
    played_samples: int = 0

    @property
    def is_complete(self) -> bool:
        """Every sample up to the announced end came and was played."""
        is_whole = self.got >= frozenset(range(self.total_samples // SAMPLES_PER_MS))
        is_completed = self.outcome == server_pb2.REPLY_OUTCOME_COMPLETED
        return is_completed and is_whole and self.played_samples >= self.total_samples


def replies(caller: Caller, since: int = 0) -> list[Reply]:
    """All replies that were begun since that event, in order."""
    ids = dict.fromkeys(
        seen.event.reply_id
        for seen in caller.seen[since:]
        if isinstance(seen.event, server_pb2.ReplyText | server_pb2.ReplyAudio | server_pb2.ReplyFinished)
    )
    return [_reply(caller, reply_id) for reply_id in ids]


def _reply(caller: Caller, reply_id: str) -> Reply:
    text, got, starts, pcm = "", set[int](), dict[int, int](), bytearray()
    outcome, total = server_pb2.REPLY_OUTCOME_UNSPECIFIED, 0
    for event in (seen.event for seen in caller.seen):
        if isinstance(event, server_pb2.ReplyText) and event.reply_id == reply_id:
            text += event.text
        elif isinstance(event, server_pb2.ReplyFinished) and event.reply_id == reply_id:
            outcome, total = event.outcome, event.total_samples
        elif isinstance(event, server_pb2.ReplyAudio) and event.reply_id == reply_id and event.data:
            start, count = event.offset_samples, len(event.data) // 2
            starts.setdefault(event.sentence_id, start)
            got.update(range(start // SAMPLES_PER_MS, (start + count) // SAMPLES_PER_MS))
            pcm[2 * start : 2 * (start + count)] = event.data
    edges = [*starts.values(), len(pcm) // 2]
    ends = [low + sound_end_samples(bytes(pcm[2 * low : 2 * high])) for low, high in pairwise(edges)]
    played = [each for each in caller.timeline.played if each.reply_id == reply_id]
    last = max((each.offset_samples + len(each.pcm) // 2 for each in played), default=0)
    return Reply(reply_id, text.strip(), outcome, total, tuple(ends), frozenset(got), last)


def finals(caller: Caller, since: int) -> list[str]:
    """The texts of the turns that were committed since then."""
    return [event.text for event in caller.of(server_pb2.Transcript, since) if event.is_final]


def _reply_ids(caller: Caller, since: int) -> set[str]:
    """The replies to turns that were committed since then."""
    turns = {event.turn_id for event in caller.of(server_pb2.Transcript, since) if event.is_final}
    return {event.reply_id for event in caller.of(server_pb2.ReplyText, since) if event.turn_id in turns}


async def _answered(caller: Caller, since: int, limit_s: float = ANSWER_LIMIT_S) -> bool:
    """A reply has ended by itself and nothing is left to play, for a while."""

    def is_over() -> bool:
        ends = caller.of(server_pb2.ReplyFinished, since)
        is_done = any(end.outcome == server_pb2.REPLY_OUTCOME_COMPLETED for end in ends)
        return is_done and caller.playout.is_idle

    is_answered = await caller.until(is_over, limit_s)
    await caller.wait_ms(QUIET_MS)
    return is_answered and await caller.until(is_over, limit_s)


async def pause_inside(caller: Caller, name: str, first: bytes, rest: bytes, pause_ms: int) -> Outcome:
    """A sentence with a pause where it cannot end must be answered once, after its end."""
    policy = caller.started.policy
    if pause_ms <= policy.stop_history_ms:
        return Outcome(name, f"the pause of {pause_ms} ms is no longer than stop_history {policy.stop_history_ms} ms")
    since, played = len(caller.seen), len(caller.timeline.played)
    said = await caller.say(first + silence(pause_ms) + rest)
    if not await _answered(caller, since):
        return Outcome(name, f"not answered; turns {finals(caller, since)}")
    heard = caller.timeline.played[played:]
    answers, turns = dict.fromkeys(each.reply_id for each in heard), finals(caller, since)
    if len(answers) != 1 or len(turns) != 1:
        return Outcome(name, f"{len(answers)} replies played to turns {turns}")
    is_early = heard[0].clock_samples < said.speech_end_samples
    return Outcome(name, "answered before the end" if is_early else "")


async def question(caller: Caller, name: str, pcm: bytes) -> Outcome:
    """A complete question is answered soon and never held."""
    since = len(caller.seen)
    said = await caller.say(pcm)
    is_answered = await _answered(caller, since)
    latency_ms = caller.timeline.latency_ms(said.speech_end_samples, _reply_ids(caller, since))
    reports = caller.of(server_pb2.TurnReport, since)
    spans = [span for report in reports for span in report.spans]
    held_ms = sum(span.duration_ms for span in spans if span.name == "hold" and not span.is_overlapped)
    if not is_answered or not reports:
        return Outcome(name, f"not answered; turns {finals(caller, since)}", latency_ms)
    return Outcome(name, f"held for {held_ms} ms: {finals(caller, since)}" if held_ms else "", latency_ms)


async def interruption(caller: Caller, after_ms: int, pcm: bytes) -> Outcome:
    """The agent counts; a question about the last number stops it, and its answer knows the number."""
    name, since = f"after {after_ms} ms", len(caller.seen)
    caller.type_text(COUNTING)
    if not await caller.until(lambda: caller.playout.is_speaking, ANSWER_LIMIT_S):
        return Outcome(name, "the agent did not begin to count")
    await caller.wait_ms(after_ms)
    asked = len(caller.seen)
    await caller.say(pcm)
    is_answered = await _answered(caller, asked)
    counting = replies(caller, since)[0]
    if counting.outcome != server_pb2.REPLY_OUTCOME_INTERRUPTED:
        return Outcome(name, "the agent was not stopped")
    later = [reply.text for reply in replies(caller, asked) if reply.reply_id != counting.reply_id]
    if not is_answered or not later:
        return Outcome(name, f"stopped, and not answered; turns {finals(caller, asked)}")
    right = _last_numbers(counting)
    is_right = any(f" {number}." in f" {later[-1].lower()}" for number in right)
    return Outcome(name, "" if is_right else f"said {later[-1]!r} to {finals(caller, asked)}; heard up to {right}")


def _last_numbers(counting: Reply) -> list[str]:
    """The numbers that may have been heard last, as words: two when the cut was at the end of a word."""
    slack = KNOWN_WITHIN_MS * SAMPLES_PER_MS
    ends = np.array(counting.sentence_ends)
    counts = {int(np.sum(ends <= counting.played_samples + shift)) for shift in (-slack, 0, slack)}
    return [num2words(count).replace("-", " ") for count in sorted(counts)]


async def harmless_sound(caller: Caller, sound: Sound, after_ms: int) -> Outcome:
    """A sound that is no interruption pauses the agent shortly, and nothing of the reply is lost."""
    since = len(caller.seen)
    caller.type_text("Count slowly from one to eight.")
    if not await caller.until(lambda: caller.playout.is_speaking, ANSWER_LIMIT_S):
        return Outcome(sound.name, "the agent did not begin to count")
    await caller.wait_ms(after_ms)
    await caller.say(sound.pcm)
    is_answered = await _answered(caller, since, ANSWER_LIMIT_S * 2)
    got, pauses_ms = replies(caller, since), _pauses_ms(caller, since)
    pause_ms = max(pauses_ms, default=0.0)
    if not caller.of(server_pb2.SpeechStarted, since):
        return Outcome(sound.name, "raised no onset")
    if not is_answered or len(got) != 1 or not got[0].is_complete:
        ends = [server_pb2.ReplyOutcome.Name(reply.outcome) for reply in got]
        return Outcome(sound.name, f"replies ended {ends}; turns {finals(caller, since)}", pause_ms=pause_ms)
    return Outcome(sound.name, "", pause_ms=pause_ms)


def _pauses_ms(caller: Caller, since: int) -> list[float]:
    ends = caller.times_of((server_pb2.ReplyResumed, server_pb2.ReplyInterrupted), since)
    return [
        (min((end for end in ends if end >= begun), default=10**9) - begun) / SAMPLES_PER_MS
        for begun in caller.times_of((server_pb2.ReplyPaused,), since)
    ]


async def addition(caller: Caller, name: str, asked: bytes, added: bytes, before_ms: int) -> Outcome:
    """What the user adds `before_ms` before the reply would be heard is one turn with what they said, word for word."""
    since, played = len(caller.seen), len(caller.timeline.played)
    await caller.say(asked)
    if not await caller.until(lambda: len(caller.timeline.played) > played, ANSWER_LIMIT_S):
        return Outcome(name, f"not answered; turns {finals(caller, since)}")
    heard_at = caller.timeline.played[played].clock_samples + SPEAKER_DELAY_SAMPLES
    await caller.until(
        lambda: caller.heard_samples >= heard_at - (before_ms + TICK_MS) * SAMPLES_PER_MS, ANSWER_LIMIT_S
    )
    said = caller.begin(silence(max(0, (heard_at - caller.heard_samples) // SAMPLES_PER_MS - before_ms)) + added)
    await caller.wait_ms((said.end_samples - caller.heard_samples) // SAMPLES_PER_MS)
    is_answered = await _answered(caller, since)
    turns, ended = finals(caller, since), replies(caller, since)
    if not is_answered or not _are_joined(turns, name):
        return Outcome(name, f"turns {turns}")
    was_heard = [event.heard_text for event in caller.of(server_pb2.ReplyHeard, since)]
    is_taken_back = ended[0].outcome == server_pb2.REPLY_OUTCOME_INTERRUPTED and was_heard == [""]
    return Outcome(name, "" if is_taken_back else f"of the first reply was kept {was_heard}")


def _are_joined(turns: list[str], added: str) -> bool:
    """Whether there are two turns, and the second is the first one and what was added."""
    match [_letters(turn) for turn in turns]:
        case [first, whole]:
            return whole == first + _letters(added)
    return False


def _letters(text: str) -> str:
    """To compare by: recognition may write "to-morrow", and "no weight" for what sounds the same."""
    return normalise(text).replace("weight", "wait").replace(" ", "")


async def single_word(caller: Caller, name: str, prompt: str, pcm: bytes, after_ms: int) -> Outcome:
    """One word over the agent stops it, and is a turn that is answered."""
    since = len(caller.seen)
    caller.type_text(prompt)
    if not await caller.until(lambda: caller.playout.is_speaking, ANSWER_LIMIT_S):
        return Outcome(name, "the agent did not begin to speak")
    await caller.wait_ms(after_ms)
    said_since = len(caller.seen)
    await caller.say(pcm)
    is_answered = await _answered(caller, said_since)
    turns = finals(caller, said_since)
    if not is_answered or [normalise(turn) for turn in turns] != [normalise(name)]:
        return Outcome(name, f"turns {turns}")
    is_stopped = replies(caller, since)[0].outcome == server_pb2.REPLY_OUTCOME_INTERRUPTED
    return Outcome(name, "" if is_stopped else "the agent was not stopped")


async def echo(caller: Caller, minute_ms: int, interruption_pcm: bytes) -> list[Outcome]:
    """The agent tells a story into its own microphone for most of a minute; then somebody really interrupts."""
    since = len(caller.seen)
    caller.type_text(STORY)
    await caller.wait_ms(minute_ms)
    is_told = await caller.until(lambda: caller.playout.is_idle, STORY_LIMIT_S)
    spoken_ms = sum(len(each.pcm) // 2 for each in caller.timeline.played) / SAMPLES_PER_MS
    turns, pauses = finals(caller, since), caller.of(server_pb2.ReplyPaused, since)
    told = replies(caller, since)
    is_whole = is_told and len(told) == 1 and told[0].is_complete
    return [
        Outcome("agent's voice", "" if spoken_ms >= LEAST_VOICE_MS else f"only {spoken_ms:.0f} ms"),
        Outcome("turns made of echo", "" if len(turns) <= 1 else f"{turns}"),
        Outcome("pauses made of echo", "" if len(pauses) <= MOST_PAUSES else f"{len(pauses)} pauses"),
        Outcome("reply complete", "" if is_whole else f"{[(each.text[-40:], each.outcome) for each in told]}"),
        await _real_interruption(caller, interruption_pcm),
    ]


async def _real_interruption(caller: Caller, pcm: bytes) -> Outcome:
    name = "real interruption over echo"
    caller.type_text(SHORT_STORY)
    if not await caller.until(lambda: caller.playout.is_speaking, ANSWER_LIMIT_S):
        return Outcome(name, "the agent did not begin to speak")
    await caller.wait_ms(2_000)
    asked = len(caller.seen)
    await caller.say(pcm)
    await _answered(caller, asked)
    answers = [reply.text for reply in replies(caller, asked)]
    is_stopped = bool(caller.of(server_pb2.ReplyInterrupted, asked))
    is_taken = is_stopped and any("eighty" in text for text in answers)
    return Outcome(
        name, "" if is_taken else f"turns {finals(caller, asked)}, replies {answers} to {REAL_INTERRUPTION!r}"
    )
