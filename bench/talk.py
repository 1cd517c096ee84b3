"""Sections of `make bench` in which a caller with a true player interrupts: by speech, and by its own order."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from voicegateway.v1 import audio_pb2, client_pb2, policy_pb2
from voicegateway_testkit import ConverseClient, FakeAsr, FakeLlm, FakeTts, PlayerSettings, Utterance, speech
from voicegateway_testkit.load import RATE_HZ
from voicegateway_testkit.pcm import to_pcm

from bench.process import Bench
from bench.report import Line, barge_in_lines, estimate_lines, interrupt_lines

CALLERS: Final = 10
BARGE_INS, INTERRUPTIONS, ESTIMATES = 50, 100, 40
"""How many of each, shared by the callers."""
STORY: Final = "The river was wide and the bridge was old, and nobody had crossed it for many years. " * 3
NETWORK_MS: Final = (0, 80)
"""One way; with the jitter buffer of 60 ms that players have by default."""
LISTENED_S: Final = (0.5, 2.5)
"""Shortest and longest part of a reply before it is interrupted."""
ONSET_MS: Final = 96
"""Sent as `vad_onset_ms`; the gateway's default."""
SPEECH_MS: Final = (900, 1_200)
STAGGER_S: Final = 0.37
"""From one caller's beginning to the next one's."""
SETTLED_S: Final = 2 * NETWORK_MS[1] / 1_000
"""After which what was sent has reached the player."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What one caller found."""

    last_frame_ms: tuple[float, ...]
    """For each interruption, from its instant to the last audio of the reply; 0 if none came after it."""
    heard_error_ms: tuple[float, ...]
    """Between what the gateway says was heard and what the player played."""
    frames: int
    late_frames: int


