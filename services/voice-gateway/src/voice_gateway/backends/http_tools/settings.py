"""Which tools the gateway calls over HTTP, and where."""

from dataclasses import dataclass, field

from voice_gateway.domain.chat import Tool

DEFAULT_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class HttpTool:
    """A tool, and the address that runs it."""

    tool: Tool
    """At ToolPlace.SERVER."""
    url: str = field(repr=False)
    """http or https, without a user; not shown, as its query may hold a secret."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with each call; not shown, as they may hold secrets."""
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    """A call that has not ended by then has failed."""
