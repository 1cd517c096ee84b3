"""A player that plays nothing: where a loudspeaker would be in each reply, and where it would have run dry. Pure.

It holds back the first audio of a reply for `JITTER_MS`, as real players do, and keeps positions instead of sound.
"""

from dataclasses import dataclass, field
from typing import Final

from voice_client.player import PlaybackReport

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
JITTER_MS: Final = 60
LATE_MS: Final = 40
"""Audio that comes later than its place in the reply plus this, counted from the reply's first audio, is late."""
REPORT_MS: Final = 200
"""The contract's longest time between two reports of a reply that plays."""
NEVER_NS: Final = 2**63 - 1


@dataclass(slots=True)
class _Reply:
    reply_id: str
    anchor_ns: int
    """When the audio at `anchor_samples` came: the place of later audio counts from here."""
    anchor_samples: int
    base_ns: int
    """When the sample at `base_samples` is played."""
    base_samples: int
    end_samples: int
    """One past the last sample that has come."""
    is_complete: bool = False
    is_paused: bool = False
    has_resumed: bool = False
    """Nothing has come since it went on: the place of later audio counts from what comes next."""
    told_samples: int = 0


@dataclass(slots=True)
class Playout:
    """The player of one call; replies come one after the other."""

    rate_hz: int
    gaps_ms: list[float] = field(default_factory=list)
    """How long the loudspeaker was silent in mid-reply, for each time."""
    audio_frames: int = 0
    late_audio_frames: int = 0
    report_ns: int = NEVER_NS
    """When there is next something to report."""
    _replies: list[_Reply] = field(default_factory=list)
    """Those that have not been played through."""

    def push(self, reply_id: str, offset_samples: int, count_samples: int, at_ns: int, *, is_last: bool) -> None:
        """Take audio that has come."""
        reply = self._find(reply_id)
        if reply is None:
            begins_ns = max(at_ns + JITTER_MS * NS_PER_MS, self._free_ns())
            place = (offset_samples, begins_ns, offset_samples, offset_samples)
            reply = _Reply(reply_id, at_ns, *place, told_samples=offset_samples)
            self._replies.append(reply)
            self.report_ns = min(self.report_ns, begins_ns + REPORT_MS * NS_PER_MS)
        if count_samples:
            self._refill(reply, at_ns)
            if reply.has_resumed:
                reply.anchor_ns, reply.anchor_samples, reply.has_resumed = at_ns, offset_samples, False
            self.audio_frames += 1
            place_ns = reply.anchor_ns + self._ns(offset_samples - reply.anchor_samples)
            self.late_audio_frames += not reply.is_paused and at_ns - place_ns > LATE_MS * NS_PER_MS
            reply.end_samples = max(reply.end_samples, offset_samples + count_samples)
        if is_last:
            self._complete(reply)

    def complete(self, reply_id: str) -> None:
        """No more audio of the reply comes."""
        if (reply := self._find(reply_id)) is not None:
            self._complete(reply)

    def pause(self, reply_id: str, at_ns: int) -> PlaybackReport | None:
        """Hold a reply where it is; gives what is to be reported."""
        reply = self._find(reply_id)
        if reply is None or reply.is_paused:
            return None
        silent_ns = min(at_ns, self._dry_ns(reply))
        reply.base_samples, reply.base_ns, reply.is_paused = self._played(reply, at_ns), silent_ns, True
        return PlaybackReport(reply_id, reply.base_samples, is_final=True)

    def resume(self, reply_id: str, offset_samples: int, at_ns: int) -> None:
        """Go on with a held reply at a position of it."""
        if (reply := self._find(reply_id)) is not None:
            reply.base_samples = min(offset_samples, reply.end_samples)
            reply.base_ns = at_ns
            reply.is_paused, reply.has_resumed = False, True
            self.report_ns = min(self.report_ns, at_ns + REPORT_MS * NS_PER_MS, self._due_ns(reply))

    def flush(self, reply_id: str, at_ns: int) -> PlaybackReport | None:
        """Drop a reply; gives what is to be reported."""
        if (reply := self._find(reply_id)) is None:
            return None
        self._replies.remove(reply)
        return PlaybackReport(reply_id, self._played(reply, at_ns), is_final=True)

    def place_ns(self, reply_id: str, offset_samples: int, at_ns: int) -> int:
        """When a sample of a reply that came at `at_ns` would be played, were nothing held back."""
        if (reply := self._find(reply_id)) is None:
            return at_ns
        return max(at_ns, reply.anchor_ns + self._ns(offset_samples - reply.anchor_samples))

    def silent_ns(self, reply_id: str, at_ns: int) -> int:
        """When a reply falls silent that is dropped at `at_ns`: then, or when it was paused or had run dry before."""
        if (reply := self._find(reply_id)) is None:
            return at_ns
        return reply.base_ns if reply.is_paused else min(at_ns, self._dry_ns(reply))

    def ends_ns(self) -> int:
        """When the last sample of all replies will have been played; `NEVER_NS` while one has not come whole."""
        if any(reply.is_paused or not reply.is_complete for reply in self._replies):
            return NEVER_NS
        return self._free_ns()

    def reports(self, at_ns: int) -> list[PlaybackReport]:
        """What is due to be reported, to be asked for at `report_ns`."""
        found, self.report_ns = [], NEVER_NS
        for reply in tuple(self._replies):
            if reply.is_paused:
                continue
            played_samples = self._played(reply, at_ns)
            is_final = reply.is_complete and played_samples == reply.end_samples
            if is_final:
                self._replies.remove(reply)
            else:
                self.report_ns = min(self.report_ns, at_ns + REPORT_MS * NS_PER_MS, self._due_ns(reply))
            if is_final or played_samples > reply.told_samples:
                reply.told_samples = played_samples
                found.append(PlaybackReport(reply.reply_id, played_samples, is_final))
        return found

    def close(self, at_ns: int) -> None:
        """The call is over: a reply that has run dry by now and never came whole is a gap, too."""
        for reply in self._replies:
            if not (reply.is_paused or reply.is_complete):
                self._refill(reply, at_ns)

    def _refill(self, reply: _Reply, at_ns: int) -> None:
        """Audio comes for a reply that plays: if it had run dry, it goes on from now."""
        dry_ns = self._dry_ns(reply)
        if not (reply.is_paused or reply.is_complete) and at_ns > dry_ns:
            self.gaps_ms.append((at_ns - dry_ns) / NS_PER_MS)
            reply.base_ns, reply.base_samples = at_ns, reply.end_samples

    def _complete(self, reply: _Reply) -> None:
        reply.is_complete = True
        self.report_ns = min(self.report_ns, self._due_ns(reply))

    def _due_ns(self, reply: _Reply) -> int:
        return self._dry_ns(reply) if reply.is_complete else NEVER_NS

    def _dry_ns(self, reply: _Reply) -> int:
        return reply.base_ns + self._ns(reply.end_samples - reply.base_samples)

    def _free_ns(self) -> int:
        return max((self._dry_ns(reply) for reply in self._replies), default=0)

    def _played(self, reply: _Reply, at_ns: int) -> int:
        if reply.is_paused:
            return reply.base_samples
        since_samples = max(0, at_ns - reply.base_ns) * self.rate_hz // NS_PER_S
        return min(reply.base_samples + since_samples, reply.end_samples)

    def _ns(self, samples: int) -> int:
        # upwards: at that instant the last sample has been played
        return -(-samples * NS_PER_S // self.rate_hz)

    def _find(self, reply_id: str) -> _Reply | None:
        return next((reply for reply in self._replies if reply.reply_id == reply_id), None)
