"""One recognition stream: audio in, hypotheses out, in order.

The event loop only moves things: the `Ears` thread hears, the `InferencePool` thread decodes, the pure `Tracker` says
what to decode. What this class adds is order and thrift:

1. A decode begins at the first pause, at ENDPOINT priority, for exactly the audio that the end of the utterance will
   ask for. If speech goes on it is cancelled; if not, the first pass and the final both use its result.
2. Finals and first passes leave in the order of the audio. An interim is sent only when none of them is outstanding,
   and a first pass that speech has overtaken before it left is not sent.
3. At most one interim per stream is queued; newer audio takes its place, and the next one is not asked for until as
   much time has passed as the last one took: under load interims become rarer by themselves. None is decoded when the
   client did not ask for interims, or when the pool is full.
4. While `MAX_OUTSTANDING` pieces wait to be decoded or delivered, `hear()` does not return: the caller stops reading,
   and gRPC's flow control stops the client.

An utterance in which the engine finds no word gives no hypothesis at all.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from local_models.engines.pool import InferencePool, Job, JobState, PoolFullError, Priority
from local_models.engines.recognition import Recognition, Samples
from local_models.riva.asr_codec import Hypothesis, HypothesisKind, Mode, StreamSettings
from local_models.riva.asr_ears import Ears, Heard
from local_models.riva.segmentation import ClosePiece, DecodeAhead, DropAhead, Finish, Span, Step, Suspect, Tracker
from local_models.riva.word_times import FRAME_MS, timed_words

SLICE_BYTES: Final = 32_000
"""How much of one message is heard at a time: a second of 16 kHz PCM, so that a file sent as one message is not
decoded into memory at once and does not keep the ears from other streams for more than some ms."""

FIRST_INTERIM_FRAMES: Final = 14
"""Audio a first interim needs, lead included: 0.26 s of speech. From less, Moonshine makes words up."""

INTERIM_EVERY_FRAMES: Final = 10
"""New audio a further interim needs (320 ms); an eighth of the piece comes on top, because each decodes all of it."""

MAX_OUTSTANDING: Final = 8
"""Pieces of one stream that wait to be decoded or delivered: below 100 s of audio, 6 MB."""


@dataclass(frozen=True, slots=True)
class _Piece:
    span: Span
    job: Job[Recognition]


@dataclass(slots=True)
class _Delivery:
    """A first pass or final on its way out: its text is that of its pieces, joined."""

    kind: HypothesisKind
    pieces: tuple[_Piece, ...]
    audio_processed_ms: int
    is_void: bool = False


class _Tape:
    """The audio that may still be asked for, by frame."""

    def __init__(self) -> None:
        self._frames: deque[Samples] = deque()
        self._start_frame = 0

    def append(self, frame: Samples) -> None:
        self._frames.append(frame)

    def cut(self, span: Span) -> Samples:
        first, last = span.start_frame - self._start_frame, span.end_frame - self._start_frame
        return np.concatenate(tuple(itertools.islice(self._frames, first, last)))

    def forget_before(self, frame: int) -> None:
        while self._start_frame < frame:
            self._frames.popleft()
            self._start_frame += 1


class RecognitionStream:
    """Feed `hear()` and `finish()` from one task, read `hypotheses()` from another, and `close()` in the end."""

    def __init__(
        self, ears: Ears, pool: InferencePool, settings: StreamSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises BadAudio when the encoding or rate is impossible. Needs a running event loop.

        `clock`, in seconds, only thins out interims.
        """
        self._ears = ears
        self._pool = pool
        self._settings = settings
        self._final_priority = Priority.OFFLINE if settings.mode is Mode.OFFLINE else Priority.FINAL
        self._listener = ears.listener(settings.encoding, settings.sample_rate_hz)
        self._tracker = Tracker(settings.policy)
        self._tape = _Tape()
        self._closed: list[_Piece] = []
        self._ahead: _Piece | None = None
        self._interim: _Piece | None = None
        self._interim_end_frame = 0
        self._interim_not_before = 0.0
        self._outbox: deque[_Delivery | Hypothesis] = deque()
        self._jobs: set[Job[Recognition]] = set()
        self._failure: BaseException | None = None
        self._finished = False
        self._changed = asyncio.Event()
        self._clock = clock

    async def hear(self, data: bytes) -> None:
        """Take the client's next bytes; returns when there is room for more.

        Raises BadAudio, and PoolFullError when a decode that cannot be left out has no place.
        """
        for start in range(0, len(data), SLICE_BYTES):
            self._take(await self._ears.run(partial(self._listener.feed, data[start : start + SLICE_BYTES])))
            await self._until(self._has_room)

    async def finish(self) -> None:
        """The audio is over: an utterance in progress becomes final. Raises as `hear()` does."""
        self._take(await self._ears.run(self._listener.finish))
        self._perform(self._tracker.finish())
        self._finished = True
        self._changed.set()

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        """Everything to tell the client, in order, until `finish()` has been called and all is told.

        Raises what the engine raised.
        """
        while True:
            await self._until(lambda: bool(self._outbox) or self._finished)
            if not self._outbox:
                return
            head = self._outbox[0]
            hypothesis = await self._complete(head) if isinstance(head, _Delivery) else head
            self._outbox.popleft()
            self._changed.set()
            if hypothesis is not None:
                yield hypothesis

    def close(self) -> None:
        """Cancel whatever is still queued, forget what runs. Idempotent."""
        self._ahead = self._interim = None
        for job in tuple(self._jobs):
            job.cancel()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()

    def _has_room(self) -> bool:
        undecoded = sum(not piece.job.future.done() for piece in self._closed)
        return len(self._outbox) + undecoded < MAX_OUTSTANDING

    def _take(self, heard: Heard) -> None:
        for frame, probability in zip(heard.frames, heard.probabilities, strict=True):
            self._tape.append(frame)
            self._perform(self._tracker.frame(probability))
        self._tape.forget_before(self._tracker.oldest_needed_frame)
        if self._settings.interim_results and self._tracker.is_speaking:
            self._consider_interim()

    def _perform(self, steps: list[Step]) -> None:
        for step in steps:
            match step:
                case DecodeAhead(span):
                    self._decode_ahead(span)
                case DropAhead():
                    self._drop_ahead()
                case ClosePiece(span):
                    self._drop_interim()
                    self._closed.append(self._claim(span, self._final_priority))
                case Suspect(span, at_frame):
                    self._suspect(span, at_frame)
                case Finish(span, at_frame):
                    self._drop_interim()
                    self._deliver(HypothesisKind.FINAL, self._claim(span, self._final_priority), at_frame)
                    self._closed.clear()

    def _decode_ahead(self, span: Span) -> None:
        if self._settings.mode is Mode.OFFLINE:
            return  # nobody waits, and most pauses are followed by speech
        if self._interim is not None and self._interim.job.state is JobState.QUEUED:
            self._drop_interim()
        try:
            self._ahead = self._decode(span, Priority.ENDPOINT)
        except PoolFullError:
            return  # the end itself will ask again, and be refused if there is still no place
        self._ahead.job.future.add_done_callback(partial(self._on_ahead, self._ahead))

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.job.cancel()
            self._ahead = None
        last = self._outbox[-1] if self._outbox else None
        if isinstance(last, _Delivery) and last.kind is HypothesisKind.SUSPECTED_END:
            last.is_void = True

    def _suspect(self, span: Span, at_frame: int) -> None:
        if self._settings.interim_results:
            self._ahead = self._claim(span, Priority.ENDPOINT)
            self._deliver(HypothesisKind.SUSPECTED_END, self._ahead, at_frame)

    def _deliver(self, kind: HypothesisKind, last: _Piece, at_frame: int) -> None:
        self._outbox.append(_Delivery(kind, (*self._closed, last), at_frame * FRAME_MS))
        self._changed.set()

    def _claim(self, span: Span, priority: Priority) -> _Piece:
        """The decode of `span` that was begun ahead, or a new one, now with at least this priority."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.span != span:
            return self._decode(span, priority)
        ahead.job.promote(priority)
        return ahead

    def _decode(self, span: Span, priority: Priority) -> _Piece:
        job = self._pool.submit(priority, self._work(span))
        self._jobs.add(job)
        job.future.add_done_callback(partial(self._on_done, job))
        return _Piece(span, job)

    def _work(self, span: Span) -> Callable[[], Recognition]:
        return partial(self._settings.engine.recognize, self._tape.cut(span))

    def _on_done(self, job: Job[Recognition], future: asyncio.Future[Recognition]) -> None:
        self._jobs.discard(job)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failure = error
        self._changed.set()

    def _consider_interim(self) -> None:
        span = self._tracker.open_span()
        length_frames = span.end_frame - span.start_frame
        new_frames = span.end_frame - max(self._interim_end_frame, span.start_frame)
        if length_frames < FIRST_INTERIM_FRAMES or new_frames < INTERIM_EVERY_FRAMES + length_frames // 8:
            return
        if self._interim is not None:
            if self._interim.job.supersede(self._work(span)):
                self._interim = _Piece(span, self._interim.job)
            return
        if self._clock() < self._interim_not_before:
            return
        try:
            self._interim = self._decode(span, Priority.INTERIM)
        except PoolFullError:
            return  # thinned out: the next frames will ask again
        self._interim.job.future.add_done_callback(partial(self._on_interim, self._interim.job, self._clock()))

    def _on_interim(self, job: Job[Recognition], asked_at: float, future: asyncio.Future[Recognition]) -> None:
        if future.cancelled() or self._interim is None or self._interim.job is not job:
            return  # dropped, and another may already be queued
        piece, self._interim = self._interim, None
        self._interim_end_frame = piece.span.end_frame
        now = self._clock()
        self._interim_not_before = now + (now - asked_at)
        self._show(piece)

    def _drop_interim(self) -> None:
        if self._interim is not None:
            self._interim.job.cancel()
            self._interim = None

    def _on_ahead(self, piece: _Piece, future: asyncio.Future[Recognition]) -> None:
        if not future.cancelled() and self._ahead is piece and self._settings.interim_results:
            self._show(piece)

    def _show(self, piece: _Piece) -> None:
        """Send the decode of the open piece as an interim, unless something surer is on its way."""
        pieces = (*self._closed, piece)
        if self._outbox or self._failure is not None or not all(piece.job.future.done() for piece in pieces):
            return
        if hypothesis := _hypothesis(HypothesisKind.INTERIM, pieces, piece.span.end_frame * FRAME_MS):
            self._outbox.append(hypothesis)
            self._changed.set()

    async def _complete(self, delivery: _Delivery) -> Hypothesis | None:
        await asyncio.wait([piece.job.future for piece in delivery.pieces])
        if delivery.is_void:
            return None
        return _hypothesis(delivery.kind, delivery.pieces, delivery.audio_processed_ms)


def _hypothesis(kind: HypothesisKind, pieces: tuple[_Piece, ...], audio_processed_ms: int) -> Hypothesis | None:
    """The pieces joined; None when no word was recognised. Every piece must be decoded; raises what the engine did."""
    recognitions = [(piece.job.future.result(), piece.span) for piece in pieces]
    text = " ".join(recognition.text for recognition, _ in recognitions if recognition.text)
    words = tuple(word for recognition, span in recognitions for word in timed_words(recognition, span))
    return Hypothesis(kind, text, words, audio_processed_ms) if text else None
