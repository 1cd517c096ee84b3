"""A fake of an OpenAI-compatible server: scripted replies, delays and faults to order, on a real socket."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from aiohttp import web

from voicegateway_testkit.fakes import llm_codec
from voicegateway_testkit.fakes.llm_codec import JsonObject, Reply, ToolCall
from voicegateway_testkit.faults import (
    CloseBeforeAnswer,
    DieAfterTokens,
    FaultPlan,
    Hang,
    HttpFailure,
    LlmFault,
    MalformedAfterTokens,
    StallAfterTokens,
)
from voicegateway_testkit.watch import Watchable

__all__ = ["FakeLlm", "LlmOutcome", "LlmRequest", "LlmTiming", "Reply", "ToolCall"]

Answer = Callable[[list[JsonObject]], Reply | str]
"""Makes the reply to a request's messages."""


@dataclass(frozen=True, slots=True)
class LlmTiming:
    """What the backend's own work takes."""

    ttft_ms: int = 60
    """From the request to the first token."""
    token_ms: int = 6
    """From one token to the next."""


class LlmOutcome(Enum):
    """How a request stands."""

    OPEN = "open"
    FINISHED = "finished"
    DISCONNECTED = "disconnected"
    """The peer went away."""
    BROKEN = "broken"
    """A fault, or the fake was stopped."""


@dataclass(slots=True, kw_only=True)
class LlmRequest:
    """What is known of one chat completion."""

    body: JsonObject
    """The whole request."""
    authorization: str
    """The header; empty if none."""
    traceparent: str
    """The header of W3C Trace Context; empty if none."""
    fault: LlmFault | None
    asked_ns: int
    """On `time.monotonic_ns`, as `first_token_ns`."""
    first_token_ns: int | None = None
    outcome: LlmOutcome = LlmOutcome.OPEN
    sent_text: str = ""
    """Text sent so far."""
    sent_tokens: int = 0

    @property
    def messages(self) -> list[JsonObject]:
        """The conversation as it was told to the model."""
        return list(self.body["messages"])


class _FaultHitError(Exception):
    """A fault has ended the answer."""


@dataclass(slots=True)
class _Script:
    replies: list[Reply | str]
    position: int = 0

    def __call__(self, _messages: list[JsonObject]) -> Reply | str:
        """Gives the next reply; the last one again at the end."""
        reply = self.replies[min(self.position, len(self.replies) - 1)]
        self.position += 1
        return reply


