"""The translation service on a real socket, with and without a translator."""

import asyncio
import contextlib
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest
import riva.client
import uvloop
from local_models.engines.apertium import ApertiumEngine
from local_models.engines.recognition import EngineUnavailableError
from local_models.engines.translation import TranslationError
from local_models.riva.nmt_servicer import MAX_REQUESTS, NmtServicer
from nmt_support import ShoutingEngine, nmt_server
from riva.client.proto import riva_nmt_pb2 as pb
from riva.client.proto import riva_nmt_pb2_grpc as pb_grpc

needs_apertium = pytest.mark.skipif(
    shutil.which("apertium") is None or not list(Path("/usr/share/apertium/modes").glob("eng-spa.mode")),
    reason="Debian's packages apertium and apertium-eng-spa are not installed",
)


@contextlib.asynccontextmanager
async def stub_for(
    engine: ShoutingEngine | None,
) -> AsyncIterator[tuple[pb_grpc.RivaTranslationStub, NmtServicer]]:
    async with nmt_server(engine) as (address, servicer), grpc.aio.insecure_channel(address) as channel:
        yield pb_grpc.RivaTranslationStub(channel), servicer


def request(*texts: str) -> pb.TranslateTextRequest:
    return pb.TranslateTextRequest(texts=texts, source_language="es-ES", target_language="en-GB")


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition()`; the test's own timeout ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - the server knows of no event of ours
        await asyncio.sleep(0.001)


async def test_without_a_translator_every_call_says_what_to_install() -> None:
    """UNIMPLEMENTED with the names of Debian's packages: the reader can act on it."""
    async with stub_for(None) as (stub, _):
        for call in (
            stub.TranslateText(request("hola")),
            stub.ListSupportedLanguagePairs(pb.AvailableLanguageRequest()),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert "apt-get install apertium apertium-eng-spa" in (caught.value.details() or "")


async def test_speech_translation_says_how_to_do_without() -> None:
    """Both speech calls are refused at once, whether or not a translator is there."""
    async with stub_for(ShoutingEngine()) as (stub, _):
        for call in (stub.StreamingTranslateSpeechToText(), stub.StreamingTranslateSpeechToSpeech()):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert "use TranslateText" in (caught.value.details() or "")


async def test_texts_are_translated_one_to_one_and_the_id_comes_back() -> None:
    """Order and number are kept, an empty text included, each labelled with the language asked for."""
    async with stub_for(ShoutingEngine()) as (stub, _):
        asked = request("uno", " ", "dos")
        asked.id.value = "id-3"
        response = await stub.TranslateText(asked)
    assert [(each.text, each.language) for each in response.translations] == [
        ("UNO", "en-GB"), ("", "en-GB"), ("DOS", "en-GB")
    ]  # fmt: skip
    assert response.id.value == "id-3"


async def test_mistakes_and_failures_have_their_codes(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong language is the client's fault, a broken engine is ours and is logged."""
    async with stub_for(ShoutingEngine()) as (stub, _):
        wrong = pb.TranslateTextRequest(texts=["a"], source_language="xx", target_language="yy")
        for asked, code in (
            (wrong, grpc.StatusCode.INVALID_ARGUMENT),
            (request("crash"), grpc.StatusCode.INTERNAL),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.TranslateText(asked)
            assert caught.value.code() is code
    assert "m-es-en is out of order" in caplog.text


async def test_more_than_it_carries_is_refused_and_cancelling_frees_a_place() -> None:
    """No queue without bound, and an abandoned call stops its work."""
    engine = ShoutingEngine()
    async with stub_for(engine) as (stub, servicer):
        running = [stub.TranslateText(request("wait")) for _ in range(MAX_REQUESTS)]
        await eventually(lambda: servicer.running_requests == MAX_REQUESTS)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.TranslateText(request("uno"))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for call in running:
            call.cancel()
        await eventually(lambda: engine.abandoned == MAX_REQUESTS)
        assert (await stub.TranslateText(request("uno"))).translations[0].text == "UNO"


async def test_nvidias_client_unchanged() -> None:
    """riva.client.NeuralMachineTranslationClient translates and lists."""
    async with nmt_server(ShoutingEngine()) as (address, _):

        def use() -> tuple[str, list[str]]:
            auth = riva.client.Auth(uri=address)
            client = riva.client.NeuralMachineTranslationClient(auth)
            translated = client.translate(["hola"], "", "es-ES", "en-US").translations[0].text
            listed = sorted(client.get_config("").languages)
            auth.channel.close()
            return translated, listed

        assert await asyncio.to_thread(use) == ("HOLA", ["m-en-es", "m-es-en", "m-es-en-US"])


def program(folder: Path, script: str) -> str:
    path = folder / "apertium"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_apertium_that_is_absent_says_what_to_install(tmp_path: Path) -> None:
    """No program, and a program without any language pair, are two sentences with the same way out."""
    with pytest.raises(EngineUnavailableError, match="Apertium is not installed; install Debian's packages"):
        ApertiumEngine(str(tmp_path / "apertium"))
    with pytest.raises(EngineUnavailableError, match="no language pair; install Debian's packages"):
        ApertiumEngine(program(tmp_path, "echo"))


async def test_apertiums_modes_become_directions(tmp_path: Path) -> None:
    """Three-letter codes become Riva's two letters, a variant becomes a region, other modes are left out."""
    path = program(
        tmp_path, 'if [ "$1" = -l ]; then echo eng-spa spa-eng_US en-gl eng-morph2; else echo "$2:" $(cat); fi'
    )
    engine = ApertiumEngine(path)
    assert [(pair.source, pair.target, pair.model) for pair in engine.pairs] == [
        ("en", "es", "apertium-eng-spa"), ("en", "gl", "apertium-en-gl"), ("es", "en-US", "apertium-spa-eng_US")
    ]  # fmt: skip
    assert await engine.translate("hola", engine.pairs[2]) == "spa-eng_US: hola"
    assert [row.language for row in engine.describe()] == ["en to es", "en to gl", "es to en-US"]


@pytest.mark.parametrize(("end", "reason"), [("echo no disk >&2; exit 3", "no disk"), ("true", "no answer")])
async def test_apertium_that_fails_is_no_translation(tmp_path: Path, end: str, reason: str) -> None:
    """Neither an exit status other than 0 nor silence may pass as an empty translation."""
    engine = ApertiumEngine(program(tmp_path, f'if [ "$1" = -l ]; then echo en-es; else {end}; fi'))
    with pytest.raises(TranslationError, match=f"apertium en-es failed: {reason}"):
        await engine.translate("a", engine.pairs[0])


def _has_ended(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go between the opening of the file and the reading
        return True


async def test_a_cancelled_translation_leaves_no_process(tmp_path: Path) -> None:
    """The program is ended with the call."""
    note = tmp_path / "pid"
    script = f'if [ "$1" = -l ]; then echo en-es; else echo $$ > {note}; exec sleep 60; fi'
    engine = ApertiumEngine(program(tmp_path, script))
    running = asyncio.ensure_future(engine.translate("a", engine.pairs[0]))
    await eventually(lambda: note.is_file() and note.read_text().strip() != "")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: _has_ended(note.read_text().strip()))


@needs_apertium
def test_the_real_apertium_translates() -> None:
    """What is installed works through the service, on the event loop that local-models runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_translate_with_apertium()) == ["La casa es grande.", "Buenos días [Amigo]."]


async def _translate_with_apertium() -> list[str]:
    async with nmt_server(ApertiumEngine()) as (address, _), grpc.aio.insecure_channel(address) as channel:
        stub = pb_grpc.RivaTranslationStub(channel)
        asked = pb.TranslateTextRequest(
            texts=["The house is big.", "Good morning [Friend]."], source_language="en-US", target_language="es-ES"
        )
        response = await stub.TranslateText(asked)
    return [each.text for each in response.translations]
