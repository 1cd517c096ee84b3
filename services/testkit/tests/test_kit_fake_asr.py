"""FakeAsr through Riva's own stub."""

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kit_riva import asr_audio, asr_config, asr_stub, open_asr, read_results
from riva.client.proto import riva_asr_pb2 as asr_pb2
from voicegateway_testkit import AsrTiming, FakeAsr, Outcome, Utterance, silence, utterance_pcm
from voicegateway_testkit.faults import DieAfterAudio, DieAfterWords, Hang, LateFinal, NeverFinalise, Refuse
from voicegateway_testkit.pcm import to_pcm

QUICK = AsrTiming(first_pass_ms=0, final_ms=0)
TIME = Utterance("what is the time", final="What is the time?")


async def recognise(stub: Any, pcm: bytes, config: Any = None) -> list[Any]:
    """Streams audio, half-closes and gives all results."""
    call = await open_asr(stub, config or asr_config(), *asr_audio(pcm))
    await call.call.done_writing()
    return await read_results(call)


async def test_two_passes_on_the_wire() -> None:
    """Interims, stability 1.0 at stop_history_eou, the final at stop_history; with times and the request's id."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        config = asr_config({"stop_history_eou": 160, "stop_history": 400})
        call = await open_asr(stub, config, *asr_audio(utterance_pcm(1000, 600), chunk_ms=20))
        await asr.wait_until(lambda: bool(asr.streams) and asr.streams[0].finals != [])
        await call.call.done_writing()
        responses = [response async for response in call.call]
    *interims, final = [response.results[0] for response in responses]
    suspected = [result for result in interims if result.stability == 1.0]
    assert {response.id.value for response in responses} == {"r-1"}
    assert {result.stability for result in interims} == {0.5, 1.0}
    assert [round(result.audio_processed, 3) for result in suspected] == [1.16]
    assert suspected[0].alternatives[0].transcript == "what is the time"
    assert round(final.audio_processed, 3) == 1.4
    assert final.alternatives[0].transcript == "What is the time?"
    assert [(word.word, word.start_time, word.end_time) for word in final.alternatives[0].words] == [
        ("What", 0, 250),
        ("is", 250, 500),
        ("the", 500, 750),
        ("time?", 750, 1000),
    ]


async def test_without_stability_interims() -> None:
    """A model without a first pass never sets stability."""
    async with FakeAsr([TIME], timing=QUICK, stability_interims=False) as asr, asr_stub(asr.address) as stub:
        results = await recognise(stub, utterance_pcm(1000, 600))
    assert {result.stability for result in results} == {0.0}
    assert results[-1].is_final


async def test_half_close_forces_the_final() -> None:
    """Speech that has not been ended by silence is finalised by the half-close; the call ends well."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        results = await recognise(stub, utterance_pcm(1000, 0))
        assert results[-1].is_final
        assert asr.streams[0].finals == ["What is the time?"]
        assert asr.streams[0].outcome is Outcome.FINISHED
        assert asr.streams[0].audio_bytes == len(asr.streams[0].audio) == 32000
        assert asr.streams[0].message_bytes == [3200] * 10


async def test_half_close_before_speech_gives_nothing() -> None:
    """Silence, then a half-close: no result, and the utterance is still to come."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        assert await recognise(stub, to_pcm(silence(500))) == []
        assert (await recognise(stub, utterance_pcm(500, 0)))[-1].alternatives[0].transcript == "What is the time?"


async def test_delays_are_kept() -> None:
    """The final leaves final_ms after the audio that decided it, and is measured so."""
    timing = AsrTiming(first_pass_ms=0, final_ms=120)
    async with FakeAsr([TIME], timing=timing) as asr, asr_stub(asr.address) as stub:
        start = time.monotonic()
        await recognise(stub, utterance_pcm(500, 0))
        assert time.monotonic() - start >= 0.12
        sent = asr.streams[0].sent[-1]
        assert sent.sent_ns - sent.decided_ns >= 119_000_000


async def test_results_keep_their_order() -> None:
    """An interim of the next utterance does not overtake a final that is still on its way."""
    async with FakeAsr([TIME, Utterance("two")], timing=AsrTiming(final_ms=80)) as asr, asr_stub(asr.address) as stub:
        results = await recognise(stub, utterance_pcm(600, 600) + utterance_pcm(600, 0))
    assert [result.alternatives[0].transcript for result in results if result.is_final] == ["What is the time?", "two"]
    first_final = next(index for index, result in enumerate(results) if result.is_final)
    assert {result.alternatives[0].transcript for result in results[first_final + 1 :]} == {"two"}


async def test_refusal() -> None:
    """A refused stream ends with its status; the next one is well."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        asr.faults.next(Refuse())
        assert await (await open_asr(stub)).code() is grpc.StatusCode.UNAVAILABLE
        assert len(await recognise(stub, utterance_pcm(500, 0))) > 0


