"""One reply at a time."""

import pytest
from gateway_kit.phone_call import at, new_core, parse
from voice_gateway.domain.events import ReplyKind
from voice_gateway.turn.tables import Forbidden


def test_no_reply_begins_beside_another() -> None:
    """A fault of the core that would leave a reply without an end is told at once."""
    core = new_core()
    core.handle(parse("session starts", 0), at(0))
    core.handle(parse('types "Count."', 100), at(100))
    with pytest.raises(Forbidden, match="reply 2 while reply 1 is waiting"):
        core._agent.say(ReplyKind.REPROMPT, "Are you there?", None, at(200))
