"""Measures recognition against its acceptance lines, on a real server over loopback and in real time.

    python services/local-models/accept/asr.py

Prints one line per criterion, `name | measured | limit | PASS/FAIL`, and exits 1 if any failed. Takes about two minutes
on an idle machine; on a busy one the latency lines measure the others.
"""

# ruff: noqa: T201, INP001 - a script that talks to a terminal, and that must set the thread count before numpy

import asyncio
import os
import statistics
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import jiwer
import moonshine_voice.utils
import numpy as np
import soundfile
import soxr
import uvloop
from local_models.engines.moonshine import MoonshineEngine
from local_models.engines.pool import InferencePool
from local_models.engines.recognition import SAMPLE_RATE_HZ, Samples
from local_models.engines.voice_activity import VoiceActivityModel
from local_models.riva.asr_ears import Ears
from local_models.riva.asr_servicer import MAX_MESSAGE_BYTES, AsrLimits, register_asr
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc as pb_grpc
from riva.client.proto import riva_audio_pb2 as audio_pb

TWO_CITIES = Path(str(moonshine_voice.utils.get_assets_path())) / "two_cities.wav"
REFERENCE = """it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness
it was the epoch of belief it was the epoch of incredulity it was the season of light it was the season of darkness it
was the spring of hope it was the winter of despair we had everything before us we had nothing before us we were all
going direct to heaven we were all going direct the other way in short the period was so far like the present period
that some of its noisiest authorities insisted on its being received for good or for evil in the superlative degree of
comparison only"""

CLIPS = (
    (1.216, 4.64, "it was the best of times it was the worst of times"),
    (5.02, 8.26, "it was the age of wisdom it was the age of foolishness"),
    (8.83, 12.83, "it was the epoch of belief it was the epoch of incredulity"),
    (13.47, 16.74, "it was the season of light it was the season of darkness"),
    (17.57, 20.54, "it was the spring of hope it was the winter of despair"),
    (21.25, 24.06, "we had everything before us we had nothing before us"),
)
"""Utterances of the recording: start and end in seconds by the VAD (measured 2026-11-21), and what is said."""

FIVE_SECONDS = (1.216, 6.304)
TWO_PASSES = 2

FRAME_S = 0.02
LEAD_S = 0.3


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    measured: float
    limit: float
    unit: str

    @property
    def passed(self) -> bool:
        return self.measured <= self.limit

    def __str__(self) -> str:
        verdict = "PASS" if self.passed else "FAIL"
        return f"{self.name} | {self.measured:.3g} {self.unit} | <= {self.limit:g} {self.unit} | {verdict}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A result and when it came, in seconds since the first frame was due."""

    at_s: float
    result: Any


@asynccontextmanager
async def serving() -> AsyncIterator[pb_grpc.RivaSpeechRecognitionStub]:
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    server = grpc.aio.server(options=options)
    ears, pool = Ears(VoiceActivityModel()), InferencePool(max_pending_jobs=64)
    register_asr(server, {"en-US": MoonshineEngine()}, ears=ears, pool=pool, limits=AsrLimits())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pb_grpc.RivaSpeechRecognitionStub(channel)
    await server.stop(None)
    pool.close()
    ears.close()


def recording() -> Samples:
    samples, rate_hz = soundfile.read(TWO_CITIES, dtype="float32")
    return np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def cut(samples: Samples, start_s: float, end_s: float) -> Samples:
    """A stretch of the recording between digital silence, so that its end is known to the sample."""
    return samples[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)]


def pcm(samples: Samples) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def config(**endpointing: float) -> pb.StreamingRecognizeRequest:
    recognition = pb.RecognitionConfig(
        encoding=audio_pb.LINEAR_PCM,
        sample_rate_hertz=SAMPLE_RATE_HZ,
        language_code="en-US",
        enable_automatic_punctuation=True,
        endpointing_config=pb.EndpointingConfig(**endpointing),
    )
    streaming = pb.StreamingRecognitionConfig(config=recognition, interim_results=True)
    return pb.StreamingRecognizeRequest(streaming_config=streaming)


