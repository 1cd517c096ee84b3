"""What the spans of calls to backends say: who was asked, how it ended, and below what they stand."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc
import pytest
from aiohttp import web
from gateway_kit.chat_caller import MESSAGES, SESSION, SETTINGS, fake_llm
from gateway_kit.http_peer import answering
from gateway_kit.spans import Recorder
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from voice_gateway.backends.addresses.book import Address
from voice_gateway.backends.http_tools.client import HttpTools
from voice_gateway.backends.http_tools.settings import HttpTool
from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.backends.riva.asr import METHOD as RECOGNISE
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.backends.riva.tts import METHOD as SYNTHESISE
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.backends.spans import CallSpans, address_attributes
from voice_gateway.domain.chat import ChatMessage, Role, Tool, ToolCall, ToolPlace
from voice_gateway.domain.errors import BackendError, QuestionTooLong, ToolError
from voice_gateway.domain.limits import MAX_SPAN_TEXT_CHARS
from voice_gateway.session.ports import RecognitionSpec, VoiceSpec
from voicegateway_testkit import FakeAsr, FakeLlm, FakeTts, LlmTiming, Reply, Utterance, utterance_pcm
from voicegateway_testkit import ToolCall as WrittenCall
from voicegateway_testkit.faults import (
    AsrFault,
    DieAfterSamples,
    DieAfterTokens,
    HttpFailure,
    NoSound,
    Refuse,
    TtsFault,
)

HEARD = RecognitionSpec("en-US", 16_000, stop_history_eou_ms=240, stop_history_ms=480)
SPOKEN = VoiceSpec("en-US", "", 16_000)
PCM = utterance_pcm(600, 600, 16_000)
UNAVAILABLE, OK, CANCELLED = "UNAVAILABLE", "OK", "CANCELLED"


def told(span: ReadableSpan) -> dict[str, Any]:
    """What a span says."""
    return dict(span.attributes or {})


def ending(span: ReadableSpan) -> tuple[str, str, str]:
    """Status, kind of error and description of an RPC's span."""
    says = told(span)
    is_error = span.status.status_code is StatusCode.ERROR
    return (
        str(says["rpc.response.status_code"]),
        str(says.get("error.type", "")),
        (span.status.description or "") if is_error else "",
    )


async def microphone(*, is_mute: bool) -> AsyncIterator[bytes]:
    """An utterance, in batches of 100 ms; or nothing, for ever: gRPC loses the status of a call that is written to."""
    if is_mute:
        await asyncio.Event().wait()
    for start in range(0, len(PCM), 3_200):
        yield PCM[start : start + 3_200]


# --- Riva ------------------------------------------------------------------------------------------------------------


async def recognised(fault: AsrFault | None, *, results: int = 1_000) -> ReadableSpan:
    """The span of a recognition stream that meets a fault, or is given up after some results."""
    recorder = Recorder()
    async with FakeAsr([Utterance("hello there")]) as fake:
        if fault:
            fake.faults.next(fault)
        client = RivaRecognizer(RivaSettings((fake.address,)), spans=CallSpans(recorder.tracer))
        try:
            async with aclosing(client.recognize(SESSION, HEARD, microphone(is_mute=fault is not None))) as stream:
                number = 0
                async for _ in stream:
                    number += 1
                    if number == results:
                        break
        except BackendError:
            pass
        finally:
            await client.pool.close()
        span = recorder.one(RECOGNISE)
        assert told(span)["server.port"] == int(fake.address.rpartition(":")[2])
    return span


@pytest.mark.parametrize(
    ("fault", "results", "ends"),
    [
        (None, 1_000, (OK, "", "")),
        (None, 1, (CANCELLED, "", "")),
        (Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED), 1_000, ("RESOURCE_EXHAUSTED",) * 3),
    ],
)
async def test_a_recognition_stream_says_how_it_ended(
    fault: AsrFault | None, results: int, ends: tuple[str, str, str]
) -> None:
    """By the names of the RPC convention; a stream that nobody wants any more has not failed."""
    span = await recognised(fault, results=results)
    assert ending(span) == ends
    assert (span.kind.name, told(span)["rpc.system.name"], told(span)["rpc.method"]) == ("CLIENT", "grpc", RECOGNISE)


