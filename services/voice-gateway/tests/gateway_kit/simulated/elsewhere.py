"""A call of which the input clock stands elsewhere from a quiet moment on."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from gateway_kit.phone_call import PER_MS, RATE_HZ
from gateway_kit.simulated.call import Call
from gateway_kit.simulated.replays import Told, retold, told
from gateway_kit.simulated.restored import farthest, is_before, moved, positions_of, quiet_moments
from voice_gateway.domain.instant import Instant, samples_to_ns
from voice_gateway.turn import inputs

JUMPS_MS = (500, 2_000, 10_000, 3_600_000)


def the_clock_jumps(call: Call, moment: int, jump_ms: int, *, is_pushed: bool) -> None:
    """What is told of a clock that jumps gives the effects of one that does not, at other positions.

    With `is_pushed` audio of so many ms was sent at once, as before a call, and not left out. Until input has gained so
    much by itself that what was said since is reckoned to lie before that moment: behind a jump nothing is.
    """
    moments = quiet_moments(call)
    if not moments:
        return
    place = moments[moment % len(moments)]
    facts, at, jump = told(call), call.steps[place - 1].now, jump_ms * PER_MS
    samples = call.steps[place - 1].received_samples
    rest = list(takewhile(lambda each: not is_before(each[1], samples), facts[place:]))
    rest = rest[: _reckoned_before(rest, at)]
    expected = retold(call.line.core(), [*facts[:place], *rest])[place:]
    core = call.line.core()
    retold(core, facts[:place])
    if farthest(core) > samples:
        return
    if is_pushed and not core._user.clock._is_catching_up:
        retold(core, [(at, inputs.BacklogBegan()), (at, inputs.CaughtUp(samples + jump))])
    found = retold(core, [(now, _after(fact, samples, jump)) for now, fact in rest])
    assert found == [_after(batch, samples, jump) for batch in expected]


def _reckoned_before(facts: Sequence[Told], at: Instant) -> int:
    """How many facts come before the first by which something that they tell of was said before `at`."""
    oldest: int | None = None
    for place, (now, fact) in enumerate(facts):
        oldest = min((*positions_of(fact), *(() if oldest is None else (oldest,))), default=None)
        received = getattr(fact, "received_samples", None)
        if received is not None and oldest is not None and now - samples_to_ns(received - oldest, RATE_HZ) < at:
            return place
    return len(facts)


def _after(value: Any, samples: int, jump: int) -> Any:
    """The same value, with what lies after `samples` farther by `jump`."""
    return moved(value, lambda position: position + jump if position > samples else position)
