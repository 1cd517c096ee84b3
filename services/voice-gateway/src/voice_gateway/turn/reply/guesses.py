"""The first sentence of a reply is synthesised when it looks ended, before the next words show whether it has.

Until they do, what comes of it is kept here: nothing of it is told or played, and nobody is blamed for it. Somebody
waits for the first sentence alone, so there are guesses until one of them was right, or a sentence had no need of one.
"""

from dataclasses import dataclass

from voice_gateway.domain.ids import ReplyId, SentenceId
from voice_gateway.domain.instant import Instant
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import DropSpeech, Orders, Synthesize
from voice_gateway.turn.reply.latency import ReplyClock

MAX_WRONG = 2
"""After so many wrong ones a reply has no more of them, so that it costs two requests in vain at most. The second one
pays where marks come one by one: the full stop and then the closing quote, the first dot and then two more."""


@dataclass(slots=True)
class _Guess:
    """A sentence that looks ended, and what synthesis has told of it."""

    sentence: SentenceId
    spoken: str
    ordered: Instant
    ready: inputs.SpeechReady | None = None
    end: inputs.SpeechCompleted | inputs.SpeechFailed | None = None


class Guesses:
    """The guesses of one reply, one at a time."""

    def __init__(self, reply: ReplyId, clock: ReplyClock, orders: Orders) -> None:
        self._reply = reply
        self._clock = clock
        self._orders = orders
        self.wrong = 0
        """How many were wrong so far."""
        self._guess: _Guess | None = None
        self._confirmed: tuple[inputs.SpeechInput, ...] = ()

    @property
    def take(self) -> int:
        """Which take of its sentences the reply has synthesised."""
        return self.wrong + 1

    @property
    def spoken(self) -> str:
        """What the running guess says; "": none runs."""
        return "" if self._guess is None else self._guess.spoken

    @property
    def are_over(self) -> bool:
        """Whether too many were wrong."""
        return self.wrong >= MAX_WRONG

    @property
    def may_begin(self) -> bool:
        """Whether none runs, and another may."""
        return self._guess is None and not self.are_over

    def begin(self, sentence: SentenceId, spoken: str, now: Instant) -> None:
        """Have it synthesised: it looks ended."""
        self._guess = _Guess(sentence, spoken, now)
        self._orders.add(Synthesize(self._reply, sentence, spoken, self.take))

    def review(self, spoken: str) -> None:
        """Drop the guess that runs, unless it is this that may be the sentence."""
        if self._guess is not None and self._guess.spoken != spoken:
            self._orders.add(DropSpeech(self._reply, self._guess.sentence))
            self._guess = None
            self.wrong += 1

    def claim(self, spoken: str, now: Instant) -> bool:
        """Whether the sentence that has ended, which says this, is being synthesised already.

        If there is sound of it, it was waited for the model until now; if not, for synthesis since it looked ended.
        """
        self.review(spoken)
        guess, self._guess = self._guess, None
        if guess is None:
            return False
        self._confirmed = tuple(fact for fact in (guess.ready, guess.end) if fact is not None)
        self._clock.ordered(now if self._confirmed else guess.ordered)
        return True

    def awaits(self, fact: inputs.SpeechInput) -> bool:
        """Whether this is about the guess that runs, or about any sentence of the same take if none does."""
        guess = self._guess
        is_open = guess is None or (guess.sentence == fact.sentence and guess.end is None)
        return is_open and fact.take == self.take

    def keeps_back(self, fact: inputs.ReplyInput) -> bool:
        """Whether this is about the guess that runs; it counts once that was right (`confirmed`)."""
        match fact:
            case inputs.SpeechReady() if self._guess is not None:
                self._guess.ready = fact
            case inputs.SpeechCompleted() | inputs.SpeechFailed() if self._guess is not None:
                self._guess.end = fact
            case _:
                return False
        return True

    def confirmed(self) -> tuple[inputs.SpeechInput, ...]:
        """What was kept back and counts now, told once, in order."""
        confirmed, self._confirmed = self._confirmed, ()
        return confirmed
