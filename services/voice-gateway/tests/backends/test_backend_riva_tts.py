"""Synthesis over real sockets, against the test kit's Riva."""

import asyncio
import shlex
import shutil
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from riva.client.proto import riva_tts_pb2, riva_tts_pb2_grpc
from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.ports import SentenceSkipped, SpeechChunk, VoiceSpec
from voicegateway_testkit.fakes.grpc_fake import ConfigRow, Outcome
from voicegateway_testkit.fakes.tts import FakeTts, TtsTiming
from voicegateway_testkit.faults import DieAfterSamples, Hang, NoSound, Refuse, StallAfterSamples, TtsFault

RATE_HZ = 22_050
SESSION = SessionId("s1")
SPEC = VoiceSpec("en-US", "Fake.EN-US.Leo", RATE_HZ)
AT_ONCE = TtsTiming(first_audio_ms=0, chunk_every_ms=0)
TEXT = "Good morning to you."


def fake_tts(*, word_times: bool = True) -> FakeTts:
    """A synthesiser without delays."""
    return FakeTts(timing=AT_ONCE, word_times=word_times)


@asynccontextmanager
async def synthesizer(*fakes: FakeTts, deadline_ms: int = 3_000) -> AsyncGenerator[RivaSynthesizer, None]:
    """A synthesiser on these fakes, which have been started."""
    riva = RivaSettings(tuple(fake.address for fake in fakes))
    client = RivaSynthesizer(
        RivaTtsSettings(riva, first_audio_deadline_ms=deadline_ms, next_audio_deadline_ms=deadline_ms)
    )
    try:
        yield client
    finally:
        await client.pool.close()


async def collect(
    client: RivaSynthesizer, spec: VoiceSpec = SPEC, heard: list[SpeechChunk] | None = None
) -> list[SpeechChunk]:
    """All audio of the sentence; `heard` keeps what came before an error."""
    chunks = [] if heard is None else heard
    async for chunk in client.synthesize(SESSION, spec, TEXT):
        chunks.append(chunk)
    return chunks


def joined(chunks: list[SpeechChunk]) -> bytes:
    """The audio in one piece."""
    return b"".join(chunk.pcm for chunk in chunks)


async def test_audio_and_words_arrive_whole() -> None:
    """Every sample of the sentence arrives at the rate asked for, and each word once with its place in the audio."""
    async with fake_tts() as fake, synthesizer(fake) as client:
        chunks = await collect(client)
        (sentence,) = fake.sentences
        assert joined(chunks) == sentence.spoken.pcm
        assert (sentence.request.voice_name, sentence.request.sample_rate_hz) == ("Fake.EN-US.Leo", RATE_HZ)
        words = [word for chunk in chunks for word in chunk.words]
        assert [word.text for word in words] == TEXT.split()
        for told, meant in zip(words, sentence.spoken.words, strict=True):
            assert abs(told.start_samples - meant.start_samples) <= RATE_HZ // 1_000
            assert abs(told.end_samples - meant.end_samples) <= RATE_HZ // 1_000


async def test_each_sentence_is_one_message_and_a_half_close() -> None:
    """Old servers take a single request: the call ends well, so the server saw the half-close after one message."""
    async with fake_tts() as fake, synthesizer(fake) as client:
        await collect(client)
        await fake.wait_until(lambda: fake.open_calls == 0)
        assert [(len(call.sentences), call.outcome) for call in fake.calls] == [(1, Outcome.FINISHED)]


async def test_missing_word_times_are_no_error() -> None:
    """A voice without word times is spoken all the same."""
    async with fake_tts(word_times=False) as fake, synthesizer(fake) as client:
        chunks = await collect(client)
    assert joined(chunks)
    assert not any(chunk.words for chunk in chunks)


async def test_refusing_address_is_passed_over_before_any_audio() -> None:
    """Until something was heard a failure costs nothing: the next address speaks the whole sentence."""
    async with fake_tts() as first, fake_tts() as second, synthesizer(first, second) as client:
        first.faults.next(Refuse())
        chunks = await collect(client)
        assert joined(chunks) == second.sentences[0].spoken.pcm


async def test_dead_address_is_passed_over() -> None:
    """A closed port is noticed by the connection, not by the deadline."""
    async with fake_tts() as dead, fake_tts() as alive, synthesizer(dead, alive) as client:
        await dead.stop()
        assert joined(await collect(client)) == alive.sentences[0].spoken.pcm


