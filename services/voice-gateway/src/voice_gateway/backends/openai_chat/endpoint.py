"""HTTP to one address of the language model's endpoint, under the name by which that is configured."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
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


class PinnedTransport(httpx2.AsyncHTTPTransport):
    """Connects to one address whatever the name resolves to. The Host header, and the name that TLS asks for and
    checks, stay what they are.
    """

    def __init__(self, name: str, address: str, tls: ssl.SSLContext) -> None:
        """Make it.

        Args:
            name: the host in the URLs of requests that go to the address; others go where they say.
            address: an IP address.
            tls: whom to trust.
        """
        super().__init__(verify=tls, limits=_LIMITS)
        self._name = name
        self._address = address

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        if request.url.host == self._name:
            request = httpx2.Request(
                request.method,
                request.url.copy_with(host=self._address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": self._name},
            )
        return await super().handle_async_request(request)


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
        self._http = _http_client(settings, address, tls)
        # Deadlines are kept by the caller, per reply and not per read; so are repetitions.
        self._client = openai.AsyncOpenAI(
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
        self._url = self._client.base_url.join("chat/completions")
        self._models_url = self._client.base_url.join("models")
        own = {"Authorization": f"Bearer {self._client.api_key}", "Accept-Encoding": _IDENTITY}
        headers = self._client.default_headers | own
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}
        self._parameters = parameters(settings)

    async def close(self) -> None:
        """Close all connections, once no reply is being written."""
        await self._client.close()

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

        The library's own way to send one, `with_streaming_response.create`, takes the loop 0.9 ms, this one 0.5 ms
        (measured 2026-11-21), and everybody's first sentence waits for it. Time grows with the conversation, too: the
        library walks through every field of every message.

        Raises:
            openai.APIConnectionError: the endpoint cannot be reached.
            TooLongError: it takes no request of this length.
            RequestRefusedError: it refuses, or redirects: the conversation and the key go nowhere else.
            ChatStreamError: it answers in an encoding that was not asked for.
        """
        fields = {"model": await self.model(), **question.fields, **self._parameters}
        headers = {**self._headers, **question.headers}
        request = self._http.build_request("POST", self._url, content=json.dumps(fields), headers=headers)
        response = await self._open(request)
        if response.is_success:
            return response
        try:
            raise await _refusal(response, fields)
        finally:
            await response.aclose()

    async def _open(self, request: httpx2.Request) -> httpx2.Response:
        """An answer whose body is not read, to be closed."""
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.TransportError as error:
            raise openai.APIConnectionError(request=request) from error
        if response.headers.get("content-encoding", _IDENTITY).lower() == _IDENTITY:
            return response
        await response.aclose()
        # A thousand bytes may be a million when they are unpacked: only what is bounded as it comes is read.
        raise ChatStreamError("answered in an encoding that was not asked for")

    async def _ask_for_models(self) -> None:
        """Learn the first model's name, if none is configured, and what the model takes."""
        response = await self._open(self._http.build_request("GET", self._models_url, headers=self._headers))
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


def _http_client(settings: OpenAiChatSettings, address: Address, tls: ssl.SSLContext) -> openai.DefaultAsyncHttpxClient:
    # No cookies: what one caller's request sets would go out with another's.
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    if address.is_proxied:
        return openai.DefaultAsyncHttpxClient(timeout=None, verify=tls, follow_redirects=False, cookies=cookies)
    transport = PinnedTransport(httpx2.URL(settings.base_url).host, address.host, tls)
    return openai.DefaultAsyncHttpxClient(timeout=None, transport=transport, follow_redirects=False, cookies=cookies)