async def spoken(fault: TtsFault | None, *, has_text: bool = False, chunks: int = 1_000) -> list[ReadableSpan]:
    """The spans of a sentence that meets a fault, or is given up after some audio."""
    recorder = Recorder()
    async with FakeTts() as fake:
        if fault:
            fake.faults.next(fault)
        settings = RivaTtsSettings(RivaSettings((fake.address,)))
        client = RivaSynthesizer(settings, spans=CallSpans(recorder.tracer, has_text=has_text))
        try:
            async with aclosing(client.synthesize(SESSION, SPOKEN, "Good morning.")) as stream:
                number = 0
                async for _ in stream:
                    number += 1
                    if number == chunks:
                        break
        except BackendError:
            pass
        finally:
            await client.pool.close()
    return list(recorder.spans)


@pytest.mark.parametrize(
    ("fault", "chunks", "ends"),
    [
        (None, 1_000, (OK, "", "")),
        (None, 1, (CANCELLED, "", "")),
        (NoSound(), 1_000, (OK, "no_audio", "no audio")),
        (DieAfterSamples(100), 1_000, (UNAVAILABLE, UNAVAILABLE, UNAVAILABLE)),
    ],
)
async def test_a_sentence_says_how_it_ended(fault: TtsFault | None, chunks: int, ends: tuple[str, str, str]) -> None:
    """Also one that ended well and had no sound, which no status tells."""
    (span,) = await spoken(fault, chunks=chunks)
    assert (span.name, ending(span)) == (SYNTHESISE, ends)
    assert told(span)["voicegateway.sentence.chars"] == len("Good morning.")


@pytest.mark.parametrize("has_text", [True, False])
async def test_a_sentence_is_in_its_span_only_where_that_is_wished(*, has_text: bool) -> None:
    """What the agent says is nobody's business by default."""
    (span,) = await spoken(None, has_text=has_text)
    assert told(span).get("voicegateway.sentence.text") == ("Good morning." if has_text else None)


@pytest.mark.parametrize(
    ("address", "server", "peer"),
    [
        (Address("10.0.0.7", 50_051, "riva-asr:50051"), ("riva-asr", 50_051), "10.0.0.7"),
        (Address("10.0.0.7", 443), ("10.0.0.7", 443), "10.0.0.7"),
        (Address("fd00::7", 443, "[fd00::7]:443"), ("fd00::7", 443), "fd00::7"),
    ],
)
def test_an_address_is_told_by_its_name_and_as_it_is(address: Address, server: tuple[str, int], peer: str) -> None:
    """A replica that is slow can be told from the others of its name."""
    says = address_attributes(address)
    assert (says["server.address"], says["server.port"]) == server
    assert (says["network.peer.address"], says["network.peer.port"]) == (peer, address.port)


# --- the language model ----------------------------------------------------------------------------------------------


async def asked(
    fakes: Sequence[FakeLlm],
    *,
    messages: Sequence[ChatMessage] = MESSAGES,
    settings: OpenAiChatSettings = SETTINGS,
    has_text: bool = False,
    pieces: int = 1_000,
) -> Recorder:
    """The spans of a reply below a span `caller`; the first fake is the endpoint."""
    recorder = Recorder()
    client = OpenAiChat(replace(settings, base_url=fakes[0].base_url), spans=CallSpans(recorder.tracer, has_text))
    try:
        with recorder.tracer.start_as_current_span("caller"):
            async with aclosing(client.reply(SESSION, messages)) as reply:
                number = 0
                async for _ in reply:
                    number += 1
                    if number == pieces:
                        break
    except (BackendError, QuestionTooLong):
        pass
    finally:
        await client.pool.close()
    return recorder


