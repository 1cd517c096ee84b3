"""Records how the recogniser hears the agent's own voice: what the tests of echo judge
(`tests/turn/text/echo_heard.json`).

Speaks ten paragraphs, turns them down by 12 dB, cuts pieces out of them anywhere, transcribes each and keeps the text
alone. Beside them, as what must not be taken for echo: sentences of a user, and such sentences after a piece of echo.
Takes about two minutes; the same every time.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from local_models.audio import Samples
from local_models.engines.hibari import HibariEngine
from local_models.engines.moonshine import MoonshineEngine

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "services" / "voice-gateway" / "tests" / "turn" / "text" / "echo_heard.json"
RATE_HZ = 16_000
ECHO_GAIN = 10 ** (-12 / 20)
PIECES = 30
"""Pieces of each paragraph."""
MIXED = 10
"""Pieces of each paragraph with echo, then a user."""
SHORTEST_S, LONGEST_S = 0.4, 6.0
PARAGRAPHS = (
    (
        "The capital of France is Paris. It lies on the river Seine, and about two million people live there. Many "
        "visitors come to see the Eiffel Tower, which was built in eighteen eighty nine. Is there anything else you "
        "would like to know about it?"
    ),
    (
        "A pod is the smallest thing that Kubernetes runs. It holds one or more containers that share a network "
        "address. When a pod dies, another one takes its place, so never keep anything in it that you cannot lose. A "
        "deployment tells how many of them there should be."
    ),
    (
        "Your order was shipped on Monday and should arrive by Thursday. The parcel contains two blue shirts and one "
        "pair of running shoes. If nobody is at home, the driver will leave it with a neighbour. You can change the "
        "delivery address until tomorrow evening."
    ),
    (
        "To make a good cup of tea, boil fresh water first. Warm the pot, put in one spoon of leaves for each person, "
        "and pour the water over them. Let it stand for four minutes. Some people add milk, others prefer a slice of "
        "lemon."
    ),
    (
        "Twelve times seven is eighty four. If you multiply that by ten, you get eight hundred and forty. Half of it "
        "is four hundred and twenty. Shall we try a harder one, or would you rather stop here?"
    ),
    (
        "Your next appointment is on Tuesday the third of March at half past nine in the morning with Doctor Miller. "
        "Please bring your insurance card and arrive ten minutes early. If you cannot come, call us one day before so "
        "that somebody else can have the time."
    ),
    (
        "Once upon a time there was a small boat that wanted to see the ocean. Every night it watched the big ships "
        "leave the harbour with their lights on. One morning its rope came loose, and the current carried it slowly "
        "towards the open sea. It was not afraid at all."
    ),
    (
        "The weather will be cloudy in the north with light rain during the afternoon. In the south it stays dry and "
        "warm, up to twenty five degrees. The wind comes from the west and grows stronger towards the evening. The "
        "weekend looks sunny everywhere."
    ),
    (
        "I have found three flights to Berlin. The first one leaves at six fifteen and costs ninety euros. The second "
        "one leaves at noon and is a little cheaper, but you would have to change planes in Zurich. The last one "
        "leaves at eight in the evening. Which of them do you want?"
    ),
    (
        "Light travels about three hundred thousand kilometres in a second. From the sun to the earth it needs a "
        "little more than eight minutes. The nearest other star is over four light years away. So when you look at "
        "the sky at night, you are looking into the past."
    ),
)
USERS = (
    "Stop.",
    "Wait, stop.",
    "No.",
    "Yes.",
    "Yes, please.",
    "Hang on a second.",
    "Okay, thank you.",
    "What did you say?",
    "Can you repeat that?",
    "Tell me more about it.",
    "That is not what I asked.",
    "I have a different question.",
    "What is the capital of Spain?",
    "How many people live in London?",
    "What about Friday instead?",
    "Cancel my order, please.",
    "I want to speak to a person.",
    "Which one is the cheapest?",
    "Take the second one.",
    "Please change my delivery address.",
    "Can I come on Wednesday afternoon?",
    "What happens when a container runs out of memory?",
    "How long does it take to boil an egg?",
    "Is the Eiffel Tower open on Sundays?",
    "Do I need an umbrella tomorrow?",
    "Book the flight at noon.",
    "My name is Alice and I live in Hamburg.",
    "My phone number is five five five one two three four.",
    "Could you speak a little slower?",
    "Let us talk about something else.",
    "Who wrote that story?",
    "And how far away is the moon?",
    "I do not like milk in my tea.",
    "What is fifteen times three?",
    "Please call me back in ten minutes.",
    "Sorry, I was talking to my neighbour.",
    "Never mind, I will do it myself.",
    "Turn the volume down.",
    "That sounds good to me.",
    "How much does it cost?",
)
USER_VOICES = ("Low", "High")


@dataclass(frozen=True, slots=True)
class Speech:
    """Samples at `RATE_HZ`, the sentences, and where each ends."""

    samples: Samples
    sentences: tuple[str, ...]
    ends_s: tuple[float, ...]

    def begun_by(self, now_s: float) -> int:
        """How many sentences have begun by then."""
        return 1 + sum(end < now_s for end in self.ends_s[:-1])


class Studio:
    """The two engines."""

    def __init__(self) -> None:
        self._voice = HibariEngine()
        self._ear = MoonshineEngine()
        self._variants = {voice.variant: voice for voice in self._voice.voices}

    def speak(self, text: str, variant: str = "Heart") -> Speech:
        """Read out, with the pauses that the engine makes."""
        pieces = list(self._voice.speak(text, self._variants[variant]))
        sounds = [soxr.resample(piece.samples, self._voice.rate_hz, RATE_HZ) for piece in pieces]
        ends_s = np.cumsum([len(sound) for sound in sounds]) / RATE_HZ
        samples = np.concatenate(sounds).astype(np.float32)
        return Speech(samples, tuple(piece.text for piece in pieces), tuple(float(end) for end in ends_s))

    def hear(self, samples: Samples) -> str:
        """Transcribe."""
        return self._ear.recognize(samples).text


def main() -> None:
    """Record and write the file."""
    studio, chance = Studio(), random.Random(20261121)  # noqa: S311  no cryptography
    spoken = [studio.speak(paragraph) for paragraph in PARAGRAPHS]
    users = [(said, studio.speak(said, USER_VOICES[index % 2]).samples) for index, said in enumerate(USERS)]
    record: dict[str, Sequence[object]] = {
        "paragraphs": [list(speech.sentences) for speech in spoken],
        "echoes": [echo for index, speech in enumerate(spoken) for echo in _echoes(studio, chance, index, speech)],
        "users": [{"said": said, "heard": studio.hear(samples)} for said, samples in users],
        "mixed": [mix for index, speech in enumerate(spoken) for mix in _mixed(studio, chance, index, speech, users)],
    }
    lines = ",\n".join(f'"{key}": [\n{_rows(rows)}\n]' for key, rows in record.items())
    OUT.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    print(OUT.relative_to(ROOT), OUT.stat().st_size, "bytes")


def _rows(rows: Sequence[object]) -> str:
    return ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def _cut(chance: random.Random, speech: Speech, longest_s: float) -> tuple[Samples, int]:
    """A piece of the echo, and how many sentences had begun when it ended."""
    length_s = chance.uniform(SHORTEST_S, longest_s)
    start_s = chance.uniform(0, len(speech.samples) / RATE_HZ - length_s)
    piece = speech.samples[int(start_s * RATE_HZ) : int((start_s + length_s) * RATE_HZ)]
    return piece * np.float32(ECHO_GAIN), speech.begun_by(start_s + length_s)


def _echoes(studio: Studio, chance: random.Random, index: int, speech: Speech) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for _ in range(PIECES):
        piece, begun = _cut(chance, speech, LONGEST_S)
        found.append({"paragraph": index, "sentences": begun, "heard": studio.hear(piece)})
    return found


def _mixed(
    studio: Studio, chance: random.Random, index: int, speech: Speech, users: list[tuple[str, Samples]]
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for _ in range(MIXED):
        piece, begun = _cut(chance, speech, LONGEST_S / 2)
        said, samples = chance.choice(users)
        heard = studio.hear(np.concatenate([piece, samples]))
        found.append({"paragraph": index, "sentences": begun, "said": said, "heard": heard})
    return found


if __name__ == "__main__":
    main()
