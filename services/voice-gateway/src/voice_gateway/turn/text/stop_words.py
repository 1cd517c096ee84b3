"""Words that alone stop the agent, in the languages that people are likely to say them in."""

import re

_STOP = frozenset(
    {
        "stop",
        "wait",
        "hold it",
        "enough",
        "cancel",
        "quiet",
        "be quiet",
        "stopp",
        "halt",
        "warte",
        "arr\u00eate",
        "attends",
        "para",
        "espera",
        "alto",
        "aspetta",
        "basta",
    }
)
_MARKS = re.compile(r"[^\w\s']+")


def is_stop(text: str) -> bool:
    """Whether the text is a stop word and nothing else, however often it is said ("Stop, stop!")."""
    said = " ".join(_MARKS.sub(" ", text).casefold().split())
    return said in _STOP or (bool(said) and {*said.split()} <= _STOP)
