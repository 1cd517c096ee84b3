"""What a backend may send into one session. More ends the reply or the sentence, or is taken together: never the call.

A generator that always has something never lets the event loop go: whoever takes from one breathes between two pieces.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Final, TypeVar

from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.instant import NS_PER_S
from voice_gateway.domain.limits import TokenBucket
from voice_gateway.domain.transcript import MAX_RESULT_CHARS, MAX_RESULT_WORDS, MAX_WORD_CHARS, RecognitionResult
from voice_gateway.session import clock
from voice_gateway.session.ports import SpeechChunk
from voice_gateway.turn.inputs import TranscriptRevised

MAX_REPLY_CHARS: Final = 16_000
"""Text of one reply, white space too: a quarter of an hour of talk at 15 characters a second. A piece without text
counts as one character, so that pieces are bounded, too."""
MAX_CALL_CHARS: Final = 65_536
"""Names and arguments of the tools that one reply calls: as much as a tool may return (client.proto, `ToolResult`)."""
MAX_CALLS: Final = 64
"""Tools that one reply calls; turn/reply/tools.py executes 16 of a round. A client that answers them all at once is
within what it may do (runner.py, `DEEDS`)."""
PIECE_CHARS: Final = 128
"""Of a backend's text so much is taken before others have their turn: up to 64 sentences of a model, under 5 ms at
their worst, as `make bench SECTION=text` prints. Servers send a token in a piece, or some."""
MAX_SENTENCE_MS: Final = 120_000
"""Audio of one sentence, which has 400 characters: 27 s at 15 characters a second, and four times that when slow."""
MAX_OUTPUT_CHARS: Final = 65_536
"""Of a tool of the server, as of a client's."""
PIECES: Final = TokenBucket(capacity=500, per_s=500)
"""Of a model, or chunks of synthesis. A reply of a minute has 300 tokens, and is taken as fast as it comes; of longer
ones 500 a second are a hundred times what is spoken. More wait: each costs some 20 us of the event loop."""
RESULTS: Final = TokenBucket(capacity=400, per_s=200)
"""Of a recogniser, which has some 10 a second, and of a recording that is pushed at 12.8 times real time some 130. More
wait."""
FINALS: Final = TokenBucket(capacity=20, per_s=5)
"""Of a recogniser in one session, whatever stream they come from: each may be a turn that asks the model. Who speaks
ends a segment a second at most, and a recording that is pushed at 12.8 times real time has some 5. More wait."""
INTERIMS: Final = TokenBucket(capacity=50, per_s=25)
"""That are told: recognisers decode each 80 to 160 ms, and no screen shows more. Of more the newest counts."""
BREATH: Final = 32
"""Pieces in a row before others have their turn, at the latest, however short: each costs 50 us or so."""
PCM_BREATH_BYTES: Final = 65_536
"""The same of synthesised audio: two seconds at 16 kHz."""

T = TypeVar("T")


class Pace:
    """Lets its callers wait, no longer than a bucket says."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket

    async def take(self) -> bool:
        """Take one token; whether that had to be waited for."""
        now = clock.now()
        self._bucket = self._bucket.take(1, now)
        wait_ns = self._bucket.debt_ns(now)
        if wait_ns:
            await asyncio.sleep(wait_ns / NS_PER_S)
        return wait_ns > 0


async def breathing(
    pieces: AsyncGenerator[T, None], bucket: TokenBucket, share: Callable[[T], float]
) -> AsyncGenerator[T, None]:
    """The same pieces, no faster than the bucket says, and with a turn for others now and then.

    `share` says how much of what may be taken in a row a piece is: 1 and more, and others have their turn at once.
    """
    pace, taken = Pace(bucket), 0.0
    async for piece in pieces:
        yield piece
        taken += max(1 / BREATH, share(piece))
        if await pace.take():
            taken = 0.0
        elif taken >= 1:
            taken = 0.0
            await asyncio.sleep(0)


def share_of_text(text: str) -> float:
    """How much of what may be taken in a row a text is."""
    return len(text) / PIECE_CHARS


def share_of_speech(chunk: SpeechChunk) -> float:
    """How much of what may be taken in a row synthesised audio is."""
    return len(chunk.pcm) / PCM_BREATH_BYTES


class ReplyBudget:
    """How much the model may still write in one reply."""

    def __init__(self) -> None:
        self._text_chars = MAX_REPLY_CHARS
        self._call_chars = MAX_CALL_CHARS
        self._calls = MAX_CALLS

    def cut(self, text: str) -> list[str]:
        """Pieces of the text, as far as it may be taken."""
        taken = text[: self._text_chars]
        self._text_chars -= max(1, len(text))
        return [taken[start : start + PIECE_CHARS] for start in range(0, len(taken), PIECE_CHARS)]

    def call(self, call: ToolCall) -> None:
        """Count a call of a tool."""
        self._calls -= 1
        self._call_chars -= len(call.id) + len(call.name) + len(call.arguments_json)

    def check(self) -> None:
        """Raises BackendError, LLM_FAILED, when more was written than there may be."""
        if self._text_chars < 0:
            raise _too_much(f"a reply of more than {MAX_REPLY_CHARS} characters")
        if self._calls < 0:
            raise _too_much(f"more than {MAX_CALLS} calls of tools")
        if self._call_chars < 0:
            raise _too_much(f"calls of tools of more than {MAX_CALL_CHARS} characters")


def _too_much(what: str) -> BackendError:
    return BackendError(Backend.LLM, Reason.LLM_FAILED, f"the language model wrote {what}: it was cut")


def bounded(result: RecognitionResult) -> RecognitionResult:
    """A transcript of a length that somebody may have said; itself as a rule."""
    has_long_word = any(len(word.text) > MAX_WORD_CHARS for word in result.words[:MAX_RESULT_WORDS])
    if len(result.text) <= MAX_RESULT_CHARS and len(result.words) <= MAX_RESULT_WORDS and not has_long_word:
        return result
    words = result.words[:MAX_RESULT_WORDS]
    cut = tuple(replace(word, text=word.text[:MAX_WORD_CHARS]) for word in words)
    return replace(result, text=result.text[:MAX_RESULT_CHARS], words=cut)


class Interims:
    """Hands on the interim transcripts of one stream: of those that come too fast the newest, when it may be told."""

    def __init__(self, post: Callable[[TranscriptRevised], None]) -> None:
        self._post = post
        self._bucket = INTERIMS
        self._newest: TranscriptRevised | None = None
        self._timer: asyncio.TimerHandle | None = None

    def take(self, interim: TranscriptRevised) -> None:
        """Post it, or keep it until it may be."""
        now = clock.now()
        taken = self._bucket.take(1, now)
        wait_ns = taken.debt_ns(now)
        if wait_ns == 0:
            self.drop()
            self._bucket = taken
            self._post(interim)
            return
        self._newest = interim
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_ns / NS_PER_S, self.flush)

    def flush(self) -> None:
        """Post what is kept: its time has come, or the stream has ended."""
        newest = self._newest
        self.drop()
        if newest is not None:
            self._bucket = self._bucket.take(1, clock.now())
            self._post(newest)

    def drop(self) -> None:
        """What is kept is out of date: a final has come, or a newer one."""
        self._newest = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
