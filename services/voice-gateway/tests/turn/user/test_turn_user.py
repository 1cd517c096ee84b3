"""The user's side: when a turn is held, when its end is decided, and what of it is committed."""

from dataclasses import replace

import pytest
from gateway_kit.phone_call import PER_MS, RATE_HZ, at, parse
from voice_gateway.domain.events import SpeculationTrigger, Transcript
from voice_gateway.domain.ids import StreamId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Emit, Orders
from voice_gateway.turn.tables import FLOOR, Floor, Machine
from voice_gateway.turn.user.turn_so_far import Decision
from voice_gateway.turn.user.user import User

ORDERED = Decision(at(1_000), is_ordered=True)
OVERDUE = Decision(at(1_000), "vad_end_ms")


class Caller:
    """One user, whose recognition is open."""

    def __init__(self, policy: TurnPolicy | None = None, *, fails: int = 0) -> None:
        self.orders = Orders()
        self.user = User(policy or TurnPolicy(), Machine(FLOOR, Floor.NOBODY), RATE_HZ, self.orders)
        self.user.recognition.open(at(0))
        for number in range(1, fails + 1):
            self.user.recognition.broke(StreamId(number), "gone", at(0))
            if number == 2:
                self.user.recognition.on_deadline(at(500))
        self.orders.drain()

    def shows(self, ms: int, text: str, stream: int = 1, *, is_sure: bool = False) -> None:
        """Words that end here, and are told of at once, may still change."""
        fact = parse(f'interim "{text}" on {stream}{", sure" * is_sure} ending at {ms} ms', ms)
        assert isinstance(fact, inputs.TranscriptRevised)
        self.user.revised(fact, text, at(ms))

    def says(self, ms: int, text: str, stream: int = 1) -> inputs.SegmentFinal:
        """Words for good, spoken to here and told of at once."""
        fact = final(ms, text, stream)
        self.user.confirmed(fact, text, at(ms), at(ms))
        return fact

    def told(self) -> list[str]:
        """What the client was shown of the running turn since this was asked last."""
        shown = [effect.event for effect in self.orders.drain() if isinstance(effect, Emit)]
        return [event.text for event in shown if isinstance(event, Transcript)]

    def end(self) -> Decision | None:
        """How the end of the turn was decided."""
        return self.user.so_far.end

    def limits(self) -> tuple[Instant | None, Instant | None, Instant | None]:
        """Until when the turn is held, by when silence ends it, and by when it is too long."""
        so_far = self.user.so_far
        return so_far.hold_until, so_far.silent_by, so_far.longest_by

    def waits(self) -> tuple[bool, bool, bool]:
        """Whether something may become a turn, whether nothing is said, and the same without an outage's words."""
        return self.user.may_become_turn, self.user.is_quiet, self.user.is_still


def final(ms: int, text: str, stream: int = 1) -> inputs.SegmentFinal:
    """A final that ends here."""
    fact = parse(f'final "{text}" on {stream} ending at {ms} ms', ms)
    assert isinstance(fact, inputs.SegmentFinal)
    return fact


def test_a_user_who_has_said_nothing_is_quiet() -> None:
    """Nothing is awaited, nothing is due, and there is no turn to commit."""
    caller = Caller()
    user = caller.user
    assert caller.waits() == (False, True, True)
    assert (user.is_ending, user.is_in_order, user.may_end_at_final, user.deadline()) == (False, True, False, None)
    assert (user.commit(at(0), is_live=True), user.turn) == (None, 1)


def test_a_sound_or_words_or_a_final_may_become_a_turn() -> None:
    """Who speaks, has spoken within a second, has shown words, or is owed a final is not quiet."""
    speaking, silent, showing, owed = Caller(), Caller(), Caller(), Caller()
    for caller in (speaking, silent):
        caller.user.sound_began(100, is_asked=False)
    silent.user.sound_ended(200, at(200))
    showing.shows(300, "book")
    owed.user.decide_end(ORDERED, 500, at(500))
    assert [caller.waits() for caller in (speaking, silent, showing, owed)] == [(True, False, False)] * 4


