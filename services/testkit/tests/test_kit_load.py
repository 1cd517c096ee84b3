"""The load that `make bench` is made of: what is said, when it leaves, and how what comes back is judged."""

import asyncio
import math
import os
from dataclasses import replace

import numpy as np
from kit_peer import ScriptedCall, scripted_server
from voicegateway.v1 import client_pb2, policy_pb2, server_pb2
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


def test_a_track_is_contiguous_audio_and_says_when_each_turn_ends() -> None:
    """A wrong instant of its end would shift every latency that is measured."""
    track = make_track(3, TURN_MS, WINDOW_MS)
    frames = [service_pb2.ConverseRequest.FromString(frame).audio for frame in track.frames]
    assert [frame.offset_samples for frame in frames] == [number * FRAME_SAMPLES for number in range(len(frames))]
    loud = [bool(np.abs(np.frombuffer(frame.data, "<i2")).max() > 300) for frame in frames]
    ends_ms = [(n + 1) * FRAME_MS for n in range(len(loud) - 1) if loud[n] and not loud[n + 1]]
    assert ends_ms == list(track.ends_ms)
    assert len(frames) * FRAME_MS == track.duration_ms == 3 * TURN_MS


def test_a_reply_answers_the_turn_that_was_decided_before_it() -> None:
    """Every turn counts: one without a reply is infinitely late, and no reply counts twice or for a later turn."""
    score = ReplyScore()
    since_ns = [second * 1_000 * MS for second in (10, 20, 30)]
    first_ns, _, third_ns = since_ns
    score.take(audio("a", 0), first_ns - MS)  # to nothing that was asked
    score.take(audio("b", 0), first_ns + 210 * MS)
    score.take(audio("b", 40), first_ns + 211 * MS)
    score.take(audio("c", 0), third_ns + 220 * MS)
    assert score.latencies_ms(since_ns) == [210, math.inf, 220]


def test_a_reply_is_heard_from_its_first_sound() -> None:
    """Silence sent early to look fast is no answer."""
    score = ReplyScore()
    silent = server_pb2.ReplyAudio(reply_id="a", data=bytes(2 * 320))
    half = server_pb2.ReplyAudio(reply_id="a", offset_samples=320, data=bytes(2 * 160) + b"\1\0" * 160)
    for at_ms, message in ((5, silent), (25, half)):
        score.take(service_pb2.ConverseResponse(reply_audio=message).SerializeToString(), at_ms * MS)
    assert score.latencies_ms([0]) == [35]


def test_a_caller_that_reports_plays_what_has_come() -> None:
    """Behind its jitter buffer, in real time, not beyond what it has, and finally once all of it was played."""
    score = ReplyScore()
    assert score.playing(0) is None
    frame = server_pb2.ReplyAudio(reply_id="a", data=b"\1\0" * 1_600)
    score.take(service_pb2.ConverseResponse(reply_audio=frame).SerializeToString(), 0)
    played = [(score.playing(at_ms * MS) or client_pb2.Playback()).played_samples for at_ms in (30, 60, 110, 500)]
    assert played == [0, 0, 800, 1_600]
    last = server_pb2.ReplyAudio(reply_id="a", offset_samples=1_600, is_last=True)
    score.take(service_pb2.ConverseResponse(reply_audio=last).SerializeToString(), 500 * MS)
    assert score.playing(510 * MS) == client_pb2.Playback(reply_id="a", played_samples=1_600, is_final=True)


def test_audio_is_late_against_its_place_in_the_reply() -> None:
    """A pause of the server is seen even when the frames then come at the right pace."""
    score = ReplyScore()
    for offset_ms, at_ms in ((0, 0), (40, 0), (80, 119), (120, 161), (160, 201)):
        score.take(audio("a", offset_ms), at_ms * MS)
    assert (score.audio_frames, score.late_audio_frames) == (5, 2)


async def test_a_caller_sends_its_track_on_the_wheels_time() -> None:
    """All frames leave in order after `start`, none before it is due; so do the reports of a caller that plays."""
    taken: list[bytes] = []
    track = replace(make_track(1, TURN_MS, WINDOW_MS), ends_ms=(FRAME_MS,), window_ms=0)
    heard = asyncio.Event()
    report = client_pb2.Playback(reply_id="a", played_samples=7)

    async def script(call: ScriptedCall) -> None:
        await call.open_session()
        assert (await call.take("audio")).offset_samples == 0
        assert await call.take("playback") == report
        assert (await call.take("audio")).offset_samples == FRAME_SAMPLES
        heard.set()

    async with scripted_server(script) as (address, _calls):
        wheel = TimerWheel()
        caller = LoadCaller(address, track, lambda raw, _at_ns: taken.append(raw), lambda _now_ns: report)
        await caller.open(start_request(policy_pb2.TurnPolicy(stop_history_ms=WINDOW_MS)))
        caller.speak(wheel.start_ns(after_ms=0))
        wheel.add(caller)
        async with asyncio.timeout(5):
            await heard.wait()
        assert caller.frames >= 2
        assert caller.ended_ns == [caller.start_ns + FRAME_MS * MS]
        assert caller.decided_ns[0] >= caller.ended_ns[0]
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
