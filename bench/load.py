"""Sections of `make bench` with many callers: the density of sessions, and the speed of an early answer."""

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from voicegateway.v1 import policy_pb2
from voicegateway_testkit import FakeAsr, FakeLlm, FakeTts, LlmTiming, Utterance
from voicegateway_testkit.load import FRAME_MS, LoadCaller, ReplyScore, TimerWheel, Track, make_track, start_request
from voicegateway_testkit.process_meter import cpu_s, resident_bytes

from bench.loop import loop_ms
from bench.process import Bench, Server, loop_lag_p99_ms
from bench.report import Line, LoadRun, load_lines, load_table, speculation_lines

TURN_MS: Final = 5_000
TURNS_MS: Final = (5_000, 4_600, 5_200, 4_800, 5_400)
"""From one turn to the next, of callers in turn: those who speak together now do not the next time."""
WINDOW_MS: Final = 480
"""End-of-utterance window, sent as `stop_history_ms`; the gateway's default."""
SERIAL: Final = policy_pb2.TurnPolicy(stop_history_ms=WINDOW_MS, speculation=False)
"""One thing after the other: nothing is prepared early."""
ANSWER: Final = "It is twelve o'clock now. The sun is high."
"""2.5 s of audio: the agent speaks half of the time."""
FIRST_SENTENCE_TOKENS: Final = 5
"""With the fifth it looks ended, and is given to synthesis; the sixth confirms it, before there is audio."""
PHASE_STEP_MS: Final = 13
"""From one caller's frames to the next one's; shares no factor with a frame, so that any number of callers spreads."""
ECHO_S: Final = 10
LONE_CALLER_RUNS: Final = 2.5
"""A run of one caller is longer by this factor: its turns are few."""

DEFAULT_TTFT_MS: Final = 60
EARLY_CALLERS: Final = 10
EARLY_WINDOW_MS, EARLY_FIRST_PASS_MS = 400, 160
EARLY_TTFT_MS: Final = 114
"""With four more tokens of 6 ms a first sentence after 138 ms: the parts of design.md, section 8."""


class Backends:
    """The fakes, and the serial floor that they make."""

    def __init__(self, *, stability_interims: bool = True, ttft_ms: int = DEFAULT_TTFT_MS) -> None:
        self.asr = FakeAsr(
            [Utterance("what is the time")], stability_interims=stability_interims, repeats=True, keeps_audio=False
        )
        self.tts = FakeTts()
        self.llm = FakeLlm(lambda _: ANSWER, timing=LlmTiming(ttft_ms=ttft_ms))

    @property
    def first_sentence_ms(self) -> int:
        """From the request to the token with which the first sentence looks ended."""
        return self.llm.timing.ttft_ms + (FIRST_SENTENCE_TOKENS - 1) * self.llm.timing.token_ms

    @property
    def floor_ms(self) -> int:
        """From the frame that completes the window to the first audio, if nobody took any time but the backends."""
        return self.asr.timing.final_ms + self.first_sentence_ms + self.tts.timing.first_audio_ms

    def ideal_ms(self, window_ms: int, first_pass_ms: int) -> int:
        """From the last speech sample to the first audio, if all is prepared while the end is being confirmed."""
        early = first_pass_ms + self.asr.timing.first_pass_ms + self.first_sentence_ms + self.tts.timing.first_audio_ms
        return max(early, window_ms + self.asr.timing.final_ms)

    @property
    def environment(self) -> dict[str, str]:
        """Where the gateway finds them."""
        return {"ASR_URI": self.asr.address, "TTS_URI": self.tts.address, "LLM_SERVICE_URL": self.llm.base_url}

    async def start(self, ends: AsyncExitStack) -> None:
        """Listen until `ends` is left."""
        for fake in (self.asr, self.tts, self.llm):
            await ends.enter_async_context(fake)


