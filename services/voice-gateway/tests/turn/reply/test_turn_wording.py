"""The sentences of one reply, from the model's text to what is told and played."""

import pytest
from gateway_kit.phone_call import PER_MS, RATE_HZ, at
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import Notice, ReplyKind, ReplyText
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.reply_options import AS_AGREED, Modality
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import (
    BlameSynthesis,
    CancelSynthesis,
    Effect,
    Emit,
    EndPlay,
    Orders,
    Play,
    Synthesize,
)
from voice_gateway.turn.reply.brief import Brief
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.wording import Wording, spoken_sentences

ONE, TURN = ReplyId(1), TurnId(4)
NO_SOUND = "speech synthesis has no sound for this sentence"
SKIPPED = Emit(Notice(Reason.SENTENCE_SKIPPED, NO_SOUND, Backend.TTS, TURN))
GONE = Notice(Reason.LLM_FAILED, "gone", Backend.LLM, TURN)


class Writer:
    """A wording, its clock and its orders."""

    def __init__(self, modality: Modality = Modality.AUDIO) -> None:
        brief = Brief(ONE, TURN, ReplyKind.ANSWER, "Sorry.", (), 0, AS_AGREED, modality)
        self.clock, self.orders = ReplyClock(at(0)), Orders()
        self.wording = Wording(brief, self.clock, RATE_HZ, orders=self.orders)

    def write(self, text: str, now_ms: int = 100) -> "Writer":
        """The model writes all of this."""
        self.wording.write(text, at(now_ms))
        self.wording.finish(at(now_ms))
        return self

    def release(self, now_ms: int = 200) -> "Writer":
        """Its turn is certain."""
        self.wording.release(at(now_ms))
        return self

    def came(self, *sentences: int) -> tuple[Effect, ...]:
        """What is ordered when the first audio of these comes, and before that."""
        for sentence in sentences:
            self.wording.sound_came(SentenceId(sentence), at(300))
        return self.orders.drain()

    def ended(self, sentence: int, length_ms: int, *words: SpokenWord) -> tuple[Effect, ...]:
        """What is ordered when a sentence has so much sound, and before that."""
        self.wording.sound_ended(inputs.SpeechCompleted(ONE, SentenceId(sentence), length_ms * PER_MS, words))
        return self.orders.drain()

    def failed(self, sentence: int, length_ms: int) -> tuple[Effect, ...]:
        """What is ordered when synthesis fails after so much sound of a sentence, and before that."""
        fact = inputs.SpeechFailed(ONE, SentenceId(sentence), length_ms * PER_MS, Reason.TTS_FAILED, "lost")
        self.wording.sound_failed(fact)
        return self.orders.drain()


def text(sentence: int, words: str, kind: ReplyKind = ReplyKind.ANSWER) -> Emit:
    """The client is told a sentence."""
    return Emit(ReplyText(ONE, TURN, kind, SentenceId(sentence), words))


def ready(sentence: int, take: int = 1) -> inputs.SpeechReady:
    """The first audio of a sentence has come."""
    return inputs.SpeechReady(ONE, SentenceId(sentence), take)


def synthesize(sentence: int, words: str) -> Synthesize:
    """Synthesis is given a sentence."""
    return Synthesize(ONE, SentenceId(sentence), words)


def play(sentence: int) -> Play:
    """A sentence is played."""
    return Play(ONE, SentenceId(sentence))


def test_before_the_model_has_written() -> None:
    """A reply of which nothing is written is neither complete nor silent, and awaits no sound."""
    wording = Writer().wording
    assert wording.is_coming
    assert wording.is_untold
    assert not wording.is_complete
    assert not wording.is_silent
    assert not wording.has_written
    assert not wording.has_audio
    assert not wording.has_failed
    assert not wording.awaits(ready(1))
    assert (wording.pieces, wording.sentence_count, wording.kind) == (0, 0, ReplyKind.ANSWER)
    assert wording.heard_text(9) == wording.all_heard() == wording.whole_text() == wording.spoken_text(9) == ""


def test_white_space_is_a_piece_but_no_word() -> None:
    """Pieces are counted for what they cost; the first token is the first that says anything."""
    writer = Writer()
    writer.wording.write(" \n", at(50))
    assert (writer.wording.has_written, writer.wording.pieces, writer.clock.first_token) == (False, 1, None)
    writer.wording.write("Yes", at(60))
    assert (writer.wording.has_written, writer.wording.pieces, writer.clock.first_token) == (True, 2, at(60))


