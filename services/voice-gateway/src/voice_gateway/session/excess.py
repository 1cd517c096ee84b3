"""How much a backend may send into one session. More ends the reply or the sentence, or is merged: the call goes on.

A generator that always has a next piece never gives the event loop back: its reader has to pause between pieces.
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
"""Text of one reply, with its white space: a quarter of an hour of talk at 15 characters a second. A piece without text
counts as one character, so that pieces are bounded, too."""
MAX_CALL_CHARS: Final = 65_536
"""Names and arguments of the tools that one reply calls: as much as a tool may return (client.proto, `ToolResult`)."""
MAX_CALLS: Final = 64
"""Tools that one reply calls; turn/reply/tools.py executes 16 in a round. A client that answers these 16 at once
stays within what it may do (runner.py, `DEEDS`)."""
PIECE_CHARS: Final = 128
"""At most this much of a backend's text is taken before other tasks run: up to 64 sentences of a model, under 5 ms at
worst, as `make bench SECTION=text` prints. Servers send one token in a piece, or a few."""
MAX_SENTENCE_MS: Final = 120_000
"""Audio of one sentence of at most 400 characters: 27 s at 15 characters a second, and four times that when slow."""
MAX_OUTPUT_CHARS: Final = 65_536
"""Output of a tool of the server; a client's tool may return as much."""
PIECES: Final = TokenBucket(capacity=500, per_s=500)
"""Pieces of a model, or chunks of synthesis. A reply of a minute has 300 tokens, and is taken as fast as it comes; for
longer ones 500 a second are a hundred times what is spoken. Others wait: each costs some 20 us of the event loop."""
RESULTS: Final = TokenBucket(capacity=400, per_s=200)
"""Results of a recogniser: some 10 a second, or some 130 for a recording that is pushed at 12.8 times real time. Others
wait."""
FINALS: Final = TokenBucket(capacity=20, per_s=5)
"""Finals of a recogniser in one session, on all its streams: each may be a turn that asks the model. A speaker ends one
segment a second at most, and a recording that is pushed at 12.8 times real time some 5. Others wait."""
INTERIMS: Final = TokenBucket(capacity=50, per_s=25)
"""Interims that are posted: recognisers decode every 80 to 160 ms, no screen shows more. Of more, the newest counts."""
BREATH: Final = 32
"""At most this many pieces, however short, are taken before other tasks run: each costs about 50 us."""
PCM_BREATH_BYTES: Final = 65_536
"""The same for synthesised audio: two seconds at 16 kHz."""

T = TypeVar("T")


class Pace:
    """Makes its callers wait as long as a bucket says."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket

    async def take(self) -> bool:
        """Take one token, and wait until it is there. Returns whether a wait was needed."""
        now = clock.now()
        self._bucket = self._bucket.take(1, now)
        wait_ns = self._bucket.debt_ns(now)
        if wait_ns:
            await asyncio.sleep(wait_ns / NS_PER_S)
        return wait_ns > 0


async def breathing(
    pieces: AsyncGenerator[T, None], bucket: TokenBucket, share: Callable[[T], float]
) -> AsyncGenerator[T, None]:
    """The same pieces, no faster than the bucket says; other tasks run now and then in between.

    `share` says which part of what may be taken in a row a piece is: at 1 or more, other tasks run right after it.
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
    """Which part of what may be taken in a row a text is."""
    return len(text) / PIECE_CHARS


def share_of_speech(chunk: SpeechChunk) -> float:
    """Which part of what may be taken in a row synthesised audio is."""
    return len(chunk.pcm) / PCM_BREATH_BYTES


class ReplyBudget:
    """How much the model may still write in one reply."""

    def __init__(self) -> None:
        self._text_chars = MAX_REPLY_CHARS
        self._call_chars = MAX_CALL_CHARS
        self._calls = MAX_CALLS

    def cut(self, text: str) -> list[str]:
        """The text in pieces, as far as the budget allows."""
        taken = text[: self._text_chars]
        self._text_chars -= max(1, len(text))
        return [taken[start : start + PIECE_CHARS] for start in range(0, len(taken), PIECE_CHARS)]

    def call(self, call: ToolCall) -> None:
        """Count a call of a tool."""
        self._calls -= 1
        self._call_chars -= len(call.id) + len(call.name) + len(call.arguments_json)

    def check(self) -> None:
        """Raise BackendError, LLM_FAILED, if the model wrote more than it may."""
        if self._text_chars < 0:
            raise _too_much(f"a reply of more than {MAX_REPLY_CHARS} characters")
        if self._calls < 0:
            raise _too_much(f"more than {MAX_CALLS} calls of tools")
        if self._call_chars < 0:
            raise _too_much(f"calls of tools of more than {MAX_CALL_CHARS} characters")


def _too_much(what: str) -> BackendError:
    return BackendError(Backend.LLM, Reason.LLM_FAILED, f"the language model wrote {what}: it was cut")


def bounded(result: RecognitionResult) -> RecognitionResult:
    """The transcript, cut to a length that somebody may have said; as a rule it is unchanged."""
    has_long_word = any(len(word.text) > MAX_WORD_CHARS for word in result.words[:MAX_RESULT_WORDS])
    if len(result.text) <= MAX_RESULT_CHARS and len(result.words) <= MAX_RESULT_WORDS and not has_long_word:
        return result
    words = result.words[:MAX_RESULT_WORDS]
    cut = tuple(replace(word, text=word.text[:MAX_WORD_CHARS]) for word in words)
    return replace(result, text=result.text[:MAX_RESULT_CHARS], words=cut)


class Interims:
    """Posts the interim transcripts of one stream; if they come too fast, only the newest, as soon as it may."""

    def __init__(self, post: Callable[[TranscriptRevised], None]) -> None:
        self._post = post
        self._bucket = INTERIMS
        self._newest: TranscriptRevised | None = None
        self._timer: asyncio.TimerHandle | None = None

    def take(self, interim: TranscriptRevised) -> None:
        """Post it, or keep it until it may be posted."""
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
        """Drop what is kept: a final has come, or a newer interim."""
        self._newest = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