async def test_a_reply_is_told_by_the_convention_for_generative_ai() -> None:
    """Whoever knows the convention finds model, provider, parameters and the time to the first token."""
    async with fake_llm() as fake:
        recorder = await asked([fake], settings=replace(SETTINGS, model="", temperature=0.5, max_tokens=99))
        port = int(fake.base_url.rpartition(":")[2].removesuffix("/v1"))
    says = told(recorder.one("chat fake-model"))
    assert 0 < says.pop("gen_ai.response.time_to_first_chunk") < 60
    assert says == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.output.type": "text",
        "gen_ai.request.stream": True,
        "gen_ai.request.model": "fake-model",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.conversation.id": "s1",
        "server.address": "127.0.0.1",
        "server.port": port,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": port,
    }


async def test_the_models_server_is_told_its_place_in_the_trace() -> None:
    """Its own spans stand below the request that it answers."""
    async with fake_llm() as fake:
        recorder = await asked([fake])
        (request,) = fake.requests
    context, caller = recorder.one("chat fake-model").context, recorder.one("caller").context
    assert context is not None
    assert caller is not None
    assert request.traceparent.split("-")[1:3] == [f"{caller.trace_id:032x}", f"{context.span_id:016x}"]
    assert (recorder.one("chat fake-model").parent or context).span_id == caller.span_id


async def test_without_a_trace_nothing_is_sent_of_one() -> None:
    """A model's server that is asked by an untraced gateway gets the headers that it always got."""
    async with fake_llm() as fake:
        client = OpenAiChat(replace(SETTINGS, base_url=fake.base_url))
        async for _ in client.reply(SESSION, MESSAGES):
            pass
        await client.pool.close()
        assert fake.requests[0].traceparent == ""


async def test_what_was_asked_again_is_one_reply() -> None:
    """A repetition is an event of the reply's span, with who failed and why; a reply that came has not failed."""
    async with fake_llm() as fake:
        fake.faults.next(HttpFailure(503))
        recorder = await asked([fake])
    span = recorder.one("chat fake-model")
    (event,) = span.events
    assert dict(event.attributes or {})["voicegateway.attempt.cause"] == "refused with HTTP status 503"
    assert span.status.status_code is StatusCode.UNSET


async def test_a_reply_that_nobody_gives_has_failed() -> None:
    """The kind of failure is the reason that the client is told."""
    async with fake_llm() as fake:
        fake.faults.always(HttpFailure(503))
        recorder = await asked([fake])
    span = recorder.one("chat fake-model")
    assert (span.status.status_code, told(span)["error.type"]) == (StatusCode.ERROR, "LLM_FAILED")
    assert told(span)["gen_ai.request.model"] == "fake-model"
    assert [event.name for event in span.events] == ["attempt failed"] * 2


async def test_a_reply_that_breaks_has_failed() -> None:
    """After the first words it cannot be repeated: the span says so, and what came."""
    fake = FakeLlm(["One two three four five."], timing=LlmTiming(ttft_ms=0, token_ms=0))
    async with fake:
        fake.faults.next(DieAfterTokens(2))
        recorder = await asked([fake], has_text=True)
    span = recorder.one("chat fake-model")
    assert (span.status.status_code, told(span)["error.type"]) == (StatusCode.ERROR, "LLM_FAILED")
    (message,) = json.loads(told(span)["gen_ai.output.messages"])
    assert message["parts"][0]["content"].startswith("One")
    assert message["finish_reason"] == "error"


async def test_a_reply_that_is_given_up_has_not_failed() -> None:
    """An interruption is no fault of the model's."""
    async with fake_llm() as fake:
        recorder = await asked([fake], pieces=1)
    assert recorder.one("chat fake-model").status.status_code is StatusCode.UNSET


async def test_a_question_that_is_too_long_is_told_as_that() -> None:
    """It is asked again, shorter, in a span of its own."""
    async with FakeLlm(context_tokens=10) as fake:
        recorder = await asked([fake])
    assert told(recorder.one("chat fake-model"))["error.type"] == "question_too_long"


