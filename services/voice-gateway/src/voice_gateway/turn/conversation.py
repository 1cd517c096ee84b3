"""What a session holds: a pure machine that is told facts and gives orders. The core is the first of its kind."""

from collections.abc import Callable
from typing import Any, Protocol

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.instant import Instant
from voice_gateway.turn.effects import Effect
from voice_gateway.turn.inputs import Input


class Conversation(Protocol):
    """One conversation. It waits for SessionStarted, and is over once it has ordered Close or Fail.

    It has no clock, and nothing else decides what it orders: the same calls give the same orders, so that a journal of
    the calls can be replayed.
    """

    def handle(self, fact: Input, now: Instant) -> tuple[Effect, ...]:
        """Take a fact; the effects are to be performed in order (`effects.py` has the contract)."""

    def deadline(self) -> Instant | None:
        """When `on_deadline` is to be called if no fact comes first; None: never."""

    def on_deadline(self, now: Instant) -> tuple[Effect, ...]:
        """Do what has become due."""

    def snapshot(self, now: Instant) -> dict[str, Any]:
        """What another process needs to go on with the conversation, as JSON has it; changes nothing."""


MakeConversation = Callable[[Agreement], Conversation]
"""Begins a conversation by this agreement."""
