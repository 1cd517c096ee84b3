"""Names of things in flight. Integers are counted by the core; codecs make wire ids of them."""

from typing import NewType

SessionId = NewType("SessionId", str)
TurnId = NewType("TurnId", int)
ReplyId = NewType("ReplyId", int)
SentenceId = NewType("SentenceId", int)
"""Number of a sentence in its reply, from 1."""
CallId = NewType("CallId", int)
"""Number of a tool call in its session, from 1."""
StreamId = NewType("StreamId", int)
"""Number of a recognition stream in its session, from 1."""
ItemId = NewType("ItemId", int)
"""Number of an item of the conversation in its session, from 1; no number is given twice."""
