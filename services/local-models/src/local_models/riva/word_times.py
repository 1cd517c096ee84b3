"""When each word was spoken. Pure."""

from local_models.engines.recognition import Recognition, TimedWord
from local_models.riva.endpointing import FRAME_SAMPLES, SAMPLES_PER_MS
from local_models.riva.segmentation import Span

FRAME_MS = FRAME_SAMPLES // SAMPLES_PER_MS


def timed_words(recognition: Recognition, span: Span) -> tuple[TimedWord, ...]:
    """The words of `span`'s audio with times from the start of the stream.

    The engine's own times, moved by where the span starts. An engine that gives none (Moonshine) gets its words spread
    over the speech that the VAD found in the span, each as long as its share of the letters: an estimate, good to a few
    hundred ms.
    """
    if recognition.words:
        offset_ms = span.start_frame * FRAME_MS
        return tuple(
            TimedWord(word.text, word.start_ms + offset_ms, word.end_ms + offset_ms) for word in recognition.words
        )
    words = recognition.text.split()
    speech_start_ms = span.speech_start_frame * FRAME_MS
    ms_per_letter = (span.speech_end_frame * FRAME_MS - speech_start_ms) / max(1, sum(map(len, words)))
    timed: list[TimedWord] = []
    letters = 0
    for word in words:
        start_ms = speech_start_ms + round(letters * ms_per_letter)
        letters += len(word)
        timed.append(TimedWord(word, start_ms, speech_start_ms + round(letters * ms_per_letter)))
    return tuple(timed)
