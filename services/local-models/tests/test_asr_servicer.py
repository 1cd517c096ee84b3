"""The recognition service on the wire: order, status codes, ids, admission, and what a client leaves behind."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator, Sequence

import grpc
import grpc.aio
import pytest
from asr_support import (
    LoudnessModel,
    ScriptedEngine,
    Serving,
    audio_message,
    both_workers_busy,
    first_message,
    pcm,
    recognition_config,
    serving,
)
from local_models.engines.pool import Priority
from local_models.engines.recognition import RecognitionError
from local_models.riva import refusals
from local_models.riva.asr_stream import RecognitionStream
from riva.client.proto import riva_asr_pb2 as pb


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
async def server(engine: ScriptedEngine) -> AsyncIterator[Serving]:
    async with serving(engine, LoudnessModel(), max_streams=2, max_pending_jobs=4) as running:
        yield running
        engine.gate.set()


async def converse(
    server: Serving, messages: Sequence[pb.StreamingRecognizeRequest]
) -> list[pb.StreamingRecognizeResponse]:
    call = server.stub.StreamingRecognize(iter(messages))
    responses = []
    while (response := await call.read()) is not grpc.aio.EOF:
        responses.append(response)
    return responses


async def failure(server: Serving, messages: Sequence[pb.StreamingRecognizeRequest]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await converse(server, messages)
    return caught.value.code(), caught.value.details() or ""


async def test_both_passes_are_visible_on_the_wire_and_the_id_is_echoed(server: Serving) -> None:
    """An interim with stability 1.0 precedes the final, at the windows asked for; every response has the id."""
    endpointing = pb.EndpointingConfig(stop_history=640, stop_history_eou=160)
    config = recognition_config(endpointing_config=endpointing, enable_word_time_offsets=True)
    first = first_message(config, request_id="call-7")
    responses = await converse(server, [first, audio_message(pcm("-10 w20 -30"))])
    suspected, final = [response.results[0] for response in responses][-2:]
    assert (suspected.is_final, suspected.stability) == (False, 1.0)
    assert suspected.audio_processed == pytest.approx((30 + 5) * 0.032)
    assert (final.is_final, final.stability) == (True, 0.0)
    assert final.audio_processed == pytest.approx((30 + 20) * 0.032)
    assert [(word.word, word.start_time, word.end_time) for word in final.alternatives[0].words] == [("w20", 320, 960)]
    assert {response.id.value for response in responses} == {"call-7"}


async def test_interims_come_while_speech_goes_on(server: Serving) -> None:
    """The client hears of words before it has stopped talking."""
    call = server.stub.StreamingRecognize()
    await call.write(first_message())
    await call.write(audio_message(pcm("-10 w20")))
    response = await call.read()
    assert response.results[0].alternatives[0].transcript == "w20 "
    assert not response.results[0].is_final
    await call.done_writing()
    assert (await call.read()).results[0].is_final
    assert await call.read() is grpc.aio.EOF


async def test_only_finals_without_interim_results(server: Serving) -> None:
    """interim_results=false: each utterance is told once."""
    first = first_message(interim_results=False)
    responses = await converse(server, [first, audio_message(pcm("-10 w20 -20 w9 -20"))])
    assert [(r.results[0].is_final, r.results[0].alternatives[0].transcript) for r in responses] == [
        (True, "w20 "),
        (True, "w9 "),
    ]


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "the stream ended before its first message, which must carry streaming_config"),
        (
            [audio_message(b"\0\0")],
            "the first message must carry streaming_config, the messages after it audio_content",
        ),
        ([first_message(), first_message()], "after the first message every message must carry audio_content"),
        (
            [first_message(recognition_config(language_code="de-DE"))],
            "language_code 'de-DE' is not available; available: en-US",
        ),
        (
            [first_message(recognition_config(endpointing_config=pb.EndpointingConfig(stop_history_eou=900)))],
            "endpointing_config: stop_history_eou (900 ms) must be less than stop_history (480 ms)",
        ),
        (
            [first_message(recognition_config(sample_rate_hertz=0)), audio_message(b"\0\0" * 99)],
            "the audio has no header and no sample rate was given: set sample_rate_hertz",
        ),
        (
            [first_message(recognition_config(sample_rate_hertz=4000))],
            "sample rate 4000 Hz is not supported; use 8000 to 192000 Hz",
        ),
    ],
)
async def test_a_wrong_request_is_an_invalid_argument(
    server: Serving, messages: Sequence[pb.StreamingRecognizeRequest], sentence: str
) -> None:
    """Whatever the client got wrong, it reads what, and its place is free again."""
    assert await failure(server, messages) == (grpc.StatusCode.INVALID_ARGUMENT, sentence)
    assert server.servicer.running_streams == 0


async def test_one_stream_too_many_is_refused(server: Serving) -> None:
    """Beyond its streams the server refuses at once, streaming and offline alike, and takes calls again later."""
    calls = [server.stub.StreamingRecognize() for _ in range(2)]
    for call in calls:
        await call.write(first_message(interim_results=False))
        await call.write(audio_message(pcm("w20 -20")))
        await call.read()
    code, sentence = await failure(server, [first_message()])
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert sentence == "all 2 recognition streams are taken; try again later"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.stub.Recognize(pb.RecognizeRequest(config=recognition_config(), audio=pcm("w20")))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for call in calls:
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert await converse(server, [first_message(), audio_message(pcm("w20 -20"))])


async def test_more_decodes_than_the_pool_carries_are_refused(server: Serving) -> None:
    """When finals have no place in the queue, the call ends as exhausted instead of waiting without bound."""
    messages = [first_message(interim_results=False), audio_message(pcm("w20 -20"))]
    async with both_workers_busy(server.pool):
        for _ in range(4):
            server.pool.submit(Priority.FINAL, lambda: None)
        refused = await failure(server, messages)
    assert refused == (grpc.StatusCode.RESOURCE_EXHAUSTED, "4 inference jobs are waiting already")


async def test_a_broken_engine_is_an_internal_error(
    server: Serving, engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told, and the log has the cause."""
    engine.error = RecognitionError("broken weights")
    code, sentence = await failure(server, [first_message(), audio_message(pcm("w20 -20"))])
    assert (code, sentence) == (grpc.StatusCode.INTERNAL, "recognition failed: broken weights")
    assert "broken weights" in caplog.text


