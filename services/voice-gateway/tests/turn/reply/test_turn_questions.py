"""A question that the model refuses for its length, and what is asked then."""

import json

import pytest
from gateway_kit.phone_call import PERSONA, TOOLBOX, at, new_core, question
from voice_gateway.domain import events
from voice_gateway.domain.chat import PROMPT_TOKENS, ChatMessage, Role
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.turn import effects, inputs, snapshot
from voice_gateway.turn.core import Core
from voice_gateway.turn.projection import prompt_size

BESIDE = 79
"""Tokens of "Be brief." (11) and of the two tools (37 and 31)."""


def asked(text: str, count: int) -> tuple[Core, effects.StartReply]:
    """A core whose model is asked for the reply of this number, to as many turns of which none was answered."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    for number in range(1, count):
        core.handle(inputs.TextTyped(text), at(number))
    return core, question(core.handle(inputs.TextTyped(text), at(count)))


def refusals(core: Core, reply: ReplyId) -> list[effects.AskAgain]:
    """The questions that follow while the model refuses each, up to the apology."""
    again: list[effects.AskAgain] = []
    while True:
        batch = core.handle(inputs.ReplyTooLong(reply), at(1_000))
        if not isinstance(batch[0], effects.AskAgain):
            break
        again += [effect for effect in batch if isinstance(effect, effects.AskAgain)]
    assert isinstance(batch[0], effects.Emit)
    assert isinstance(batch[0].event, events.Notice)
    assert batch[0].event.reason is Reason.LLM_FAILED
    assert batch[1] == effects.Synthesize(reply, batch[1].sentence, PERSONA.apology)  # type: ignore[union-attr]  # of it
    return again


def test_each_refusal_halves_the_conversation() -> None:
    """Turns of 108 tokens, 70 of them in the first question. As one message they are 7,026, of which half has room for
    32 turns, and so on to no less than 64, in the same turn and without a word to the client. Then there is nothing to
    leave out.
    """
    core, first = asked("x" * 400, 80)
    assert prompt_size(first.messages, first.tools) == BESIDE + 8 + 7_018  # as one message: 70 * 401 letters, less one
    again = refusals(core, first.reply)
    assert [len(each.messages[-1].text.split("\n")) for each in again] == [32, 14, 6, 2, 1, 1]
    assert prompt_size(again[-1].messages, again[-1].tools) == BESIDE + 64
    assert {each.reply for each in again} == {first.reply}
    assert all(each.tools == first.tools for each in again)


def test_a_turn_that_is_too_long_alone_keeps_its_end() -> None:
    """Whoever types a book is answered to its last page: there are no other turns to leave out."""
    core, first = asked("x" * 15_999 + "?", 1)
    again = refusals(core, first.reply)
    # 4,008 tokens, then 2,004, 1,002, 501, 250, 125 and 64, of which the message itself takes 8
    assert [len(each.messages[-1].text) for each in again] == [7_984, 3_976, 1_972, 968, 468, 224]
    assert all(each.messages[-1].text.endswith("x?") for each in again)


def test_what_was_learnt_stays_for_the_session() -> None:
    """The next turn asks with no more than was taken, and so does the next process."""
    core, first = asked("x" * 400, 40)
    (again,) = core.handle(inputs.ReplyTooLong(first.reply), at(1_000))
    assert isinstance(again, effects.AskAgain)
    later = question(core.handle(inputs.TextTyped("And?"), at(2_000)))
    assert prompt_size(later.messages, later.tools) <= BESIDE + prompt_size(first.messages, ()) // 2
    value = json.loads(json.dumps(core.snapshot(at(3_000))))
    assert value["agreement"]["prompt_tokens"] < PROMPT_TOKENS // 2
    restored = Core.restore(snapshot.parse(value))
    assert restored.snapshot(at(4_000)) == value


def test_a_refusal_without_a_shorter_question_teaches_nothing() -> None:
    """A model that refuses one word is not short of room: later turns are asked with all that they have."""
    core, first = asked("Hello.", 1)
    assert refusals(core, first.reply) == []
    assert core.snapshot(at(2_000))["agreement"]["prompt_tokens"] == PROMPT_TOKENS


@pytest.mark.parametrize("fact", [inputs.ReplyDelta(ReplyId(1), "Well. "), inputs.ReplyDelta(ReplyId(1), " ")])
def test_what_has_begun_is_not_asked_again(fact: inputs.ReplyDelta) -> None:
    """A refusal after the first piece, which no server makes, is a failure: the words would come twice."""
    core, first = asked("x" * 8_000, 1)
    core.handle(fact, at(100))
    batch = core.handle(inputs.ReplyTooLong(first.reply), at(200))
    assert not any(isinstance(effect, effects.AskAgain) for effect in batch)
    assert any(isinstance(effect, effects.Emit) and isinstance(effect.event, events.Notice) for effect in batch)


def test_who_could_leave_out_next_to_nothing_does_not_ask_again() -> None:
    """A digit, a line end and 221 letters are 56 tokens, and so are the letters alone: that would be refused again."""
    core, _ = asked("1", 1)
    first = question(core.handle(inputs.TextTyped("x" * 221), at(2)))
    assert prompt_size(first.messages, first.tools) == BESIDE + 8 + 56
    assert refusals(core, first.reply) == []


def test_instructions_of_one_reply_teach_nothing_of_the_session() -> None:
    """A request with instructions of its own may be too long because of them: it is asked again with the same ones,
    twice, and the next turn has all the room that it had.
    """
    core, _ = asked("x" * 400, 40)
    core.handle(inputs.ClientInterrupted(), at(100))
    own = "Be kind. "
    reply = question(core.handle(inputs.ReplyRequested(ReplyOptions(instructions=own)), at(200))).reply
    for time_ms in (300, 400):
        (again,) = core.handle(inputs.ReplyTooLong(reply), at(time_ms))
        assert isinstance(again, effects.AskAgain)
        assert again.messages[0] == ChatMessage(Role.SYSTEM, own)
        assert again.tools == TOOLBOX.tools
    assert core.snapshot(at(500))["agreement"]["prompt_tokens"] == PROMPT_TOKENS
