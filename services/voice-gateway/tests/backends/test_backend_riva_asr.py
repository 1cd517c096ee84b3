"""Recognition over real sockets, against the test kit's Riva."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager

import grpc
import pytest
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.settings import RivaSettings
from voice_gateway.domain.audio import pcm_bytes
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.transcript import RecognitionResult
from voice_gateway.session.ports import RecognitionSpec
from voicegateway_testkit.fakes.asr import AsrTiming, FakeAsr
from voicegateway_testkit.fakes.grpc_fake import ConfigRow, Outcome
from voicegateway_testkit.fakes.script import Utterance
from voicegateway_testkit.faults import DieAfterAudio, Hang, NeverFinalise, Refuse
from voicegateway_testkit.speech import utterance_pcm

RATE_HZ = 16_000
SESSION = SessionId("s1")
SPEC = RecognitionSpec("en-US", RATE_HZ, stop_history_eou_ms=240, stop_history_ms=480)
AT_ONCE = AsrTiming(interim_ms=0, first_pass_ms=0, final_ms=0)
PCM = utterance_pcm(800, 600, RATE_HZ)
"""An utterance and silence enough for its final."""
UTTERANCE = Utterance("hello there my friend", final="Hello there, my friend.")


def fake_asr(*script: Utterance, rows: tuple[ConfigRow, ...] | None = None) -> FakeAsr:
    """A recogniser without delays."""
    utterances = script or (UTTERANCE,)
    return FakeAsr(utterances, timing=AT_ONCE, rows=rows) if rows else FakeAsr(utterances, timing=AT_ONCE)


@asynccontextmanager
async def recognizer(*fakes: FakeAsr, finish_deadline_ms: int = 5_000) -> AsyncGenerator[RivaRecognizer, None]:
    """A recogniser on these fakes, which have been started."""
    settings = RivaSettings(tuple(fake.address for fake in fakes), finish_deadline_ms=finish_deadline_ms)
    client = RivaRecognizer(settings)
    try:
        yield client
    finally:
        await client.pool.close()


@asynccontextmanager
async def ending_server(code: grpc.StatusCode) -> AsyncGenerator[str, None]:
    """The address of a server that ends each stream with `code` when it has read the first message."""

    async def end(_requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        await context.read()
        if code is not grpc.StatusCode.OK:
            await context.abort(code)

    server = grpc.aio.server()
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "StreamingRecognize": grpc.stream_stream_rpc_method_handler(end)
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("nvidia.riva.asr.RivaSpeechRecognition", methods),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where connections are made and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class Microphone:
    """Audio in 100 ms batches; without `ends` it stays open after the last."""

    def __init__(self, pcm: bytes = PCM, *, ends: bool = True) -> None:
        self._pcm = pcm
        self._ends = ends
        self.is_closed = False

    async def batches(self) -> AsyncIterator[bytes]:
        """The audio."""
        size = pcm_bytes(100, RATE_HZ)
        try:
            for start in range(0, len(self._pcm), size):
                yield self._pcm[start : start + size]
            if not self._ends:
                await asyncio.Event().wait()
        finally:
            self.is_closed = True


async def collect(
    client: RivaRecognizer, audio: AsyncIterator[bytes], heard: list[RecognitionResult] | None = None
) -> list[RecognitionResult]:
    """All results to the end of the stream; `heard` keeps those before an error."""
    results = [] if heard is None else heard
    async for result in client.recognize(SESSION, SPEC, audio):
        results.append(result)
    return results


async def test_results_come_with_positions_of_the_streams_audio() -> None:
    """Interims grow, the suspected end has stability 1.0, the final has its words, all placed in the audio sent."""
    async with fake_asr() as fake, recognizer(fake) as client:
        results = await collect(client, Microphone().batches())
    *interims, final = results
    assert any(result.stability == 1.0 for result in interims)
    assert not any(result.is_final for result in interims)
    assert final.text == "Hello there, my friend."
    assert [word.text for word in final.words] == ["Hello", "there,", "my", "friend."]
    assert final.words[0].start_samples < RATE_HZ // 10
    assert RATE_HZ * 7 // 10 < final.words[-1].end_samples <= RATE_HZ * 9 // 10
    ends = [result.end_samples for result in results]
    assert ends == sorted(ends)
    assert RATE_HZ < final.end_samples <= len(PCM) // 2


async def test_request_and_audio_arrive_as_given() -> None:
    """The policy's endpointing reaches Riva and every sample arrives once, in order."""
    async with fake_asr() as fake, recognizer(fake) as client:
        await collect(client, Microphone().batches())
        (stream,) = fake.streams
        config = stream.config.config
        assert bytes(stream.audio) == PCM
        assert (config.endpointing_config.stop_history_eou, config.endpointing_config.stop_history) == (240, 480)
        assert stream.outcome is Outcome.FINISHED


