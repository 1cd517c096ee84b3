"""The core as a session sees it."""

from gateway_kit.phone_call import AGREEMENT, at
from voice_gateway.turn import inputs
from voice_gateway.turn.conversation import Conversation, MakeConversation
from voice_gateway.turn.core import Core
from voice_gateway.turn.effects import OpenRecognition


def test_the_core_is_a_conversation() -> None:
    """A session needs an agreement and no more to begin one; mypy compares the signatures."""
    converse: MakeConversation = Core
    conversation: Conversation = converse(AGREEMENT)
    assert conversation.deadline() is None
    (opened,) = conversation.handle(inputs.SessionStarted(), at(0))
    assert isinstance(opened, OpenRecognition)
