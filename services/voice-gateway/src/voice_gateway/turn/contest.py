"""Whether sound over the agent's voice takes the floor from it."""

from enum import Enum

from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.text.stop_words import is_stop


class Verdict(Enum):
    """What the agent does."""

    WAIT = "nothing can be said yet"
    YIELD = "stop: this is an interruption"
    GO_ON = "go on: this was none"


def judge(policy: TurnPolicy, text: str, speech_ms: int, *, is_final: bool) -> Verdict:
    """The verdict on what has been said over the agent so far.

    Args:
        policy: its `min_speech_ms`, `min_words` and `backchannel_ms` decide.
        text: the words so far.
        speech_ms: how long they took to say.
        is_final: whether no more words of this utterance will come.
    """
    words = len(text.split())
    is_long = speech_ms >= policy.min_speech_ms and words >= policy.min_words
    if is_stop(text) or (words and is_long):
        return Verdict.YIELD
    if not is_final:
        return Verdict.WAIT
    is_backchannel = words <= 1 and speech_ms < policy.backchannel_ms
    return Verdict.GO_ON if is_backchannel else Verdict.YIELD
