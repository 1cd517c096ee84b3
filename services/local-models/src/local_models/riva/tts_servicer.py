"""Riva's RivaSpeechSynthesis on grpc.aio.

For the assembler:

    pool = SpeechPool()                                   # one per process, for synthesis only
    engines = [HibariEngine(), EspeakEngine()]            # the first that speaks a language is its default
    register_tts(server, engines, pool=pool)
    rows = [row for engine in engines for row in engine.describe()]   # the table printed at start
    ...
    await server.stop(grace); pool.close()

A Piper voice put first (`[PiperEngine(path), HibariEngine(), EspeakEngine()]`) becomes the default of its language.

Voices are named `<family>.<variant>`: `Hibari.EN-US.Heart` (the default), `.Fast`, `.Slow`, `.Low`, `.High`;
`Espeak.DE-DE.Male` and `.Female`, and so on for every language of espeak-ng but English. The family alone
(`Hibari.EN-US`) is its first variant; an empty voice_name is the language's default.

SynthesizeOnline answers its requests one after the other in the order they came; each request's audio is a stream of
its own (an OGGOPUS answer to several requests is a chained Ogg file). `meta` is on the first message of each sentence.

Status codes:

| code | when |
|---|---|
| INVALID_ARGUMENT | the request is wrong; the message says what and what is available |
| RESOURCE_EXHAUSTED | the pool carries as many requests as it will |
| INTERNAL | the engine failed; logged with its traceback |
"""

import contextlib
from collections.abc import Sequence
from typing import Final

import grpc
import grpc.aio
from riva.client.proto import riva_tts_pb2 as pb
from riva.client.proto import riva_tts_pb2_grpc as pb_grpc

from local_models.audio import BadAudio
from local_models.engines.synthesis import SynthesisEngine
from local_models.riva import tts_codec as codec
from local_models.riva.refusals import Codes, Context, ends_with_status
from local_models.riva.speech_pool import SpeechOverloadError, SpeechPool
from local_models.without_effect import WithoutEffect

_CODES: Final[Codes] = {
    codec.BadSpeechRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    BadAudio: grpc.StatusCode.INVALID_ARGUMENT,
    SpeechOverloadError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class TtsServicer(pb_grpc.RivaSpeechSynthesisServicer):  # type: ignore[misc] # the generated stubs carry no types
    """The three calls."""

    def __init__(self, engines: Sequence[SynthesisEngine], *, pool: SpeechPool) -> None:
        self._catalogue = codec.VoiceCatalogue(engines)
        self._pool = pool
        self._in_vain = WithoutEffect("speech synthesis")

    @ends_with_status("synthesis", _CODES)
    async def Synthesize(  # noqa: N802 - Riva's name
        self, request: pb.SynthesizeSpeechRequest, _: Context
    ) -> pb.SynthesizeSpeechResponse:
        """One text, one message of audio."""
        checked = self._read(request)
        async with contextlib.aclosing(self._pool.pieces(checked)) as pieces:
            return codec.joined(checked, [response async for piece in pieces for response in piece])

    @ends_with_status("synthesis", _CODES)
    async def SynthesizeOnline(self, _: object, context: Context) -> None:  # noqa: N802 - Riva's name
        """Any number of texts, each answered in turn while it is being made, until the client half-closes."""
        while (request := await context.read()) is not grpc.aio.EOF:
            checked = self._read(request)
            async with contextlib.aclosing(self._pool.pieces(checked)) as pieces:
                async for piece in pieces:
                    for response in piece:
                        await context.write(response)

    @ends_with_status("synthesis", _CODES)
    async def GetRivaSynthesisConfig(  # noqa: N802 - Riva's name
        self, request: pb.RivaSynthesisConfigRequest, _: Context
    ) -> pb.RivaSynthesisConfigResponse:
        """The voices."""
        return codec.config_response(self._catalogue, request.model_name)

    def _read(self, request: pb.SynthesizeSpeechRequest) -> codec.SpeechRequest:
        checked = codec.read_request(request, self._catalogue)
        self._in_vain.note(checked.without_effect)
        return checked


def register_tts(server: grpc.aio.Server, engines: Sequence[SynthesisEngine], *, pool: SpeechPool) -> TtsServicer:
    """Add the service to `server`. Of several engines that speak a language the first one is its default."""
    servicer = TtsServicer(engines, pool=pool)
    pb_grpc.add_RivaSpeechSynthesisServicer_to_server(servicer, server)
    return servicer
