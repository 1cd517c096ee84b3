"""What a reply says: sentences on their way from the model's text to sound.

Each is written, then ordered from synthesis, then told and played, in this order. Of a reply whose turn is not
certain yet, the text is written and the first sentence is synthesised, and nothing is told. The first sentence, which
is waited for, is ordered when it looks ended (`guesses.py`).
"""

from dataclasses import dataclass, replace
from enum import Enum

from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import Notice, ReplyKind, ReplyText
from voice_gateway.domain.ids import SentenceId
from voice_gateway.domain.instant import Instant
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import BlameSynthesis, CancelSynthesis, Emit, EndPlay, Orders, Play, Synthesize
from voice_gateway.turn.reply.brief import Brief
from voice_gateway.turn.reply.guesses import Guesses
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.ledger import SpokenSentence, heard_text, last_heard, spoken_text
from voice_gateway.turn.text.questions import is_question
from voice_gateway.turn.text.sentences import SentenceSplitter
from voice_gateway.turn.text.speakable import NOTHING, Speakable

MAX_SENTENCES = 500
"""Most sentences of one reply: half an hour of talk. A sentence may be as short as a line of one character."""

_CUT = f"the language model wrote more than {MAX_SENTENCES} sentences: the reply was cut"
_SKIPPED = "speech synthesis has no sound for this sentence"
_ALL_SKIPPED = "speech synthesis has no sound for any sentence of the reply"


class _Text(Enum):
    """How far the text is."""

    COMING = "the model writes"
    WRITTEN = "the model has finished, or is read no further"
    CLOSED = "all of it has been told, also its end"


class _Sound(Enum):
    """How far a sentence's audio is."""

    COMING = "nothing has come"
    READY = "some has come"
    DONE = "all has come, or none will"


@dataclass(slots=True)
class _Sentence:
    ledger: SpokenSentence
    sound: _Sound


