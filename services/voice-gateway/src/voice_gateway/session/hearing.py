"""The audio plane inwards: what the client said, kept until it is transcribed for good, and fed to recognition.

Two sample clocks meet here. The *input clock* is the client's, at the negotiated rate, with gaps. The *tape* is what
the recogniser gets: contiguous, at the ASR's rate, gaps filled with silence. Outside this module positions are in the
input clock.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from operator import itemgetter

from voice_gateway.domain.audio import PCM_SAMPLE_BYTES
from voice_gateway.session.patience import Patience

MAX_AHEAD_MS = 5_000
"""Input may run this far ahead of what the recogniser was sent, and of what was listened to; then nothing is read.
Silence that stands for a gap counts like audio, at the length that it has on the tape."""
MAX_TAPE_MS = 65_000
"""Audio kept for replay: the longest turn by default (60 s) and the wait for its final. Older audio is forgotten."""
MAX_SILENCE_MS = 2_000
"""A longer gap is shortened to this: enough for every recogniser to end its segment."""
SOUND_MS = 100
"""Audio shorter than this between two gaps is no speech: the silence before it goes on after it. A syllable is longer
(150 to 300 ms), and a frame of comfort noise shorter (20 to 60 ms)."""
JITTER_MS = 20
"""A smaller difference between the client's clock and the tape is resampling, not a gap."""
BATCH_MS = 100
"""Audio is handed on in pieces of this while nobody waits for it: one write for each frame costs more than all else."""
MAX_BATCH_MS = 1_000
"""Largest piece, so that a replay does not make one huge message."""


