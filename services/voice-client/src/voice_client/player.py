"""The player: what of the replies has been played, told truthfully. Pure; its clock counts the samples pulled from it.

Audio is kept by its position in its reply's own timeline, so that the server may resume a paused reply further back.
A loudspeaker pulls blocks; between replies, while paused and when a reply is late it gets silence. What a device pulled
is heard a little later: `reports` is told up to which sample of the player's clock the sound has left the loudspeaker.
"""

from collections import deque
from dataclasses import dataclass, field

BYTES_PER_SAMPLE = 2
# The contract asks for a report at least every 200 ms while playing; half of it leaves room for a late timer.
REPORT_INTERVAL_MS = 100
# Audio offsets are contiguous by contract; a jump beyond this is a broken server, not a pause worth buffering.
MAX_GAP_MS = 10_000


class ReplyAudioError(ValueError):
    """Reply audio that breaks the contract: half samples, a negative position, or a jump beyond `MAX_GAP_MS`."""


@dataclass(frozen=True, slots=True)
class Played:
    """One stretch of a reply as it was pulled: where in the player's clock, where in the reply, s16le mono."""

    clock_samples: int
    reply_id: str
    offset_samples: int
    pcm: bytes

    @property
    def end_clock_samples(self) -> int:
        return self.clock_samples + len(self.pcm) // BYTES_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class PlaybackReport:
    """How far a reply was played, in its own timeline; `is_final` when it stopped there."""

    reply_id: str
    played_samples: int
    is_final: bool


@dataclass(slots=True)
class _Reply:
    reply_id: str
    pcm: bytearray = field(default_factory=bytearray)
    cursor_samples: int = 0
    is_complete: bool = False
    is_paused: bool = False
    is_starved: bool = False

    @property
    def received_samples(self) -> int:
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def is_drained(self) -> bool:
        return self.cursor_samples >= self.received_samples

    def store(self, offset_samples: int, pcm: bytes, max_gap_samples: int) -> None:
        gap_samples = offset_samples - self.received_samples
        if gap_samples > max_gap_samples:
            raise ReplyAudioError(f"reply {self.reply_id} jumps {gap_samples} samples ahead")
        self.pcm.extend(bytes(max(0, gap_samples) * BYTES_PER_SAMPLE))
        start = offset_samples * BYTES_PER_SAMPLE
        self.pcm[start : start + len(pcm)] = pcm

    def take(self, count_samples: int) -> bytes:
        start = self.cursor_samples * BYTES_PER_SAMPLE
        pcm = bytes(self.pcm[start : start + count_samples * BYTES_PER_SAMPLE])
        self.cursor_samples += len(pcm) // BYTES_PER_SAMPLE
        return pcm


