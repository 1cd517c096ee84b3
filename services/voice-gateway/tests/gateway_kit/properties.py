"""How many examples a property is tried with: the one place that says so."""

import os
from collections.abc import Callable, Iterable

from gateway_kit.simulated.call import Call
from hypothesis import note, settings
from hypothesis import strategies as st

MANY = settings(max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "500")), deadline=None)
"""`make prove` asks for 50,000."""
DECISIONS = st.binary(min_size=280, max_size=280)
"""What decides a call; few calls take more."""
Law = Callable[[Call], None]


def keeps(decisions: bytes, laws: Iterable[Law], *, is_plausible: bool = False) -> None:
    """Play the call that these bytes decide, and hold the laws against it; a failure prints the call."""
    call = Call(decisions, is_plausible=is_plausible)
    try:
        call.play()
        for law in laws:
            law(call)
    except BaseException:
        note(call.script())
        raise
