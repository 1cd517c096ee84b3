"""Traces of whole calls, in a collector on a real socket."""

import itertools

import pytest
from gateway_kit.whole_gateway import World, world
from voicegateway.v1 import client_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit import ConverseClient, LegacyClient, Reply, ToolCall, utterance_pcm
from voicegateway_testkit.fakes.collector import CollectedSpan, FakeCollector

QUESTION = utterance_pcm(speech_ms=900, silence_ms=700)
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
OVERLAPPED = "voicegateway.is_overlapped"
TOOL = "execute_tool door"
CONVERSE = "voicegateway.v1.VoiceGatewayService/Converse"


def settings(collector: FakeCollector, **more: str) -> dict[str, str]:
    """A gateway that is traced, and prepares replies early."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.address}", "TURN_SPECULATION": "true", **more}


async def call(around: World, *pcm: bytes, traceparent: str = "") -> list[server_pb2.TurnReport]:
    """The reports of a call in which this was said, in real time, one turn after the other."""
    async with ConverseClient(around.address) as client:
        await client.start(client_pb2.Start(traceparent=traceparent))
        for piece in pcm:
            await client.push(piece, speed=1)
            await client.wait_for("reply_finished", timeout_s=20)
        await client.half_close()
        await client.wait_end(20)
    await around.wait_quiet()
    return [entry.response.turn_report for entry in client.log.all("turn_report")]


def path(collector: FakeCollector, span: CollectedSpan) -> list[str]:
    """The names from the topmost span that came down to this one."""
    above = [each for each in collector.spans if each.span_id == span.parent_id]
    return [*(path(collector, above[0]) if above else []), span.name]


async def test_a_trace_goes_from_the_client_through_the_gateway_to_the_model() -> None:
    """One trace: the client's span, the session, the turn, the reply, the request, and what the model is told of it."""
    async with FakeCollector() as collector:
        told = settings(collector, TRACE_TRUST_CLIENTS="on")
        async with world("what is a pod", replies=("A pod runs. It is small.",), settings=told) as around:
            await call(around, QUESTION, traceparent=TRACEPARENT)
            requests = around.llm.requests
        assert {span.trace_id for span in collector.spans} == {TRACE}
        (session,) = collector.named(CONVERSE)
        assert (session.parent_id, session.kind) == (SPAN, "SERVER")
        won = [span for span in collector.named("chat fake-model") if not span.is_error]
        assert [path(collector, span) for span in won] == [[CONVERSE, "turn", "reply", "chat fake-model"]] * len(won)
        assert {f"00-{TRACE}-{span.span_id}" for span in won} == {each.traceparent[:-3] for each in requests}
        spoken = collector.named("nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline")
        heard = collector.named("nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize")
        assert {tuple(path(collector, span)[:-1]) for span in spoken} == {(CONVERSE, "turn", "reply")}
        assert {tuple(path(collector, span)[:-1]) for span in heard} == {(CONVERSE,)}


async def test_a_strangers_trace_is_a_link() -> None:
    """Who is not known cannot decide what is sampled; the caller's trace is found from the session all the same."""
    async with FakeCollector() as collector:
        async with world("what is a pod", settings=settings(collector)) as around:
            await call(around, QUESTION, traceparent=TRACEPARENT)
        (session,) = collector.named(CONVERSE)
        assert (session.parent_id, session.trace_id != TRACE) == ("", True)
        assert [(link.trace_id, link.span_id) for link in session.links] == [(TRACE, SPAN)]


