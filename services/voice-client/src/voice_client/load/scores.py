"""From what the callers of a run heard to the numbers of its summary. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from voice_client.errors import VoiceClientError
from voice_client.load.caller import ANSWER_PATIENCE_MS, Caller, Turn
from voice_client.load.playout import NS_PER_MS, NS_PER_S

MAX_LATE_SHARE: Final = 0.01
"""With more of its own frames late than this the tool was too slow, and what it measured says nothing of the server."""


@dataclass(slots=True)
class Frames:
    """How the frames of a call left."""

    sent: int = 0
    late: int = 0
    """The tool was late to send them."""
    held_up: int = 0
    """The tool was in time, and the server or the network did not take them."""


@dataclass(slots=True)
class Failure:
    """Why a call failed; `text` is the reason that failed calls are counted by."""

    text: str
    unreachable: VoiceClientError | None = None
    """There was nobody at the address, or nobody with whom to speak TLS."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of milliseconds; infinite where what was waited for did not come, NaN of no values."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    def less(self, floor_ms: float) -> "Spread":
        """The same over a floor."""
        return Spread(self.count, self.p50_ms - floor_ms, self.p95_ms - floor_ms, self.p99_ms - floor_ms)


@dataclass(frozen=True, slots=True)
class ServerCost:
    """What the run cost the server; None: it does not tell."""

    cpu_s_per_call_minute: float | None = None
    resident_mib: float | None = None
    """At the end of the run."""
    resident_mib_per_call: float | None = None
    """What was added since before the first call, for each call."""
    capacity_sessions: float | None = None
    fullness_ratio: float | None = None
    refused_sessions: float | None = None
    loop_lag_p99_ms: float | None = None
    trouble: str = ""
    """Why nothing is told although it was asked for."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run with one number of calls."""

    calls: int
    seconds: float
    turns: int
    unanswered: int
    cut_in_on: int
    """Turns into which a reply began while the caller still spoke."""
    voice_to_voice: Spread
    after_frame: Spread
    """The same from when the frame left that has the end of the speech: the time of its frames is the caller's own."""
    added: Spread | None
    """That over the serial floor, if it is known."""
    silence: Spread
    """Time to silence of the interruptions that were obeyed."""
    ignored_interruptions: int
    gaps: int
    gap_ms: float
    """All of them together."""
    audio_frames: int
    late_audio_frames: int
    frames: int
    late_frames: int
    held_up_frames: int
    failed: dict[str, int]
    notices: dict[str, int]
    said_words: int
    """Words said in recordings of which the words are known."""
    lost_words: int
    """Those of them that the server did not understand."""
    tool_cpu_s_per_call_minute: float | None
    server: ServerCost
    voice_to_voice_points: tuple[tuple[float, float], ...] = ()
    """For each turn that was answered: second of the run, ms."""
    silence_points: tuple[tuple[float, float], ...] = ()
    """The same for each interruption."""

    @property
    def late_share(self) -> float:
        """Share of its own frames that the tool sent late."""
        return self.late_frames / self.frames if self.frames else 0.0

    @property
    def is_in_time(self) -> bool:
        """Whether the tool kept the pace."""
        return self.late_share <= MAX_LATE_SHARE

    @property
    def invalid_because(self) -> str:
        """Why nothing of it can be trusted, or there is nothing to tell; empty: neither."""
        if not self.frames:
            return "no call was answered"
        if not self.is_in_time:
            return f"{self.late_share:.1%} of this tool's own frames were late"
        return "" if self.turns else "no turn was heard out"

    @property
    def failed_calls(self) -> int:
        return sum(self.failed.values())


@dataclass(frozen=True, slots=True)
class Heard:
    """A run as it was."""

    callers: Sequence[Caller]
    frames: Sequence[Frames]
    failures: Sequence[Failure]
    calls: int
    began_ns: int
    ended_ns: int
    tool_cpu_s_per_call_minute: float | None
    server: ServerCost = field(default_factory=ServerCost)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed; NaN of none."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)] if values else math.nan


def spread(values_ms: Sequence[float]) -> Spread:
    """Percentiles of values."""
    return Spread(len(values_ms), *(percentile(values_ms, percent) for percent in (50, 95, 99)))


def words(text: str) -> list[str]:
    """The words of a text as they are compared: without case and punctuation."""
    kept = (character if character.isalnum() else " " for character in text.casefold().replace("'", ""))
    return "".join(kept).split()