def test_nobody_waits_for_a_recogniser_that_is_away() -> None:
    """A final that is owed in an outage keeps the session from being quiet, but not from being still."""
    caller = Caller(fails=3)
    caller.user.decide_end(ORDERED, 500, at(500))
    assert caller.waits() == (True, False, True)


def test_turns_are_counted_on_from_a_resumed_session() -> None:
    """The next turn has the number that the session had come to, and each turn one more."""
    caller = Caller()
    caller.user.resume(TurnId(7))
    caller.says(300, "Book.")
    turn = caller.user.commit(at(400), is_live=True)
    assert turn is not None
    assert (turn.id, turn.text, caller.user.turn) == (7, "Book.", 8)


@pytest.mark.parametrize(
    ("known", "confirmed", "is_speaking", "is_over"),
    [(500, 500, False, True), (501, 500, False, False), (500, 500, True, False)],
)
def test_a_half_close_waits_for_words_that_recognition_owes(
    *, known: int, confirmed: int, is_speaking: bool, is_over: bool
) -> None:
    """While recognition is down the session ends at once only if all that was said is transcribed and nobody speaks."""
    caller = Caller()
    caller.user.recognition.confirmed(StreamId(1), confirmed)
    caller.user.sound_began(known, is_asked=False)
    if not is_speaking:
        caller.user.sound_ended(known, at(100))
    for number in (1, 2):
        caller.user.recognition.broke(StreamId(number), "gone", at(0))
    caller.user.input_ended(at(200))
    assert caller.user.recognition.is_over is is_over


def test_an_onset_is_of_the_past_if_its_words_are_final() -> None:
    """An onset is told up to 256 ms late: one that lies farther before the last final is over."""
    caller = Caller()
    caller.user.recognition.confirmed(StreamId(1), 1_000 * PER_MS)
    assert [caller.user.is_past(744 * PER_MS - less) for less in (1, 0)] == [True, False]


@pytest.mark.parametrize(("fails", "is_silent"), [(0, False), (1, True)])
def test_words_of_a_stream_that_failed_come_late(fails: int, *, is_silent: bool) -> None:
    """A sound is not forgotten while its audio is heard again."""
    caller = Caller(fails=fails)
    caller.user.sound_began(100, is_asked=False)
    caller.user.sound_ended(200, at(200))
    caller.user.keep_quiet_time(at(3_200))
    assert caller.user.utterance.is_silent is is_silent


def test_a_pause_behind_words_ends_the_turn_in_time() -> None:
    """A pause is known after 160 ms: without a final 740 ms more end the turn, 900 ms after the last speech."""
    caller = Caller()
    caller.user.sound_began(100 * PER_MS, is_asked=False)
    caller.shows(400, "book a table")
    assert (caller.limits(), caller.user.so_far.spoke) == ((None, None, at(60_400)), at(400))
    caller.user.sound_ended(500 * PER_MS, at(660))
    assert (caller.limits(), caller.user.so_far.spoke) == ((None, at(1_400), at(60_400)), at(500))
    suspicions = [caller.user.so_far.suspicion]
    caller.shows(700, "Book a table.")
    assert [*suspicions, caller.user.so_far.suspicion] == [None, SpeculationTrigger.PAUSE]
    assert caller.limits() == (None, at(1_400), at(60_400))


def test_a_pause_without_words_or_with_final_words_waits_for_nothing() -> None:
    """Only words that may still change are given a time for their final; the end of no sound says nothing."""
    wordless, whole, soundless = Caller(), Caller(), Caller()
    whole.says(400, "Book a table.")
    soundless.user.sound_ended(500 * PER_MS, at(660))
    assert (soundless.user.so_far.spoke, soundless.limits()) == (at(0), (None, None, None))
    for caller in (wordless, whole):
        caller.user.sound_began(100 * PER_MS, is_asked=False)
        caller.user.sound_ended(500 * PER_MS, at(660))
    assert (wordless.limits(), whole.limits()) == ((None, None, None), (None, None, at(60_400)))


def test_words_whose_sound_nobody_noticed_speak_for_it() -> None:
    """While they change somebody speaks; a recogniser that repeats them does not put off the end of the turn."""
    caller = Caller()
    seen = []
    for ms, text in ((300, "book"), (500, "book a table"), (700, "Book a table.")):
        caller.shows(ms, text)
        seen.append((caller.user.so_far.spoke, caller.limits()[1]))
    assert seen == [(at(300), at(1_200)), (at(500), at(1_400)), (at(500), at(1_400))]


