"""Speech recognition by Riva: `StreamingRecognize` on grpc.aio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import grpc.aio
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from voice_gateway.backends.riva.asr_codec import decode_languages, decode_response, encode_audio, encode_config
from voice_gateway.backends.riva.channels import RivaChannels
from voice_gateway.backends.riva.failures import CALL_ERRORS, Blame, CallFailedError, ended_too_early, failure_of
from voice_gateway.backends.riva.replicas import Offers, Replica
from voice_gateway.backends.riva.settings import RivaSettings
from voice_gateway.domain.audio import PCM_SAMPLE_BYTES
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.transcript import RecognitionResult
from voice_gateway.session.ports import BackendWatch, RecognitionSpec

_MS_PER_S = 1_000


class RivaRecognizer:
    """A SpeechRecognizer and its BackendHealth. Belongs to the event loop it is made in."""

    def __init__(self, settings: RivaSettings) -> None:
        self._settings = settings
        self._channels = RivaChannels(settings, riva_asr_pb2_grpc.RivaSpeechRecognitionStub)

    @property
    def backend(self) -> Backend:
        """ASR."""
        return Backend.ASR

    @property
    def is_healthy(self) -> bool:
        """True while at least one address answers."""
        return self._channels.replicas.is_healthy

    def watch(self, watch: BackendWatch) -> None:
        """Tell `watch` of every failure of an address."""
        self._channels.watch(lambda address: watch.backend_failed(self.backend, address))

    def languages(self) -> frozenset[str]:
        """Language codes the addresses last said they hear; empty before the first answer."""
        return frozenset(self._channels.replicas.offers)

    async def probe(self) -> None:
        """Ask each address for its models."""
        await self._channels.probe(self._ask)

    async def close(self) -> None:
        """Close the channels, once no stream runs."""
        await self._channels.close()

    async def recognize(
        self, spec: RecognitionSpec, audio: AsyncIterator[bytes]
    ) -> AsyncGenerator[RecognitionResult, None]:
        """Results in order; see SpeechRecognizer.

        An address that does not take the first message is passed over for the next. What fails later is the caller's
        to mend, who alone can replay the audio.

        Raises:
            BackendError: BACKEND_UNAVAILABLE; its cause tells what happened.
        """
        try:
            stream = await self._open(spec)
            try:
                stream.begin(audio)
                while (response := await stream.read()) is not grpc.aio.EOF:
                    for result in decode_response(response, spec.rate_hz, stream.sent_samples):
                        yield result
            finally:
                await stream.close()
        except CallFailedError as failure:
            message = f"speech recognition failed: {failure.cause}"
            raise BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, message) from failure

    async def _open(self, spec: RecognitionSpec) -> "_Stream":
        failure = CallFailedError(Blame.REPLICA, "no address")
        for replica in self._channels.replicas.in_order(spec.language_code):
            stream = _Stream(replica, self._settings)
            try:
                await stream.open(spec)
            except CallFailedError as error:
                failure = error
            else:
                return stream
        raise failure

    async def _ask(self, stub: Any) -> Offers:
        response = await stub.GetRivaSpeechRecognitionConfig(
            riva_asr_pb2.RivaSpeechRecognitionConfigRequest(),
            timeout=self._settings.probe_deadline_ms / _MS_PER_S,
            metadata=self._settings.metadata,
        )
        return decode_languages(response)


class _Stream:
    """One call: the caller reads, one task writes."""

    def __init__(self, replica: Replica, settings: RivaSettings) -> None:
        self.sent_samples = 0
        """How much audio was given to the call."""
        self._replica = replica
        self._connect_s = settings.connect_deadline_ms / _MS_PER_S
        self._finish_s = settings.finish_deadline_ms / _MS_PER_S
        self._call = replica.stub.StreamingRecognize(metadata=settings.metadata)
        self._writer: asyncio.Task[None] | None = None
        self._is_audio_over = False
        self._read_by: float | None = None
        """On the loop's clock; None while audio still comes, as silence has no results."""
        self._reading: asyncio.Timeout | None = None
        replica.calls += 1

    async def open(self, spec: RecognitionSpec) -> None:
        """Send the first message. A stream that could not be opened is closed.

        Raises:
            CallFailedError: the address did not take it.
        """
        try:
            async with asyncio.timeout(self._connect_s):
                await self._call.write(encode_config(spec))
        except CALL_ERRORS as error:
            failure = failure_of(error)
            self._replica.note_failure(failure)
            await self.close()
            raise failure from error
        except asyncio.CancelledError:
            await self.close()
            raise

    def begin(self, audio: AsyncIterator[bytes]) -> None:
        """Start to write `audio`."""
        self._writer = asyncio.create_task(self._write_all(audio), name="riva-asr-writer")

    async def read(self) -> Any:
        """The next response, or grpc.aio.EOF at the proper end.

        Raises:
            CallFailedError: the call failed, or was ended before its audio.
            Exception: whatever `audio` raised.
        """
        try:
            async with asyncio.timeout_at(self._read_by) as self._reading:
                response = await self._call.read()
        except CALL_ERRORS as error:
            self._raise_what_stopped_the_writer()
            failure = failure_of(error)
            self._replica.note_failure(failure)
            raise failure from error
        finally:
            self._reading = None
        if response is not grpc.aio.EOF:
            self._replica.note_answer()
            if self._is_audio_over:
                self._read_within(self._finish_s)
        elif not self._is_audio_over:
            self._raise_what_stopped_the_writer()
            raise ended_too_early()
        return response

    async def close(self) -> None:
        """Cancel what still runs; no call and no task is left."""
        self._call.cancel()
        self._replica.calls -= 1
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait((self._writer,))
            self._writers_error()  # so that it counts as seen

    async def _write_all(self, audio: AsyncIterator[bytes]) -> None:
        try:
            async for pcm in audio:
                self.sent_samples += len(pcm) // PCM_SAMPLE_BYTES
                if not await self._write(encode_audio(pcm)):
                    return
        except Exception:
            self._read_within(0)  # wakes the reader, which raises this
            raise
        self._is_audio_over = True
        self._read_within(self._finish_s)
        with suppress(grpc.aio.InternalError):  # the call has ended; reading tells how
            await self._call.done_writing()

    async def _write(self, message: Any) -> bool:
        """False when the call has ended; the reader learns why."""
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return False
        return True

    def _read_within(self, duration_s: float) -> None:
        self._read_by = asyncio.get_running_loop().time() + duration_s
        if self._reading is not None:
            self._reading.reschedule(self._read_by)

    def _raise_what_stopped_the_writer(self) -> None:
        if (error := self._writers_error()) is not None:
            raise error

    def _writers_error(self) -> BaseException | None:
        writer = self._writer
        return writer.exception() if writer is not None and writer.done() and not writer.cancelled() else None
