"""HTTP to one address of the language model's endpoint, under the name by which that is configured."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
import openai

from voice_gateway.backends.addresses.book import Address
from voice_gateway.backends.openai_chat.codec import decode_models, versioned_url
from voice_gateway.backends.openai_chat.failures import ChatStreamError, TooLongError
from voice_gateway.backends.openai_chat.oddity_log import note_refused
from voice_gateway.backends.openai_chat.parameters import parameters, refused_parameter, says_too_long
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings

_NO_KEY = "not-needed"
"""The library insists on a key; servers that want none ignore it."""
_UNLAWFUL = (400, 422)  # RFC 9110 section 15.5.1; 15.5.21 is FastAPI's
_TOO_LARGE = 413  # RFC 9110 section 15.5.14
_MAX_REFUSAL_BYTES = 16_384
"""Bytes of the body that says why; it names a field at its beginning or not at all."""
_MAX_LISTING_BYTES = 4_194_304
"""Bytes of the list of models; a broker's list of hundreds, with their prices, is about one tenth of it."""
_IDENTITY = "identity"
"""No compression (RFC 9110 section 12.5.3)."""
_LIMITS = httpx2.Limits(max_connections=1_000, max_keepalive_connections=100)  # the library's own

_Send = Callable[[httpx2.Request], Awaitable[httpx2.Response]]


@dataclass(frozen=True, slots=True)
class Question:
    """What a reply is asked for with, whichever address answers."""

    fields: Mapping[str, Any]
    """The messages, and the tools if there are any: what of the request the library need not look through."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The place in a trace."""


class RequestRefusedError(openai.APIStatusError):
    """A chat request was refused.

    Attributes:
        parameter: which of its fields the server named; empty if none.
    """

    def __init__(self, response: httpx2.Response, parameter: str) -> None:
        super().__init__("refused", response=response, body=None)
        self.parameter = parameter


class Endpoint:
    """The connections to one address, and what its server said of itself."""

    def __init__(self, settings: OpenAiChatSettings, address: Address, tls: ssl.SSLContext) -> None:
        self._http, self._send = _http_client(address, tls)
        # Deadlines are kept by the caller, per reply and not per read; so are repetitions.
        library = openai.AsyncOpenAI(
            api_key=settings.api_key or _NO_KEY,
            base_url=versioned_url(settings.base_url),
            max_retries=0,
            timeout=None,
            http_client=self._http,
        )
        self.begins_in_thought = settings.begins_in_thought
        """Whether every reply begins in a thought."""
        self._model = settings.model
        self.context_tokens: int | None = None
        """What the model takes, prompt and reply together, if this address has told."""
        self._probe_s = settings.probe_deadline_ms / 1_000
        self._parameters = parameters(settings)
        self._headers = _headers(library, self._http)
        url, self._extensions = library.base_url, {}
        if not address.is_proxied:
            # Whatever the name resolves to; it stays what the Host header has, and what TLS asks for and checks.
            url, self._extensions = url.copy_with(host=address.host), {"sni_hostname": url.host}
        self._url, self._models_url = url.join("chat/completions"), url.join("models")

    async def close(self) -> None:
        """Close all connections, once no reply is being written."""
        await self._http.aclose()

    async def check(self) -> None:
        """Ask for the models; raises what the library raises, TimeoutError and ChatStreamError."""
        async with asyncio.timeout(self._probe_s):
            await self._ask_for_models()

    async def model(self) -> str:
        """The model to ask for: the configured one, or the first that is listed here."""
        if not self._model:
            await self._ask_for_models()
        return self._model

    @property
    def model_name(self) -> str:
        """The model that is asked for; empty if none is configured and no list has come."""
        return self._model

    async def send(self, question: Question) -> httpx2.Response:
        """The response to a chat request, accepted and not read; to be closed.

        The library's own way to send one, `with_streaming_response.create`, takes the loop 4 ms, a request by its HTTP
        client 0.9 ms, this one 0.7 ms (measured 2026-12-01), and everybody's first sentence waits for it. Time grows
        with the conversation, too: the library walks through every field of every message.

        Raises:
            openai.APIConnectionError: the endpoint cannot be reached.
            TooLongError: it takes no request of this length.
            RequestRefusedError: it refuses, or redirects: the conversation and the key go nowhere else.
            ChatStreamError: it answers in an encoding that was not asked for.
        """
        fields = {"model": await self.model(), **question.fields, **self._parameters}
        body = json.dumps(fields).encode()
        trace = [(name.encode("ascii"), value.encode("ascii")) for name, value in question.headers.items()]
        headers = [*self._headers, *trace, (b"Content-Length", b"%d" % len(body))]
        response = await self._open("POST", self._url, headers, body)
        if response.is_success:
            return response
        try:
            raise await _refusal(response, fields)
        finally:
            await response.aclose()

    async def _open(
        self, method: str, url: httpx2.URL, headers: Sequence[tuple[bytes, bytes]], body: bytes = b""
    ) -> httpx2.Response:
        """An answer whose body is not read, to be closed."""
        stream = httpx2.ByteStream(body)
        request = httpx2.Request(method, url, headers=headers, stream=stream, extensions=self._extensions)
        try:
            response = await self._send(request)
        except httpx2.TransportError as error:
            raise openai.APIConnectionError(request=request) from error
        response.request = request
        if response.headers.get("content-encoding", _IDENTITY).lower() == _IDENTITY:
            return response
        await response.aclose()
        # A thousand bytes may be a million when they are unpacked: only what is bounded as it comes is read.
        raise ChatStreamError("answered in an encoding that was not asked for")

    async def _ask_for_models(self) -> None:
        """Learn the first model's name, if none is configured, and what the model takes."""
        response = await self._open("GET", self._models_url, self._headers)
        try:
            if not response.is_success:
                raise openai.APIStatusError("refused", response=response, body=None)
            listed = decode_models(await _read(response, _MAX_LISTING_BYTES))
        except httpx2.TransportError as error:
            raise openai.APIConnectionError(request=response.request) from error
        finally:
            await response.aclose()
        self._model = self._model or listed[0].name
        self.context_tokens = next((model.context_tokens for model in listed if model.name == self._model), None)


