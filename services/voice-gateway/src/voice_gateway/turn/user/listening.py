"""Recognition streams: when one is opened, half-closed or dropped, and what to do when one breaks."""

from dataclasses import dataclass, field
from itertools import takewhile

from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import Notice
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import Instant, after_ms, earliest
from voice_gateway.turn.effects import (
    CancelRecognition,
    Emit,
    Fail,
    FinishRecognition,
    ForgetAudio,
    OpenRecognition,
    Orders,
)
from voice_gateway.turn.tables import LISTENING, Listening, ListeningEvent, Machine
from voice_gateway.turn.user.outage import Failures

MAX_FINALISING = 4
"""At most this many streams wait for their finals: commits that come faster than finals have nothing new to cut off."""
FINALISE_MS = 10_000
"""A half-closed stream that says nothing for this time is broken. Riva answers within 0.1 s; a laptop that decodes half
a minute of audio pushed ahead of real time needs a few seconds."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What is heard again because a stream broke."""

    broken: StreamId
    """The oldest stream whose results were awaited,"""
    again: StreamId
    """and the one that hears its audio again."""
    transcribed_samples: int
    """What newer streams transcribed for good up to here is not heard again; 0: all of it is."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be heard again when a stream breaks; the fields are those of `Recognition`."""

    live: list[StreamId]
    finalising: list[StreamId]
    ends: dict[StreamId, int]
    covered: dict[StreamId, int]
    from_samples: int

    def unfinished_end(self) -> int:
        """Where what is to be finalised again ends."""
        last = [stream for stream in self._unfinished() if stream in self.finalising][-1]
        return self.ends[last] or self.from_samples

    def transcribed_behind(self) -> int:
        """Up to here newer streams have transcribed everything behind what the older ones owe; 0: nothing."""
        position = 0
        for stream in self.live[len(self._unfinished()) :]:
            position = max(position, self.covered.get(stream, 0))
            if position < self.ends.get(stream, position):
                break
        is_gap = bool(self.finalising) and 0 < self.ends[self.finalising[-1]] < self.from_samples
        return max(position, self.from_samples) if is_gap else position

    def _unfinished(self) -> list[StreamId]:
        """The oldest streams, up to the first that has transcribed something for good."""
        return list(takewhile(lambda stream: stream not in self.covered, self.live))