@dataclass(frozen=True, slots=True)
class Callers:
    """Callers that have said their tracks."""

    everybody: tuple[LoadCaller, ...]
    scores: tuple[ReplyScore, ...]
    cpu_per_session_minute: float
    """CPU-seconds of the server."""
    resident_bytes: int
    """Resident memory of the server, at the end."""

    @property
    def late_share(self) -> float:
        """Share of client frames that left late."""
        return sum(each.late_frames for each in self.everybody) / sum(each.frames for each in self.everybody)

    def latencies_ms(self, since: Callable[[LoadCaller], Sequence[int]]) -> list[list[float]]:
        """Latencies of the turns of each caller."""
        return [score.latencies_ms(since(caller)) for score, caller in zip(self.scores, self.everybody, strict=True)]


def make_tracks(seconds: int, window_ms: int, seed: int) -> list[Track]:
    """Tracks of about the same duration, for callers in turn."""
    return [
        make_track(seconds * 1_000 // turn_ms, turn_ms, window_ms, seed + number)
        for number, turn_ms in enumerate(TURNS_MS)
    ]


def _ignore(_: bytes, __: int) -> None:
    """What an echo sends back is known."""


async def call(
    server: Server,
    sessions: int,
    tracks: Sequence[Track],
    policy: policy_pb2.TurnPolicy,
    *,
    is_scored: bool = True,
    reports_playback: bool = False,
) -> Callers:
    """Let `sessions` callers say the tracks, begun evenly over the length of a turn; measure while all of them do."""
    start = start_request(policy)
    scores = tuple(ReplyScore() for _ in range(sessions))
    everybody = tuple(
        LoadCaller(
            server.address,
            tracks[number % len(tracks)],
            score.take if is_scored else _ignore,
            score.playing if reports_playback else None,
        )
        for number, score in enumerate(scores)
    )
    wheel = TimerWheel()
    try:
        for caller in everybody:
            await caller.open(start)
        gc.collect()
        gc.disable()  # a collection in the middle makes frames late
        spoken = _speak(everybody, wheel)
        await asyncio.sleep(TURN_MS / 1_000)
        began_s, began_cpu_s = time.monotonic(), cpu_s(server.pid)
        await asyncio.wait(spoken, return_when=asyncio.FIRST_COMPLETED)
        minutes = (time.monotonic() - began_s) / 60
        used_s, resident = cpu_s(server.pid) - began_cpu_s, resident_bytes(server.pid)
        await asyncio.gather(*spoken)
    finally:
        await wheel.stop()
        await asyncio.gather(*(caller.close() for caller in everybody))
        gc.enable()
    return Callers(everybody, scores, used_s / sessions / minutes, resident)


def _speak(everybody: Sequence[LoadCaller], wheel: TimerWheel) -> list[asyncio.Task[None]]:
    spoken = []
    begin_ns = wheel.start_ns(100)
    for number, caller in enumerate(everybody):
        # spread over a turn, and within a frame too: lengths that divide evenly would put all frames in one slot
        after_ms = number * TURN_MS // len(everybody) // FRAME_MS * FRAME_MS + number * PHASE_STEP_MS % FRAME_MS
        spoken.append(caller.speak(begin_ns + after_ms * 1_000_000))
        wheel.add(caller)
    return spoken


async def _warm_up(gateway: Server, policy: policy_pb2.TurnPolicy) -> None:
    """One call: what is imported or opened at first use."""
    await gateway.wait_ready()
    await call(gateway, 1, [make_track(1, TURN_MS, policy.stop_history_ms)], policy)


async def _measure_load(bench: Bench, backends: Backends, sessions: int, seconds: int) -> LoadRun:
    """One run with `sessions` callers, a fresh gateway, and the bare echo of the same frames after it."""
    tracks = make_tracks(seconds, WINDOW_MS, sessions)
    loops_ms = [loop_ms(bench.server_core)]
    async with bench.gateway("gateway", backends.environment, journal=False) as gateway:
        await _warm_up(gateway, SERIAL)
        idle_bytes = resident_bytes(gateway.pid)
        callers = await call(gateway, sessions, tracks, SERIAL, reports_playback=bench.reports_playback)
    loop_lag_ms = loop_lag_p99_ms(bench.ports_file("gateway"))
    echo_cpu_s = await measure_echo(bench, sessions)
    loops_ms.append(loop_ms(bench.server_core))
    latencies = callers.latencies_ms(lambda caller: caller.decided_ns)
    return LoadRun(
        sessions=sessions,
        first_added_ms=tuple(turns[0] - backends.floor_ms for turns in latencies),
        added_ms=tuple(latency - backends.floor_ms for turns in latencies for latency in turns[1:]),
        loop_lag_p99_ms=loop_lag_ms,
        cpu_s=callers.cpu_per_session_minute,
        echo_cpu_s=echo_cpu_s,
        loop_ms=statistics.mean(loops_ms),
        resident_mib=(callers.resident_bytes - idle_bytes) / sessions / 2**20,
        audio_frames=sum(score.audio_frames for score in callers.scores),
        late_audio_frames=sum(score.late_audio_frames for score in callers.scores),
        late_share=callers.late_share,
    )


async def measure_echo(bench: Bench, sessions: int) -> float:
    """CPU-seconds of the bare echo with `sessions` callers, for each of them and each minute."""
    async with bench.bare("echo") as server:
        tracks = make_tracks(ECHO_S + TURN_MS // 1_000, WINDOW_MS, seed=0)
        echo = await call(server, sessions, tracks, SERIAL, is_scored=False)
    return echo.cpu_per_session_minute


async def measure_load(bench: Bench) -> tuple[list[str], list[Line]]:
    """Every number of sessions, without speculation: the table, and the lines that are judged."""
    backends, runs = Backends(), list[LoadRun]()
    async with AsyncExitStack() as ends:
        await backends.start(ends)
        for sessions in bench.sessions:
            seconds = int(bench.seconds * LONE_CALLER_RUNS) if sessions == 1 else bench.seconds
            bench.say(f"{sessions} sessions for {seconds} s")
            runs.append(await _measure_load(bench, backends, sessions, seconds))
    return load_table(runs, backends.floor_ms, WINDOW_MS), [line for run in runs for line in load_lines(run)]


async def measure_speculation(bench: Bench) -> tuple[list[str], list[Line]]:
    """Voice to voice with either trigger, on the parts of design.md, section 8."""
    lines = []
    with_stability, without = (Backends(stability_interims=sent, ttft_ms=EARLY_TTFT_MS) for sent in (True, False))
    for trigger, backends in (("stability", with_stability), ("VAD offset", without)):
        bench.say(f"speculation, {trigger}")
        callers = await _call_early(bench, backends)
        latencies = [latency for turns in callers.latencies_ms(lambda caller: caller.ended_ns) for latency in turns]
        lines += speculation_lines(trigger, latencies, EARLY_WINDOW_MS, callers.late_share)
    ideal_ms = with_stability.ideal_ms(EARLY_WINDOW_MS, EARLY_FIRST_PASS_MS)
    serial_ms = EARLY_WINDOW_MS + with_stability.floor_ms
    return [f"speculation: ideal {ideal_ms} ms from the last speech sample, one after the other {serial_ms} ms"], lines


async def _call_early(bench: Bench, backends: Backends) -> Callers:
    policy = policy_pb2.TurnPolicy(
        stop_history_ms=EARLY_WINDOW_MS, stop_history_eou_ms=EARLY_FIRST_PASS_MS, pause_ms=EARLY_FIRST_PASS_MS
    )
    async with AsyncExitStack() as ends:
        await backends.start(ends)
        gateway = await ends.enter_async_context(bench.gateway("early", backends.environment, journal=True))
        await _warm_up(gateway, policy)
        tracks = make_tracks(bench.seconds, EARLY_WINDOW_MS, seed=1)
        return await call(gateway, EARLY_CALLERS, tracks, policy)
