"""One reply in flight: from the model's text to sentences, and from sentences to what may be played."""

from dataclasses import dataclass, field, replace
from enum import Enum

from voice_gateway.domain.chat import Tool, ToolCall
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import (
    Notice,
    ReplyFinished,
    ReplyHeard,
    ReplyKind,
    ReplyOutcome,
    ReplyPaused,
    ReplyResumed,
    ReplyText,
    Speculation,
    TurnRecord,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import (
    BlameSynthesis,
    CancelSynthesis,
    Emit,
    EndPlay,
    Orders,
    PausePlay,
    Play,
    RecordTurn,
    ResumePlay,
    Synthesize,
)
from voice_gateway.turn.latency import ReplyClock, spans, total_ms
from voice_gateway.turn.ledger import SpokenSentence, heard_text, last_heard, spoken_text
from voice_gateway.turn.playback import Heard, Playback
from voice_gateway.turn.text.questions import is_question
from voice_gateway.turn.text.sentences import SentenceSplitter
from voice_gateway.turn.text.speakable import NOTHING, Speakable
from voice_gateway.turn.turn_so_far import CommittedTurn

SOON_MS = 500
"""Where playout stands in a sentence is known about so well when the synthesis tells no word times."""

MAX_SENTENCES = 500
"""Of one reply: half an hour of talk. Some of it may be as short as a line of one character."""


_SKIPPED = "speech synthesis has no sound for this sentence"
_ALL_SKIPPED = "speech synthesis has no sound for any sentence of the reply"


class _Speech(Enum):
    """How far a sentence's audio is."""

    COMING = "nothing has come"
    READY = "some has come"
    DONE = "all has come, or none will"


@dataclass(slots=True)
class _Sentence:
    ledger: SpokenSentence
    speech: _Speech
    is_skipped: bool = False
    """Whether synthesis had no sound for it."""


@dataclass(slots=True)
class ReplyInFlight:
    """A reply and everything that is known of it. Its methods order what follows for it; the core orders the rest."""

    id: ReplyId
    turn: TurnId | None
    """None: no turn asked for it."""
    user_text: str
    """What is answered; of a speculative reply, what the user is thought to have said."""
    clock: ReplyClock
    playback: Playback
    rate_hz: int
    orders: Orders
    is_released: bool = False
    """Until then it is prepared only: one sentence is synthesised, and nothing is told or played."""
    kind: ReplyKind = ReplyKind.ANSWER
    tools: tuple[Tool, ...] = ()
    """What the model was offered."""
    calls: tuple[ToolCall, ...] = ()
    """What it called at its end."""
    rounds: int = 0
    """Of tools that came before it in its turn."""
    is_reported: bool = False
    """Whether its turn has a report already."""
    has_failed: bool = False
    underruns: int = 0
    """How often playout had to wait for more audio."""
    told: TurnReport | None = None
    """Its turn's report, if it is told with this reply."""
    committed: CommittedTurn | None = None
    """The turn it answers, once that is certain; None: it answers none."""
    speculations: tuple[Speculation, ...] = ()
    """Replies that were prepared early for that turn."""
    _splitter: SentenceSplitter = field(default_factory=SentenceSplitter, init=False)
    _speakable: Speakable = field(default_factory=Speakable, init=False)
    _sentences: list[_Sentence] = field(default_factory=list, init=False)
    _told: int = field(default=0, init=False)
    """How many sentences the client has been told."""
    has_audio: bool = field(default=False, init=False)
    """Whether any of it was ordered to be played."""
    _ordered: int = field(default=0, init=False)
    """How many sentences have been handed to synthesis, or need none."""
    pieces: int = field(default=0, init=False)
    """How many pieces the model has sent; most servers send a token in each."""
    has_written: bool = field(default=False, init=False)
    """Whether the model has written anything but white space."""
    _is_written: bool = field(default=False, init=False)
    _is_mute: bool = field(default=False, init=False)
    _is_closed: bool = field(default=False, init=False)
    """Whether it is complete, and that was ordered and told which follows from it."""
    _is_cut: bool = field(default=False, init=False)
    """Whether it had too many sentences."""
    _is_cut_told: bool = field(default=False, init=False)

    @property
    def is_told_without_audio(self) -> bool:
        """Whether everything has been told and there was nothing to play."""
        return self._is_complete() and not self.has_audio

    @property
    def is_remembered(self) -> bool:
        """Whether what was heard of it enters history. An apology to nobody's turn says nothing that the model said."""
        return self.kind is not ReplyKind.APOLOGY or self.turn is not None

    @property
    def is_untold(self) -> bool:
        """Whether the client knows nothing of it."""
        return self._told == 0

    def is_opening(self, now: Instant, opening_ms: int) -> bool:
        """Whether no more than its first `opening_ms` have been heard."""
        return self.playback.heard(now).samples * 1_000 < opening_ms * self.rate_hz

    def takes(self, fact: inputs.ReplyInput) -> bool:
        """Whether this fact concerns the reply, and a part of it that is not over."""
        if fact.reply != self.id:
            return False
        if isinstance(fact, inputs.SpeechReady | inputs.SpeechCompleted | inputs.SpeechFailed):
            return self._awaits_speech(fact.sentence)
        is_written = isinstance(
            fact,
            inputs.ReplyDelta | inputs.ReplyCompleted | inputs.ToolsCalled | inputs.ReplyFailed | inputs.ReplyTooLong,
        )
        return not (is_written and self._is_written)

    def deliver(
        self,
        fact: inputs.ReplyDelta
        | inputs.SpeechReady
        | inputs.SpeechCompleted
        | inputs.SpeechFailed
        | inputs.PlayoutStarved,
        now: Instant,
    ) -> None:
        """Take what a backend has made, that it failed to, or that there is none of it left to play."""
        if isinstance(fact, inputs.PlayoutStarved):
            self.underruns += 1
            self.playback.starved(fact.at_samples, now)
        elif isinstance(fact, inputs.ReplyDelta):
            self.write(fact.text, now)
        elif isinstance(fact, inputs.SpeechReady):
            self._speech_ready(fact.sentence, now)
        elif isinstance(fact, inputs.SpeechFailed):
            self._fail_speech(fact)
        else:
            self._sentences[fact.sentence - 1].is_skipped = not fact.samples
            self._speech_done(fact.sentence, fact.samples, fact.words)

    def write(self, text: str, now: Instant) -> None:
        """The model wrote on."""
        self.pieces += 1
        if text.strip():
            self.has_written = True
            self.clock.first_token = self.clock.first_token or now
        self._take(self._splitter.feed(text), now)

    def finish_writing(self, now: Instant) -> None:
        """The model has finished, or will write no more."""
        self._is_written = True
        self._take(self._splitter.finish(), now)

    def complete(self, apology: str, now: Instant) -> None:
        """The model has finished; if it wrote nothing, that is a failure."""
        if self.has_written:
            self.finish_writing(now)
        else:
            self.apologise(apology, Reason.LLM_FAILED, "the language model wrote nothing", now)

    def say(self, text: str, now: Instant) -> None:
        """All of it is this text."""
        self.release("", now)
        self.write(text, now)
        self.finish_writing(now)

    def apologise(self, apology: str, reason: Reason, message: str, now: Instant) -> None:
        """Say that there will be no answer, or no more of it."""
        if not self.has_written:
            self.kind = ReplyKind.APOLOGY
        self.has_failed = True
        self.orders.add(Emit(Notice(reason, message, Backend.LLM, self.turn)))
        if apology:
            self.write(f"\n{apology}", now)
        self.finish_writing(now)

    def pause(self, now: Instant) -> None:
        """Somebody may be interrupting. A reply that nobody hears yet is held back silently."""
        self.playback.paused(now)
        self.orders.add(PausePlay(self.id))
        if self.clock.played is not None:
            self.orders.add(Emit(ReplyPaused(self.id)))

    def resume(self, now: Instant) -> None:
        """Go on if it is held, from where it was heard to."""
        if not self.playback.is_paused:
            return
        if self.clock.played is None:
            self.playback.released()
            self.clock.held_until = now
            self.orders.add(ResumePlay(self.id, 0))
            return
        heard = self.playback.heard(now).samples
        self.playback.resumed(heard, now)
        self.orders.add(Emit(ReplyResumed(self.id, heard)), ResumePlay(self.id, heard))

    def audible(self, now: Instant) -> None:
        """Its audio leaves: tell where its turn's time went, once. The player is held if it was held just before."""
        if self.clock.played is not None:
            return
        self.clock.played = now
        if self.playback.is_paused:
            self.orders.add(Emit(ReplyPaused(self.id)))
        turn = self.committed
        if turn is not None and not self.is_reported:
            self.is_reported = True
            self.told = TurnReport(turn.id, self.id, total_ms(turn, now), spans(turn, self.clock), self.speculations)
            self.orders.add(Emit(self.told))

    def record(self, outcome: ReplyOutcome, samples: int, chars: int, *, goes_on: bool) -> None:
        """It is over."""
        finished = ReplyFinished(self.id, self.turn, self.kind, outcome, samples, goes_on)
        record = TurnRecord(
            finished, self.told, len(self.user_text), chars, len(self._sentences), samples, self.underruns
        )
        self.orders.add(Emit(finished), RecordTurn(record))

    def record_cut(self, heard: Heard, text: str) -> None:
        """It is over before its end: `text` is what was heard of it and is kept."""
        self.orders.add(Emit(ReplyHeard(self.id, heard.samples, text, heard.is_estimate)))
        self.record(ReplyOutcome.INTERRUPTED, heard.samples, len(text), goes_on=False)

    def release(self, user_text: str, now: Instant) -> None:
        """The turn is certain: tell, speak and play."""
        self.is_released, self.user_text = True, user_text
        self._order(now)
        self._tell()

    def _speech_ready(self, sentence: SentenceId, now: Instant) -> None:
        """A sentence's first audio has come."""
        if self.clock.first_speech is None:
            self.clock.first_speech = now
        self._sentences[sentence - 1].speech = _Speech.READY
        self._tell()

    def _speech_done(self, sentence: SentenceId, samples: int, words: tuple[SpokenWord, ...]) -> None:
        """A sentence's audio is complete; one without audio is shown only."""
        entry = self._sentences[sentence - 1]
        entry.ledger = replace(
            entry.ledger, samples=samples, words=words, spoken=entry.ledger.spoken if samples else ""
        )
        entry.speech = _Speech.DONE
        self._tell()

    def _fail_speech(self, fact: inputs.SpeechFailed) -> None:
        """Synthesis failed in a sentence: what is there is played, the rest of the reply is shown only."""
        self.has_failed = True
        self.orders.add(Emit(Notice(fact.reason, fact.message, Backend.TTS, self.turn)))
        self._is_mute = True
        self._ordered = len(self._sentences)
        for entry in self._sentences[fact.sentence :]:
            entry.ledger = replace(entry.ledger, spoken="", samples=0)
            entry.speech = _Speech.DONE
        self.orders.add(CancelSynthesis(self.id))
        self._speech_done(fact.sentence, fact.samples, ())

    def _awaits_speech(self, sentence: SentenceId) -> bool:
        """Whether audio of this sentence is awaited."""
        return 1 <= sentence <= len(self._sentences) and self._sentences[sentence - 1].speech is not _Speech.DONE

    def heard_text(self, heard_samples: int) -> str:
        """The words of the model's own text that were heard. Without any audio: what was shown."""
        told = [sentence.ledger for sentence in self._sentences[: self._told]]
        return heard_text(told, heard_samples, self.rate_hz)

    def has_asked(self, now: Instant) -> bool:
        """Whether the last sentence of which a word was heard is a question."""
        told = [sentence.ledger for sentence in self._sentences[: self._told]]
        return is_question(last_heard(told, self.playback.heard(now).samples, self.rate_hz))

    def spoken_text(self, now: Instant) -> str:
        """What has been said aloud by `now`, and the next words."""
        told = [sentence.ledger for sentence in self._sentences[: self._told]]
        soon = self.playback.paced(now) + SOON_MS * self.rate_hz // 1_000
        return spoken_text(told, soon, self.rate_hz) if self.clock.played is not None else ""

    def whole_text(self) -> str:
        """Everything the client was told."""
        return "".join(sentence.ledger.text for sentence in self._sentences[: self._told]).strip()

    def _take(self, texts: list[str], now: Instant) -> None:
        room = MAX_SENTENCES - len(self._sentences)
        if len(texts) > room:
            self._is_written = self.has_failed = self._is_cut = True
        for text in texts[:room]:
            spoken = NOTHING if self._is_mute else self._speakable.of(text)
            done = _Speech.COMING if spoken.text else _Speech.DONE
            samples = None if spoken.text else 0
            self._sentences.append(_Sentence(SpokenSentence(text, spoken.text, samples, (), spoken.word_ends), done))
        self._order(now)
        self._tell()

    def _order(self, now: Instant) -> None:
        while self._ordered < len(self._sentences) and (self.is_released or not self.clock.first_sentence):
            spoken = self._sentences[self._ordered].ledger.spoken
            self._ordered += 1
            if spoken:
                self.orders.add(Synthesize(self.id, SentenceId(self._ordered), spoken))
                self.clock.first_sentence = self.clock.first_sentence or now

    def _tell(self) -> None:
        if not self.is_released:
            return
        if self._is_cut and not self._is_cut_told:
            self._is_cut_told = True
            told = f"the language model wrote more than {MAX_SENTENCES} sentences: the reply was cut"
            self.orders.add(Emit(Notice(Reason.LLM_FAILED, told, Backend.LLM, self.turn)))
        while self._told < len(self._sentences) and self._sentences[self._told].speech is not _Speech.COMING:
            sentence = self._sentences[self._told]
            ledger = sentence.ledger
            self._told += 1
            if sentence.is_skipped:
                self.orders.add(Emit(Notice(Reason.SENTENCE_SKIPPED, _SKIPPED, Backend.TTS, self.turn)))
            self.orders.add(Emit(ReplyText(self.id, self.turn, self.kind, SentenceId(self._told), ledger.text)))
            if ledger.spoken:
                self.has_audio = True
                self.orders.add(Play(self.id, SentenceId(self._told)))
        self._close()

    def _close(self) -> None:
        """Once all of it is told: its audio ends, or it had none although there was something to be heard."""
        if self._is_closed or not self._is_complete():
            return
        self._is_closed = True
        if self.has_audio:
            self.orders.add(EndPlay(self.id))
        elif any(sentence.is_skipped for sentence in self._sentences) and not self._is_mute:
            self.has_failed = True
            notice = Notice(Reason.TTS_FAILED, _ALL_SKIPPED, Backend.TTS, self.turn)
            self.orders.add(Emit(notice), BlameSynthesis(self.id))

    def _is_complete(self) -> bool:
        return self._is_written and all(sentence.speech is _Speech.DONE for sentence in self._sentences)


def spoken_sentences(text: str) -> tuple[str, ...]:
    """What synthesis is given for a reply that is this text."""
    splitter, speakable = SentenceSplitter(), Speakable()
    spoken = (speakable.of(sentence).text for sentence in [*splitter.feed(text), *splitter.finish()])
    return tuple(sentence for sentence in spoken if sentence)
