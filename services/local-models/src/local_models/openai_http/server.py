"""The OpenAI HTTP surface on aiohttp: chat completions, models, readiness.

A client that goes away cancels its handler, which closes the reply and so stops the model's work.
"""

import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from aiohttp import web

from local_models.openai_http.chat import (
    ChatModel,
    Finished,
    ModelBusyError,
    ModelFailedError,
    ModelRefusedError,
    Piece,
    TextDelta,
    ToolCall,
)
from local_models.openai_http.decode import IN_VAIN, parse_request
from local_models.openai_http.encode import (
    SSE_DONE,
    ChunkEncoder,
    Envelope,
    encode_completion,
    encode_model,
    encode_models,
    sse,
)
from local_models.openai_http.errors import (
    ApiError,
    BodyTooLargeError,
    BusyError,
    InternalError,
    MethodNotAllowedError,
    ModelNotFoundError,
    NotReadyError,
    RefusedByModelError,
    UnknownUrlError,
)
from local_models.openai_http.pacing import Pace, paced
from local_models.without_effect import WithoutEffect

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
"""A conversation of a million characters; more is a mistake, not a conversation."""
RETRY_AFTER_S = "1"
_UNEXPECTED = "the server failed; its log says why"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _new_id() -> str:
    return uuid.uuid4().hex


def _now_s() -> int:
    return int(time.time())


@dataclass(slots=True)
class OpenAiServer:
    """Serve one chat model; `is_ready` is what /v1/health/ready says."""

    model: ChatModel
    pace: Pace = field(default_factory=Pace)
    new_id: Callable[[], str] = _new_id
    now_s: Callable[[], int] = _now_s
    is_ready: bool = False
    started_s: int = field(init=False)
    in_vain: WithoutEffect = field(default_factory=lambda: WithoutEffect("chat", IN_VAIN), init=False)

    def __post_init__(self) -> None:
        self.started_s = self.now_s()

    def application(self) -> web.Application:
        """Give the aiohttp application; run it with `handler_cancellation=True`."""
        application = web.Application(middlewares=[errors_as_json], client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/v1/chat/completions", self._chat)
        application.router.add_get("/v1/models", self._models)
        application.router.add_get("/v1/models/{model}", self._model)
        application.router.add_get("/v1/health/ready", self._ready)
        return application

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response(encode_models(self.model.model_id, self.started_s))

    async def _model(self, request: web.Request) -> web.Response:
        self._check_model(request.match_info["model"])
        return web.json_response(encode_model(self.model.model_id, self.started_s))

    async def _ready(self, _: web.Request) -> web.Response:
        if not self.is_ready:
            raise NotReadyError("models are still warming up")
        # The words of NVIDIA NIM's own readiness answer, for clients that read it.
        return web.json_response({"object": "health.response", "message": "Service is ready."})

    def _check_model(self, name: str) -> None:
        if name != self.model.model_id:
            raise ModelNotFoundError(f"the model {name!r} does not exist here; {self.model.model_id!r} does")

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        request = parse_request(await http.read())
        self._check_model(request.model)
        self.in_vain.note(request.without_effect)
        unique = self.new_id()
        envelope = Envelope(
            completion_id=f"chatcmpl-{unique}",
            created_s=self.now_s(),
            model=self.model.model_id,
            call_id_prefix=f"call_{unique}_",
            include_usage=request.include_usage,
        )
        async with aclosing(paced(self.model.reply(request), self.pace)) as pieces:
            if request.stream:
                return await _stream(http, envelope, pieces)
            return await _collect(envelope, pieces)


async def _collect(envelope: Envelope, pieces: AsyncGenerator[Piece, None]) -> web.Response:
    texts: list[str] = []
    calls: list[ToolCall] = []
    async for piece in pieces:
        if isinstance(piece, TextDelta):
            texts.append(piece.text)
        elif isinstance(piece, ToolCall):
            calls.append(piece)
        else:
            return web.json_response(encode_completion(envelope, "".join(texts), tuple(calls), piece))
    raise ModelFailedError("the model ended its reply without saying so")


async def _stream(http: web.Request, envelope: Envelope, pieces: AsyncGenerator[Piece, None]) -> web.StreamResponse:
    # The first piece before the headers: a request that cannot be taken still gets its true status.
    piece = await anext(pieces)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    encoder = ChunkEncoder(envelope)
    try:
        await response.prepare(http)
        await response.write(sse(encoder.first()))
        await _write_pieces(response, encoder, piece, pieces)
        await response.write_eof()
    except ConnectionResetError:
        log.info("the client left %s before its end", envelope.completion_id)
    return response


async def _write_pieces(
    response: web.StreamResponse, encoder: ChunkEncoder, first: Piece, pieces: AsyncGenerator[Piece, None]
) -> None:
    piece = first
    try:
        while True:
            await response.write(b"".join(sse(chunk) for chunk in encoder.encode(piece)))
            if isinstance(piece, Finished):
                break
            piece = await anext(pieces)
    except ConnectionResetError:
        raise
    except Exception as error:
        # The status line is gone; the `openai` package raises on an event that holds "error".
        log.exception("the model failed within a reply")
        message = str(error) if isinstance(error, ModelFailedError) else _UNEXPECTED
        await response.write(sse(InternalError(message).body()))
        return
    await response.write(SSE_DONE)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure with OpenAI's error JSON and the right status."""
    try:
        return await handler(request)
    except ApiError as error:
        return _error_response(error)
    except ModelBusyError as error:
        return _error_response(BusyError(str(error)))
    except ModelRefusedError as error:
        return _error_response(RefusedByModelError(str(error)))
    except ModelFailedError as error:
        log.exception("the model failed")
        return _error_response(InternalError(str(error)))
    except web.HTTPException as error:
        return _error_response(_from_http(error, request))
    except Exception:
        log.exception("unexpected failure of %s %s", request.method, request.path)
        return _error_response(InternalError(_UNEXPECTED))


def _from_http(error: web.HTTPException, request: web.Request) -> ApiError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowedError(f"{request.method} is not allowed on {request.path}")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BodyTooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes")
    if isinstance(error, web.HTTPNotFound):
        return UnknownUrlError(f"unknown URL: {request.method} {request.path}")
    raise error


def _error_response(error: ApiError) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER_S} if isinstance(error, BusyError | NotReadyError) else None
    return web.json_response(error.body(), status=error.status, headers=headers)