class Wording:
    """The sentences of one reply."""

    def __init__(self, brief: Brief, clock: ReplyClock, rate_hz: int, *, orders: Orders) -> None:
        self.kind = brief.kind
        self.has_failed = False
        """Whether a part of it is missing, or is an apology."""
        self.pieces = 0
        """How many pieces the model has sent; most servers send a token in each."""
        self.has_written = False
        """Whether the model has written anything but white space."""
        self.has_audio = False
        """Whether any of it was ordered to be played."""
        self.guesses = Guesses(brief.id, clock, orders)
        self._reply, self._turn = brief.id, brief.turn
        self._clock, self._rate_hz = clock, rate_hz
        self._orders = orders
        self._splitter, self._speakable = SentenceSplitter(), Speakable()
        self._text = _Text.COMING
        self._sentences: list[_Sentence] = []
        self._ordered = 0
        """How many sentences have been handed to synthesis, or need none."""
        self._has_voice = False
        """Whether any was handed to synthesis, and had ended."""
        self._told = 0
        """How many sentences the client has been told."""
        self._untold: list[Notice] = []
        """What is to be told before the next sentence."""
        self._is_certain = False
        """Whether it may be told and played: its turn is certain."""
        self._is_text = self._is_mute = brief.is_text
        """Mute: what is still to come is shown only, because it is to be text, or because synthesis has failed."""

    @property
    def is_coming(self) -> bool:
        """Whether the model writes on."""
        return self._text is _Text.COMING

    @property
    def is_complete(self) -> bool:
        """Whether all of it is written, and all audio of it has come."""
        return not self.is_coming and all(sentence.sound is _Sound.DONE for sentence in self._sentences)

    @property
    def is_silent(self) -> bool:
        """Whether all of it is told, and there was nothing to play."""
        return self.is_complete and not self.has_audio

    @property
    def is_untold(self) -> bool:
        """Whether the client knows nothing of it."""
        return self._told == 0

    @property
    def sentence_count(self) -> int:
        """Sentences so far."""
        return len(self._sentences)

    def awaits(self, fact: inputs.SpeechInput) -> bool:
        """Whether this audio is awaited."""
        if not self.guesses.awaits(fact):
            return False
        place = fact.sentence - 1
        is_written = 0 <= place < len(self._sentences)
        return bool(self.guesses.spoken) or (is_written and self._sentences[place].sound is not _Sound.DONE)

    def write(self, text: str, now: Instant) -> None:
        """The model wrote on."""
        self.pieces += 1
        if text.strip():
            self.has_written = True
            self._clock.wrote(now)
        self._take(self._splitter.feed(text), now)
        is_open = self.is_coming and len(self._sentences) < MAX_SENTENCES
        if is_open and not (self._has_voice or self._is_mute or self.guesses.are_over):
            self._look_ahead(now)

    def finish(self, now: Instant) -> None:
        """The model has finished, or will write no more."""
        if self.is_coming:
            self._text = _Text.WRITTEN
            self._take(self._splitter.finish(), now)

    def apologise(self, apology: str, notice: Notice, now: Instant) -> None:
        """Tell why there will be no answer, or no more of it, and say so."""
        if not self.has_written:
            self.kind = ReplyKind.APOLOGY
        self.has_failed = True
        self._orders.add(Emit(notice))
        if apology:
            self.write(f"\n{apology}", now)
        self.finish(now)

    def release(self, now: Instant) -> None:
        """The turn is certain: tell, speak and play."""
        self._is_certain = True
        self._go_on(now)

    def sound_came(self, sentence: SentenceId, now: Instant) -> None:
        """A sentence's first audio is there."""
        self._clock.spoke(now)
        self._sentences[sentence - 1].sound = _Sound.READY
        self._tell()

    def sound_ended(self, fact: inputs.SpeechCompleted) -> None:
        """A sentence's audio is complete; one without audio is shown only."""
        entry = self._sentences[fact.sentence - 1]
        self._end_sound(entry, fact.samples)
        entry.ledger = replace(entry.ledger, words=fact.words, is_skipped=not fact.samples)
        self._tell()

    def sound_failed(self, fact: inputs.SpeechFailed) -> None:
        """Synthesis failed: what is there of the sentence is played, the rest of the reply is shown only."""
        self.has_failed = self._is_mute = True
        self._ordered = len(self._sentences)
        for entry in self._sentences[fact.sentence :]:
            self._end_sound(entry, 0)
        self._end_sound(self._sentences[fact.sentence - 1], fact.samples)
        told = Notice(fact.reason, fact.message, Backend.TTS, self._turn)
        self._orders.add(Emit(told), CancelSynthesis(self._reply))
        self._tell()

    def heard_text(self, heard_samples: int) -> str:
        """The words of the model's own text that were heard. Of a reply that is text: what was shown."""
        return heard_text(self._shown(), heard_samples, self._rate_hz)

    def all_heard(self) -> str:
        """What was heard once it is over: all of it. Where any of it sounded, without sentences that had no sound."""
        return "".join(told.text for told in self._shown() if not (self.has_audio and told.is_skipped)).strip()

    def has_asked(self, heard_samples: int) -> bool:
        """Whether the last sentence of which a word was heard is a question."""
        return is_question(last_heard(self._shown(), heard_samples, self._rate_hz))

    def spoken_text(self, until_samples: int) -> str:
        """What is said aloud up to there, as it is read aloud."""
        return spoken_text(self._shown(), until_samples, self._rate_hz)

    def whole_text(self) -> str:
        """Everything the client was told."""
        return "".join(ledger.text for ledger in self._shown()).strip()

    def _shown(self) -> list[SpokenSentence]:
        return [sentence.ledger for sentence in self._sentences[: self._told]]

    def _take(self, texts: list[str], now: Instant) -> None:
        room = MAX_SENTENCES - len(self._sentences)
        if len(texts) > room:
            self._text, self.has_failed = _Text.WRITTEN, True
            self._untold.append(Notice(Reason.LLM_FAILED, _CUT, Backend.LLM, self._turn))
        for text in texts[:room]:
            spoken = NOTHING if self._is_mute else self._speakable.of(text)
            done = _Sound.COMING if spoken.text else _Sound.DONE
            samples = None if spoken.text else 0
            self._sentences.append(_Sentence(SpokenSentence(text, spoken.text, samples, (), spoken.word_ends), done))
        self._go_on(now)

    @staticmethod
    def _end_sound(entry: _Sentence, samples: int) -> None:
        entry.ledger = replace(entry.ledger, samples=samples, spoken=entry.ledger.spoken if samples else "")
        entry.sound = _Sound.DONE

    def _go_on(self, now: Instant) -> None:
        self._order(now)
        self._tell()

    def _look_ahead(self, now: Instant) -> None:
        """Guess the first sentence that sounds, of which it is open whether it has ended."""
        end, spoken = self._splitter.open_end(), ""
        if end is not None and (end.looks_ended or self.guesses.spoken):
            spoken = self._speakable.would_be(end.text)
        self.guesses.review(spoken)
        if spoken and end is not None and end.looks_ended and self.guesses.may_begin:
            self.guesses.begin(SentenceId(len(self._sentences) + 1), spoken, now)

    def _order(self, now: Instant) -> None:
        """Have the next sentences synthesised; before the turn is certain, the first one alone."""
        while self._ordered < len(self._sentences) and (self._is_certain or not self._has_voice):
            spoken = self._sentences[self._ordered].ledger.spoken
            self._ordered += 1
            is_begun = self.guesses.claim(spoken, now)
            if spoken:
                self._has_voice = True
            if spoken and not is_begun:
                self._orders.add(Synthesize(self._reply, SentenceId(self._ordered), spoken, self.guesses.take))
            if spoken or self._is_text:
                self._clock.ordered(now)

    def _tell(self) -> None:
        """Tell and play the sentences that have sound, or need none, in their order."""
        if not self._is_certain:
            return
        self._orders.add(*map(Emit, self._untold))
        self._untold.clear()
        while self._told < len(self._sentences) and self._sentences[self._told].sound is not _Sound.COMING:
            sentence = self._sentences[self._told]
            self._told += 1
            if sentence.ledger.is_skipped:
                self._orders.add(Emit(Notice(Reason.SENTENCE_SKIPPED, _SKIPPED, Backend.TTS, self._turn)))
            told = ReplyText(self._reply, self._turn, self.kind, SentenceId(self._told), sentence.ledger.text)
            self._orders.add(Emit(told))
            if sentence.ledger.spoken:
                self.has_audio = True
                self._orders.add(Play(self._reply, SentenceId(self._told)))
        if self._text is _Text.WRITTEN and self.is_complete:
            self._close()

    def _close(self) -> None:
        """All of it is told: its audio ends, or it had none although there was something to be heard."""
        self._text = _Text.CLOSED
        if self.has_audio:
            self._orders.add(EndPlay(self._reply))
        elif not self._is_mute and any(sentence.ledger.is_skipped for sentence in self._sentences):
            self.has_failed = True
            told = Notice(Reason.TTS_FAILED, _ALL_SKIPPED, Backend.TTS, self._turn)
            self._orders.add(Emit(told), BlameSynthesis(self._reply))


def spoken_sentences(text: str) -> tuple[str, ...]:
    """What synthesis is given for a reply that is this text."""
    splitter, speakable = SentenceSplitter(), Speakable()
    spoken = (speakable.of(sentence).text for sentence in [*splitter.feed(text), *splitter.finish()])
    return tuple(sentence for sentence in spoken if sentence)
