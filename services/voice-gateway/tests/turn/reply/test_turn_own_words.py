"""One reply that is being said: what of it was heard, was a question, and may come back as an echo."""

from dataclasses import replace

import pytest
from gateway_kit.phone_call import AGREEMENT, PER_MS, PERSONA, RATE_HZ, TOOLBOX, at, reply_factory
from voice_gateway.domain.events import ReplyKind
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import AS_AGREED, Modality, ReplyOptions
from voice_gateway.turn import inputs
from voice_gateway.turn.reply.brief import Brief
from voice_gateway.turn.reply.current import CurrentReply
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.own_words import OwnWords
from voice_gateway.turn.reply.playback import Heard
from voice_gateway.turn.reply.reply import Reply
from voice_gateway.turn.tables import ReplyState

FIRST = Instant(0)
TEXT = ReplyOptions(modality=Modality.TEXT)
LATER = Instant(1)
"""The shortest time."""


def silent(text: str, options: ReplyOptions = AS_AGREED) -> Reply:
    """A reply of which nothing has left yet."""
    reply = reply_factory().make(None, ReplyClock(FIRST), kind=ReplyKind.REPROMPT, options=options)
    reply.say(text, FIRST)
    return reply


def saying(text: str, *lengths_ms: int, from_ms: int = 1_000) -> Reply:
    """A reply whose sentences last so long, and whose audio leaves from that time on; it is heard 100 ms later."""
    reply = silent(text)
    for number, length_ms in enumerate(lengths_ms, start=1):
        reply.wording.sound_came(SentenceId(number), at(from_ms))
        reply.wording.sound_ended(inputs.SpeechCompleted(reply.id, SentenceId(number), length_ms * PER_MS))
    _, start = Reply.STEPS[inputs.PlayoutStarted]
    start(reply, inputs.PlayoutStarted(reply.id, 0), at(from_ms))
    return reply


def current(reply: Reply) -> CurrentReply:
    """This reply as the one of its session."""
    made = CurrentReply()
    assert made.begin(reply) is reply
    return made


# --- the last reply --------------------------------------------------------------------------------------------------


def test_who_has_said_nothing_has_asked_nothing() -> None:
    """Before the first reply no words can be an echo or an answer."""
    own = OwnWords()
    assert not own.has_asked(FIRST)
    assert own.spoken(None, FIRST, at(9_000), at(9_000)) == ""
    assert own.spoken(silent("Hello."), FIRST, at(9_000), at(9_000)) == ""


@pytest.mark.parametrize(
    ("then", "is_asked"),
    [
        (Instant(at(1_000) - LATER), False),
        (at(1_000), True),
        (at(1_600), True),
        (Instant(at(1_600) + LATER), False),
    ],
)
def test_a_question_is_there_from_its_first_audio_to_its_end(then: Instant, *, is_asked: bool) -> None:
    """A sound that begins while the question is said may be its answer; before and after it is none."""
    own = OwnWords()
    own.reply_ended(saying("Is it open?", 600), at(1_600))
    assert own.has_asked(then) is is_asked


@pytest.mark.parametrize(("ended_ms", "is_asked"), [(1_190, False), (1_200, True)])
def test_a_question_of_which_no_word_was_heard_was_not_asked(ended_ms: int, *, is_asked: bool) -> None:
    """A reply that is stopped before its first word has sounded, at 1200 ms, has asked nothing; then it has, also of
    who began to speak at 1100 ms.
    """
    own = OwnWords()
    own.reply_ended(saying("Is it open?", 550), at(ended_ms))
    assert own.has_asked(at(1_100)) is is_asked


def test_the_last_reply_alone_has_asked() -> None:
    """After a statement the question before it is no longer open."""
    own = OwnWords()
    own.reply_ended(saying("Is it open?", 600), at(2_000))
    own.reply_ended(saying("It is open.", 600, from_ms=3_000), at(4_000))
    assert not own.has_asked(at(1_500))
    assert not own.has_asked(at(3_500))


