"""The language model over real sockets, against the test kit's OpenAI server."""

import asyncio
import logging
import socket
from contextlib import aclosing
from dataclasses import replace

import pytest
from aiohttp import web
from gateway_kit.backend_watch import FakeWatch
from gateway_kit.chat_caller import MESSAGES, REPLY, SESSION, SETTINGS, collect, fake_llm, llm
from gateway_kit.http_peer import answering
from voice_gateway.backends.openai_chat import completion, oddity_log
from voice_gateway.backends.openai_chat.chunks import Oddity
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.chat import Tool, ToolCall, ToolPlace
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voicegateway_testkit.fakes.llm import FakeLlm, LlmOutcome, LlmTiming, Reply
from voicegateway_testkit.fakes.llm import ToolCall as KitCall
from voicegateway_testkit.faults import (
    CloseBeforeAnswer,
    DieAfterTokens,
    Hang,
    HttpFailure,
    LlmFault,
    MalformedAfterTokens,
    StallAfterTokens,
)


async def failure_of(fault: LlmFault, settings: OpenAiChatSettings = SETTINGS) -> tuple[BackendError, FakeLlm]:
    """The error of a reply whose every request meets `fault`."""
    async with fake_llm() as fake, llm(fake.base_url, settings) as client:
        fake.faults.always(fault)
        with pytest.raises(BackendError) as caught:
            await collect(client)
        await fake.wait_until(lambda: fake.open_requests == 0)
    assert caught.value.backend is Backend.LLM
    return caught.value, fake


async def test_reply_arrives_whole_and_in_pieces() -> None:
    """Every token of the reply comes out, in order, and the request ran to its proper end."""
    async with fake_llm() as fake, llm(fake.base_url) as client:
        pieces = await collect(client)
        await fake.wait_until(lambda: fake.open_requests == 0)
        assert fake.requests[0].outcome is LlmOutcome.FINISHED
    assert "".join(pieces) == REPLY
    assert len(pieces) > 1


async def test_request_carries_conversation_and_settings() -> None:
    """The server sees the messages, the model, its limits and the key; a URL without its version works."""
    settings = replace(SETTINGS, model="m", api_key="sk-1", temperature=0.25, max_tokens=77)
    async with fake_llm() as fake, llm(fake.base_url.removesuffix("/v1"), settings) as client:
        await collect(client)
        (request,) = fake.requests
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time is it?"},
    ]
    assert (request.body["model"], request.body["temperature"], request.body["max_tokens"]) == ("m", 0.25, 77)
    assert request.authorization == "Bearer sk-1"


async def test_model_defaults_to_the_first_listed() -> None:
    """Without a configured model the endpoint's first is used, also before any probe."""
    async with fake_llm() as fake, llm(fake.base_url, replace(SETTINGS, model="")) as client:
        await collect(client)
        assert fake.requests[0].body["model"] == "fake-model"


async def test_next_reply_uses_the_same_connection() -> None:
    """A reply is read to the end of its body, so that the next turn does not pay for a new connection."""
    peers: list[object] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        peers.append(request.get_extra_info("peername"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]}\n\n')
        await response.write(b"data: [DONE]\n\n")
        return response

    async with answering(answer) as url, llm(url) as client:
        assert [await collect(client) for _ in range(3)] == [["Hi."]] * 3
    assert len(peers) == 3
    assert len(set(peers)) == 1


@pytest.mark.parametrize("fault", [HttpFailure(429), HttpFailure(503), CloseBeforeAnswer(), DieAfterTokens(0)], ids=str)
async def test_passing_failure_before_the_first_token_is_repeated_once(fault: LlmFault) -> None:
    """What a second request may mend costs the user a moment, not the reply."""
    async with fake_llm() as fake, llm(fake.base_url) as client:
        fake.faults.next(fault)
        assert "".join(await collect(client)) == REPLY
        assert len(fake.requests) == 2


@pytest.mark.parametrize("fault", [HttpFailure(429), HttpFailure(503), CloseBeforeAnswer()], ids=str)
async def test_failure_that_stays_is_told_after_two_requests(fault: LlmFault) -> None:
    """A server in trouble is asked twice and no more, and the reason is LLM_FAILED."""
    error, fake = await failure_of(fault)
    assert error.reason is Reason.LLM_FAILED
    assert len(fake.requests) == 2


async def test_refused_key_is_not_repeated_and_not_shown() -> None:
    """A wrong key stays wrong: one request, and a message without key, address or the server's own words."""
    error, fake = await failure_of(HttpFailure(401), replace(SETTINGS, api_key="sk-secret"))
    assert error.reason is Reason.LLM_FAILED
    assert "401" in error.message
    assert len(fake.requests) == 1
    for secret in ("sk-secret", "127.0.0.1", "the fake answers"):
        assert secret not in error.message


