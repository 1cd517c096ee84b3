"""Hears whether somebody speaks: one bank for the process, which runs the chunks of all sessions together."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import soxr

from voice_gateway.domain.audio import PCM_SAMPLE_BYTES
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.session.hearing import Hearing
from voice_gateway.session.own_voice import OwnVoice
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.ports import VOICE_CHUNK_SAMPLES, VOICE_RATE_HZ, VoiceModel
from voice_gateway.session.voicing import VOICED, voicing
from voice_gateway.turn.inputs import OwnVoiceHeard, SpeechEnded, SpeechStarted, VoicingHeard

CHUNK_MS = VOICE_CHUNK_SAMPLES * 1_000 // VOICE_RATE_HZ
SPEECH = 0.5
SILENCE = 0.35
"""Silero's own thresholds (utils_vad.py): speech begins at 0.5, and ends 0.15 below it."""
MAX_BATCH = 32
"""Chunks of one run: with more, each is hardly cheaper, and a run takes over 0.7 ms (measured 2026-11-21)."""
MAX_CHUNKS_A_TICK = 16
"""Chunks of one session: 25 times real time. Audio pushed faster waits on the tape, so that no session holds up the
others."""
MAX_TICK_CHUNKS = 256
"""Chunks of all sessions: 6 ms (0.025 ms each, measured 2026-11-21). The round that reaches this is the tick's last."""
LATE_FINAL_CHUNKS = 3_000 // CHUNK_MS
"""After this much silence (3 s: the longest usual `stop_history_ms` and the decoding) nobody waits for a final: the
sound had no words."""
COMPARED_CHUNKS = 4
"""This much sound (128 ms) is compared with what the agent said: less matches by chance, more has older sound in it."""
VOICING_CHUNKS = 2
"""A voice is looked for in this much sound (64 ms): four periods of the lowest voice, and less than a vowel."""

_CHUNK_BYTES = VOICE_CHUNK_SAMPLES * PCM_SAMPLE_BYTES


@dataclass(slots=True)
class Onset:
    """Turns probabilities into edges. Pure; positions are samples at VOICE_RATE_HZ."""

    onset_ms: int
    pause_ms: int
    stall_ms: int
    """No audio for this time is silence."""
    is_speaking: bool = field(default=False, init=False)
    _position: int = field(default=0, init=False)
    _run_ms: int = field(default=0, init=False)
    """How long the other state has lasted."""

    def add(self, probability: float) -> int | None:
        """The position of an edge if this chunk settles one: of the first speech, or of the end of the last."""
        self._position += VOICE_CHUNK_SAMPLES
        is_other = probability < SILENCE if self.is_speaking else probability >= SPEECH
        self._run_ms = self._run_ms + CHUNK_MS if is_other else 0
        if self._run_ms < (self.pause_ms if self.is_speaking else self.onset_ms) or not is_other:
            return None
        edge = self._position - self._run_ms * VOICE_RATE_HZ // 1_000
        self.is_speaking, self._run_ms = not self.is_speaking, 0
        return edge

    @property
    def would_begin(self) -> bool:
        """Whether one more chunk of speech would settle an onset."""
        return not self.is_speaking and self._run_ms + CHUNK_MS >= self.onset_ms

    def give_up(self) -> None:
        """Nobody speaks any more, as far as one can hear."""
        self.is_speaking, self._run_ms = False, 0


