"""What the model is asked: the conversation so far, for one reply, and less of it when that was too long."""

from collections.abc import Sequence
from dataclasses import dataclass

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.chat import Role
from voice_gateway.domain.items import Item
from voice_gateway.turn.effects import AskAgain, Orders, StartReply
from voice_gateway.turn.projection import messages, prompt_size
from voice_gateway.turn.reply.brief import Brief

TOO_LONG = "the language model takes no question of this length"


@dataclass(frozen=True, slots=True)
class Question:
    """What the model was asked last for a reply, and the conversation from which that was made."""

    items: Sequence[Item]
    asked: StartReply | AskAgain
    system_prompt: str
    is_usual: bool
    """Whether the system prompt is that of the session."""


class Questions:
    """Asks the model of one session."""

    def __init__(self, system_prompt: str, prompt_tokens: int, orders: Orders) -> None:
        self.system_prompt = system_prompt
        self.prompt_tokens = prompt_tokens
        """Most tokens of a request, without the reply; fewer once the model has refused one for its length."""
        self._orders = orders

    def reconfigure(self, agreement: Agreement) -> None:
        """Ask with the system prompt of this from the next question on."""
        self.system_prompt = agreement.persona.system_prompt

    def ask(self, brief: Brief, items: Sequence[Item]) -> Question:
        """Ask for the next message of this conversation; instructions replace the system prompt, this once."""
        own = brief.options.instructions
        system_prompt = self.system_prompt if own is None else own
        told = messages(system_prompt, items, brief.tools, self.prompt_tokens)
        asked = StartReply(brief.id, brief.turn, told, brief.tools)
        self._orders.add(asked)
        return Question(items, asked, system_prompt, is_usual=own is None)

    def ask_again(self, refused: Question) -> Question | None:
        """Ask with half of the conversation that was refused for its length; None if there is nothing to leave out.

        The rest of the session gets no more than that, unless the request had instructions of its own.
        """
        asked = refused.asked
        beside = prompt_size([told for told in asked.messages if told.role is Role.SYSTEM], asked.tools)
        size = prompt_size(asked.messages, asked.tools)
        half = beside + (size - beside) // 2
        told = messages(refused.system_prompt, refused.items, asked.tools, half)
        if prompt_size(told, asked.tools) >= size:
            return None
        if refused.is_usual:
            self.prompt_tokens = half
        again = AskAgain(asked.reply, told, asked.tools)
        self._orders.add(again)
        return Question(refused.items, again, refused.system_prompt, is_usual=refused.is_usual)
