"""What a reply is for: known when it begins, and the same until it is over."""

from dataclasses import dataclass

from voice_gateway.domain.chat import Tool
from voice_gateway.domain.events import ReplyKind
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.reply_options import Modality, ReplyOptions


@dataclass(frozen=True, slots=True)
class Brief:
    """What a reply is for."""

    id: ReplyId
    turn: TurnId | None
    """None: no turn asked for it."""
    kind: ReplyKind
    apology: str
    """Said when the model fails; empty: nothing is said."""
    tools: tuple[Tool, ...]
    """What the model is offered."""
    rounds: int
    """How many rounds of tools came before it in its turn."""
    options: ReplyOptions
    """What its client wants of it."""
    modality: Modality

    @property
    def is_text(self) -> bool:
        """Whether nothing of it is spoken."""
        return self.modality is Modality.TEXT
