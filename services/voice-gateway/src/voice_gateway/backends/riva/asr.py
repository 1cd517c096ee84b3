"""Speech recognition by Riva: `StreamingRecognize` on grpc.aio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import grpc.aio
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from voice_gateway.backends.addresses.names import Resolve, resolve
from voice_gateway.backends.addresses.pool import Request
from voice_gateway.backends.riva.asr_codec import ResultDecoder, decode_languages, encode_audio, encode_config
from voice_gateway.backends.riva.channels import SLOW_MS, Replica, RivaChannel, RivaChannels, blame
from voice_gateway.backends.riva.failures import (
    CALL_ERRORS,
    CANCELLED,
    ENDED_TOO_EARLY,
    OK,
    Blame,
    CallFailedError,
    ended_too_early,
    failure_of,
    status_of,
)
from voice_gateway.backends.riva.offers import Offers, hyphened
from voice_gateway.backends.riva.settings import RivaSettings
from voice_gateway.backends.riva.whole_call import WholeCall
from voice_gateway.backends.spans import AUDIO_SAMPLES, NOT_TRACED, CallSpan, CallSpans
from voice_gateway.domain.audio import PCM_SAMPLE_BYTES
from voice_gateway.domain.errors import Backend, BackendError, Reason, RecognitionStalled
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.transcript import RecognitionResult
from voice_gateway.session.ports import AnswerWithin, RecognitionSpec

_MS_PER_S = 1_000
METHOD = "nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize"
SPOKEN_S = 0.5
"""Speech of this length has words, as a rule; shorter sounds are coughs."""
OWED_S = 1.0
"""When speech has got no answer this time after its end, the server is asked for its health: finals take 0.5 s."""
STUCK_S = 1.0
"""When a call has not taken a piece of audio for this time, its server is asked for its health, and again each time
this time passes: behind a cut cable the call's window fills up in 2 s, in silence too, and whoever speaks then is not
heard."""
MAX_UNSERVED = 256
"""Sessions whose streams failed and have not been answered since; an older one's blame is forgotten."""


class RivaRecognizer:
    """A SpeechRecognizer; its `pool` is its BackendHealth. Belongs to the event loop it is made in."""

    def __init__(self, settings: RivaSettings, resolve: Resolve = resolve, spans: CallSpans = NOT_TRACED) -> None:
        self._settings = settings
        self._spans = spans
        stub_type = riva_asr_pb2_grpc.RivaSpeechRecognitionStub
        self._channels = RivaChannels(Backend.ASR, settings, stub_type, self._ask, resolve)
        self.pool = self._channels.pool
        self._unserved: dict[SessionId, Request[RivaChannel]] = {}
        """Requests that go on with their session's next stream, the oldest first."""

    def languages(self) -> frozenset[str]:
        """Language codes the addresses last said they hear; empty before the first answer."""
        return frozenset(hyphened(self._channels.offers))

    async def recognize(
        self,
        session: SessionId,
        spec: RecognitionSpec,
        audio: AsyncIterator[bytes],
        answer_within_ms: AnswerWithin = lambda: None,
    ) -> AsyncGenerator[RecognitionResult, None]:
        """Results in order; see SpeechRecognizer.

        An address that does not take the first message is passed over for the next. What fails later is the caller's
        to mend, who alone can replay the audio.

        Raises:
            RecognitionStalled: nothing was answered in time while somebody spoke.
            BackendError: BACKEND_UNAVAILABLE; its cause tells what happened.
        """
        request = self._unserved.pop(session, None) or Request(session)
        try:
            stream = await self._open(request, spec)
            decoder = ResultDecoder(spec.rate_hz)
            try:
                stream.begin(audio, answer_within_ms)
                while (response := await stream.read()) is not grpc.aio.EOF:
                    for result in decoder.take(response, stream.sent_samples):
                        yield result
            finally:
                await stream.close()
        except CallFailedError as failure:
            message = f"speech recognition failed: {failure.cause}"
            raise BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, message) from failure
        finally:
            self._carry_on(request)

    def _carry_on(self, request: Request[RivaChannel]) -> None:
        """A stream takes audio before anybody knows whether it will answer; the answer may come on the next one."""
        if request.is_unserved:
            self._unserved[request.session] = request
            if len(self._unserved) > MAX_UNSERVED:
                del self._unserved[next(iter(self._unserved))]

    async def _open(self, request: Request[RivaChannel], spec: RecognitionSpec) -> "_Stream":
        failure = CallFailedError(Blame.REPLICA, "no address")
        for replica in self._channels.candidates(spec.language_code):
            stream = _Stream(replica, self._settings, request, self._spans.rpc(METHOD, replica.address))
            try:
                await stream.open(spec)
            except CallFailedError as error:
                failure = error
            else:
                return stream
        raise failure

    async def _ask(self, stub: Any, within_s: float) -> Offers:
        response = await stub.GetRivaSpeechRecognitionConfig(
            riva_asr_pb2.RivaSpeechRecognitionConfigRequest(), timeout=within_s, metadata=self._settings.metadata
        )
        return decode_languages(response)


