"""What the model is asked: the conversation so far, for one reply, and less of it when that was too long."""

from collections.abc import Sequence

from voice_gateway.domain.chat import Role
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.items import Item
from voice_gateway.turn.effects import AskAgain, Orders, StartReply
from voice_gateway.turn.history import History
from voice_gateway.turn.projection import messages, prompt_size
from voice_gateway.turn.reply import ReplyInFlight

TOO_LONG = "the language model takes no question of this length"


class Questions:
    """Asks the model of one session."""

    def __init__(self, system_prompt: str, history: History, prompt_tokens: int, orders: Orders) -> None:
        self.system_prompt = system_prompt
        self.prompt_tokens = prompt_tokens
        """What a request may have, the reply not counted; less once the model has refused one for its length."""
        self.history = history
        self._orders = orders
        self._asked: StartReply | AskAgain | None = None
        """The last question, and what it was made of."""
        self._items: Sequence[Item] = ()

    def ask(self, reply: ReplyInFlight) -> None:
        """Ask for a reply to what the history has."""
        self._ask(reply, reply.turn, self.history.items)

    def ask_early(self, reply: ReplyInFlight, turn: TurnId) -> None:
        """Ask for a reply to what the user is thought to have said in this turn."""
        self._ask(reply, turn, self.history.items_with(turn, reply.user_text))

    def ask_again(self, reply: ReplyInFlight) -> bool:
        """Ask with half of the conversation, as was refused for its length; not if there is nothing to leave out.

        The rest of the session gets no more than that.
        """
        refused = self._asked
        if refused is None or refused.reply != reply.id or reply.pieces:
            return False
        beside = prompt_size([told for told in refused.messages if told.role is Role.SYSTEM], refused.tools)
        half = beside + (prompt_size(refused.messages, refused.tools) - beside) // 2
        told = messages(self.system_prompt, self._items, refused.tools, half)
        if told == refused.messages:
            return False
        self.prompt_tokens = half
        self._asked = AskAgain(reply.id, told, refused.tools)
        self._orders.add(self._asked)
        return True

    def _ask(self, reply: ReplyInFlight, turn: TurnId | None, items: Sequence[Item]) -> None:
        told = messages(self.system_prompt, items, reply.tools, self.prompt_tokens)
        self._asked, self._items = StartReply(reply.id, turn, told, reply.tools), items
        self._orders.add(self._asked)
