"""What the fake recogniser makes of what it hears: words from a script, one utterance for each segment of speech."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from voicegateway_testkit.fakes.endpointing import EarEvent, InterimDue, RunEnded, RunStarted, SegmentEnded


@dataclass(frozen=True, slots=True)
class Utterance:
    """The words of one segment."""

    words: str
    """The words as interim results show them; ` | ` marks a pause within the segment: "what is | the time".
    Empty: nothing is recognised, as for a cough."""
    final: str | None = None
    """The final text where it differs from the interim one: punctuation, "42" for "four two". None: `words`."""
    word_ms: int = 200
    """One more word is shown for this much speech; at the end of a run of speech all of its words are known."""
    confidence: float = 0.9
    """Confidence of the final result. Range [0, 1]; 0 is "not set"."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a final result."""

    text: str
    start_samples: int
    end_samples: int


@dataclass(frozen=True, slots=True)
class Result:
    """One result of the recogniser. Interim results have no timed words."""

    text: str
    at_samples: int
    is_final: bool
    is_suspected_end: bool
    words: tuple[TimedWord, ...] = ()
    confidence: float = 0.0


class Script:
    """The utterances to come, shared by all streams of a server. A stream that breaks gives back what it had begun."""

    def __init__(self, utterances: Iterable[Utterance], *, repeats: bool = False) -> None:
        self._utterances = tuple(utterances)
        self._repeats = repeats
        self._given_back: list[int] = []
        self._next = 0

    def begin(self) -> tuple[int, Utterance]:
        """Gives the next utterance and its number from 0; one without words when the script is at its end."""
        if self._given_back:
            number = min(self._given_back)
            self._given_back.remove(number)
        else:
            number = self._next
            self._next += 1
        if self._repeats and self._utterances:
            return number, self._utterances[number % len(self._utterances)]
        return number, self._utterances[number] if number < len(self._utterances) else Utterance("")

    def give_back(self, number: int) -> None:
        """The utterance was not finished: the next to ask gets it again."""
        self._given_back.append(number)


@dataclass(slots=True)
class _Run:
    words: tuple[str, ...]
    start_samples: int
    end_samples: int | None = None

    def shown(self, at_samples: int, word_samples: int) -> tuple[str, ...]:
        if self.end_samples is not None:
            return self.words
        return self.words[: (at_samples - self.start_samples) // word_samples]


@dataclass(slots=True)
class Transcriber:
    """Turns what the ears hear on one stream into results."""

    script: Script
    rate_hz: int
    number: int | None = None
    """The running utterance's number in the script."""
    _utterance: Utterance = field(default_factory=lambda: Utterance(""))
    _runs: list[_Run] = field(default_factory=list)

    def take(self, event: EarEvent) -> Result | None:
        """Gives the result that the event brings about, if any."""
        match event:
            case RunStarted(at_samples):
                self._start_run(at_samples)
            case RunEnded(at_samples):
                self._runs[-1].end_samples = at_samples
            case InterimDue(at_samples, is_suspected_end):
                text = " ".join(self._shown(at_samples))
                return Result(text, at_samples, is_final=False, is_suspected_end=is_suspected_end) if text else None
            case SegmentEnded(at_samples):
                return self._finalise(at_samples)
        return None

    def give_up(self) -> None:
        """The stream broke: an utterance that was begun goes back to the script."""
        if self.number is not None:
            self.script.give_back(self.number)
            self.number = None

    def _start_run(self, at_samples: int) -> None:
        if self.number is None:
            self.number, self._utterance = self.script.begin()
            self._runs = []
        groups = self._utterance.words.split("|")
        index = len(self._runs)
        self._runs.append(_Run(tuple(groups[index].split()) if index < len(groups) else (), at_samples))

    def _shown(self, at_samples: int) -> list[str]:
        word_samples = self._utterance.word_ms * self.rate_hz // 1000
        return [word for run in self._runs for word in run.shown(at_samples, word_samples)]

    def _finalise(self, at_samples: int) -> Result | None:
        words = self._timed_words()
        self.number = None
        if not words:
            return None
        text = " ".join(word.text for word in words)
        return Result(text, at_samples, True, False, words, self._utterance.confidence)

    def _timed_words(self) -> tuple[TimedWord, ...]:
        if not any(run.words for run in self._runs):
            return ()
        if self._utterance.final is not None:
            return _spread(self._utterance.final.split(), self._runs[0].start_samples, self._end(self._runs[-1]))
        return tuple(word for run in self._runs for word in _spread(list(run.words), run.start_samples, self._end(run)))

    @staticmethod
    def _end(run: _Run) -> int:
        return run.start_samples if run.end_samples is None else run.end_samples


def _spread(words: list[str], start_samples: int, end_samples: int) -> tuple[TimedWord, ...]:
    """Gives each word the same share of the time."""
    length = end_samples - start_samples
    return tuple(
        TimedWord(
            word, start_samples + length * index // len(words), start_samples + length * (index + 1) // len(words)
        )
        for index, word in enumerate(words)
    )