def lost_words(said: Sequence[str], heard: Sequence[str]) -> int:
    """How many of the words said are not among those heard, in their order."""
    row = [0] * (len(heard) + 1)
    for word in said:
        above = row
        row = [0]
        for number, other in enumerate(heard):
            row.append(above[number] + 1 if word == other else max(above[number + 1], row[number]))
    return len(said) - row[-1]


def summarise(heard: Heard, floor_ms: float | None) -> Summary:
    """The numbers of a run."""
    scored = _scored(heard)
    latencies_ms = [_after_ms(turn, turn.ended_ns) for turn in scored]
    after_frame = spread([_after_ms(turn, turn.left_ns) for turn in scored])
    silences = [one for caller in heard.callers for one in _silences(caller, heard.began_ns)]
    said_words, lost = _lost(heard.callers)
    gaps_ms = [gap_ms for caller in heard.callers for gap_ms in caller.playout.gaps_ms]
    turns = [turn for caller in heard.callers for turn in caller.turns]
    return Summary(
        calls=heard.calls,
        seconds=(heard.ended_ns - heard.began_ns) / NS_PER_S,
        turns=len(latencies_ms),
        unanswered=sum(map(math.isinf, latencies_ms)),
        cut_in_on=sum(turn.is_cut_in_on for turn in turns),
        voice_to_voice=spread(latencies_ms),
        after_frame=after_frame,
        added=None if floor_ms is None else after_frame.less(floor_ms),
        silence=spread([silence_ms for _, silence_ms in silences]),
        ignored_interruptions=sum(
            not (one.is_obeyed or one.ended_by_itself) for caller in heard.callers for one in caller.interruptions
        ),
        gaps=len(gaps_ms),
        gap_ms=sum(gaps_ms),
        audio_frames=sum(caller.playout.audio_frames for caller in heard.callers),
        late_audio_frames=sum(caller.playout.late_audio_frames for caller in heard.callers),
        frames=sum(frames.sent for frames in heard.frames),
        late_frames=sum(frames.late for frames in heard.frames),
        held_up_frames=sum(frames.held_up for frames in heard.frames),
        failed=dict(Counter(failure.text for failure in heard.failures)),
        notices=dict(sum((caller.notices for caller in heard.callers), Counter[str]())),
        said_words=said_words,
        lost_words=lost,
        tool_cpu_s_per_call_minute=heard.tool_cpu_s_per_call_minute,
        server=heard.server,
        voice_to_voice_points=tuple(sorted(_points(scored, heard.began_ns))),
        silence_points=tuple(silences),
    )


def _scored(heard: Heard) -> list[Turn]:
    """Every turn that was answered, or for whose answer somebody waited long enough before the run was stopped."""
    stopped_ns = heard.ended_ns - ANSWER_PATIENCE_MS * NS_PER_MS
    turns = (turn for caller in heard.callers for turn in caller.turns)
    return [turn for turn in turns if turn.answered_ns is not None or turn.ended_ns <= stopped_ns]


def _after_ms(turn: Turn, at_ns: int) -> float:
    """From this instant to the answer; infinite if there was none."""
    return math.inf if turn.answered_ns is None else (turn.answered_ns - at_ns) / NS_PER_MS


def _points(turns: Iterable[Turn], began_ns: int) -> Iterable[tuple[float, float]]:
    for turn in turns:
        if turn.answered_ns is not None:
            yield round((turn.ended_ns - began_ns) / NS_PER_S, 3), round(_after_ms(turn, turn.ended_ns), 2)


def _silences(caller: Caller, began_ns: int) -> Iterable[tuple[float, float]]:
    for one in caller.interruptions:
        if one.is_obeyed:
            silence_ms = max(0, one.silent_ns - one.began_ns) / NS_PER_MS
            yield round((one.began_ns - began_ns) / NS_PER_S, 3), round(silence_ms, 2)


def _lost(callers: Iterable[Caller]) -> tuple[int, int]:
    """Words said, and those of them lost, of all turns of which the words are known."""
    known = [turn for caller in callers for turn in caller.turns if turn.utterance.text]
    said = [words(turn.utterance.text) for turn in known]
    lost = sum(lost_words(spoken, words(" ".join(turn.heard))) for spoken, turn in zip(said, known, strict=True))
    return sum(map(len, said)), lost
