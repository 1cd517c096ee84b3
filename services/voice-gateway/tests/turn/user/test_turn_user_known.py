"""What the user's side knows of the input: how far it reaches, and which words are to come again."""

import pytest
from gateway_kit.phone_call import PER_MS, RATE_HZ, at, parse
from voice_gateway.domain.events import Transcript
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Emit, FinishRecognition, Orders
from voice_gateway.turn.tables import FLOOR, Floor, Machine
from voice_gateway.turn.user.listening import Replay
from voice_gateway.turn.user.turn_so_far import Decision
from voice_gateway.turn.user.user import User


def user_who_showed(*texts: str, policy: TurnPolicy | None = None) -> tuple[User, Orders]:
    """A user each of whose streams has shown a text, from 300 ms on, 100 ms after the other."""
    orders = Orders()
    user = User(policy or TurnPolicy(), Machine(FLOOR, Floor.NOBODY), RATE_HZ, orders)
    user.recognition.open(at(0))
    for number, text in enumerate(texts, start=1):
        show(user, text, number, 200 + 100 * number)
    return user, orders


def show(user: User, text: str, stream: int, ms: int) -> None:
    """Words that end here may still change."""
    fact = parse(f'interim "{text}" on {stream} ending at {ms} ms', ms)
    assert isinstance(fact, inputs.TranscriptRevised)
    user.revised(fact, text, at(ms))


@pytest.mark.parametrize("ends", [True, False])
def test_a_final_is_forced_of_all_sound_that_is_known(*, ends: bool) -> None:
    """Words that were not shown yet lie in a sound behind those that were: the final covers it, too."""
    user, orders = user_who_showed("book")
    user.sound_began(200 * PER_MS if ends else 500 * PER_MS, is_asked=False)
    if ends:
        user.sound_ended(500 * PER_MS, at(660))
    orders.drain()
    user.decide_overdue_end(at(60_300))
    assert FinishRecognition(StreamId(1), 500 * PER_MS) in orders.drain()


def test_a_final_reaches_as_far_as_its_words() -> None:
    """Whether a turn may have been spoken over a reply is told by the farthest position of its words."""
    user, _ = user_who_showed("book")
    for ms in (500, 400):
        fact = parse(f'final "Book." ending at {ms} ms', ms)
        assert isinstance(fact, inputs.SegmentFinal)
        user.confirmed(fact, "Book.", at(ms), at(ms))
    assert user.so_far.end_samples == 500 * PER_MS


def test_another_policy_holds_from_then_on() -> None:
    """A shorter longest turn counts for words that come after the change."""
    user, _ = user_who_showed()
    user.reconfigure(TurnPolicy(max_turn_ms=1_000))
    show(user, "book", 1, 300)
    assert user.so_far.longest_by == at(1_300)


def test_what_is_heard_again_is_taken_back_from_the_client() -> None:
    """Words of newer streams go until they are told again, and the turn is shown without them."""
    user, orders = user_who_showed("book", "a table")
    orders.drain()
    user.hear_again(Replay(StreamId(1), StreamId(3), 0))
    assert orders.drain() == (Emit(Transcript(user.turn, "book", is_final=False)),)


def test_a_turn_that_is_too_long_behind_an_ordered_end_names_its_limit() -> None:
    """What was said behind a commit whose final is awaited is ended by its own limit, not by that commit."""
    user, _ = user_who_showed("book")
    user.decide_end(Decision(at(400), is_ordered=True), 400 * PER_MS, at(400))
    show(user, "please", 2, 500)
    user.decide_overdue_end(at(60_500))
    assert user.so_far.end == Decision(at(60_500), "max_turn_ms", is_ordered=True)


@pytest.mark.parametrize(("ends_ms", "is_ordered"), [(900, True), (1_000, True), (1_001, False), (1_500, False)])
def test_an_order_ends_words_that_were_said_before_it(ends_ms: int, *, is_ordered: bool) -> None:
    """Silence ends those that were said after it, and speech that goes on withdraws that."""
    user, _ = user_who_showed()
    user.decide_end(Decision(at(1_000), is_ordered=True), 1_000 * PER_MS, at(1_000))
    user.recognition.end_grace(at(2_000))
    show(user, "book", 2, ends_ms)
    user.decide_overdue_end(at(ends_ms + 900))
    end = Decision(at(1_000), is_ordered=True) if is_ordered else Decision(at(ends_ms + 900), "vad_end_ms")
    assert user.so_far.end == end


def test_a_turn_without_an_end_is_not_ending() -> None:
    """A user who went on after a final was forced is still speaking, though that final is awaited."""
    user, _ = user_who_showed("book")
    user.decide_end(Decision(at(400), "vad_end_ms"), 400 * PER_MS, at(400))
    show(user, "a table", 2, 500)
    assert (user.so_far.end, user.recognition.has_grace, user.is_ending) == (None, True, False)


def test_a_stream_that_had_shown_nothing_ends_no_utterance() -> None:
    """Words that another stream is about to tell are still being said."""
    user, _ = user_who_showed()
    fact = parse('final "Book." ending at 300 ms', 300)
    assert isinstance(fact, inputs.SegmentFinal)
    user.confirmed(fact, "Book.", at(300), at(300))
    user.utterance.words_came(400 * PER_MS)
    user.let_interims_stand((StreamId(1),))
    assert user.utterance.is_speaking
