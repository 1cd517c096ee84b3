"""Measures the gateway under load against the test kit: `make bench`. Takes about five minutes, best alone.

The gateway runs on one core; the callers and the backends' fakes run in this process, on another. Targets are those of
the design for what is built. Exit status 1: one was missed, or a run was not valid.
docs/how-to/measure-the-gateway.md tells how to read it.
"""

import argparse
import asyncio
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop
from bench_process import Server, running
from bench_report import Interruptions, LoadRun, report
from voicegateway.v1 import audio_pb2, client_pb2
from voicegateway_testkit import ConverseClient, FakeAsr, FakeLlm, FakeTts, PlayerSettings, Utterance
from voicegateway_testkit.load import (
    FRAME_MS,
    RATE_HZ,
    LoadCaller,
    ReplyScore,
    TimerWheel,
    Track,
    make_track,
    start_request,
)
from voicegateway_testkit.process_meter import cpu_s, resident_bytes

TURN_MS: Final = 5_000
WINDOW_MS: Final = 480
"""End-of-utterance window, sent as `stop_history_ms`; the gateway's default."""
ANSWER: Final = "It is twelve o'clock now. The sun is high."
"""2.5 s of audio: the agent speaks half of the time."""
FIRST_SENTENCE_TOKENS: Final = 5
"""The sixth begins the next sentence, which shows that the first has ended."""
STORY: Final = "The river was wide and the bridge was old, and nobody had crossed it for many years. " * 3
PHASE_STEP_MS: Final = 13
"""From one caller's frames to the next one's; shares no factor with a frame, so that any number of callers spreads."""
ECHO_S: Final = 10
INTERRUPTIONS, CALLERS = 30, 5
"""How many, by how many callers at a time."""
NETWORK_MS: Final = (0, 80)


class Backends:
    """The fakes, and the serial floor that they and the window make."""

    def __init__(self) -> None:
        self.asr = FakeAsr([Utterance("what is the time")], repeats=True, keeps_audio=False)
        self.tts = FakeTts()
        self.llm = FakeLlm(lambda messages: STORY if messages[-1]["content"] == "a story" else ANSWER)

    @property
    def floor_ms(self) -> int:
        """From the frame that completes the window to the first audio, if nobody took any time but the backends."""
        llm = self.llm.timing
        first_sentence_ms = llm.ttft_ms + FIRST_SENTENCE_TOKENS * llm.token_ms
        return self.asr.timing.final_ms + first_sentence_ms + self.tts.timing.first_audio_ms

    @property
    def environment(self) -> dict[str, str]:
        """Where the gateway finds them."""
        return {"ASR_URI": self.asr.address, "TTS_URI": self.tts.address, "LLM_SERVICE_URL": self.llm.base_url}


@dataclass(frozen=True, slots=True)
class Callers:
    """Callers that have said their track."""

    everybody: tuple[LoadCaller, ...]
    scores: tuple[ReplyScore, ...]
    cpu_per_session_minute: float
    """CPU-seconds of the server."""
    resident_bytes: int
    """Of the server, at the end."""

    @property
    def late_share(self) -> float:
        """Share of client frames that left late."""
        return sum(each.late_frames for each in self.everybody) / sum(each.frames for each in self.everybody)


def _ignore(_: bytes, __: int) -> None:
    """What an echo sends back is known."""


async def call(server: Server, sessions: int, track: Track, *, is_scored: bool = True) -> Callers:
    """Let `sessions` callers say the track, begun evenly over the length of a turn; measure while all of them do."""
    start = start_request(WINDOW_MS)
    scores = tuple(ReplyScore() for _ in range(sessions))
    everybody = tuple(LoadCaller(server.address, track, score.take if is_scored else _ignore) for score in scores)
    wheel = TimerWheel()
    try:
        for caller in everybody:
            await caller.open(start)
        gc.collect()
        gc.disable()  # a collection in the middle makes frames late
        spoken = []
        begin_ns = wheel.start_ns(100)
        for number, caller in enumerate(everybody):
            # spread over a turn, and within a frame too: lengths that divide evenly would put all frames in one slot
            after_ms = number * TURN_MS // sessions // FRAME_MS * FRAME_MS + number * PHASE_STEP_MS % FRAME_MS
            spoken.append(caller.speak(begin_ns + after_ms * 1_000_000))
            wheel.add(caller)
        await asyncio.sleep(TURN_MS / 1_000)
        loop = asyncio.get_running_loop()
        began_s, began_cpu_s = loop.time(), cpu_s(server.pid)
        await spoken[0]
        minutes = (loop.time() - began_s) / 60
        used_s, resident = cpu_s(server.pid) - began_cpu_s, resident_bytes(server.pid)
        await asyncio.gather(*spoken)
    finally:
        await wheel.stop()
        await asyncio.gather(*(caller.close() for caller in everybody))
        gc.enable()
    return Callers(everybody, scores, used_s / sessions / minutes, resident)