async def test_end_of_audio_forces_the_final() -> None:
    """Speech cut off by the end of the audio is final without any silence: the half-close reached the server."""
    async with fake_asr() as fake, recognizer(fake) as client:
        results = await collect(client, Microphone(utterance_pcm(800, 0, RATE_HZ)).batches())
        assert fake.streams[0].is_half_closed
    assert [result.text for result in results if result.is_final] == ["Hello there, my friend."]


async def test_stream_without_a_final_ends_all_the_same() -> None:
    """A server that ends well without a final leaves the session its interims; no error is invented."""
    async with fake_asr() as fake, recognizer(fake) as client:
        fake.faults.next(NeverFinalise())
        results = await collect(client, Microphone().batches())
    assert results
    assert not any(result.is_final for result in results)


async def test_death_in_mid_stream_is_told_after_what_was_heard() -> None:
    """Results before a server's death are delivered, then comes the typed error; the audio source is let go."""
    microphone = Microphone(ends=False)
    heard: list[RecognitionResult] = []
    async with fake_asr() as fake, recognizer(fake) as client:
        await client.pool.probe()
        reading = asyncio.create_task(collect(client, microphone.batches(), heard))
        await fake.wait_until(lambda: any(each.finals and len(each.audio) == len(PCM) for each in fake.streams))
        fake.kill_calls()  # when all audio is there: a write that meets the end of its call loses the status
        with pytest.raises(BackendError, match="recognition failed: UNAVAILABLE") as caught:
            await reading
        (address,) = client.pool.status().addresses
        assert address.cause == "UNAVAILABLE"
        assert fake.open_streams == 0
    assert heard[-1].text == "Hello there, my friend."
    assert (caught.value.backend, caught.value.reason) == (Backend.ASR, Reason.BACKEND_UNAVAILABLE)
    assert fake.address not in caught.value.message
    assert microphone.is_closed


async def test_death_while_audio_flows_is_told() -> None:
    """A write that meets the server's end at the same moment is the typed error too, whatever becomes of the status."""
    async with fake_asr() as fake, recognizer(fake) as client:
        fake.faults.always(DieAfterAudio(100))
        for _ in range(20):
            with pytest.raises(BackendError):
                await collect(client, Microphone(ends=False).batches())


async def test_stream_that_ends_before_its_audio_is_an_error() -> None:
    """A server that says OK while the user may still speak must not leave the session deaf."""
    async with ending_server(grpc.StatusCode.OK) as address:
        client = RivaRecognizer(RivaSettings((address,)))
        with pytest.raises(BackendError, match="ended too early"):
            await collect(client, Microphone(b"", ends=False).batches())
        await client.pool.close()


async def test_refused_language_says_so_and_blames_no_address() -> None:
    """A request that Riva refuses fails with its code, and takes no address away from other sessions."""
    spec = RecognitionSpec("xx-XX", RATE_HZ, stop_history_eou_ms=240, stop_history_ms=480)
    async with fake_asr() as fake, recognizer(fake) as client:
        await client.pool.probe()
        with pytest.raises(BackendError, match="INVALID_ARGUMENT"):
            await anext(client.recognize(SESSION, spec, Microphone(b"", ends=False).batches()))
        assert client.pool.is_healthy


async def test_refusal_that_meets_audio_blames_no_address() -> None:
    """A refusal that crosses with audio loses its status: still a typed error, still no reason to shun the address."""
    async with fake_asr() as fake, recognizer(fake) as client:
        await client.pool.probe()
        fake.faults.always(Refuse(grpc.StatusCode.INVALID_ARGUMENT))
        for _ in range(20):
            with pytest.raises(BackendError):
                await collect(client, Microphone(ends=False).batches())
        assert client.pool.is_healthy


async def test_full_server_is_told() -> None:
    """A server that has no room says so."""
    async with ending_server(grpc.StatusCode.RESOURCE_EXHAUSTED) as address:
        client = RivaRecognizer(RivaSettings((address,)))
        with pytest.raises(BackendError, match="RESOURCE_EXHAUSTED"):
            await collect(client, Microphone(b"", ends=False).batches())
        await client.pool.close()


async def test_hang_after_the_end_of_audio_is_told_in_time() -> None:
    """A server that neither answers nor ends after the half-close is given up at the deadline, and its call too."""
    async with fake_asr() as fake, recognizer(fake, finish_deadline_ms=300) as client:
        fake.faults.next(Hang())
        with pytest.raises(BackendError, match="no answer in time"):
            await collect(client, Microphone().batches())
        await fake.wait_until(lambda: fake.open_streams == 0)
        assert fake.streams[0].outcome is Outcome.CANCELLED