async def push(
    stub: pb_grpc.RivaSpeechRecognitionStub,
    samples: Samples,
    first: pb.StreamingRecognizeRequest,
    *,
    speed: float = 1.0,
) -> list[Arrival]:
    """Stream the audio at `speed` times real time in 20 ms messages; all results with their arrival."""
    call = stub.StreamingRecognize()
    await call.write(first)
    start_s = time.perf_counter()
    data, step_bytes = pcm(samples), round(FRAME_S * SAMPLE_RATE_HZ) * 2

    async def send() -> None:
        for index, offset in enumerate(range(0, len(data), step_bytes)):
            # a microphone hands a frame over when its last sample has been spoken
            due_s = start_s + (index + 1) * FRAME_S / speed
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            await call.write(pb.StreamingRecognizeRequest(audio_content=data[offset : offset + step_bytes]))
        await call.done_writing()

    sender = asyncio.create_task(send())
    arrivals: list[Arrival] = []
    while (response := await call.read()) is not grpc.aio.EOF:
        arrivals += [Arrival(time.perf_counter() - start_s, result) for result in response.results]
    await sender
    return arrivals


def words(text: str) -> str:
    return " ".join("".join(c if c.isalpha() or c == "'" else " " for c in text.lower()).split())


def word_errors(reference: str, arrivals: Sequence[Arrival]) -> float:
    said = " ".join(arrival.result.alternatives[0].transcript for arrival in arrivals if arrival.result.is_final)
    return float(jiwer.wer(words(reference), words(said)))


async def offline(stub: pb_grpc.RivaSpeechRecognitionStub) -> list[Line]:
    request = pb.RecognizeRequest(
        config=pb.RecognitionConfig(language_code="en-US", enable_automatic_punctuation=True),
        audio=TWO_CITIES.read_bytes(),
    )
    await stub.Recognize(request)  # the first decode after loading is not what is measured
    start_s = time.perf_counter()
    response = await stub.Recognize(request)
    elapsed_s = time.perf_counter() - start_s
    said = " ".join(result.alternatives[0].transcript for result in response.results)
    return [
        Line("offline word error rate, two_cities.wav", 100 * float(jiwer.wer(words(REFERENCE), words(said))), 10, "%"),
        Line("offline real-time factor", elapsed_s / (recording().size / SAMPLE_RATE_HZ), 0.1, "x"),
    ]


async def one_at_a_time(stub: pb_grpc.RivaSpeechRecognitionStub, audio: Samples) -> list[Line]:
    interims_s, finals_s = [], []
    for start_s, end_s in (FIVE_SECONDS, *((start, end) for start, end, _ in CLIPS)):
        samples = np.concatenate((silence(LEAD_S), cut(audio, start_s, end_s), silence(1.5)))
        arrivals = await push(stub, samples, config(stop_history=480, stop_history_eou=240))
        over_s = LEAD_S + (end_s - start_s) + 0.48
        interims_s.append(next(a.at_s for a in arrivals if not a.result.is_final) - LEAD_S)
        finals = [a.at_s for a in arrivals if a.result.is_final]
        finals_s.append(finals[-1] - over_s)
    print(f"  first interims after onset, ms: {[round(1000 * s) for s in interims_s]}")
    print(f"  finals after stop_history, ms: {[round(1000 * s) for s in finals_s]}")
    return [
        Line("first interim after speech onset, worst of 7", 1000 * max(interims_s), 700, "ms"),
        Line("final after stop_history, worst of 7", 1000 * max(finals_s), 300, "ms"),
    ]


async def four_together(stub: pb_grpc.RivaSpeechRecognitionStub, audio: Samples) -> list[Line]:
    start_s, end_s = FIVE_SECONDS
    samples = np.concatenate((silence(LEAD_S), cut(audio, start_s, end_s), silence(2.0)))
    streams = await asyncio.gather(*(push(stub, samples, config()) for _ in range(4)))
    over_s = LEAD_S + end_s - start_s
    latest_s = max(arrival.at_s for arrivals in streams for arrival in arrivals if arrival.result.is_final)
    finals = sum(arrival.result.is_final for arrivals in streams for arrival in arrivals)
    interims = [sum(not arrival.result.is_final for arrival in arrivals) for arrivals in streams]
    print(
        f"  four streams: last final {1000 * (latest_s - over_s - 0.48):.0f} ms after stop_history, interims {interims}"
    )
    return [
        Line("four streams: last final after the end of speech", latest_s - over_s, 1.0, "s"),
        Line("four streams: finals missing or too many", abs(finals - 4), 0, ""),
    ]


