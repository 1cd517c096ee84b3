"""NVIDIA's own client library against the real engine, unchanged.

The client is synchronous, so it runs in a thread of its own beside the server's event loop.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from typing import Any

import jiwer
import numpy as np
import pytest
import riva.client
import soundfile
import soxr
from asr_support import TWO_CITIES, Serving, moonshine, serving, silero
from riva.client.argparse_utils import add_asr_config_argparse_parameters
from riva.client.proto import riva_asr_pb2 as pb

CLAUSES = "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness"
CLAUSES_END_S = 8.6
WHOLE_TEXT = f"""{CLAUSES} it was the epoch of belief it was the epoch of incredulity it was the season of light it was
the season of darkness it was the spring of hope it was the winter of despair we had everything before us we had nothing
before us we were all going direct to heaven we were all going direct the other way in short the period was so far like
the present period that some of its noisiest authorities insisted on its being received for good or for evil in the
superlative degree of comparison only"""


@pytest.fixture
async def server() -> AsyncIterator[Serving]:
    async with serving(moonshine(), silero()) as running:
        yield running


def service(server: Serving) -> Any:
    auth = riva.client.Auth(uri=server.target)
    return riva.client.ASRService(auth)


def clauses(rate_hz: int) -> Any:
    """The first four clauses of the recording as int16 samples."""
    samples, recorded_hz = soundfile.read(TWO_CITIES, dtype="int16", frames=round(CLAUSES_END_S * 48_000))
    return samples if rate_hz == recorded_hz else soxr.resample(samples, recorded_hz, rate_hz)


def word_error_rate(reference: str, said: str) -> float:
    letters = "".join(letter if letter.isalpha() or letter == "'" else " " for letter in said.lower())
    return float(jiwer.wer(" ".join(reference.split()), " ".join(letters.split())))


async def test_offline_recognition_of_a_raw_recording(server: Serving) -> None:
    """offline_recognize as in NVIDIA's README: raw PCM, its rate, a language; word times on request."""
    config = riva.client.RecognitionConfig(
        encoding=riva.client.AudioEncoding.LINEAR_PCM,
        sample_rate_hertz=16_000,
        language_code="en-US",
        max_alternatives=1,
        enable_automatic_punctuation=True,
        enable_word_time_offsets=True,
    )
    response = await asyncio.to_thread(service(server).offline_recognize, clauses(16_000).tobytes(), config)
    text = "".join(result.alternatives[0].transcript for result in response.results)
    assert word_error_rate(CLAUSES, text) <= 0.1
    assert text.startswith("It was the best of times")
    words = [word for result in response.results for word in result.alternatives[0].words]
    assert len(words) == len(text.split())
    starts_ms = [word.start_time for word in words]
    assert starts_ms == sorted(starts_ms)
    assert 1000 <= starts_ms[0] <= 1500
    assert words[-1].end_time <= 8600


async def test_a_wav_file_sent_whole_without_encoding_or_rate(server: Serving) -> None:
    """What NVIDIA's file clients send: the file's bytes, header included, and neither encoding nor rate."""
    config = riva.client.RecognitionConfig(language_code="en-US")
    response = await asyncio.to_thread(service(server).offline_recognize, TWO_CITIES.read_bytes(), config)
    text = "".join(result.alternatives[0].transcript for result in response.results)
    assert text == text.lower()
    assert word_error_rate(WHOLE_TEXT, text) <= 0.1
    assert response.results[-1].audio_processed == pytest.approx(
        41.7 + 0.64, abs=0.1
    )  # the end of speech and the window


async def test_streaming_generator_with_a_file_and_its_header(server: Serving) -> None:
    """streaming_response_generator over a chunked WAV file: interims, a first pass and finals in order."""
    config = riva.client.StreamingRecognitionConfig(
        config=riva.client.RecognitionConfig(language_code="en-US", enable_automatic_punctuation=True),
        interim_results=True,
    )
    file_bytes = TWO_CITIES.read_bytes()[: round(9.2 * 48_000) * 2]
    chunks = [file_bytes[start : start + 3200] for start in range(0, len(file_bytes), 3200)]

    def stream() -> list[pb.StreamingRecognitionResult]:
        responses = service(server).streaming_response_generator(audio_chunks=chunks, streaming_config=config)
        return [result for response in responses for result in response.results]

    results = await asyncio.to_thread(stream)
    finals = [result for result in results if result.is_final]
    assert word_error_rate(CLAUSES, "".join(final.alternatives[0].transcript for final in finals)) <= 0.15
    first_passes = [result for result in results if result.stability == 1.0]
    assert len(first_passes) >= 1
    assert first_passes[0].alternatives[0].transcript == finals[0].alternatives[0].transcript
    processed_s = [result.audio_processed for result in results]
    assert processed_s == sorted(processed_s)


