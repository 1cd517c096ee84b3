"""The load that `make bench` is made of: what is said, when it leaves, and how what comes back is judged."""

import asyncio
import math
import os

import numpy as np
from kit_peer import ScriptedCall, scripted_server
from voicegateway.v1 import server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit.load import (
    FRAME_MS,
    RATE_HZ,
    LoadCaller,
    ReplyScore,
    TimerWheel,
    make_track,
    start_request,
)
from voicegateway_testkit.process_meter import cpu_s, resident_bytes

TURN_MS, WINDOW_MS = 2500, 480
MS = 1_000_000
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000


def audio(reply_id: str, offset_ms: int) -> bytes:
    """A reply's frame as it comes off the wire."""
    message = server_pb2.ReplyAudio(reply_id=reply_id, offset_samples=offset_ms * RATE_HZ // 1000, data=b"\1\0")
    return service_pb2.ConverseResponse(reply_audio=message).SerializeToString()


def test_a_track_is_contiguous_audio_and_says_when_each_turn_is_decided() -> None:
    """A wrong instant of decision would shift every latency that is measured."""
    track = make_track(3, TURN_MS, WINDOW_MS)
    frames = [service_pb2.ConverseRequest.FromString(frame).audio for frame in track.frames]
    assert [frame.offset_samples for frame in frames] == [number * FRAME_SAMPLES for number in range(len(frames))]
    loud = [bool(np.abs(np.frombuffer(frame.data, "<i2")).max() > 300) for frame in frames]
    ends_ms = [(n + 1) * FRAME_MS for n in range(len(loud) - 1) if loud[n] and not loud[n + 1]]
    assert [end_ms + WINDOW_MS for end_ms in ends_ms] == list(track.decided_ms)
    assert len(frames) * FRAME_MS == 3 * TURN_MS


def test_a_reply_answers_the_turn_that_was_decided_before_it() -> None:
    """Every turn counts: one without a reply is infinitely late, and no reply counts twice or for a later turn."""
    track, start_ns = make_track(3, TURN_MS, WINDOW_MS), 5 * MS
    score = ReplyScore()
    first_ns, _, third_ns = (start_ns + ms * MS for ms in track.decided_ms)
    score.take(audio("a", 0), first_ns - MS)  # to nothing that was asked
    score.take(audio("b", 0), first_ns + 210 * MS)
    score.take(audio("b", 40), first_ns + 211 * MS)
    score.take(audio("c", 0), third_ns + 220 * MS)
    assert score.latencies_ms(track, start_ns) == [210, math.inf, 220]


def test_audio_is_late_against_its_place_in_the_reply() -> None:
    """A pause of the server is seen even when the frames then come at the right pace."""
    score = ReplyScore()
    for offset_ms, at_ms in ((0, 0), (40, 0), (80, 119), (120, 161), (160, 201)):
        score.take(audio("a", offset_ms), at_ms * MS)
    assert (score.audio_frames, score.late_audio_frames) == (5, 2)


async def test_a_caller_sends_its_track_on_the_wheels_time() -> None:
    """All frames leave in order after `start`, none before it is due."""
    taken: list[bytes] = []
    track = make_track(1, TURN_MS, WINDOW_MS)
    heard = asyncio.Event()

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        assert (await call.take("audio")).offset_samples == 0
        assert (await call.take("audio")).offset_samples == FRAME_SAMPLES
        heard.set()

    async with scripted_server(script) as (address, _calls):
        wheel = TimerWheel()
        caller = LoadCaller(address, track, lambda raw, _at_ns: taken.append(raw))
        await caller.open(start_request(WINDOW_MS))
        caller.speak(wheel.start_ns(after_ms=0))
        wheel.add(caller)
        async with asyncio.timeout(5):
            await heard.wait()
        assert caller.frames >= 2
        await wheel.stop()
        await caller.close()
    assert service_pb2.ConverseResponse.FromString(taken[0]).WhichOneof("payload") == "started"


def test_a_process_is_metered() -> None:
    """The meter reads the fields it says it reads."""
    before_s = cpu_s(os.getpid())
    while sum(os.times()[:2]) < before_s + 0.05:
        pass
    assert 0.03 <= cpu_s(os.getpid()) - before_s < 1
    assert 2**20 < resident_bytes(os.getpid()) < 2**36
