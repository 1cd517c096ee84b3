"""The lines of a journal: the head of a session, then one line for each call of its conversation. Pure.

A new fact needs no line here (`domain/plain.py`). Effects are not kept: each stands as its name and a digest, enough to
tell whether a replay gives the same ones.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, get_args

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.plain import PlainError, from_plain, to_plain
from voice_gateway.turn import effects, inputs

VERSION = 3
DIGEST_BYTES = 6
"""A wrong effect passes for the right one once in 2.8e14."""
FACTS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(inputs.Input)}
LATER: Mapping[str, Mapping[str, Any]] = {
    name: {"take": 1} for name in ("SpeechReady", "SpeechCompleted", "SpeechFailed")
}
"""Fields of facts that the first journals of this version do not have, and what they stand for there."""
RESERVED = frozenset({"t", "wall", "fact", "effects"})
"""Keys of a line; no field of a fact may have one of these names."""

_CODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class JournalError(Exception):
    """This is not a journal, or not one that this program can read; the message says which line and why."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: what the conversation is made of, and where and when it was."""

    version: int
    server_version: str
    agreement: Agreement
    wall: str
    """When the session began, by the wall clock; ISO 8601, UTC."""
    clock_ns: Instant
    """The monotonic clock at t = 0. Instants inside facts are read by the same clock."""


@dataclass(frozen=True, slots=True)
class CoreCall:
    """One call of the conversation, as it was recorded."""

    at: Instant
    """The instant by the monotonic clock of the process that recorded it."""
    wall: str
    fact: inputs.Input | None
    """None: a deadline had come."""
    effects: tuple[str, ...] | None
    """What `fingerprint` made of them; None: the conversation raised an error."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole journal."""

    header: Header
    calls: tuple[CoreCall, ...]
    """Their lines are numbered from 2 on."""
    is_cut: bool
    """Whether the last line is incomplete: whoever wrote it was killed."""


def kept(batch: tuple[effects.Effect, ...]) -> tuple[effects.Effect, ...]:
    """The effects that a journal has: what is only counted is no part of the conversation."""
    return tuple(effect for effect in batch if not isinstance(effect, effects.CountTurn))


def fingerprint(batch: tuple[effects.Effect, ...]) -> tuple[str, ...]:
    """Name and digest of each effect that is kept; equal for equal effects in any process and on any machine."""
    return tuple(_fingerprint(effect) for effect in kept(batch))


def header_line(header: Header) -> str:
    """The first line, with its end."""
    return _line(to_plain(header))


def call_line(call: CoreCall, start: Instant) -> str:
    """The line of a call in a session that began at `start`, with its end."""
    what = {"deadline": True} if call.fact is None else {"fact": type(call.fact).__name__, **to_plain(call.fact)}
    return _line({"t": call.at - start, "wall": call.wall, **what, "effects": call.effects})


def read(text: str) -> Recording:
    """Read a whole journal.

    Raises:
        JournalError: it cannot be read; the message names the line.
    """
    head, *rest = text.split("\n")
    if not rest:
        raise JournalError("line 1: is not complete")
    header = _header(_object(head, 1))
    cut = rest.pop()
    calls = tuple(_call(_object(line, number), header, number) for number, line in enumerate(rest, start=2))
    return Recording(header, calls, is_cut=bool(cut))


# --- coding ------------------------------------------------------------------------------------------------------


def _line(value: Any) -> str:
    return _CODER.encode(value) + "\n"


def _fingerprint(effect: effects.Effect) -> str:
    coded = _CODER.encode(to_plain(effect, with_names=True)).encode("utf-8", "surrogatepass")
    name = type(effect).__name__
    if isinstance(effect, effects.Emit):
        name = f"{name} {type(effect.event).__name__}"
    return f"{name} {blake2b(coded, digest_size=DIGEST_BYTES).hexdigest()}"


# --- decoding ----------------------------------------------------------------------------------------------------


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JournalError(f"line {number}: is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JournalError(f"line {number}: is not a JSON object")
    return value


def _header(value: dict[str, Any]) -> Header:
    try:
        if (version := from_plain(int, value.get("version"), "version")) != VERSION:
            raise JournalError(f"line 1: is of version {version}; this program reads version {VERSION}")
        header: Header = from_plain(Header, value, "head")
    except PlainError as error:
        raise JournalError(f"line 1: is no head of a journal: {error}") from error
    return header


def _call(value: dict[str, Any], header: Header, number: int) -> CoreCall:
    rest = {key: item for key, item in value.items() if key not in RESERVED}
    try:
        after_ns, wall = from_plain(int, value.get("t"), "t"), from_plain(str, value.get("wall"), "wall")
        recorded = from_plain(tuple[str, ...] | None, value.get("effects"), "effects")
        fact = _fact(value["fact"], rest) if "fact" in value else None
    except (JournalError, PlainError) as error:
        raise JournalError(f"line {number}: {error}") from error
    if fact is None and rest != {"deadline": True}:
        raise JournalError(f"line {number}: is neither a fact nor a deadline")
    return CoreCall(Instant(header.clock_ns + after_ns), wall, fact, recorded)


def _fact(name: object, value: dict[str, Any]) -> inputs.Input:
    if not isinstance(name, str) or name not in FACTS:
        raise JournalError("there is no such fact")
    fact: inputs.Input = from_plain(FACTS[name], {**LATER.get(name, {}), **value}, name)
    return fact
