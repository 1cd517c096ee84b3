"""What of a conversation outlives the process that holds it: a plain value, JSON has all its types."""

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any, TypeVar

from voice_gateway.domain.chat import Tool, ToolPlace
from voice_gateway.domain.errors import ClientError
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, TurnId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.settings_change import SettingsChange

VERSION = 4
PERSONA = ("system_prompt", "apology", "reprompt", "goodbye", "filler", "unheard")
"""Fields of a persona, in their order."""
_KINDS = {UserItem: "user", AssistantItem: "assistant", ToolCallItem: "call", ToolOutputItem: "output"}
T = TypeVar("T")


class SnapshotError(Exception):
    """The value is no snapshot, or one of another version."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the next core has to know; no instant and no stream, since both begin anew with it."""

    persona: Persona
    language_code: str
    """What is heard is in."""
    input_rate_hz: int
    output_rate_hz: int
    can_pause: bool
    history: tuple[Item, ...]
    """What was said and heard."""
    last_item: ItemId
    turn: TurnId
    """Of the turn being spoken, or the next one."""
    last_reply: ReplyId
    last_call: CallId
    has_reports: bool
    """Whether the client reports playback."""
    change: SettingsChange | None
    """All that the client has changed, applied or not; the next core applies it when it starts."""
    prompt_tokens: int
    """What a request to the model may have, as the model taught."""

    def plain(self) -> dict[str, Any]:
        """The value that `parse` reads."""
        return {
            "version": VERSION,
            "system_prompt": self.persona.system_prompt,
            "apology": self.persona.apology,
            "reprompt": self.persona.reprompt,
            "goodbye": self.persona.goodbye,
            "filler": self.persona.filler,
            "unheard": self.persona.unheard,
            "language_code": self.language_code,
            "input_rate_hz": self.input_rate_hz,
            "output_rate_hz": self.output_rate_hz,
            "can_pause": self.can_pause,
            "history": [_plain(item) for item in self.history],
            "last_item": self.last_item,
            "turn": self.turn,
            "last_reply": self.last_reply,
            "last_call": self.last_call,
            "has_reports": self.has_reports,
            "change": None if self.change is None else _plain_change(self.change),
            "prompt_tokens": self.prompt_tokens,
        }


def parse(value: Mapping[str, Any]) -> Snapshot:
    """The snapshot that `plain` made a value of.

    Raises:
        SnapshotError: something is missing or of the wrong type, or the version is another.
    """
    if (version := value.get("version")) != VERSION:
        raise SnapshotError(f"a snapshot of version {version!r}; this is version {VERSION}")
    return Snapshot(
        Persona(*(_field(value, name, str) for name in PERSONA)),
        _field(value, "language_code", str),
        _field(value, "input_rate_hz", int),
        _field(value, "output_rate_hz", int),
        _field(value, "can_pause", bool),
        tuple(map(_item, _field(value, "history", list))),
        ItemId(_field(value, "last_item", int)),
        TurnId(_field(value, "turn", int)),
        ReplyId(_field(value, "last_reply", int)),
        CallId(_field(value, "last_call", int)),
        _field(value, "has_reports", bool),
        None if value.get("change") is None else _change(_field(value, "change", dict)),
        _field(value, "prompt_tokens", int),
    )


def _field(value: Mapping[str, Any], name: str, kind: type[T]) -> T:
    found = value.get(name)
    if type(found) is not kind:
        raise SnapshotError(f"{name} of a snapshot is {found!r}; it must be {kind.__name__}")
    return found


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


def _plain_change(change: SettingsChange) -> dict[str, Any]:
    tools = change.tools
    listed = None if tools is None else [[tool.name, tool.description, tool.parameters_json] for tool in tools]
    return {**asdict(change), "tools": listed}


def _change(value: Mapping[str, Any]) -> SettingsChange:
    language_code, voice, prompt = (
        None if value.get(name) is None else _field(value, name, str)
        for name in ("language_code", "voice", "system_prompt")
    )
    policy = None if value.get("policy") is None else _policy(_field(value, "policy", dict))
    tools = None if value.get("tools") is None else tuple(_tool(item) for item in _field(value, "tools", list))
    return SettingsChange(language_code, voice, prompt, policy, tools)


def _tool(item: object) -> Tool:
    match item:
        case [str(name), str(description), str(parameters_json)]:
            return Tool(name, description, parameters_json, ToolPlace.CLIENT)
    raise SnapshotError(f"{item!r} is no tool of a snapshot")


def _policy(value: Mapping[str, Any]) -> TurnPolicy:
    try:
        return TurnPolicy(**value)
    except (ClientError, TypeError) as error:
        raise SnapshotError(f"the policy of a snapshot: {error}") from error
