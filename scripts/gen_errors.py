"""Writes docs/reference/error-reasons.md from the comments of error.proto. With --check: fails if it is stale."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import generated

SOURCE = "proto/voicegateway/v1/error.proto"
HEADS = ("reason", "number", "reaches the client as", "meaning")
GROUPS = ("The client", "The backends", "The server")
"""Titles of the groups that blank lines make of the values, after the first, which holds the value never sent."""
HEAD = f"""\
# Error reasons

{generated.note(SOURCE)}

One vocabulary for everything that can go wrong.
Trouble from which the call goes on is a `notice` in the stream, and carries the number.
Trouble that ends the call is a gRPC status with a `google.rpc.ErrorInfo` of the domain `voicegateway.v1`.
Its reason is the name below.
The older contract tells a notice as the event `ERROR` with the name as its message.
A client that meets a reason it does not know goes by the gRPC code alone.
"""
_VALUE = re.compile(r"((?: *// .*\n)+) *ERROR_REASON_(\w+) = (\d+);")
_COMMENT = re.compile(r"^ *// ?", re.MULTILINE)


class SourceError(Exception):
    """The file is not written as this script reads it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One value and what its comment says: `<how it reaches the client>: <what it means>`."""

    name: str
    number: str
    way: str
    meaning: str


def _reason(match: re.Match[str]) -> Reason:
    comment, name, number = match.groups()
    text = " ".join(_COMMENT.sub("", comment).split())
    way, colon, meaning = text.partition(": ")
    if not colon:
        raise SourceError(f"{SOURCE}: the comment of {name} does not say how it reaches the client")
    return Reason(name, number, way, meaning)


def _groups(source: str) -> Iterator[str]:
    body = source[source.index("enum ErrorReason {") :]
    _, *groups = body.split("\n\n")
    if len(groups) != len(GROUPS):
        raise SourceError(f"{SOURCE}: {len(groups)} groups of reasons, {len(GROUPS)} titles")
    for title, group in zip(GROUPS, groups, strict=True):
        reasons = map(_reason, _VALUE.finditer(group))
        rows = ((f"`{reason.name}`", reason.number, reason.way, reason.meaning) for reason in reasons)
        yield f"## {title}\n\n{generated.table(HEADS, rows)}"


def page() -> str:
    """The whole page.

    Raises:
        SourceError: see there.
    """
    return "\n".join([HEAD, *_groups((generated.ROOT / SOURCE).read_text(encoding="utf-8"))])


if __name__ == "__main__":
    sys.exit(generated.publish("error-reasons.md", page()))
