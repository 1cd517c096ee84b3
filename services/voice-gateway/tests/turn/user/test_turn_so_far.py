"""What is kept of a turn that is still being said."""

import pytest
from gateway_kit.phone_call import at
from voice_gateway.domain.events import SpeculationTrigger
from voice_gateway.domain.ids import StreamId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.transcript import Word
from voice_gateway.turn.user.listening import Replay
from voice_gateway.turn.user.turn_so_far import CommittedTurn, Decision, TurnSoFar

BOOK, PLEASE = Word("Book", 100, 300, 1.0), Word("please", 900, 1_100, 1.0)


def committed(spoke: int) -> CommittedTurn:
    """A turn of one word that was last spoken at this instant."""
    end = Decision(Instant(spoke + 50))
    now = Instant(spoke + 100)
    return CommittedTurn(TurnId(1), "Book.", Instant(spoke), end, end, now, is_live=True, words=(BOOK,))


def test_a_reopened_turn_keeps_its_words() -> None:
    """The final of the whole turn has the timed words of both of its parts, the first part first."""
    so_far = TurnSoFar()
    so_far.confirm(StreamId(2), "Please.", 1_100, (PLEASE,))
    so_far.reopen(committed(300))
    assert (so_far.text, so_far.words, so_far.first) == ("Book. Please.", (BOOK, PLEASE), 0)


def test_a_reopened_turn_was_spoken_when_its_last_part_was() -> None:
    """The silence that ends the whole turn is counted from the latest speech of both parts."""
    for spoke_before, spoke_since, latest in ((300, 0, 300), (300, 200, 300), (300, 1_100, 1_100)):
        so_far = TurnSoFar()
        so_far.spoke = Instant(spoke_since)
        so_far.reopen(committed(spoke_before))
        assert so_far.spoke == latest


def interim(so_far: TurnSoFar, stream: int, text: str, end_samples: int) -> None:
    """Words of a stream that may still change."""
    so_far.revise(StreamId(stream), text, end_samples)


def final(so_far: TurnSoFar, stream: int, text: str, end_samples: int) -> None:
    """Words of a stream for good, one of them timed, where they end."""
    so_far.confirm(StreamId(stream), text, end_samples, (Word(text, end_samples - 100, end_samples, 1.0),))


def waits(so_far: TurnSoFar) -> tuple[str, Instant | None, Instant | None]:
    """The text, until when it is held, and by when a silence ends it."""
    return so_far.text, so_far.hold_until, so_far.silent_by


def steadiness(so_far: TurnSoFar) -> tuple[bool, SpeculationTrigger | None]:
    """Whether the last result changed nothing, and why the end is suspected."""
    return so_far.is_steady, so_far.suspicion


def test_a_turn_that_nobody_has_said_is_empty() -> None:
    """Before any word there is no text, no timed word, no stream and nothing to wait for."""
    so_far = TurnSoFar()
    assert (so_far.text, so_far.words, so_far.last_samples, so_far.first) == ("", (), 0, 0)
    assert (so_far.is_confirmed, so_far.is_steady, so_far.end, so_far.deadline()) == (False, False, None, None)
    assert (so_far.spoke, so_far.transcribed, so_far.suspicion, so_far.end_samples) == (0, 0, None, 0)


def test_an_order_ends_a_turn_that_has_words_before_it() -> None:
    """Final or not, and at that position itself; what a reopened turn had said before is not asked."""
    so_far = TurnSoFar()
    so_far.end = order = Decision(Instant(5), is_ordered=True)
    so_far.reopen(committed(300))
    assert so_far.ordered_end(2_000) is None
    interim(so_far, 1, "a", 900)
    assert [so_far.ordered_end(samples) for samples in (899, 900)] == [None, order]
    final(so_far, 1, "a", 700)
    interim(so_far, 2, "b", 1_500)
    assert [so_far.ordered_end(samples) for samples in (699, 700)] == [None, order]
    for end in (None, Decision(Instant(5))):
        so_far.end = end
        assert so_far.ordered_end(700) is None


def test_words_are_told_in_the_order_in_which_they_were_said() -> None:
    """A final that comes late, of an older stream, stands before the words that were said after it, with its words."""
    so_far = TurnSoFar()
    final(so_far, 2, "please", 1_100)
    interim(so_far, 3, "today", 1_500)
    final(so_far, 1, "Book", 300)
    assert so_far.text == "Book please today"
    assert [word.text for word in so_far.words] == ["Book", "please"]
    assert (so_far.first, so_far.last_samples, so_far.is_confirmed) == (StreamId(1), 1_500, False)


def test_two_finals_that_end_together_keep_the_order_in_which_they_came() -> None:
    """The second of two segments with the same end is told behind the first."""
    so_far = TurnSoFar()
    final(so_far, 1, "one", 300)
    final(so_far, 2, "two", 300)
    assert so_far.text == "one two"


