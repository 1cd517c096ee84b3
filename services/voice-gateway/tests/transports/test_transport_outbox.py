"""The one writer of a call: order, flush, bounds."""

import asyncio
from collections.abc import Sequence

import pytest
from gateway_kit import virtual_time
from transports.transport_fakes import audio, text
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    Event,
    Notice,
    ReplyAudio,
    ReplyFinished,
    ReplyKind,
    ReplyOutcome,
    SpeechStarted,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.transports.outbox import Outbox

NEVER_MS = 3_600_000


class NamingEncoder:
    """Names each event and numbers each piece of audio."""

    def encode_event(self, event: Event) -> Sequence[bytes]:
        """A notice takes two messages, like one of the older contract."""
        name = type(event).__name__.encode()
        return [name, name + b"+"] if isinstance(event, Notice) else [name]

    def encode_audio(self, audio: ReplyAudio) -> Sequence[bytes]:
        """The reply, the offset, and as many bytes as the audio has."""
        return [b"audio %d:%d " % (audio.reply, audio.offset_samples) + audio.pcm]


def finished(reply: int) -> ReplyFinished:
    """The end of a reply."""
    return ReplyFinished(ReplyId(reply), TurnId(reply), ReplyKind.ANSWER, ReplyOutcome.COMPLETED, 1)


def outbox(max_bytes: int = 10_000, write_stall_ms: int = NEVER_MS) -> Outbox:
    """An outbox in front of nothing yet."""
    return Outbox(NamingEncoder(), max_bytes=max_bytes, write_stall_ms=write_stall_ms)


async def written_by(box: Outbox) -> list[str]:
    """Everything that is queued, in the order it is written, the padding of audio left out."""
    written: list[str] = []

    async def write(raw: bytes) -> None:
        written.append(raw.decode().rstrip("\1\0 "))

    box.close()
    await box.drain(write)
    return written


async def test_events_overtake_waiting_audio() -> None:
    """A client learns of an onset or of trouble at once, not after the audio that still waits."""
    box = outbox()
    box.emit(text(1))
    box.play(audio(1, offset=0))
    box.play(audio(1, offset=1))
    box.emit(SpeechStarted(5))
    box.emit(Notice(Reason.TTS_FAILED, ""))
    assert await written_by(box) == ["ReplyText", "SpeechStarted", "Notice", "Notice+", "audio 1:0", "audio 1:1"]


@pytest.mark.parametrize("event", [finished(1), TurnReport(TurnId(1), ReplyId(1), 0, ()), Ended(EndCause.DRAINING)])
async def test_what_tells_of_audio_stays_behind_it(event: Event) -> None:
    """A reply is not finished, nor its first audio reported, before that audio has left."""
    box = outbox()
    box.play(audio(1))
    box.emit(event)
    assert await written_by(box) == ["audio 1:0", type(event).__name__]


async def test_events_never_overtake_events() -> None:
    """The next reply's text does not come before the end of this one, though audio holds that end back."""
    box = outbox()
    box.play(audio(1))
    box.emit(finished(1))
    box.emit(text(2))
    box.play(audio(2))
    box.emit(SpeechStarted(5))
    assert await written_by(box) == ["audio 1:0", "ReplyFinished", "ReplyText", "SpeechStarted", "audio 2:0"]


async def test_flush_drops_the_audio_of_one_reply() -> None:
    """After an interruption nothing more of that reply is heard, while events and other replies stay."""
    box = outbox()
    box.emit(text(1))
    box.play(audio(1, offset=0))
    box.emit(finished(1))
    box.play(audio(2, offset=0))
    box.play(audio(1, offset=1))
    box.flush(ReplyId(1))
    assert await written_by(box) == ["ReplyText", "ReplyFinished", "audio 2:0"]


async def test_flush_tells_where_what_it_drops_begins() -> None:
    """What was not written can be sent again: the session learns from where on that is, by reply."""
    box = outbox()
    box.play(audio(1, offset=40))
    box.play(audio(2, offset=0))
    box.play(audio(1, offset=41))
    assert box.flush(ReplyId(1)) == 40
    assert box.flush(ReplyId(1)) is None


async def test_flush_gives_its_room_back() -> None:
    """Audio that was dropped does not count against the bound."""
    box = outbox(max_bytes=1_000)
    box.play(audio(1, pcm=bytes(900)))
    box.flush(ReplyId(1))
    box.play(audio(2, pcm=bytes(900)))
    assert not box.stalled.done()
    assert await written_by(box) == ["audio 2:0"]


async def test_too_much_waiting_means_a_stalled_client() -> None:
    """Memory is bounded: one byte over the bound ends the call instead of growing the queue."""
    box = outbox(max_bytes=2 * len(b"audio 1:0 ") + 200)
    box.play(audio(1, pcm=bytes(100)))
    box.play(audio(1, pcm=bytes(100)))
    assert not box.stalled.done()
    box.emit(SpeechStarted(1))
    assert box.stalled.result() == "220 bytes wait to be read by the client"
    box.emit(SpeechStarted(2))
    assert await written_by(box) == ["audio 1:0", "audio 1:0"]


async def test_pending_write_means_a_stalled_client() -> None:
    """A client that does not read is found out by the write that does not return."""
    box = outbox(write_stall_ms=20)
    stuck: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def write(_: bytes) -> None:
        await stuck

    box.put(b"started")
    drain = asyncio.create_task(box.drain(write))
    assert await box.stalled == "a write has been pending for 20 ms"
    drain.cancel()
    await asyncio.gather(drain, return_exceptions=True)
    assert drain.cancelled()


def test_silence_is_no_stall() -> None:
    """A call in which nothing is to be said for long is a healthy call, and so are many short writes."""

    async def main() -> None:
        box = outbox(write_stall_ms=10)
        written: list[bytes] = []

        async def write(raw: bytes) -> None:
            await asyncio.sleep(0.004)
            written.append(raw)

        drain = asyncio.create_task(box.drain(write))
        await asyncio.sleep(0.035)
        for _ in range(8):
            box.put(b"x")
        box.close()
        await drain
        assert len(written) == 8
        assert not box.stalled.done()

    virtual_time.run(main())


async def test_nothing_is_taken_after_close() -> None:
    """What a session says on its way out does not keep its call open."""
    box = outbox()
    box.emit(SpeechStarted(1))
    box.close()
    box.emit(SpeechStarted(2))
    box.play(audio(1))
    assert await written_by(box) == ["SpeechStarted"]


async def test_drain_waits_for_more() -> None:
    """The writer sleeps while there is nothing to write and wakes for what comes."""
    box = outbox()
    written: asyncio.Queue[bytes] = asyncio.Queue()
    drain = asyncio.create_task(box.drain(written.put))
    box.put(b"one")
    assert await written.get() == b"one"
    box.emit(SpeechStarted(1))
    assert await written.get() == b"SpeechStarted"
    box.close()
    await drain