@pytest.mark.parametrize(
    ("began", "ended", "is_own"),
    [
        (at(1_800), at(2_000), True),
        (Instant(at(1_800) + LATER), at(2_000), False),
        (at(900), at(1_000), True),
        (at(900), Instant(at(1_000) - LATER), False),
        (at(1_200), at(1_300), True),
    ],
)
def test_words_are_an_echo_only_of_what_sounded_with_them(began: Instant, ended: Instant, *, is_own: bool) -> None:
    """Words that touch the time from the first audio to the end of a reply may be its own, and no others."""
    own = OwnWords()
    own.reply_ended(saying("It is open.", 600), at(1_800))
    assert own.spoken(None, began, ended, at(2_500)) == ("It is open." if is_own else "")


def test_a_reply_of_which_nothing_left_is_no_last_one() -> None:
    """What was stopped before its audio left changes nothing: the words of the reply before it may still come back."""
    own = OwnWords()
    own.reply_ended(saying("Is it open?", 600), at(1_800))
    own.reply_ended(silent("Never."), at(2_000))
    assert own.spoken(None, at(1_700), at(1_900), at(2_000)) == "Is it open?"
    assert own.has_asked(at(1_800))


@pytest.mark.parametrize(
    ("now_ms", "words"),
    [(1_000, "One two"), (1_236, "One two"), (1_237, "One two three"), (1_868, "One two three"), (1_869, "all")],
)
def test_the_next_half_second_may_come_back(now_ms: int, words: str) -> None:
    """Of "One two three four." in 2 s the words end at 315, 736, 1368 and 2000 ms: those that begin within 500 ms of
    where real time stands are the agent's own already.
    """
    own, reply = OwnWords(), saying("One two three four.", 2_000)
    told = own.spoken(reply, at(1_000), at(1_000), at(now_ms))
    assert told == ("One two three four." if words == "all" else words)


def test_words_of_two_replies_may_come_back_together() -> None:
    """Who spoke while one reply ended and the next began may have repeated both; before that, the first alone."""
    own = OwnWords()
    own.reply_ended(saying("It is open.", 600), at(1_800))
    second = saying("Well.", 300, from_ms=2_000)
    assert own.spoken(second, at(1_700), at(2_000), at(2_500)) == "It is open. Well."
    assert own.spoken(second, at(1_700), Instant(at(2_000) - LATER), at(2_500)) == "It is open."
    assert own.spoken(second, at(1_900), at(2_100), at(2_500)) == "Well."


# --- the reply in flight ---------------------------------------------------------------------------------------------


def test_no_reply_does_nothing() -> None:
    """Where there is no reply, nothing is held, asked, protected or unheard."""
    none = CurrentReply()
    none.hold(at(1))
    none.resume(at(2))
    none.let_go()
    assert (none.state, none.in_flight, none.prepared, none.unheard(at(9))) == (ReplyState.NONE, None, None, None)
    assert not none.is_held
    assert not none.has_asked(at(9), at(9))
    assert not none.is_opening(at(9), 1_000)


@pytest.mark.parametrize(
    ("then_ms", "now_ms", "is_asked"),
    [(1_299, 1_299, False), (1_300, 1_300, True), (1_300, 1_900, True), (1_299, 1_900, False), (1_900, 1_400, True)],
)
def test_what_was_asked_by_then_is_reckoned_back_from_now(then_ms: int, now_ms: int, *, is_asked: bool) -> None:
    """The first word of the question after 200 ms ends at 300 ms, 100 ms later at the ear: from 1300 + 100 ms on."""
    reply = saying("Well. Is it on?", 200, 450)
    then, now = at(then_ms + 100), at(now_ms + 100)
    assert current(reply).has_asked(then, now) is is_asked


@pytest.mark.parametrize(("now_ms", "is_opening"), [(1_000, True), (1_399, True), (1_400, False), (9_000, False)])
def test_the_opening_ends_when_so_much_of_it_was_heard(now_ms: int, *, is_opening: bool) -> None:
    """300 ms have been heard of what left 400 ms ago: from then on speech interrupts."""
    assert current(saying("It is open.", 600)).is_opening(at(now_ms), 300) is is_opening


def test_a_text_is_neither_held_nor_protected() -> None:
    """Nobody talks over a text: it has no opening, and a sound does not hold it."""
    made = current(silent("It is open.", TEXT))
    made.hold(at(1))
    assert not made.is_held
    assert not made.is_opening(at(1), 9_000)