def test_the_same_words_again_are_steady() -> None:
    """Words that only got another mark did not change, and why their end is suspected stays; a new word ends that."""
    so_far = TurnSoFar()
    interim(so_far, 1, "book a table", 500)
    assert not so_far.is_steady
    so_far.suspicion = SpeculationTrigger.PAUSE
    interim(so_far, 1, "Book a table.", 520)
    assert steadiness(so_far) == (True, SpeculationTrigger.PAUSE)
    interim(so_far, 1, "Book a table now", 700)
    assert steadiness(so_far) == (False, None)


def test_words_of_two_streams_are_compared_in_their_order() -> None:
    """What an older stream shows late does not hide that its words are new, nor does a repeated one make them new."""
    so_far = TurnSoFar()
    interim(so_far, 2, "a table", 900)
    interim(so_far, 1, "book", 300)
    assert steadiness(so_far) == (False, None)
    interim(so_far, 2, "a table", 900)
    assert steadiness(so_far) == (True, None)
    interim(so_far, 2, "table a", 900)
    assert steadiness(so_far) == (False, None)
    interim(so_far, 3, "...", 1_000)
    assert steadiness(so_far) == (True, None)


def test_a_final_ends_the_wait_for_it() -> None:
    """Once all words are final no silence is waited for; while another stream has words that may change, it is."""
    so_far = TurnSoFar()
    interim(so_far, 1, "book", 300)
    interim(so_far, 2, "a table", 900)
    so_far.silent_by = Instant(5)
    final(so_far, 1, "Book", 300)
    assert (*waits(so_far), so_far.is_steady) == ("Book a table", None, 5, True)
    final(so_far, 2, "a table.", 900)
    assert (*waits(so_far), so_far.is_confirmed) == ("Book a table.", None, None, True)


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ("I want to.", "I want to"),
        ("I want to. ;:\u2026", "I want to"),
        ("And?", "And"),
        ("well,", "well,"),
        ("\u6211\u60f3\uff1f", "\u6211\u60f3"),
    ],
)
def test_a_held_turn_loses_the_mark_at_its_end(said: str, held: str) -> None:
    """The mark that a recogniser put behind a fragment is dropped, a comma stays, and the wait for silence is over."""
    so_far = TurnSoFar()
    final(so_far, 1, "First.", 100)
    final(so_far, 1, said, 300)
    so_far.silent_by = Instant(5)
    so_far.hold(Instant(7))
    assert waits(so_far) == (f"First. {held}", 7, None)
    assert len(so_far.words) == 2


def test_the_next_deadline_is_the_earliest() -> None:
    """Whatever is due first wakes the session: a hold, a silence or the longest turn."""
    for hold, silent, longest in ((3, 4, 5), (4, 3, 5), (5, 4, 3)):
        so_far = TurnSoFar()
        so_far.hold_until, so_far.silent_by = Instant(hold), Instant(silent)
        so_far.longest_by = Instant(longest)
        assert so_far.deadline() == 3


def test_interims_that_stand_are_words_for_good() -> None:
    """Of a stream that gives no final the last words are kept, in their place; of streams not named nothing changes."""
    so_far = TurnSoFar()
    interim(so_far, 2, "a table", 900)
    interim(so_far, 1, "book", 300)
    interim(so_far, 3, "now", 1_200)
    assert so_far.let_interims_stand((StreamId(2), StreamId(1), StreamId(7))) == 900
    assert (so_far.text, so_far.first, so_far.is_confirmed) == ("book a table now", StreamId(1), False)
    assert so_far.let_interims_stand((StreamId(1), StreamId(2))) == 0
    assert so_far.let_interims_stand((StreamId(3),)) == 1_200
    assert so_far.is_confirmed


def test_what_a_broken_stream_showed_stands_until_it_is_heard_again() -> None:
    """Words stay on the screen while their audio is heard again, and are not told twice once it was."""
    for told in (interim, final):
        so_far = TurnSoFar()
        interim(so_far, 1, "book a", 300)
        so_far.replay(Replay(StreamId(1), StreamId(3), 0))
        interim(so_far, 2, "please", 900)
        assert so_far.text == "book a please"
        told(so_far, 3, "book a table", 400)
        assert so_far.text == "book a table please"


def test_what_a_broken_stream_showed_may_stand_for_good() -> None:
    """If the stream that hears it again gives no final either, the words that were shown first are the user's."""
    so_far = TurnSoFar()
    interim(so_far, 1, "book a", 300)
    so_far.replay(Replay(StreamId(1), StreamId(2), 0))
    assert so_far.let_interims_stand((StreamId(5),)) == 0
    assert not so_far.is_confirmed
    assert so_far.let_interims_stand((StreamId(2),)) == 300
    assert (so_far.text, so_far.is_confirmed) == ("book a", True)


