"""One reply in flight: from the model's text to sentences, and from sentences to what may be played."""

from dataclasses import dataclass, field, replace
from enum import Enum

from voice_gateway.domain.events import LatencySpan, ReplyKind, ReplyText, TurnReport
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn.effects import CancelSynthesis, Effect, Emit, EndPlay, Play, Synthesize
from voice_gateway.turn.ledger import SpokenSentence, heard_text
from voice_gateway.turn.playback import Playback
from voice_gateway.turn.text.sentences import SentenceSplitter
from voice_gateway.turn.text.speakable import Speakable


class _Speech(Enum):
    """How far a sentence's audio is."""

    COMING = "nothing has come"
    READY = "some has come"
    DONE = "all has come, or none will"


@dataclass(slots=True)
class _Sentence:
    ledger: SpokenSentence
    speech: _Speech


@dataclass(slots=True)
class TurnClock:
    """When things happened on the way from the user's last word to the reply's first sound."""

    spoke: Instant
    """The last speech sample; for a typed turn its arrival."""
    committed: Instant
    asked: Instant
    is_live: bool
    first_token: Instant | None = None
    first_sentence: Instant | None = None
    first_speech: Instant | None = None
    played: Instant | None = None
    rounds: tuple[tuple[str, Instant, str], ...] = ()
    """Of tools, between `asked` and the first token of this reply: name, end and setting of each span."""

    def after_tools(self, called: Instant, now: Instant) -> "TurnClock":
        """The clock of the next reply to the same turn: the model called tools, and is asked again now."""
        spans = (("llm_tool_call", called, ""), ("tools", now, "tool_timeout_ms"))
        return TurnClock(self.spoke, self.committed, self.asked, self.is_live, rounds=(*self.rounds, *spans))

    def spans(self) -> tuple[LatencySpan, ...]:
        """Spans that tile the time from `spoke` to `played`; empty ones are left out."""
        steps = (
            ("endpointing", self.committed, "stop_history_ms"),
            ("settle", self.asked, "playback_settle_ms") if self.is_live else ("earlier_turns", self.asked, ""),
            *self.rounds,
            ("llm_first_token", self.first_token, ""),
            ("first_sentence", self.first_sentence, ""),
            ("tts_first_audio", self.first_speech, ""),
            ("playout", self.played, "lead_ms"),
        )
        spans, start_ms = [], 0
        for name, until, setting in steps:
            end_ms = start_ms if until is None else max(start_ms, ms_between(self.spoke, until))
            if end_ms > start_ms:
                spans.append(LatencySpan(name, start_ms, end_ms - start_ms, setting))
            start_ms = end_ms
        return tuple(spans)