async def measure_load(backends: Backends, cores: "Cores", sessions: int, seconds: int, folder: Path) -> LoadRun:
    """One run with `sessions` callers, a fresh gateway, and the bare echo of the same frames after it."""
    track = make_track(seconds * 1_000 // TURN_MS, TURN_MS, WINDOW_MS, seed=sessions)
    async with running(cores.server, GATEWAY, folder / "gateway.json", backends.environment) as gateway:
        await gateway.wait_ready()
        await call(gateway, 1, make_track(2, TURN_MS, WINDOW_MS))  # what is imported or opened at first use
        idle_bytes = resident_bytes(gateway.pid)
        callers = await call(gateway, sessions, track)
    async with running(cores.server, ECHO, folder / "echo.json", {}) as server:
        track_of_echo = make_track(1 + ECHO_S * 1_000 // TURN_MS, TURN_MS, WINDOW_MS)
        echo = await call(server, sessions, track_of_echo, is_scored=False)
    latencies = [
        score.latencies_ms(track, caller.start_ns)
        for score, caller in zip(callers.scores, callers.everybody, strict=True)
    ]
    return LoadRun(
        sessions=sessions,
        first_added_ms=tuple(turns[0] - backends.floor_ms for turns in latencies),
        added_ms=tuple(latency - backends.floor_ms for turns in latencies for latency in turns[1:]),
        cpu_s=callers.cpu_per_session_minute,
        echo_cpu_s=echo.cpu_per_session_minute,
        resident_mib=(callers.resident_bytes - idle_bytes) / sessions / 2**20,
        audio_frames=sum(score.audio_frames for score in callers.scores),
        late_audio_frames=sum(score.late_audio_frames for score in callers.scores),
        late_share=callers.late_share,
    )


async def measure_interruptions(backends: Backends, cores: "Cores", folder: Path) -> Interruptions:
    """Callers with a true player ask for a story and interrupt it at random."""
    async with running(cores.server, GATEWAY, folder / "interrupted.json", backends.environment) as gateway:
        await gateway.wait_ready()
        found = await asyncio.gather(
            *(_interrupt(gateway.address, INTERRUPTIONS // CALLERS, seed) for seed in range(CALLERS))
        )
    return Interruptions(
        tuple(last_ms for caller in found for last_ms, _ in caller),
        tuple(error_ms for caller in found for _, error_ms in caller),
    )


async def _interrupt(address: str, times: int, seed: int) -> list[tuple[float, float]]:
    """For each interruption: ms from it to the last audio of that reply, and the error of what counts as heard."""
    rng = random.Random(seed)  # noqa: S311 - when to interrupt
    found, over = [], set[str]()
    player = PlayerSettings(network_ms=NETWORK_MS, seed=seed)
    async with ConverseClient(address, player=player) as client:
        audio = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=RATE_HZ)
        await client.start(client_pb2.Start(audio_in=audio, audio_out=audio))
        client.turn_microphone_on()
        for _ in range(times):
            client.send_text("a story")
            text = await client.wait_for("reply_text", lambda response: response.reply_text.reply_id not in over)
            reply_id = text.response.reply_text.reply_id
            over.add(reply_id)
            await asyncio.sleep(rng.uniform(0.3, 3.0))
            sent_ns = time.monotonic_ns()
            client.interrupt()
            heard = (await client.wait_for("reply_heard")).response.reply_heard
            if client.player is None or heard.reply_id != reply_id or heard.is_estimate:
                raise RuntimeError(f"an interruption of {reply_id} was answered with {heard}")
            frames = [e.at_ns for e in client.log.all("reply_audio") if e.response.reply_audio.reply_id == reply_id]
            await asyncio.sleep(2 * NETWORK_MS[1] / 1_000)  # the player has its orders
            played_samples = client.player.model.played_samples(reply_id)
            error_ms = abs(heard.heard_samples - played_samples) * 1_000 / RATE_HZ
            found.append((max(0.0, (frames[-1] - sent_ns) / 1e6), error_ms))
    return found


GATEWAY: Final = ("-m", "voice_gateway", "serve", "--ports-file")
ECHO: Final = (str(Path(__file__).with_name("bench_echo.py")),)


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where."""

    server: int
    load: int


def take_cores() -> Cores:
    """Pin this process, before gRPC makes threads that would stay behind."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:  # noqa: PLR2004 - one each
        raise SystemExit("bench: needs Linux and two cores")
    server, load, *_ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {load})
    return Cores(server, load)


async def measure(sessions: Sequence[int], seconds: int, cores: Cores) -> int:
    """Run everything, print the tables, return the exit status."""
    backends = Backends()
    async with AsyncExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="voice-gateway-bench-")))
        for fake in (backends.asr, backends.tts, backends.llm):
            await ends.enter_async_context(fake)
        runs = []
        for count in sessions:
            print(f"{count} sessions for {seconds} s ...", file=sys.stderr, flush=True)
            runs.append(await measure_load(backends, cores, count, seconds, folder))
        print(f"{INTERRUPTIONS} interruptions ...", file=sys.stderr, flush=True)
        interruptions = await measure_interruptions(backends, cores, folder)
    lines, is_good = report(runs, interruptions, backends.floor_ms, WINDOW_MS)
    print("\n".join(lines))
    return 0 if is_good else 1


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", default="1,10,50,100", help="callers, one run each (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=30, help="length of a run, at least 10 (default: %(default)s)")
    arguments = parser.parse_args()
    sessions = [int(count) for count in arguments.sessions.split(",")]
    if min(sessions) < 1 or arguments.seconds * 1_000 < 2 * TURN_MS:
        parser.error("each run needs a session and 10 seconds")
    return uvloop.run(measure(sessions, arguments.seconds, take_cores()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.SubprocessError as error:
        sys.exit(f"bench: {error}")
