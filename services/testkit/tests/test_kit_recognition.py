"""The fake recogniser's judgement, without a socket: endpointing in audio time, and words from the script."""

from itertools import pairwise

import pytest
from voicegateway_testkit.fakes.endpointing import (
    EarEvent,
    Ears,
    Endpointing,
    InterimDue,
    RunEnded,
    RunStarted,
    SegmentEnded,
)
from voicegateway_testkit.fakes.script import Result, Script, Transcriber, Utterance
from voicegateway_testkit.pcm import to_pcm
from voicegateway_testkit.speech import silence, speech, utterance_pcm

RATE = 16000


def hear(pcm: bytes, chunk_bytes: int = 640, eou_ms: int | None = 240, stop_ms: int = 480) -> list[EarEvent]:
    """Feeds audio in chunks and gives all events, the end of the audio not told."""
    ears = Ears(RATE, Endpointing(eou_ms, stop_ms), interim_every_ms=100)
    return [event for start in range(0, len(pcm), chunk_bytes) for event in ears.hear(pcm[start : start + chunk_bytes])]


def transcribe(events: list[EarEvent], *utterances: Utterance) -> list[Result]:
    """Gives the results for events."""
    transcriber = Transcriber(Script(utterances), RATE)
    return [result for event in events if (result := transcriber.take(event)) is not None]


def test_both_passes_fire_at_their_windows() -> None:
    """The first pass comes stop_history_eou after the last speech sample, the second stop_history after it."""
    events = hear(to_pcm(silence(300)) + utterance_pcm(1000, 1000))
    assert RunStarted(300 * 16) in events
    assert RunEnded(1300 * 16) in events
    assert InterimDue(1540 * 16, is_suspected_end=True) in events
    assert events[-1] == SegmentEnded(1780 * 16)


def test_the_cut_of_the_audio_changes_nothing() -> None:
    """Events depend on the samples alone, not on how they were cut into messages."""
    pcm = utterance_pcm(700, 300) + utterance_pcm(500, 700, seed=2)
    assert hear(pcm) == hear(pcm, 3200) == hear(pcm, len(pcm)) == hear(pcm, 46)


def test_a_pause_within_a_segment() -> None:
    """Speech that resumes before stop_history stays in the segment; the first pass fires once for each pause."""
    events = hear(utterance_pcm(500, 300) + utterance_pcm(500, 600))
    assert sum(isinstance(event, SegmentEnded) for event in events) == 1
    assert sum(isinstance(event, InterimDue) and event.is_suspected_end for event in events) == 2
    assert sum(isinstance(event, RunStarted) for event in events) == 2


def test_silence_says_nothing() -> None:
    """Without speech there is no event, not at the end of the audio either."""
    ears = Ears(RATE, Endpointing(240, 480), interim_every_ms=100)
    assert ears.hear(to_pcm(silence(2000))) == []
    assert ears.finish() == []


def test_the_end_of_the_audio_forces_the_end() -> None:
    """A segment that is open when the audio ends is ended there."""
    ears = Ears(RATE, Endpointing(240, 480), interim_every_ms=100)
    ears.hear(utterance_pcm(500, 50))
    assert ears.finish() == [RunEnded(500 * 16), SegmentEnded(550 * 16)]


def test_windows_in_force_are_the_ones_given() -> None:
    """Other windows move the passes, and no first pass is a possibility."""
    events = hear(utterance_pcm(500, 1000), eou_ms=None, stop_ms=800)
    assert events[-1] == SegmentEnded(1300 * 16)
    assert not any(isinstance(event, InterimDue) and event.is_suspected_end for event in events)


def test_interims_reveal_the_words() -> None:
    """Interim texts grow word by word and hold all words once the run of speech has ended."""
    results = transcribe(
        hear(utterance_pcm(900, 600)), Utterance("what is the time now", final="What is the time now?")
    )
    texts = [result.text for result in results]
    assert texts[0] == "what"
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts[:-1]))
    assert texts[-2] == "what is the time now"
    assert texts[-1] == "What is the time now?"
    assert [result.is_final for result in results] == [False] * (len(results) - 1) + [True]
    assert sum(result.is_suspected_end for result in results) == 1


def test_word_times_tile_the_speech() -> None:
    """A final's words share the time between the first and the last speech sample."""
    words = transcribe(hear(utterance_pcm(800, 600)), Utterance("one two three four"))[-1].words
    assert [(word.start_samples // 16, word.end_samples // 16) for word in words] == [
        (0, 200),
        (200, 400),
        (400, 600),
        (600, 800),
    ]


def test_words_after_a_pause_come_after_it() -> None:
    """Words behind the bar are not shown before the second run of speech begins."""
    events = hear(utterance_pcm(500, 300) + utterance_pcm(500, 600))
    results = transcribe(events, Utterance("what is | the weather"))
    assert next(result.text for result in results if result.is_suspected_end) == "what is"
    assert results[-1].text == "what is the weather"


def test_each_segment_takes_the_next_utterance() -> None:
    """One utterance for each segment; speech after the script's end has no words."""
    pcm = utterance_pcm(400, 600) * 3
    finals = [result.text for result in transcribe(hear(pcm), Utterance("one"), Utterance("two")) if result.is_final]
    assert finals == ["one", "two"]


def test_a_cough_has_no_words() -> None:
    """Speech of an utterance without words gives no result at all."""
    assert transcribe(hear(utterance_pcm(300, 600)), Utterance("")) == []


def test_an_utterance_given_back_comes_again() -> None:
    """What a broken stream had begun is the next stream's, in the script's order."""
    script = Script([Utterance("one"), Utterance("two"), Utterance("three")])
    first, second = Transcriber(script, RATE), Transcriber(script, RATE)
    first.take(RunStarted(0))
    second.take(RunStarted(0))
    first.give_up()
    assert script.begin()[1].words == "one"
    assert script.begin()[1].words == "three"


def test_a_script_can_repeat() -> None:
    """For load, the script begins again at its end."""
    script = Script([Utterance("one"), Utterance("two")], repeats=True)
    assert [script.begin()[1].words for _ in range(5)] == ["one", "two", "one", "two", "one"]


def test_a_cut_sample_is_refused() -> None:
    """Audio that is cut inside a sample is an error of whoever sent it, as it would be noise to a recogniser."""
    with pytest.raises(ValueError, match="element size"):
        hear(b"\0\0\0")


def test_equal_text_for_no_longer_than_speech() -> None:
    """An interim never shows a word before enough speech for it was heard."""
    for result in transcribe(hear(to_pcm(speech(1000))), Utterance("a b c d e f g h", word_ms=250)):
        assert len(result.text.split()) <= result.at_samples // (250 * 16)
