"""What a call came to: states, outcomes, and situations that only several facts together make."""

from collections.abc import Iterator
from enum import StrEnum, auto

from gateway_kit.simulated.call import Call, Step
from voice_gateway.domain import events
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.player import Player
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Phase
from voice_gateway.turn.tables import Floor, Listening, ReplyState


class Situation(StrEnum):
    """Something worth proving things about."""

    HELD = auto()
    """A turn that reads unfinished is held,"""
    HELD_AND_CONTINUED = auto()
    """and goes on,"""
    HELD_TO_THE_END = auto()
    """or is committed as it is."""
    FORCED = auto()
    """The core itself calls the end of a turn,"""
    FORCED_AND_FINAL = auto()
    """gets the final,"""
    FORCED_IN_VAIN = auto()
    """or takes the last interim."""
    REOPENED = auto()
    """A turn goes on before anything of its reply was heard."""
    REOPENED_BEHIND_AUDIO = auto()
    """The same, though some of the reply has left."""
    HELD_BACK = auto()
    """A reply that nobody heard yet waits for a verdict."""
    CONTESTED_WITH_WORDS = auto()
    """The floor is contested, and words come,"""
    YIELDED = auto()
    """which take it,"""
    WENT_ON = auto()
    """or do not; or none come."""
    SENT_AGAIN = auto()
    """A reply goes on whose player was flushed."""
    PLAYED_OUT = auto()
    """A reply is held, and its client plays until it has nothing left,"""
    HEARD_OUT_WHILE_HELD = auto()
    """or to the end of the reply."""
    ECHO = auto()
    """Words are dropped while the agent speaks: they are its own, or none that count."""
    SETTLED_BY_REPORT = auto()
    """The client tells how far an interrupted reply was heard,"""
    SETTLED_BY_CLOCK = auto()
    """or does not."""
    APOLOGY = auto()
    """The model fails before its first word."""
    ASKED_AGAIN = auto()
    """The model refuses a question for its length, and is asked less,"""
    ASKED_AGAIN_SILENTLY = auto()
    """also while the reply is only prepared."""
    OVERREPORTED = auto()
    """The client tells more than was sent."""
    RECOGNITION_BROKE = auto()
    LIVE_AFTER_A_BACKLOG = auto()
    """The client has caught up with what was recorded before the call, and its user interrupts the agent."""
    SKIPPED = auto()
    """Synthesis has no sound for a sentence,"""
    SOUNDLESS = auto()
    """or for none of a reply."""
    LOOKED_ENDED = auto()
    """A first sentence is synthesised when it looks ended, and has,"""
    SOUNDED_BEFORE_IT_ENDED = auto()
    """also when there was sound of it before that was certain,"""
    LOOKED_ENDED_IN_VAIN = auto()
    """or has not,"""
    DROPPED_WITH_ITS_SOUND = auto()
    """also when there was sound of it."""
    INTERRUPTED_BEFORE_IT_ENDED = auto()
    """Its reply is stopped before that is known,"""
    RELEASED_BEFORE_IT_ENDED = auto()
    """or its turn becomes certain before that."""


MEANT: tuple[object, ...] = (
    *Floor,
    *(state for state in ReplyState if state is not ReplyState.OVER),
    *Listening,
    *Phase,
    *events.SpeculationOutcome,
    *events.SpeculationTrigger,
    *events.InterruptCause,
    *events.ReplyOutcome,
    *events.EndCause,
    *Situation,
)
"""Everything that calls should come to."""


def situations(call: Call) -> Iterator[object]:  # noqa: C901  one condition for each situation
    """Everything that this one came to."""
    before: Step | None = None
    is_forced = has_caught_up = False
    for step in call.steps:
        yield from (step.state.floor, step.state.reply, step.state.listening, step.state.phase)
        if before is not None:
            yield from _between(before, step)
            if before.guess:
                yield from _of_a_guess(before, step)
            if before.state.reply is ReplyState.HELD:
                yield from _while_held(step, call.line.player)
        if step.fact is None and _has(step, effects.FinishRecognition):
            yield Situation.FORCED
            is_forced = True
        if is_forced and _is_committed(step):
            by_interim = step.fact is None and _has(step, effects.CancelRecognition)
            yield Situation.FORCED_IN_VAIN if by_interim else Situation.FORCED_AND_FINAL
            is_forced = False
        has_caught_up = has_caught_up or isinstance(step.fact, inputs.CaughtUp)
        for effect in step.effects:
            if isinstance(effect, effects.Emit):
                yield from _told(effect.event)
                is_by_words = getattr(effect.event, "cause", None) is events.InterruptCause.USER_SPEECH
                if has_caught_up and is_by_words:
                    yield Situation.LIVE_AFTER_A_BACKLOG
            elif isinstance(effect, effects.BlameSynthesis):
                yield Situation.SOUNDLESS
        before = step
    yield Phase.NEW