def test_words_of_pushed_audio_end_by_their_finals_alone() -> None:
    """Nobody knows by our clock when a backlog was silent; live words were spoken where their position says."""
    caller = Caller()
    assert [caller.user.spoke(ms * PER_MS, at(500)) for ms in (200, 900)] == [at(200), at(500)]
    caller.user.clock.backlog_began()
    caller.shows(300, "book")
    assert caller.limits() == (None, None, at(60_300))
    assert caller.user.spoke(200 * PER_MS, at(900)) == at(900)


def test_an_interim_is_shown_as_it_came() -> None:
    """The client is told the whole turn so far, with the stability of its last words and its number."""
    caller = Caller()
    caller.says(300, "Book")
    caller.shows(500, "a table", is_sure=True)
    shown = Transcript(TurnId(1), "Book a table", is_final=False, stability=1.0)
    assert caller.orders.drain() == (Emit(shown),)
    assert caller.user.so_far.suspicion is SpeculationTrigger.STABILITY
    caller.shows(600, "a table now")
    assert caller.user.so_far.suspicion is None


def test_new_words_end_a_hold_and_begin_no_new_limit() -> None:
    """Who goes on after a pause is no longer held back, and the longest turn counts from its first word."""
    caller = Caller()
    caller.says(300, "I want to")
    assert not caller.user.hold_unless_complete(goes_on=False, now=at(400))
    assert caller.limits() == (at(1_756), None, at(60_300))
    caller.says(500, "go")
    caller.shows(900, "home")
    assert caller.limits() == (None, at(1_800), at(60_300))


@pytest.mark.parametrize(
    ("end", "stream", "stays"), [(OVERDUE, 2, False), (OVERDUE, 1, True), (ORDERED, 2, True), (ORDERED, 1, True)]
)
def test_words_behind_a_decided_end_take_it_back(end: Decision, stream: int, *, stays: bool) -> None:
    """Who speaks on has not ended, unless the client ended the turn; words of the forced final were before the end."""
    caller = Caller()
    caller.shows(300, "book")
    caller.user.decide_end(end, 400 * PER_MS, at(1_000))
    caller.shows(1_200, "a table", stream)
    assert caller.end() == (end if stays else None)


@pytest.mark.parametrize(("end", "stays"), [(OVERDUE, False), (ORDERED, True)])
def test_an_onset_takes_back_a_decided_end(end: Decision, *, stays: bool) -> None:
    """Who begins to speak again has not ended, and no hold or silence ends the turn meanwhile."""
    caller = Caller()
    caller.shows(300, "book")
    caller.user.decide_end(end, 400 * PER_MS, at(1_000))
    caller.user.so_far.hold_until = caller.user.so_far.silent_by = at(2_000)
    caller.user.sound_began(1_100 * PER_MS, is_asked=False)
    assert (caller.end() == end, caller.limits()[:2]) == (stays, (None, None))


@pytest.mark.parametrize(("before", "stream", "stays"), [("", 2, False), ("", 1, True), ("book", 2, True)])
def test_a_final_behind_an_end_of_nothing_begins_a_turn(before: str, stream: int, *, stays: bool) -> None:
    """An end that was decided before any word came does not end what is said after it."""
    caller = Caller()
    if before:
        caller.shows(300, before)
    caller.user.decide_end(ORDERED, 400 * PER_MS, at(1_000))
    caller.says(1_200, "Hello.", stream)
    assert (caller.end() == ORDERED) is stays


def test_words_that_were_disregarded_are_taken_back() -> None:
    """What was shown of them is corrected once, and nothing is told of words that nobody saw."""
    caller = Caller()
    caller.user.disregard(StreamId(1))
    assert caller.told() == []
    caller.shows(300, "yes")
    caller.user.disregard(StreamId(1))
    caller.user.disregard(StreamId(1))
    assert caller.told() == ["yes", ""]
    caller.says(500, "Book")
    caller.shows(700, "mm", 2)
    caller.user.disregard(StreamId(2))
    assert (caller.told(), caller.limits()[2]) == (["Book mm", "Book"], at(60_500))