async def measure_barge_in(bench: Bench) -> tuple[list[str], list[Line]]:
    """Callers who speak over the agent."""
    bench.say(f"{BARGE_INS} barge-ins")
    talks = await _talk(bench, lambda address, seed: _barge_in(address, BARGE_INS // CALLERS, seed))
    late_share = sum(talk.late_frames for talk in talks) / sum(talk.frames for talk in talks)
    last_frame_ms = tuple(chain.from_iterable(talk.last_frame_ms for talk in talks))
    errors_ms = tuple(chain.from_iterable(talk.heard_error_ms for talk in talks))
    lines = barge_in_lines(last_frame_ms, ONSET_MS, late_share)
    return [], [*lines, Line("heard error after a barge-in: worst", max(errors_ms), "ms", 20, lines[0].is_valid)]


async def measure_heard(bench: Bench) -> tuple[list[str], list[Line]]:
    """Callers who send `interrupt`: those who report playback, and those who never do."""
    bench.say(f"{INTERRUPTIONS} interruptions of clients that report, {ESTIMATES} of clients that do not")
    reporting = await _talk(bench, lambda address, seed: _interrupt(address, INTERRUPTIONS // CALLERS, seed))
    silent = await _talk(bench, lambda address, seed: _interrupt(address, ESTIMATES // CALLERS, seed, reports=False))
    last_frame_ms = tuple(chain.from_iterable(talk.last_frame_ms for talk in reporting))
    errors_ms = tuple(chain.from_iterable(talk.heard_error_ms for talk in reporting))
    estimates_ms = tuple(chain.from_iterable(talk.heard_error_ms for talk in silent))
    return [], interrupt_lines(last_frame_ms, errors_ms) + estimate_lines(estimates_ms)


async def _talk(bench: Bench, caller: Callable[[str, int], Coroutine[Any, Any, Talk]]) -> Sequence[Talk]:
    """Let all callers talk to a fresh gateway whose model tells stories."""
    asr = FakeAsr([Utterance("tell me a long story please")], repeats=True, keeps_audio=False)
    tts, llm = FakeTts(), FakeLlm([STORY])
    async with AsyncExitStack() as ends:
        for fake in (asr, tts, llm):
            await ends.enter_async_context(fake)
        environment = {"ASR_URI": asr.address, "TTS_URI": tts.address, "LLM_SERVICE_URL": llm.base_url}
        gateway = await ends.enter_async_context(bench.gateway("talk", environment, journal=True))
        await gateway.wait_ready()
        return await asyncio.gather(*(caller(gateway.address, seed) for seed in range(CALLERS)))


def _start() -> client_pb2.Start:
    audio = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=RATE_HZ)
    policy = policy_pb2.TurnPolicy(speculation=False, vad_onset_ms=ONSET_MS)
    return client_pb2.Start(audio_in=audio, audio_out=audio, policy=policy)


async def _barge_in(address: str, times: int, seed: int) -> Talk:
    rng = random.Random(seed)  # noqa: S311 - when to speak, and for how long
    begun_ns: dict[str, int] = {}
    errors_ms: list[float] = []
    await asyncio.sleep(seed * STAGGER_S)
    async with ConverseClient(address, player=PlayerSettings(network_ms=NETWORK_MS, seed=seed)) as client:
        await client.start(_start())
        microphone = client.turn_microphone_on()

        async def speak() -> int:
            return (await client.say(to_pcm(speech(rng.randint(*SPEECH_MS), RATE_HZ, seed=rng.randrange(99))))).start_ns

        await speak()
        for _ in range(times):
            reply_id = await _next_reply(client, set(begun_ns))
            await asyncio.sleep(rng.uniform(*LISTENED_S))
            begun_ns[reply_id] = await speak()
            errors_ms.append(await _heard_error_ms(client, reply_id, is_estimate=False))
        last_ms = [_last_frame_ms(client, reply_id, at_ns) for reply_id, at_ns in begun_ns.items()]
        return Talk(tuple(last_ms), tuple(errors_ms), microphone.frames, microphone.late_frames)


async def _interrupt(address: str, times: int, seed: int, *, reports: bool = True) -> Talk:
    rng = random.Random(seed)  # noqa: S311 - when to interrupt
    begun_ns: dict[str, int] = {}
    errors_ms: list[float] = []
    await asyncio.sleep(seed * STAGGER_S)
    player = PlayerSettings(network_ms=NETWORK_MS, reports=reports, seed=seed)
    async with ConverseClient(address, player=player) as client:
        await client.start(_start())
        microphone = client.turn_microphone_on()
        for _ in range(times):
            client.send_text("a story")
            reply_id = await _next_reply(client, set(begun_ns))
            await asyncio.sleep(rng.uniform(*LISTENED_S))
            begun_ns[reply_id] = time.monotonic_ns()
            client.interrupt()
            errors_ms.append(await _heard_error_ms(client, reply_id, is_estimate=not reports))
        last_ms = [_last_frame_ms(client, reply_id, at_ns) for reply_id, at_ns in begun_ns.items()]
        return Talk(tuple(last_ms), tuple(errors_ms), microphone.frames, microphone.late_frames)


async def _next_reply(client: ConverseClient, over: set[str]) -> str:
    """The reply that begins to be audible next."""
    entry = await client.wait_for("reply_audio", lambda response: response.reply_audio.reply_id not in over)
    return entry.response.reply_audio.reply_id


async def _heard_error_ms(client: ConverseClient, reply_id: str, *, is_estimate: bool) -> float:
    """What the gateway says was heard against what the player played of an interrupted reply."""
    heard = (await client.wait_for("reply_heard")).response.reply_heard
    if client.player is None or heard.reply_id != reply_id or heard.is_estimate is not is_estimate:
        raise RuntimeError(f"an interruption of {reply_id} was answered with {heard}")
    await asyncio.sleep(SETTLED_S)  # the player has its orders
    played_samples = client.player.played_samples(reply_id)
    return abs(heard.heard_samples - played_samples) * 1_000 / RATE_HZ


def _last_frame_ms(client: ConverseClient, reply_id: str, since_ns: int) -> float:
    audio = [entry.at_ns for entry in client.log.all("reply_audio") if entry.response.reply_audio.reply_id == reply_id]
    return max(0.0, (audio[-1] - since_ns) / 1e6)
