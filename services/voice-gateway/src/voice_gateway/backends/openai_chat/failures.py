"""What a chat stream can end in, other than its reply."""

import httpx2
import openai


class ChatStreamError(Exception):
    """The server broke the protocol, or told of an error inside the stream. The message is safe to show.

    It goes on from "the language model ...".
    """


class ChatStreamBrokenError(ChatStreamError):
    """The stream stopped before its end, or was none; the same request may do better a moment later."""

    def __init__(self, said: str = "broke off its reply") -> None:
        super().__init__(said)


class ChatStreamMalformedError(ChatStreamError):
    """An event cannot be read: words are lost. If nothing comes after it, it was cut off."""


class ChatStreamTooLongError(ChatStreamError):
    """The server refuses the request for its length, in a stream that it has accepted."""

    def __init__(self) -> None:
        super().__init__("reported an error")


class TooLongError(Exception):
    """A request was refused for its length: no failure, and no reason to try another address."""


FAILURES = (openai.OpenAIError, httpx2.HTTPError, ChatStreamError, TimeoutError)
"""What a request can end in, other than its reply."""