@pytest.mark.parametrize(("end", "at_ms", "stays"), [(ORDERED, 400, True), (OVERDUE, 400, False), (ORDERED, 0, False)])
def test_an_ordered_end_outlives_words_that_were_disregarded(end: Decision, at_ms: int, *, stays: bool) -> None:
    """While its final is owed a commit ends the turn, though what was shown of it was the agent's own voice."""
    caller = Caller()
    caller.shows(300, "yes")
    caller.user.decide_end(end, at_ms * PER_MS, at(1_000))
    caller.user.disregard(StreamId(1))
    assert (caller.end(), caller.limits()) == (end if stays else None, (None, None, None))


@pytest.mark.parametrize(
    ("text", "ms_later", "goes_on", "is_complete", "hold_until"),
    [
        ("Book a table.", 0, False, True, None),
        ("I want to", 1_455, False, False, at(1_756)),
        ("I want to", 1_456, False, True, None),
        ("Book a table.", 0, True, False, None),
        ("x" * 3_999, 0, True, False, None),
        ("x" * 4_000, 0, True, True, None),
        ("I want to " * 400 + "to", 0, False, True, None),
        ("", 0, False, False, None),
    ],
)
def test_a_turn_that_reads_unfinished_is_held(
    *, text: str, ms_later: int, goes_on: bool, is_complete: bool, hold_until: Instant | None
) -> None:
    """For 1200 ms and the time in which an onset is known; who speaks on is waited for until the turn is full."""
    caller = Caller()
    if text:
        caller.says(300, text)
    assert caller.user.hold_unless_complete(goes_on=goes_on, now=at(300 + ms_later)) is is_complete
    assert caller.limits()[0] == hold_until


def test_where_the_client_ends_turns_no_final_does() -> None:
    """Without `detect_turns` final words are neither complete nor held, unless the turn is full; else they may be."""
    for text, is_complete in (("Book a table.", False), ("I want to", False), ("x" * 4_000, True)):
        caller = Caller(TurnPolicy(detect_turns=False))
        caller.says(300, text)
        other = Caller()
        other.says(300, text)
        assert (caller.user.may_end_at_final, other.user.may_end_at_final) == (False, True)
        other.shows(500, "now", 2)
        assert not other.user.may_end_at_final
        assert caller.user.hold_unless_complete(goes_on=False, now=at(300)) is is_complete
        assert caller.limits()[0] is None


@pytest.mark.parametrize(
    ("end", "less", "is_last"), [(ORDERED, 0, True), (ORDERED, 1, False), (OVERDUE, 0, False), (None, 0, False)]
)
def test_the_final_of_an_ordered_end_is_the_last(end: Decision | None, less: int, *, is_last: bool) -> None:
    """A final up to 100 ms short of where the client ended the turn is its last word."""
    caller = Caller()
    caller.user.decide_end(end or ORDERED, 1_000 * PER_MS, at(1_000))
    caller.user.so_far.end = end
    fact = replace(final(900, "Book."), covered_samples=900 * PER_MS - less)
    assert caller.user.is_last_before_end(fact) is is_last


def test_an_end_that_was_decided_is_awaited_for_its_grace() -> None:
    """Live, the final of the end is awaited for `final_grace_ms`; of pushed audio for as long as it takes."""
    live, pushed = Caller(), Caller()
    pushed.user.clock.backlog_began()
    for caller in (live, pushed):
        caller.shows(300, "book")
        caller.user.so_far.hold_until = caller.user.so_far.silent_by = at(1_100)
        caller.user.decide_end(OVERDUE, 400 * PER_MS, at(1_000))
    assert (live.user.deadline(), live.limits()) == (at(1_500), (None, None, at(60_300)))
    assert (pushed.user.deadline(), pushed.limits()) == (at(11_000), (None, None, at(60_300)))
    is_ending = [live.user.is_ending, pushed.user.is_ending, live.user.recognition.end_grace(at(1_500))]
    assert [*is_ending, live.user.is_ending] == [True, True, True, False]
    live.user.decide_end(ORDERED, 500 * PER_MS, at(1_600))
    assert live.limits() == (None, None, None)


