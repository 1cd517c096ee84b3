"""A first sentence that is synthesised before it is certain that it has ended."""

import pytest
from gateway_kit.phone_call import PER_MS, RATE_HZ, at, new_core, played
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import ReplyKind, ReplyText
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.reply_options import AS_AGREED, Modality
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import DropSpeech, Effect, Emit, Orders, Synthesize
from voice_gateway.turn.reply.brief import Brief
from voice_gateway.turn.reply.guesses import MAX_WRONG, Guesses
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.wording import MAX_SENTENCES, Wording

ONE, FIRST = ReplyId(1), SentenceId(1)
DROPPED = DropSpeech(ONE, FIRST)
READY = inputs.SpeechReady(ONE, FIRST)
DONE = inputs.SpeechCompleted(ONE, FIRST, 300 * PER_MS)
FAILED = inputs.SpeechFailed(ONE, FIRST, 0, Reason.TTS_FAILED, "gone")


class Writer:
    """A wording whose turn is certain, its clock and its orders."""

    def __init__(self, modality: Modality = Modality.AUDIO) -> None:
        brief = Brief(ONE, TurnId(4), ReplyKind.ANSWER, "Sorry.", (), 0, AS_AGREED, modality)
        self.clock, self.orders = ReplyClock(at(0)), Orders()
        self.wording = Wording(brief, self.clock, RATE_HZ, orders=self.orders)
        self.wording.release(at(0))
        self.ordered: list[Effect] = []

    def write(self, *pieces: str) -> tuple[Effect, ...]:
        """What is ordered for the last of these."""
        batch: tuple[Effect, ...] = ()
        for number, piece in enumerate(pieces, start=1):
            self.wording.write(piece, at(100 * number))
            batch = self._drain()
        return batch

    def finish(self) -> tuple[Effect, ...]:
        """What is ordered when the model has finished."""
        self.wording.finish(at(9_000))
        return self._drain()

    def spoken(self) -> list[Synthesize]:
        """What was given to synthesis and not dropped."""
        kept: list[Synthesize] = []
        for effect in self.ordered:
            if isinstance(effect, Synthesize):
                kept.append(effect)
            elif isinstance(effect, DropSpeech):
                assert kept.pop().sentence == effect.sentence
                assert not kept
        return kept

    def _drain(self) -> tuple[Effect, ...]:
        batch = self.orders.drain()
        self.ordered += batch
        return batch


def synthesize(text: str, take: int = 1, sentence: int = 1) -> Synthesize:
    """Synthesis is given a sentence."""
    return Synthesize(ONE, SentenceId(sentence), text, take)


def test_a_sentence_is_given_to_synthesis_once() -> None:
    """What was begun and has ended is kept, whether a word, white space or the end of the text shows it."""
    for rest in (" No", " ", "\n"):
        writer = Writer()
        assert writer.write("Yes.") == (synthesize("Yes."),)
        assert writer.write(rest) == ()
    writer = Writer()
    writer.write("Yes.")
    assert writer.finish() == ()
    assert writer.wording.sentence_count == 1


def test_only_the_first_sentence_that_sounds_is_begun_early() -> None:
    """Nobody waits for a later one; what is shown only is not waited for either."""
    writer = Writer()
    assert writer.write("Yes. ", "No.") == ()
    writer = Writer()
    assert writer.write("```\nls\n```\n", "Yes.") == (synthesize("Yes.", sentence=4),)
    assert Writer(Modality.TEXT).write("Yes.") == ()
    assert Writer().write("...") == ()


@pytest.mark.parametrize(
    ("pieces", "orders"),
    [
        (("See example.", "com"), (DROPPED,)),
        (("Get Node.", "js. "), (DROPPED, synthesize("Get Node.js.", 2))),
        (("Wait.", "."), (DROPPED,)),
        (("Wait.", ".."), (DROPPED, synthesize("Wait...", 2))),
        (("Go.", '"'), (DROPPED, synthesize('Go."', 2))),
        (("What?", "!", "?"), (DROPPED,)),
        (("What?", "!", "?", "!"), ()),
        (("What?", "!", "?", " "), (synthesize("What?!?", 3),)),
        (("Yes.", ""), ()),
        (("Yes.", "**"), ()),
        (("Hello.", "Wor"), ()),
        (("Hello.", "Wor", "ld. "), (synthesize("World.", 1, 2),)),
        (("Is it [x](y).", "z"), (DROPPED,)),
    ],
)
def test_what_follows_decides(pieces: tuple[str, ...], orders: tuple[Effect, ...]) -> None:
    """What was begun stays as long as the sentence may be this one; what sounds otherwise is dropped at once, and what
    looks ended instead is begun, until two were wrong.
    """
    assert Writer().write(*pieces) == orders


def test_a_sentence_of_which_nothing_is_spoken_ends_a_guess() -> None:
    """The guess that runs is dropped by any sentence that says something else."""
    orders = Orders()
    guesses = Guesses(ONE, ReplyClock(at(0)), orders)
    guesses.begin(FIRST, "Yes.", at(1))
    assert not guesses.claim("", at(2))
    assert orders.drain() == (synthesize("Yes."), DROPPED)
    assert (guesses.take, guesses.may_begin, guesses.confirmed()) == (2, True, ())


