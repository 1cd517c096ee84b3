"""The user's side: recognition streams, the utterance being spoken, and what to do when a stream breaks."""

from dataclasses import dataclass, field

from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import Notice
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.turn.effects import (
    CancelRecognition,
    Effect,
    Emit,
    Fail,
    FinishRecognition,
    ForgetAudio,
    OpenRecognition,
)
from voice_gateway.turn.tables import LISTENING, Listening, ListeningEvent, Machine

REOPEN_MS = (0, 500, 1_000, 2_000, 4_000)
"""Waits before a broken stream is opened again, one for each failure in a row; a Riva pod restarts in its place within
that time or another address answers. After the last one the session gives up."""
FINALISE_MS = 10_000
"""A half-closed stream that says nothing for so long is broken. Riva answers within 0.1 s; a laptop that decodes half a
minute of audio pushed ahead of real time needs a few seconds."""


@dataclass(slots=True)
class Recognition:
    """Recognition streams of one session. Exactly one is fed; at most one more is being finalised."""

    _machine: Machine[Listening, ListeningEvent] = field(init=False)
    _newest: StreamId = field(default=StreamId(0), init=False)
    _finalising: StreamId | None = field(default=None, init=False)
    _finalise_by: Instant | None = field(default=None, init=False)
    _reopen_at: Instant | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _confirmed_samples: int = field(default=0, init=False)
    _is_input_over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._machine = Machine(LISTENING, Listening.CLOSED)

    @property
    def state(self) -> Listening:
        """What recognition is doing."""
        return self._machine.state

    @property
    def is_over(self) -> bool:
        """Whether the input has ended and everything in it is transcribed."""
        return self._is_input_over and self.state is Listening.CLOSED and self._reopen_at is None

    def is_stale(self, stream: StreamId) -> bool:
        """Whether results of this stream are of no more use."""
        return stream not in self._live()

    def open(self) -> list[Effect]:
        """Open the next stream where transcription has come to."""
        self._machine.move(ListeningEvent.OPENED)
        self._reopen_at = None
        self._newest = StreamId(self._newest + 1)
        return [OpenRecognition(self._newest, self._confirmed_samples)]

    def answered(self, now: Instant) -> None:
        """A stream gave a result: it is alive."""
        self._failures = 0
        if self._finalising is not None:
            self._finalise_by = after_ms(now, FINALISE_MS)

    def confirmed(self, samples: int) -> list[Effect]:
        """Input before `samples` is transcribed for good."""
        if samples <= self._confirmed_samples:
            return []
        self._confirmed_samples = samples
        return [ForgetAudio(samples)]

    def commit(self, received_samples: int, now: Instant) -> list[Effect]:
        """Force the final of what was heard, and listen on."""
        if self.state is not Listening.OPEN:
            return []
        effects = self._half_close(now)
        self._newest = StreamId(self._newest + 1)
        self._machine.move(ListeningEvent.OPENED)
        return [*effects, OpenRecognition(self._newest, received_samples)]

    def input_ended(self, now: Instant) -> list[Effect]:
        """The client says nothing more: force the last final."""
        self._is_input_over = True
        if self.state is Listening.CLOSED:
            return []
        return self._half_close(now)

    def ended(self, stream: StreamId, now: Instant) -> list[Effect]:
        """A stream has delivered all it had. One that nobody half-closed has broken politely."""
        if stream != self._finalising:
            return self.broke(stream, "the recogniser ended the stream", now)
        self._finalising = self._finalise_by = None
        self._machine.move(ListeningEvent.EXHAUSTED if stream == self._newest else ListeningEvent.FINALISED)
        if self.state is Listening.OPEN and self._is_input_over:
            return self._half_close(now)
        return []

    def broke(self, stream: StreamId, message: str, now: Instant) -> list[Effect]:
        """A stream broke: everything since the last final is replayed on a new one, also what was to be finalised."""
        if self._failures == len(REOPEN_MS):
            return [Fail(Reason.BACKEND_UNAVAILABLE, f"speech recognition: {message}", Backend.ASR)]
        effects: list[Effect] = [CancelRecognition(other) for other in self._live() if other != stream]
        self._finalising = self._finalise_by = None
        self._machine.move(ListeningEvent.BROKE)
        self._reopen_at = after_ms(now, REOPEN_MS[self._failures])
        self._failures += 1
        notice = Notice(Reason.RECOGNITION_INTERRUPTED, f"speech recognition was interrupted: {message}", Backend.ASR)
        return [*effects, Emit(notice), *self.on_deadline(now)]

    def deadline(self) -> Instant | None:
        """When to look again."""
        return self._reopen_at if self._reopen_at is not None else self._finalise_by

    def on_deadline(self, now: Instant) -> list[Effect]:
        """Open again a stream that broke; give up on one that does not finalise."""
        if self._reopen_at is not None and now >= self._reopen_at:
            opened = self.open()
            return [*opened, *(self._half_close(now) if self._is_input_over else [])]
        if self._finalising is not None and self._finalise_by is not None and now >= self._finalise_by:
            silent = self._finalising
            return [CancelRecognition(silent), *self.broke(silent, "no final transcript came", now)]
        return []

    def close(self) -> list[Effect]:
        """Drop every stream."""
        return [CancelRecognition(stream) for stream in self._live()]

    def _live(self) -> list[StreamId]:
        if self.state is Listening.CLOSED:
            return []
        if self._finalising is None or self._finalising == self._newest:
            return [self._newest]
        return [self._finalising, self._newest]

    def _half_close(self, now: Instant) -> list[Effect]:
        self._machine.move(ListeningEvent.HALF_CLOSED)
        if self._finalising is not None:
            return []
        self._finalising = self._newest
        self._finalise_by = after_ms(now, FINALISE_MS)
        return [FinishRecognition(self._newest)]
