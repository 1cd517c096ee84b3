"""The user's running turn: segments that are transcribed for good, words that are not yet, and what it waits for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from voice_gateway.domain.events import SpeculationTrigger
from voice_gateway.domain.ids import StreamId, TurnId
from voice_gateway.domain.instant import Instant, after_ms, earliest
from voice_gateway.domain.transcript import Word
from voice_gateway.turn.text.normalised import same_words
from voice_gateway.turn.text.questions import QUESTION_MARKS
from voice_gateway.turn.user.listening import Replay

MAX_TURN_CHARS = 4_000
"""A spoken turn of this length goes on no further; a typed one is no longer. A minute of speech has 1,500 at most."""
_NO_END = " .;:\u2026" + "".join(sorted(QUESTION_MARKS))
"""A recogniser ends a fragment with these."""


@dataclass(frozen=True, slots=True)
class Decision:
    """When something was decided, and the setting that decided it; "": the client, or a backend's speed."""

    at: Instant
    setting: str = ""
    is_ordered: bool = False
    """Whether what is said from then on belongs to the next turn, even if nobody pauses."""


@dataclass(frozen=True, slots=True)
class CommittedTurn:
    """What the user said, and when."""

    id: TurnId
    text: str
    spoke: Instant
    """The last speech sample; for a typed turn its arrival, for keys the instant that completed them."""
    end: Decision
    transcribed: Decision
    """When its words were known, and the setting that cut the wait for them short, if one did."""
    committed: Instant
    is_live: bool
    """Whether it may have been spoken over a reply. One that may not waits until earlier turns are answered."""
    words: tuple[Word, ...] = ()
    is_spoken: bool = True

    @property
    def may_go_on(self) -> bool:
        """Whether further speech may belong to it: it was spoken, its end was not ordered, and there is room in it."""
        return self.is_spoken and not self.end.is_ordered and len(self.text) < MAX_TURN_CHARS

    @classmethod
    def typed(cls, turn: TurnId, text: str, now: Instant) -> "CommittedTurn":
        """A turn that was not spoken."""
        return cls(turn, text, now, Decision(now), Decision(now), now, is_live=True, is_spoken=False)


@dataclass(frozen=True, slots=True)
class _Segment:
    """What is transcribed for good of one utterance, by its stream."""

    stream: StreamId
    end_samples: int
    """Where it ends in the input, which orders it."""
    text: str
    words: tuple[Word, ...] = ()


_by_end = attrgetter("end_samples")


