"""What a conversation is made of: the items that the history keeps, and that stores and doors are told of."""

from dataclasses import dataclass

from voice_gateway.domain.ids import ItemId, ReplyId, TurnId


@dataclass(frozen=True, slots=True)
class UserItem:
    """What the user said in one turn, or typed, or pressed."""

    id: ItemId
    turn: TurnId
    text: str


@dataclass(frozen=True, slots=True)
class AssistantItem:
    """A reply of which something was heard."""

    id: ItemId
    reply: ReplyId
    said: str
    """All that the client was told of it."""
    heard: str
    """What the user heard of it: whole words, never empty."""
    is_interrupted: bool


@dataclass(frozen=True, slots=True)
class ToolCallItem:
    """What the model asked a tool for. The calls of one round stand together, and their outputs follow at once."""

    id: ItemId
    call_id: str
    """The model's own name for the call. Where its server gives none, calls are counted anew in each reply."""
    name: str
    arguments_json: str
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class ToolOutputItem:
    """The outcome of a tool call."""

    id: ItemId
    call: ItemId
    """The ToolCallItem that this answers."""
    output: str


Item = UserItem | AssistantItem | ToolCallItem | ToolOutputItem
