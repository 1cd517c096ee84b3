"""The file that lists the tools, and what a tool answers. Pure."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from voice_gateway.backends.http_tools.settings import DEFAULT_TIMEOUT_MS, HttpTool
from voice_gateway.domain import strict_json
from voice_gateway.domain.chat import Tool, ToolPlace

MAX_TOOLS = 64
"""As many as a client may bring (client.proto, `Start.tools`)."""
MAX_DESCRIPTION_CHARS = 1_024
"""client.proto, `Tool.description`."""
MAX_OUTPUT_BYTES = 65_536
"""Bytes of an answer; the rest is not read. More would not fit into what a language model reads."""
MIN_TIMEOUT_MS, MAX_TIMEOUT_MS = 100, 120_000
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""OpenAI's own rule for names of functions."""
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.1."""
_VALUE = re.compile(r"[ -~]*")
"""Printable ASCII: what every server takes (RFC 9110 section 5.5)."""
_FIELDS = frozenset({"name", "description", "parameters", "url", "headers", "timeout_ms"})
_NEEDED = ("name", "description", "url")


class ToolsFileError(Exception):
    """The file is no list of tools; the message goes on from its name, and holds no header and no URL."""


def parse_tools(text: str) -> tuple[HttpTool, ...]:
    """The tools that a JSON file lists.

    Raises:
        ToolsFileError: it is no such list; the message says which tool is wrong, and why.
    """
    try:
        items = strict_json.loads(text)
    except ValueError:
        raise ToolsFileError(
            "must be JSON without numbers that are too large, halves of characters and more than "
            f"{strict_json.MAX_NESTING} levels"
        ) from None  # the cause may quote a secret
    if not isinstance(items, list) or len(items) > MAX_TOOLS:
        raise ToolsFileError(f"must be a JSON list of at most {MAX_TOOLS} tools")
    tools = tuple(_tool(item, number) for number, item in enumerate(items, start=1))
    names = [entry.tool.name for entry in tools]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ToolsFileError(f"names more than one tool {', '.join(twice)}")
    return tools


def decode_output(body: bytes) -> str:
    """What the model is told of an answer's body; what is not UTF-8 is replaced."""
    return body[:MAX_OUTPUT_BYTES].decode("utf-8", "replace")


def _tool(item: object, number: int) -> HttpTool:
    where = f"tool {number}"
    if not isinstance(item, dict):
        raise ToolsFileError(f"has a {where} that is no object")
    if unknown := sorted(map(repr, item.keys() - _FIELDS)):
        raise ToolsFileError(f"has fields in {where} that no tool has: {', '.join(unknown)}")
    for name in _NEEDED:
        if not isinstance(item.get(name), str):
            raise ToolsFileError(f"has a {where} without {name}")
    tool = Tool(_name(item["name"], where), _description(item, where), _parameters(item, where), ToolPlace.SERVER)
    return HttpTool(tool, _url(item["url"], where), _headers(item, where), _timeout_ms(item, where))


def _name(name: str, where: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ToolsFileError(f"has a {where} whose name is not 1 to 64 letters, digits, _ or -")
    return name


def _description(item: dict[str, Any], where: str) -> str:
    description: str = item["description"]
    if len(description) > MAX_DESCRIPTION_CHARS:
        raise ToolsFileError(f"has a {where} whose description is longer than {MAX_DESCRIPTION_CHARS} characters")
    return description


def _parameters(item: dict[str, Any], where: str) -> str:
    parameters = item.get("parameters", {})
    if not isinstance(parameters, dict):
        raise ToolsFileError(f"has a {where} whose parameters are no JSON object")
    if not parameters:
        return ""
    return json.dumps(parameters, ensure_ascii=False)


def _url(url: str, where: str) -> str:
    mistake = f"has a {where} whose url is not http:// or https:// with a host and without a user"
    try:
        parts = urlsplit(url)
        is_lawful = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ToolsFileError(mistake) from None  # the cause quotes the URL
    if not is_lawful or "@" in parts.netloc or not re.fullmatch(r"[!-~]+", url):
        raise ToolsFileError(mistake)
    return url


def _headers(item: dict[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    headers = item.get("headers", {})
    if not isinstance(headers, dict):
        raise ToolsFileError(f"has a {where} whose headers are no JSON object")
    for name, value in headers.items():
        if _HEADER.fullmatch(name) is None or not isinstance(value, str) or _VALUE.fullmatch(value) is None:
            raise ToolsFileError(f"has a {where} with an invalid header: name and value must be printable ASCII")
    return tuple(headers.items())


def _timeout_ms(item: dict[str, Any], where: str) -> int:
    timeout_ms = item.get("timeout_ms", DEFAULT_TIMEOUT_MS)
    if type(timeout_ms) is not int or not MIN_TIMEOUT_MS <= timeout_ms <= MAX_TIMEOUT_MS:
        raise ToolsFileError(
            f"has a {where} whose timeout_ms is no whole number from {MIN_TIMEOUT_MS} to {MAX_TIMEOUT_MS}"
        )
    return timeout_ms
