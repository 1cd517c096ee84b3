"""A player as arithmetic: what leaves the loudspeaker when, given what arrived when. No clock, no event loop.

Rules:
  1. A reply begins `jitter_ms` after its first audio arrived, and not before the reply ahead of it has ended.
  2. It plays in real time, in its own timeline. When it runs dry it waits, and goes on `jitter_ms` after more came.
  3. A pause holds it at once; a resumption goes on at once from the order's offset with what is held.
  4. An interruption ends it at once and forgets what is held of it. Other replies are not touched.
  5. Reports: every `report_every_ms` from the first sample to the end except while paused, and one that is final at
     each pause, interruption and end.

Call `receive` for each arrival and `advance` at each `deadline()`; both give the reports that fell due, in order.
Instants are nanoseconds of one monotonic clock and never go back.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class AudioArrived:
    """Samples [offset_samples, offset_samples + samples) of a reply."""

    reply_id: str
    offset_samples: int
    samples: int
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class PauseArrived:
    reply_id: str


@dataclass(frozen=True, slots=True)
class ResumeArrived:
    reply_id: str
    offset_samples: int


@dataclass(frozen=True, slots=True)
class InterruptArrived:
    reply_id: str


@dataclass(frozen=True, slots=True)
class FinishArrived:
    """Nothing more of the reply will come."""

    reply_id: str


Arrival = AudioArrived | PauseArrived | ResumeArrived | InterruptArrived | FinishArrived


@dataclass(frozen=True, slots=True)
class Report:
    """A playback report that is due at `at_ns`."""

    at_ns: int
    reply_id: str
    played_samples: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class PlayedRun:
    """Samples [start_samples, end_samples) left the loudspeaker without a gap, the first one at `start_ns`."""

    reply_id: str
    start_samples: int
    end_samples: int
    start_ns: int


class PlayoutError(Exception):
    """The server has broken the contract: a gap in the audio, or audio of a reply that is over."""


class Phase(Enum):
    """How a reply stands in the player."""

    WAITING = "waiting"
    """It has not enough audio to begin or to go on."""
    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"
    """Its last sample was played."""
    FLUSHED = "flushed"
    """It was interrupted."""


_OVER = (Phase.ENDED, Phase.FLUSHED)


@dataclass(slots=True, eq=False)
class _Reply:
    reply_id: str
    phase: Phase = Phase.WAITING
    received_samples: int = 0
    last_samples: int | None = None
    """Length of the reply, once its end is known."""
    cursor_samples: int = 0
    """Position when it last stood still."""
    running_since_ns: int = 0
    begins_ns: int | None = None
    """When it may begin or go on, if it has audio."""
    report_ns: int | None = None
    has_run_dry: bool = False


class PlayoutModel:
    """One player; see the rules above. `runs` is the truth: every sample that was played, and when."""

    def __init__(self, rate_hz: int, jitter_ms: int = 60, report_every_ms: int = 100) -> None:
        self._rate_hz = rate_hz
        self._jitter_ns = jitter_ms * NS_PER_MS
        self._report_every_ns = report_every_ms * NS_PER_MS
        self._replies: dict[str, _Reply] = {}
        self._line: deque[_Reply] = deque()
        self._now_ns = 0
        self._reports: list[Report] = []
        self.runs: list[PlayedRun] = []
        self.underruns = 0
        """How often a reply ran dry and went on later."""

    def phase(self, reply_id: str) -> Phase:
        """Says how a reply stands; one that never was is waiting."""
        reply = self._replies.get(reply_id)
        return Phase.WAITING if reply is None else reply.phase

    def played_samples(self, reply_id: str) -> int:
        """Gives the position in the reply's timeline as of the last call; 0 for one that never was."""
        reply = self._replies.get(reply_id)
        return 0 if reply is None else self._position(reply, self._now_ns)

    def deadline(self) -> int | None:
        """Gives the instant at which `advance` has something to do, if any."""
        if not self._line:
            return None
        reply = self._line[0]
        instants = [reply.report_ns]
        if reply.phase is Phase.WAITING:
            instants.append(reply.begins_ns)
        if reply.phase is Phase.PLAYING:
            instants.append(self._dry_ns(reply))
        return min((instant for instant in instants if instant is not None), default=None)

    def advance(self, now_ns: int) -> list[Report]:
        """Plays on until `now_ns`; raises ValueError when that is in the past."""
        if now_ns < self._now_ns:
            message = f"the clock went back from {self._now_ns} to {now_ns}"
            raise ValueError(message)
        while (due_ns := self.deadline()) is not None and due_ns <= now_ns:
            self._now_ns = max(self._now_ns, due_ns)
            self._step(self._line[0])
        self._now_ns = now_ns
        reports, self._reports = self._reports, []
        return reports

    def receive(self, arrival: Arrival, now_ns: int) -> list[Report]:
        """Plays on until `now_ns`, then takes what arrived; raises PlayoutError when it breaks the contract."""
        reports = self.advance(now_ns)
        match arrival:
            case AudioArrived():
                self._take_audio(arrival)
            case PauseArrived(reply_id):
                self._pause(self._reply(reply_id))
            case ResumeArrived(reply_id, offset_samples):
                self._resume(self._reply(reply_id), offset_samples)
            case InterruptArrived(reply_id):
                self._flush(self._reply(reply_id))
            case FinishArrived(reply_id):
                self._finish(self._reply(reply_id))
        return reports + self.advance(now_ns)

    def _reply(self, reply_id: str) -> _Reply:
        """Gives a reply; orders may come for one whose audio has not come yet or never will."""
        return self._replies.setdefault(reply_id, _Reply(reply_id))

    def _position(self, reply: _Reply, at_ns: int) -> int:
        if reply.phase is not Phase.PLAYING:
            return reply.cursor_samples
        run_samples = (at_ns - reply.running_since_ns) * self._rate_hz // _NS_PER_S
        return min(reply.cursor_samples + run_samples, reply.received_samples)

    def _dry_ns(self, reply: _Reply) -> int:
        samples = reply.received_samples - reply.cursor_samples
        return reply.running_since_ns - (-samples * _NS_PER_S // self._rate_hz)

    def _step(self, reply: _Reply) -> None:
        """Does the one thing that is due now."""
        if reply.phase is Phase.WAITING and reply.begins_ns is not None and reply.begins_ns <= self._now_ns:
            self._begin(reply)
        elif reply.phase is Phase.PLAYING and self._dry_ns(reply) <= self._now_ns:
            self._run_dry(reply)
        else:
            reply.report_ns = self._now_ns + self._report_every_ns
            self._report(reply, is_final=False)

    def _begin(self, reply: _Reply) -> None:
        self.underruns += reply.has_run_dry
        reply.has_run_dry = False
        reply.phase = Phase.PLAYING
        reply.running_since_ns = self._now_ns
        if reply.report_ns is None:
            reply.report_ns = self._now_ns + self._report_every_ns

    def _run_dry(self, reply: _Reply) -> None:
        self._stand_still(reply, Phase.WAITING)
        reply.begins_ns = None
        reply.has_run_dry = True
        self._end_if_complete(reply)

    def _stand_still(self, reply: _Reply, phase: Phase) -> None:
        position = self._position(reply, self._now_ns)
        if position > reply.cursor_samples:
            self.runs.append(PlayedRun(reply.reply_id, reply.cursor_samples, position, reply.running_since_ns))
        reply.cursor_samples = position
        reply.phase = phase

    def _end_if_complete(self, reply: _Reply) -> None:
        if reply.phase is Phase.WAITING and reply.cursor_samples == reply.last_samples:
            reply.phase = Phase.ENDED
            self._leave(reply)

    def _leave(self, reply: _Reply) -> None:
        """Takes a reply that is over from the line, wherever it stands in it; the next one may begin if it was due."""
        self._report(reply, is_final=True)
        if reply in self._line:
            self._line.remove(reply)

    def _report(self, reply: _Reply, *, is_final: bool) -> None:
        self._reports.append(Report(self._now_ns, reply.reply_id, self._position(reply, self._now_ns), is_final))

    def _take_audio(self, audio: AudioArrived) -> None:
        reply = self._reply(audio.reply_id)
        if reply.phase in _OVER:
            message = f"audio of reply {audio.reply_id!r}, which is {reply.phase.value}"
            raise PlayoutError(message)
        if audio.offset_samples > reply.received_samples:
            message = f"audio of reply {audio.reply_id!r} goes from {reply.received_samples} to {audio.offset_samples}"
            raise PlayoutError(message)
        if reply not in self._line:
            self._line.append(reply)
        end_samples = audio.offset_samples + audio.samples
        reply.received_samples = max(reply.received_samples, end_samples)
        if audio.is_last:
            reply.last_samples = end_samples
        if reply.phase is Phase.WAITING and reply.begins_ns is None and reply.received_samples > reply.cursor_samples:
            reply.begins_ns = self._now_ns + self._jitter_ns
        self._end_if_complete(reply)

    def _pause(self, reply: _Reply) -> None:
        if reply.phase in _OVER:
            self._report(reply, is_final=True)
            return
        self._stand_still(reply, Phase.PAUSED)
        reply.report_ns = None
        self._report(reply, is_final=True)

    def _resume(self, reply: _Reply, offset_samples: int) -> None:
        if offset_samples > reply.received_samples:
            message = f"reply {reply.reply_id!r} is to go on at {offset_samples} of {reply.received_samples} samples"
            raise PlayoutError(message)
        if reply.phase is not Phase.PAUSED:
            return
        reply.phase = Phase.WAITING
        reply.cursor_samples = offset_samples
        reply.begins_ns = self._now_ns if reply.received_samples > offset_samples else None
        self._end_if_complete(reply)

    def _flush(self, reply: _Reply) -> None:
        if reply.phase in _OVER:
            self._report(reply, is_final=True)
            return
        self._stand_still(reply, Phase.FLUSHED)
        self._leave(reply)

    def _finish(self, reply: _Reply) -> None:
        if reply.last_samples is None and reply.phase not in _OVER:
            reply.last_samples = reply.received_samples
            self._end_if_complete(reply)
