"""Barge-in works however the client's clock stands to ours; what was pushed waits its turn. In virtual time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import QUIET, FakeRecognizer
from gateway_kit.session_world import World
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.events import (
    InterruptCause,
    ReplyFinished,
    ReplyInterrupted,
    ReplyPaused,
    Transcript,
    TurnReport,
)
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.transcript import RecognitionResult, Word
from voice_gateway.session.ports import AnswerWithin, RecognitionSpec, Session

pytestmark = pytest.mark.usefixtures("every_session_replays")

RATE_HZ = 16_000
FRAME_MS = 20
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1_000
LOUD = b"\x00\x10"
SILENT = bytes(2)
WORDS = "Wait a minute please."
COUNTED = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen. "


class Transcribes(FakeRecognizer):
    """Takes each stretch of sound for the same words, and tells their final after 480 ms of silence."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self._failures = failures
        """So many streams fail at once."""

    async def recognize(
        self, session: SessionId, spec: RecognitionSpec, audio: AsyncIterator[bytes], answer_within_ms: AnswerWithin
    ) -> AsyncGenerator[RecognitionResult, None]:
        """Transcribe by the audio's own time, however fast it comes."""
        del session, spec, answer_within_ms
        self._failures -= 1
        if self._failures >= 0:
            raise BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "gone")
        position, began, ended = 0, None, 0
        async for batch in audio:
            for start in range(0, len(batch), 2 * FRAME_SAMPLES):
                frame = np.frombuffer(batch[start : start + 2 * FRAME_SAMPLES], "<i2")
                position += len(frame)
                if len(frame) and np.abs(frame).max() > QUIET:
                    began = position - len(frame) if began is None else began
                    ended = position
                elif began is not None and position - ended >= 480 * RATE_HZ // 1_000:
                    words = (Word(WORDS, began, ended),)
                    began = None
                    yield RecognitionResult(WORDS, True, 0.0, position, words)


