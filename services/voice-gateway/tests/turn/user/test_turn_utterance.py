"""What is known of an utterance by its sound and its words. Sixteen samples are a millisecond, as in the scripts."""

import pytest
from gateway_kit.phone_call import PER_MS, RATE_HZ, at
from voice_gateway.domain.events import SpeechEnded, SpeechStarted
from voice_gateway.domain.instant import Instant
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.tables import FLOOR, Floor, Machine
from voice_gateway.turn.user.utterance import Sound, Utterance


class Call:
    """An utterance whose facts are told in milliseconds of the input."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.utterance = Utterance(Machine(FLOOR, Floor.USER), RATE_HZ, self.orders)

    def begins(self, ms: int, *, is_asked: bool = False, is_voiced: bool = False) -> None:
        """Somebody begins to speak, by the sound."""
        self.utterance.sound_began(ms * PER_MS, is_asked=is_asked)
        if is_voiced:
            self.utterance.voiced()

    def ends(self, ms: int) -> None:
        """Somebody stops; that is known at once."""
        assert self.utterance.sound_ended(ms * PER_MS, at(ms))

    def final(self, ms: int, text: str = "words") -> None:
        """A final that ends here."""
        self.utterance.finalised(ms * PER_MS, has_words=bool(text))

    def sound_of(self, ms: int) -> Sound:
        """What is known of the sound of words that began here."""
        return self.utterance.sound_of(ms * PER_MS)

    def speech_ms(self, ms: int) -> int | None:
        """How long the utterance has lasted by then."""
        return self.utterance.speech_ms(ms * PER_MS)


def test_before_anything_is_heard_nothing_is_known() -> None:
    """Words without any sound have no voice, no length and no other beginning or end than their own."""
    call = Call()
    utterance = call.utterance
    assert (utterance.is_speaking, utterance.is_silent, utterance.is_sounding) == (False, False, False)
    assert (utterance.has_voice, utterance.quiet_by, utterance.may_become_turn) == (False, None, False)
    assert (call.speech_ms(500), utterance.sound_end(500), utterance.began(500)) == (None, 500, 500)
    assert call.sound_of(500) == Sound(is_noticed=False, is_fresh=False, has_voice=False, is_asked=False)
    assert not utterance.sound_ended(500, at(500))
    assert (utterance.sound_end(700), utterance.quiet_by, list(call.orders.events)) == (700, None, [])


def test_words_without_a_sound_begin_and_end_speech() -> None:
    """The client is told of speech that voice detection missed: from its first words to its final."""
    call = Call()
    call.utterance.words_came(800)
    call.utterance.words_came(900)
    assert (call.utterance.is_speaking, call.utterance.may_become_turn) == (True, True)
    assert (call.utterance.is_sounding, call.utterance.is_silent) == (False, False)
    call.final(1_000)
    assert list(call.orders.events) == [SpeechStarted(800), SpeechEnded(1_000 * PER_MS)]
    assert not call.utterance.may_become_turn


def test_words_of_a_sound_begin_and_end_nothing() -> None:
    """The edges of the sound are those of speech: late words do not begin it anew, and a final does not end it."""
    call = Call()
    call.begins(100)
    call.utterance.words_came(300)
    call.final(400)
    assert (call.utterance.is_speaking, call.utterance.is_sounding) == (True, True)
    call.ends(600)
    call.utterance.words_came(500 * PER_MS)
    assert (call.utterance.is_speaking, call.utterance.is_silent) == (False, True)
    assert list(call.orders.events) == [SpeechStarted(100 * PER_MS), SpeechEnded(600 * PER_MS)]


def test_words_of_a_sound_that_ended_may_come_for_a_second() -> None:
    """Until 1000 ms after the end of a sound something may still become a turn; then nothing may, without words."""
    call = Call()
    call.begins(100)
    call.ends(300)
    for now, waits in ((Instant(at(1_300) - 1), (at(1_300), True)), (at(1_300), (None, False))):
        call.utterance.keep_quiet_time(now, is_heard=True)
        assert (call.utterance.quiet_by, call.utterance.may_become_turn) == waits
    assert call.utterance.is_silent


@pytest.mark.parametrize(
    ("now", "is_heard", "has_words", "is_noticed"),
    [
        (Instant(at(3_300) - 1), True, False, True),
        (at(3_300), True, False, False),
        (at(3_300), False, False, True),
        (at(3_300), True, True, True),
    ],
)
def test_a_sound_without_words_is_forgotten_after_3_s(
    *, now: Instant, is_heard: bool, has_words: bool, is_noticed: bool
) -> None:
    """Words that come 3000 ms after a sound are not of that sound, unless nobody could hear it, or it had words."""
    call = Call()
    call.begins(100, is_voiced=True)
    if has_words:
        call.utterance.words_came(200 * PER_MS)
    call.ends(300)
    call.utterance.keep_quiet_time(now, is_heard=is_heard)
    assert (call.sound_of(200).is_noticed, call.utterance.is_silent) == (is_noticed, is_noticed)
    assert call.utterance.has_voice is is_noticed
    assert call.utterance.sound_end(999) == (300 * PER_MS if is_noticed else 999)
    assert call.utterance.may_become_turn is has_words


def test_a_sound_that_goes_on_is_not_forgotten() -> None:
    """A user who speaks for long before the first word comes is still speaking."""
    call = Call()
    call.begins(100)
    call.utterance.keep_quiet_time(at(9_000), is_heard=True)
    assert (call.utterance.is_sounding, call.sound_of(200).is_noticed) == (True, True)


def test_the_voice_of_a_forgotten_sound_is_not_of_the_next() -> None:
    """A hum without words does not make a voice of a knock that comes seconds later."""
    call = Call()
    call.begins(100, is_voiced=True)
    call.ends(300)
    call.utterance.keep_quiet_time(at(3_300), is_heard=True)
    call.begins(5_000)
    assert (call.utterance.has_voice, call.sound_of(5_100).has_voice) == (False, False)


@pytest.mark.parametrize(
    ("quiet_ms", "has_words", "speech_ms"), [(1_299, False, 1_400), (1_300, False, 100), (1_300, True, 1_400)]
)
def test_a_sound_soon_after_another_goes_on_with_it(*, quiet_ms: int, has_words: bool, speech_ms: int) -> None:
    """A pause within a sentence divides no utterance; a cough a second ago, without words, is no part of it."""
    call = Call()
    call.begins(100)
    call.ends(300)
    if has_words:
        call.utterance.words_came(200 * PER_MS)
    call.utterance.keep_quiet_time(at(quiet_ms), is_heard=True)
    call.begins(1_400)
    assert call.speech_ms(1_500) == speech_ms
    assert call.utterance.quiet_by is None


def test_the_length_of_speech_is_that_of_its_sound() -> None:
    """By its sound speech lasts to its end, or to the last word so far, and never less than nothing."""
    call = Call()
    call.begins(1_000)
    assert [call.speech_ms(by) for by in (900, 1_000, 1_400)] == [0, 0, 400]
    assert call.utterance.speech_ms(1_401 * PER_MS - 1) == 400
    call.ends(1_600)
    assert call.speech_ms(9_000) == 600


@pytest.mark.parametrize(("end_ms", "unheard_ms"), [(1_000, 0), (1_400, 400)])
def test_who_began_behind_the_words_goes_on(end_ms: int, unheard_ms: int) -> None:
    """A sound that began where the words end, or as long before as a word may lack, is another's, while it sounds."""
    call = Call()
    end_samples = end_ms * PER_MS
    assert not call.utterance.goes_on_after(end_samples, unheard_ms)
    call.begins(1_000)
    assert call.utterance.goes_on_after(end_samples, unheard_ms)
    assert not call.utterance.goes_on_after(end_samples + 1, unheard_ms)
    call.ends(1_200)
    assert not call.utterance.goes_on_after(end_samples, unheard_ms)