def test_guesses_end_with_the_last_wrong_one() -> None:
    """A model whose every mark deceives costs so many requests in vain, and no more."""
    guesses = Guesses(ONE, ReplyClock(at(0)), Orders())
    for number in range(MAX_WRONG):
        assert (guesses.may_begin, guesses.are_over) == (True, False)
        guesses.begin(FIRST, "Yes.", at(number))
        assert (guesses.may_begin, guesses.are_over) == (False, False)
        guesses.review("No.")
    assert (guesses.may_begin, guesses.are_over) == (False, True)


def test_what_comes_of_a_guess_is_kept_until_it_was_right() -> None:
    """Facts of it are told once, in order, when the sentence has ended; a second end, or another take, is nobody's."""
    guesses = Guesses(ONE, ReplyClock(at(0)), Orders())
    assert not guesses.keeps_back(READY)
    guesses.begin(FIRST, "Yes.", at(1))
    assert guesses.awaits(READY)
    assert not guesses.awaits(inputs.SpeechReady(ONE, SentenceId(2)))
    assert not guesses.awaits(inputs.SpeechReady(ONE, FIRST, take=2))
    assert not guesses.keeps_back(inputs.ReplyDelta(ONE, "No."))
    assert guesses.keeps_back(READY)
    assert guesses.keeps_back(DONE)
    assert not guesses.awaits(FAILED)
    assert guesses.confirmed() == ()
    assert guesses.claim("Yes.", at(2))
    assert guesses.confirmed() == (READY, DONE)
    assert guesses.confirmed() == ()
    assert guesses.awaits(inputs.SpeechReady(ONE, SentenceId(2)))


def test_a_failure_of_a_guess_is_kept_too() -> None:
    """Whether synthesis failed in the sentence matters only if that is the sentence."""
    guesses = Guesses(ONE, ReplyClock(at(0)), Orders())
    guesses.begin(FIRST, "Yes.", at(1))
    assert guesses.keeps_back(FAILED)
    guesses.review("Yes...")
    guesses.begin(FIRST, "Yes...", at(2))
    assert guesses.claim("Yes...", at(3))
    assert guesses.confirmed() == ()


def test_the_wait_is_whose_it_was() -> None:
    """Without sound by the time at which it is certain, synthesis was waited for since it had the sentence; with it,
    the model was waited for. What was wrong counts for nothing.
    """
    for fact, first_ms in ((None, 200), (READY, 300)):
        clock = ReplyClock(at(0))
        guesses = Guesses(ONE, clock, Orders())
        guesses.begin(FIRST, "Yes.", at(100))
        guesses.review("Yes...")
        guesses.begin(FIRST, "Yes...", at(200))
        if fact is not None:
            guesses.keeps_back(fact)
        assert clock.first_sentence is None
        guesses.claim("Yes...", at(300))
        assert clock.first_sentence == at(first_ms)


def test_a_reply_that_is_full_has_no_more_guesses() -> None:
    """What would be a sentence too many is never synthesised."""
    writer = Writer()
    assert writer.write("\n.\n" * MAX_SENTENCES, "Yes.") == ()
    assert writer.wording.sentence_count == MAX_SENTENCES


def test_facts_of_a_take_before_are_nobodys() -> None:
    """They may have been on their way when the sentence was dropped, whatever became of it since."""
    steps = (
        "0 ms: session starts",
        '100 ms: types "Where?"',
        '200 ms: model 1 writes "See example."',
        '210 ms: model 1 writes "com. "',
    )
    for fact in ("speech 1.1 comes", "speech 1.1 is complete, 0 ms", "speech 1.1 fails after 0 ms"):
        core = new_core()
        played(core, steps)
        assert played(core, (f"220 ms: {fact}",)) == f"220 ms: {fact}"
        assert "[play 1.1]" in played(core, ("230 ms: speech 1.1 comes, take 2",))


WORDS = ("Yes", "No", "It is 3", "5", "Mr", "etc", "example", "com", "A", "I", "the", "U.S.", "[x](y)", "x" * 45)
MARKS = (".", ".", "..", "!", "?", ",", ";", '"', "**", ")", "```", "\u2026", "\u3002", "\uff0c", " ", " ", "\n")
PARTS = st.lists(st.sampled_from((*WORDS, *MARKS)), max_size=24)


def said(pieces: list[str]) -> tuple[list[tuple[SentenceId, str]], list[str], str]:
    """What is synthesised and not dropped, told and remembered of a text that comes in these pieces."""
    writer = Writer()
    writer.write(*pieces)
    writer.finish()
    spoken = writer.spoken()
    assert {each.take for each in spoken} <= {writer.wording.guesses.take}
    for each in spoken:
        done = inputs.SpeechCompleted(ONE, each.sentence, 300 * PER_MS, (), each.take)
        assert writer.wording.awaits(done)
        assert not writer.wording.guesses.keeps_back(done)
        writer.wording.sound_ended(done)
    writer.finish()
    events = [effect.event for effect in writer.ordered if isinstance(effect, Emit)]
    told = [event.text for event in events if isinstance(event, ReplyText)]
    return [(each.sentence, each.text) for each in spoken], told, writer.wording.all_heard()


@given(PARTS)
def test_pieces_do_not_matter(parts: list[str]) -> None:
    """However a text is cut, and whatever was begun in vain, what is spoken, told and remembered is the same."""
    whole = "".join(parts)
    assert said(parts) == said([whole]) == said(list(whole))
