"""FakeTts through Riva's own stub."""

import contextlib
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from kit_riva import tts_request, tts_stub
from riva.client.proto import riva_audio_pb2 as audio_pb2
from riva.client.proto import riva_tts_pb2 as tts_pb2
from voicegateway_testkit import FakeTts, Outcome, TtsTiming
from voicegateway_testkit.clients.call import watch_status
from voicegateway_testkit.faults import DieAfterSamples, Hang, NoSound, Refuse, StallAfterSamples

QUICK = TtsTiming(first_audio_ms=0, chunk_every_ms=0)
HELLO = "Hello there, my friend."


async def ask(stub: Any, *requests: Any) -> tuple[list[Any], grpc.StatusCode]:
    """Sends requests, half-closes; gives the responses and the status."""
    call = stub.SynthesizeOnline()
    status = watch_status(call)
    for request in requests:
        await call.write(request)
    await call.done_writing()
    responses = []
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for response in call:
            responses.append(response)  # noqa: PERF401 - what came before an error is wanted
    return responses, (await status).code


async def test_a_sentence_and_its_words() -> None:
    """Audio of the rate and length expected comes in pieces; word times count from the sentence's start."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        responses, code = await ask(stub, tts_request(HELLO))
        audio = b"".join(response.audio for response in responses)
        words = [(word.word, word.start_time, word.end_time) for part in responses for word in part.meta.words]
        assert code is grpc.StatusCode.OK
        assert len(audio) // 2 == len(HELLO) * 60 * 22050 // 1000
        assert len(responses[0].audio) // 2 == 2205
        assert words == [("Hello", 0, 300), ("there,", 360, 720), ("my", 780, 900), ("friend.", 960, 1380)]
        assert responses[0].meta.text == HELLO
        assert tts.sentences[0].is_complete
        assert tts.calls[0].outcome is Outcome.FINISHED


async def test_the_sound_tells_the_sentence() -> None:
    """Any 20 ms of audio are found again, in their sentence and at their place; other audio is not."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        responses, _ = await ask(stub, tts_request("One."), tts_request("Two, and more."))
        audio = b"".join(response.audio for response in responses)
        one = tts.sentences[0].spoken.samples
        assert tts.texts == ["One.", "Two, and more."]
        assert tts.locate(audio[1000:1880]) == ("One.", 500)
        assert tts.locate(audio[(one + 3000) * 2 :][:880]) == ("Two, and more.", 3000)
        assert tts.locate(bytes(880)) is None


async def test_word_times_only_when_asked_and_had() -> None:
    """Neither an unasked nor an unable backend gives word times."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        unasked, _ = await ask(stub, tts_request(HELLO, enable_word_time_offsets=False))
    async with FakeTts(timing=QUICK, word_times=False) as tts, tts_stub(tts.address) as stub:
        unable, _ = await ask(stub, tts_request(HELLO))
    assert not any(response.meta.words for response in unasked + unable)


async def test_timing_is_kept() -> None:
    """First audio comes after first_audio_ms, each further piece after chunk_every_ms."""
    timing = TtsTiming(first_audio_ms=80, chunk_ms=100, chunk_every_ms=20)
    async with FakeTts(timing=timing) as tts, tts_stub(tts.address) as stub:
        start = time.monotonic()
        await ask(stub, tts_request("Ten chars."))
        assert time.monotonic() - start >= 0.18
        sentence = tts.sentences[0]
        assert sentence.first_audio_ns is not None
        assert sentence.first_audio_ns - sentence.asked_ns >= 79_000_000


@pytest.mark.parametrize(("asked_hz", "given_hz"), [(8000, 8000), (16000, 16000), (48000, 48000), (0, 22050)])
async def test_the_rate_is_honoured(asked_hz: int, given_hz: int) -> None:
    """The audio is as long at every rate; unset is 22050 Hz."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        responses, _ = await ask(stub, tts_request("Ten chars.", sample_rate_hz=asked_hz))
        assert sum(len(response.audio) for response in responses) // 2 == given_hz * 600 // 1000


async def test_death_in_the_second_sentence() -> None:
    """The first sentence comes whole, the second breaks off after exactly so many samples."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        tts.faults.next(None, DieAfterSamples(3000, grpc.StatusCode.INTERNAL))
        responses, code = await ask(stub, tts_request("One."), tts_request(HELLO))
        assert code is grpc.StatusCode.INTERNAL
        assert [sentence.sent_samples for sentence in tts.sentences] == [tts.sentences[0].spoken.samples, 3000]
        assert sum(len(response.audio) for response in responses) // 2 == tts.sentences[0].spoken.samples + 3000


async def test_a_text_without_sound_ends_well() -> None:
    """The call ends with OK, and what it gave has no audio."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        tts.faults.next(NoSound())
        responses, code = await ask(stub, tts_request(HELLO))
        assert code is grpc.StatusCode.OK
        assert [response.audio for response in responses] == [b""]


@pytest.mark.parametrize(("fault", "samples"), [(Hang(), 0), (StallAfterSamples(2500), 2500)])
async def test_hanging_until_cancelled(fault: Hang | StallAfterSamples, samples: int) -> None:
    """A hanging call stays open until the peer cancels it, and that is counted."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        tts.faults.next(fault)
        call = stub.SynthesizeOnline()
        await call.write(tts_request(HELLO))
        await tts.wait_until(lambda: bool(tts.sentences) and tts.sentences[0].sent_samples == samples)
        assert tts.open_calls == 1
        call.cancel()
        await tts.wait_until(lambda: tts.open_calls == 0)
        assert tts.cancelled_calls == 1
        assert not tts.sentences[0].is_complete


async def test_a_standing_refusal_and_its_end() -> None:
    """Every sentence is refused until the fault is healed."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        tts.faults.always(Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED))
        codes = [(await ask(stub, tts_request(HELLO)))[1] for _ in range(2)]
        tts.faults.heal()
        assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
        assert (await ask(stub, tts_request(HELLO)))[1] is grpc.StatusCode.OK


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": " "},
        {"encoding": audio_pb2.OGGOPUS},
        {"sample_rate_hz": 100},
        {"voice_name": "Nobody"},
        {"language_code": "xx-XX"},
    ],
)
async def test_what_riva_would_not_take(wrong: dict[str, Any]) -> None:
    """A wrong request ends the call INVALID_ARGUMENT."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        request = tts_request(**{"text": HELLO, **wrong})
        assert (await ask(stub, request))[1] is grpc.StatusCode.INVALID_ARGUMENT


async def test_config_listing_and_its_voices() -> None:
    """The listing has what NVIDIA's clients index, and each voice it names is taken."""
    async with FakeTts(timing=QUICK) as tts, tts_stub(tts.address) as stub:
        listing = await stub.GetRivaSynthesisConfig(tts_pb2.RivaSynthesisConfigRequest())
        row = listing.model_config[0].parameters
        assert row["language_code"] == "en-US"
        for subvoice in row["subvoices"].split(","):
            voice = f"{row['voice_name']}.{subvoice.split(':')[0]}"
            assert (await ask(stub, tts_request("Hi.", voice_name=voice)))[1] is grpc.StatusCode.OK