def test_before_the_turn_is_certain_the_first_sentence_that_sounds_is_synthesised() -> None:
    """A reply that is prepared costs one request, for its first sound, and tells nothing."""
    writer = Writer().write("```\nls\n```\nYes. No. Well.", 100)
    assert writer.came(4) == (synthesize(4, "Yes."),)
    assert writer.wording.is_untold
    assert writer.release().orders.drain() == (
        synthesize(5, "No."),
        synthesize(6, "Well."),
        text(1, "```\n"),
        text(2, "ls\n"),
        text(3, "```\n"),
        text(4, "Yes. "),
        play(4),
    )


def test_the_first_sentence_is_timed_when_it_is_handed_over() -> None:
    """What is shown only is no sentence for the ear; of a text any sentence is the first."""
    for modality, first_ms in ((Modality.AUDIO, 200), (Modality.TEXT, 100)):
        writer = Writer(modality)
        writer.wording.write("```\nls\n```\n", at(100))
        writer.write("Yes.", 200).release(300)
        assert writer.clock.first_sentence == at(first_ms)


def test_sentences_are_told_and_played_in_their_order() -> None:
    """A sound that comes before that of an earlier sentence waits for it."""
    writer = Writer().release().write("Yes. No.")
    assert writer.came(2) == (synthesize(1, "Yes."), synthesize(2, "No."))
    assert writer.came(1) == (text(1, "Yes. "), play(1), text(2, "No."), play(2))
    assert writer.clock.first_speech == at(300)
    assert writer.ended(2, 300) == ()
    assert writer.ended(1, 300) == (EndPlay(ONE),)
    assert writer.wording.is_complete
    assert not writer.wording.is_silent


def test_a_reply_ends_once() -> None:
    """A second end of the text, as after a cut, changes nothing: the end of the audio is told once."""
    writer = Writer().release().write("Yes.")
    assert writer.ended(1, 300)[-1] == EndPlay(ONE)
    writer.wording.finish(at(400))
    assert writer.orders.drain() == ()


def test_sound_is_awaited_until_all_of_it_has_come() -> None:
    """What comes of a sentence that is not there, or is complete, is nobody's."""
    writer = Writer().release().write("Yes. No.")
    writer.came(1)
    assert [writer.wording.awaits(ready(number)) for number in range(4)] == [False, True, True, False]
    writer.ended(1, 300)
    assert [writer.wording.awaits(ready(number)) for number in range(4)] == [False, False, True, False]


def test_what_has_no_voice_awaits_none() -> None:
    """A code block, and any sentence of a text, is told at once and is never played."""
    writer = Writer(Modality.TEXT).release().write("Yes. No.")
    assert writer.orders.drain() == (text(1, "Yes. "), text(2, "No."))
    assert not writer.wording.awaits(ready(1))
    assert writer.wording.is_silent
    assert not writer.wording.has_failed
    assert writer.wording.heard_text(0) == writer.wording.all_heard() == "Yes. No."


def test_a_sentence_without_sound_is_told_as_one() -> None:
    """The notice stands before the sentence; what sounds goes on, and only that was heard in the end."""
    writer = Writer().release().write("Yes. No.")
    writer.orders.drain()
    assert writer.ended(1, 0) == (SKIPPED, text(1, "Yes. "))
    assert writer.ended(2, 300) == (text(2, "No."), play(2), EndPlay(ONE))
    assert not writer.wording.has_failed
    assert (writer.wording.all_heard(), writer.wording.whole_text()) == ("No.", "Yes. No.")
    assert writer.wording.heard_text(300 * PER_MS) == "No."


def test_a_reply_of_which_no_sentence_sounds_was_seen() -> None:
    """Without any sound the text is all there is: it counts as known, and synthesis is blamed."""
    writer = Writer().release().write("Yes. No.")
    writer.ended(1, 0)
    message = "speech synthesis has no sound for any sentence of the reply"
    silent = Emit(Notice(Reason.TTS_FAILED, message, Backend.TTS, TURN))
    assert writer.ended(2, 0) == (SKIPPED, text(2, "No."), silent, BlameSynthesis(ONE))
    assert writer.wording.has_failed
    assert writer.wording.is_silent
    assert writer.wording.all_heard() == "Yes. No."


