"""Sample rates, from the client's first message to the last sample of the reply."""

import grpc
import pytest
from gateway_kit.whole_gateway import world
from voice_gateway.domain.audio import INPUT_RATES_HZ
from voicegateway.v1 import audio_pb2, client_pb2
from voicegateway_testkit import ConverseClient, LegacyClient, utterance_pcm
from voicegateway_testkit.clients.legacy import tell

SPOKEN_MS = 30 * len("A pod runs.")
"""How long the fake voice takes for the reply, at any rate (`whole_gateway.FAST_TTS`)."""


@pytest.mark.parametrize("rate_hz", [0, *INPUT_RATES_HZ])
async def test_the_older_contract_is_answered_at_its_own_rate(rate_hz: int) -> None:
    """A client of the older contract plays replies at the rate it named, so they last there as long as they were said:
    at each rate that is taken in, and at 16 kHz if it named none.
    """
    async with world("what is a pod", replies=("A pod runs.",)) as around:
        async with LegacyClient(around.address) as client:
            client.configure(sample_rate_hz=rate_hz)
            await client.push(utterance_pcm(rate_hz=rate_hz or 16_000, speech_ms=900, silence_ms=700))
            await client.half_close()
            assert (await client.wait_end(timeout_s=20)).code is grpc.StatusCode.OK
        assert "transcript what is a pod" in tell(client.log.entries)
        samples = sum(len(entry.response.audio_chunk) // 2 for entry in client.log.all("audio_chunk"))
        assert samples == pytest.approx(SPOKEN_MS * (rate_hz or 16_000) / 1_000, abs=1)
        assert {sentence.request.sample_rate_hz for sentence in around.tts.sentences} == {rate_hz or 16_000}


@pytest.mark.parametrize("rate_hz", INPUT_RATES_HZ)
async def test_every_rate_taken_in_is_served_out(rate_hz: int) -> None:
    """A client of the first contract may have its replies at any rate at which it may speak."""
    wish = audio_pb2.AudioFormat(sample_rate_hz=rate_hz)
    async with world(replies=("A pod runs.",)) as around, ConverseClient(around.address) as client:
        started = await client.start(client_pb2.Start(audio_in=wish, audio_out=wish))
        assert started.audio_out.sample_rate_hz == rate_hz
        client.send_text("What is a pod?")
        finished = (await client.wait_for("reply_finished", timeout_s=20)).response.reply_finished
        assert finished.total_samples == pytest.approx(SPOKEN_MS * rate_hz / 1_000, abs=1)
