"""Tools that are one HTTP request each: the arguments go out as JSON, the body that comes back is the outcome."""

import asyncio
import logging
from collections.abc import Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from voice_gateway.backends.http_tools.codec import MAX_OUTPUT_BYTES, decode_output
from voice_gateway.backends.http_tools.settings import HttpTool
from voice_gateway.backends.spans import NOT_TRACED, CallSpans, fail, headers_below
from voice_gateway.domain.chat import Tool
from voice_gateway.domain.errors import ToolError

_log = logging.getLogger(__name__)

_MS_PER_S = 1_000
_PORTS = {"http": 80, "https": 443}
_IDENTITY = "identity"
"""No compression (RFC 9110 section 12.5.3)."""


class HttpTools:
    """A ToolRunner. Belongs to the event loop it is made in.

    A request is never repeated, since a tool may have done something before it failed, and no redirect is followed,
    since the headers may hold secrets.
    """

    def __init__(self, tools: Sequence[HttpTool], spans: CallSpans = NOT_TRACED) -> None:
        self._spans = spans
        self._tools = {entry.tool.name: entry for entry in tools}
        # Deadlines are kept here, for the request as a whole. No cookies: one caller's would go out with another's.
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx2.AsyncClient(follow_redirects=False, timeout=None, cookies=cookies)

    def tools(self) -> tuple[Tool, ...]:
        """What can be called."""
        return tuple(entry.tool for entry in self._tools.values())

    async def run(self, name: str, arguments_json: str) -> str:
        """Call a tool; see ToolRunner."""
        entry = self._tools.get(name)
        if entry is None:
            raise ToolError(f"the server has no tool {name}")
        span = self._spans.begin("POST", {"http.request.method": "POST"})
        try:
            span.set_attributes(_server(entry.url))
            async with asyncio.timeout(entry.timeout_ms / _MS_PER_S):
                return await self._post(entry, arguments_json, span)
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            cause = "took too long" if isinstance(error, TimeoutError) else "cannot be reached"
            _log.warning("tool fails", extra={"tool": name, "cause": cause, "error": type(error).__name__})
            fail(span, type(error).__name__, cause)
            raise ToolError(f"the tool {cause}") from error
        finally:
            span.end()

    async def close(self) -> None:
        """Close all connections, once no tool runs."""
        await self._client.aclose()

    async def _post(self, entry: HttpTool, arguments_json: str, span: Span) -> str:
        own = {"Content-Type": "application/json", "Accept-Encoding": _IDENTITY, **headers_below(span)}
        headers = [*own.items(), *entry.headers]
        async with self._client.stream(
            "POST", entry.url, content=arguments_json.encode("utf-8", "replace"), headers=headers
        ) as response:
            span.set_attribute("http.response.status_code", response.status_code)
            if not response.is_success:
                fail(span, str(response.status_code), "refused")
                _log.warning("tool refuses", extra={"tool": entry.tool.name, "status": response.status_code})
                raise ToolError(f"the tool refused with HTTP status {response.status_code}")
            if response.headers.get("content-encoding", _IDENTITY).lower() != _IDENTITY:
                # A thousand bytes may be a million when they are unpacked: only what is bounded as it comes is read.
                _log.warning("tool answers in an encoding that was not asked for", extra={"tool": entry.tool.name})
                raise ToolError("the tool answered in an encoding that was not asked for")
            body = bytearray()
            async for received in response.aiter_raw():
                body += received
                if len(body) >= MAX_OUTPUT_BYTES:
                    break
        return decode_output(bytes(body))


def _server(raw: str) -> dict[str, AttributeValue]:
    """Who is asked. The convention wants the whole URL, too, whose path and query may hold a secret.

    Raises:
        httpx2.InvalidURL: it is no URL.
    """
    url = httpx2.URL(raw)
    return {"server.address": url.host, "server.port": url.port or _PORTS.get(url.scheme, 0)}
