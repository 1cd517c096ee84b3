"""What callers say, recorded or synthetic: frames, and the first and the last sample of speech in them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voice_client.audio import load_pcm, samples_of
from voice_client.load.voice import synthetic_speech
from voice_client.speech_end import speech_end_samples

RATE_HZ: Final = 16_000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = RATE_HZ * FRAME_MS // 1_000
FRAME_BYTES: Final = FRAME_SAMPLES * 2
SILENCE: Final = bytes(FRAME_BYTES)
SYNTHETIC_MS: Final = (900, 2_400)
"""Shortest and longest synthetic utterance: of a few words, of a sentence."""
SYNTHETIC_UTTERANCES: Final = 24


class ScriptError(ValueError):
    """A recording in which nobody speaks."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to say, in whole frames."""

    frames: tuple[bytes, ...]
    """s16le at `RATE_HZ`, `FRAME_BYTES` each."""
    speech_start_samples: int
    """The first sample of speech."""
    speech_end_samples: int
    """One past the last sample of speech."""
    text: str = ""
    """Its words; empty: not known."""


def utterance_of(pcm: bytes, text: str = "") -> Utterance:
    """Cut s16le at `RATE_HZ` into frames, the last one filled with silence, and find the speech in it.

    Raises:
        ScriptError: there is none.
    """
    end_samples = speech_end_samples(pcm, RATE_HZ)
    if not end_samples:
        raise ScriptError("nobody speaks in it")
    backwards = samples_of(pcm)[::-1].astype("<i2").tobytes()
    start_samples = len(pcm) // 2 - speech_end_samples(backwards, RATE_HZ)
    return Utterance(_frames(pcm), min(start_samples, end_samples - 1), end_samples, text)


def recorded(paths: Sequence[Path]) -> tuple[Utterance, ...]:
    """An utterance of each sound file; its words are in a file beside it of the same name that ends in `.txt`, if any.

    Raises:
        AudioFileError: a sound file cannot be read.
        OSError: a text file cannot be read.
        ScriptError: nobody speaks in a sound file, or a text file is none.
    """
    found = []
    for path in paths:
        try:
            found.append(utterance_of(load_pcm(path, RATE_HZ), _words_beside(path)))
        except ScriptError as error:
            raise ScriptError(f"{path}: {error}") from error
    return tuple(found)


def _words_beside(path: Path) -> str:
    words = path.with_suffix(".txt")
    try:
        return words.read_text(encoding="utf-8").strip() if words.exists() else ""
    except UnicodeError as error:
        raise ScriptError(f"{words.name} is not UTF-8") from error


def synthetic(seed: int = 0) -> tuple[Utterance, ...]:
    """Utterances of different lengths without words; the same ones for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - lengths of utterances
    found = []
    for number in range(SYNTHETIC_UTTERANCES):
        samples = synthetic_speech(rng.randint(*SYNTHETIC_MS), RATE_HZ, seed=seed * SYNTHETIC_UTTERANCES + number)
        found.append(Utterance(_frames(samples.astype("<i2").tobytes()), 0, samples.size))
    return tuple(found)


def _frames(pcm: bytes) -> tuple[bytes, ...]:
    whole = pcm + bytes(-len(pcm) % FRAME_BYTES)
    return tuple(whole[at : at + FRAME_BYTES] for at in range(0, len(whole), FRAME_BYTES))
