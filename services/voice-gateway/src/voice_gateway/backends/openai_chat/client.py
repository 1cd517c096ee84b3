"""Replies by a language model behind an OpenAI-compatible endpoint."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import openai

from voice_gateway.backends.openai_chat.codec import (
    CallAssembler,
    ChatStreamBrokenError,
    ChatStreamError,
    EventStreamDecoder,
    decode_event,
    decode_models,
    encode_messages,
    encode_tools,
    versioned_url,
)
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.chat import ChatMessage, Tool, ToolCall
from voice_gateway.domain.errors import Backend, BackendError, Reason

_log = logging.getLogger(__name__)

_MS_PER_S = 1_000
_NO_KEY = "not-needed"
"""The library insists on a key; servers that want none ignore it."""
_RETRY_PAUSE_S = 0.1
"""Enough for a restarted pod's successor to be picked, little enough not to be heard as a pause of its own."""
_DRAIN_S = 0.05
"""After the end of a reply, for what the server still has to say; then its connection can serve the next turn."""
_TOO_MANY_REQUESTS = 429  # RFC 6585 section 4
_FIRST_SERVER_ERROR = 500  # RFC 9110 section 15.6
_FAILURES = (openai.OpenAIError, httpx2.HTTPError, ChatStreamError, TimeoutError)
"""What a request can end in, other than its reply."""


