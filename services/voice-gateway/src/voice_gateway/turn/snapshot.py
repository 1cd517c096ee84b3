"""What of a conversation outlives the process that holds it: a plain value, JSON has all its types."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, TypeVar

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, TurnId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.domain.plain import PlainError, from_plain, to_plain

VERSION = 5
_KINDS = {UserItem: "user", AssistantItem: "assistant", ToolCallItem: "call", ToolOutputItem: "output"}
T = TypeVar("T")


class SnapshotError(Exception):
    """The value is no snapshot, or one of another version."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the next core has to know; no instant and no stream, since both begin anew with it."""

    agreement: Agreement
    """With all that the client has changed, in force or not; the next core begins with it."""
    history: tuple[Item, ...]
    """What was said and heard."""
    last_item: ItemId
    turn: TurnId
    """Of the turn being spoken, or the next one."""
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
    if (version := value.get("version")) != VERSION:
        raise SnapshotError(f"a snapshot of version {version!r}; this is version {VERSION}")
    return Snapshot(
        _agreement(value.get("agreement")),
        tuple(map(_item, _field(value, "history", list))),
        ItemId(_field(value, "last_item", int)),
        TurnId(_field(value, "turn", int)),
        ReplyId(_field(value, "last_reply", int)),
        CallId(_field(value, "last_call", int)),
        _field(value, "has_reports", bool),
    )


def _field(value: Mapping[str, Any], name: str, kind: type[T]) -> T:
    found = value.get(name)
    if type(found) is not kind:
        raise SnapshotError(f"{name} of a snapshot is {found!r}; it must be {kind.__name__}")
    return found


def _agreement(value: object) -> Agreement:
    try:
        agreement: Agreement = from_plain(Agreement, value)
    except PlainError as error:
        raise SnapshotError(f"the agreement of a snapshot: {error}") from error
    return agreement


def _plain(item: Item) -> list[Any]:
    return [_KINDS[type(item)], *astuple(item)]


def _item(plain: object) -> Item:
    match plain:
        case ["user", int(number), int(turn), str(text)]:
            return UserItem(ItemId(number), TurnId(turn), text)
        case ["assistant", int(number), int(reply), str(said), str(heard), bool(is_interrupted)]:
            return AssistantItem(ItemId(number), ReplyId(reply), said, heard, is_interrupted)
        case ["call", int(number), str(call_id), str(name), str(arguments_json)]:
            return ToolCallItem(ItemId(number), call_id, name, arguments_json)
        case ["output", int(number), int(call), str(output)]:
            return ToolOutputItem(ItemId(number), ItemId(call), output)
    raise SnapshotError(f"{plain!r} is no item of a snapshot's history")
