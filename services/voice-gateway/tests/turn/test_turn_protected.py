"""The first part of a reply, in which no speech interrupts it."""

from gateway_kit.phone_call import new_core, played
from voice_gateway.domain.policy import TurnPolicy

REPLY = (
    "0 ms: session starts",
    '1000 ms: final "Hello." ending at 500 ms',
    '1050 ms: model 1 writes "This call is recorded. How can I help you today, sir?"',
    "1060 ms: model 1 is done",
    "1100 ms: speech 1.1 comes",
    "1100 ms: playout 1 starts at 0 ms",
    "1110 ms: speech 1.1 is complete, 1500 ms",
    "1120 ms: speech 1.2 comes",
    "1130 ms: speech 1.2 is complete, 2000 ms",
)


def call(*script: str) -> str:
    """What comes of the call when the first second of a reply is protected."""
    return played(new_core(TurnPolicy(protected_opening_ms=1_000)), (*REPLY, *script))


def test_speech_in_the_protected_opening_waits() -> None:
    """Neither the sound nor the words stop the reply; what was said is answered after it."""
    told = call(
        "1500 ms: speech starts at 1400 ms",
        '1700 ms: interim "i have a question"',
        "1860 ms: speech ends at 1700 ms",
        '2000 ms: final "I have a question." ending at 1700 ms',
        "2500 ms: playout 1 is complete, 3500 ms",
        "4800 ms: (time passes)",
    )
    assert "holds reply" not in told
    assert "stops reply" not in told
    assert told.index("USER    I have a question.") < told.index("reply 1 completed") < told.index("for reply 2")


def test_speech_before_the_reply_is_heard_takes_it_back_all_the_same() -> None:
    """The opening is protected from who hears it, not from who had spoken on before: heard from 1200 ms on."""
    told = call("1300 ms: speech starts at 1200 ms", '1700 ms: interim "i have a question"')
    assert told.index("holds reply 1") < told.index("stops reply 1: user_speech")
    assert "user    Hello. i have a question..." in told


def test_speech_after_the_protected_opening_interrupts() -> None:
    """Once the second has been heard the reply is like any other."""
    told = call("2400 ms: speech starts at 2300 ms", '2900 ms: interim "i have a question"')
    assert told.index("holds reply 1") < told.index("stops reply 1: user_speech")