async def test_text_of_a_reply_is_kept_where_that_is_wished() -> None:
    """The conversation, tools included, and what was written, by the convention's schema; and nothing by default."""
    call = ToolCall("c1", "weather", '{"place": "Rome"}')
    messages = (
        *MESSAGES,
        ChatMessage(Role.ASSISTANT, "", (call,)),
        ChatMessage(Role.TOOL, "sunny", call_id="c1"),
    )
    answer = Reply("Sunny.", (WrittenCall("door", "{}", "c2"),))
    async with FakeLlm([answer], timing=LlmTiming(0, 0)) as fake:
        says = told((await asked([fake], messages=messages, has_text=True)).one("chat fake-model"))
    assert json.loads(says["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "What time is it?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": '{"place": "Rome"}'}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]},
    ]
    (written,) = json.loads(says["gen_ai.output.messages"])
    assert written["finish_reason"] == "tool_call"
    assert written["parts"] == [
        {"type": "text", "content": "Sunny."},
        {"type": "tool_call", "id": "c2", "name": "door", "arguments": "{}"},
    ]
    async with fake_llm() as fake:
        silent = told((await asked([fake])).one("chat fake-model"))
    assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & silent.keys()


async def test_of_a_long_conversation_the_newest_is_kept() -> None:
    """A span has a bound, and says what it leaves out; the newest message is cut rather than left out."""
    endless = ChatMessage(Role.USER, "x" * (MAX_SPAN_TEXT_CHARS + 1))
    async with fake_llm() as fake:
        says = told((await asked([fake], messages=(MESSAGES[0], endless), has_text=True)).one("chat fake-model"))
    (kept,) = json.loads(says["gen_ai.input.messages"])
    assert kept["parts"][0]["content"] == "x" * MAX_SPAN_TEXT_CHARS
    long = ChatMessage(Role.ASSISTANT, "x" * MAX_SPAN_TEXT_CHARS)
    messages = (MESSAGES[0], long, MESSAGES[1])
    async with fake_llm() as fake:
        says = told((await asked([fake], messages=messages, has_text=True)).one("chat fake-model"))
    (kept,) = json.loads(says["gen_ai.input.messages"])
    assert kept["parts"][0]["content"] == "What time is it?"
    assert says["voicegateway.messages.left_out"] == 2


# --- tools over HTTP -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "error"), [(200, ""), (503, "503")])
async def test_a_tools_server_is_told_its_place_in_the_trace(status: int, error: str) -> None:
    """The request's span is told by the HTTP convention, without the URL, whose query may hold a secret."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["traceparent"])
        return web.Response(text="sunny", status=status)

    recorder = Recorder()
    async with answering(answer) as url:
        entry = HttpTool(Tool("weather", "Tells.", "", ToolPlace.SERVER), f"{url}?key=hunter2")
        runner = HttpTools((entry,), CallSpans(recorder.tracer))
        try:
            await runner.run("weather", "{}")
        except ToolError:
            pass
        finally:
            await runner.close()
    span = recorder.one("POST")
    assert span.context is not None
    assert seen[0].split("-")[2] == f"{span.context.span_id:016x}"
    says = told(span)
    assert (says["http.request.method"], says["http.response.status_code"]) == ("POST", status)
    assert says["server.port"] == int(url.rpartition(":")[2])
    assert says.get("error.type", "") == error
    assert not [value for value in says.values() if "hunter2" in str(value)]


@pytest.mark.parametrize(
    ("url", "error"), [("http://127.0.0.1:1/", "ConnectError"), ("http://1.2.3.400/", "InvalidURL")]
)
async def test_a_tool_that_cannot_be_reached_has_failed(url: str, error: str) -> None:
    """The span names the kind of failure, also where the address is none."""
    recorder = Recorder()
    entry = HttpTool(Tool("weather", "Tells.", "", ToolPlace.SERVER), url)
    runner = HttpTools((entry,), CallSpans(recorder.tracer))
    with pytest.raises(ToolError):
        await runner.run("weather", "{}")
    await runner.close()
    assert told(recorder.one("POST"))["error.type"] == error
