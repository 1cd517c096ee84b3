"""Several replicas of a backend behind one name, on loopback addresses and real sockets, found by a fake resolver."""

import asyncio
import gc
import ssl
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from aiohttp import web
from gateway_kit.replicas import HOSTS, MESSAGES, REPLY, SESSION, Names, free_port, llms, recognizers, reply
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc
from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.openai_chat.endpoint import RequestRefusedError
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.backends.riva import asr
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.failures import Blame, CallFailedError
from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.domain.audio import pcm_bytes
from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import BackendError, QuestionTooLong, Reason, RecognitionStalled
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.ports import RecognitionSpec, VoiceSpec
from voicegateway_testkit.fakes.tts import FakeTts, TtsTiming
from voicegateway_testkit.faults import (
    CloseBeforeAnswer,
    DieAfterAudio,
    DieAfterTokens,
    EndAtOnce,
    Hang,
    HttpFailure,
    LlmFault,
    Refuse,
)
from voicegateway_testkit.speech import utterance_pcm

RATE_HZ = 16_000
SPEC = RecognitionSpec("en-US", RATE_HZ, stop_history_eou_ms=240, stop_history_ms=480)
VOICE = VoiceSpec("en-US", "Fake.EN-US.Leo", 22_050)


async def microphone(pcm: bytes, *, ends: bool = True) -> AsyncIterator[bytes]:
    """Audio in 100 ms batches."""
    size = pcm_bytes(100, RATE_HZ)
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]
    if not ends:
        await asyncio.Event().wait()


async def test_a_question_that_is_too_long_goes_to_one_replica_alone() -> None:
    """All replicas have the same model: the first that says so is believed, none is doubted for it, and the turn does
    not pay for asking the next.
    """
    async with llms(2, context_tokens=20) as (client, fakes):
        for _ in range(3):
            with pytest.raises(QuestionTooLong):
                await reply(client)
        assert sum(len(fake.requests) for fake in fakes) == 3
        assert {each.state for each in client.pool.status().addresses} == {AddressState.HEALTHY}


async def test_replies_go_to_the_least_busy_replica() -> None:
    """Replicas of a model share the work by what is in progress, not by whose connection is oldest."""
    async with llms(3) as (client, fakes), AsyncExitStack() as stack:
        for _ in range(6):
            for fake in fakes:
                fake.faults.heal()
            pieces = await stack.enter_async_context(aclosing(client.reply(SESSION, MESSAGES)))
            await anext(pieces)
        assert [len(fake.requests) for fake in fakes] == [2, 2, 2]
        assert [address.calls for address in client.pool.status().addresses] == [2, 2, 2]
    assert [address.calls for address in client.pool.status().addresses] == [0, 0, 0]


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What is in a circle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("fault", [HttpFailure(400), HttpFailure(503), CloseBeforeAnswer()], ids=str)
async def test_a_failed_request_goes_with_whoever_has_met_its_error(fault: LlmFault) -> None:
    """An error in a circle with its frames keeps the conversation, 100 kB of it, until the collector comes."""
    met: list[weakref.ref[BaseException]] = []
    async with llms(1) as (client, fakes):
        fakes[0].faults.always(fault)
        try:
            await anext(client.reply(SESSION, MESSAGES))
        except BackendError as error:
            met += [weakref.ref(each) for each in (error, error.__cause__) if each is not None]
        assert [each() for each in met] == [None, None]


@pytest.mark.usefixtures("without_collector")
async def test_a_request_that_another_address_answers_keeps_no_error() -> None:
    """While one replica is ill, every turn would keep its conversation."""
    async with llms(2) as (client, fakes):
        fakes[0].faults.always(HttpFailure(503))
        for _ in range(4):
            async with aclosing(client.reply(SESSION, MESSAGES)) as pieces:
                assert await anext(pieces)
        assert fakes[0].requests
        assert not [each for each in gc.get_objects() if type(each) is RequestRefusedError]


