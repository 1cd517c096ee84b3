"""A call of which the input clock stands elsewhere from a quiet moment on."""

from itertools import takewhile
from typing import Any

from gateway_kit.phone_call import PER_MS
from gateway_kit.simulated.call import Call
from gateway_kit.simulated.replays import retold, told
from gateway_kit.simulated.restored import farthest, is_before, moved, quiet_moments, reckoned_before
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
    rest = rest[: reckoned_before(rest, at)]
    expected = retold(call.line.core(), [*facts[:place], *rest])[place:]
    core = call.line.core()
    retold(core, facts[:place])
    if farthest(core) > samples:
        return
    if is_pushed and not core._user.clock._is_catching_up:
        retold(core, [(at, inputs.BacklogBegan()), (at, inputs.CaughtUp(samples + jump))])
    found = retold(core, [(now, _after(fact, samples, jump)) for now, fact in rest])
    assert found == [_after(batch, samples, jump) for batch in expected]


def _after(value: Any, samples: int, jump: int) -> Any:
    """The same value, with what lies after `samples` farther by `jump`."""
    return moved(value, lambda position: position + jump if position > samples else position)
