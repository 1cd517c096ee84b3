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

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio
from riva.client.proto import riva_nmt_pb2 as pb
from riva.client.proto import riva_nmt_pb2_grpc as pb_grpc

from local_models.engines.apertium import INSTALL_HINT
from local_models.engines.translation import TranslationEngine
from local_models.riva import nmt_codec as codec
from local_models.without_effect import WithoutEffect

logger = logging.getLogger(__name__)

MAX_REQUESTS: Final = 4
"""Each runs one pipeline of a dozen processes at a time."""

NO_SPEECH: Final = "speech is not translated here: recognise it, then use TranslateText, then synthesise the answer"


class NmtUnavailableError(RuntimeError):
    """This server cannot do it at all. UNIMPLEMENTED."""


class NmtOverloadError(RuntimeError):
    """As many requests as the server carries. RESOURCE_EXHAUSTED."""


class NmtServicer(pb_grpc.RivaTranslationServicer):  # type: ignore[misc] # the generated stubs carry no types
    """Text translation, and a clear no to the rest."""

    def __init__(self, engine: TranslationEngine | None) -> None:
        self._engine = engine
        self._in_vain = WithoutEffect("translation")
        self.running_requests = 0

    async def TranslateText(  # noqa: N802 - Riva's name
        self, request: pb.TranslateTextRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.TranslateTextResponse:
        """Each text by itself, in order; an empty one stays empty."""
        async with _refusals(context):
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

    async def ListSupportedLanguagePairs(  # noqa: N802 - Riva's name
        self, request: pb.AvailableLanguageRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.AvailableLanguageResponse:
        """The installed directions."""
        async with _refusals(context):
            return codec.languages_response(request.model, self._available())

    async def StreamingTranslateSpeechToText(self, _: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:  # noqa: N802 - Riva's name
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, NO_SPEECH)

    async def StreamingTranslateSpeechToSpeech(self, _: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:  # noqa: N802 - Riva's name
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


@contextlib.asynccontextmanager
async def _refusals(context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
    """Turn what went wrong into a gRPC status."""
    try:
        yield
    except codec.BadTranslationRequestError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except NmtUnavailableError as error:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
    except NmtOverloadError as error:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
    except Exception as error:
        logger.exception("translation failed")
        await context.abort(grpc.StatusCode.INTERNAL, f"translation failed: {error}")