@pytest.mark.parametrize(
    "fault", [Hang(), HttpFailure(503), HttpFailure(429), CloseBeforeAnswer(), DieAfterTokens(0)], ids=str
)
async def test_a_model_that_does_not_begin_is_passed_over(fault: LlmFault) -> None:
    """A replica that hangs, refuses, is full or dies before its first token costs the user a moment, not the reply."""
    settings = OpenAiChatSettings("http://unset", model="m", first_token_deadline_ms=1_000)
    async with llms(2, settings) as (client, (first, second)):
        first.faults.always(fault)
        assert await reply(client) == REPLY
        await first.wait_until(lambda: first.open_requests == 0)
        assert (len(first.requests), len(second.requests)) == (1, 1)
        assert await reply(client) == REPLY
        assert len(first.requests) == 1  # a doubted address is not tried while another is there


@pytest.mark.parametrize("count", [1, 2])
async def test_requests_that_no_model_serves_take_none_away_from_others(count: int) -> None:
    """Text that makes every model answer 500 ejects none, whoever sends it: newcomers are let in and served."""
    async with llms(count) as (client, fakes):
        for fake in fakes:
            fake.faults.always(HttpFailure(500))
        for number in range(12):
            with pytest.raises(BackendError, match="500"):
                await reply(client, SessionId(f"hostile{number % 4}"))
        assert client.pool.is_healthy
        assert {address.state for address in client.pool.status().addresses} == {AddressState.HEALTHY}
        for fake in fakes:
            fake.faults.heal()
        assert await reply(client, SessionId("newcomer")) == REPLY


async def test_one_callers_broken_replies_eject_no_model() -> None:
    """Text that makes a model die in the midst of its reply is one session's, and counts as one failure."""
    async with llms(2) as (client, (first, _second)):
        for _ in range(6):
            first.faults.next(DieAfterTokens(1))
            with suppress(BackendError):
                await reply(client)
            await client.pool.probe()
        assert {address.state for address in client.pool.status().addresses} == {AddressState.HEALTHY}


async def test_a_refusal_that_is_the_requests_own_is_not_carried_round() -> None:
    """What two replicas refuse for what it is, the others would refuse, too, and none is to blame."""
    async with llms(3) as (client, (first, second, third)):
        for fake in (first, second, third):
            fake.faults.always(HttpFailure(400))
        with pytest.raises(BackendError, match="400"):
            await reply(client)
        assert [len(fake.requests) for fake in (first, second, third)] == [1, 1, 0]
        assert {address.cause for address in client.pool.status().addresses} == {""}


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_one_replica_that_refuses_everything_draws_nobody(status: int) -> None:
    """With an old model's name or another key it has the fewest calls in progress, and all would go there."""
    async with llms(2) as (client, (refuses, serves)):
        refuses.faults.always(HttpFailure(status))
        async with aclosing(client.reply(SESSION, MESSAGES)) as busy:
            await anext(busy)
            assert [await reply(client, SessionId(f"s{number}")) for number in range(4)] == [REPLY] * 4
        assert (len(refuses.requests), len(serves.requests)) == (1, 5)
        assert client.pool.status().addresses[0].cause == f"refused with HTTP status {status}"


@pytest.mark.parametrize("left", ["the one that is asked", "the next one"])
async def test_an_address_that_leaves_while_a_reply_is_begun_costs_no_reply(left: str) -> None:
    """In every rollout a pod leaves its name while it, or another, is asked: who is there yet answers."""
    async with llms(3) as (client, (first, _, third)):
        first.faults.always(Hang())
        asking = asyncio.create_task(reply(client))
        await first.wait_until(lambda: first.open_requests == 1)
        names = HOSTS[1:] if left == "the one that is asked" else (HOSTS[0], HOSTS[2])
        client.pool._resolve_host = Names(*names)
        await client.pool.probe()
        if left == "the next one":
            await client.pool.probe()
        await first.stop()
        assert await asking == REPLY
        assert len(third.requests) == (left == "the next one")