def test_a_word_may_be_placed_half_a_second_before_its_sound() -> None:
    """A word that begins 500 ms before the sound is still of that sound; one that begins earlier is of another."""
    call = Call()
    call.begins(1_000, is_asked=True, is_voiced=True)
    own = Sound(is_noticed=True, is_fresh=True, has_voice=True, is_asked=True)
    assert [call.sound_of(ms) for ms in (500, 1_000, 9_000)] == [own, own, own]
    assert call.sound_of(499) == Sound(is_noticed=True, is_fresh=False, has_voice=False, is_asked=False)
    assert [call.utterance.began(ms * PER_MS) for ms in (499, 500)] == [499 * PER_MS, 1_000 * PER_MS]


def test_a_sound_that_goes_on_from_a_final_is_of_words_that_come_soon() -> None:
    """Behind a final, words within 1000 ms are of the sound that did not pause; later ones are in a noisy room."""
    call = Call()
    call.begins(1_000, is_voiced=True)
    call.final(2_000)
    assert call.sound_of(3_000) == Sound(is_noticed=True, is_fresh=False, has_voice=True, is_asked=False)
    assert call.sound_of(3_001) == Sound(is_noticed=True, is_fresh=False, has_voice=False, is_asked=False)
    assert call.speech_ms(2_700) == 700


@pytest.mark.parametrize(
    ("finals", "is_fresh", "is_asked"),
    [
        ([(2_000, "words")], False, False),
        ([(2_000, "")], True, True),
        ([(1_000, "words")], True, True),
        ([(999, "words")], True, True),
        ([(2_000, "words"), (2_100, "")], False, False),
        ([(2_000, ""), (2_100, "words")], False, False),
    ],
)
def test_a_sound_belongs_to_its_first_words(*, finals: list[tuple[int, str]], is_fresh: bool, is_asked: bool) -> None:
    """A sound answers once: after a final with words of it, the next words do not begin with it nor answer by it."""
    call = Call()
    call.begins(1_000, is_asked=True)
    for end_ms, text in finals:
        call.final(end_ms, text)
    sound = call.sound_of(2_200)
    assert (sound.is_noticed, sound.is_fresh, sound.is_asked) == (True, is_fresh, is_asked)


