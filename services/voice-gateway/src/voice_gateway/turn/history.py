"""The conversation as the language model reads it: what the user said, and what the user heard."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from voice_gateway.domain.chat import ChatMessage, Role, ToolCall

LONGEST_CHARS = 24_000
"""Text kept for the language model, about 6,000 tokens: fits the 8 k context of the smallest models NIM serves."""
MESSAGE_CHARS = 16
"""What a message costs besides its text, about four tokens of a chat template; it bounds their number, too."""
LONGEST_OUTPUT_CHARS = LONGEST_CHARS // 3
"""Of one tool: what is longer is cut, so that it does not push out the question that it was asked for."""
CUT_MARK = "... (cut here, it was too long)"
FORGOTTEN = "(forgotten, it was too long)"
KEPT_CHARS = 1_000
"""The end of a message that has to be cut: the last few sentences, which the next ones may be about."""


@dataclass(slots=True)
class History:
    """Messages in turn; neighbours of the same role are one message, as strict chat templates demand.

    Behind a message with tool calls stands the outcome of each, as the OpenAI protocol demands.
    """

    system_prompt: str
    _messages: list[ChatMessage] = field(default_factory=list, init=False)
    version: int = field(default=0, init=False)
    """Grows with every change."""

    def said(self, text: str) -> None:
        """The user said `text`."""
        self._add(Role.USER, text)

    def heard(self, text: str) -> None:
        """The user heard `text` of a reply; nothing heard is nothing said."""
        if text:
            self._add(Role.ASSISTANT, text)

    def unsaid(self, text: str) -> None:
        """The user's last `said` is part of a longer turn that is still being said."""
        self.version += 1
        last = self._messages.pop()
        if before := last.text.removesuffix(text).removesuffix("\n"):
            self._messages.append(ChatMessage(Role.USER, before))

    def messages_with(self, text: str) -> tuple[ChatMessage, ...]:
        """What `messages` would be, had the user said `text`."""
        copy = History(self.system_prompt)
        copy.resume(self._messages)
        copy.said(text)
        return copy.messages()

    def called(self, outcomes: Iterable[tuple[ToolCall, str]]) -> None:
        """Tools were called, and this is what came of each; belongs to what was heard last, if that came last."""
        said = ""
        if self._messages and self._messages[-1].role is Role.ASSISTANT:
            said = self._messages.pop().text
        self.version += 1
        calls, outputs = zip(*outcomes, strict=True)
        self._messages.append(ChatMessage(Role.ASSISTANT, said, calls))
        self._messages += [
            ChatMessage(Role.TOOL, _cut(output), call_id=call.id) for call, output in zip(calls, outputs, strict=True)
        ]
        self._shorten()

    def messages(self) -> tuple[ChatMessage, ...]:
        """The system prompt, if any, then the conversation, with what was heard before the user's first words.

        Templates that demand that the user begins are the backend's affair.
        """
        system = (ChatMessage(Role.SYSTEM, self.system_prompt),) if self.system_prompt else ()
        return (*system, *self._messages)

    def conversation(self) -> tuple[ChatMessage, ...]:
        """The same without the system prompt."""
        return tuple(self._messages)

    def resume(self, conversation: Iterable[ChatMessage]) -> None:
        """Go on from an earlier conversation."""
        self._messages = list(conversation)

    def _add(self, role: Role, text: str) -> None:
        self.version += 1
        if self._messages and self._messages[-1].role is role:
            before = self._messages.pop().text
            room = max(0, LONGEST_CHARS - MESSAGE_CHARS - len(text))
            kept = before if len(before) < room else _last_lines(before, room)
            text = f"{kept}\n{text}" if kept else text
        self._messages.append(ChatMessage(role, text))
        self._shorten()

    def _shorten(self) -> None:
        """Forget the oldest turns, each whole: the same templates demand that the user begins; then old outputs; then
        the beginnings of what is left, oldest first: all that was said before any answer was heard is one message.
        """
        lengths = [*map(_length, self._messages)]
        excess, first = sum(lengths) - LONGEST_CHARS, 0
        for index, message in enumerate(self._messages):
            if excess <= 0:
                break
            if message.role is Role.USER and index:
                excess, first = excess - sum(lengths[first:index]), index
        del self._messages[:first]
        for shorter in (_forgotten, _end_of):
            for index, message in enumerate(self._messages):
                if excess > 0:
                    self._messages[index] = shorter(message, excess)
                    excess -= len(message.text) - len(self._messages[index].text)


def _forgotten(message: ChatMessage, _: int) -> ChatMessage:
    """An output that is no longer there; any other message as it is."""
    return replace(message, text=FORGOTTEN) if message.role is Role.TOOL else message


def _end_of(message: ChatMessage, excess_chars: int) -> ChatMessage:
    """The message without so much of its beginning, as far as its end is kept."""
    return replace(message, text=message.text[-max(KEPT_CHARS, len(message.text) - excess_chars) :])


def _last_lines(text: str, room_chars: int) -> str:
    """The last lines that fit, with the line breaks between them."""
    return text[len(text) - room_chars :].partition("\n")[2] if room_chars else ""


def _length(message: ChatMessage) -> int:
    return MESSAGE_CHARS + len(message.text) + sum(len(call.name) + len(call.arguments_json) for call in message.calls)


def _cut(output: str) -> str:
    if len(output) <= LONGEST_OUTPUT_CHARS:
        return output
    return output[: LONGEST_OUTPUT_CHARS - len(CUT_MARK)] + CUT_MARK