def test_final_words_wait_for_those_before_them_as_long_as_for_silence() -> None:
    """They wait until 900 ms after the last speech, or not at all if that is over; a limit that runs stays."""
    caller = Caller()
    caller.says(300, "Book.")
    limits = []
    for silent_by, now in ((None, at(400)), (None, at(1_300)), (at(2_000), at(400))):
        caller.user.so_far.silent_by = silent_by
        caller.user.await_older(now)
        limits.append(caller.limits()[1])
    assert limits == [at(1_200), at(1_300), at(2_000)]


@pytest.mark.parametrize(("stream", "is_in_order"), [(1, True), (2, False)])
def test_words_are_in_order_if_no_older_stream_owes_any(stream: int, *, is_in_order: bool) -> None:
    """A final that came before that of an older stream has to wait for it: words of two streams are not swapped."""
    caller = Caller()
    caller.user.recognition.commit(400 * PER_MS, at(500))
    caller.says(900, "a table", stream)
    assert caller.user.is_in_order is is_in_order
    caller.user.sound_began(850 * PER_MS, is_asked=False)
    caller.user.sound_ended(900 * PER_MS, at(1_060))
    assert caller.limits()[1] == (None if is_in_order else at(1_800))


def test_late_finals_are_forgone() -> None:
    """Words that were shown stand for them if the user has spoken on; if not, the turn takes them with its commit."""
    for end in (None, OVERDUE):
        caller = Caller()
        caller.user.utterance.words_came(100)
        caller.shows(300, "book")
        caller.user.decide_end(OVERDUE, 400 * PER_MS, at(1_000))
        caller.user.so_far.end = end
        caller.user.forgo_finals()
        assert caller.user.so_far.is_confirmed is (end is None)
        assert caller.user.utterance.is_speaking is (end is not None)
        assert caller.user.recognition.finalising == ()


def test_words_that_will_have_no_final_end_their_utterance() -> None:
    """If a stream ends without a final, nobody speaks any more whose sound was not noticed."""
    shown, lapsed, owed, other = Caller(), Caller(), Caller(), Caller()
    for caller in (shown, lapsed, owed, other):
        caller.user.utterance.words_came(100)
    shown.shows(300, "book")
    owed.user.decide_end(ORDERED, 400 * PER_MS, at(1_000))
    other.shows(300, "book", 2)
    for caller in (shown, lapsed, owed, other):
        caller.user.let_interims_stand((StreamId(1),))
    assert [caller.user.utterance.is_speaking for caller in (shown, lapsed, owed, other)] == [False, False, True, True]


def test_the_longest_turn_is_ended_as_if_it_was_ordered() -> None:
    """After `max_turn_ms` what is said on belongs to the next turn, even without a pause; the report names it."""
    caller = Caller()
    caller.shows(300, "book")
    caller.user.decide_overdue_end(Instant(at(1_200) - 1))
    caller.user.so_far.silent_by = None
    caller.user.decide_overdue_end(Instant(at(60_300) - 1))
    assert caller.end() is None
    caller.user.decide_overdue_end(at(60_300))
    assert caller.end() == Decision(at(60_300), "max_turn_ms", is_ordered=True)
    assert caller.user.recognition.is_finalised_by(StreamId(1), 300 * PER_MS)
    assert caller.limits() == (None, None, None)


def test_silence_ends_a_turn_without_a_final() -> None:
    """Exactly `vad_end_ms` after the last speech the final is forced, unless the client ends turns itself."""
    caller = Caller()
    caller.shows(300, "book")
    caller.user.decide_overdue_end(Instant(at(1_200) - 1))
    ends = [caller.end()]
    caller.user.decide_overdue_end(at(1_200))
    assert [*ends, caller.end()] == [None, Decision(at(1_200), "vad_end_ms")]
    assert caller.user.recognition.is_finalised_by(StreamId(1), 300 * PER_MS)
    assert caller.limits() == (None, None, at(60_300))
    held = Caller(TurnPolicy(detect_turns=False))
    held.shows(300, "book")
    held.user.decide_overdue_end(at(1_200))
    assert (held.end(), held.limits()) == (None, (None, None, at(60_300)))


