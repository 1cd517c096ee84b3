"""How long a recognition stream may say nothing, in virtual time: the call is a fake, nothing is sent anywhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from gateway_kit import virtual_time
from riva.client.proto import riva_asr_pb2
from voice_gateway.backends.addresses.book import Address
from voice_gateway.backends.addresses.pool import Request
from voice_gateway.backends.riva.asr import OWED_S, STUCK_S, _Stream
from voice_gateway.backends.riva.settings import RivaSettings
from voice_gateway.backends.riva.whole_call import CLOSE_S
from voice_gateway.backends.spans import NOT_TRACED
from voice_gateway.domain.errors import RecognitionStalled
from voice_gateway.domain.ids import SessionId

SETTINGS = RivaSettings(("127.0.0.1:1",))
UNTRACED = NOT_TRACED.rpc("Service/Method", Address("127.0.0.1", 1))


@dataclass
class FakeReplica:
    """An address, its stub and its only call."""

    lives: bool = True
    takes: int | None = None
    """So many messages are taken, and then no more; None: any number."""
    answers: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    told: list[str] = field(default_factory=list)
    is_cut_off: bool = False
    """A cut cable: not even a cancelled call ends what is being written or read."""
    asked: int = 0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stub(self) -> "FakeReplica":
        """Itself."""
        return self

    def StreamingRecognize(self, metadata: object) -> "FakeReplica":  # noqa: N802  the service's own name
        """Itself."""
        del metadata
        return self

    async def wait_for_connection(self) -> None:
        """It is there."""

    async def write(self, message: object) -> None:
        """Take it, unless there is no room for more."""
        del message
        if self.takes == 0:
            await self.cancelled.wait()
            raise asyncio.CancelledError
        if self.takes is not None:
            self.takes -= 1

    async def read(self) -> Any:
        """The next answer."""
        answer = asyncio.ensure_future(self.answers.get())
        over = asyncio.ensure_future(self.cancelled.wait())
        await asyncio.wait((answer, over), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if answer.done():
            return answer.result()
        answer.cancel()
        raise asyncio.CancelledError

    async def done_writing(self) -> None:
        """Nothing to do."""

    def cancel(self) -> None:
        """Whoever reads or writes waits no longer."""
        if not self.is_cut_off:
            self.cancelled.set()

    async def ask(self) -> bool:
        """Whether it lives."""
        self.asked += 1
        return self.lives

    def begin(self) -> "FakeReplica":
        """Keep."""
        self.told.append("begin")
        return self

    def end(self, connection: object) -> None:
        """Keep."""
        assert connection is self
        self.told.append("end")

    def answered(self) -> None:
        """Keep."""

    def rest(self, duration_ms: int) -> None:
        """Keep."""
        del duration_ms
        self.told.append("rest")


async def line() -> AsyncIterator[bytes]:
    """A microphone that is always on: 100 ms of audio every 100 ms."""
    while True:
        yield bytes(3_200)
        await asyncio.sleep(0.1)


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


async def stalls_after_s(replica: FakeReplica, speaks: Callable[[float], bool], limit_s: float = 60) -> float | None:
    """When the stream is given up, in seconds from its beginning; None if it is not."""
    start_s = now_s()
    stream = _Stream(cast("Any", replica), SETTINGS, Request(SessionId("s1")), UNTRACED)
    stream.begin(line(), lambda: 3_000 if speaks(now_s() - start_s) else None)
    try:
        async with asyncio.timeout(limit_s):
            while True:
                await stream.read()
    except RecognitionStalled:
        return now_s() - start_s
    except TimeoutError:
        return None
    finally:
        await stream.close()
        assert replica.told[0] == "begin"
        assert replica.told[-1] == "end"


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene in virtual time."""
    virtual_time.run(scene)


def test_three_seconds_without_an_answer_end_a_stream_under_speech() -> None:
    """A node without power sends no reset: patience begins with the speech, and its end sends new calls elsewhere."""

    async def scene() -> None:
        replica = FakeReplica()
        assert await stalls_after_s(replica, lambda at_s: at_s >= 5) == pytest.approx(8, abs=0.11)
        assert "rest" in replica.told

    play(scene())


def test_silence_needs_no_answer() -> None:
    """An idle caller's stream stays, an hour if need be, and nobody is asked for its health."""

    async def scene() -> None:
        replica = FakeReplica()
        assert await stalls_after_s(replica, lambda _: False, limit_s=3_600) is None
        assert replica.asked == 0

    play(scene())


def test_every_answer_renews_patience() -> None:
    """An utterance that is being transcribed is never given up, however long it is; one that is no longer, is."""

    async def scene() -> None:
        replica = FakeReplica()

        async def answer() -> None:
            for _ in range(20):
                await asyncio.sleep(2.5)
                replica.answers.put_nowait(riva_asr_pb2.StreamingRecognizeResponse())

        answering = asyncio.create_task(answer())
        assert await stalls_after_s(replica, lambda _: True, limit_s=600) == pytest.approx(53, abs=0.2)
        await answering

    play(scene())


