"""The fakes together, as a pod has them."""

import asyncio

import aiohttp
import pytest
from kit_riva import asr_audio, asr_config, asr_stub, open_asr
from voicegateway_testkit import utterance_pcm
from voicegateway_testkit.__main__ import Arguments, parse
from voicegateway_testkit.fakes.served import ORDER, Ports, ServedFakes, obey

ANYWHERE = Ports(0, 0, 0, 0)


async def test_a_pod_tells_what_it_has_heard() -> None:
    """Who tests on a cluster learns from `/state` which pod a call's recognition is at, and whether it still runs."""
    async with ServedFakes("hello there", "Hello.", "127.0.0.1", ANYWHERE) as fakes, aiohttp.ClientSession() as http:

        async def state() -> dict[str, int]:
            async with http.get(f"http://127.0.0.1:{fakes.state_port}/state") as response:
                found: dict[str, int] = await response.json()
                return found

        assert await state() == {"asr_streams": 0, "asr_open": 0, "llm_requests": 0, "tts_sentences": 0}
        async with asr_stub(fakes.asr.address) as stub:
            call = await open_asr(stub, asr_config(), *asr_audio(utterance_pcm(500, 700)))
            await fakes.asr.wait_until(lambda: bool(fakes.asr.streams and fakes.asr.streams[0].finals))
            assert (await state())["asr_open"] == 1
            call.call.cancel()
            await fakes.asr.wait_until(lambda: fakes.asr.open_streams == 0)
        assert await state() == {"asr_streams": 1, "asr_open": 0, "llm_requests": 0, "tts_sentences": 0}
        assert fakes.asr.streams[0].finals == ["hello there"]


@pytest.mark.parametrize(
    ("prompt", "answer"), [("Be kind.", "Hello."), (ORDER + "Good day.", "Good day."), (None, "Hello.")]
)
def test_the_model_obeys_one_order(prompt: str | None, answer: str) -> None:
    """An edited system prompt is heard in the answer."""
    system = [] if prompt is None else [{"role": "system", "content": prompt}]
    assert obey([*system, {"role": "user", "content": "hi"}], "Hello.") == answer


def test_the_command_line_needs_its_words() -> None:
    """A pod without words would hear nothing for ever; it does not start."""
    assert parse(["--words", "a | b", "--answer", "c."]) == Arguments("a | b", "c.")
    with pytest.raises(SystemExit):
        parse(["--answer", "c."])


async def test_ports_are_those_asked_for() -> None:
    """A Service leads to fixed ports: a fake listens where it is told to, here where somebody else does already."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    taken = server.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match=str(taken)):
        async with ServedFakes("a", "b.", "127.0.0.1", Ports(0, 0, taken, 0)):
            pass
    server.close()
    await server.wait_closed()