async def test_a_full_model_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that limits its rate answers 429 to health checks, too: it lives, and newcomers are let in."""
    async with llms(1) as (client, (only,)):

        async def full(_: web.Request) -> web.Response:
            return web.json_response({"error": {"message": "slow down"}}, status=429)

        await only.stop()
        monkeypatch.setattr(only, "_list_models", full)
        await only.start()
        for _ in range(4):
            await client.pool.probe()
        assert client.pool.is_healthy
        assert await reply(client) == REPLY


async def test_when_every_model_fails_the_last_failure_is_told() -> None:
    """Each address is asked once, no reply is waited for without end, and the reason is that of the last."""
    settings = OpenAiChatSettings("http://unset", model="m", first_token_deadline_ms=200)
    async with llms(3, settings) as (client, fakes):
        for fake in fakes:
            fake.faults.always(Hang())
        with pytest.raises(BackendError) as caught:
            await reply(client)
        assert caught.value.reason is Reason.LLM_TIMEOUT
        assert [len(fake.requests) for fake in fakes] == [1, 1, 1]


async def test_those_who_ask_for_health_at_once_get_one_answer() -> None:
    """Sessions that doubt one address in the same moment are one failed check, not an ejection."""
    async with llms(1) as (client, (only,)):
        await only.stop()
        (member,) = client.pool.candidates()
        assert await asyncio.gather(*(member.ask() for _ in range(8))) == [False] * 8
        assert client.pool.status().addresses[0].state is AddressState.HEALTHY
        assert [await member.ask(), await member.ask()] == [False, False]
        assert client.pool.status().addresses[0].state is AddressState.EJECTED


async def test_a_model_that_dies_is_ejected_and_its_name_stays_served() -> None:
    """Replies go on while one of two pods is gone, and its address is out after three failures."""
    async with llms(2) as (client, (first, second)):
        await first.stop()
        for _ in range(3):
            await client.pool.probe()
        states = [address.state for address in client.pool.status().addresses]
        assert states == [AddressState.EJECTED, AddressState.HEALTHY]
        assert [await reply(client) for _ in range(3)] == [REPLY] * 3
        assert len(second.requests) == 3
        await first.start()
        await client.pool.probe()
        assert {address.state for address in client.pool.status().addresses} == {AddressState.HEALTHY}


async def test_the_model_is_called_by_its_name(tmp_path: Path) -> None:
    """Whatever address is called, TLS asks for and checks the configured name, and so does the Host header."""
    authority = trustme.CA()
    seen: list[tuple[str, str | None]] = []
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("llm.test").configure_cert(server_tls)
    asked: list[str | None] = []
    server_tls.sni_callback = lambda _socket, name, _context: asked.append(name)

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers.get("Host")))
        return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.2", 0, ssl_context=server_tls).start()
    port = runner.addresses[0][1]
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(root))
    for name, cause in (("llm.test", ""), ("other.test", "cannot be reached")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(root))
            client = OpenAiChat(OpenAiChatSettings(f"https://{name}:{port}"), Names("127.0.0.2"))
            await client.pool.probe()
            assert [address.cause for address in client.pool.status().addresses] == [cause]
            await client.pool.close()
    await runner.cleanup()
    assert asked == ["llm.test", "other.test"]
    assert seen == [("/v1/models", f"llm.test:{port}")]


async def test_recognition_that_answers_nothing_while_somebody_speaks_is_given_up() -> None:
    """A powered-off node sends no reset: silence under speech is what tells, and the next stream goes elsewhere."""
    pcm = utterance_pcm(800, 600, RATE_HZ)
    async with recognizers("hello there", "hello there") as (client, (first, second), _):
        first.faults.always(Hang())
        with pytest.raises(RecognitionStalled):
            async for _result in client.recognize(SESSION, SPEC, microphone(pcm, ends=False), lambda: 200):
                pass
        await first.wait_until(lambda: first.open_streams == 0)
        results = [result async for result in client.recognize(SESSION, SPEC, microphone(pcm), lambda: None)]
        assert results[-1].is_final
        assert len(second.streams) == 1
        # not every sound has words: to be slow is no failure, or a caller's music would eject every recogniser
        assert {address.state for address in client.pool.status().addresses} == {AddressState.HEALTHY}


async def test_a_dying_recogniser_is_left_by_new_streams_at_once() -> None:
    """After a pod died under a stream, the stream that replays its audio goes to another one."""
    pcm = utterance_pcm(800, 600, RATE_HZ)
    async with recognizers("hello there", "hello there") as (client, (first, second), _):
        reader = asyncio.create_task(
            anext(client.recognize(SESSION, SPEC, microphone(bytes(3_200), ends=False), lambda: None))
        )
        await first.wait_until(lambda: first.open_streams == 1)
        await first.stop()
        with pytest.raises(BackendError):
            await reader
        results = [result async for result in client.recognize(SESSION, SPEC, microphone(pcm), lambda: None)]
        assert results[-1].is_final
        assert len(second.streams) == 1


async def _fails(client: RivaRecognizer, session: SessionId) -> None:
    with pytest.raises(BackendError):
        # one message alone: a write that meets the end of the call loses the status
        async for _ in client.recognize(session, SPEC, microphone(bytes(3_200), ends=False), lambda: None):
            pass


@pytest.mark.parametrize("fault", [EndAtOnce(), DieAfterAudio(10)])
async def test_a_recogniser_that_ends_its_streams_at_once_draws_nobody(
    fault: EndAtOnce | DieAfterAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that all is well and has the fewest streams: the next stream of a session goes to another one.

    With an error its status may be lost, and then nobody knows whom to blame.
    """
    pcm = utterance_pcm(800, 600, RATE_HZ)
    lost = CallFailedError(Blame.UNKNOWN, "the server ended the call")
    monkeypatch.setattr(asr, "failure_of", lambda _: lost)
    async with recognizers("hello there", "hello there") as (client, (broken, good), _):
        broken.faults.always(fault)
        await _fails(client, SESSION)
        busy = client.recognize(SESSION, SPEC, microphone(bytes(3_200), ends=False), lambda: None)
        waiting = asyncio.ensure_future(anext(busy))
        await good.wait_until(lambda: good.open_streams == 1)
        assert (await _all(client, microphone(pcm), SessionId("another")))[-1].is_final
        assert (len(broken.streams), len(good.streams)) == (1, 2)
        waiting.cancel()
        await asyncio.wait({waiting})
        await busy.aclose()