async def test_silence_before_the_first_token_is_a_timeout() -> None:
    """A server that never begins fails with LLM_TIMEOUT at the deadline; its request is aborted, none is repeated."""
    error, fake = await failure_of(Hang(), replace(SETTINGS, first_token_deadline_ms=500))
    assert error.reason is Reason.LLM_TIMEOUT
    assert [request.outcome for request in fake.requests] == [LlmOutcome.DISCONNECTED]


async def test_headers_alone_do_not_meet_the_deadline() -> None:
    """A server that accepts at once and then says nothing has not begun to reply."""
    error, fake = await failure_of(StallAfterTokens(0), replace(SETTINGS, first_token_deadline_ms=500))
    assert error.reason is Reason.LLM_TIMEOUT
    assert [request.outcome for request in fake.requests] == [LlmOutcome.DISCONNECTED]


async def test_reply_that_never_ends_is_a_timeout() -> None:
    """A reply that stops in mid-sentence and stays open is given up at the total deadline, after what it said."""
    written: list[str] = []
    async with fake_llm() as fake, llm(fake.base_url, replace(SETTINGS, total_deadline_ms=500)) as client:
        fake.faults.always(StallAfterTokens(3))
        with pytest.raises(BackendError) as caught:
            await collect(client, written)
        await fake.wait_until(lambda: fake.disconnects == 1)
        assert len(fake.requests) == 1
    assert caught.value.reason is Reason.LLM_TIMEOUT
    assert "".join(written) == "It is noon."


@pytest.mark.parametrize("fault", [DieAfterTokens(3), MalformedAfterTokens(3)], ids=str)
async def test_death_in_mid_sentence_is_noticed(fault: LlmFault) -> None:
    """A broken stream is a failure after what was written, never a finished reply, and is not written anew."""
    written: list[str] = []
    async with FakeLlm([REPLY], timing=LlmTiming(ttft_ms=0, token_ms=5)) as fake, llm(fake.base_url) as client:
        fake.faults.always(fault)
        with pytest.raises(BackendError) as caught:
            await collect(client, written)
        assert len(fake.requests) == 1
    assert caught.value.reason is Reason.LLM_FAILED
    assert REPLY.startswith("".join(written))
    assert written


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'data: {"choices": [{"delta": {"content": "It is"}}]}\n\n', "broke off"),
        (
            b'data: {"choices": [{"delta": {"content": "It is"}}]}\n\ndata: {"error": {"message": "oom"}}\n\n',
            "reported",
        ),
        (b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n', "no text"),
        (b"<html>hello</html>", "answered with a page"),
        (b'{"error": {"message": "oom"}}', "reported"),
    ],
)
async def test_accepted_stream_without_a_proper_reply_is_a_failure(body: bytes, says: str) -> None:
    """A clean end of the body proves nothing: without text and a stated end there is no reply."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/event-stream")

    async with answering(answer) as url, llm(url) as client:
        with pytest.raises(BackendError, match=says) as caught:
            await collect(client)
    assert caught.value.reason is Reason.LLM_FAILED


@pytest.mark.parametrize("breaks", [True, False], ids=["breaks the connection", "keeps it open"])
async def test_stated_end_is_the_end(*, breaks: bool) -> None:
    """What a server does with the connection after the end of its reply neither spoils the reply nor holds it up."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]}\n\n')
        if breaks and request.transport is not None:
            request.transport.close()
        await asyncio.Event().wait()
        return response

    async with answering(answer) as url, llm(url) as client, asyncio.timeout(5):
        assert await collect(client) == ["Hi."]


