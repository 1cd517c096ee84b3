"""What remains of a conversation when its process ends: a plain value, of types that JSON has."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, TurnId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.domain.plain import PlainError, from_plain, to_plain

VERSION = 5
_KINDS = {UserItem: "user", AssistantItem: "assistant", ToolCallItem: "call", ToolOutputItem: "output"}


class SnapshotError(Exception):
    """The value is no snapshot, or one of another version; the message quotes nothing of what was said or agreed."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the next core has to know; no instant and no stream, since both begin anew with it."""

    agreement: Agreement
    """With all that the client has changed, in force or not; the next core begins with it.

    Whoever resumes the session may replace it: another process has another session id, door, caller and trace, and
    tools of its own.
    """
    history: tuple[Item, ...]
    """What was said and heard."""
    last_item: ItemId
    turn: TurnId
    """The turn being spoken, or the next one."""
    last_reply: ReplyId
    last_call: CallId
    has_reports: bool
    """Whether the client reports playback."""

    def plain(self) -> dict[str, Any]:
        """The value that `parse` reads."""
        return {
            "version": VERSION,
            "agreement": to_plain(self.agreement),
            "history": [_plain(item) for item in self.history],
            "last_item": self.last_item,
            "turn": self.turn,
            "last_reply": self.last_reply,
            "last_call": self.last_call,
            "has_reports": self.has_reports,
        }


def parse(value: Mapping[str, Any]) -> Snapshot:
    """The snapshot that `plain` made a value of.

    Raises:
        SnapshotError: something is missing or of the wrong type, or the version is another.
    """
    if (version := _field(value, "version", int)) != VERSION:
        raise SnapshotError(f"a snapshot of version {version}; this is version {VERSION}")
    return Snapshot(
        _field(value, "agreement", Agreement),
        tuple(_item(item, number) for number, item in enumerate(_history(value))),
        _field(value, "last_item", ItemId),
        _field(value, "turn", TurnId),
        _field(value, "last_reply", ReplyId),
        _field(value, "last_call", CallId),
        _field(value, "has_reports", bool),
    )


def _field(value: Mapping[str, Any], name: str, kind: Any) -> Any:
    if name not in value:
        raise SnapshotError(f"a snapshot needs {name}")
    try:
        return from_plain(kind, value[name], name)
    except PlainError as error:
        raise SnapshotError(f"of a snapshot, {error}") from error


def _history(value: Mapping[str, Any]) -> list[Any]:
    if type(found := value.get("history")) is not list:
        raise SnapshotError(f"of a snapshot, history is {type(found).__name__}; it must be list")
    return found


def _plain(item: Item) -> list[Any]:
    return [_KINDS[type(item)], *astuple(item)]


def _item(plain: object, number: int) -> Item:
    name, *told = plain if isinstance(plain, list) and plain else [None]
    for kind, called in _KINDS.items():
        names = [spec.name for spec in fields(kind)]
        if name == called and len(told) == len(names):
            item: Item = _field({f"history[{number}]": dict(zip(names, told, strict=True))}, f"history[{number}]", kind)
            return item
    raise SnapshotError(f"of a snapshot, history[{number}] is no item")