class Ear:
    """One session's part of the bank: reads the tape, posts the edges in the client's clock."""

    def __init__(
        self,
        hearing: Hearing,
        onset: Onset,
        own_voice: OwnVoice,
        state: object,
        post: Callable[[SpeechStarted | SpeechEnded | VoicingHeard | OwnVoiceHeard], None],
    ) -> None:
        self.state = state
        self._hearing = hearing
        self._rate_hz = hearing.asr_rate_hz
        self._onset = onset
        self._own_voice = own_voice
        self._hears_itself = False
        self._has_voice = False
        """Whether a voice was heard in what sounds now."""
        self._since_compared = 0
        """Chunks since the last comparison with what the agent said."""
        self._silent_chunks = 0
        """Chunks since somebody spoke."""
        self._recent: deque[bytes] = deque(maxlen=COMPARED_CHUNKS)
        self._post = post
        self._cursor = 0
        self._known_end = 0
        """End of the tape when it was looked at last."""
        self._moved_at = Instant(0)
        """When audio came last."""
        self._listened_at = Instant(0)
        self._pending = bytearray()
        """Audio at VOICE_RATE_HZ: less than a chunk, and what the resampler gives at once."""
        self._resampler = (
            None
            if self._rate_hz == VOICE_RATE_HZ
            else soxr.ResampleStream(self._rate_hz, VOICE_RATE_HZ, 1, dtype="int16")
        )
        hearing.listened(0)

    def set_onset(self, onset_ms: int, pause_ms: int, stall_ms: int) -> None:
        """Judge by other durations from the next chunk on."""
        self._onset.onset_ms, self._onset.pause_ms, self._onset.stall_ms = onset_ms, pause_ms, stall_ms

    def listen(self, now: Instant) -> None:
        """See whether audio has come. If somebody was speaking, no audio for `stall_ms` is silence."""
        end, self._listened_at = self._hearing.end(), now
        if end != self._known_end:
            self._known_end, self._moved_at = end, now
        elif (
            self._onset.is_speaking and self._cursor == end and ms_between(self._moved_at, now) >= self._onset.stall_ms
        ):
            self._onset.give_up()
            self._hearing.patience.is_speaking = False
            received = self._hearing.received_samples
            self._post(SpeechEnded(received, received))

    def next_chunk(self) -> bytes | None:
        """The next whole chunk, taken from the tape."""
        while len(self._pending) < _CHUNK_BYTES:
            if self._cursor == self._hearing.end():
                return None
            self._read()
        chunk = bytes(self._pending[:_CHUNK_BYTES])
        del self._pending[:_CHUNK_BYTES]
        self._recent.append(chunk)
        return chunk

    def _read(self) -> None:
        start, chunk = self._cursor, CHUNK_MS * self._rate_hz // 1_000
        self._cursor = min(start + chunk, self._hearing.end())
        pcm = self._hearing.read(start, self._cursor)
        self._hearing.listened(self._cursor)
        if self._resampler is not None:
            pcm = self._resampler.resample_chunk(np.frombuffer(pcm, "<i2")).tobytes()
        self._pending += pcm

    def heard(self, probability: float) -> None:
        """Take the verdict on a chunk. The agent's own voice coming back is no speech."""
        if self._compare(probability):
            probability = 0.0
        edge = self._onset.add(probability)
        self._pace(probability, is_speech=self._onset.is_speaking or edge is not None)
        if edge is not None:
            self._hearing.patience.is_speaking = self._onset.is_speaking
            at_samples = self._hearing.to_input(edge * self._rate_hz // VOICE_RATE_HZ)
            edge_kind = SpeechStarted if self._onset.is_speaking else SpeechEnded
            self._post(edge_kind(at_samples, self._hearing.received_samples))
            self._has_voice = False
        self._listen_for_voice(probability)

    def _listen_for_voice(self, probability: float) -> None:
        """Post the first voice in what sounds; most utterances need one look, of 0.1 ms."""
        if not self._onset.is_speaking or self._has_voice or probability < SPEECH:
            return
        self._has_voice = voicing(b"".join([*self._recent][-VOICING_CHUNKS:])) >= VOICED
        if self._has_voice:
            self._post(VoicingHeard())

    def _pace(self, probability: float, *, is_speech: bool) -> None:
        """Hand on every frame at once from a pause to speech, the final (`BackendCalls`) or LATE_FINAL_CHUNKS."""
        self._silent_chunks = 0 if is_speech else self._silent_chunks + 1
        if is_speech:
            self._hearing.set_batched(is_batched=probability >= SILENCE)
        elif self._silent_chunks == LATE_FINAL_CHUNKS:
            self._hearing.set_batched(is_batched=True)

    def _compare(self, probability: float) -> bool:
        """Whether the agent's own voice is what sounds. Compared only where it matters: it costs more than the verdict.

        Once the agent has heard itself, each chunk matters: one in a hundred is not recognised.
        """
        self._since_compared += 1
        is_due = self._since_compared >= COMPARED_CHUNKS if self._onset.is_speaking else self._onset.would_begin
        if probability < SPEECH or not (is_due or self._hears_itself):
            return False
        self._since_compared = 0
        is_own = self._own_voice.compare(b"".join(self._recent), self._listened_at)
        if is_own and not self._hears_itself:
            self._hears_itself = True
            self._post(OwnVoiceHeard())
        return is_own


class VoiceBank:
    """All ears of the process, moved by the pacer's tick."""

    def __init__(self, model: VoiceModel, pacer: Pacer, judged: Callable[[float], None] = lambda _: None) -> None:
        """`judged` is told how long each batch took, in seconds."""
        self._model = model
        self._pacer = pacer
        self._judged = judged
        self._ears: dict[Ear, None] = {}

    def new_state(self) -> object:
        """A state for a new ear."""
        return self._model.new_state()

    def add(self, ear: Ear) -> None:
        """Listen for this session from now on."""
        self._ears[ear] = None
        self._pacer.add(self)

    def remove(self, ear: Ear) -> None:
        """Stop listening."""
        self._ears.pop(ear, None)
        if not self._ears:
            self._pacer.remove(self)

    def tick(self, now: Instant) -> None:
        """Judge every chunk that is due, those of different sessions together."""
        for ear in self._ears:
            ear.listen(now)
        judged = 0
        for _ in range(MAX_CHUNKS_A_TICK):
            due = [(ear, chunk) for ear in tuple(self._ears) if (chunk := ear.next_chunk()) is not None]
            if not due:
                return
            for start in range(0, len(due), MAX_BATCH):
                self._judge(due[start : start + MAX_BATCH])
            judged += len(due)
            if judged >= MAX_TICK_CHUNKS:
                return

    def _judge(self, due: list[tuple[Ear, bytes]]) -> None:
        began_s = time.perf_counter()
        probabilities = self._model.probabilities([ear.state for ear, _ in due], [chunk for _, chunk in due])
        self._judged(time.perf_counter() - began_s)
        for (ear, _), probability in zip(due, probabilities, strict=True):
            ear.heard(probability)