async def test_what_follows_a_stated_reason_belongs_to_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers state a reason with every piece or after each call: none of what comes later is lost."""
    monkeypatch.setattr(completion, "_AFTER_REASON_S", 60)
    is_read = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices": [{"delta": {"content": "It is"}, "finish_reason": "stop"}]}\n\n')
        await is_read.wait()
        await response.write(b'data: {"choices": [{"delta": {"content": " noon."}, "finish_reason": "stop"}]}\n\n')
        await response.write(b"data: [DONE]\n\n")
        return response

    pieces: list[str | ToolCall] = []
    async with answering(answer) as url, llm(url) as client, asyncio.timeout(30):
        async for piece in client.reply(SESSION, MESSAGES):
            pieces.append(piece)
            is_read.set()
    assert pieces == ["It is", " noon."]


async def test_closing_aborts_the_request() -> None:
    """An interrupted reply stops costing tokens: the server sees the peer go while it still writes."""
    async with fake_llm() as fake, llm(fake.base_url) as client:
        fake.faults.next(StallAfterTokens(2))
        async with aclosing(client.reply(SESSION, MESSAGES)) as pieces:
            await anext(pieces)
        await fake.wait_until(lambda: fake.disconnects == 1)


async def test_cancelled_reader_aborts_the_request() -> None:
    """A task cancelled while it waits for the first token aborts its request, and stays cancelled."""
    async with fake_llm() as fake, llm(fake.base_url) as client:
        fake.faults.next(Hang())
        reader = asyncio.create_task(collect(client))
        await fake.wait_until(lambda: fake.open_requests == 1)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await fake.wait_until(lambda: fake.disconnects == 1)


async def test_probe_follows_the_endpoint() -> None:
    """Health is unknown, then good, then bad with the server gone, then good again."""
    async with fake_llm() as fake, llm(fake.base_url) as client:
        assert client.pool.backend is Backend.LLM
        seen = [client.pool.is_healthy]
        for change in (None, fake.stop, fake.start):
            if change is not None:
                await change()
            for _ in range(3):
                await client.pool.probe()
            seen.append(client.pool.is_healthy)
    assert seen == [False, True, False, True]


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    """What the log says of addresses: the event, and its cause."""
    records = [record for record in caplog.records if record.name.startswith("voice_gateway")]
    return [
        (record.getMessage(), vars(record).get("cause")) for record in records if "found" not in record.getMessage()
    ]


async def test_changes_of_health_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The person on call sees that the model went, was given up and came back, not a line for each health check."""
    caplog.set_level(logging.INFO, "voice_gateway")
    async with fake_llm() as fake, llm(fake.base_url, replace(SETTINGS, api_key="sk-secret")) as client:
        for change in (None, fake.stop, fake.start):
            if change is not None:
                await change()
            for _ in range(4):
                await client.pool.probe()
    answers, fails = ("backend address answers", None), ("backend address fails", "cannot be reached")
    assert told(caplog) == [answers, fails, fails, answers]
    assert [vars(record)["is_ejected"] for record in caplog.records if "cause" in vars(record)] == [False, True]
    assert "sk-secret" not in caplog.text


async def test_cause_is_told_from_the_first_probe_on(caplog: pytest.LogCaptureFixture) -> None:
    """A model that has never answered says why, once for each cause: most of all a wrong key."""
    caplog.set_level(logging.INFO, "voice_gateway")
    statuses = [401, 401, 503]

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=statuses.pop(0))

    async with answering(answer) as url, llm(url) as client:
        for _ in range(3):
            await client.pool.probe()
    causes = [cause for event, cause in told(caplog) if event == "backend address fails"]
    assert causes == ["refused with HTTP status 401", "refused with HTTP status 503"]


async def test_unreachable_endpoint_fails_the_reply_and_its_health() -> None:
    """With nobody listening a reply fails at once and typed, and the endpoint is soon down until it answers."""
    async with fake_llm() as fake, llm(fake.base_url) as client:
        await collect(client)
        assert client.pool.is_healthy
        await fake.stop()
        for _ in range(2):  # each is repeated once
            with pytest.raises(BackendError, match="cannot be reached") as caught:
                await collect(client)
            assert caught.value.reason is Reason.LLM_FAILED
        for _ in range(3):
            await client.pool.probe()
        assert not client.pool.is_healthy


async def test_one_requests_failure_leaves_the_endpoint_healthy() -> None:
    """A refused or broken reply is that request's trouble; new sessions are still let in."""
    async with fake_llm() as fake, llm(fake.base_url) as client:
        await client.pool.probe()
        fake.faults.next(HttpFailure(400), DieAfterTokens(2))
        for _ in range(2):
            with pytest.raises(BackendError):
                await collect(client)
        assert client.pool.is_healthy


async def test_probe_gives_up_at_its_deadline() -> None:
    """An endpoint that accepts and never answers is failing, not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with llm(url, replace(SETTINGS, probe_deadline_ms=50)) as client:
            await client.pool.probe()
            assert [address.cause for address in client.pool.status().addresses] == ["took too long"]
            assert not client.pool.is_healthy


async def test_probe_wants_a_listing() -> None:
    """A proxy that answers everything with its own page is no model server, and no exception either."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async with answering(answer) as url, llm(url) as client:
        await client.pool.probe()
        assert not client.pool.is_healthy


CALLS = (KitCall("weather", '{"place": "the eternal city"}', "c1"), KitCall("stop", "{}", "c2"))


def calling_llm(text: str) -> FakeLlm:
    """A model that ends with calls."""
    return FakeLlm([Reply(text, CALLS)], timing=LlmTiming(ttft_ms=0, token_ms=0))