@dataclass
class Client:
    """Sends audio with its own clock."""

    session: Session
    offset: int = 0
    _tail: list[bytes] = field(default_factory=list)

    def push(self, milliseconds: int, sample: bytes = SILENT) -> None:
        """Send so much at once, in frames."""
        for _ in range(milliseconds // FRAME_MS):
            self.session.hear(sample * FRAME_SAMPLES, self.offset)
            self.offset += FRAME_SAMPLES

    async def send(self, milliseconds: int, sample: bytes = SILENT, speed: float = 1.0) -> None:
        """Send so much in real time, or at `speed` times that."""
        for _ in range(milliseconds // FRAME_MS):
            await asyncio.sleep(FRAME_MS / 1_000 / speed)
            self.push(FRAME_MS, sample)

    def skip(self, milliseconds: int) -> None:
        """Let the clock go on without audio."""
        self.offset += milliseconds * RATE_HZ // 1_000


async def pre_roll(client: Client, milliseconds: int) -> None:
    """What was recorded before the connection, then real time."""
    client.push(milliseconds)
    await client.send(2_000)


async def spoken_pre_roll(client: Client) -> None:
    """The same, with speech in it."""
    client.push(1_000, LOUD)
    await client.send(4_000)


async def jump(client: Client) -> None:
    """A clock that is set an hour on."""
    await client.send(2_000)
    client.skip(3_600_000)
    await client.send(500)


async def drift(client: Client) -> None:
    """Two hours in which little is sent, by a clock that is 200 ppm fast."""
    for _ in range(120):
        await client.send(1_000)
        await asyncio.sleep(59)
        client.skip(59_012)


async def jitter(client: Client) -> None:
    """The network holds back two seconds, and then gives them at once."""
    await client.send(2_000)
    await asyncio.sleep(2)
    client.push(2_000)
    await client.send(1_000)


async def stall(client: Client) -> None:
    """The same for longer, as when nobody has read for so long."""
    await client.send(2_000)
    await asyncio.sleep(4)
    client.push(4_000)
    await client.send(1_000)


async def discontinuous(client: Client) -> None:
    """A client that sends nothing in silence, but lets its clock go on."""
    for _ in range(5):
        await client.send(1_000)
        await asyncio.sleep(4)
        client.skip(4_000)


async def pushed(client: Client) -> None:
    """A recording at 12.8 times real time, and later a microphone."""
    await client.send(8_000, speed=12.8)
    await asyncio.sleep(1)


PRELUDES: dict[str, Callable[[Client], Awaitable[None]]] = {
    "nothing": lambda client: client.send(2_000),
    "0.5 s of pre-roll": lambda client: pre_roll(client, 500),
    "2 s of pre-roll": lambda client: pre_roll(client, 2_000),
    "10 s of pre-roll": lambda client: pre_roll(client, 10_000),
    "speech in the pre-roll": spoken_pre_roll,
    "a jump of an hour": jump,
    "drift": drift,
    "jitter": jitter,
    "a stall": stall,
    "discontinuous": discontinuous,
    "pushed": pushed,
}


@pytest.mark.parametrize("prelude", PRELUDES.values(), ids=PRELUDES)
def test_who_speaks_over_the_agent_is_heard(prelude: Callable[[Client], Awaitable[None]]) -> None:
    """The agent's reply is held within a moment of the sound and given up for the words, whatever came before."""

    async def main() -> None:
        world = World(recognizer=Transcribes())
        world.llm.scripts = [[COUNTED]] * 3
        session, run = await world.open()
        client = Client(session)
        await prelude(client)
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport, len(world.sink.of(TurnReport)) + 1)
        loop, begun = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        await client.send(1_000, LOUD)
        await client.send(1_000)
        paused_at = [at for at, event in world.sink.events if isinstance(event, ReplyPaused) and at >= begun]
        assert [at - begun < 0.25 for at in paused_at] == [True]
        stopped = [event for event in world.sink.of(ReplyInterrupted) if isinstance(event, ReplyInterrupted)]
        assert stopped[-1].cause is InterruptCause.USER_SPEECH
        told = [event.text for event in world.sink.of(Transcript) if isinstance(event, Transcript) and event.is_final]
        assert told[-2:] == ["Count.", WORDS]
        assert loop.time() - begun < 2.001
        session.end()
        await run

    virtual_time.run(main())


def test_who_speaks_during_an_outage_of_recognition_is_live() -> None:
    """Audio waits on the tape while recognition is away; it came in real time, so what is transcribed late is live."""

    async def main() -> None:
        world = World(recognizer=Transcribes(failures=4))
        world.llm.scripts = [[COUNTED]] * 2
        session, run = await world.open()
        client = Client(session)
        await client.send(200)
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        await client.send(1_000, LOUD)
        await client.send(4_000)
        (stopped,) = world.sink.of(ReplyInterrupted)
        assert isinstance(stopped, ReplyInterrupted)
        assert stopped.cause is InterruptCause.USER_SPEECH
        session.end()
        await run

    virtual_time.run(main())


@pytest.mark.parametrize("is_second", [False, True])
def test_what_is_pushed_waits_its_turn(*, is_second: bool) -> None:
    """A recording at 12.8 times real time interrupts no reply, also one that comes after another and a pause: all its
    questions are answered one after another.
    """

    async def main() -> None:
        world = World(recognizer=Transcribes())
        world.llm.scripts = [[COUNTED]] * 4
        session, run = await world.open()
        client = Client(session)
        if is_second:
            await client.send(2_000, speed=12.8)
            await asyncio.sleep(5)
        for _ in range(2):
            await client.send(1_000, LOUD, speed=12.8)
            await client.send(1_000, speed=12.8)
        await world.sink.wait_for(ReplyFinished, 2)
        assert world.sink.of(ReplyInterrupted) == world.sink.of(ReplyPaused) == []
        assert [messages[-1].text for messages in world.llm.requests] == [WORDS] * 2
        session.end()
        await run

    virtual_time.run(main())