class Hearing:
    """The tape of one session and the feeds that read it."""

    def __init__(self, input_rate_hz: int, asr_rate_hz: int) -> None:
        self._input_rate_hz = input_rate_hz
        self._asr_rate_hz = asr_rate_hz
        self._tape = bytearray()
        self._base = 0
        """Tape position of the first sample kept."""
        self._end = 0
        """End of the tape."""
        self._most = MAX_TAPE_MS * asr_rate_hz // 1_000
        self._most_ahead = MAX_AHEAD_MS * asr_rate_hz // 1_000
        """MAX_TAPE_MS and MAX_AHEAD_MS in samples."""
        self._anchors: list[tuple[int, int]] = [(0, 0)]
        """(tape position, input position) pairs from which the clocks run together."""
        self._silence = 0
        """Tape samples of silence that were made since there was sound, less the audio that has come since."""
        self._unbroken = 0
        """Tape samples of audio since the last gap."""
        self._forgotten = 0
        """Tape position before which nothing is replayed."""
        self._listened: int | None = None
        """Tape position that the listener for speech has come to; None: nobody listens."""
        self._feed: Feed | None = None
        self._finished = 0
        """Tape position where the last finished feed ends."""
        self._batch = BATCH_MS * asr_rate_hz // 1_000
        """Samples that make a piece for the recogniser."""
        self._room = asyncio.Event()
        self._room.set()
        self.patience = Patience()

    @property
    def input_rate_hz(self) -> int:
        """Rate of the input clock."""
        return self._input_rate_hz

    @property
    def asr_rate_hz(self) -> int:
        """Rate of the tape."""
        return self._asr_rate_hz

    @property
    def received_samples(self) -> int:
        """End of the audio received, in the input clock."""
        tape, position = self._anchors[-1]
        return position + (self._end - tape) * self._input_rate_hz // self._asr_rate_hz

    def hear(self, pcm: bytes, offset_samples: int) -> None:
        """Take audio that begins at `offset_samples`; a gap before it becomes silence."""
        gap = offset_samples - self.received_samples
        if gap * 1_000 > JITTER_MS * self._input_rate_hz:
            self._fill(gap, offset_samples)
        samples = len(pcm) // PCM_SAMPLE_BYTES
        self._tape += pcm
        self._end += samples
        self._unbroken += samples
        if self._end - self._base > self._most:
            self._forget_oldest()
        if self._feed is not None:
            self._feed.audio_added()
        self._update_room()

    def open_feed(self, from_samples: int, *, follows: bool = False) -> "Feed":
        """A feed of the audio from `from_samples` on, as far back as it is kept.

        With `follows`: not from before the end of the last finished feed.
        """
        first = max(self.to_tape(from_samples), self._finished) if follows else self.to_tape(from_samples)
        start = min(max(first, self.base()), self._end)
        self._feed = Feed(self, start, self._asr_rate_hz)
        self._update_room()
        return self._feed

    def set_batched(self, *, is_batched: bool) -> None:
        """Hand on audio in batches, or every frame at once: from the first pause to the final somebody waits for it."""
        self._batch = BATCH_MS * self._asr_rate_hz // 1_000 if is_batched else 1
        if self._feed is not None:
            self._feed.audio_added()

    @property
    def batch_samples(self) -> int:
        """Least audio that is worth a message."""
        return self._batch

    def finish_feed(self, at_samples: int | None = None) -> None:
        """The newest feed ends at this position, or with the audio received so far."""
        if self._feed is not None:
            end = self._end if at_samples is None else min(self.to_tape(at_samples), self._end)
            self._finished = self._feed.finish(end)

    def leave_feed(self, feed: "Feed") -> None:
        """Its stream is over: until another is opened nobody must wait for it, least of all a user who types."""
        if self._feed is feed:
            self._feed = None
            self._update_room()

    def forget(self, before_samples: int) -> None:
        """Audio before this position is not replayed again."""
        self._forgotten = max(self._forgotten, min(self.to_tape(before_samples), self._end))
        self._drop(self._forgotten - self._base)

    def listened(self, tape_samples: int) -> None:
        """The listener for speech has come to this position, and needs nothing before it any more."""
        self._listened = tape_samples
        self._drop(self._forgotten - self._base)
        self._update_room()

    @property
    def unread_ms(self) -> int:
        """Audio on the tape that the newest feed or the listener has not taken yet."""
        return (self._end - self._taken()) * 1_000 // self._asr_rate_hz

    def has_room(self) -> bool:
        """False while input is too far ahead of what was taken by the newest feed and listened to."""
        return self._room.is_set()

    async def wait_for_room(self) -> None:
        """Return when there is room."""
        await self._room.wait()

    def release(self) -> None:
        """Drop the audio, and wake everybody who waits for room: the session is over."""
        self._feed = self._listened = None
        self._drop(self._end - self._base)
        self._room.set()

    def to_input(self, tape_samples: int) -> int:
        """Position on the tape to position in the input clock."""
        tape, position = self._anchors[max(0, bisect_right(self._anchors, tape_samples, key=itemgetter(0)) - 1)]
        return position + (tape_samples - tape) * self._input_rate_hz // self._asr_rate_hz

    def to_tape(self, input_samples: int) -> int:
        """Position in the input clock to position on the tape."""
        following = max(1, bisect_right(self._anchors, input_samples, key=itemgetter(1)))
        tape, position = self._anchors[following - 1]
        samples = tape + (input_samples - position) * self._asr_rate_hz // self._input_rate_hz
        is_last = following == len(self._anchors)
        return samples if is_last else min(samples, self._anchors[following][0])  # a long gap is shorter on the tape

    def end(self) -> int:
        """End of the tape."""
        return self._end

    def read(self, start: int, end: int) -> bytes:
        """Audio between two tape positions."""
        first = max(0, start - self._base) * PCM_SAMPLE_BYTES
        return bytes(self._tape[first : max(0, end - self._base) * PCM_SAMPLE_BYTES])

    def base(self) -> int:
        """Tape position of the oldest sample that may be replayed."""
        return max(self._base, self._forgotten)

    def feed_moved(self) -> None:
        """A feed has moved on."""
        self._update_room()

    def _fill(self, gap: int, offset_samples: int) -> None:
        """Make the silence that a gap stands for; less where the tape ends in silence already."""
        most, sound = MAX_SILENCE_MS * self._asr_rate_hz // 1_000, SOUND_MS * self._asr_rate_hz // 1_000
        self._silence = 0 if self._unbroken >= sound else max(0, self._silence - self._unbroken)
        made = min(gap * self._asr_rate_hz // self._input_rate_hz, most - self._silence)
        self._tape += bytes(made * PCM_SAMPLE_BYTES)
        self._end += made
        if self._unbroken < sound and len(self._anchors) > 1:
            self._anchors.pop()  # positions in what is no speech are not needed, and there may be any number
        self._anchors.append((self._end, offset_samples))
        self._silence += made
        self._unbroken = 0

    def _forget_oldest(self) -> None:
        excess = self._end - self._base - self._most
        self._drop(min(excess, self._taken() - self._base))  # one message may hold more than the tape does

    def _drop(self, samples: int) -> None:
        """Let go of the oldest audio, except what was not listened to yet."""
        if self._listened is not None:
            samples = min(samples, self._listened - self._base)
        if samples <= 0:
            return
        del self._tape[: samples * PCM_SAMPLE_BYTES]
        self._base += samples
        while len(self._anchors) > 1 and self._anchors[1][0] <= self._base:
            del self._anchors[0]

    def _taken(self) -> int:
        """Tape position that everybody who reads has come to."""
        listened = self._end if self._listened is None else self._listened
        return listened if self._feed is None else min(listened, max(self._feed.position, self.base()))

    def _update_room(self) -> None:
        if self._end - self._taken() >= self._most_ahead:
            self._room.clear()
        elif not self._room.is_set():
            self._room.set()


class Feed(AsyncIterator[bytes]):
    """Audio for one recognition stream: batches as they fill, then the end once `finish` was called."""

    def __init__(self, hearing: Hearing, start: int, rate_hz: int) -> None:
        self._hearing = hearing
        self._max_batch = MAX_BATCH_MS * rate_hz // 1_000
        self._end: int | None = None
        self._more = asyncio.Event()
        self.start = start
        """Tape position of the stream's first sample."""
        self.position = start
        """Tape position up to which audio was taken."""

    def audio_added(self) -> None:
        """Audio was added to the tape."""
        if self._hearing.end() - self.position >= self._hearing.batch_samples:
            self._more.set()

    def finish(self, end: int) -> int:
        """End the stream at this tape position, or after what was taken already; returns which."""
        self._end = max(end, self.position)
        self._more.set()
        return self._end

    async def __anext__(self) -> bytes:
        while True:
            self.position = max(self.position, self._hearing.base())
            until = self._hearing.end() if self._end is None else self._end
            available = until - self.position
            if available >= self._hearing.batch_samples or (self._end is not None and available > 0):
                return self._take(min(available, self._max_batch))
            if self._end is not None:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()

    def _take(self, samples: int) -> bytes:
        pcm = self._hearing.read(self.position, self.position + samples)
        self.position += samples
        self._hearing.feed_moved()
        return pcm