@dataclass(slots=True)
class Recognition:
    """Recognition streams of one session. The newest is fed until the input is over; those that are half-closed are
    being finalised, oldest first.
    """

    orders: Orders
    patience_ms: int = 0
    """How long recognition may stay away; 0: for as long as it takes."""
    _machine: Machine[Listening, ListeningEvent] = field(init=False)
    _newest: StreamId = field(default=StreamId(0), init=False)
    _finalising: list[StreamId] = field(default_factory=list, init=False)
    _ends: dict[StreamId, int] = field(default_factory=dict, init=False)
    """Where half-closed streams end."""
    _covered: dict[StreamId, int] = field(default_factory=dict, init=False)
    """How far streams that are not the oldest have transcribed for good."""
    _finalise_by: Instant | None = field(default=None, init=False)
    _reopen_at: Instant | None = field(default=None, init=False)
    _failures: Failures = field(default_factory=Failures, init=False)
    _confirmed_samples: int = field(default=0, init=False)
    _from_samples: int = field(default=0, init=False)
    """Where the newest stream begins, at the earliest."""
    _commit_at: int | None = field(default=None, init=False)
    """Where the turn ended that the next stream is to finalise."""
    _grace_by: Instant | None = field(default=None, init=False)
    """The finals of the streams that were half-closed last are waited for until this instant."""
    _resume_at: int = field(default=0, init=False)
    """Where the stream behind the one that is to be finalised begins: what lies between is transcribed for good."""
    _broken: Replay | None = field(default=None, init=False)
    _is_input_over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._machine = Machine(LISTENING, Listening.CLOSED)

    @property
    def state(self) -> Listening:
        """What recognition is doing."""
        return self._machine.state

    @property
    def is_away(self) -> bool:
        """Whether there is an outage. It is over with a final, or when a stream has proved steady."""
        return self._failures.are_outage

    @property
    def has_failed(self) -> bool:
        """Whether the newest stream replaces one that failed, and nothing has been transcribed since."""
        return self._failures.count > 0

    @property
    def is_deaf(self) -> bool:
        """Whether nobody can be heard now: there is an outage, and no attempt to end it is under way."""
        return self.is_away and self.state is Listening.CLOSED

    @property
    def doubtful_until(self) -> Instant | None:
        """When the newest stream, opened after a failure, will have proved steady; None: nothing has failed of late."""
        return self._failures.steady_at

    @property
    def is_over(self) -> bool:
        """Whether the input has ended and everything in it is transcribed."""
        return self._is_input_over and self.state is Listening.CLOSED and self._reopen_at is None

    @property
    def confirmed_samples(self) -> int:
        """Input before this position is transcribed for good."""
        return self._confirmed_samples

    def transcribed_samples(self, stream: StreamId) -> int:
        """What this stream heard before this position is transcribed for good."""
        return max(self._confirmed_samples, self._covered.get(stream, 0))

    @property
    def owes_a_final(self) -> bool:
        """Whether the end of the user's turn was decided and its final may still come."""
        return bool(self._finalising) or self._commit_at is not None or (self._is_input_over and not self.is_over)

    @property
    def live(self) -> list[StreamId]:
        """Streams whose results are awaited, oldest first."""
        if self.state is Listening.CLOSED:
            return []
        return [*self._finalising] if self._is_input_over else [*self._finalising, self._newest]

    @property
    def fed(self) -> StreamId | None:
        """The stream that hears what is said from now on, if one is open."""
        live = self.live
        return live[-1] if live and not self._is_input_over else None

    @property
    def last_half_closed(self) -> StreamId:
        """The latest stream that is not fed any more; 0 before the first."""
        return self._newest if self.fed is None else StreamId(self._newest - 1)

    @property
    def finalising(self) -> tuple[StreamId, ...]:
        """Half-closed streams, oldest first."""
        return tuple(self._finalising)

    def is_finalised_by(self, stream: StreamId, covered_samples: int) -> bool:
        """Whether a final that covers its input to here is the last of a half-closed stream."""
        return stream in self._finalising and covered_samples >= self._ends[stream]

    def is_oldest(self, stream: StreamId) -> bool:
        """Whether all that was said before what this stream hears is transcribed."""
        return stream == self.live[0]

    def take_broken(self) -> Replay | None:
        """What is heard again, if a stream broke since this was asked last."""
        broken, self._broken = self._broken, None
        return broken

    def is_stale(self, stream: StreamId) -> bool:
        """Whether results of this stream are of no more use."""
        return stream not in self.live

    def open(self, now: Instant) -> None:
        """Open the next stream where the transcribed input ends, and finalise what was to be finalised."""
        self._reopen_at = None
        if self._commit_at is not None and self._commit_at <= self._confirmed_samples:
            resume_at, self._commit_at, self._resume_at = self._resume_at, None, 0
            self._grace_by = None
            self._forget(resume_at)
        self._open_at(self._confirmed_samples, now)
        if self._is_input_over:
            self._half_close(None, now)
        elif self._commit_at is not None:
            self.commit(self._commit_at, now)
            self._grace_by = self._grace_by if self._finalising else None

    def answered(self, stream: StreamId, now: Instant) -> None:
        """A stream gave a result: it is alive."""
        if stream in self._finalising:
            self._finalise_by = after_ms(now, FINALISE_MS)

    def confirmed(self, stream: StreamId, samples: int) -> None:
        """Input before `samples` is transcribed for good, unless an older stream has not told what was said before."""
        if not self.is_oldest(stream):
            self._covered[stream] = samples
            return
        if samples > self._confirmed_samples:
            self._failures.end()
        self._forget(samples)

    def force(self, at_samples: int, grace_ms: int, now: Instant) -> None:
        """Force the final of what was heard before `at_samples`; after `grace_ms` they are late (`end_grace`)."""
        self.commit(at_samples, now)
        if self.owes_a_final and not self._is_input_over:
            self._grace_by = after_ms(now, grace_ms)

    @property
    def has_grace(self) -> bool:
        """Whether forced finals are still waited for."""
        return self._grace_by is not None

    def end_grace(self, now: Instant) -> bool:
        """Wait no longer for forced finals that are late; says whether they were."""
        is_over = self._grace_by is not None and now >= self._grace_by
        if is_over:
            self._grace_by = None
        return is_over

    def forgo(self) -> None:
        """What was to be finalised is known well enough: its streams are dropped, and nothing of it is replayed."""
        if self.state is Listening.CLOSED:
            before, self._commit_at, self._resume_at = max(self._commit_at or 0, self._resume_at), None, 0
        else:
            before = self._from_samples
        self.orders.add(*map(CancelRecognition, self._finalising))
        if self._finalising:
            self._machine.move(ListeningEvent.FINALISED)
        self._finalising, self._finalise_by = [], None
        self._forget(before)

    def _forget(self, before_samples: int) -> None:
        """Nothing before this position is transcribed again: all that will be known of it is known.

        The same holds for what the stream that is the oldest now has covered.
        """
        before_samples = max(before_samples, *(self._covered.pop(stream, 0) for stream in self.live[:1]), 0)
        if before_samples > self._confirmed_samples:
            self._confirmed_samples = before_samples
            self.orders.add(ForgetAudio(before_samples))

    def commit(self, received_samples: int, now: Instant) -> None:
        """Force the final of what was heard, and listen on. While no stream is open, the next one will."""
        if self.state is Listening.CLOSED:
            if not self._resume_at:
                self._commit_at = received_samples
            return
        self._commit_at = None
        is_empty = received_samples <= self._from_samples
        if is_empty or self._is_input_over or len(self._finalising) == MAX_FINALISING:
            return
        following, self._resume_at = max(received_samples, self._resume_at), 0
        self._half_close(received_samples, now)
        self._open_at(following, now, follows=True)

    def renew(self, now: Instant) -> None:
        """Listen on with another stream; it and later ones are opened with the changed settings."""
        self._half_close(None, now)
        self._open_at(self._confirmed_samples, now, follows=True)

    def input_ended(self, now: Instant, *, is_all_known: bool) -> None:
        """The client says nothing more: force the last final, unless recognition is down and all is known."""
        self._is_input_over, self._grace_by = True, None
        if self.state is not Listening.CLOSED:
            self._half_close(None, now)
        elif is_all_known:
            self._reopen_at = None

    def ended(self, stream: StreamId, now: Instant) -> None:
        """A stream has delivered all it had. If it was not half-closed, that is a failure, too."""
        if stream not in self._finalising:
            self.broke(stream, "the recogniser ended the stream", now)
            return
        is_oldest = self.is_oldest(stream)
        self._finalising.remove(stream)
        if self._finalising:
            self._finalise_by = after_ms(now, FINALISE_MS)
            if is_oldest:
                self._forget(self._ends[stream])
            return
        self._finalise_by = self._grace_by = None
        self._machine.move(ListeningEvent.EXHAUSTED if self._is_input_over else ListeningEvent.FINALISED)
        self._forget(self._from_samples)

    def broke(self, stream: StreamId, message: str, now: Instant) -> None:
        """A stream broke: everything since the last final is replayed on a new one, also what was to be finalised.

        The client is told of the first failure in a row, not of each attempt to mend it.
        """
        self._failures.go_on(now)
        is_too_long = self.patience_ms > 0 and self._failures.last_for(self.patience_ms, now)
        if is_too_long or (self._is_input_over and self._failures.are_all_tried):
            self.orders.add(Fail(Reason.BACKEND_UNAVAILABLE, f"speech recognition: {message}", Backend.ASR))
            return
        plan = _Plan(self.live, self._finalising, self._ends, self._covered, self._from_samples)
        transcribed_samples = 0 if self._is_input_over else plan.transcribed_behind()
        self._broken = Replay(self.live[0], StreamId(self._newest + 1), transcribed_samples)
        self.orders.add(*(CancelRecognition(other) for other in self.live if other != stream))
        if self._finalising and not self._is_input_over:
            self._commit_at, self._resume_at = plan.unfinished_end(), transcribed_samples
        self._finalising, self._finalise_by, self._covered = [], None, {}
        self._machine.move(ListeningEvent.BROKE)
        if not self.has_failed:
            told = f"speech recognition was interrupted: {message}"
            self.orders.add(Emit(Notice(Reason.RECOGNITION_INTERRUPTED, told, Backend.ASR)))
        self._reopen_at = self._failures.add(now)
        self.on_deadline(now)

    def deadline(self) -> Instant | None:
        """When to look again."""
        look_at = self._finalise_by if self._reopen_at is None else self._reopen_at
        return earliest(look_at, self._grace_by, self._steady_by)

    def take_unended(self, now: Instant) -> StreamId | None:
        """A half-closed stream that has transcribed all it heard and does not end in time: it is dropped, and over."""
        oldest = self._finalising[0] if self._finalise_by is not None and now >= self._finalise_by else None
        if oldest is None or not 0 < self._ends[oldest] <= self._confirmed_samples:
            return None
        self.orders.add(CancelRecognition(oldest))
        return oldest

    def on_deadline(self, now: Instant) -> None:
        """Open again a stream that broke; give up on one that does not finalise; trust one that has proved steady."""
        if self._steady_by is not None and now >= self._steady_by:
            self._failures.end()
        if self._reopen_at is not None and now >= self._reopen_at:
            self.open(now)
        elif self._finalise_by is not None and now >= self._finalise_by:
            silent = self._finalising[0]
            self.orders.add(CancelRecognition(silent))
            self.broke(silent, "no final transcript came", now)

    @property
    def _steady_by(self) -> Instant | None:
        """When the outage is over, if the stream that is open does not break."""
        return self.doubtful_until if self.is_away and self.state is not Listening.CLOSED else None

    def close(self) -> None:
        """Drop every stream."""
        self.orders.add(*map(CancelRecognition, self.live))

    def _open_at(self, from_samples: int, now: Instant, *, follows: bool = False) -> None:
        self._machine.move(ListeningEvent.OPENED)
        self._newest = StreamId(self._newest + 1)
        self._from_samples = from_samples
        self._failures.opened(now)
        self.orders.add(OpenRecognition(self._newest, from_samples, follows=follows))

    def _half_close(self, at_samples: int | None, now: Instant) -> None:
        self._machine.move(ListeningEvent.HALF_CLOSED)
        self._finalising.append(self._newest)
        self._ends = {self._newest: at_samples or 0} | {
            other: end for other, end in self._ends.items() if other in self._finalising
        }
        self._finalise_by = after_ms(now, FINALISE_MS)
        self.orders.add(FinishRecognition(self._newest, at_samples))