def test_a_replay_takes_back_what_is_heard_again() -> None:
    """Words of newer streams go, but for those that are transcribed for good up to where the replay leaves off."""
    so_far = TurnSoFar()
    final(so_far, 1, "book", 300)
    final(so_far, 2, "me", 400)
    final(so_far, 3, "a table", 800)
    final(so_far, 4, "now", 801)
    interim(so_far, 5, "please", 1_200)
    so_far.replay(Replay(StreamId(2), StreamId(6), 800))
    assert (so_far.text, so_far.is_confirmed) == ("book me a table", True)
    assert so_far.let_interims_stand((StreamId(6),)) == 0


def test_words_of_later_streams_are_the_next_turns() -> None:
    """A turn ends with a stream: its words and those of older streams are this turn's, all others the next one's."""
    so_far = TurnSoFar()
    final(so_far, 2, "book", 300)
    final(so_far, 3, "thanks", 900)
    interim(so_far, 1, "please", 200)
    interim(so_far, 2, "now", 400)
    interim(so_far, 3, "bye", 1_100)
    rest = so_far.split(StreamId(2))
    assert (so_far.text, rest.text) == ("please book now", "thanks bye")


def test_the_next_turn_was_last_spoken_when_this_was() -> None:
    """Words of a sound that has ended may still come for the next turn, and were spoken then; else it is empty."""
    so_far = TurnSoFar()
    final(so_far, 1, "book", 300)
    so_far.spoke, so_far.longest_by = Instant(9), Instant(99)
    following = so_far.next_turn()
    assert (following.text, following.spoke, following.deadline()) == ("", 9, None)


@pytest.mark.parametrize(
    ("transcribed_ms", "end"),
    [(700, Decision(at(700), "stop_history_ms")), (900, Decision(at(800), "stop_history_ms"))],
)
def test_a_turn_that_a_final_ended_names_the_setting_that_did(transcribed_ms: int, end: Decision) -> None:
    """By its final a turn ended when the silence of `stop_history_ms` was over, or when the final came before that."""
    so_far = TurnSoFar()
    final(so_far, 1, "book", 300)
    so_far.spoke, so_far.transcribed = at(300), at(transcribed_ms)
    turn = so_far.committed(TurnId(4), 500, at(1_000), is_live=True, cut_by="")
    transcribed = Decision(at(transcribed_ms))
    words = (Word("book", 200, 300, 1.0),)
    assert turn == CommittedTurn(TurnId(4), "book", at(300), end, transcribed, at(1_000), is_live=True, words=words)
    assert (turn.is_spoken, turn.may_go_on, turn.end.is_ordered) == (True, True, False)


def test_a_turn_whose_final_was_late_names_the_setting_that_cut_it() -> None:
    """The report says that the wait for a final was cut short, when, and that the end was decided before."""
    so_far = TurnSoFar()
    interim(so_far, 1, "book", 300)
    so_far.spoke, so_far.transcribed, so_far.end = at(300), at(100), Decision(at(400), "vad_end_ms")
    turn = so_far.committed(TurnId(4), 500, at(1_000), is_live=False, cut_by="final_grace_ms")
    assert (turn.end, turn.transcribed) == (Decision(at(400), "vad_end_ms"), Decision(at(1_000), "final_grace_ms"))
    assert (turn.is_live, turn.words, turn.committed) == (False, (), at(1_000))


@pytest.mark.parametrize(
    ("is_ordered", "length", "may_go_on"), [(False, 3_999, True), (False, 4_000, False), (True, 10, False)]
)
def test_only_a_spoken_turn_with_room_whose_end_nobody_ordered_may_go_on(
    *, is_ordered: bool, length: int, may_go_on: bool
) -> None:
    """Further speech belongs to a turn unless its end was ordered, it is full, or it was typed."""
    so_far = TurnSoFar()
    final(so_far, 1, "x" * length, 300)
    so_far.end = Decision(at(400), is_ordered=is_ordered)
    assert so_far.committed(TurnId(1), 500, at(500), is_live=True, cut_by="").may_go_on is may_go_on


def test_a_typed_turn_ended_when_it_came() -> None:
    """Typed text is complete at once, stops a reply as live speech does, and no speech belongs to it."""
    turn = CommittedTurn.typed(TurnId(2), "Hello", at(700))
    end = Decision(at(700))
    expected = CommittedTurn(TurnId(2), "Hello", at(700), end, end, at(700), is_live=True, is_spoken=False)
    assert (turn, turn.words, turn.may_go_on) == (expected, (), False)
