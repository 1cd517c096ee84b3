"""A call of which another core takes over the rest."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import takewhile
from typing import Any

from gateway_kit.phone_call import RATE_HZ, at
from gateway_kit.simulated.call import Call
from gateway_kit.simulated.replays import Told, retold, told
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import Instant, samples_to_ns
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn import effects, inputs, snapshot
from voice_gateway.turn.core import Core, Phase, State
from voice_gateway.turn.tables import Floor, Listening, ReplyState

RESTORED_AT = at(3_000)
"""The next process has a monotonic clock of its own."""
QUIET = State(Phase.RUNNING, Floor.NOBODY, ReplyState.NONE, Listening.OPEN)
_INPUT_POSITIONS = frozenset(
    {"from_samples", "before_samples", "received_samples", "end_samples", "covered_samples", "start_samples"}
)
_INPUT_EVENTS = ("SpeechStarted", "SpeechEnded", "CaughtUp", "FinishRecognition")
"""Whose `at_samples` is a position of the input."""

_OF_REPLIES = (SpokenWord, effects.ResumePlay)
"""Whose positions are of a reply's timeline."""


def quiet_moments(call: Call) -> list[int]:
    """After how many steps nothing was going on: nothing awaited, said or played, nobody leaving, nothing changed."""
    moments: list[int] = []
    for place, step in enumerate(call.steps):
        if isinstance(step.fact, inputs.DrainRequested | inputs.SettingsChanged):
            return moments
        is_whole = place + 1 == len(call.steps) or call.steps[place + 1].now > step.now
        is_idle = not (step.text or step.is_expecting) and step.deadline is None
        if step.state == QUIET and is_idle and is_whole:
            moments.append(place + 1)
    return moments


def restored_at_a_quiet_moment(call: Call, moment: int) -> None:
    """Snapshot, restore and the rest of the call give the effects that the rest alone gives.

    Until audio that is pushed, and called live, has something be reckoned to before the moment: it may be an echo.
    """
    moments = quiet_moments(call)
    if not moments:
        return
    facts, place = told(call), moments[moment % len(moments)]
    first, now = call.line.core(), facts[place - 1][0]
    retold(first, facts[:place])
    samples, streams = call.steps[place - 1].received_samples, first._user.recognition._newest - 1
    first.handle(inputs.SegmentFinal(StreamId(streams + 1), "", (), samples, samples, samples), now)
    if farthest(first) > samples or _knows_the_line(first):
        return
    second = Core.restore(snapshot.parse(json.loads(json.dumps(first.snapshot(now)))))
    second.handle(inputs.SessionStarted(), RESTORED_AT)
    if first._user.clock._is_catching_up:
        second.handle(inputs.BacklogBegan(), RESTORED_AT)  # its client pushes on
    second._unheard._speaks = first._unheard._speaks  # whether the user spoke last or typed is in no snapshot
    since = Instant(now - RESTORED_AT)
    rest = list(takewhile(lambda each: not (is_before(each[1], samples) or _counts_silence(each[1])), facts[place:]))
    rest = rest[: reckoned_before(rest, now)]
    theirs: list[Told] = [
        (Instant(at_ - since), moved(fact, lambda each: each - samples, -streams, -since)) for at_, fact in rest
    ]
    expected = [moved(batch, lambda each: each + samples, streams, since) for batch in retold(second, theirs)]
    assert retold(first, rest) == expected


def _knows_the_line(core: Core) -> bool:
    """Whether the core has learnt what no snapshot tells.

    That the agent's voice comes back, that recognition fails, that a sound may have words, which turn is unanswered.
    """
    contest, answers = core._dialogue._contest, core._dialogue.answers
    if core._user.utterance.quiet_by is not None or answers._unanswered or core._agent.unanswered:
        return True
    return contest._is_echoing or contest._hears_itself or core._user.recognition.has_failed


def farthest(core: Core) -> int:
    """The farthest position that the core was told of; a recogniser or a senseless fact may be ahead of the input."""
    user = core._user
    return max(user.recognition.confirmed_samples, user._known_samples, user.clock._live_after)


def _counts_silence(fact: inputs.Input | None) -> bool:
    """Whether from now on silence has prompts: that of the first core has lasted since before it was restored."""
    policy = fact.change.policy if isinstance(fact, inputs.SettingsChanged) else None
    return policy is not None and policy.no_input_ms > 0


def is_before(fact: inputs.Input | None, samples: int) -> bool:
    """Whether a fact is about input up to this position, which the next session has not: words that begin there may
    still be an echo of what the agent said last.
    """
    return any(
        position <= samples for position in (*positions_of(fact), getattr(fact, "received_samples", samples + 1))
    )


def reckoned_before(facts: Sequence[Told], at: Instant) -> int:
    """How many facts come before the first by which something that they tell of was said before `at`."""
    oldest: int | None = None
    for place, (now, fact) in enumerate(facts):
        oldest = min((*positions_of(fact), *(() if oldest is None else (oldest,))), default=None)
        received = getattr(fact, "received_samples", None)
        if received is not None and oldest is not None and now - samples_to_ns(received - oldest, RATE_HZ) < at:
            return place
    return len(facts)


def positions_of(fact: inputs.Input | None) -> list[int]:
    """The positions of the input that a fact is about."""
    if isinstance(fact, inputs.ReplyInput):
        return []
    names = ("at_samples", "end_samples", "covered_samples")
    starts = [word.start_samples for word in fact.words] if isinstance(fact, inputs.SegmentFinal) else []
    return [*starts, *(getattr(fact, name) for name in names if hasattr(fact, name))]


def moved(value: Any, position: Callable[[int], int], streams: int = 0, since: int = 0) -> Any:
    """The same value by another input clock, on which a position is `position` of it, with later streams and instants.

    What is about replies has positions of its own.
    """
    if isinstance(value, tuple):
        return tuple(moved(item, position, streams, since) for item in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes: dict[str, Any] = {}
    for spec in fields(value):
        field = getattr(value, spec.name)
        is_position = spec.name == "at_samples" and type(value).__name__ in _INPUT_EVENTS
        is_position = is_position or (spec.name in _INPUT_POSITIONS and not isinstance(value, _OF_REPLIES))
        if field is not None and is_position:
            changes[spec.name] = position(field)
        elif spec.name == "stream":
            changes[spec.name] = field + streams
        elif spec.name == "deadline":
            changes[spec.name] = field + since
        elif is_dataclass(field) or isinstance(field, tuple):
            changes[spec.name] = moved(field, position, streams, since)
    return replace(value, **changes) if changes else value
