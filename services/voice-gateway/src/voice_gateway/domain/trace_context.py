"""The caller's trace to which a call belongs: W3C Trace Context, level 2 (https://www.w3.org/TR/trace-context-2/)."""

import re
from dataclasses import dataclass

PARENT_CHARS = 55
"""Length of a traceparent of version 00 (section 3.2). A later one may be longer; what the rest means is unknown."""
MAX_STATE_CHARS = 512
"""Longest tracestate: our own limit, since the W3C has none. Section 3.3.1.5 asks to pass on at least this many."""
MAX_STATE_MEMBERS = 32
"""Members of a tracestate: section 3.3.1.1."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_MEMBER = re.compile(r"([a-z0-9][a-z0-9_*/@-]{0,255})=[ !-+\--<>-~]{0,255}[!-+\--<>-~]")
_VERSION_00, _NO_VERSION = "00", "ff"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The place of a call in its caller's trace; empty texts: it is not known.

    Raises:
        ValueError: `trace_context` makes no such value.
    """

    parent: str = ""
    """A lawful traceparent, 55 characters."""
    state: str = ""
    """A lawful tracestate that has members, at most 512 characters; never without a parent."""

    def __post_init__(self) -> None:
        """Refuse what is not a trace, wherever it comes from: traces are logged unchanged."""
        if (self.parent, self.state) != _lawful(self.parent, self.state):
            raise ValueError("traceparent or tracestate is unlawful")

    @property
    def logged(self) -> dict[str, str]:
        """The field of a log line that names the trace; empty where no trace is known."""
        return {"traceparent": self.parent} if self.parent else {}


def trace_context(traceparent: str, tracestate: str) -> TraceContext:
    """The lawful ones of the two values. The W3C says to ignore others, and both without a lawful traceparent.

    A tracestate of more than MAX_STATE_CHARS is lawful, but is dropped: as a whole, so that nobody takes a part of it
    for all of it.
    """
    return TraceContext(*_lawful(traceparent, tracestate))


def _lawful(traceparent: str, tracestate: str) -> tuple[str, str]:
    """Parent and state, as far as they are kept."""
    parent = traceparent[:PARENT_CHARS]
    if not _is_parent(parent, traceparent[PARENT_CHARS:]):
        return "", ""
    return parent, tracestate if _is_state(tracestate) else ""


def _is_parent(parent: str, rest: str) -> bool:
    parts = _PARENT.fullmatch(parent)
    if parts is None:
        return False
    version, trace_id, parent_id = parts.groups()
    is_end = not rest if version == _VERSION_00 else rest[:1] in ("", "-")
    return version != _NO_VERSION and is_end and bool(trace_id.strip("0")) and bool(parent_id.strip("0"))


def _is_state(tracestate: str) -> bool:
    if len(tracestate) > MAX_STATE_CHARS:
        return False
    told = [member for each in tracestate.split(",") if (member := each.strip(" \t"))]
    members = [_MEMBER.fullmatch(each) for each in told]
    keys = {member[1] for member in members if member}
    return 0 < len(keys) == len(told) <= MAX_STATE_MEMBERS


NO_TRACE = TraceContext()