def test_a_second_sound_of_an_utterance_is_as_fresh_as_the_first() -> None:
    """Who pauses within a sentence has not gone on from words before it."""
    call = Call()
    call.begins(1_000)
    call.ends(1_200)
    call.begins(1_400)
    assert [call.sound_of(ms).is_fresh for ms in (1_100, 1_400)] == [True, True]


def test_a_final_when_nobody_speaks_ends_nothing() -> None:
    """The client is not told that somebody fell silent who never spoke, nor a second time of one who did."""
    call = Call()
    call.final(500, "")
    assert list(call.orders.events) == []
    call.begins(600)
    call.ends(700)
    call.final(700)
    assert list(call.orders.events) == [SpeechStarted(600 * PER_MS), SpeechEnded(700 * PER_MS)]


def test_a_sound_is_fresh_again_after_the_next_final() -> None:
    """A sound that began after a pause is fresh once a final has ended the one that went on from the words before."""
    call = Call()
    call.begins(1_000)
    call.final(2_000)
    call.ends(2_100)
    call.begins(2_300)
    assert not call.sound_of(2_300).is_fresh
    call.final(2_150)
    assert call.sound_of(2_300).is_fresh


@pytest.mark.parametrize(
    ("asked", "before", "last"),
    [
        ((True, False), True, False),
        ((False, True), False, True),
        ((False, False), False, False),
        ((True, False, False), True, False),
        ((False, True, False), True, False),
    ],
)
def test_each_sound_of_an_utterance_answers_for_itself(*, asked: tuple[bool, ...], before: bool, last: bool) -> None:
    """Words behind the last onset are judged by what that sound answers, words before it by the sounds before."""
    call = Call()
    for number, is_asked in enumerate(asked):
        call.begins(1_000 + 300 * number, is_asked=is_asked)
        if number < len(asked) - 1:
            call.ends(1_100 + 300 * number)
    onset = 1_000 + 300 * (len(asked) - 1)
    assert (call.sound_of(onset - 1).is_asked, call.sound_of(onset).is_asked) == (before, last)


def test_an_asked_sound_before_a_final_says_nothing_of_those_after_it() -> None:
    """What answered a question is answered: the next utterance, in a sound of its own, is no answer."""
    call = Call()
    call.begins(1_000, is_asked=True)
    call.ends(1_200)
    call.begins(1_400)
    call.final(1_300)
    call.ends(1_500)
    call.begins(1_700)
    assert (call.sound_of(1_650).is_asked, call.sound_of(1_700).is_asked) == (False, False)


def test_a_voice_is_of_the_sound_in_which_it_was_heard() -> None:
    """After a final only the voice of the sound that goes on counts; before any sound there is none to have it."""
    call = Call()
    call.utterance.voiced()
    has_voice = [call.utterance.has_voice]
    call.begins(1_000, is_voiced=True)
    call.ends(1_200)
    call.begins(1_400)
    has_voice.append(call.utterance.has_voice)
    call.final(1_300)
    has_voice.append(call.utterance.has_voice)
    call.utterance.voiced()
    call.final(1_500)
    has_voice.append(call.utterance.has_voice)
    call.ends(1_600)
    call.final(1_600)
    has_voice.append(call.utterance.has_voice)
    assert has_voice == [False, True, False, True, False]


def test_a_final_ends_the_sounds_before_it() -> None:
    """A sound that ended is over with its final; one that began behind the final waits for words of its own."""
    call = Call()
    call.begins(100)
    call.ends(300)
    call.final(101)
    assert (call.utterance.is_silent, call.utterance.quiet_by, call.speech_ms(300)) == (False, None, None)
    call.begins(1_000)
    call.ends(1_200)
    call.final(1_000)
    assert (call.utterance.is_silent, call.utterance.quiet_by, call.speech_ms(9_000)) == (True, at(2_200), 200)


def test_words_that_lapse_end_speech_that_no_sound_showed() -> None:
    """What was shown and disregarded, and has no final, leaves nobody speaking; a sound that goes on is not ended."""
    call = Call()
    call.utterance.words_came(800)
    call.utterance.words_lapsed(900)
    assert (call.utterance.may_become_turn, list(call.orders.events)[1:]) == (False, [SpeechEnded(900)])
    call.begins(1_000)
    call.utterance.words_came(1_100 * PER_MS)
    call.utterance.words_lapsed(1_200 * PER_MS)
    assert (call.utterance.is_sounding, call.speech_ms(1_300)) == (True, 300)


def test_a_sound_without_words_does_not_lapse() -> None:
    """Words of a sound that has ended may still come, though those that another stream had shown have lapsed."""
    call = Call()
    call.begins(1_000)
    call.ends(1_200)
    call.utterance.words_lapsed(1_500 * PER_MS)
    assert (call.utterance.is_silent, call.utterance.quiet_by) == (True, at(2_200))
