"""Kinds of settings: how each is parsed, what is allowed, and what a mistake is told."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Generic, TypeVar

from voice_gateway.identity.tokens import split_tokens

T = TypeVar("T")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\],]+):(?P<port>[0-9]{1,5})")
_METADATA = re.compile(r"(?P<key>(?!grpc-)[0-9a-z_.-]+(?<!-bin))=(?P<value>[ -~]+)")
"""gRPC keeps `grpc-` for itself and takes bytes, not text, under `-bin` ("HTTP2" spec, custom metadata)."""
_URL = re.compile(r"https?://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(:(?P<port>[0-9]{1,5}))?(/[^\s?#]*)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
"""The shape of a BCP-47 code (RFC 5646 section 2.1), and of Riva's `multi`."""
MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One row of the table."""

    name: str
    default: str
    parse: Callable[[str], T]
    """Raises ValueError whose text says what the value must be, for example "must be 1 to 5"."""
    doc: str
    unit: str = ""
    allowed: str = ""
    """The range, in words."""
    default_note: str = ""
    """What stands in the documentation where the default is empty or long."""
    is_secret: bool = False


def text(name: str, default: str, doc: str, *, default_note: str = "") -> Setting[str]:
    def parse(raw: str) -> str:
        if not _is_utf8(raw):
            raise ValueError("must be UTF-8")
        return raw

    return Setting(name, default, parse, doc, default_note=default_note)


def sentence(name: str, default: str, doc: str) -> Setting[str]:
    """A text that may be left out; an empty value cannot say so, since it counts as unset."""
    plain = text(name, default, f"{doc}; `off` leaves it out")
    return replace(plain, parse=lambda raw: "" if raw.lower() == "off" else plain.parse(raw))


def or_off(setting: Setting[T]) -> Setting[T | None]:
    """The same, or None for what is not to be sent at all."""

    def parse(raw: str) -> T | None:
        if raw.lower() == "off":
            return None
        try:
            return setting.parse(raw)
        except ValueError as error:
            raise ValueError(f"{error}, or off") from None

    return Setting(
        setting.name,
        setting.default,
        parse,
        f"{setting.doc}; `off` leaves it out",
        setting.unit,
        f"{setting.allowed}, off",
        setting.default_note,
    )


def word(name: str, default: str, words: tuple[str, ...], doc: str) -> Setting[str]:
    def parse(raw: str) -> str:
        if raw.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return raw.lower()

    return Setting(name, default, parse, doc, "", ", ".join(words))


def _is_utf8(raw: str) -> bool:
    """False when the environment held bytes that are no UTF-8: Python keeps them as lone surrogates (PEP 383)."""
    return not any("\ud800" <= char <= "\udfff" for char in raw)


def key(name: str, doc: str) -> Setting[str]:
    def parse(raw: str) -> str:
        if not re.fullmatch(r"[!-~]*", raw):
            raise ValueError("must be printable ASCII without spaces, as it goes into an HTTP header")
        return raw

    return Setting(name, "", parse, doc, default_note="none", is_secret=True)


def keys(name: str, doc: str) -> Setting[tuple[str, ...]]:
    return Setting(name, "", split_tokens, doc, "", "token[,token...]", "none", is_secret=True)


def names(name: str, doc: str, *, default_note: str = "none") -> Setting[tuple[str, ...]]:
    """Names of any kind, joined by commas."""

    def parse(raw: str) -> tuple[str, ...]:
        if not _is_utf8(raw) or not raw.isprintable():
            raise ValueError("must be printable UTF-8, several joined by commas")
        return tuple(dict.fromkeys(part.strip() for part in raw.split(",") if part.strip()))

    return Setting(name, "", parse, doc, "", "name[,name...]", default_note)


def choices(name: str, known: tuple[str, ...], doc: str) -> Setting[tuple[str, ...]]:
    """Some of a list; by default all."""

    def parse(raw: str) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(part.strip() for part in raw.split(",")))
        if any(choice not in known for choice in chosen):
            raise ValueError(f"must be some of {', '.join(known)}, joined by commas")
        return chosen

    return Setting(name, ",".join(known), parse, doc, "", ", ".join(known))


def networks(name: str, doc: str) -> Setting[tuple[IPv4Network | IPv6Network, ...]]:
    def parse(raw: str) -> tuple[IPv4Network | IPv6Network, ...]:
        parts = [part.strip() for part in raw.split(",")] if raw else []
        try:
            return tuple(dict.fromkeys(ip_network(part) for part in parts))
        except ValueError as error:
            raise ValueError(f"must be addresses or networks like 10.0.0.0/8, joined by commas: {error}") from error

    return Setting(name, "", parse, doc, "", "CIDR[,CIDR...]", "none")


def web_address_or_file(name: str, doc: str) -> Setting[str | Path | None]:
    by_web, by_file = web_address(name, "", doc), file(name, doc)

    def parse(raw: str) -> str | Path | None:
        return by_web.parse(raw) if "://" in raw else by_file.parse(raw)

    return Setting(name, "", parse, doc, "", "http:// or https:// URL, or path", "none")


def language(name: str, default: str, doc: str) -> Setting[str]:
    def parse(raw: str) -> str:
        if _LANGUAGE.fullmatch(raw) is None:
            raise ValueError("must be a BCP-47 code, like en-US")
        return raw

    return Setting(name, default, parse, doc)


def integer(name: str, default: int, bounds: tuple[int, int], unit: str, doc: str) -> Setting[int]:
    low, high = bounds

    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return Setting(name, str(default), parse, doc, unit, f"{low} to {high}")


def decimal(name: str, default: float, bounds: tuple[float, float], doc: str) -> Setting[float]:
    low, high = bounds

    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = low - 1
        if not low <= value <= high:  # false for nan too
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return value

    return Setting(name, f"{default:g}", parse, doc, "", f"{low:g} to {high:g}")


def choice(name: str, default: str, choices: tuple[str, ...], doc: str) -> Setting[str]:
    def parse(raw: str) -> str:
        if raw.upper() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return raw.upper()

    return Setting(name, default, parse, doc, "", ", ".join(choices))


def rate(name: str, default: int, rates_hz: tuple[int, ...], doc: str) -> Setting[int]:
    known = {str(rate_hz): rate_hz for rate_hz in rates_hz}

    def parse(raw: str) -> int:
        if raw not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return known[raw]

    return Setting(name, str(default), parse, doc, "Hz", ", ".join(known))


def switch(name: str, *, default: bool, doc: str) -> Setting[bool]:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

    def parse(raw: str) -> bool:
        if raw.lower() not in known:
            raise ValueError("must be true or false")
        return known[raw.lower()]

    return Setting(name, str(default).lower(), parse, doc, "", "true, false")


def addresses(name: str, default: str, doc: str, *, default_note: str = "") -> Setting[tuple[str, ...]]:
    def parse(raw: str) -> tuple[str, ...]:
        addresses = tuple(dict.fromkeys(part.strip() for part in raw.split(",")) if raw else ())
        for address in addresses:
            match = _HOST_PORT.fullmatch(address)
            if match is None or not 1 <= int(match["port"]) <= MAX_PORT:
                raise ValueError(f"must be host:port, or several joined by commas; {address!r} is not")
        return addresses

    return Setting(name, default, parse, doc, "", "host:port[,host:port...]", default_note)


def web_address(name: str, default: str, doc: str) -> Setting[str]:
    def parse(raw: str) -> str:
        match = _URL.fullmatch(raw)
        if match is None or not 1 <= int(match["port"] or 1) <= MAX_PORT:
            raise ValueError("must be a URL that begins with http:// or https://, without a user or a query")
        return raw.rstrip("/")

    return Setting(name, default, parse, doc, "", "http:// or https:// URL")


def metadata(name: str, doc: str) -> Setting[tuple[tuple[str, str], ...]]:
    def parse(raw: str) -> tuple[tuple[str, str], ...]:
        pairs = [_METADATA.fullmatch(part.strip()) for part in raw.split(",") if part.strip()]
        if not all(pairs):
            raise ValueError(
                "must be key=value, or several joined by commas; keys in lower case, no grpc-... or ...-bin"
            )
        return tuple((pair["key"], pair["value"]) for pair in pairs if pair)

    return Setting(name, "", parse, doc, "", "key=value[,key=value...]", "none", is_secret=True)


def file(name: str, doc: str) -> Setting[Path | None]:
    def parse(raw: str) -> Path | None:
        if not raw:
            return None
        try:
            Path(raw).read_bytes()
        except OSError as error:
            raise ValueError(f"must be a file that can be read: {error.strerror}: {raw}") from error
        return Path(raw)

    return Setting(name, "", parse, doc, "", "path", "none")


def folder(name: str, doc: str) -> Setting[Path | None]:
    def parse(raw: str) -> Path | None:
        if not raw:
            return None
        if not (Path(raw).is_dir() and os.access(raw, os.W_OK | os.X_OK)):
            raise ValueError(f"must be a folder that can be written: {raw}")
        return Path(raw)

    return Setting(name, "", parse, doc, "", "path", "none")
