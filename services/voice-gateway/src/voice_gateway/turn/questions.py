"""What the model is asked: the conversation so far, for one reply."""

from voice_gateway.domain.chat import ChatMessage
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.items import Item
from voice_gateway.turn.effects import StartReply
from voice_gateway.turn.history import History
from voice_gateway.turn.projection import messages
from voice_gateway.turn.reply import ReplyInFlight


class Questions:
    """Asks the model of one session."""

    def __init__(self, system_prompt: str, history: History, prompt_tokens: int) -> None:
        self.system_prompt = system_prompt
        self.prompt_tokens = prompt_tokens
        """What a request may have, the reply not counted."""
        self._history = history

    def ask(self, reply: ReplyInFlight) -> StartReply:
        """Ask for a reply to what the history has."""
        return StartReply(reply.id, reply.turn, self._messages(reply, self._history.items), reply.tools)

    def ask_early(self, reply: ReplyInFlight, turn: TurnId) -> StartReply:
        """Ask for a reply to what the user is thought to have said in this turn."""
        items = self._history.items_with(turn, reply.user_text)
        return StartReply(reply.id, turn, self._messages(reply, items), reply.tools)

    def _messages(self, reply: ReplyInFlight, items: tuple[Item, ...]) -> tuple[ChatMessage, ...]:
        return messages(self.system_prompt, items, reply.tools, self.prompt_tokens)
