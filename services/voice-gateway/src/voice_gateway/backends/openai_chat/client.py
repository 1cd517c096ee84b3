"""Replies by a language model behind an OpenAI-compatible endpoint."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx2
import openai

from voice_gateway.backends.addresses.names import Resolve, endpoint_of, resolve
from voice_gateway.backends.addresses.pool import AddressPool, CheckFailedError, Member, Request
from voice_gateway.backends.openai_chat.chat_span import ChatSpan
from voice_gateway.backends.openai_chat.codec import encode_messages, encode_tools
from voice_gateway.backends.openai_chat.completion import Completion
from voice_gateway.backends.openai_chat.endpoint import Endpoint, Question, RequestRefusedError
from voice_gateway.backends.openai_chat.failures import (
    FAILURES,
    ChatStreamBrokenError,
    ChatStreamError,
    ChatStreamTooLongError,
    TooLongError,
)
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.backends.spans import NOT_TRACED, CallSpans
from voice_gateway.domain.chat import CONTEXT_TOKENS, REPLY_TOKENS, ChatMessage, Tool, ToolCall
from voice_gateway.domain.errors import Backend, BackendError, QuestionTooLong, Reason
from voice_gateway.domain.ids import SessionId

_MS_PER_S = 1_000
_MAX_ADDRESSES = 3
"""A reply is asked for at no more addresses than this: each that says nothing costs the user its whole deadline."""
_MAX_REFUSALS = 2
"""A request that two addresses refuse is itself to blame. One alone may have an old model's name, or another key."""
_FULL_MS = 1_000
"""An address that refuses for want of room is left alone for this time, if there are others."""
_RETRY_PAUSE_S = 0.1
"""Enough for a restarted pod's successor to be picked, little enough not to be heard as a pause of its own."""
_TOO_MANY_REQUESTS = 429  # RFC 6585 section 4
_FIRST_SERVER_ERROR = 500  # RFC 9110 section 15.6


@dataclass(frozen=True, slots=True)
class _Asking:
    """One reply that is asked for, whichever addresses are tried."""

    request: Request[Endpoint]
    question: Question
    span: ChatSpan