def test_a_text_is_unheard_until_some_of_it_was_told() -> None:
    """A text is known to the user when its first sentence was told; of a reply that has not left nothing was heard."""
    told, untold = silent("It is open.", TEXT), reply_factory().make(None, ReplyClock(FIRST), options=TEXT)
    untold.ask((), FIRST)
    assert current(told).unheard(at(0)) is None
    assert current(untold).unheard(at(9_000)) is untold
    waiting = silent("It is open.")
    assert current(waiting).unheard(at(9_000)) is waiting


@pytest.mark.parametrize(("by", "is_unheard"), [(at(1_250), True), (Instant(at(1_250) + LATER), False)])
def test_a_reply_is_unheard_by_who_was_noticed_as_it_began(by: Instant, *, is_unheard: bool) -> None:
    """It is heard from 1100 ms on, and a sound is noticed up to 150 ms late."""
    assert (current(saying("It is open.", 600)).unheard(by) is not None) is is_unheard


def test_a_reply_is_held_once_and_goes_on_once() -> None:
    """What is held goes on; what is not held does not, and room is made only when it is over."""
    made = current(saying("It is open.", 600))
    made.resume(at(1_200))
    made.hold(at(1_300))
    assert made.is_held
    made.let_go()
    assert made.reply is not None
    made.resume(at(1_400))
    assert made.state is ReplyState.SPEAKING
    made.reply.end()
    made.let_go()
    assert made.reply is None


# --- how it is made --------------------------------------------------------------------------------------------------


def test_a_reply_knows_what_it_is_for() -> None:
    """Replies are counted from 1, and each has its turn, its kind, its tools and the apology of its session."""
    made = reply_factory()
    assert (made.last, made.has_reports) == (ReplyId(0), False)
    first = made.make(None, ReplyClock(FIRST))
    apology = PERSONA.apology
    assert first.brief == Brief(ReplyId(1), None, ReplyKind.ANSWER, apology, (), 0, AS_AGREED, Modality.AUDIO)
    tools = TOOLBOX.tools
    second = made.make(TurnId(4), ReplyClock(FIRST), kind=ReplyKind.FILLER, tools=tools, rounds=2, options=TEXT)
    assert second.brief == Brief(ReplyId(2), TurnId(4), ReplyKind.FILLER, apology, tools, 2, TEXT, Modality.TEXT)
    assert (second.is_in_flight, second.is_audible, second.underruns, second.report) == (False, False, 0, None)
    assert second.take_calls() == ()


@pytest.mark.parametrize(
    ("agreed", "wanted", "modality"),
    [
        (Modality.TEXT, None, Modality.TEXT),
        (Modality.TEXT, Modality.AUDIO, Modality.AUDIO),
        (Modality.AUDIO, Modality.TEXT, Modality.TEXT),
    ],
)
def test_a_reply_is_given_as_its_client_wants_it(agreed: Modality, wanted: Modality | None, modality: Modality) -> None:
    """What a client wants of one reply goes before what it has agreed for all."""
    reply = reply_factory(reply_modality=agreed).make(None, ReplyClock(FIRST), options=ReplyOptions(modality=wanted))
    assert reply.brief.is_text is (modality is Modality.TEXT)


def test_a_reply_is_played_as_agreed() -> None:
    """Its rate, the client's buffer, its patience with a player that stands still and the player are the session's."""
    made = reply_factory(TurnPolicy(client_buffer_ms=300, stall_ms=700), player=Player.FLUSHES)
    made.reports_came()
    playback = made.make(None, ReplyClock(FIRST)).playback
    playback.started(0, at(1_000), is_held=False)
    assert (playback.rate_hz, playback.player, playback.is_reporting) == (RATE_HZ, Player.FLUSHES, True)
    assert playback.heard(at(1_400)) == Heard(100 * PER_MS, is_estimate=True)
    assert playback.deadline() == at(1_700)
    made.reports_ended()
    made.reconfigure(replace(AGREEMENT, persona=replace(PERSONA, apology="No.")))
    later = made.make(None, ReplyClock(FIRST))
    assert not later.playback.is_reporting
    assert (later.playback.player, later.brief.apology) == (Player.PAUSES, "No.")


def test_replies_are_counted_on() -> None:
    """After an earlier conversation the next reply has the next number, and its reports are expected."""
    made = reply_factory()
    made.resume(ReplyId(6), has_reports=True)
    reply = made.make(None, ReplyClock(FIRST))
    assert (reply.id, made.last, reply.playback.is_reporting) == (ReplyId(7), ReplyId(7), True)
