"""What the callers of the acceptance say, and the sounds they make that are no words."""

from dataclasses import dataclass

import numpy as np
import riva.client
from voice_client.device import INPUT_RATE_HZ

from accept.caller import trimmed

VOICES = ("Hibari.EN-US.Low", "Hibari.EN-US.High", "Hibari.EN-US.Heart")
"""The last is the agent's."""
SPEAKERS = 2
"""How many of the voices ask and interrupt: the first ones."""
COUGHS = (("Hoff!", 3), ("Cuff!", 4), ("Huff!", 3))
BANGS = (("Tock!", 7), ("Crack!", 7), ("Pock!", 0))
"""The word that sounds like it, and the seed of the noise.

Silero takes each of them for at least 192 ms of speech, wherever its chunks begin (measured 2026-11-21). Longer words
would be heard as two, and brighter noise not at all.
"""
FRAGMENTS = (
    ("What is the", "capital of France?"),
    ("I went to the station and", "my train was late."),
    ("Can you tell me about", "the weather in Berlin?"),
    ("My name is", "Alice."),
    ("How much is twelve times seven and", "how much is twelve times eight?"),
    ("What is a pod in", "Kubernetes?"),
    ("I want to know who wrote the tale of", "two cities."),
    ("Please count from", "one to three."),
    ("I need to talk to someone about my", "last order."),
    ("What is the difference between", "a pod and a node?"),
    ("I was wondering if", "you know the time."),
    ("Please send the parcel to the", "new address."),
    ("Please tell me if", "twelve times seven is eighty four."),
    ("I would like to", "hear a story."),
    ("Do you know where the", "station is?"),
    ("I am calling because", "my parcel is late."),
    ("My brother and I want to", "come on Monday."),
    ("How far is it from", "here to London?"),
    ("Could you explain to me why my", "gateway is slow?"),
    ("I think that we should", "start again."),
)
"""Each stops where nobody can stop, then goes on."""
PAUSES_MS = (700, 800, 900, 1_000, 1_100, 1_200)
QUESTIONS = (
    "What is a pod in Kubernetes?",
    "What is twelve times seven?",
    "Who wrote Romeo and Juliet?",
    "What is a container?",
    "What is your name?",
    "What can you do?",
    "How are you?",
    "What is a node?",
    "What is a Helm chart?",
    "Who was Charles Dickens?",
    "What is speech recognition?",
    "What time is it?",
    "What day is it today?",
    "How much is five plus six?",
    "What is the voice gateway?",
    "Can I interrupt you?",
    "What is a deployment?",
    "Who are you?",
    "What is a turn in a conversation?",
    "What are you looking for?",
)
STOP_AND_ASK = "Stop. What was the last number you said?"
COUNTING = "Count slowly from one to thirty."
INTERRUPTIONS_AFTER_MS = (2_600, 3_100, 3_700, 4_200, 4_900, 5_300, 6_100, 6_600, 7_200, 7_900)
STORY = (
    "Repeat after me: Once upon a time there was a small boat that wanted to see the ocean. Every night it watched the "
    "big ships leave the harbour with their lights on, and every morning it was still tied to the same old wall. "
    "The fishermen laughed when they heard about it, because nobody had ever painted it or given it a name. "
    "One day in spring a storm broke the rope, and the current carried the little boat slowly past the lighthouse. "
    "The waves were high and the water was cold, but the boat was not afraid at all. It met a whale, two dolphins "
    "and a very tired seagull that slept on its bench until noon. In the evening the wind became gentle, and the stars "
    "came out one after another. Far away it could hear the bells of the town where it had been built. "
    "When the sun rose again, a girl found it on a white beach, and she took it home to her family."
)
SHORT_STORY = (
    "Repeat after me: It will be cloudy in the north with light rain during the afternoon, and dry after that."
)
ADDITIONS = ("please", "to Paris", "tomorrow morning", "no, wait")
"""What is said when the turn is over already, as far as the agent can know."""
ADDITIONS_BEFORE_MS = (0, 30, 60, 90, 150)
"""Before the first sample of the reply is heard."""
BOOKINGS = ("Book a table for two.", "I want to order a pizza.", "Call a taxi for me.", "Find me a hotel room.")
WORDS = ("Two.", "Rome.", "No.", "Seven.", "Alice.", "Nine.", "Paris.", "Monday.", "Four.")
"""Words of content: each is an answer to something. The last one said is an answer to a question."""
ASSENT = "Yes."
ASKING = "Repeat after me: Shall I book the table by the window for you and your friends tonight?"
REAL_INTERRUPTION = "Stop. What is twelve times seven?"


@dataclass(frozen=True, slots=True)
class Sound:
    """Something that is heard and is no interruption; s16le mono at `INPUT_RATE_HZ`."""

    name: str
    pcm: bytes


class Studio:
    """Speaks through local-models, as the agent does, in another voice."""

    def __init__(self, riva_address: str) -> None:
        self._service = riva.client.SpeechSynthesisService(riva.client.Auth(uri=riva_address))

    def speak(self, text: str, index: int = 0) -> bytes:
        """Without silence before and behind it."""
        voice = VOICES[index]
        answer = self._service.synthesize(text, voice_name=voice, language_code="en-US", sample_rate_hz=INPUT_RATE_HZ)
        return trimmed(answer.audio)

    def fragment(self, index: int) -> tuple[bytes, bytes, int]:
        """The first part and the rest of a sentence, and the pause between them in ms."""
        first, rest = FRAGMENTS[index]
        return (
            self.speak(first, index % SPEAKERS),
            self.speak(rest, index % SPEAKERS),
            PAUSES_MS[index % len(PAUSES_MS)],
        )

    def sounds(self) -> list[Sound]:
        """Ten, each of one syllable or a hum of two, and of under 0.6 s.

        Recognition hears those that acknowledge as what they are, wherever its audio is cut; of "Uh-huh." it makes
        "If I" or "How" (20 of 36 and 4 of 36, 2026-11-30), which are words of content.
        """
        acknowledging = [Sound(text, self.speak(text, index)) for text in ("Mm-hmm.", "Yeah.") for index in (0, 2)]
        coughs = [Sound("cough", _as_noise(self.speak(text), seed)) for text, seed in COUGHS]
        bangs = [Sound("bang", _as_noise(self.speak(text), seed)) for text, seed in BANGS]
        return [*acknowledging, *coughs, *bangs]


_WINDOW = 512
"""32 ms: keeps the rhythm of the syllables, and no pitch."""
_SMOOTHED_BINS = 9
_PEAK = 0.6 * 32_767


def _as_noise(pcm: bytes, seed: int) -> bytes:
    """Noise with the word's loudness and colour over time, which voice activity detection takes for speech."""
    chance = np.random.default_rng(seed)
    shape = np.frombuffer(pcm, "<i2").astype(np.float64)
    shape = np.concatenate([shape, np.zeros(_WINDOW)])
    noise, window, smooth = chance.standard_normal(shape.size), np.hanning(_WINDOW), np.ones(_SMOOTHED_BINS)
    made = np.zeros(shape.size)
    for start in range(0, shape.size - _WINDOW, _WINDOW // 4):
        stretch = slice(start, start + _WINDOW)
        loudness = np.convolve(np.abs(np.fft.rfft(shape[stretch] * window)), smooth / _SMOOTHED_BINS, "same")
        carrier = np.fft.rfft(noise[stretch] * window)
        made[stretch] += np.fft.irfft(loudness * carrier / np.maximum(np.abs(carrier), 1e-6)) * window
    sound: bytes = (made / np.abs(made).max() * _PEAK).astype("<i2").tobytes()
    return sound
