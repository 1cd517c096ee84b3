"""`voice-gateway top` beside a whole gateway."""

import asyncio

import grpc
import pytest
from gateway_kit.replicas import free_port
from gateway_kit.whole_gateway import World, world
from voice_gateway.app.top import command
from voice_gateway.app.top.rows import LEAST_MEASURED
from voicegateway_testkit import AsrTiming, ConverseClient, LlmTiming, TtsTiming, utterance_pcm

QUESTION = utterance_pcm(speech_ms=900, silence_ms=700)
SLOWED_MS = 500
SAID = ("what is a pod",) * LEAST_MEASURED
"""In as many turns as it takes to be called slow."""


async def watched(address: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of one screen."""
    capsys.readouterr()
    assert await asyncio.to_thread(command.top, address, is_once=True) == 0
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


async def one_turn(address: str, question: bytes, speed: float | None = None) -> None:
    """A whole call of one turn."""
    async with ConverseClient(address) as client:
        await client.start()
        await client.push(question, speed=speed)
        await client.wait_for("turn_report", timeout_s=20)
        await client.half_close()
        await client.wait_end()


def slow_down(around: World, backend: str) -> str:
    """Slow one fake by half a second; returns its address."""
    if backend == "llm":
        around.llm.timing = LlmTiming(ttft_ms=5 + SLOWED_MS, token_ms=1)
        return around.llm.base_url.removeprefix("http://").partition("/")[0]
    if backend == "asr":
        around.asr.timing = AsrTiming(final_ms=40 + SLOWED_MS)
        return around.asr.address
    around.tts.timing = TtsTiming(first_audio_ms=5 + SLOWED_MS, chunk_every_ms=1, ms_per_char=30)
    return around.tts.address


@pytest.mark.parametrize(("backend", "span"), [("llm", "llm_first_token"), ("tts", "tts_first_audio")])
async def test_the_first_screen_names_the_backend_that_is_slow(
    backend: str, span: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one fake slowed by 500 ms its address is marked and stands first, and its span is the longest of the turn;
    no word of the call is shown, and once the call is over it is gone.
    """
    port = free_port()
    async with world(*SAID, replies=("Certainly.",), settings={"ADMIN_PORT": str(port)}) as around:
        where = slow_down(around, backend)
        async with ConverseClient(around.address) as client:
            await asyncio.gather(*(one_turn(around.address, QUESTION) for _ in range(LEAST_MEASURED - 1)))
            started = await client.start()
            await client.push(QUESTION)
            await client.wait_for("turn_report", timeout_s=20)
            lines = await watched(f"127.0.0.1:{port}", capsys)
            await client.half_close()
            assert (await client.wait_end()).code is grpc.StatusCode.OK
        assert lines[2].startswith(f"slow: {backend} {where}: first output p50 5")
        assert lines[5].split()[:3] == ["SLOW", backend, where]
        assert sum("SLOW" in line for line in lines) == 1
        (turn,) = (line for line in lines if line.startswith(f"{started.session_id}    1"))
        assert f"|{span} 5" in turn
        assert lines[-1].startswith(started.session_id)
        assert not any("what is a pod" in line or "Certainly" in line for line in lines)
        assert not any(started.session_id in line for line in (await watched(f"127.0.0.1:{port}", capsys))[-2:])


async def test_the_first_screen_names_recognition_that_is_slow(capsys: pytest.CaptureFixture[str]) -> None:
    """Recognition that is slow by 500 ms is known by what the turns waited for it; the call is at the pace of life."""
    port = free_port()
    async with world(*SAID, replies=("Certainly.",), settings={"ADMIN_PORT": str(port)}) as around:
        where = slow_down(around, "asr")
        question = utterance_pcm(speech_ms=900, silence_ms=1_600)
        await asyncio.gather(*(one_turn(around.address, question, speed=1.0) for _ in range(LEAST_MEASURED)))
        lines = await watched(f"127.0.0.1:{port}", capsys)
    assert lines[2].startswith(f"slow: asr {where}: asr_final of the last turns p50 ")
    assert lines[5].split()[:3] == ["SLOW", "asr", where]


async def test_words_are_told_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """With ADMIN_TEXT what was said last stands beside the call."""
    port = free_port()
    settings = {"ADMIN_PORT": str(port), "ADMIN_TEXT": "on"}
    around = world("what is a pod", replies=("Certainly.",), settings=settings)
    async with around as here, ConverseClient(here.address) as client:
        await client.start()
        await client.push(QUESTION)
        await client.wait_for("turn_report", timeout_s=20)
        lines = await watched(f"127.0.0.1:{port}", capsys)
        await client.half_close()
        await client.wait_end()
    assert lines[-1].endswith("what is a pod Certainly.")