@dataclass(slots=True)
class TurnSoFar:
    """What has been said since the last commitment. Instants that are None are not due."""

    text: str = field(default="", init=False)
    """All of it."""
    spoke: Instant = field(default=Instant(0), init=False)
    """The last speech sample of what was said."""
    transcribed: Instant = field(default=Instant(0), init=False)
    """When its last segment was transcribed for good."""
    end: Decision | None = field(default=None, init=False)
    """How its end was decided, while its last words are awaited."""
    hold_until: Instant | None = field(default=None, init=False)
    """Its words are known and read unfinished: it is committed then, unless speech goes on."""
    silent_by: Instant | None = field(default=None, init=False)
    """By then its end is decided, if no final comes."""
    longest_by: Instant | None = field(default=None, init=False)
    """By then its end is decided in any case."""
    suspicion: SpeculationTrigger | None = field(default=None, init=False)
    """Why its end is suspected."""
    end_samples: int = field(default=0, init=False)
    """The farthest input position that its words reach."""
    is_steady: bool = field(default=False, init=False)
    """Whether the last result changed nothing."""
    _segments: list[_Segment] = field(default_factory=list, init=False)
    """In the order in which they were said."""
    _interims: Mapping[StreamId, _Segment] = field(default_factory=dict, init=False)
    _unconfirmed: str = field(default="", init=False)
    """The text of the interims."""
    _stale: StreamId | None = field(default=None, init=False)
    """A stream that broke: what it had shown stands until `_again`, which hears its audio again, has told something."""
    _again: StreamId | None = field(default=None, init=False)

    @property
    def last_samples(self) -> int:
        """Where its words end."""
        return max((segment.end_samples for segment in (*self._segments, *self._interims.values())), default=0)

    @property
    def words(self) -> tuple[Word, ...]:
        """Those that are transcribed for good, where the recogniser gives them."""
        return tuple(word for segment in self._segments for word in segment.words)

    @property
    def is_confirmed(self) -> bool:
        """Whether there is something, and all of it is transcribed for good."""
        return bool(self._segments) and not self._interims

    def ordered_end(self, at_samples: int) -> Decision | None:
        """The order that ended it here, if words were said before that; those of a reopened turn do not count."""
        ends = [segment.end_samples for segment in (*self._segments, *self._interims.values())]
        is_ordered = self.end is not None and self.end.is_ordered and any(0 < end <= at_samples for end in ends)
        return self.end if is_ordered else None

    def revise(self, stream: StreamId, text: str, end_samples: int) -> None:
        """An interim transcript."""
        before = self._unconfirmed
        self._hear_again(stream)
        self._keep(self._segments, {**self._interims, stream: _Segment(stream, end_samples, text)})
        self.is_steady = same_words(before, self._unconfirmed)
        if not self.is_steady:
            self.suspicion = None

    def confirm(self, stream: StreamId, text: str, end_samples: int, words: tuple[Word, ...]) -> None:
        """A final transcript."""
        self._hear_again(stream)
        self.forget(stream)
        self._insert(_Segment(stream, end_samples, text, words))
        self.is_steady = True
        if not self._interims:
            self.silent_by = None

    def reopen(self, turn: CommittedTurn) -> None:
        """A turn that was committed goes on."""
        self._keep([_Segment(StreamId(0), 0, turn.text, turn.words), *self._segments], self._interims)
        self.spoke = max(self.spoke, turn.spoke)

    def hold(self, until: Instant) -> None:
        """The turn reads unfinished: drop the mark with which the recogniser ended the fragment.

        A comma stays: it says why the turn is held, if that is asked again.
        """
        self.hold_until, self.silent_by = until, None
        *earlier, last = self._segments
        self._keep([*earlier, replace(last, text=last.text.rstrip(_NO_END))], self._interims)

    def let_interims_stand(self, streams: Sequence[StreamId]) -> int:
        """What these streams have told so far is all that they will. Returns where that ends; 0: it was nothing."""
        end_samples = 0
        stale = [self._stale] if self._stale is not None and self._again in streams else []
        for stream in (*stale, *streams):
            if (interim := self._interims.get(stream)) is not None:
                end_samples = max(end_samples, interim.end_samples)
                self.forget(stream)
                self._insert(interim)
        return end_samples

    @property
    def first(self) -> StreamId:
        """The oldest stream that has transcribed something of the turn for good; 0: none, or the turn was reopened."""
        return min((segment.stream for segment in self._segments), default=StreamId(0))

    def forget(self, stream: StreamId) -> None:
        """The interim transcript of that stream no longer counts."""
        self._keep(self._segments, {other: interim for other, interim in self._interims.items() if other != stream})

    def replay(self, replay: Replay) -> None:
        """What streams have told is heard again, but for what stays transcribed; an interim stands until then."""
        stays = [segment for segment in self._segments if segment.end_samples <= replay.transcribed_samples]
        self.split(replay.broken)
        for segment in stays:
            if segment.stream > replay.broken:
                self._insert(segment)
        if replay.broken in self._interims:
            self._stale = replay.broken
        self._again = replay.again

    def split(self, last: StreamId) -> "TurnSoFar":
        """What streams after this one have heard is the next turn's."""
        rest = TurnSoFar()
        rest._keep(
            [segment for segment in self._segments if segment.stream > last],
            {stream: interim for stream, interim in self._interims.items() if stream > last},
        )
        self._keep(
            [segment for segment in self._segments if segment.stream <= last],
            {stream: interim for stream, interim in self._interims.items() if stream <= last},
        )
        return rest

    def next_turn(self) -> "TurnSoFar":
        """Nothing yet; words of a sound that has ended may still come for it."""
        following = TurnSoFar()
        following.spoke = self.spoke
        return following

    def committed(
        self, turn: TurnId, stop_history_ms: int, now: Instant, *, is_live: bool, cut_by: str
    ) -> CommittedTurn:
        """This as a complete turn. `cut_by` is the setting that ended the wait for its words, if they are not final."""
        transcribed = Decision(self.transcribed) if self.is_confirmed else Decision(now, cut_by)
        silence = after_ms(self.spoke, stop_history_ms)
        end = self.end or Decision(min(transcribed.at, silence), "stop_history_ms")
        return CommittedTurn(turn, self.text, self.spoke, end, transcribed, now, is_live=is_live, words=self.words)

    def deadline(self) -> Instant | None:
        """When something of it becomes due."""
        return earliest(self.hold_until, self.silent_by, self.longest_by)

    def _hear_again(self, stream: StreamId) -> None:
        if self._stale is not None and stream == self._again:
            self.forget(self._stale)
            self._stale = None

    def _insert(self, segment: _Segment) -> None:
        self._keep([*self._segments, segment], self._interims)

    def _keep(self, segments: Iterable[_Segment], interims: Mapping[StreamId, _Segment]) -> None:
        """These are its words from now on; every change of them comes here."""
        self._segments, self._interims = sorted(segments, key=_by_end), interims
        unconfirmed = sorted(interims.values(), key=_by_end)
        self._unconfirmed = " ".join([interim.text for interim in unconfirmed])
        self.text = " ".join([part.text for part in sorted([*self._segments, *unconfirmed], key=_by_end)])
