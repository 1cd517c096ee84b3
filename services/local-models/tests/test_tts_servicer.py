"""The synthesis service on a real socket, with an engine that a test can hold and with NVIDIA's own client."""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
import riva.client
import soundfile
from local_models.audio import Samples, StreamEncoder
from local_models.engines.hibari import HibariEngine
from local_models.riva.speech_pool import SpeechPool
from riva.client.proto import riva_tts_pb2 as pb
from riva.client.proto import riva_tts_pb2_grpc as pb_grpc
from tts_support import MS_PER_WORD, CountingEngine, tts_server


@contextlib.asynccontextmanager
async def stub_for(engine: CountingEngine, max_requests: int = 8) -> AsyncIterator[pb_grpc.RivaSpeechSynthesisStub]:
    async with (
        tts_server([engine], SpeechPool(max_requests=max_requests)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield pb_grpc.RivaSpeechSynthesisStub(channel)


def request(text: str, **changes: object) -> pb.SynthesizeSpeechRequest:
    fields: dict[str, object] = {"text": text, "language_code": "en-US", "encoding": 1, "sample_rate_hz": 8000}
    return pb.SynthesizeSpeechRequest(**(fields | changes))


async def answers(call: Any) -> list[pb.SynthesizeSpeechResponse]:
    return [response async for response in call]


def audio_ms(responses: Sequence[pb.SynthesizeSpeechResponse]) -> float:
    return sum(len(response.audio) for response in responses) / 2 / 8


async def eventually(condition: Any) -> None:
    """Let the loop run until `condition()`; the test's own timeout ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - the engine's thread and the server know of no event of ours
        await asyncio.sleep(0.001)


async def test_a_whole_text_in_one_message() -> None:
    """Synthesize gives all sentences joined, the text it read, the words' times and the request's id."""
    async with stub_for(CountingEngine()) as stub:
        asked = request("one two|three", enable_word_time_offsets=True)
        asked.id.value = "id-7"
        response = await stub.Synthesize(asked)
    assert audio_ms([response]) == 3 * MS_PER_WORD
    assert response.id.value == "id-7"
    assert response.meta.text == "one two|three"
    assert response.meta.processed_text == "ONE TWO THREE"
    assert [(w.word, w.start_time, w.end_time) for w in response.meta.words] == [
        ("one", 0, 500), ("two", 500, 1000), ("three", 1000, 1500)
    ]  # fmt: skip


async def test_requests_of_one_call_are_answered_in_order_with_their_ids() -> None:
    """A gateway sends a sentence at a time on one call and tells the answers apart by their ids."""
    async with stub_for(CountingEngine()) as stub:
        sent = [request("one two three|four"), request("five"), request("six seven")]
        for number, each in enumerate(sent):
            each.id.value = f"r{number}"
        responses = await answers(stub.SynthesizeOnline(iter(sent)))
    ids = [response.id.value for response in responses]
    assert ids == sorted(ids)
    for number, words in enumerate((4, 1, 2)):
        assert audio_ms([r for r in responses if r.id.value == f"r{number}"]) == words * MS_PER_WORD
    assert all(len(response.audio) <= 8 * 2 * 200 for response in responses)


async def test_the_first_sentence_is_sent_while_the_second_is_being_made() -> None:
    """First audio must not wait for the rest of the text."""
    engine = CountingEngine(free=False)
    async with stub_for(engine) as stub:
        call = stub.SynthesizeOnline(iter([request("one|two")]))
        engine.permits.release()
        first = await call.read()
        assert (first.meta.text, len(first.audio) > 0) == ("one", True)
        engine.permits.release()
        rest = [response async for response in _remaining(call)]
    assert "two" in [response.meta.text for response in rest]


async def _remaining(call: Any) -> AsyncIterator[pb.SynthesizeSpeechResponse]:
    while (response := await call.read()) is not grpc.aio.EOF:
        yield response


async def test_an_answer_comes_while_the_client_still_writes() -> None:
    """The call is a conversation: the first sentence is spoken before the second one has been sent."""
    async with stub_for(CountingEngine()) as stub:
        call = stub.SynthesizeOnline()
        for text in ("one", "two"):
            await call.write(request(text))
            assert (await call.read()).meta.text == text
            heard = 200
            while heard < MS_PER_WORD:
                heard += round(audio_ms([await call.read()]))
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_a_client_of_the_older_contract_sends_one_request_and_half_closes() -> None:
    """Riva 2.16 clients know SynthesizeOnline as unary-stream; on the wire that is the same call."""
    async with tts_server([CountingEngine()], SpeechPool()) as address, grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_stream(
            "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
            request_serializer=pb.SynthesizeSpeechRequest.SerializeToString,
            response_deserializer=pb.SynthesizeSpeechResponse.FromString,
        )
        assert audio_ms(await answers(call(request("one two")))) == 2 * MS_PER_WORD


async def test_text_without_anything_to_say_gets_one_silent_answer() -> None:
    """The client waits for an answer to each request; punctuation alone is no mistake."""
    async with stub_for(CountingEngine()) as stub:
        responses = await answers(stub.SynthesizeOnline(iter([request("|")])))
    assert [(response.audio, response.meta.text) for response in responses] == [(b"", "|")]


async def test_opus_chunks_concatenated_are_a_file() -> None:
    """What NVIDIA's talk.py does with a streamed OGGOPUS answer: append the chunks."""
    async with stub_for(CountingEngine()) as stub:
        responses = await answers(stub.SynthesizeOnline(iter([request("one two|three", encoding=4)])))
    pcm, rate_hz = soundfile.read(io.BytesIO(b"".join(response.audio for response in responses)))
    assert len(pcm) / rate_hz == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (request("hello", voice_name="Nobody"), "available voices: Count.EN-US.One"),
        (request("hello", language_code="xx-YY"), "available languages: en-US, de-DE"),
        (request(""), "the text is empty"),
        (request("hello", encoding=3), "supported encodings are LINEAR_PCM, OGGOPUS"),
        (request("hello", sample_rate_hz=1), "sample rate 1 Hz is not supported"),
        (request("x" * 5000), "at most 4000"),
    ],
)
async def test_bad_requests_are_invalid_arguments(bad: pb.SynthesizeSpeechRequest, sentence: str) -> None:
    """Both calls refuse alike, with a sentence that names what is available."""
    async with stub_for(CountingEngine()) as stub:
        for outcome in (stub.Synthesize(bad), answers(stub.SynthesizeOnline(iter([bad])))):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await outcome
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert sentence in (caught.value.details() or "")