class Player:
    """Plays the replies of one session in order. Not thread-safe."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.clock_samples = 0
        self.underruns = 0
        self.underrun_samples = 0
        self._queue: deque[_Reply] = deque()
        self._closed_ids: set[str] = set()
        self._unheard: deque[Played] = deque()
        self._ends: deque[Played] = deque()
        self._stops: list[PlaybackReport] = []
        self._reported_at_samples = -self._samples(REPORT_INTERVAL_MS)

    @property
    def is_idle(self) -> bool:
        """True when nothing is left to play and every end has been reported."""
        return not (self._queue or self._ends or self._stops)

    @property
    def is_speaking(self) -> bool:
        """True while a reply has audio to play or is still coming, paused or not."""
        return bool(self._queue)

    def push(self, reply_id: str, offset_samples: int, pcm: bytes, *, is_last: bool = False) -> None:
        """Take reply audio at its place in the reply's timeline; audio of a reply that is over is ignored.

        Raises:
            ReplyAudioError: the audio is not whole samples, or its position makes no sense.
        """
        if len(pcm) % BYTES_PER_SAMPLE or offset_samples < 0:
            raise ReplyAudioError(f"reply {reply_id}: {len(pcm)} bytes at sample {offset_samples}")
        if reply_id in self._closed_ids:
            return
        reply = self._find(reply_id)
        if reply is None:
            reply = _Reply(reply_id)
            self._queue.append(reply)
        reply.store(offset_samples, pcm, self._samples(MAX_GAP_MS))
        reply.is_complete |= is_last
        self._drop_finished()

    def complete(self, reply_id: str) -> None:
        """Note that no more audio of the reply will come; what is buffered is still played."""
        reply = self._find(reply_id)
        if reply is not None:
            reply.is_complete = True
            self._drop_finished()

    def pause(self, reply_id: str) -> None:
        """Hold the reply where it is and report the position as final."""
        reply = self._find(reply_id)
        if reply is not None and not reply.is_paused:
            reply.is_paused = True
            self._stop(reply)

    def resume(self, reply_id: str, offset_samples: int) -> None:
        """Go on with a held reply at a position of its timeline, forwards or backwards."""
        reply = self._find(reply_id)
        if reply is not None:
            reply.cursor_samples = max(0, min(offset_samples, reply.received_samples))
            reply.is_paused = False
            self._reported_at_samples = self.clock_samples
            self._drop_finished()

    def flush(self, reply_id: str) -> None:
        """Drop what is left of the reply, ignore what still comes of it, and report the position as final."""
        reply = self._find(reply_id)
        self._closed_ids.add(reply_id)
        if reply is not None:
            self._queue.remove(reply)
            self._stop(reply)

    def flush_all(self) -> None:
        """Flush every reply that is playing or waiting."""
        for reply in list(self._queue):
            self.flush(reply.reply_id)

    def pull(self, count_samples: int) -> tuple[Played, ...]:
        """Play the next `count_samples` of the player's clock; what no `Played` covers is silence."""
        end_samples = self.clock_samples + count_samples
        played: list[Played] = []
        while self._queue and self.clock_samples < end_samples:
            reply = self._queue[0]
            pcm = b"" if reply.is_paused else reply.take(end_samples - self.clock_samples)
            if not pcm:
                if self._skip_or_starve(reply, end_samples - self.clock_samples):
                    continue
                break
            reply.is_starved = False
            offset_samples = reply.cursor_samples - len(pcm) // BYTES_PER_SAMPLE
            played.append(Played(self.clock_samples, reply.reply_id, offset_samples, pcm))
            self.clock_samples = played[-1].end_clock_samples
            self._drop_finished(played[-1])
        self.clock_samples = end_samples
        self._unheard.extend(played)
        return tuple(played)

    def reports(self, audible_clock_samples: int) -> tuple[PlaybackReport, ...]:
        """What is due to be told now that the sound up to `audible_clock_samples` has left the loudspeaker."""
        reports, self._stops = self._stops, []
        while self._ends and self._ends[0].end_clock_samples <= audible_clock_samples:
            end = self._ends.popleft()
            total_samples = end.offset_samples + end.end_clock_samples - end.clock_samples
            reports.append(PlaybackReport(end.reply_id, total_samples, is_final=True))
            self._unheard_without(end.reply_id)
        running = self._running_position(audible_clock_samples)
        if running and self.clock_samples - self._reported_at_samples >= self._samples(REPORT_INTERVAL_MS):
            reports.append(running)
            self._reported_at_samples = self.clock_samples
        return tuple(reports)

    def _running_position(self, audible_clock_samples: int) -> PlaybackReport | None:
        heard = self._unheard
        while len(heard) > 1 and heard[1].clock_samples < audible_clock_samples:
            heard.popleft()
        if not heard or heard[0].clock_samples >= audible_clock_samples:
            return None
        position = min(audible_clock_samples, heard[0].end_clock_samples) - heard[0].clock_samples
        return PlaybackReport(heard[0].reply_id, heard[0].offset_samples + position, is_final=False)

    def _skip_or_starve(self, reply: _Reply, wanted_samples: int) -> bool:
        """Leave a dry reply behind when another one waits (replies do not overlap); else count the underrun."""
        if reply.is_paused:
            return False
        if len(self._queue) > 1:
            reply.is_complete = True
            self._drop_finished()
            return True
        self.underruns += not reply.is_starved
        self.underrun_samples += wanted_samples
        reply.is_starved = True
        return False

    def _drop_finished(self, last: Played | None = None) -> None:
        while self._queue and self._queue[0].is_complete and self._queue[0].is_drained:
            reply = self._queue.popleft()
            self._closed_ids.add(reply.reply_id)
            here = Played(self.clock_samples, reply.reply_id, reply.cursor_samples, b"")
            self._ends.append(last if last is not None and last.reply_id == reply.reply_id else here)

    def _stop(self, reply: _Reply) -> None:
        self._unheard_without(reply.reply_id)
        self._stops.append(PlaybackReport(reply.reply_id, reply.cursor_samples, is_final=True))

    def _unheard_without(self, reply_id: str) -> None:
        self._unheard = deque(played for played in self._unheard if played.reply_id != reply_id)

    def _find(self, reply_id: str) -> _Reply | None:
        return next((reply for reply in self._queue if reply.reply_id == reply_id), None)

    def _samples(self, duration_ms: int) -> int:
        return self.sample_rate_hz * duration_ms // 1000