async def test_streams_that_no_recogniser_answers_eject_none() -> None:
    """To take audio is no answer: what a caller says may be why each recogniser breaks, and others need them."""
    async with recognizers("hello there", "hello there") as (client, (first, second), _):
        for fake in (first, second):
            fake.faults.always(DieAfterAudio(10, grpc.StatusCode.INTERNAL))
        for number in range(4):
            await _fails(client, SessionId(f"s{number}"))
            await _fails(client, SessionId(f"s{number}"))
        assert min(len(first.streams), len(second.streams)) > 2
        assert {address.state for address in client.pool.status().addresses} == {AddressState.HEALTHY}


async def test_a_recogniser_is_blamed_when_another_answers_the_next_stream() -> None:
    """One that breaks every stream before its first word is left alone, once three sessions were heard elsewhere."""
    pcm = utterance_pcm(800, 600, RATE_HZ)
    async with recognizers("hello there", "hello there") as (client, (broken, good), _):
        broken.faults.always(DieAfterAudio(10, grpc.StatusCode.INTERNAL))
        for number in range(3):
            await client.pool.probe()  # each time it says that it is well
            session = SessionId(f"s{number}")
            await _fails(client, session)  # its turn, as it was used before the other
            assert (await _all(client, microphone(pcm), session))[-1].is_final
        assert (len(broken.streams), len(good.streams)) == (3, 3)
        assert [address.state for address in client.pool.status().addresses] == [
            AddressState.EJECTED,
            AddressState.HEALTHY,
        ]