@pytest.mark.parametrize(("text", "texts"), [("", []), ("One moment.", ["One", " moment."])])
async def test_tool_calls_come_after_the_text(text: str, texts: list[str]) -> None:
    """Calls are whole, in order and last; a reply that is only calls is no error, and tools go out with the request."""
    tools = (Tool("weather", "Tells.", "", ToolPlace.SERVER),)
    async with calling_llm(text) as fake, llm(fake.base_url) as client:
        pieces = [piece async for piece in client.reply(SESSION, MESSAGES, tools)]
        async for _ in client.reply(SESSION, MESSAGES):
            pass
    calls = [ToolCall(call.call_id, call.name, call.arguments_json) for call in CALLS]
    assert pieces == [*texts, *calls]
    assert [tool["function"]["name"] for tool in fake.requests[0].body["tools"]] == ["weather"]
    assert "tools" not in fake.requests[1].body


async def test_a_reply_that_breaks_within_a_call_is_broken() -> None:
    """Half a call is never made; and it counts as begun, so that the request is not repeated."""
    async with calling_llm("") as fake, llm(fake.base_url) as client:
        fake.faults.always(DieAfterTokens(2))
        pieces: list[str] = []
        with pytest.raises(BackendError) as caught:
            await collect(client, pieces)
    assert (pieces, caught.value.reason, len(fake.requests)) == ([], Reason.LLM_FAILED, 1)


async def test_what_is_not_known_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pings and filters' verdicts end no reply; the log has one line for each kind, without a word of the server.

    Each reply that has a kind counts once, however many of its events are of it.
    """
    watch = FakeWatch()
    monkeypatch.setattr(oddity_log, "_noted", set())
    events = (
        b'event: ping\ndata: {"secret": "hunter2"}\n\n',
        b"event: ping\ndata: {}\n\n",
        b'data: {"choices": [{"index": 0, "content_filter_results": {}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": [{"type": "text", "text": "Hi."}]}}]}\n\n',
        b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n',
    )

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b"".join(events), content_type="text/event-stream")

    async with answering(answer) as url, llm(url) as client:
        client.pool.watch(watch)
        assert [await collect(client) for _ in range(2)] == [["Hi."], ["Hi."]]
    kinds = [vars(record)["kind"] for record in caplog.records if "unknown" in record.getMessage()]
    assert sorted(kinds) == [Oddity.CHOICE, Oddity.NO_CHOICES]
    assert sorted(watch.skipped) == [(Backend.LLM, "choice")] * 2 + [(Backend.LLM, "no_choices")] * 2
    assert "hunter2" not in caplog.text


async def test_further_fields_go_out_and_others_stay_away() -> None:
    """The request has what is configured, and nothing that is off."""
    settings = replace(
        SETTINGS,
        temperature=None,
        max_tokens=9,
        max_tokens_field="max_completion_tokens",
        extra_body_json='{"top_k": 1}',
    )
    async with fake_llm() as fake, llm(fake.base_url, settings) as client:
        await collect(client)
        body = fake.requests[0].body
    assert body.keys() == {"model", "messages", "stream", "max_completion_tokens", "top_k"}


async def test_a_refused_parameter_is_named_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the log or the error knows which setting to change; nothing else of the server's words is there."""
    monkeypatch.setattr(oddity_log, "_noted", set())

    async def answer(_request: web.Request) -> web.Response:
        message = "Unsupported parameter: 'max_tokens' is not supported by hunter2"
        return web.json_response({"error": {"message": message, "param": "max_tokens"}}, status=400)

    async with answering(answer) as url, llm(url) as client:
        for _ in range(2):
            with pytest.raises(BackendError, match="refused max_tokens with HTTP status 400"):
                await collect(client)
    named = [vars(record)["parameter"] for record in caplog.records if "parameter" in record.getMessage()]
    assert named == ["max_tokens"]
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("body", [b"no", b"{" * 20_000], ids=["no json", "too large"])
async def test_a_refusal_that_cannot_be_read_is_one_all_the_same(body: bytes) -> None:
    """Its status is told."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=422)

    async with answering(answer) as url, llm(url) as client:
        with pytest.raises(BackendError, match="refused with HTTP status 422"):
            await collect(client)


async def test_a_thought_that_the_template_opened_is_not_given() -> None:
    """As it is configured, for every reply of the endpoint."""
    reply = "Hm, the time.</think> It is noon."
    settings = replace(SETTINGS, begins_in_thought=True)
    async with (
        FakeLlm([reply], timing=LlmTiming(ttft_ms=0, token_ms=0)) as fake,
        llm(fake.base_url, settings) as client,
    ):
        assert "".join(await collect(client)) == "It is noon."


async def test_a_reply_that_is_all_thought_is_none() -> None:
    """The user is told that no answer could be had, and hears no silence."""
    thought = "<think>Let me see, one two three."
    async with FakeLlm([thought], timing=LlmTiming(ttft_ms=0, token_ms=0)) as fake, llm(fake.base_url) as client:
        with pytest.raises(BackendError, match="gave no text") as caught:
            await collect(client)
        assert len(fake.requests) == 1
    assert caught.value.reason is Reason.LLM_FAILED