async def test_silent_address_is_passed_over_at_the_deadline() -> None:
    """An address that takes the request and says nothing loses the sentence to the next, and its call is cancelled."""
    async with fake_tts() as first, fake_tts() as second, synthesizer(first, second, deadline_ms=500) as client:
        first.faults.next(Hang())
        assert joined(await collect(client)) == second.sentences[0].spoken.pcm
        await first.wait_until(lambda: first.open_calls == 0)
        assert first.calls[0].outcome is Outcome.CANCELLED


async def test_last_silent_address_is_a_timeout() -> None:
    """When no address speaks in time the reason is TTS_TIMEOUT, nothing stays open, and the last address is kept."""
    async with fake_tts() as fake, synthesizer(fake, deadline_ms=300) as client:
        await client.pool.probe()
        fake.faults.always(Hang())
        for _ in range(3):
            assert client.pool.is_healthy
            with pytest.raises(BackendError) as caught:
                await collect(client)
            assert (caught.value.backend, caught.value.reason) == (Backend.TTS, Reason.TTS_TIMEOUT)
        assert client.pool.is_healthy
        await fake.wait_until(lambda: fake.open_calls == 0)


async def test_stalled_sentence_is_a_timeout() -> None:
    """Audio that stops coming in mid-sentence is noticed; what came is kept and the other address is not asked."""
    heard: list[SpeechChunk] = []
    async with fake_tts() as fake, fake_tts() as other, synthesizer(fake, other, deadline_ms=500) as client:
        fake.faults.next(StallAfterSamples(4_000))
        with pytest.raises(BackendError) as caught:
            await collect(client, heard=heard)
        await fake.wait_until(lambda: fake.open_calls == 0)
        assert not other.sentences
    assert caught.value.reason is Reason.TTS_TIMEOUT
    assert len(joined(heard)) == 8_000


async def test_death_in_mid_sentence_is_told_after_its_audio() -> None:
    """A server that dies while it speaks fails the sentence with TTS_FAILED; half a sentence is never a whole one."""
    heard: list[SpeechChunk] = []
    async with fake_tts() as fake, synthesizer(fake) as client:
        fake.faults.next(DieAfterSamples(4_000))
        with pytest.raises(BackendError) as caught:
            await collect(client, heard=heard)
    assert caught.value.reason is Reason.TTS_FAILED
    assert fake.address not in caught.value.message
    assert joined(heard)


async def test_unknown_voice_blames_the_request() -> None:
    """A voice that Riva does not have fails at the first address and takes no address away from other sessions."""
    async with fake_tts() as first, fake_tts() as second, synthesizer(first, second) as client:
        await client.pool.probe()
        with pytest.raises(SentenceSkipped, match="INVALID_ARGUMENT"):
            await collect(client, VoiceSpec("en-US", "Nobody", RATE_HZ))
        assert client.pool.is_healthy
        assert len(first.calls + second.calls) == 1


async def test_closing_cancels_the_call_at_once() -> None:
    """An interrupted sentence stops costing the backend anything: the call is cancelled, not read to its end."""
    async with fake_tts() as fake, synthesizer(fake) as client:
        fake.faults.next(StallAfterSamples(4_000))
        async with aclosing(client.synthesize(SESSION, SPEC, TEXT)) as chunks:
            await anext(chunks)
        await fake.wait_until(lambda: fake.cancelled_calls == 1)


async def test_cancelled_reader_leaves_no_call() -> None:
    """A task cancelled while it waits for the first audio leaves no call behind, and stays cancelled."""
    async with fake_tts() as fake, synthesizer(fake) as client:
        fake.faults.next(Hang())
        reader = asyncio.create_task(collect(client))
        await fake.wait_until(lambda: len(fake.sentences) == 1)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await fake.wait_until(lambda: fake.cancelled_calls == 1)


async def test_sentences_are_spread_over_addresses() -> None:
    """Two sentences at a time go to two addresses, and an interrupted one no longer counts."""
    async with fake_tts() as first, fake_tts() as second, synthesizer(first, second) as client:
        await client.pool.probe()
        for _ in range(2):
            sentences = [client.synthesize(SESSION, SPEC, TEXT) for _ in range(2)]
            for sentence in sentences:
                await anext(sentence)
            for sentence in sentences:
                await sentence.aclose()
        assert (len(first.calls), len(second.calls)) == (2, 2)


async def test_probe_learns_voices() -> None:
    """Voices are unknown before the first answer and then named as requests name them."""
    async with fake_tts() as fake, synthesizer(fake) as client:
        assert (client.pool.backend, client.pool.is_healthy, dict(client.voices())) == (Backend.TTS, False, {})
        await client.pool.probe()
        assert client.pool.is_healthy
        assert client.voices() == {"en-US": ("Fake.EN-US.Aria", "Fake.EN-US.Leo")}


