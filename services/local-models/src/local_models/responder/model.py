"""The responder: a deterministic chat model made of skills, facts and tool calls, honest about being one."""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from local_models.engines.recognition import EngineDescription
from local_models.openai_http.chat import (
    ChatRequest,
    Finished,
    FinishReason,
    Message,
    Piece,
    Role,
    TextDelta,
    ToolCall,
    ToolMode,
    call_to_text,
)
from local_models.openai_http.limits import StopCutter, split_tokens
from local_models.responder.facts import FACTS_DIR, FactIndex, read_facts
from local_models.responder.skills import MANNERS, NOT_HEARD, SKILLS, TOO_LONG, UNKNOWN, Ask, Skill
from local_models.responder.tools import Missing, choose_call, speak_result

MODEL_ID = "local-responder"
MAX_TEXT_CHARACTERS = 4_000
"""More than anybody says in a turn. The skills search the text on the event loop, and some take the square of its
length: 20 ms for this much, minutes for a megabyte (measured 2026-11-21)."""
_LEANS_ON_CONTEXT = re.compile(r"\b(?:it|its|he|him|his|she|her|they|them|their)\b")


def _local_now() -> datetime:
    return datetime.now(UTC).astimezone()


class Responder:
    """Answer from a table of skills, then from the facts, then admit that it does not know."""

    def __init__(self, facts_dir: Path = FACTS_DIR, *, now: Callable[[], datetime] = _local_now) -> None:
        self._facts_dir = facts_dir
        self._index = FactIndex(read_facts(facts_dir))
        self._now = now

    @property
    def model_id(self) -> str:
        return MODEL_ID

    async def warm_up(self) -> None:
        """Ask once, so that the libraries' lazy parts are loaded."""
        self.answer(ChatRequest(MODEL_ID, (Message(Role.USER, "What is one plus one?"),)))
        self._index.find("Who wrote the book?")

    async def close(self) -> None:
        """Hold nothing, give nothing back."""

    def describe(self) -> tuple[EngineDescription, ...]:
        source = f"{len(self._index)} facts in {self._facts_dir.name}/, not a language model"
        return (EngineDescription("LLM", "en-US", "responder", MODEL_ID, source),)

    async def reply(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        """Give the answer word by word; a word counts as one token."""
        prompt_tokens = sum(len(message.text.split()) for message in request.messages)
        answer = self.answer(request)
        if isinstance(answer, ToolCall):
            yield answer
            yield Finished(FinishReason.TOOL_CALLS, prompt_tokens, len(call_to_text(answer).split()))
            return
        cutter = StopCutter(request.stop)
        reason, used = FinishReason.STOP, 0
        for token in split_tokens(answer):
            if used == request.max_tokens:
                reason = FinishReason.LENGTH
                break
            used += 1
            if text := cutter.feed(token):
                yield TextDelta(text)
            if cutter.is_stopped:
                break
        if rest := cutter.flush():
            yield TextDelta(rest)
        yield Finished(reason, prompt_tokens, used)

    def answer(self, request: ChatRequest) -> str | ToolCall:
        """Decide the whole reply at once; a pure function of the request and the clock."""
        last = request.messages[-1]
        if last.role is Role.TOOL:
            return speak_result(last.text)
        text = last.text if last.role is Role.USER else ""
        if not text.strip() and request.tool_mode is not ToolMode.REQUIRED:
            return NOT_HEARD
        if len(text) > MAX_TEXT_CHARACTERS:
            return TOO_LONG
        call = choose_call(request, text)
        if isinstance(call, Missing):
            return f"Which {call.parameter} do you mean?"
        return call or self._say(self._ask(request.messages, text))

    def _ask(self, messages: Sequence[Message], text: str) -> Ask:
        earlier = [(each.role, each.text[:MAX_TEXT_CHARACTERS]) for each in messages[:-1]]
        return Ask(
            text=text,
            now=self._now(),
            earlier_user=tuple(said for role, said in earlier if role is Role.USER),
            earlier_replies=tuple(said for role, said in earlier if role is Role.ASSISTANT and said),
        )

    def _say(self, ask: Ask) -> str:
        return _first(SKILLS, ask) or self._fact(ask) or _first(MANNERS, ask) or UNKNOWN

    def _fact(self, ask: Ask) -> str | None:
        fact = None
        if ask.earlier_user and _LEANS_ON_CONTEXT.search(ask.words):
            fact = self._index.find(ask.text, " ".join((*ask.earlier_user[-1:], *ask.earlier_replies[-1:])))
        fact = fact or self._index.find(ask.text)
        return fact.answer if fact else None


def _first(skills: Sequence[Skill], ask: Ask) -> str | None:
    return next((said for skill in skills if (said := skill(ask))), None)
