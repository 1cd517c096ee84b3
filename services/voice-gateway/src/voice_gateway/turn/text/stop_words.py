"""Words that alone stop the agent, in the languages that people are likely to say them in."""

import re
import unicodedata

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
_LONGEST_CHARS = 400
"""Nobody repeats a stop word for longer than this; a longer text is judged as other words are."""
_MARKS = re.compile(r"[^\w\s']+")


def is_stop(text: str) -> bool:
    """Whether the text is a stop word and nothing else, however often it is said ("Stop, stop!")."""
    if len(text) > _LONGEST_CHARS:
        return False
    said = " ".join(_MARKS.sub(" ", unicodedata.normalize("NFC", text)).casefold().split())
    return said in _STOP or (bool(said) and {*said.split()} <= _STOP)