@pytest.mark.parametrize("length_ms", [0, 100])
def test_when_synthesis_fails_the_rest_is_shown(length_ms: int) -> None:
    """What there is of the sentence is played, sentences after it are told without sound, and none is asked for."""
    writer = Writer().release()
    writer.wording.write("Yes. No. We", at(100))
    writer.orders.drain()
    told = writer.failed(1, length_ms)
    played = (play(1),) if length_ms else ()
    lost = Emit(Notice(Reason.TTS_FAILED, "lost", Backend.TTS, TURN))
    assert told == (lost, CancelSynthesis(ONE), text(1, "Yes. "), *played, text(2, "No. "))
    assert writer.wording.has_failed
    assert not any(writer.wording.awaits(ready(number)) for number in (1, 2))
    later = writer.write("ll.").orders.drain()
    assert not any(isinstance(effect, Synthesize | BlameSynthesis) for effect in later)
    assert (EndPlay(ONE) in later) is bool(length_ms)
    assert writer.wording.whole_text() == "Yes. No. Well."


def test_a_failure_of_a_later_sentence_waits_for_the_earlier_one() -> None:
    """The sentence before it may still sound: it is awaited, and nothing is told before it."""
    writer = Writer().release().write("Yes. No.")
    writer.orders.drain()
    assert text(1, "Yes. ") not in writer.failed(2, 0)
    assert writer.wording.awaits(ready(1))
    assert writer.ended(1, 300) == (text(1, "Yes. "), play(1), text(2, "No."), EndPlay(ONE))


def test_an_apology_instead_of_an_answer() -> None:
    """A model that wrote nothing is excused for: the reply is an apology, and has failed."""
    writer = Writer().release()
    writer.wording.write(" ", at(90))
    writer.wording.apologise("Sorry.", GONE, at(100))
    assert writer.orders.drain() == (Emit(GONE), synthesize(1, "Sorry."))
    assert (writer.wording.kind, writer.wording.has_failed) == (ReplyKind.APOLOGY, True)
    assert not writer.wording.is_coming
    assert writer.ended(1, 300)[1:] == (play(1), EndPlay(ONE))
    assert writer.wording.whole_text() == "Sorry."


def test_an_apology_after_a_part_of_the_answer() -> None:
    """What was begun stays an answer, whose last sentence is cut off and apologised for."""
    writer = Writer().release()
    writer.wording.write("It is", at(90))
    writer.wording.apologise("Sorry.", GONE, at(100))
    assert writer.orders.drain() == (Emit(GONE), synthesize(1, "It is"), synthesize(2, "Sorry."))
    assert (writer.wording.kind, writer.wording.has_failed) == (ReplyKind.ANSWER, True)


def test_an_empty_apology_is_not_said() -> None:
    """Where nothing is to be said, the reply ends with what there is."""
    writer = Writer().release()
    writer.wording.apologise("", GONE, at(100))
    assert writer.orders.drain() == (Emit(GONE),)
    assert (writer.wording.is_silent, writer.wording.pieces, writer.wording.sentence_count) == (True, 0, 0)


def test_words_are_heard_as_far_as_they_were_told() -> None:
    """What the client was not told was not heard, asked or said, however far the sound is thought to be."""
    writer = Writer().release().write("It is. Is it?")
    writer.ended(2, 300)
    assert writer.wording.heard_text(9_000 * PER_MS) == ""
    assert not writer.wording.has_asked(9_000 * PER_MS)
    writer.ended(1, 600)
    assert writer.wording.heard_text(600 * PER_MS) == writer.wording.spoken_text(600 * PER_MS - 1) == "It is."
    assert writer.wording.spoken_text(600 * PER_MS) == "It is. Is"
    assert not writer.wording.has_asked(600 * PER_MS)
    assert writer.wording.has_asked(900 * PER_MS)


def test_words_are_heard_when_synthesis_says() -> None:
    """Where synthesis tells when its words end, that counts, and not their letters."""
    writer = Writer().release().write("A marmalade.")
    writer.ended(1, 1_000, SpokenWord("A", 0, 800 * PER_MS), SpokenWord("marmalade.", 800 * PER_MS, 1_000 * PER_MS))
    assert writer.wording.heard_text(799 * PER_MS) == ""
    assert writer.wording.heard_text(800 * PER_MS) == "A"


@pytest.mark.parametrize(
    ("whole", "spoken"),
    [
        ("Hello.", ("Hello.",)),
        ("Hello. **Bye.** ", ("Hello.", "Bye.")),
        ("```\nls\n```\nDone", ("Done",)),
        ("...", ()),
        ("", ()),
    ],
)
def test_what_is_spoken_of_a_text(whole: str, spoken: tuple[str, ...]) -> None:
    """Sentences as synthesis is given them; what is shown only is none of them."""
    assert spoken_sentences(whole) == spoken