def _between(before: Step, step: Step) -> Iterator[Situation]:  # noqa: C901  one condition for each situation
    if step.is_held:
        yield Situation.HELD
    if before.is_held and not step.is_held:
        yield Situation.HELD_TO_THE_END if _is_committed(step) else Situation.HELD_AND_CONTINUED
    words = isinstance(step.fact, inputs.TranscriptRevised | inputs.SegmentFinal) and step.fact.text.strip()
    was_contested = before.state.floor is Floor.CONTESTED
    if was_contested and words:
        yield Situation.CONTESTED_WITH_WORDS
        if step.state.reply is ReplyState.NONE:
            yield Situation.YIELDED
    if _has(step, effects.AskAgain):
        is_prepared = step.state.reply is ReplyState.PREPARING
        yield Situation.ASKED_AGAIN_SILENTLY if is_prepared else Situation.ASKED_AGAIN
    if was_contested and _has(step, effects.ResumePlay):
        yield Situation.WENT_ON
    if words and before.state.floor is Floor.AGENT is step.state.floor and not step.text:
        yield Situation.ECHO
    if before.state.reply is ReplyState.WAITING and _has(step, effects.PausePlay):
        yield Situation.HELD_BACK
    is_unheard = before.state.reply in (ReplyState.WAITING, ReplyState.WITHHELD) and before.may_go_on
    if is_unheard and words and step.state.reply is ReplyState.NONE and step.text:
        yield Situation.REOPENED
    has_left = before.state.reply in (ReplyState.SPEAKING, ReplyState.HELD, ReplyState.DRAINING)
    if has_left and _has(step, effects.Forget):
        yield Situation.REOPENED_BEHIND_AUDIO


def _of_a_guess(before: Step, step: Step) -> Iterator[Situation]:
    if _has(step, effects.DropSpeech):
        yield Situation.DROPPED_WITH_ITS_SOUND if before.has_sound_of_guess else Situation.LOOKED_ENDED_IN_VAIN
    elif _has(step, effects.CancelReply):
        yield Situation.INTERRUPTED_BEFORE_IT_ENDED
    elif not step.guess:
        yield Situation.SOUNDED_BEFORE_IT_ENDED if before.has_sound_of_guess else Situation.LOOKED_ENDED
    elif before.state.reply is ReplyState.PREPARING is not step.state.reply:
        yield Situation.RELEASED_BEFORE_IT_ENDED


def _while_held(step: Step, player: Player) -> Iterator[Situation]:
    if player is Player.FLUSHES and _has(step, effects.ResumePlay):
        yield Situation.SENT_AGAIN
    if isinstance(step.fact, inputs.PlayoutStarved):
        yield Situation.PLAYED_OUT
    for effect in step.effects:
        if isinstance(effect, effects.RecordTurn) and effect.record.finished.outcome is events.ReplyOutcome.COMPLETED:
            yield Situation.HEARD_OUT_WHILE_HELD


def _told(event: events.Event) -> Iterator[object]:  # noqa: C901  one case for each event that matters
    match event:
        case events.TurnReport():
            for speculation in event.speculations:
                yield from (speculation.outcome, speculation.trigger)
        case events.ReplyInterrupted(_, cause):
            yield cause
        case events.ReplyHeard():
            yield Situation.SETTLED_BY_CLOCK if event.is_estimate else Situation.SETTLED_BY_REPORT
        case events.ReplyFinished(_, _, kind, outcome):
            yield outcome
            if kind is events.ReplyKind.APOLOGY:
                yield Situation.APOLOGY
        case events.Notice(Reason.PLAYBACK_IMPLAUSIBLE):
            yield Situation.OVERREPORTED
        case events.Notice(Reason.RECOGNITION_INTERRUPTED):
            yield Situation.RECOGNITION_BROKE
        case events.Notice(Reason.SENTENCE_SKIPPED):
            yield Situation.SKIPPED
        case events.Ended(cause):
            yield cause


def _has(step: Step, kind: type) -> bool:
    return any(isinstance(effect, kind) for effect in step.effects)


def _is_committed(step: Step) -> bool:
    return any(
        isinstance(effect, effects.Emit) and isinstance(effect.event, events.Transcript) and effect.event.is_final
        for effect in step.effects
    )
