"""Speech synthesis by Riva: `SynthesizeOnline` on grpc.aio, one call a sentence."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import grpc.aio
from riva.client.proto import riva_tts_pb2, riva_tts_pb2_grpc

from voice_gateway.backends.addresses.names import Resolve, resolve
from voice_gateway.backends.addresses.pool import Request
from voice_gateway.backends.riva.channels import Replica, RivaChannel, RivaChannels, blame
from voice_gateway.backends.riva.failures import (
    CALL_ERRORS,
    CANCELLED,
    OK,
    Blame,
    CallFailedError,
    failure_of,
    status_of,
)
from voice_gateway.backends.riva.offers import Offers, hyphened
from voice_gateway.backends.riva.settings import RivaTtsSettings
from voice_gateway.backends.riva.tts_codec import SpeechAssembler, decode_voices, encode_request
from voice_gateway.backends.riva.whole_call import WholeCall
from voice_gateway.backends.spans import NOT_TRACED, SENTENCE_CHARS, SENTENCE_TEXT, CallSpan, CallSpans
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.limits import MAX_SPAN_TEXT_CHARS
from voice_gateway.session.ports import SentenceSkipped, SpeechChunk, VoiceSpec

_MS_PER_S = 1_000
METHOD = "nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline"


class RivaSynthesizer:
    """A SpeechSynthesizer; its `pool` is its BackendHealth. Belongs to the event loop it is made in."""

    def __init__(self, settings: RivaTtsSettings, resolve: Resolve = resolve, spans: CallSpans = NOT_TRACED) -> None:
        self._settings = settings
        self._spans = spans
        stub_type = riva_tts_pb2_grpc.RivaSpeechSynthesisStub
        self._channels = RivaChannels(Backend.TTS, settings.riva, stub_type, self._ask, resolve)
        self.pool = self._channels.pool

    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """Voices by language code, as the addresses last said; empty before the first answer."""
        return hyphened(self._channels.offers)

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Audio as it comes; see SpeechSynthesizer.

        An address that fails or gives no audio in time is passed over for the next; once audio has come, a failure
        ends the sentence. Words that come after the last audio come in a chunk whose `pcm` is empty.

        Raises:
            SentenceSkipped: the first address that answered gave no audio, or refused the text.
            BackendError: TTS_TIMEOUT or TTS_FAILED; its cause tells what happened.
        """
        try:
            sentence, first = await self._open(session, spec, text)
            try:
                yield first
                while (chunk := await sentence.next()) is not None:
                    yield chunk
            finally:
                await sentence.close()
        except CallFailedError as failure:
            reason = Reason.TTS_TIMEOUT if failure.is_timeout else Reason.TTS_FAILED
            raise BackendError(Backend.TTS, reason, f"speech synthesis failed: {failure.cause}") from failure

    async def _open(self, session: SessionId, spec: VoiceSpec, text: str) -> tuple["_Sentence", SpeechChunk]:
        """The first address that speaks, and what it said first; raises CallFailedError and SentenceSkipped."""
        failure = CallFailedError(Blame.REPLICA, "no address")
        request: Request[RivaChannel] = Request(session)
        for replica in self._channels.candidates(spec.language_code):
            sentence = _Sentence(replica, self._settings, spec.rate_hz, request, self._begin_span(replica, text))
            try:
                first = await sentence.start(spec, text)
            except CallFailedError as error:
                failure = error
                if failure.blame is Blame.REQUEST:
                    told = f"speech synthesis has no sound for a sentence: {failure.cause}"
                    raise SentenceSkipped(told, partial(replica.soundless, session)) from failure
            else:
                request.served(by=replica)
                return sentence, first
        raise failure

    def _begin_span(self, replica: Replica, text: str) -> CallSpan:
        span = self._spans.rpc(METHOD, replica.address)
        span.span.set_attribute(SENTENCE_CHARS, len(text))
        if self._spans.has_text:
            span.span.set_attribute(SENTENCE_TEXT, text[:MAX_SPAN_TEXT_CHARS])
        return span

    async def _ask(self, stub: Any, within_s: float) -> Offers:
        response = await stub.GetRivaSynthesisConfig(
            riva_tts_pb2.RivaSynthesisConfigRequest(), timeout=within_s, metadata=self._settings.riva.metadata
        )
        return decode_voices(response)


class _Sentence:
    """One call."""

    def __init__(
        self,
        replica: Replica,
        settings: RivaTtsSettings,
        rate_hz: int,
        request: Request[RivaChannel],
        span: CallSpan,
    ) -> None:
        self._span = span
        self._replica = replica
        self._request = request
        self._connect_s = settings.riva.connect_deadline_ms / _MS_PER_S
        self._first_audio_s = settings.first_audio_deadline_ms / _MS_PER_S
        self._next_audio_s = settings.next_audio_deadline_ms / _MS_PER_S
        self._assembler = SpeechAssembler(rate_hz)
        self._channel = replica.begin()
        self._call = WholeCall(self._channel.stub.SynthesizeOnline(metadata=settings.riva.metadata))

    async def start(self, spec: VoiceSpec, text: str) -> SpeechChunk:
        """The first audio. A sentence that could not be started is closed; raises CallFailedError."""
        asked_s = time.monotonic()
        try:
            async with asyncio.timeout(self._first_audio_s):
                named = replace(spec, language_code=self._channel.spelled(spec.language_code))
                chunk = await self._ask_for_audio(encode_request(named, text))
        except CALL_ERRORS as error:
            failure = self._noted(error)
            await self.close()
            raise failure from error
        except BaseException:
            await self.close()
            raise
        self._replica.answered()
        self._replica.began(time.monotonic() - asked_s)
        return chunk

    async def next(self) -> SpeechChunk | None:
        """More audio, or None at the end; raises CallFailedError."""
        try:
            async with asyncio.timeout(self._next_audio_s):
                chunk = await self._read()
        except CALL_ERRORS as error:
            raise self._noted(error) from error
        if chunk is None:
            self._span.done(OK)
        return chunk

    async def close(self) -> None:
        """Cancel the call if it still runs."""
        self._call.cancel()
        self._replica.end(self._channel)
        self._span.end(CANCELLED)
        await self._call.close()

    async def _ask_for_audio(self, request: Any) -> SpeechChunk:
        async with asyncio.timeout(self._connect_s):
            await self._call.write(request)
        with suppress(grpc.aio.InternalError):  # the call has ended; reading tells how
            await self._call.done_writing()
        chunk = await self._read()
        if chunk is None or not chunk.pcm:
            # As far as the model goes, there may be nothing to be said in this text.
            self._span.failed(OK, "no audio", kind="no_audio")
            raise CallFailedError(Blame.REQUEST, "no audio")
        return chunk

    async def _read(self) -> SpeechChunk | None:
        while (response := await self._call.read()) is not grpc.aio.EOF:
            if chunk := self._assembler.take(response):
                return chunk
        return self._assembler.finish()

    def _noted(self, error: grpc.aio.AioRpcError | TimeoutError) -> CallFailedError:
        failure = failure_of(error)
        self._span.failed(status_of(error), failure.cause)
        blame(self._replica, failure, self._request)
        return failure
