"""What is told of sentences for which synthesis has no sound, computed anew from the record of a call."""

from collections import Counter
from dataclasses import dataclass, field

from gateway_kit.simulated.call import Call
from voice_gateway.domain import events
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId, SentenceId
from voice_gateway.turn import effects, inputs


@dataclass
class _Synthesis:
    """Of one reply."""

    asked: set[tuple[SentenceId, int]] = field(default_factory=set)
    """Sentences, each with its take."""
    sounding: set[SentenceId] = field(default_factory=set)
    soundless: set[SentenceId] = field(default_factory=set)
    is_over: bool = False
    """What comes now is too late to count."""
    has_failed: bool = False

    def take(self, fact: inputs.SpeechInput) -> None:
        if self.is_over or (fact.sentence, fact.take) not in self.asked:
            return
        match fact:
            case inputs.SpeechFailed():
                self.has_failed = True
            case inputs.SpeechCompleted(samples=0) if fact.sentence not in self.sounding:
                self.soundless.add(fact.sentence)
            case _:
                self.sounding.add(fact.sentence)

    @property
    def is_mute(self) -> bool:
        """Whether something was to be heard, no call failed, and nothing of it has sound."""
        return bool(self.soundless) and not (self.has_failed or self.sounding)


def what_has_no_sound_is_told(call: Call) -> None:  # noqa: C901  one case for each effect that matters
    """Each sentence without sound is told as skipped, and does not keep the others from being spoken.

    A reply of which no sentence has sound has failed: that is told once, as where a call fails, and its addresses are
    blamed.
    """
    replies: dict[ReplyId, _Synthesis] = {}
    told = Counter[Reason]()
    blamed: set[ReplyId] = set()
    for step in call.steps:
        if isinstance(step.fact, inputs.SpeechReady | inputs.SpeechCompleted | inputs.SpeechFailed):
            replies.setdefault(step.fact.reply, _Synthesis()).take(step.fact)
        for effect in step.effects:
            match effect:
                case effects.Synthesize(reply, sentence, _, take):
                    replies.setdefault(reply, _Synthesis()).asked.add((sentence, take))
                case effects.DropSpeech(reply):
                    replies[reply] = _Synthesis()  # nothing else of it was asked for, and what came counts for nothing
                case effects.CancelReply(reply) | effects.CancelSynthesis(reply):
                    replies.setdefault(reply, _Synthesis()).is_over = True
                case effects.BlameSynthesis(reply):
                    assert reply not in blamed
                    blamed.add(reply)
                case effects.Emit(events.Notice(reason)):
                    told[reason] += 1
                case effects.Emit(events.ReplyFinished(reply, _, _, outcome)):
                    if outcome is not events.ReplyOutcome.INTERRUPTED:
                        _check(replies.get(reply, _Synthesis()), told, outcome, is_blamed=reply in blamed)
                    told.clear()


def _check(synthesis: _Synthesis, told: Counter[Reason], outcome: events.ReplyOutcome, *, is_blamed: bool) -> None:
    assert told[Reason.SENTENCE_SKIPPED] == len(synthesis.soundless)
    assert told[Reason.TTS_FAILED] == (synthesis.has_failed or synthesis.is_mute)
    assert is_blamed == synthesis.is_mute
    assert outcome is events.ReplyOutcome.FAILED or not told[Reason.TTS_FAILED]


OF_PLAUSIBLE_CALLS = (what_has_no_sound_is_told,)