async def test_address_that_takes_nothing_is_passed_over() -> None:
    """A dead first address costs the user nothing: the next one gets the stream, and the dead one is remembered."""
    async with fake_asr() as dead, fake_asr() as alive, recognizer(dead, alive) as client:
        await dead.stop()
        results = await collect(client, Microphone().batches())
        assert results[-1].text == "Hello there, my friend."
        assert client.pool.is_healthy
        await alive.stop()
        for _ in range(3):
            with pytest.raises(BackendError):
                await collect(client, Microphone().batches())
        assert client.pool.is_healthy  # one session's word against it is none: its health checks tell
        for _ in range(3):
            await client.pool.probe()
        assert not client.pool.is_healthy


async def test_address_that_never_connects_is_passed_over() -> None:
    """A port that accepts and says nothing, as a powered-off node behind a proxy, is given up at the deadline."""
    with silent_port() as port:
        async with fake_asr() as alive:
            client = RivaRecognizer(RivaSettings((f"127.0.0.1:{port}", alive.address), connect_deadline_ms=300))
            results = await collect(client, Microphone().batches())
            await client.pool.close()
    assert results[-1].is_final


async def test_streams_are_spread_over_addresses() -> None:
    """Two streams at a time go to two addresses, and a stream that has ended no longer counts."""
    script = (UTTERANCE,) * 2
    async with fake_asr(*script) as first, fake_asr(*script) as second, recognizer(first, second) as client:
        await client.pool.probe()
        for _ in range(2):
            streams = [client.recognize(SESSION, SPEC, Microphone(ends=False).batches()) for _ in range(2)]
            for stream in streams:
                await anext(stream)
            for stream in streams:
                await stream.aclose()
        assert (len(first.streams), len(second.streams)) == (2, 2)


async def test_closing_leaves_no_call_and_no_task() -> None:
    """An abandoned stream cancels its call and ends its writer before `aclose` returns."""
    microphone = Microphone(ends=False)
    async with fake_asr() as fake, recognizer(fake) as client:
        async with aclosing(client.recognize(SESSION, SPEC, microphone.batches())) as results:
            await anext(results)
            await fake.wait_until(lambda: fake.audio_bytes == len(PCM))
        assert microphone.is_closed
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "riva-asr-writer"]
        await fake.wait_until(lambda: fake.open_streams == 0)


async def test_cancelled_reader_leaves_no_call() -> None:
    """A session whose task is cancelled while it waits for a result leaves nothing behind, and stays cancelled."""
    microphone = Microphone(bytes(6_400), ends=False)
    async with fake_asr() as fake, recognizer(fake) as client:
        reader = asyncio.create_task(collect(client, microphone.batches()))
        await fake.wait_until(lambda: fake.audio_bytes == 6_400)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert microphone.is_closed
        await fake.wait_until(lambda: fake.open_streams == 0)


async def test_cancelled_opening_leaves_no_call() -> None:
    """A session that ends while its stream still connects leaves nothing that counts as running."""
    with silent_port() as port:
        client = RivaRecognizer(RivaSettings((f"127.0.0.1:{port}",)))
        reader = asyncio.create_task(collect(client, Microphone().batches()))
        await asyncio.sleep(0)  # the reader runs as far as it can
        assert [address.calls for address in client.pool.status().addresses] == [1]
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert [address.calls for address in client.pool.status().addresses] == [0]
        await client.pool.close()


async def test_error_of_the_audio_source_comes_out() -> None:
    """An exception in the source of the audio is the caller's own: it comes out as it is, at once, not as silence."""

    async def broken() -> AsyncIterator[bytes]:
        yield PCM[:3_200]
        raise RuntimeError("the source broke")

    async with fake_asr() as fake, recognizer(fake) as client:
        with pytest.raises(RuntimeError, match="the source broke"):
            await collect(client, broken())
        await fake.wait_until(lambda: fake.open_streams == 0)


async def test_probe_learns_languages_and_health() -> None:
    """Languages and health are unknown before the first answer, kept through an outage, and health comes back."""
    rows = (
        ConfigRow("a", {"type": "online", "language_code": "en-US"}),
        ConfigRow("b", {"type": "online", "language_code": "de-DE"}),
    )
    async with fake_asr(rows=rows) as fake, recognizer(fake) as client:
        assert (client.pool.backend, client.pool.is_healthy, client.languages()) == (Backend.ASR, False, frozenset())
        await client.pool.probe()
        assert (client.pool.is_healthy, client.languages()) == (True, frozenset({"en-US", "de-DE"}))
        await fake.stop()
        for _ in range(3):
            await client.pool.probe()
        assert (client.pool.is_healthy, client.languages()) == (False, frozenset({"en-US", "de-DE"}))
        await fake.start()
        async with asyncio.timeout(5):
            while not client.pool.is_healthy:
                await client.pool.probe()


async def test_probe_gives_up_at_its_deadline() -> None:
    """An address that accepts and never answers is failing, not waited for."""
    with silent_port() as port:
        client = RivaRecognizer(RivaSettings((f"127.0.0.1:{port}",), probe_deadline_ms=50))
        await client.pool.probe()
        assert not client.pool.is_healthy
        await client.pool.close()