class OpenAiChat:
    """A LanguageModel and its BackendHealth. Belongs to the event loop it is made in."""

    def __init__(self, settings: OpenAiChatSettings) -> None:
        self._settings = settings
        self._first_model: str | None = None
        self._is_healthy = False
        self._last_cause = ""
        """Why it is not healthy, as last logged."""
        # Deadlines are kept here, per reply and not per read; so is the one repetition.
        self._http = openai.DefaultAsyncHttpxClient(timeout=None)
        self._client = openai.AsyncOpenAI(
            api_key=settings.api_key or _NO_KEY,
            base_url=versioned_url(settings.base_url),
            max_retries=0,
            timeout=None,
            http_client=self._http,
        )
        self._requests = _Requests(self._client, self._http, settings)

    @property
    def backend(self) -> Backend:
        """LLM."""
        return Backend.LLM

    @property
    def is_healthy(self) -> bool:
        """True while the endpoint answers."""
        return self._is_healthy

    async def probe(self) -> None:
        """Ask the endpoint for its models."""
        try:
            async with asyncio.timeout(self._settings.probe_deadline_ms / _MS_PER_S):
                await self._list_models()
        except _FAILURES as error:
            self._note_failure(error)
        else:
            self._note_answer()

    async def close(self) -> None:
        """Close all connections, once no reply is being written."""
        await self._client.close()

    async def reply(
        self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Pieces of the reply's text as they come, then its tool calls; see LanguageModel.

        What fails before the first piece, and may be mended by it, is repeated once.

        Raises:
            BackendError: LLM_TIMEOUT or LLM_FAILED, for a reply without any text or call or without a proper end too.
        """
        loop = asyncio.get_running_loop()
        total_by = loop.time() + self._settings.total_deadline_ms / _MS_PER_S
        first_by = min(total_by, loop.time() + self._settings.first_token_deadline_ms / _MS_PER_S)
        try:
            async with asyncio.timeout_at(first_by):
                completion, pieces = await self._begin(messages, tools)
            self._note_answer()
            try:
                while pieces or not completion.is_over:
                    for piece in pieces:
                        yield piece
                    async with asyncio.timeout_at(total_by):
                        pieces = await completion.next()
            finally:
                await completion.close()
        except _FAILURES as error:
            if isinstance(error, openai.APIConnectionError):
                # Other failures may be this request's alone, or those of one of many servers behind the address.
                self._note_failure(error)
            reason = Reason.LLM_TIMEOUT if isinstance(error, TimeoutError) else Reason.LLM_FAILED
            raise BackendError(Backend.LLM, reason, f"the language model {_describe(error)}") from error

    async def _begin(
        self, messages: Sequence[ChatMessage], tools: Sequence[Tool]
    ) -> tuple["_Completion", list[str | ToolCall]]:
        try:
            return await self._attempt(messages, tools)
        except _FAILURES as error:
            if not _is_passing(error):
                raise
            await asyncio.sleep(_RETRY_PAUSE_S)
            return await self._attempt(messages, tools)

    async def _attempt(
        self, messages: Sequence[ChatMessage], tools: Sequence[Tool]
    ) -> tuple["_Completion", list[str | ToolCall]]:
        """A reply and its first pieces."""
        model = self._settings.model or self._first_model or await self._list_models()
        completion = _Completion()
        try:
            await completion.open(self._requests, model, _body(messages, tools))
            pieces = await completion.first()
        except BaseException:
            await completion.close()
            raise
        return completion, pieces

    async def _list_models(self) -> str:
        """The first model of the endpoint, remembered."""
        response = await self._client.models.with_raw_response.list()
        self._first_model = decode_models(response.content)[0]
        return self._first_model

    def _note_answer(self) -> None:
        if not self._is_healthy:
            _log.info("language model answers")
        self._is_healthy, self._last_cause = True, ""

    def _note_failure(self, error: Exception) -> None:
        cause = _describe(error)
        if cause != self._last_cause:
            _log.warning("language model fails", extra={"cause": cause})
        self._is_healthy, self._last_cause = False, cause


class _Requests:
    """Sends chat requests on the library's connections and with its headers, and fails as it does.

    The library's own way to send one, `with_streaming_response.create`, takes the loop 0.9 ms, this one 0.5 ms
    (measured 2026-11-21), and everybody's first sentence waits for it. Time grows with the conversation, too: the
    library walks through every field of every message.
    """

    def __init__(
        self, client: openai.AsyncOpenAI, http: openai.DefaultAsyncHttpxClient, settings: OpenAiChatSettings
    ) -> None:
        self._http = http
        self._url = client.base_url.join("chat/completions")
        headers = client.default_headers | {"Authorization": f"Bearer {client.api_key}"}
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}
        self._parameters = {"temperature": settings.temperature, "max_tokens": settings.max_tokens, "stream": True}

    async def send(self, model: str, body: dict[str, Any]) -> httpx2.Response:
        """The response, accepted and not read; to be closed.

        Raises:
            openai.APIConnectionError: the endpoint cannot be reached.
            openai.APIStatusError: it refuses.
        """
        content = json.dumps({"model": model, **body, **self._parameters})
        request = self._http.build_request("POST", self._url, content=content, headers=self._headers)
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.TransportError as error:
            raise openai.APIConnectionError(request=request) from error
        if response.is_success:
            return response
        await response.aclose()
        raise openai.APIStatusError("refused", response=response, body=None)


class _Completion:
    """One request whose reply is streamed."""

    def __init__(self) -> None:
        self._decoder = EventStreamDecoder()
        self._cleanup = AsyncExitStack()
        self._calls = CallAssembler()
        self.is_over = False
        """Whether the reply has come to its proper end; more pieces may be there."""

    async def open(self, requests: _Requests, model: str, body: dict[str, Any]) -> None:
        """Send the request; returns when the server has accepted it."""
        response = await requests.send(model, body)
        self._cleanup.push_async_callback(response.aclose)
        # The events are read here, as bytes: the library's models of them cost a third of a turn's processor time.
        self._received = response.aiter_bytes()

    async def first(self) -> list[str | ToolCall]:
        """The first pieces, none if a tool call has begun that is not complete; a reply without either is an error."""
        pieces: list[str | ToolCall] = []
        while not pieces and not self._calls.has_begun and not self.is_over:
            pieces = await self._receive()
        if not pieces and not self._calls.has_begun:
            raise ChatStreamError("gave no text")
        return pieces

    async def next(self) -> list[str | ToolCall]:
        """The pieces that come next together, none empty; an empty list at the proper end of the reply."""
        pieces: list[str | ToolCall] = []
        while not pieces and not self.is_over:
            pieces = await self._receive()
        if not pieces:
            await self._drain()
        return pieces

    async def close(self) -> None:
        """Abort the request if it is not over."""
        await self._cleanup.aclose()

    async def _receive(self) -> list[str | ToolCall]:
        received = await anext(self._received, b"")
        if not received:
            raise ChatStreamBrokenError
        return self._take(received)

    def _take(self, received: bytes) -> list[str | ToolCall]:
        pieces: list[str | ToolCall] = []
        for data in self._decoder.feed(received):
            delta = decode_event(data)
            if delta.text:
                pieces.append(delta.text)
            for call in delta.calls:
                self._calls.feed(call)
            if delta.is_end:
                self.is_over = True
                pieces += self._calls.finish()
                break
        return pieces

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_S):
                while await anext(self._received, b""):
                    pass
        except (TimeoutError, httpx2.HTTPError):
            _log.debug("the connection of a finished reply cannot be used again")


def _body(messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> dict[str, Any]:
    """What of the request the library need not look through."""
    body: dict[str, Any] = {"messages": encode_messages(messages)}
    return {**body, "tools": encode_tools(tools)} if tools else body


def _is_passing(error: Exception) -> bool:
    """True if the same request may well succeed a moment later."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code == _TOO_MANY_REQUESTS or error.status_code >= _FIRST_SERVER_ERROR
    return isinstance(error, openai.APIConnectionError | httpx2.TransportError | ChatStreamBrokenError)


def _describe(error: Exception) -> str:
    """What the language model did, safe to show: no key, no address and nothing that the server wrote."""
    match error:
        case TimeoutError():
            return "took too long"
        case openai.APIStatusError():
            return f"refused with HTTP status {error.status_code}"
        case openai.OpenAIError():
            return "cannot be reached"
        case ChatStreamError():
            return str(error)
        case _:
            return "broke off its reply"