async def test_the_budget_of_every_turn_tiles_its_time_from_voice_to_voice() -> None:
    """In the collector as in the report that the client gets: no gap, no overlap, the whole time, within 5 ms."""
    async with FakeCollector() as collector:
        replies = ("A pod runs. It is small.", "It is a house. It is big.", "Yes.")
        questions = ("what is a pod", "what is a node", "is it here")
        async with world(*questions, replies=replies, settings=settings(collector)) as around:
            reports = await call(around, QUESTION, QUESTION, QUESTION)
        turns = sorted(collector.named("turn"), key=lambda span: span.start_ns)
        assert len(turns) == len(reports) == 3
        for turn, report in zip(turns, reports, strict=True):
            spans = [each for each in collector.below(turn) if each.attributes.get(OVERLAPPED) is False]
            assert [span.name for span in spans] == [span.name for span in report.spans if not span.is_overlapped]
            assert all(this.end_ns == following.start_ns for this, following in itertools.pairwise(spans))
            whole_ms = (spans[-1].end_ns - spans[0].start_ns) / 1_000_000
            assert abs(whole_ms - report.total_ms) <= 5
            assert turn.attributes["voicegateway.voice_to_voice_ms"] == report.total_ms
            assert turn.start_ns <= spans[0].start_ns
            assert spans[-1].end_ns <= turn.end_ns


async def test_tools_stand_below_the_turn_that_called_them() -> None:
    """Both rounds of the model, and the client's tool, in one turn."""
    replies = (Reply("", (ToolCall("door", "{}", "c1"),)), "It is open.")
    async with FakeCollector() as collector, world(replies=replies, settings=settings(collector)) as around:
        async with ConverseClient(around.address) as client:
            door = client_pb2.Tool(name="door", description="Opens it.", parameters_json='{"type": "object"}')
            await client.start(client_pb2.Start(tools=[door]))
            client.send_text("Open the door.")
            asked = (await client.wait_for("tool_call")).response.tool_call
            result = client_pb2.ToolResult(call_id=asked.call_id, output="it is open")
            client.send(service_pb2.ConverseRequest(tool_result=result))
            await client.half_close()
            await client.wait_end(20)
        await collector.wait_until(lambda: bool(collector.named(CONVERSE)), timeout_s=20)
        (turn,) = collector.named("turn")
        below = [span.name for span in collector.below(turn) if span.name in ("reply", TOOL)]
        assert below == ["reply", TOOL, "reply"]


async def test_the_older_contract_is_traced_by_its_own_method() -> None:
    """Its clients bring no trace; their calls are found by the name of what they called."""
    async with FakeCollector() as collector:
        async with world(settings=settings(collector)) as around, LegacyClient(around.address) as client:
            client.configure()
            client.send_text("Hello.")
            await client.half_close()
            await client.wait_end()
        assert [span.kind for span in collector.named("voice_workflow.VoiceGateway/StreamAudio")] == ["SERVER"]


@pytest.mark.parametrize("fault", ["down", "stuck", "refuses"])
async def test_a_collector_that_is_ill_disturbs_no_call(fault: str) -> None:
    """It is down, or never answers, or refuses: calls go on, and end, as if there were none."""
    async with FakeCollector(delay_ms=60_000 if fault == "stuck" else 0, refuses=fault == "refuses") as collector:
        told = settings(collector, OTEL_BSP_SCHEDULE_DELAY="1")
        if fault == "down":
            told["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
        async with world("what is a pod", "what is a node", settings=told) as around:
            reports = await call(around, QUESTION, QUESTION)
        assert len(reports) == 2


async def test_nothing_that_was_said_leaves_the_gateway_unasked() -> None:
    """By default no span holds a word of the user or the agent."""
    async with FakeCollector() as collector:
        async with world("elderberry", replies=("Mulberries, surely.",), settings=settings(collector)) as around:
            await call(around, QUESTION)
        assert {"turn", "reply", "chat fake-model"} <= {span.name for span in collector.spans}
        told = str(collector.spans).lower()
        assert "elderberry" not in told
        assert "mulberries" not in told


async def test_a_call_that_is_cut_off_is_traced_to_its_end() -> None:
    """A server that stops with calls in progress sends their sessions, too: all that is theirs has its parent."""
    async with FakeCollector() as collector:
        async with world(replies=("word " * 100,), settings=settings(collector)) as around:
            client = ConverseClient(around.address)
            async with client:
                await client.start(client_pb2.Start())
                client.send_text("Hello.")
                await client.wait_for("reply_audio", timeout_s=20)
                await around.gateway.stop()
        ids = {span.span_id for span in collector.spans}
        assert {CONVERSE, "turn", "reply"} <= {span.name for span in collector.spans}
        assert [span.name for span in collector.spans if span.parent_id not in ids] == [CONVERSE]