@pytest.mark.parametrize(
    ("speech_s", "lives", "stalled_s", "asked"),
    [(1.0, False, 1.0 + OWED_S, 1), (1.0, True, None, 1), (0.3, False, None, 0)],
    ids=["dead", "alive", "a cough"],
)
def test_short_speech_without_an_answer_has_the_server_asked(
    speech_s: float, stalled_s: float | None, asked: int, *, lives: bool
) -> None:
    """One word to a dead recogniser is not lost either, and a sound without words replaces no stream that lives."""

    async def scene() -> None:
        replica = FakeReplica(lives=lives)
        after_s = await stalls_after_s(replica, lambda at_s: at_s < speech_s)
        assert after_s == (None if stalled_s is None else pytest.approx(stalled_s, abs=0.2))
        assert replica.asked == asked

    play(scene())


def test_a_call_that_takes_no_more_audio_is_not_waited_for() -> None:
    """Behind a cut cable the window fills up in 2 s and writing stands still: what was said meanwhile is owed an answer
    all the same.
    """

    async def scene() -> None:
        replica = FakeReplica(lives=False, takes=20)
        assert await stalls_after_s(replica, lambda at_s: at_s < 2.9) == pytest.approx(3, abs=0.11)

    play(scene())


def test_a_call_that_takes_no_more_silence_is_not_kept() -> None:
    """A node that is lost while nobody speaks is noticed before somebody does, or the next utterance would be lost."""

    async def scene() -> None:
        replica = FakeReplica(lives=False, takes=20)
        assert await stalls_after_s(replica, lambda _: False) == pytest.approx(2 + STUCK_S, abs=0.11)
        assert replica.asked == 1

    play(scene())


def test_a_write_that_never_ends_holds_up_nobody() -> None:
    """Behind a cut cable a stream is closed at once, its source of audio too, and what is left ends with the cable."""

    async def scene() -> None:
        replica = FakeReplica(takes=5, is_cut_off=True)
        is_closed = asyncio.Event()

        async def microphone() -> AsyncIterator[bytes]:
            try:
                async for pcm in line():
                    yield pcm
            finally:
                is_closed.set()

        stream = _Stream(cast("Any", replica), SETTINGS, Request(SessionId("s1")), UNTRACED)
        stream.begin(microphone(), lambda: None)
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(2)
        began_s = now_s()
        await stream.close()
        assert now_s() - began_s == pytest.approx(CLOSE_S)
        assert is_closed.is_set()
        reading.cancel()
        await asyncio.wait((reading,))
        replica.cancelled.set()  # TCP gives up
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(scene())


def test_a_slow_reader_that_lives_is_waited_for() -> None:
    """A server that reads slowly is asked again and again while it takes nothing, and kept as long as it lives."""

    async def scene() -> None:
        replica = FakeReplica(takes=20)
        assert await stalls_after_s(replica, lambda _: False, limit_s=12.5) is None
        assert replica.asked == 10

    play(scene())


def test_each_utterance_without_an_answer_has_the_server_asked() -> None:
    """A server that was alive when it was asked may be gone at the next utterance."""

    async def scene() -> None:
        replica = FakeReplica()

        def speaks(at_s: float) -> bool:
            replica.lives = at_s < 10
            return at_s < 1 or 20 <= at_s < 21

        assert await stalls_after_s(replica, speaks) == pytest.approx(21 + OWED_S, abs=0.2)
        assert replica.asked == 2

    play(scene())


def test_an_answer_settles_the_doubt() -> None:
    """A recogniser that answers a moment after the end of speech is not asked for its health."""

    async def scene() -> None:
        replica = FakeReplica(lives=False)

        async def answer() -> None:
            await asyncio.sleep(1 + OWED_S / 2)
            replica.answers.put_nowait(riva_asr_pb2.StreamingRecognizeResponse())

        answering = asyncio.create_task(answer())
        assert await stalls_after_s(replica, lambda at_s: at_s < 1) is None
        assert replica.asked == 0
        await answering

    play(scene())


def test_a_broken_source_is_told_although_answers_come() -> None:
    """An error of the audio's source is not lost to an answer that arrives just then."""

    async def scene() -> None:
        replica = FakeReplica()

        async def broken() -> AsyncIterator[bytes]:
            yield bytes(3_200)
            replica.answers.put_nowait(riva_asr_pb2.StreamingRecognizeResponse())
            raise ZeroDivisionError

        stream = _Stream(cast("Any", replica), SETTINGS, Request(SessionId("s1")), UNTRACED)
        stream.begin(broken(), lambda: None)

        async def read_on() -> None:
            for _ in range(2):
                await stream.read()

        with pytest.raises(ZeroDivisionError):
            await read_on()
        await stream.close()

    play(scene())
