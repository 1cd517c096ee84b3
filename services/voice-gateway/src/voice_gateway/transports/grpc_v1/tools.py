"""The tools that a client brings, as `Start` lists them."""

import re
from collections.abc import Sequence
from typing import Final

from voicegateway.v1 import client_pb2

from voice_gateway.domain.chat import Tool, ToolPlace
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.strict_json import is_object
from voice_gateway.transports.client_input import check_prose

MAX_TOOLS: Final = 64
"""client.proto, `Start.tools`."""
MAX_DESCRIPTION_CHARS: Final = 1_024
"""client.proto, `Tool.description`."""
MAX_SCHEMA_CHARS: Final = 32_768
MAX_SCHEMAS_CHARS: Final = 131_072
"""client.proto, `Tool.parameters_json`: of one tool, and of all together."""
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""client.proto, `Tool.name`."""


def decode_tools(tools: Sequence[client_pb2.Tool]) -> tuple[Tool, ...]:
    """The tools that the client executes.

    Raises:
        ClientError: TEXT_INVALID.
    """
    if len(tools) > MAX_TOOLS:
        raise ClientError(Reason.TEXT_INVALID, f"there are {len(tools)} tools; at most {MAX_TOOLS}")
    if sum(len(tool.parameters_json) for tool in tools) > MAX_SCHEMAS_CHARS:
        told = f"parameters_json of all tools together is longer than {MAX_SCHEMAS_CHARS} characters"
        raise ClientError(Reason.TEXT_INVALID, told)
    decoded = tuple(_tool(tool) for tool in tools)
    names = [tool.name for tool in decoded]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ClientError(Reason.TEXT_INVALID, f"more than one tool has the name {twice[0]}")
    return decoded


def _tool(tool: client_pb2.Tool) -> Tool:
    if _NAME.fullmatch(tool.name) is None:
        raise ClientError(Reason.TEXT_INVALID, f"the tool name {tool.name!r} is not 1 to 64 of [a-zA-Z0-9_-]")
    description = check_prose(tool.description, f"the description of tool {tool.name}", MAX_DESCRIPTION_CHARS)
    if len(tool.parameters_json) > MAX_SCHEMA_CHARS:
        told = f"parameters_json of tool {tool.name} is longer than {MAX_SCHEMA_CHARS} characters"
        raise ClientError(Reason.TEXT_INVALID, told)
    if tool.parameters_json and not is_object(tool.parameters_json):
        raise ClientError(
            Reason.TEXT_INVALID, f"parameters_json of tool {tool.name} is no JSON object that can be sent on"
        )
    return Tool(tool.name, description, tool.parameters_json, ToolPlace.CLIENT)
