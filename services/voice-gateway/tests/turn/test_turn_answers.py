"""When a reply that the client has asked for begins."""

import pytest
from gateway_kit.phone_call import new_core, played
from voice_gateway.domain.policy import TurnPolicy

OUTAGE = ("1000 ms: recognition 1 breaks", "1000 ms: recognition 3 breaks", "1510 ms: recognition 5 breaks")


def asked(*steps: str, before: tuple[str, ...] = ()) -> list[bool]:
    """Whether the model is asked, at each of these steps, in a session whose client asks for each reply."""
    core = new_core(TurnPolicy(auto_reply=False))
    played(core, ["0 ms: session starts", *before])
    return ["[ask the model" in played(core, [step]) for step in steps]


@pytest.mark.parametrize(("failures", "is_asked"), [(OUTAGE, True), (OUTAGE[:2], False)])
def test_a_reply_does_not_wait_for_a_recogniser_that_is_away(failures: tuple[str, ...], *, is_asked: bool) -> None:
    """Words that are owed hold a reply back while they may come soon, not in an outage."""
    before = ("1000 ms: commits", *failures)
    now = failures[-1].split(" ")[0]
    assert asked(f"{now} ms: asks for a reply", before=before) == [is_asked]


def test_a_reply_waits_for_the_final_of_a_commit_behind_a_backlog() -> None:
    """Two seconds without words are pushed, then the client ends the turn in real time: the wait for its final is
    limited by `final_grace_ms`, wherever the last words were.
    """
    backlog = ("1000 ms: backlog begins", "1100 ms: caught up at 3000 ms")
    commit = "2000 ms: commits, 4000 ms received"
    before = ('500 ms: final "Hello." ending at 300 ms', *backlog, commit)
    assert asked("2100 ms: asks for a reply", "2499 ms: (time passes)", before=before) == [False, False]
    assert asked("2100 ms: asks for a reply", "2500 ms: (time passes)", before=before) == [False, True]


def test_a_backlog_after_a_commit_does_not_prolong_the_wait_for_its_final() -> None:
    """What was ended in real time stays so, also if audio is pushed later: its wait of `final_grace_ms` is over."""
    backlog = ("1600 ms: backlog begins", "2200 ms: caught up at 8000 ms")
    before = ("1000 ms: commits, 1000 ms received", *backlog)
    assert asked("2300 ms: asks for a reply", before=before) == [True]