async def _refusal(response: httpx2.Response, fields: dict[str, Any]) -> Exception:
    """What a refusal says; a field of ours that it names is told in the log, and one that cannot be read names none."""
    if response.status_code == _TOO_LARGE:
        return TooLongError()
    if response.status_code not in _UNLAWFUL:
        return RequestRefusedError(response, "")
    try:
        body = await _read(response, _MAX_REFUSAL_BYTES)
    except (ChatStreamError, httpx2.HTTPError):
        return RequestRefusedError(response, "")
    if says_too_long(body):
        return TooLongError()
    parameter = refused_parameter(body, fields)
    if parameter:
        note_refused(parameter)
    return RequestRefusedError(response, parameter)


async def _read(response: httpx2.Response, limit_bytes: int) -> bytes:
    """The body of an answer.

    Raises:
        ChatStreamError: it is larger.
    """
    body = bytearray()
    async for received in response.aiter_raw():
        body += received
        if len(body) > limit_bytes:
            raise ChatStreamError("sent an answer that is too large")
    return bytes(body)


def _headers(library: openai.AsyncOpenAI, http: httpx2.AsyncClient) -> list[tuple[bytes, bytes]]:
    """What both libraries give every request, put together once."""
    url = library.base_url
    own = {"Authorization": f"Bearer {library.api_key}", "Accept-Encoding": _IDENTITY}
    headers = {name: value for name, value in (library.default_headers | own).items() if isinstance(value, str)}
    request = http.build_request("GET", url, headers=headers)
    if url.username or url.password:  # they stand for the key
        next(httpx2.BasicAuth(url.username, url.password).auth_flow(request))
    return request.headers.raw


def _http_client(address: Address, tls: ssl.SSLContext) -> tuple[httpx2.AsyncClient, _Send]:
    """Who has the connections, and what sends a request whose answer is not read."""
    if address.is_proxied:
        # No cookies: what one caller's request sets would go out with another's.
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        client = openai.DefaultAsyncHttpxClient(timeout=None, verify=tls, follow_redirects=False, cookies=cookies)
        return client, partial(client.send, stream=True)
    # Below the client nothing follows redirects or keeps cookies, and a request takes three quarters of the time.
    transport = httpx2.AsyncHTTPTransport(verify=tls, limits=_LIMITS)
    return openai.DefaultAsyncHttpxClient(transport=transport), transport.handle_async_request