async def two_pass(stub: pb_grpc.RivaSpeechRecognitionStub, audio: Samples) -> list[Line]:
    worst_ms, missing = 0.0, 0
    for eou_ms, stop_ms in ((100, 200), (160, 400), (240, 480), (300, 800), (500, 1000)):
        for start_s, end_s in ((1.216, 6.304), (8.83, 10.34), (21.25, 24.06)):
            samples = np.concatenate((silence(LEAD_S), cut(audio, start_s, end_s), silence(1.5)))
            arrivals = await push(stub, samples, config(stop_history=stop_ms, stop_history_eou=eou_ms), speed=4)
            end_ms = 1000 * (LEAD_S + end_s - start_s)
            results = [arrival.result for arrival in arrivals]
            if len(results) < TWO_PASSES or results[-2].stability != 1.0 or not results[-1].is_final:
                missing += 1
                continue
            errors_ms = (
                1000 * results[-2].audio_processed - end_ms - eou_ms,
                1000 * results[-1].audio_processed - end_ms - stop_ms,
            )
            worst_ms = max(worst_ms, *map(abs, errors_ms))
    return [
        Line("two-pass ends not seen on the wire, of 15", missing, 0, ""),
        Line("stop_history_eou and stop_history, worst error in audio time", worst_ms, 60, "ms"),
    ]


async def borders(stub: pb_grpc.RivaSpeechRecognitionStub, audio: Samples) -> list[Line]:
    parts = [part for start, end, _ in CLIPS for part in (silence(0.6), cut(audio, start, end))]
    arrivals = await push(stub, np.concatenate((*parts, silence(1.0))), config(), speed=4)
    finals = sum(arrival.result.is_final for arrival in arrivals)
    said = " ".join(text for _, _, text in CLIPS)
    lines = [
        Line(f"of {len(CLIPS)} utterances in a row, lost or duplicated", abs(finals - len(CLIPS)), 0, ""),
        Line("their word error rate", 100 * word_errors(said, arrivals), 10, "%"),
    ]
    for stop_ms in (300, 480):
        arrivals = await push(stub, audio, config(stop_history=stop_ms, stop_history_eou=stop_ms // 2), speed=8)
        finals = sum(arrival.result.is_final for arrival in arrivals)
        name = f"streamed word error rate, stop_history {stop_ms}, {finals} finals"
        lines.append(Line(name, 100 * word_errors(REFERENCE, arrivals), 10, "%"))
    arrivals = await push(stub, audio, config(stop_history=5000), speed=8)
    ends_s = [0.0, *(arrival.result.audio_processed for arrival in arrivals if arrival.result.is_final)]
    longest_s = max(np.diff(ends_s))
    lines.append(Line("never a pause long enough: word error rate", 100 * word_errors(REFERENCE, arrivals), 10, "%"))
    lines.append(Line("never a pause long enough: longest utterance", longest_s, 31, "s"))
    return lines


async def queue_latency(stub: pb_grpc.RivaSpeechRecognitionStub, audio: Samples) -> list[Line]:
    """A small answer must not wait for inference: the event loop is asked every 5 ms while four files are decoded."""
    gaps_ms: list[float] = []

    async def probe() -> None:
        while True:
            start_s = time.perf_counter()
            await asyncio.sleep(0.005)
            gaps_ms.append(1000 * (time.perf_counter() - start_s) - 5)

    prober = asyncio.create_task(probe())
    await asyncio.gather(*(push(stub, audio[: 20 * SAMPLE_RATE_HZ], config(), speed=12.8) for _ in range(4)))
    prober.cancel()
    return [Line("event loop held up under load, p99", statistics.quantiles(gaps_ms, n=100)[98], 20, "ms")]


async def main() -> int:
    audio = recording()
    lines: list[Line] = []
    async with serving() as stub:
        lines += await offline(stub)
        for measure in (one_at_a_time, four_together, two_pass, borders, queue_latency):
            lines += await measure(stub, audio)
    print("name | measured | limit | verdict")
    print(*lines, sep="\n")
    return 0 if all(line.passed for line in lines) else 1


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