@dataclass(slots=True)
class ReplyInFlight:
    """A reply and everything that is known of it. Its methods return effects; the core adds the rest."""

    id: ReplyId
    turn: TurnId
    user_chars: int
    clock: TurnClock
    playback: Playback
    rate_hz: int
    kind: ReplyKind = ReplyKind.ANSWER
    rounds: int = 0
    """Of tools that came before it in its turn."""
    is_told: bool = False
    """Whether there is a report of its turn already, or it is none that has a report."""
    has_failed: bool = False
    report: TurnReport | None = None
    _splitter: SentenceSplitter = field(default_factory=SentenceSplitter, init=False)
    _speakable: Speakable = field(default_factory=Speakable, init=False)
    _sentences: list[_Sentence] = field(default_factory=list, init=False)
    _told: int = field(default=0, init=False)
    """How many sentences the client has been told."""
    _has_audio: bool = field(default=False, init=False)
    has_written: bool = field(default=False, init=False)
    """Whether the model has written anything but white space."""
    _is_written: bool = field(default=False, init=False)
    _is_mute: bool = field(default=False, init=False)
    _is_play_ended: bool = field(default=False, init=False)

    @property
    def sentence_count(self) -> int:
        """Sentences so far."""
        return len(self._sentences)

    @property
    def is_written(self) -> bool:
        """Whether the model has finished."""
        return self._is_written

    @property
    def is_told_without_audio(self) -> bool:
        """Whether everything has been told and there was nothing to play."""
        return self._is_complete() and not self._has_audio

    def write(self, text: str, now: Instant) -> list[Effect]:
        """The model wrote on."""
        if text.strip():
            self.has_written = True
            self.clock.first_token = self.clock.first_token or now
        return self._take(self._splitter.feed(text), now)

    def finish_writing(self, now: Instant) -> list[Effect]:
        """The model has finished, or will write no more."""
        self._is_written = True
        return self._take(self._splitter.finish(), now)

    def speech_ready(self, sentence: SentenceId, now: Instant) -> list[Effect]:
        """A sentence's first audio has come."""
        if self.clock.first_speech is None:
            self.clock.first_speech = now
        self._sentences[sentence - 1].speech = _Speech.READY
        return self._tell()

    def speech_done(self, sentence: SentenceId, samples: int, words: tuple[SpokenWord, ...]) -> list[Effect]:
        """A sentence's audio is complete; an empty one is shown only."""
        entry = self._sentences[sentence - 1]
        entry.ledger = replace(
            entry.ledger, samples=samples, words=words, spoken=entry.ledger.spoken if samples else ""
        )
        entry.speech = _Speech.DONE
        return self._tell()

    def go_mute(self, sentence: SentenceId, samples: int) -> list[Effect]:
        """Synthesis failed in `sentence`: what is there is played, the rest of the reply is shown only."""
        self._is_mute = True
        for entry in self._sentences[sentence:]:
            entry.ledger = replace(entry.ledger, spoken="", samples=0)
            entry.speech = _Speech.DONE
        return [CancelSynthesis(self.id), *self.speech_done(sentence, samples, ())]

    def awaits_speech(self, sentence: SentenceId) -> bool:
        """Whether audio of this sentence is awaited."""
        return 1 <= sentence <= len(self._sentences) and self._sentences[sentence - 1].speech is not _Speech.DONE

    def heard_text(self, heard_samples: int) -> str:
        """The words of the model's own text that were heard. Without any audio: what was shown."""
        told = [sentence.ledger for sentence in self._sentences[: self._told]]
        return heard_text(told, heard_samples, self.rate_hz)

    def whole_text(self) -> str:
        """Everything the client was told."""
        return "".join(sentence.ledger.text for sentence in self._sentences[: self._told]).strip()

    def _take(self, texts: list[str], now: Instant) -> list[Effect]:
        effects: list[Effect] = []
        for text in texts:
            spoken = "" if self._is_mute else self._speakable.of(text)
            sentence = SentenceId(len(self._sentences) + 1)
            done = _Speech.COMING if spoken else _Speech.DONE
            self._sentences.append(_Sentence(SpokenSentence(text, spoken, None if spoken else 0), done))
            if spoken:
                effects.append(Synthesize(self.id, sentence, spoken))
                self.clock.first_sentence = self.clock.first_sentence or now
        return [*effects, *self._tell()]

    def _tell(self) -> list[Effect]:
        effects: list[Effect] = []
        while self._told < len(self._sentences) and self._sentences[self._told].speech is not _Speech.COMING:
            ledger = self._sentences[self._told].ledger
            self._told += 1
            effects.append(Emit(ReplyText(self.id, self.turn, self.kind, SentenceId(self._told), ledger.text)))
            if ledger.spoken:
                self._has_audio = True
                effects.append(Play(self.id, SentenceId(self._told)))
        if self._is_complete() and self._has_audio and not self._is_play_ended:
            self._is_play_ended = True
            effects.append(EndPlay(self.id))
        return effects

    def _is_complete(self) -> bool:
        return self._is_written and all(sentence.speech is _Speech.DONE for sentence in self._sentences)