class _Stream:
    """One call: the caller reads, one task writes."""

    def __init__(self, replica: Replica, settings: RivaSettings, request: Request[RivaChannel], span: CallSpan) -> None:
        self._span = span
        self.sent_samples = 0
        """How much audio was given to the call."""
        self._replica = replica
        self._request = request
        self._connect_s = settings.connect_deadline_ms / _MS_PER_S
        self._finish_s = settings.finish_deadline_ms / _MS_PER_S
        self._channel = replica.begin()
        self._call = WholeCall(self._channel.stub.StreamingRecognize(metadata=settings.metadata))
        self._writer: asyncio.Task[None] | None = None
        self._is_audio_over = False
        self._has_answered = False
        self._read_by: float | None = None
        """On the loop's clock; None while audio still comes, as silence has no results."""
        self._reading: asyncio.Timeout | None = None
        self._answer_within_ms: AnswerWithin = lambda: None
        self._patience: asyncio.TimerHandle | None = None
        self._audio: AsyncIterator[bytes] | None = None
        self._writing_since: float | None = None
        """On the loop's clock; None while no piece of audio is being written."""
        self._stuck: asyncio.TimerHandle | None = None
        """One timer for all pieces: most are written at once."""
        self._unanswered_since = 0.0
        """On the loop's clock: when `patience` began."""
        self._doubt: asyncio.Task[None] | None = None
        self._is_stalled = False

    async def open(self, spec: RecognitionSpec) -> None:
        """Send the first message. A stream that could not be opened is closed.

        Raises:
            CallFailedError: the address did not take it.
        """
        try:
            async with asyncio.timeout(self._connect_s):
                await self._call.write(encode_config(self._as_called_there(spec)))
        except CALL_ERRORS as error:
            failure = failure_of(error)
            self._span.failed(status_of(error), failure.cause)
            blame(self._replica, failure, self._request)
            await self.close()
            raise failure from error
        except BaseException:
            await self.close()
            raise

    def _as_called_there(self, spec: RecognitionSpec) -> RecognitionSpec:
        return replace(spec, language_code=self._channel.spelled(spec.language_code))

    def begin(self, audio: AsyncIterator[bytes], answer_within_ms: AnswerWithin) -> None:
        """Start to write `audio`."""
        self._answer_within_ms = answer_within_ms
        self._audio = audio
        self._writer = self._call.write_in(self._write_all(audio))

    async def read(self) -> Any:
        """The next response, or grpc.aio.EOF at the proper end.

        Raises:
            CallFailedError: the call failed, or was ended before its audio.
            RecognitionStalled: somebody speaks, and nothing was answered in time.
            Exception: whatever `audio` raised.
        """
        try:
            async with asyncio.timeout_at(self._read_by) as self._reading:
                response = await self._call.read()
        except CALL_ERRORS as error:
            self._raise_what_stopped_the_writer()
            if self._is_stalled:
                self._replica.rest(SLOW_MS)
                self._span.failed(CANCELLED, "no answer while somebody spoke", kind="stalled")
                raise RecognitionStalled("speech recognition failed: no answer while somebody spoke") from error
            failure = failure_of(error)
            self._span.failed(status_of(error), failure.cause)
            blame(self._replica, failure, self._request)
            if failure.blame is Blame.UNKNOWN:
                self._pass_over()
            raise failure from error
        finally:
            self._reading = None
        if response is not grpc.aio.EOF:
            self._has_answered = True
            self._replica.answered()
            self._request.served(by=self._replica)
            self._expect_nothing()
            self._believe()
            self._is_stalled, self._read_by = False, None  # it was given up while its answer lay here
            if self._is_audio_over:
                self._read_within(self._finish_s)
            else:
                self._expect_answer()
        elif not self._is_audio_over:
            self._raise_what_stopped_the_writer()
            self._pass_over()
            self._span.failed(OK, ENDED_TOO_EARLY, kind="ended_too_early")
            raise ended_too_early()
        else:
            self._span.done(OK)
        return response

    def _pass_over(self) -> None:
        """Who ends each stream at once has the fewest, and would get them all: the next ones go to others first."""
        if not self._has_answered:
            self._replica.rest(SLOW_MS)

    async def close(self) -> None:
        """Cancel what still runs; no call and no task is left, but for a question about the server's health."""
        self._call.cancel()
        self._expect_nothing()
        self._believe()
        self._replica.end(self._channel)
        if self._stuck is not None:
            self._stuck.cancel()
        self._span.span.set_attribute(AUDIO_SAMPLES, self.sent_samples)
        self._span.end(CANCELLED)
        try:
            await self._call.close()
        finally:
            if self._writing_since is not None:  # still, on a stuck connection: the source shall not wait for that
                await _close_source(self._audio)

    async def _write_all(self, audio: AsyncIterator[bytes]) -> None:
        try:
            async for pcm in audio:
                self.sent_samples += len(pcm) // PCM_SAMPLE_BYTES
                self._expect_answer()
                if not await self._write(encode_audio(pcm)):
                    return
        except Exception:
            self._read_within(0)  # wakes the reader, which raises this
            raise
        finally:
            await _close_source(audio)  # who is cancelled while it writes leaves it open
        self._is_audio_over = True
        self._expect_nothing()
        self._read_within(self._finish_s)
        with suppress(grpc.aio.InternalError):  # the call has ended; reading tells how
            await self._call.done_writing()

    async def _write(self, message: Any) -> bool:
        """False when the call has ended; the reader learns why."""
        loop = asyncio.get_running_loop()
        self._writing_since = loop.time()
        if self._stuck is None:
            self._stuck = loop.call_at(self._writing_since + STUCK_S, self._doubt_if_stuck)
        try:
            await self._call.write_next(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return False
        finally:
            self._writing_since = None
        return True

    def _doubt_if_stuck(self) -> None:
        """Called when the piece that was written last, or one before it, may have been stuck for `STUCK_S`."""
        self._stuck = None
        if self._writing_since is None:
            return
        loop = asyncio.get_running_loop()
        due = self._writing_since + STUCK_S
        if due <= loop.time():
            self._begin_to_doubt(0)
            due = loop.time() + STUCK_S
        self._stuck = loop.call_at(due, self._doubt_if_stuck)

    def _expect_answer(self) -> None:
        """While somebody speaks, wait `_answer_within_ms()` at most for an answer; called with each 100 ms of audio."""
        within_ms = self._answer_within_ms()
        loop = asyncio.get_running_loop()
        if within_ms is not None:
            if self._patience is None:
                self._patience = loop.call_later(within_ms / _MS_PER_S, self._lose_patience)
                self._unanswered_since = loop.time()
        elif self._patience is not None:
            self._expect_nothing()
            if loop.time() - self._unanswered_since >= SPOKEN_S:
                self._begin_to_doubt(OWED_S)

    def _expect_nothing(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        """Perhaps nobody speaks any more: while the call takes no audio, no audio is written and nothing is noticed."""
        self._patience = None
        if self._answer_within_ms() is not None:
            self._give_up()
        else:
            self._begin_to_doubt(0)

    def _begin_to_doubt(self, wait_s: float) -> None:
        if self._doubt is None:
            self._doubt = asyncio.create_task(self._ask_whether_it_lives(wait_s), name="riva-asr-doubt")

    async def _ask_whether_it_lives(self, wait_s: float) -> None:
        """What was said in short and has got no answer was perhaps no words; a server that is gone tells otherwise."""
        await asyncio.sleep(wait_s)
        lives = await self._replica.ask()
        self._doubt = None
        if not lives:
            self._give_up()

    def _believe(self) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None

    def _give_up(self) -> None:
        self._is_stalled = True
        self._read_within(0)

    def _read_within(self, duration_s: float) -> None:
        self._read_by = asyncio.get_running_loop().time() + duration_s
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(self._read_by)

    def _raise_what_stopped_the_writer(self) -> None:
        if (error := self._writers_error()) is not None:
            raise error

    def _writers_error(self) -> BaseException | None:
        writer = self._writer
        return writer.exception() if writer is not None and writer.done() and not writer.cancelled() else None


async def _close_source(audio: AsyncIterator[bytes] | None) -> None:
    if isinstance(audio, AsyncGenerator):
        await audio.aclose()