async def test_telephone_audio(server: Serving) -> None:
    """8 kHz mu-law as telephony sends it, straight into NVIDIA's client."""
    config = riva.client.RecognitionConfig(
        encoding=riva.client.AudioEncoding.MULAW,
        sample_rate_hertz=8000,
        language_code="en-US",
        enable_automatic_punctuation=True,
    )
    magnitude = clauses(8000).astype(np.float64) / 32768
    companded = np.sign(magnitude) * np.log1p(255 * np.abs(magnitude)) / np.log(256)
    codes = np.where(companded < 0, 0x7F, 0xFF) - np.minimum(127, np.abs(companded) * 128).astype(int)
    response = await asyncio.to_thread(service(server).offline_recognize, codes.astype(np.uint8).tobytes(), config)
    text = "".join(result.alternatives[0].transcript for result in response.results)
    assert word_error_rate(CLAUSES, text) <= 0.2


async def test_the_configuration_listing(server: Serving) -> None:
    """NVIDIA's --list-models reads `type` and `language_code` of every row."""
    request = pb.RivaSpeechRecognitionConfigRequest()
    response = await asyncio.to_thread(service(server).stub.GetRivaSpeechRecognitionConfig, request)
    listed = {
        model.model_name: (model.parameters["type"], model.parameters["language_code"])
        for model in response.model_config
    }
    assert listed == {
        "moonshine-tiny-en-streaming": ("online", "en-US"),
        "moonshine-tiny-en-offline": ("offline", "en-US"),
    }


def _script_options(*arguments: str) -> argparse.Namespace:
    """What NVIDIA's recognition scripts read from a command line, by their own parser."""
    parser = add_asr_config_argparse_parameters(
        argparse.ArgumentParser(), max_alternatives=True, profanity_filter=True, word_time_offsets=True
    )
    options: argparse.Namespace = parser.parse_args(arguments)
    return options


def _script_config(options: argparse.Namespace, **sound: int) -> Any:
    """The configuration that the scripts make of it; `sound` is what only transcribe_mic.py says."""
    config = riva.client.StreamingRecognitionConfig(
        config=riva.client.RecognitionConfig(
            language_code=options.language_code,
            model=options.model_name,
            max_alternatives=options.max_alternatives,
            profanity_filter=options.profanity_filter,
            enable_automatic_punctuation=options.automatic_punctuation,
            verbatim_transcripts=not options.no_verbatim_transcripts,
            enable_word_time_offsets=options.word_time_offsets or options.speaker_diarization,
            **sound,
        ),
        interim_results=True,
    )
    riva.client.add_word_boosting_to_config(config, options.boosted_lm_words, options.boosted_lm_score)
    riva.client.add_speaker_diarization_to_config(config, options.speaker_diarization, options.diarization_max_speakers)
    riva.client.add_endpoint_parameters_to_config(
        config,
        options.start_history,
        options.start_threshold,
        options.stop_history,
        options.stop_history_eou,
        options.stop_threshold,
        options.stop_threshold_eou,
    )
    riva.client.add_custom_configuration_to_config(config, options.custom_configuration)
    return config


MICROPHONE = {"encoding": riva.client.AudioEncoding.LINEAR_PCM, "sample_rate_hertz": 16_000, "audio_channel_count": 1}


@pytest.mark.parametrize(
    ("sound", "arguments"),
    [
        ({}, ()),
        (MICROPHONE, ()),
        ({}, ("--boosted-lm-words", "wisdom", "--max-alternatives", "3", "--no-verbatim-transcripts")),
        ({}, ("--stop-history", "900", "--stop-history-eou", "400", "--custom-configuration", "a:b")),
    ],
)
async def test_the_scripts_defaults_are_served(
    server: Serving, sound: dict[str, int], arguments: tuple[str, ...]
) -> None:
    """transcribe_file.py, riva_streaming_asr_client.py and transcribe_mic.py as they come, and with options that have
    no effect here: since 2.27 none of them names a language.
    """
    config = _script_config(_script_options(*arguments), **sound)
    assert config.config.language_code == ""
    head = b"" if sound else TWO_CITIES.read_bytes()[:44]
    audio = head + clauses(16_000 if sound else 48_000).tobytes()

    def stream() -> str:
        chunks = [audio[start : start + 3200] for start in range(0, len(audio), 3200)]
        responses = service(server).streaming_response_generator(audio_chunks=chunks, streaming_config=config)
        results = [result for response in responses for result in response.results]
        return "".join(result.alternatives[0].transcript for result in results if result.is_final)

    assert word_error_rate(CLAUSES, await asyncio.to_thread(stream)) <= 0.15


async def test_the_offline_script_names_no_language_either(server: Serving) -> None:
    """transcribe_file_offline.py: the whole file, and neither encoding, rate nor language."""
    config = _script_config(_script_options("--automatic-punctuation")).config
    response = await asyncio.to_thread(service(server).offline_recognize, TWO_CITIES.read_bytes(), config)
    assert response.results[0].alternatives[0].transcript.startswith("It was the best of times")