async def test_a_client_that_vanishes_leaves_nothing_behind(server: Serving, engine: ScriptedEngine) -> None:
    """Cancelling a call with work queued frees its place and takes its work out of the queue."""
    call = server.stub.StreamingRecognize()
    await call.write(first_message(interim_results=False))
    await call.write(audio_message(pcm("w9 -20")))
    await call.read()
    engine.gate.clear()
    await call.write(audio_message(pcm("w10 -20 " * 4)))
    while len(engine.calls) < 3 or server.pool.pending_jobs < 2:
        await server.stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())
    call.cancel()
    while server.servicer.running_streams > 0:
        await server.stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())
    assert server.pool.pending_jobs == 0


async def test_a_file_is_recognised_whole(server: Serving) -> None:
    """Recognize gives one result per utterance, with its words' times, seconds, and the request's id."""
    request = pb.RecognizeRequest(
        config=recognition_config(enable_word_time_offsets=True), audio=pcm("-10 w20 -25 w9 -5")
    )
    request.id.value = "file-1"
    response = await server.stub.Recognize(request)
    assert [result.alternatives[0].transcript for result in response.results] == ["w20 ", "w9 "]
    assert [result.audio_processed for result in response.results] == pytest.approx([50 * 0.032, 69 * 0.032])
    assert response.results[1].alternatives[0].words[0].start_time == 55 * 32
    assert response.id.value == "file-1"


async def test_a_file_without_speech_has_no_results(server: Serving) -> None:
    """Silence is no error."""
    request = pb.RecognizeRequest(config=recognition_config(), audio=pcm("-100"))
    assert not (await server.stub.Recognize(request)).results


async def test_a_damaged_file_is_an_invalid_argument(server: Serving) -> None:
    """A file that is not what it says is refused in words."""
    request = pb.RecognizeRequest(config=recognition_config(encoding=2), audio=b"not a FLAC file at all")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.stub.Recognize(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "does not begin as FLAC" in (caught.value.details() or "")


async def test_the_configuration_call_refuses_unknown_models(server: Serving) -> None:
    """A typo in a model's name is answered with the names there are."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest(model_name="x"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "scripted-en-streaming" in (caught.value.details() or "")


@pytest.fixture
def without_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is in a circle stays; what is logged does not, which pytest would keep with all of its frames."""
    monkeypatch.setattr(refusals.logger, "disabled", True)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def no_stream_is_left(server: Serving) -> None:
    """Work that runs when its call fails ends a little later."""
    async with asyncio.timeout(10):
        while any(type(each) is RecognitionStream for each in gc.get_objects()):
            await server.stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize(
    ("encoding", "audio", "code"),
    [
        (2, b"not a FLAC file at all", grpc.StatusCode.INVALID_ARGUMENT),
        (1, pcm("w20 -20 w9 -20"), grpc.StatusCode.INTERNAL),
    ],
    ids=["damaged", "broken engine"],
)
async def test_a_file_goes_with_the_call_that_failed(
    server: Serving, engine: ScriptedEngine, encoding: int, audio: bytes, code: grpc.StatusCode
) -> None:
    """A file of 64 MiB would stay in memory until the collector comes, and so would the ones after it."""
    engine.error = RecognitionError("broken weights")
    request = pb.RecognizeRequest(config=recognition_config(encoding=encoding), audio=audio)
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.stub.Recognize(request)
        assert caught.value.code() is code
    await no_stream_is_left(server)


@pytest.mark.usefixtures("without_collector")
async def test_audio_goes_with_the_stream_that_failed(server: Serving, engine: ScriptedEngine) -> None:
    """As a file does."""
    engine.error = RecognitionError("broken weights")
    for _ in range(3):
        await failure(server, [first_message(), audio_message(pcm("w20 -20"))])
    await no_stream_is_left(server)


@pytest.mark.usefixtures("without_collector")
async def test_a_file_goes_with_the_client_that_hangs_up(server: Serving, engine: ScriptedEngine) -> None:
    """That is how most long recognitions end before their time."""
    engine.gate.clear()
    request = pb.RecognizeRequest(config=recognition_config(), audio=pcm("w20 -20"))
    call = server.stub.Recognize(request)
    async with asyncio.timeout(10):
        while not engine.calls:
            await server.stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())
        call.cancel()
        while server.servicer.running_streams:
            await server.stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())
    engine.gate.set()
    await no_stream_is_left(server)
