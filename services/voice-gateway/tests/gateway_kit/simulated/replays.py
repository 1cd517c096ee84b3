"""A call told to another core: the same facts, or the same facts said in another way."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from gateway_kit.simulated.call import Call, Step
from voice_gateway.domain import events
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import Instant
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core

Told = tuple[Instant, inputs.Input | None]
"""A fact and when it was told; None: a deadline was kept."""
Batch = tuple[effects.Effect, ...]


def told(call: Call) -> list[Told]:
    """Everything that the call's core was told."""
    return [(step.now, step.fact) for step in call.steps]


def retold(core: Core, facts: list[Told]) -> list[Batch]:
    """What another core makes of it."""
    return [core.on_deadline(now) if fact is None else core.handle(fact, now) for now, fact in facts]


def same_facts_same_effects_at_once(call: Call) -> None:
    """A core that is told the same makes the same of it, batch for batch.

    Asked again before its deadline it has nothing to do, and that it was asked changes nothing that follows.
    """
    core = call.line.core()
    for step in call.steps:
        done = core.on_deadline(step.now) if step.fact is None else core.handle(step.fact, step.now)
        assert done == step.effects
        deadline = core.deadline()
        if deadline is None or deadline > step.now:
            assert core.on_deadline(step.now) == ()


def what_means_nothing_changes_nothing(call: Call) -> None:
    """Text split in two, a report told twice, an empty transcript, results of unknown streams: the effects are equal.

    Only the count of the pieces that the model wrote in vain is another, and what is to be synthesised, or reported of
    a turn, may be ordered before or after what is to be told at the same instant.
    """
    said_otherwise = [fact for step in call.steps for fact in _otherwise(step)]
    ours = _apart([step.effects for step in call.steps])
    assert _apart(retold(call.line.core(), said_otherwise)) == ours


def _otherwise(step: Step) -> Iterator[Told]:
    now, fact = step.now, step.fact
    match fact:
        case inputs.ReplyDelta(reply, text) if half := _half(text):
            yield now, inputs.ReplyDelta(reply, half)
            yield now, inputs.ReplyDelta(reply, text.removeprefix(half))
        case inputs.PlaybackReported() if not any(_is_notice(effect) for effect in step.effects):
            yield now, fact
            yield now, fact
        case inputs.SpeechStarted():
            yield now, inputs.TranscriptRevised(StreamId(99), "nobody", 0.0, 0, 0)
            yield now, fact
            yield now, inputs.SessionStarted()
        case inputs.TranscriptRevised():
            yield now, fact
            yield now, replace(fact, text=" ")
        case _:
            yield now, fact


def _half(text: str) -> str:
    """Half of a text, or less: up to a letter or digit, so that it does not look ended there."""
    return next((text[:end] for end in range(len(text) // 2, 0, -1) if text[end - 1].isalnum()), "")


def _apart(batches: list[Batch]) -> tuple[list[effects.Effect], ...]:
    """What is to be synthesised, what is reported, and all the rest."""
    spoken, reported, rest = list[effects.Effect](), list[effects.Effect](), list[effects.Effect]()
    for effect in (_uncounted(effect) for batch in batches for effect in batch):
        match effect:
            case effects.Synthesize():
                spoken.append(effect)
            case effects.Emit(events.TurnReport()):
                reported.append(effect)
            case _:
                rest.append(effect)
    return spoken, reported, rest


def _is_notice(effect: effects.Effect) -> bool:
    return isinstance(effect, effects.Emit) and isinstance(effect.event, events.Notice)


def _uncounted(effect: effects.Effect) -> effects.Effect:
    match effect:
        case effects.Emit(events.TurnReport() as report):
            return effects.Emit(_without_waste(report))
        case effects.RecordTurn(record) if record.report is not None:
            return effects.RecordTurn(replace(record, report=_without_waste(record.report)))
    return effect


def _without_waste(report: events.TurnReport) -> events.TurnReport:
    return replace(report, speculations=tuple(replace(each, wasted_tokens=0) for each in report.speculations))


OF_ANY_CALL: tuple[Callable[[Call], None], ...] = (
    same_facts_same_effects_at_once,
    what_means_nothing_changes_nothing,
)