def test_a_turn_whose_final_is_awaited_is_not_ended_again() -> None:
    """A silence changes nothing of it; if it is too long, its end stands as if it was ordered, and its reason stays."""
    caller = Caller()
    caller.shows(300, "book")
    caller.user.decide_end(OVERDUE, 400 * PER_MS, at(1_000))
    caller.user.so_far.silent_by = at(1_200)
    caller.user.decide_overdue_end(at(1_200))
    assert (caller.end(), caller.limits()) == (OVERDUE, (None, None, at(60_300)))
    caller.user.so_far.silent_by = at(60_400)
    caller.orders.drain()
    caller.user.decide_overdue_end(at(60_300))
    assert (caller.end(), caller.limits()) == (replace(OVERDUE, is_ordered=True), (None, None, None))
    assert caller.orders.drain() == ()


@pytest.mark.parametrize(
    ("end", "longest_by", "limit", "silent_by"),
    [
        (ORDERED, at(50_000), at(50_000), at(2_000)),
        (ORDERED, None, at(61_500), at(2_400)),
        (OVERDUE, at(50_000), at(61_500), at(2_400)),
    ],
)
def test_what_was_said_behind_the_end_is_the_next_turn(
    end: Decision, longest_by: Instant | None, limit: Instant, silent_by: Instant
) -> None:
    """Its words of a newer stream begin the next turn, with limits of its own from now on, if it has none yet."""
    caller = Caller()
    caller.says(300, "Book.")
    caller.user.decide_end(end, 400 * PER_MS, at(1_000))
    caller.shows(1_100, "please", 2)
    caller.user.so_far.end = end
    caller.user.so_far.longest_by = longest_by
    caller.user.so_far.silent_by = at(2_000) if silent_by == at(2_000) else None
    turn = caller.user.commit(at(1_500), is_live=True)
    assert turn is not None
    assert (turn.text, turn.end, caller.user.so_far.text) == ("Book.", end, "please")
    assert (caller.limits(), caller.end()) == ((None, silent_by, limit), None)
    assert (caller.user.so_far.spoke, caller.user.so_far.end_samples) == (at(1_100), 1_100 * PER_MS)


def test_the_next_turn_has_no_limit_while_it_sounds_or_is_empty() -> None:
    """A silence does not end what is being said, and nothing ends what nobody has said."""
    sounding, empty = Caller(), Caller()
    for caller in (sounding, empty):
        caller.says(300, "Book.")
        caller.user.decide_end(ORDERED, 400 * PER_MS, at(1_000))
    sounding.user.sound_began(1_050 * PER_MS, is_asked=False)
    sounding.shows(1_100, "please", 2)
    for caller in (sounding, empty):
        assert caller.user.commit(at(1_500), is_live=True) is not None
    assert (sounding.limits(), empty.limits()) == ((None, None, at(61_100)), (None, None, None))


def test_a_turn_ends_with_the_stream_that_is_named() -> None:
    """The final of the ordered end is the last of the turn, though a newer stream was half-closed since."""
    caller = Caller()
    caller.says(300, "Book.")
    caller.user.decide_end(ORDERED, 400 * PER_MS, at(1_000))
    caller.user.recognition.commit(900 * PER_MS, at(1_000))
    caller.says(800, "please", 2)
    turn = caller.user.commit(at(1_500), is_live=False, last=StreamId(1), cut_by="final_grace_ms")
    assert turn is not None
    assert (turn.text, turn.is_live, turn.transcribed.setting) == ("Book.", False, "")
    assert caller.user.so_far.text == "please"


def test_a_turn_that_is_cut_is_committed_with_what_was_shown() -> None:
    """Its words end where they were shown, no final ends their speech, and nothing of it is corrected later."""
    caller = Caller()
    caller.user.utterance.words_came(100)
    caller.shows(300, "book")
    turn = caller.user.commit(at(1_500), is_live=True, cut_by="final_grace_ms")
    assert turn is not None
    assert (turn.id, turn.text, turn.is_live) == (1, "book", True)
    assert turn.transcribed == Decision(at(1_500), "final_grace_ms")
    assert turn.end == Decision(at(780), "stop_history_ms")
    assert not caller.user.utterance.is_speaking
    caller.orders.drain()
    caller.user.disregard(StreamId(1))
    assert (caller.told(), caller.user.so_far.spoke) == ([], at(300))
