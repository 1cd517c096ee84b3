"""Replies without a core, as the session of the scripts would make them."""

from dataclasses import replace
from typing import Any

from gateway_kit.phone_call import AGREEMENT, PERSONA
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.reply.factory import ReplyFactory
from voice_gateway.turn.reply.questions import Questions
from voice_gateway.turn.reply.reply import Shared
from voice_gateway.turn.tables import FLOOR, Floor, Machine


def factory(policy: TurnPolicy | None = None, **agreed: Any) -> ReplyFactory:
    """Makes replies; `agreed` are fields of the agreement that are otherwise."""
    orders = Orders()
    shared = Shared(orders, Machine(FLOOR, Floor.NOBODY), Questions(PERSONA.system_prompt, 1_000, orders))
    return ReplyFactory(replace(AGREEMENT, policy=policy or TurnPolicy(), **agreed), shared)
