"""The tape: gaps, clocks, replay, and how much of it there may be."""

import asyncio

import pytest
from gateway_kit import virtual_time
from voice_gateway.session.hearing import MAX_AHEAD_MS, MAX_SILENCE_MS, MAX_TAPE_MS, SOUND_MS, Feed, Hearing

MS = 16
"""Samples of a millisecond at 16 kHz."""


def audio(duration_ms: int, value: int = 1) -> bytes:
    """`duration_ms` of one value."""
    return value.to_bytes(2, "little") * (duration_ms * MS)


async def drain(feed: Feed) -> bytes:
    """All that a finished feed has."""
    return b"".join([batch async for batch in feed])


def test_a_feed_gives_all_audio_in_batches() -> None:
    """What was heard comes out whole: batches of 100 ms, frame by frame while somebody waits, the rest at the end."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        feed = hearing.open_feed(0)

        async def hear(index: int) -> None:
            hearing.hear(audio(20, index), index * 20 * MS)
            await asyncio.sleep(0)

        first = asyncio.create_task(feed.__anext__())
        for index in range(4):
            await hear(index)
        assert not first.done()
        await hear(4)
        assert await first == b"".join(audio(20, index) for index in range(5))
        second = asyncio.create_task(feed.__anext__())
        await hear(5)
        assert not second.done()
        hearing.set_batched(is_batched=False)
        assert await second == audio(20, 5)
        await hear(6)
        assert await feed.__anext__() == audio(20, 6)
        hearing.set_batched(is_batched=True)
        await hear(7)
        hearing.finish_feed()
        assert await drain(feed) == audio(20, 7)

    virtual_time.run(main())


def test_a_gap_is_silence_and_a_long_one_is_shortened() -> None:
    """The recogniser hears silence where the client's clock has a gap; positions stay the client's."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        feed = hearing.open_feed(0)
        hearing.hear(audio(100), 0)
        hearing.hear(audio(100), 400 * MS)
        assert hearing.received_samples == 500 * MS
        hearing.hear(audio(100), 3_600_000 * MS)
        assert hearing.received_samples == 3_600_100 * MS
        hearing.finish_feed()
        tape = await drain(feed)
        assert tape == audio(100) + audio(300, 0) + audio(100) + audio(MAX_SILENCE_MS, 0) + audio(100)
        assert hearing.to_input(hearing.to_tape(450 * MS)) == 450 * MS
        assert hearing.to_input(hearing.to_tape(3_600_050 * MS)) == 3_600_050 * MS

    virtual_time.run(main())


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_positions_are_the_clients(rate_hz: int) -> None:
    """With another input rate the tape's positions are told in the client's clock, and small drift is no gap."""
    hearing = Hearing(rate_hz, 16_000)
    for index in range(50):
        hearing.hear(audio(20), index * rate_hz // 50)
    assert hearing.received_samples == rate_hz
    assert hearing.to_tape(rate_hz // 2) == 8_000


def test_replay_begins_where_transcription_has_come_to() -> None:
    """A new feed starts at the position asked for, or at the oldest audio that is kept."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        hearing.open_feed(0)
        for index in range(10):
            hearing.hear(audio(100, index), index * 100 * MS)
        hearing.forget(300 * MS)
        feed = hearing.open_feed(500 * MS)
        hearing.finish_feed()
        assert await drain(feed) == b"".join(audio(100, index) for index in range(5, 10))
        feed = hearing.open_feed(0)
        hearing.finish_feed()
        assert await drain(feed) == b"".join(audio(100, index) for index in range(3, 10))

    virtual_time.run(main())


def test_a_feed_ends_where_it_is_told() -> None:
    """A stream that was to end at the commit ends there, though more has been received; the next goes on from there."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        first = hearing.open_feed(0)
        hearing.hear(audio(200, 1), 0)
        hearing.hear(audio(200, 2), 200 * MS)
        hearing.finish_feed(200 * MS)
        second = hearing.open_feed(200 * MS)
        hearing.finish_feed()
        assert await drain(first) == audio(200, 1)
        assert await drain(second) == audio(200, 2)

    virtual_time.run(main())


def test_a_stream_that_follows_hears_nothing_twice() -> None:
    """The end was called behind what the stream had taken: it ends there, and the next goes on from there."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        first = hearing.open_feed(0)
        hearing.hear(audio(200, 1), 0)
        assert await first.__anext__() == audio(200, 1)
        hearing.finish_feed(150 * MS)
        second = hearing.open_feed(150 * MS, follows=True)
        hearing.hear(audio(100, 2), 200 * MS)
        hearing.finish_feed()
        assert await drain(first) == b""
        assert await drain(second) == audio(100, 2)
        replay = hearing.open_feed(150 * MS)
        hearing.finish_feed()
        assert await drain(replay) == audio(50, 1) + audio(100, 2)

    virtual_time.run(main())


def test_positions_inside_a_shortened_gap() -> None:
    """A position that the tape does not have, or has no more, is the nearest one: nothing behind it is forgotten."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        hearing.hear(audio(100, 1), 0)
        hearing.hear(audio(100, 2), 3_600_000 * MS)
        hearing.forget(1_800_000 * MS)
        hearing.forget(7_200_000 * MS + 1)
        assert (hearing.base(), hearing.end()) == ((2_200) * MS, 2_200 * MS)
        hearing.hear(audio(100, 3), 3_600_100 * MS)
        feed = hearing.open_feed(0)
        hearing.finish_feed()
        assert await drain(feed) == audio(100, 3)
        hearing.hear(audio(100, 4), 9_000_000 * MS)
        assert hearing.to_input(50 * MS) < 3_600_200 * MS

    virtual_time.run(main())


def test_forgetting_inside_a_gap_keeps_what_follows() -> None:
    """The middle of an hour's gap lies at its end on the tape; the audio behind it stays."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        hearing.hear(audio(100, 1), 0)
        hearing.hear(audio(100, 2), 3_600_000 * MS)
        hearing.forget(1_800_000 * MS)
        feed = hearing.open_feed(0)
        hearing.finish_feed()
        assert await drain(feed) == audio(100, 2)

    virtual_time.run(main())


def test_one_message_longer_than_the_tape_is_heard_whole() -> None:
    """A mebibyte of telephone audio is 131 s: none of it is forgotten before recognition has taken it."""

    async def main() -> None:
        hearing = Hearing(8_000, 16_000)
        feed = hearing.open_feed(0)
        hearing.hear(audio(2 * MAX_TAPE_MS), 0)
        hearing.finish_feed()
        assert len(await drain(feed)) == len(audio(2 * MAX_TAPE_MS))
        hearing.hear(audio(20), 2 * MAX_TAPE_MS * 8)
        assert hearing.end() - hearing.base() == MAX_TAPE_MS * MS

    virtual_time.run(main())


def test_the_tape_is_bounded() -> None:
    """Without any final the oldest audio is forgotten: an hour of silence must not fill the memory."""
    hearing = Hearing(16_000, 16_000)
    for index in range(2 * MAX_TAPE_MS // 1_000):
        hearing.hear(audio(1_000), index * 1_000 * MS)
    assert hearing.end() - hearing.base() == MAX_TAPE_MS * MS


def test_input_far_ahead_finds_no_room_until_the_feed_takes_it() -> None:
    """More than five seconds ahead of the recogniser there is no room; taking audio, or the end, makes room."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        feed = hearing.open_feed(0)
        for index in range(MAX_AHEAD_MS // 1_000):
            assert hearing.has_room()
            hearing.hear(audio(1_000), index * 1_000 * MS)
        assert not hearing.has_room()
        waiting = asyncio.create_task(hearing.wait_for_room())
        await asyncio.sleep(1)
        assert not waiting.done()
        await feed.__anext__()
        await waiting
        hearing.hear(audio(2_000), 5_000 * MS)
        assert not hearing.has_room()
        hearing.release()
        assert hearing.has_room()

    virtual_time.run(main())


def test_gap_after_gap_makes_no_more_silence() -> None:
    """80,000 messages of one sample, each after an hour's gap: the tape has two seconds of silence, not two days, the
    clocks of none are kept, and the samples are in their order.
    """
    hearing = Hearing(16_000, 16_000)
    for index in range(80_000):
        hearing.hear((index % 30_000 + 1).to_bytes(2, "little"), (index + 1) * 3_600_000 * MS)
    tape = hearing.read(0, hearing.end())
    sounds = [int.from_bytes(tape[at : at + 2], "little") for at in range(0, len(tape), 2)]
    assert [sound for sound in sounds if sound] == [index % 30_000 + 1 for index in range(80_000)]
    assert hearing.end() <= 2 * 80_000 + MAX_SILENCE_MS * MS
    assert len(hearing._anchors) <= 3
    assert hearing.received_samples == 80_000 * 3_600_000 * MS + 1


def test_words_after_gaps_have_their_silence() -> None:
    """What is long enough to be speech ends a silence: the next gap is silence again, so that its segment ends."""
    hearing = Hearing(16_000, 16_000)
    hearing.hear(audio(SOUND_MS), 10_000 * MS)
    hearing.hear(audio(SOUND_MS), 20_000 * MS)
    assert hearing.end() == 2 * (MAX_SILENCE_MS + SOUND_MS) * MS


def test_a_lossy_line_keeps_its_time() -> None:
    """Every second frame lost: the silence is made whole for as long as it lasts, so that words keep their length."""
    hearing = Hearing(16_000, 16_000)
    for index in range(500):
        hearing.hear(audio(40), index * 80 * MS)
    assert hearing.end() == (499 * 80 + 40) * MS
    assert hearing.to_input(20_000 * MS) == 20_000 * MS


def test_a_gap_counts_as_long_as_it_is_on_the_tape() -> None:
    """Three short messages with gaps before them are six seconds for the recogniser: input waits for it."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        feed = hearing.open_feed(0)
        for index in range(3):
            assert hearing.has_room()
            hearing.hear(audio(SOUND_MS), (index + 1) * 3_600_000 * MS)
        assert not hearing.has_room()
        while not hearing.has_room():
            await feed.__anext__()

    virtual_time.run(main())


def test_whoever_listens_for_speech_is_waited_for() -> None:
    """The recogniser took and transcribed everything: input still waits for the one who judges the sound, and what was
    not judged is kept, though nobody replays it.
    """

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        hearing.listened(0)
        feed = hearing.open_feed(0)
        hearing.hear(audio(MAX_AHEAD_MS, 7), 0)
        hearing.finish_feed()
        await drain(feed)
        hearing.forget(MAX_AHEAD_MS * MS)
        assert not hearing.has_room()
        assert (hearing.base(), hearing.read(0, 10)) == (hearing.end(), b"\7\0" * 10)
        hearing.listened(10)
        assert hearing.has_room()
        assert hearing.read(0, 11) == b"\7\0"

    virtual_time.run(main())


def test_a_session_that_is_over_holds_nobody() -> None:
    """Whoever waits for room when the session ends is let go, whatever was not taken or listened to."""

    async def main() -> None:
        hearing = Hearing(16_000, 16_000)
        hearing.listened(0)
        hearing.open_feed(0)
        hearing.hear(audio(2 * MAX_AHEAD_MS), 0)
        waiting = asyncio.create_task(hearing.wait_for_room())
        await asyncio.sleep(0)
        hearing.release()
        await waiting
        hearing.hear(audio(2 * MAX_AHEAD_MS), 2 * MAX_AHEAD_MS * MS)
        assert hearing.has_room()

    virtual_time.run(main())


def test_a_session_that_is_over_keeps_no_audio() -> None:
    """Its parts know one another, and are collected when Python comes to it: a minute of sound must not wait for that.

    What was heard is still counted on its caller's account afterwards.
    """
    hearing = Hearing(16_000, 16_000)
    hearing.listened(0)
    hearing.hear(audio(1_000), 0)
    hearing.release()
    assert hearing.read(0, hearing.end()) == b""
    assert (hearing.end(), hearing.received_samples) == (1_000 * MS, 1_000 * MS)
