"""By when the words that were shown are committed, computed anew from the record of a call."""

from dataclasses import dataclass

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


def shown_words_are_committed_in_time(call: Call) -> None:  # noqa: C901  one condition for each exception
    """Words are committed, final or not, `vad_end_ms` + `final_grace_ms` after the last sign of them, or disregarded.

    A sign is a transcript with other words than before, whatever its spelling, and the end of a sound or of the last
    word of a final. While somebody speaks, by the sound, nothing is due. Whoever orders the end of the turn (`commit`)
    has its final waited for first, for `final_grace_ms`, and what is the next turn's by then is due from there on.
    Words that read unfinished are held for longer, as ever. From `max_turn_ms` on the law of that limit holds
    (`a_turn_ends_in_time`), and none for words of a backlog, for those that are told of no input, or after the
    half-close. Where the client ends turns (`detect_turns` is off) no silence does.
    """
    policy = call.line.policy
    if not policy.detect_turns:
        return
    words: _Words | None = None
    before: Step | None = None
    begins: dict[StreamId, int] = {}
    is_sounding = is_elsewhere = is_backlog = False
    caught_up_at, ordered_until = -1, Instant(0)
    for step in call.steps:
        match step.fact:
            case inputs.BacklogBegan():
                is_backlog = True
            case inputs.CaughtUp(at_samples):
                is_backlog, caught_up_at = False, at_samples
        has_words = before is not None and bool(before.text)
        is_elsewhere = (is_elsewhere and has_words) or is_backlog or _is_elsewhere(step, begins, caught_up_at)
        if words is not None and not (is_sounding or is_elsewhere):
            is_long = step.now >= after_ms(words.first, policy.max_turn_ms)
            assert is_long or step.now <= words.due(policy, ordered_until), f"they wait: {before and before.text!r}"
        if isinstance(step.fact, inputs.SpeechStarted | inputs.SpeechEnded):
            is_sounding = isinstance(step.fact, inputs.SpeechStarted)
        if isinstance(step.fact, inputs.CommitRequested):
            ordered_until = after_ms(step.now, policy.final_grace_ms)
        if not step.text or step.state.phase in (Phase.FINISHING, Phase.ENDED):
            words = None
        elif words is None or before is None or (before.turn != step.turn and before.text != step.text):
            words = _Words(step.now, step.now)
        else:
            words.sign = max(words.sign, _sign(before, step, policy))
        if words is not None:
            words.is_held = words.is_held or step.is_held
        policy = _policy(step) or policy
        begins |= {
            effect.stream: effect.from_samples for effect in step.effects if isinstance(effect, effects.OpenRecognition)
        }
        before = step


def _sign(before: Step, step: Step, policy: TurnPolicy) -> Instant:
    """Of the words, with this step; 0 if there is none."""
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


def _is_elsewhere(step: Step, begins: dict[StreamId, int], caught_up_at: int) -> bool:
    """Whether the words that are told of are of a backlog, or of no input of their stream."""
    fact = step.fact
    if isinstance(fact, inputs.TranscriptRevised | inputs.SegmentFinal) and fact.end_samples <= caught_up_at:
        return True
    return isinstance(fact, inputs.TranscriptRevised) and fact.end_samples <= begins.get(fact.stream, -1)


OF_PLAUSIBLE_CALLS = (shown_words_are_committed_in_time,)