class FakeLlm(Watchable):
    """An OpenAI-compatible server; an async context manager. `faults` are taken one for each chat completion."""

    def __init__(
        self,
        replies: Iterable[Reply | str] | Answer = ("Certainly.",),
        *,
        timing: LlmTiming = LlmTiming(),
        model: str = "fake-model",
        context_tokens: int | None = None,
        tells_context: bool = True,
    ) -> None:
        """Makes a fake; `replies` are given in order, the last one for ever, or made from the messages by a function.

        A request that meets a fault before its first token uses up no reply, nor does one that has, with the longest
        reply that it asks for, more than `context_tokens`: it is refused. The list of models has the number, if
        `tells_context`.
        """
        super().__init__()
        self.faults: FaultPlan[LlmFault] = FaultPlan()
        self.requests: list[LlmRequest] = []
        self.timing = timing
        self.model = model
        self._context_tokens = context_tokens
        self._tells_context = tells_context
        self._answer: Answer = replies if callable(replies) else _Script(list(replies))
        self._runner: web.AppRunner | None = None
        self._host = "127.0.0.1"
        self._port = 0
        self._open: dict[int, asyncio.Transport] = {}

    @property
    def base_url(self) -> str:
        """What the `openai` package takes as base_url."""
        return f"http://{self._host}:{self._port}/v1"

    def at(self, host: str, port: int = 0) -> Self:
        """Listens there, once started: replicas of a name have one port, and an address each."""
        self._host, self._port = host, port
        return self

    @property
    def open_requests(self) -> int:
        """Chat completions that have not ended."""
        return sum(request.outcome is LlmOutcome.OPEN for request in self.requests)

    @property
    def disconnects(self) -> int:
        """Chat completions whose peer went away."""
        return sum(request.outcome is LlmOutcome.DISCONNECTED for request in self.requests)

    def describe(self) -> str:
        """Says what each request has come to."""
        return "; ".join(f"{request.outcome.value} after {request.sent_text!r}" for request in self.requests)

    async def start(self) -> None:
        """Listens; on the port of last time if there was one."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/v1/health/ready", self._ready)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Closes the port and breaks what is open."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for transport in self._open.values():
            transport.close()
        await self.wait_until(lambda: not self._open)
        await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _list_models(self, _request: web.Request) -> web.Response:
        model = {"id": self.model, "object": "model", "created": 0, "owned_by": "testkit"}
        if self._context_tokens is not None and self._tells_context:
            model["max_model_len"] = self._context_tokens
        return web.json_response({"object": "list", "data": [model]})

    async def _ready(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ready"})

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        request = LlmRequest(
            body=await http.json(),
            authorization=http.headers.get("Authorization", ""),
            traceparent=http.headers.get("traceparent", ""),
            fault=self.faults.take(),
            asked_ns=time.monotonic_ns(),
        )
        if http.transport is None:
            raise ConnectionResetError("the peer went away before it was heard")
        self.requests.append(request)
        self._open[id(request)] = http.transport
        self._changed()
        try:
            response = await self._answer_request(http, request)
            request.outcome = LlmOutcome.BROKEN if response.status >= 400 else LlmOutcome.FINISHED  # noqa: PLR2004 - HTTP errors
        except (asyncio.CancelledError, ConnectionResetError):
            request.outcome = LlmOutcome.BROKEN if self._runner is None else LlmOutcome.DISCONNECTED
            raise
        except _FaultHitError:
            request.outcome = LlmOutcome.BROKEN
            self._open[id(request)].close()  # what was written still leaves, and no end follows it
            raise asyncio.CancelledError from None  # the connection is gone: nothing is left to answer
        finally:
            del self._open[id(request)]
            self._changed()
        return response

    async def _answer_request(self, http: web.Request, request: LlmRequest) -> web.StreamResponse:
        match request.fault:
            case HttpFailure(status):
                return web.json_response(llm_codec.error(f"the fake answers {status}", "fake_error"), status=status)
            case CloseBeforeAnswer():
                raise _FaultHitError
            case Hang():
                await asyncio.Event().wait()
        asked = llm_codec.prompt_tokens(request.body) + int(request.body.get("max_tokens") or 0)
        if self._context_tokens is not None and asked > self._context_tokens:
            return web.json_response(llm_codec.too_long(self._context_tokens, asked), status=400)
        reply = self._answer(request.messages)
        reply = Reply(reply) if isinstance(reply, str) else reply
        if request.body.get("stream"):
            return await self._stream(http, request, reply)
        tokens = sum(1 for _ in llm_codec.deltas(reply))
        await asyncio.sleep((self._ttft_ms(reply) + self.timing.token_ms * max(tokens - 1, 0)) / 1000)
        usage = llm_codec.usage(request.messages, reply)
        return web.json_response(llm_codec.completion(self.model, reply, usage))

    def _ttft_ms(self, reply: Reply) -> int:
        return self.timing.ttft_ms if reply.ttft_ms is None else reply.ttft_ms

    async def _stream(self, http: web.Request, request: LlmRequest, reply: Reply) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._ttft_ms(reply) / 1000
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(http)
        deltas = (  # made as they leave: those of a flood, made at once, would stop whoever else is in this loop
            {"role": "assistant"} | delta if number == 0 else delta
            for number, delta in enumerate(llm_codec.deltas(reply))
        )
        while together := list(itertools.islice(deltas, reply.tokens_a_write)):
            await self._meet_fault(request, response)
            await asyncio.sleep(due - loop.time())
            due += self.timing.token_ms / 1000
            await self._send(request, response, together)
        await self._meet_fault(request, response)
        await response.write(llm_codec.event(llm_codec.chunk(self.model, {}, reply.finish_reason)))
        if (request.body.get("stream_options") or {}).get("include_usage"):
            usage = llm_codec.usage(request.messages, reply)
            await response.write(llm_codec.event(llm_codec.usage_chunk(self.model, usage)))
        await response.write(llm_codec.DONE)
        return response

    async def _send(self, request: LlmRequest, response: web.StreamResponse, deltas: list[JsonObject]) -> None:
        await response.write(b"".join(llm_codec.event(llm_codec.chunk(self.model, delta)) for delta in deltas))
        request.first_token_ns = request.first_token_ns or time.monotonic_ns()
        request.sent_text += "".join(delta.get("content", "") for delta in deltas)
        request.sent_tokens += len(deltas)
        self._changed()

    async def _meet_fault(self, request: LlmRequest, response: web.StreamResponse) -> None:
        match request.fault:
            case DieAfterTokens(tokens) if request.sent_tokens >= tokens:
                raise _FaultHitError
            case StallAfterTokens(tokens) if request.sent_tokens >= tokens:
                await asyncio.Event().wait()
            case MalformedAfterTokens(tokens) if request.sent_tokens >= tokens:
                await response.write(llm_codec.MALFORMED)
                raise _FaultHitError