async def test_an_engine_that_fails_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    """What was made before the failure has been sent, the client learns of it, the log has the traceback."""
    async with stub_for(CountingEngine()) as stub:
        call = stub.SynthesizeOnline(iter([request("one|crash")]))
        assert (await call.read()).meta.text == "one"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answers(_remaining(call))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "out of order" in (caught.value.details() or "")
    assert "synthesis failed" in caplog.text


async def test_a_cancelled_call_stops_at_the_sentence_being_made() -> None:
    """After a barge-in no CPU goes into sentences that nobody will hear, and the place is free again."""
    engine = CountingEngine(free=False)
    pool = SpeechPool(max_requests=1)
    async with tts_server([engine], pool) as address, grpc.aio.insecure_channel(address) as channel:
        stub = pb_grpc.RivaSpeechSynthesisStub(channel)
        call = stub.SynthesizeOnline(iter([request("one|two|three|four")]))
        await eventually(lambda: engine.started == ["One: one"])
        call.cancel()
        await eventually(lambda: pool.running_requests == 0)
        engine.permits.release(100)
        assert audio_ms([await stub.Synthesize(request("next", voice_name="Count.EN-US.Two"))]) == MS_PER_WORD
    assert engine.started == ["One: one", "Two: next"]


async def test_more_than_it_carries_is_refused() -> None:
    """No queue without bound: the request over the limit is told so at once, and the others are unharmed."""
    engine = CountingEngine(free=False)
    pool = SpeechPool(max_requests=2)
    async with tts_server([engine], pool) as address, grpc.aio.insecure_channel(address) as channel:
        stub = pb_grpc.RivaSpeechSynthesisStub(channel)
        running = [asyncio.ensure_future(stub.Synthesize(request("one two"))) for _ in range(2)]
        await eventually(lambda: pool.running_requests == 2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Synthesize(request("three"))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        engine.permits.release(2)
        assert [audio_ms([await each]) for each in running] == [2 * MS_PER_WORD] * 2


async def test_the_event_loop_is_free_while_the_engine_works() -> None:
    """Synthesis happens on its one thread: other calls are answered meanwhile."""
    engine = CountingEngine(free=False)
    async with stub_for(engine) as stub:
        running = asyncio.ensure_future(stub.Synthesize(request("one")))
        await eventually(lambda: engine.started == ["One: one"])
        config = await stub.GetRivaSynthesisConfig(pb.RivaSynthesisConfigRequest())
        assert len(config.model_config) == 2
        engine.permits.release()
        await running
    assert [name.startswith("synthesis") for name in engine.threads] == [True]


async def test_encoding_is_off_the_event_loop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opus costs more than the synthesis itself: a second of it would hold every other call for 33 ms."""
    threads: set[str] = set()
    feed = StreamEncoder.feed

    def watched(encoder: StreamEncoder, pcm: Samples) -> bytes:
        threads.add(threading.current_thread().name)
        return feed(encoder, pcm)

    monkeypatch.setattr(StreamEncoder, "feed", watched)
    async with stub_for(CountingEngine()) as stub:
        await stub.Synthesize(request("one two", encoding=4))
    assert [name.startswith("synthesis") for name in threads] == [True]


async def test_requests_take_turns_after_each_sentence() -> None:
    """A long text does not keep the engine from a short one that came later."""
    engine = CountingEngine(free=False)
    async with stub_for(engine) as stub:
        long = asyncio.ensure_future(stub.Synthesize(request("a|b|c|d")))
        await eventually(lambda: engine.started == ["One: a"])
        short = asyncio.ensure_future(stub.Synthesize(request("e", voice_name="Count.EN-US.Two")))
        await stub.GetRivaSynthesisConfig(pb.RivaSynthesisConfigRequest())
        engine.permits.release(100)
        await asyncio.gather(long, short)
    assert engine.started.index("Two: e") < engine.started.index("One: d")


async def test_nvidias_client_unchanged() -> None:
    """riva.client.SpeechSynthesisService: whole, online from a string and from a list, and the config listing."""
    async with tts_server([HibariEngine()], SpeechPool()) as address:
        await asyncio.to_thread(_use_nvidias_client, address)


def _use_nvidias_client(address: str) -> None:
    auth = riva.client.Auth(uri=address)
    service = riva.client.SpeechSynthesisService(auth)
    text = "Hello there. How are you today?"
    whole = service.synthesize(text, language_code="en-US", sample_rate_hz=44100, enable_word_time_offsets=True)
    pcm = np.frombuffer(whole.audio, np.int16)
    assert 1.5 < len(pcm) / 44100 < 5.0
    assert np.abs(pcm).max() > 3000
    assert [word.word for word in whole.meta.words] == text.split()
    for texts in (text, text.split(". ")):
        chunks = list(service.synthesize_online(texts, voice_name="Hibari.EN-US.Low", sample_rate_hz=16000))
        assert len(chunks) > 4
        assert 1.5 < sum(len(chunk.audio) for chunk in chunks) / 2 / 16000 < 5.0
    config = service.stub.GetRivaSynthesisConfig(pb.RivaSynthesisConfigRequest())
    names = [
        f"{entry.parameters['voice_name']}.{subvoice.split(':')[0]}"
        for entry in config.model_config
        for subvoice in entry.parameters["subvoices"].split(",")
    ]
    assert names[0] == "Hibari.EN-US.Heart"
    auth.channel.close()
