"""Riva's RivaTranslation on grpc.aio.

For the assembler:

    try:
        engine = ApertiumEngine()
    except EngineUnavailableError:
        engine = None                       # every call is then answered UNIMPLEMENTED with what to install
    register_nmt(server, engine)
    rows = engine.describe() if engine else ()

Status codes:

| code | when |
|---|---|
| UNIMPLEMENTED | no translator is installed; and always for the two speech translations |
| INVALID_ARGUMENT | the request is wrong; the message says what and what is available |
| RESOURCE_EXHAUSTED | `MAX_REQUESTS` are being translated |
| INTERNAL | the engine failed; logged with its traceback |
"""

from typing import Final

import grpc
import grpc.aio
from riva.client.proto import riva_nmt_pb2 as pb
from riva.client.proto import riva_nmt_pb2_grpc as pb_grpc

from local_models.engines.apertium import INSTALL_HINT
from local_models.engines.translation import TranslationEngine
from local_models.riva import nmt_codec as codec
from local_models.riva.refusals import Codes, Context, ends_with_status
from local_models.without_effect import WithoutEffect

MAX_REQUESTS: Final = 4
"""Each runs one pipeline of a dozen processes at a time."""

NO_SPEECH: Final = "speech is not translated here: recognise it, then use TranslateText, then synthesise the answer"


class NmtUnavailableError(RuntimeError):
    """This server cannot do it at all. UNIMPLEMENTED."""


class NmtOverloadError(RuntimeError):
    """As many requests as the server carries. RESOURCE_EXHAUSTED."""


_CODES: Final[Codes] = {
    codec.BadTranslationRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    NmtUnavailableError: grpc.StatusCode.UNIMPLEMENTED,
    NmtOverloadError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class NmtServicer(pb_grpc.RivaTranslationServicer):  # type: ignore[misc] # the generated stubs carry no types
    """Text translation, and a clear no to the rest."""

    def __init__(self, engine: TranslationEngine | None) -> None:
        self._engine = engine
        self._in_vain = WithoutEffect("translation")
        self.running_requests = 0

    @ends_with_status("translation", _CODES)
    async def TranslateText(  # noqa: N802 - Riva's name
        self, request: pb.TranslateTextRequest, _: Context
    ) -> pb.TranslateTextResponse:
        """Each text by itself, in order; an empty one stays empty."""
        engine = self._available()
        checked = codec.read_request(request, engine)
        self._in_vain.note(checked.without_effect)
        if self.running_requests >= MAX_REQUESTS:
            raise NmtOverloadError(f"{MAX_REQUESTS} requests are being translated already; try again later")
        self.running_requests += 1
        try:
            texts = [await engine.translate(text, checked.pair) if text.strip() else "" for text in checked.texts]
        finally:
            self.running_requests -= 1
        return codec.text_response(checked, texts)

    @ends_with_status("translation", _CODES)
    async def ListSupportedLanguagePairs(  # noqa: N802 - Riva's name
        self, request: pb.AvailableLanguageRequest, _: Context
    ) -> pb.AvailableLanguageResponse:
        """The installed directions."""
        return codec.languages_response(request.model, self._available())

    async def StreamingTranslateSpeechToText(self, _: object, context: Context) -> None:  # noqa: N802 - Riva's name
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, NO_SPEECH)

    async def StreamingTranslateSpeechToSpeech(self, _: object, context: Context) -> None:  # noqa: N802 - Riva's name
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, NO_SPEECH)

    def _available(self) -> TranslationEngine:
        if self._engine is None:
            raise NmtUnavailableError(f"no translator is installed; {INSTALL_HINT}")
        return self._engine


def register_nmt(server: grpc.aio.Server, engine: TranslationEngine | None) -> NmtServicer:
    """Add the service to `server`."""
    servicer = NmtServicer(engine)
    pb_grpc.add_RivaTranslationServicer_to_server(servicer, server)
    return servicer