async def test_hang_takes_audio_and_answers_nothing() -> None:
    """A hanging stream stays open, whatever is sent, until the peer gives it up; that is seen."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        asr.faults.next(Hang())
        call = await open_asr(stub, asr_config(), *asr_audio(utterance_pcm(500, 500)))
        await call.call.done_writing()
        await asr.wait_until(lambda: asr.audio_bytes == 32000 and asr.streams[0].is_half_closed)
        assert asr.open_streams == 1
        call.call.cancel()
        await asr.wait_until(lambda: asr.open_streams == 0)
        assert asr.streams[0].outcome is Outcome.CANCELLED


@pytest.mark.parametrize(
    "fault", [DieAfterAudio(700, grpc.StatusCode.INTERNAL), DieAfterWords(2, grpc.StatusCode.INTERNAL)]
)
async def test_death_mid_utterance_gives_the_words_back(fault: DieAfterAudio | DieAfterWords) -> None:
    """A stream dies with its status after its interims; the same audio on a new stream gives the same words."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        asr.faults.next(fault)
        call = await open_asr(stub, asr_config(), *asr_audio(utterance_pcm(800, 0)))
        assert await call.code() is grpc.StatusCode.INTERNAL
        assert asr.streams[0].outcome is Outcome.BROKEN
        assert asr.streams[0].sent[-1].result.text in {"what is", "what is the"}
        assert (await recognise(stub, utterance_pcm(800, 0)))[-1].alternatives[0].transcript == "What is the time?"


async def test_never_finalise() -> None:
    """Interims come, a half-close ends the stream without a final, and the utterance is spent."""
    async with FakeAsr([TIME, Utterance("next")], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        asr.faults.next(NeverFinalise())
        results = await recognise(stub, utterance_pcm(1000, 0))
        assert results
        assert not any(result.is_final for result in results)
        assert (await recognise(stub, utterance_pcm(500, 0)))[-1].alternatives[0].transcript == "next"


async def test_late_final() -> None:
    """A late final comes, later than the timing says."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        asr.faults.next(LateFinal(delay_ms=150))
        start = time.monotonic()
        assert (await recognise(stub, utterance_pcm(500, 0)))[-1].is_final
        assert time.monotonic() - start >= 0.15


async def test_kill_calls_breaks_what_is_open() -> None:
    """All open streams end with the status given, now, and the fake goes on serving."""
    async with FakeAsr([TIME], timing=QUICK) as asr, asr_stub(asr.address) as stub:
        call = await open_asr(stub, asr_config(), *asr_audio(utterance_pcm(500, 0)))
        await asr.wait_until(lambda: asr.audio_bytes == 16000)
        asr.kill_calls(grpc.StatusCode.UNKNOWN)
        assert await call.code() is grpc.StatusCode.UNKNOWN
        assert asr.streams[0].outcome is Outcome.BROKEN
        assert (await recognise(stub, utterance_pcm(500, 0)))[-1].is_final


async def test_stop_and_start_on_the_same_port() -> None:
    """A backend that goes down refuses connections; it comes back at its address."""
    asr = FakeAsr([TIME], timing=QUICK)
    await asr.start()
    address = asr.address
    async with asr_stub(address) as stub:
        await asr.stop()
        assert await (await open_asr(stub)).code() is grpc.StatusCode.UNAVAILABLE
    await asr.start()
    async with asr_stub(address) as stub:
        assert asr.address == address
        assert (await recognise(stub, utterance_pcm(500, 0)))[-1].is_final
    await asr.stop()


@pytest.mark.parametrize(
    "config",
    [
        asr_pb2.StreamingRecognizeRequest(audio_content=b"\0\0"),
        asr_config(language_code="xx-XX"),
        asr_config(encoding=0),
        asr_config(sample_rate_hertz=4000),
        asr_config({"stop_history_eou": 500, "stop_history": 400}),
    ],
)
async def test_what_riva_would_not_take(config: Any) -> None:
    """A wrong first message ends the stream INVALID_ARGUMENT."""
    async with FakeAsr([TIME]) as asr, asr_stub(asr.address) as stub:
        assert await (await open_asr(stub, config)).code() is grpc.StatusCode.INVALID_ARGUMENT
        assert asr.streams[0].outcome is Outcome.BROKEN


async def test_cut_samples_and_a_second_config() -> None:
    """An odd byte count and a second config end the stream INVALID_ARGUMENT."""
    async with FakeAsr([TIME]) as asr, asr_stub(asr.address) as stub:
        for wrong in (asr_pb2.StreamingRecognizeRequest(audio_content=b"\0\0\0"), asr_config()):
            assert await (await open_asr(stub, asr_config(), wrong)).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_config_listing_and_health() -> None:
    """The listing has what NVIDIA's clients index, and health follows `set_serving`."""
    async with FakeAsr() as asr, asr_stub(asr.address) as stub, grpc.aio.insecure_channel(asr.address) as channel:
        listing = await stub.GetRivaSpeechRecognitionConfig(asr_pb2.RivaSpeechRecognitionConfigRequest())
        assert listing.model_config[0].parameters["type"] == "online"
        assert listing.model_config[0].parameters["language_code"] == "en-US"
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        await asr.set_serving(serving=False)
        assert (
            await health.Check(health_pb2.HealthCheckRequest())
        ).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_wait_until_tells_what_is() -> None:
    """A condition that stays false ends in a timeout that says how things stand; one that raises reaches the test."""
    async with FakeAsr([TIME]) as asr, asr_stub(asr.address) as stub:
        waiting = asyncio.create_task(asr.wait_until(lambda: 1 // len(asr.streams) > 1))
        call = await open_asr(stub, asr_config())
        with pytest.raises(ZeroDivisionError):
            await waiting
        await asr.wait_until(lambda: asr.open_streams == 1)
        with pytest.raises(TimeoutError, match="stream 0: open, 0 bytes"):
            await asr.wait_until(lambda: False, timeout_s=0.01)
        call.call.cancel()