async def test_sessions_that_nobody_answers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes, fails and never returns leaves nothing behind for good."""
    monkeypatch.setattr(asr, "MAX_UNSERVED", 2)
    async with recognizers("hello there") as (client, (only,), _):
        only.faults.always(DieAfterAudio(10, grpc.StatusCode.INTERNAL))
        for number in range(4):
            await _fails(client, SessionId(f"s{number}"))
        assert list(client._unserved) == ["s2", "s3"]


async def test_added_and_removed_recognisers_are_followed() -> None:
    """After a new resolution new streams go to the added pod; the removed one keeps its stream to its end."""
    pcm = utterance_pcm(800, 600, RATE_HZ)
    async with recognizers("hello there", "hello there") as (client, (first, second), names):
        names.hosts = (HOSTS[0],)
        await client.pool.probe()
        gate = asyncio.Event()

        async def gated() -> AsyncIterator[bytes]:
            yield bytes(3_200)
            await gate.wait()
            async for batch in microphone(pcm):
                yield batch

        running = asyncio.create_task(_all(client, gated()))
        await first.wait_until(lambda: first.open_streams == 1)
        names.hosts = (HOSTS[1],)
        await client.pool.probe()
        assert (await _all(client, microphone(pcm)))[-1].is_final
        assert len(second.streams) == 1
        leaving = client.pool.status().addresses[0]
        assert (leaving.is_leaving, leaving.calls) == (True, 1)
        gate.set()
        assert (await running)[-1].is_final
        assert [address.is_leaving for address in client.pool.status().addresses] == [False]


async def _all(client: RivaRecognizer, audio: AsyncIterator[bytes], session: SessionId = SESSION) -> list[Any]:
    return [result async for result in client.recognize(session, SPEC, audio, lambda: None)]


async def test_a_recogniser_that_says_it_does_not_serve_is_ejected() -> None:
    """grpc.health.v1 is believed where there is one: a pod that shuts down, or still loads its model, gets no calls."""
    async with recognizers("hello", "hello") as (client, (first, _), _names):
        await first.set_serving(serving=False)
        for _ in range(3):
            await client.pool.probe()
        states = {address.address: (address.state, address.cause) for address in client.pool.status().addresses}
        assert states[first.address] == (AddressState.EJECTED, "not serving")
        await first.set_serving(serving=True)
        await client.pool.probe()
        assert {address.state for address in client.pool.status().addresses} == {AddressState.HEALTHY}


class OldRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]  # the stubs have no types
    """A server without grpc.health.v1, as older ones are."""

    async def GetRivaSpeechRecognitionConfig(self, _request: object, _context: object) -> Any:  # noqa: N802  its name
        """A listing."""
        row = riva_asr_pb2.RivaSpeechRecognitionConfigResponse.Config
        parameters = {"type": "online", "language_code": "en-US"}
        return riva_asr_pb2.RivaSpeechRecognitionConfigResponse(model_config=[row(parameters=parameters)])


async def test_tls_asks_for_the_configured_name_and_health_for_what_there_is(tmp_path: Path) -> None:
    """A certificate of the name is accepted at every address, one of another name at none; config is health enough."""
    authority = trustme.CA()
    issued = authority.issue_cert("riva.test")
    server = grpc.aio.server()
    riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(OldRiva(), server)
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    port = server.add_secure_port("127.0.0.2:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(root))
    for name, is_healthy in (("riva.test", True), ("other.test", False)):
        settings = RivaSettings((f"{name}:{port}",), tls=True, tls_ca_file=root)
        client = RivaRecognizer(settings, Names("127.0.0.2"))
        await client.pool.probe()
        assert client.pool.is_healthy is is_healthy
        await client.pool.close()
    await server.stop(None)


async def test_a_sentence_is_spoken_by_whoever_can() -> None:
    """Synthesis that refuses, or gives no audio in time, is passed over; three times and it is out."""
    port = free_port()
    at_once = TtsTiming(first_audio_ms=0, chunk_every_ms=0)
    async with FakeTts(timing=at_once).at(HOSTS[0], port) as first, FakeTts(timing=at_once).at(HOSTS[1], port) as other:
        riva = RivaSettings((f"tts.test:{port}",))
        client = RivaSynthesizer(RivaTtsSettings(riva, first_audio_deadline_ms=1_000), Names(*HOSTS[:2]))
        await client.pool.probe()
        for session, fault in ((SessionId("s1"), Refuse()), (SessionId("s2"), Hang())):
            first.faults.next(fault)
            chunks = [chunk async for chunk in client.synthesize(session, VOICE, "Good morning.")]
            assert b"".join(chunk.pcm for chunk in chunks) == other.sentences[-1].spoken.pcm
            await client.pool.probe()  # which forgives the doubt, and not the failed call
        first.faults.next(Refuse())
        session = SessionId("s3")
        async for _ in client.synthesize(session, VOICE, "Good morning."):
            pass
        assert client.pool.status().addresses[0].state is AddressState.EJECTED
        await client.pool.close()
