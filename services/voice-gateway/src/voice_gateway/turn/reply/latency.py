"""Measures where a turn's time went, from the last speech sample to the first reply sample sent; decides nothing."""

from dataclasses import dataclass

from voice_gateway.domain.events import REPLY_REQUEST, LatencySpan, TurnReport
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.turn.reply.answering import Answering


@dataclass(slots=True)
class ReplyClock:
    """When things happened on the way to a reply's first sound; None: not yet."""

    asked: Instant
    rounds: tuple[tuple[str, Instant, str], ...] = ()
    """Rounds of tools between `asked` and the first token of this reply: name, end and setting of each span."""
    first_token: Instant | None = None
    first_sentence: Instant | None = None
    first_speech: Instant | None = None
    held_until: Instant | None = None
    """A sound that might have been speech held it back until then."""

    def wrote(self, now: Instant) -> None:
        """The model wrote something."""
        self.first_token = self.first_token or now

    def ordered(self, now: Instant) -> None:
        """Synthesis was given a sentence."""
        self.first_sentence = self.first_sentence or now

    def spoke(self, now: Instant) -> None:
        """Synthesis had audio."""
        self.first_speech = self.first_speech or now

    def released(self, now: Instant) -> None:
        """Nothing holds it back any more."""
        self.held_until = now

    def after_tools(self, called: Instant, now: Instant) -> "ReplyClock":
        """The clock of the next reply to the same turn: the model called tools then, and is asked again now."""
        rounds = (*self.rounds, ("llm_tool_call", called, ""), ("tools", now, "tool_timeout_ms"))
        return ReplyClock(self.asked, rounds)


def turn_report(answering: Answering, reply: ReplyId, clock: ReplyClock, played: Instant) -> TurnReport:
    """Where the turn's time went, now that the first audio of this reply to it has left."""
    turn = answering.turn
    total_ms = max(0, ms_between(turn.spoke, played))
    return TurnReport(turn.id, reply, total_ms, spans(answering, clock, played), answering.speculations)


def spans(answering: Answering, clock: ReplyClock, played: Instant) -> tuple[LatencySpan, ...]:
    """Spans that tile the total, and beside them what was done before the turn was committed; in order of their start.

    Empty ones are left out.
    """
    turn = answering.turn
    ruler = _Ruler(turn.spoke)
    ruler.tile("endpointing", turn.end.at, turn.end.setting)
    ruler.tile("asr_final", turn.transcribed.at, turn.transcribed.setting)
    ruler.tile("hold", turn.committed, "unfinished_hold_ms")
    ruler.tile(REPLY_REQUEST, answering.requested, "")
    if turn.is_live:
        ruler.tile("settle", clock.asked, "playback_settle_ms")
    else:
        ruler.tile("earlier_turns", clock.asked, "")
    began = clock.asked
    steps = (
        *clock.rounds,
        ("llm_first_token", clock.first_token, ""),
        ("first_sentence", clock.first_sentence, ""),
        ("tts_first_audio", clock.first_speech, ""),
    )
    for name, ended, setting in ((name, ended, setting) for name, ended, setting in steps if ended is not None):
        ruler.overlap(name, began, min(ended, turn.committed))
        ruler.tile(name, ended, setting)
        began = ended
    ruler.tile("contested", clock.held_until, "contested_timeout_ms")
    ruler.tile("playout", played, "lead_ms")
    return tuple(sorted(ruler.spans, key=lambda span: span.start_ms))


class _Ruler:
    """Lays spans end to end, in ms after `zero`."""

    def __init__(self, zero: Instant) -> None:
        self.spans: list[LatencySpan] = []
        self._zero = zero
        self._end_ms = 0

    def tile(self, name: str, until: Instant | None, setting: str) -> None:
        """The time from the last tile's end to `until`."""
        end_ms = self._end_ms if until is None else max(self._end_ms, ms_between(self._zero, until))
        self._add(name, self._end_ms, end_ms, setting)
        self._end_ms = end_ms

    def overlap(self, name: str, since: Instant, until: Instant) -> None:
        """Work beside the tiles."""
        start_ms = max(0, ms_between(self._zero, since))
        self._add(name, start_ms, ms_between(self._zero, until), "", is_overlapped=True)

    def _add(self, name: str, start_ms: int, end_ms: int, setting: str, *, is_overlapped: bool = False) -> None:
        if end_ms > start_ms:
            self.spans.append(LatencySpan(name, start_ms, end_ms - start_ms, setting, is_overlapped))