async def test_addresses_share_the_voices_they_have() -> None:
    """Two containers with a language each offer both, and a sentence goes to the one that has its language."""
    german = FakeTts(
        timing=AT_ONCE, rows=(ConfigRow("de", {"language_code": "de-DE", "voice_name": "Hans", "subvoices": ""}),)
    )
    async with german, fake_tts() as english, synthesizer(german, english) as client:
        await client.pool.probe()
        assert set(client.voices()) == {"de-DE", "en-US"}
        assert joined(await collect(client)) == english.sentences[0].spoken.pcm
        assert not german.calls


class Mute(riva_tts_pb2_grpc.RivaSpeechSynthesisServicer):  # type: ignore[misc]  # the stubs have no types
    """Says nothing and ends well; remembers what it was told."""

    def __init__(self) -> None:
        self.metadata: dict[str, str | bytes] = {}

    async def SynthesizeOnline(self, _requests: object, context: Any) -> None:  # noqa: N802  the service's own name
        """Take the request and end the call with one empty response."""
        await context.read()
        self.metadata = dict(context.invocation_metadata())
        await context.write(riva_tts_pb2.SynthesizeSpeechResponse())


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (NoSound(), "no audio"),
        (Refuse(grpc.StatusCode.INVALID_ARGUMENT), "INVALID_ARGUMENT"),
        (Refuse(grpc.StatusCode.OUT_OF_RANGE), "OUT_OF_RANGE"),
    ],
)
async def test_a_text_without_sound_is_told_from_a_failure(fault: TtsFault, cause: str) -> None:
    """A call that ends well without audio, and a refused text, skip the sentence; no other address is asked for it, and
    none is thought worse of.
    """
    async with fake_tts() as first, fake_tts() as second, synthesizer(first, second) as client:
        await client.pool.probe()
        first.faults.next(fault)
        with pytest.raises(SentenceSkipped, match=cause) as caught:
            await collect(client)
        assert (caught.value.backend, caught.value.reason) == (Backend.TTS, Reason.SENTENCE_SKIPPED)
        assert (len(first.calls), len(second.calls)) == (1, 0)
        assert {each.cause for each in client.pool.status().addresses} == {""}
        await collect(client)
        await collect(client)
        assert (len(first.calls), len(second.calls)) == (2, 1)


async def soundless_reply(client: RivaSynthesizer, session: str) -> None:
    """Ask until an address has no sound, and blame it as for a whole reply; healthy addresses take turns."""
    for _ in range(2):
        try:
            async for _ in client.synthesize(SessionId(session), SPEC, TEXT):
                pass
        except SentenceSkipped as skipped:
            skipped.blame()
            return
    pytest.fail("every sentence had sound")


async def test_two_replies_without_sound_blame_their_address() -> None:
    """A reply without sound may be one of which nothing can be heard; of two sessions it is the address. Others get the
    calls from then on, and a third such session ejects it.
    """
    async with fake_tts() as first, fake_tts() as second, synthesizer(first, second) as client:
        await client.pool.probe()
        first.faults.always(NoSound())
        for _ in range(3):
            await soundless_reply(client, "s1")
        assert [each.cause for each in client.pool.status().addresses] == ["", ""]
        await soundless_reply(client, "s2")
        assert [each.cause for each in client.pool.status().addresses] == ["no sound in a whole reply", ""]
        asked = len(first.calls)
        for _ in range(4):
            await collect(client)
        assert len(first.calls) == asked
        await client.pool.probe()  # which forgives the doubt, and not what was counted
        await soundless_reply(client, "s3")
        assert [each.state for each in client.pool.status().addresses] == [AddressState.EJECTED, AddressState.HEALTHY]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with the openssl command")
async def test_tls_and_metadata_reach_the_server(tmp_path: Path) -> None:
    """With its authority's file a TLS server is reached and told the metadata; without, it is not trusted."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    arguments = shlex.split(f"{command} -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}")
    process = await asyncio.create_subprocess_exec(*arguments, stderr=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    server, servicer = grpc.aio.server(), Mute()
    riva_tts_pb2_grpc.add_RivaSpeechSynthesisServicer_to_server(servicer, server)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    address = f"localhost:{server.add_secure_port('localhost:0', credentials)}"
    await server.start()
    trusting = RivaSettings((address,), tls=True, tls_ca_file=certificate, metadata=(("function-id", "abc"),))
    for settings, expected in ((trusting, "no audio"), (RivaSettings((address,), tls=True), "UNAVAILABLE")):
        client = RivaSynthesizer(RivaTtsSettings(settings))
        await client.pool.probe()
        with pytest.raises(BackendError, match=expected):
            await collect(client)
        await client.pool.close()
    assert servicer.metadata["function-id"] == "abc"
    await server.stop(None)