class OpenAiChat:
    """A LanguageModel; its `pool` is its BackendHealth. Belongs to the event loop it is made in."""

    def __init__(self, settings: OpenAiChatSettings, resolve: Resolve = resolve, spans: CallSpans = NOT_TRACED) -> None:
        self._settings = settings
        self._spans = spans
        tls = httpx2.create_ssl_context()
        scheme = httpx2.URL(settings.base_url).scheme
        endpoints = (endpoint_of(settings.base_url, (scheme, "all")),)
        self.pool = AddressPool(
            Backend.LLM, endpoints, lambda address, _: Endpoint(settings, address, tls), _check, resolve
        )

    @property
    def prompt_tokens(self) -> int:
        """What the model can read for one reply: the context that is configured, or the least that an address tells.

        The rest is for the reply, which takes no more than three quarters.
        """
        told = (endpoint.context_tokens for endpoint in self.pool.connections)
        known = self._settings.context_tokens or min((each for each in told if each), default=CONTEXT_TOKENS)
        return max(known - (self._settings.max_tokens or REPLY_TOKENS), known // 4)

    async def reply(
        self, session: SessionId, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Pieces of the reply's text as they come, then its tool calls; see LanguageModel.

        What fails before the first piece, and may be mended by it, is tried on the next address, or once again.

        Raises:
            QuestionTooLong: an address says so; it is not to blame.
            BackendError: LLM_TIMEOUT or LLM_FAILED, for a reply without any text or call or without a proper end too.
        """
        total_by = asyncio.get_running_loop().time() + self._settings.total_deadline_ms / _MS_PER_S
        span = ChatSpan(self._spans, self._settings, session, messages)
        asking = _Asking(Request(session), Question(_fields(messages, tools), span.headers), span)
        try:
            completion, pieces = await self._begin(asking, total_by)
            try:
                while pieces or not completion.is_over:
                    for piece in pieces:
                        span.wrote(piece)
                        yield piece
                    async with asyncio.timeout_at(total_by):
                        pieces = await completion.next()
                span.finished()
            except FAILURES as error:
                _blame(asking.request, completion.member, error)
                raise
            finally:
                await completion.close()
        except TooLongError as error:
            span.failed("question_too_long", "the conversation is too long for the model")
            raise QuestionTooLong from error
        except FAILURES as error:
            reason = Reason.LLM_TIMEOUT if isinstance(error, TimeoutError) else Reason.LLM_FAILED
            cause = f"the language model {_describe(error)}"
            span.failed(reason.value, cause)
            raise BackendError(Backend.LLM, reason, cause) from error
        finally:
            span.end()

    async def _begin(self, asking: _Asking, total_by: float) -> tuple[Completion, list[str | ToolCall]]:
        """A reply and its first pieces, by the first address that gives any."""
        failure: Exception = ChatStreamError("has no address")
        refusals: list[tuple[Member[Endpoint], str]] = []
        is_alone = len(list(self.pool.candidates())) == 1
        try:
            for member in islice(self.pool.candidates(), _MAX_ADDRESSES):
                first_by = asyncio.get_running_loop().time() + self._settings.first_token_deadline_ms / _MS_PER_S
                try:
                    async with asyncio.timeout_at(min(first_by, total_by)):
                        begun = await self._try(asking, member, is_alone=is_alone)
                except FAILURES as error:
                    failure = error
                    if isinstance(error, TimeoutError):
                        asking.span.attempt_failed(member.address, _describe(error))
                        asking.request.failed(member, _describe(error))
                    elif not _is_passing(error):
                        refusals.append((member, _describe(error)))
                        if len(refusals) == _MAX_REFUSALS:
                            break
                else:
                    for refuser, cause in refusals:
                        asking.request.failed(refuser, cause)
                    asking.span.begun(begun[0].member.address, begun[0].member.connection.model_name)
                    return begun
            raise failure
        finally:
            del failure  # or the error keeps this frame, the frame the error, and both the conversation

    async def _try(
        self, asking: _Asking, member: Member[Endpoint], *, is_alone: bool
    ) -> tuple[Completion, list[str | ToolCall]]:
        try:
            return await _attempt(asking, member)
        except FAILURES as error:
            if not is_alone or not _is_passing(error):
                raise
            await asyncio.sleep(_RETRY_PAUSE_S)
            for successor in self.pool.candidates():  # the address may have gone meanwhile, and another come
                return await _attempt(asking, successor)
            raise


async def _attempt(asking: _Asking, member: Member[Endpoint]) -> tuple[Completion, list[str | ToolCall]]:
    completion, asked_s = Completion(member), time.monotonic()
    try:
        await completion.open(asking.question)
        pieces = await completion.first()
    except BaseException as error:
        await completion.close()
        if isinstance(error, ChatStreamTooLongError):
            raise TooLongError from error
        if isinstance(error, FAILURES):
            asking.span.attempt_failed(member.address, _describe(error))
            _blame(asking.request, member, error)
        raise
    member.answered()
    member.began(time.monotonic() - asked_s)
    asking.request.served(by=member)
    return completion, pieces


def _blame(request: Request[Endpoint], member: Member[Endpoint], error: Exception) -> None:
    """Tell an address of a failure, as far as that may be its fault; a refusal may be this request's alone."""
    if _is_full(error):
        member.rest(_FULL_MS)
    elif _is_passing(error):
        request.failed(member, _describe(error))


async def _check(endpoint: Endpoint) -> None:
    try:
        await endpoint.check()
    except FAILURES as error:
        if _is_full(error):
            return  # it lives: a full server serves those who are there
        raise CheckFailedError(_describe(error)) from error


def _fields(messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> dict[str, Any]:
    fields: dict[str, Any] = {"messages": encode_messages(messages)}
    return {**fields, "tools": encode_tools(tools)} if tools else fields


def _is_full(error: Exception) -> bool:
    return isinstance(error, openai.APIStatusError) and error.status_code == _TOO_MANY_REQUESTS


def _is_passing(error: Exception) -> bool:
    """True if the same request may well succeed a moment later."""
    if isinstance(error, openai.APIStatusError):
        return _is_full(error) or error.status_code >= _FIRST_SERVER_ERROR
    return isinstance(error, openai.APIConnectionError | httpx2.TransportError | ChatStreamBrokenError)


def _describe(error: Exception) -> str:
    """What the language model did, safe to show: no key, no address and nothing that the server wrote."""
    match error:
        case TimeoutError():
            return "took too long"
        case RequestRefusedError(parameter=str(parameter)) if parameter:
            return f"refused {parameter} with HTTP status {error.status_code}"
        case openai.APIStatusError():
            return f"refused with HTTP status {error.status_code}"
        case openai.OpenAIError():
            return "cannot be reached"
        case ChatStreamError():
            return str(error)
        case _:
            return "broke off its reply"
