"""When a change of the settings comes into force, and when recognition has to begin anew for it."""

import pytest
from gateway_kit.phone_call import AGREEMENT, at
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.changes import Changes, InForce

GERMAN, FRENCH = Change(heard_language="de-DE"), Change(heard_language="fr-FR")
KARL = Change(voice="Karl")


def put_in_force(changes: Changes, now_ms: int, *, has_stream: bool = True) -> InForce | None:
    """What comes into force now."""
    return changes.put_in_force(AGREEMENT, at(now_ms), has_stream=has_stream)


def after(changes: Changes) -> Instant | None:
    """When what is pending may come into force."""
    return changes.due


@pytest.mark.parametrize(
    ("change", "renews"),
    [
        (KARL, False),
        (Change(spoken_language="de-DE", system_prompt="Be long."), False),
        (GERMAN, True),
        (Change(policy=TurnPolicy(lead_ms=300)), False),
        (Change(policy=TurnPolicy(stop_history_ms=500)), True),
        (Change(policy=TurnPolicy(stop_history_eou_ms=100)), True),
        (Change(heard_language="de-DE", policy=TurnPolicy(lead_ms=300)), True),
    ],
)
def test_recognition_begins_anew_for_what_it_was_opened_with(change: Change, *, renews: bool) -> None:
    """A language or a pause that the open stream does not know needs another stream; a voice does not."""
    changes = Changes()
    changes.add(change)
    assert put_in_force(changes, 0) == InForce(change, renews_recognition=renews)


def test_without_a_stream_nothing_begins_anew() -> None:
    """The next stream is opened with the new language; a change after it need not wait for a stream that was none."""
    changes = Changes()
    changes.add(GERMAN)
    assert put_in_force(changes, 0, has_stream=False) == InForce(GERMAN, renews_recognition=False)
    changes.add(FRENCH)
    assert put_in_force(changes, 1) == InForce(FRENCH, renews_recognition=True)


def test_a_change_is_in_force_once() -> None:
    """What has been put in force is no longer pending, and nothing is due for it."""
    changes = Changes()
    assert (changes.is_pending, changes.due, put_in_force(changes, 0)) == (False, None, None)
    assert changes.applied_to(AGREEMENT) == AGREEMENT
    changes.add(KARL)
    assert changes.is_pending
    assert changes.applied_to(AGREEMENT) == AGREEMENT.apply(KARL)
    assert put_in_force(changes, 0) == InForce(KARL, renews_recognition=False)
    assert (changes.is_pending, changes.due, put_in_force(changes, 1)) == (False, None, None)


def test_a_second_stream_waits_for_its_second() -> None:
    """A thousand milliseconds after the last one, and not one earlier, the newest language is heard."""
    changes = Changes()
    changes.add(GERMAN)
    assert put_in_force(changes, 5) == InForce(GERMAN, renews_recognition=True)
    assert changes.due is None
    changes.add(FRENCH)
    assert put_in_force(changes, 300) is None
    assert changes.is_pending
    assert after(changes) == at(1_005)
    changes.add(KARL)
    assert put_in_force(changes, 1_004) is None
    both = Change(heard_language="fr-FR", voice="Karl")
    assert put_in_force(changes, 1_005) == InForce(both, renews_recognition=True)
    assert (changes.is_pending, changes.due) == (False, None)
    changes.add(GERMAN)
    assert put_in_force(changes, 1_999) is None
    assert after(changes) == at(2_005)


def test_what_waits_for_a_stream_is_in_force_when_the_stream_is_gone() -> None:
    """A stream that broke meanwhile is opened with the new language at once: there is nothing to wait for."""
    changes = Changes()
    changes.add(GERMAN)
    put_in_force(changes, 0)
    changes.add(FRENCH)
    assert put_in_force(changes, 10) is None
    assert put_in_force(changes, 20, has_stream=False) == InForce(FRENCH, renews_recognition=False)
    assert changes.due is None
