"""By when the words that were shown are committed, computed anew from the record of a call."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway_kit.phone_call import RATE_HZ
from gateway_kit.simulated.call import Call, Step
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import NS_PER_MS, Instant, after_ms, samples_to_ns
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Phase
from voice_gateway.turn.text.normalised import same_words
from voice_gateway.turn.user.user import ONSET_LAG_MS

ROUNDED_MS = 1
"""Positions are whole samples, and instants whole ms: their difference may be less than one of these."""


@dataclass
class _Words:
    """Of one turn, and when there was a sign of them last."""

    first: Instant
    sign: Instant
    is_held: bool = False
    """Whether they have read unfinished since."""

    def due(self, policy: TurnPolicy, ordered_until: Instant) -> Instant:
        hold_ms = policy.unfinished_hold_ms + policy.vad_onset_ms + ONSET_LAG_MS if self.is_held else 0
        wait_ms = policy.vad_end_ms + policy.final_grace_ms + hold_ms + ROUNDED_MS
        return after_ms(max(self.sign, ordered_until), wait_ms)


@dataclass
class _Pushed:
    """Audio that comes faster than real time, and the `commit` of such audio."""

    is_coming: bool = False
    until_samples: int = -1
    """Where the last of it ended."""
    is_final_owed: bool = False
    """Whether the final of a `commit` of it may still come; at the latest until nothing is being finalised."""
    _finishing: set[StreamId] = field(default_factory=set)
    _fed: StreamId | None = None

    def told(self, step: Step) -> None:
        """What this step says of it. While streams are broken and none is open, their finals are still to come."""
        is_committed = False
        match step.fact:
            case inputs.BacklogBegan():
                self.is_coming = True
            case inputs.CaughtUp(at_samples):
                self.is_coming, self.until_samples = False, at_samples
            case inputs.CommitRequested(received_samples):
                is_committed = self.is_coming or received_samples <= self.until_samples
            case inputs.RecognitionEnded(stream) | inputs.RecognitionFailed(stream):
                self._gone(stream)
        self._ordered(step.effects)
        is_owing = bool(self._finishing) or self._fed is None
        self.is_final_owed = is_owing and (self.is_final_owed or is_committed)

    def _ordered(self, orders: Sequence[effects.Effect]) -> None:
        for order in orders:
            match order:
                case effects.OpenRecognition(stream):
                    self._fed = stream
                case effects.FinishRecognition(stream):
                    self._finishing.add(stream)
                case effects.CancelRecognition(stream):
                    self._gone(stream)

    def _gone(self, stream: StreamId) -> None:
        self._finishing.discard(stream)
        if stream == self._fed:
            self._fed = None


def shown_words_are_committed_in_time(call: Call) -> None:  # noqa: C901  one condition for each exception
    """Words are committed, final or not, `vad_end_ms` + `final_grace_ms` after the last sign of them, or disregarded.

    A sign is a transcript with other words than before, whatever its spelling, or any that comes amid a sound; and the
    end of a sound, or of the last word of a final. While somebody speaks, by the sound, nothing is due. Whoever orders
    the end of the turn (`commit`) has its final waited for first, for `final_grace_ms`, and what is the next turn's by
    then is due from there on. While the final of pushed audio that was committed may still come, nothing is due: what
    is said behind it comes after it. Words that read unfinished are held for longer, as ever. From `max_turn_ms` on the
    law of that limit holds (`a_turn_ends_in_time`), and none for words of a backlog, for those that are told of no
    input, or after the half-close. Where the client ends turns (`detect_turns` is off) no silence does.
    """
    policy = call.line.policy
    if not policy.detect_turns:
        return
    words: _Words | None = None
    before: Step | None = None
    begins: dict[StreamId, int] = {}
    is_sounding = is_elsewhere = False
    ordered_until, pushed = Instant(0), _Pushed()
    for step in call.steps:
        was_final_owed = pushed.is_final_owed
        pushed.told(step)
        has_words = before is not None and bool(before.text)
        is_elsewhere = (is_elsewhere and has_words) or _is_elsewhere(step, begins, pushed)
        if words is not None and not (is_sounding or is_elsewhere or was_final_owed):
            is_long = step.now >= after_ms(words.first, policy.max_turn_ms)
            assert is_long or step.now <= words.due(policy, ordered_until), f"they wait: {before and before.text!r}"
        if isinstance(step.fact, inputs.SpeechStarted | inputs.SpeechEnded):
            is_sounding = isinstance(step.fact, inputs.SpeechStarted)
        if isinstance(step.fact, inputs.CommitRequested):
            ordered_until = after_ms(step.now, policy.final_grace_ms)
        if was_final_owed:
            ordered_until = max(ordered_until, step.now)
        if not step.text or step.state.phase in (Phase.FINISHING, Phase.ENDED):
            words = None
        elif words is None or before is None or (before.turn != step.turn and before.text != step.text):
            words = _Words(step.now, step.now)
        else:
            words.sign = max(words.sign, _sign(before, step, policy, is_sounding=is_sounding))
        if words is not None:
            words.is_held = words.is_held or step.is_held
        policy = _policy(step) or policy
        begins |= {
            effect.stream: effect.from_samples for effect in step.effects if isinstance(effect, effects.OpenRecognition)
        }
        before = step


def _sign(before: Step, step: Step, policy: TurnPolicy, *, is_sounding: bool) -> Instant:
    """Of the words, with this step; 0 if there is none."""
    if is_sounding and isinstance(step.fact, inputs.TranscriptRevised):
        return step.now
    if isinstance(step.fact, inputs.SpeechEnded):
        return Instant(step.now - policy.pause_ms * NS_PER_MS)
    if isinstance(step.fact, inputs.SegmentFinal):
        ago_samples = max(0, step.fact.received_samples - step.fact.end_samples)
        ended = Instant(step.now - samples_to_ns(ago_samples, RATE_HZ))
        return ended if same_words(before.text, step.text) else step.now
    return Instant(0) if same_words(before.text, step.text) else step.now


def _policy(step: Step) -> TurnPolicy | None:
    """That is in force from this step on; None: the same as before."""
    changes = [effect.change.policy for effect in step.effects if isinstance(effect, effects.Reconfigure)]
    return next((each for each in changes if each is not None), None)


def _is_elsewhere(step: Step, begins: dict[StreamId, int], pushed: _Pushed) -> bool:
    """Whether a backlog lasts, or the words that are told of are of one, or of no input of their stream."""
    fact = step.fact
    if pushed.is_coming:
        return True
    if isinstance(fact, inputs.TranscriptRevised | inputs.SegmentFinal) and fact.end_samples <= pushed.until_samples:
        return True
    return isinstance(fact, inputs.TranscriptRevised) and fact.end_samples <= begins.get(fact.stream, -1)


OF_PLAUSIBLE_CALLS = (shown_words_are_committed_in_time,)
