"""A fake of Riva speech synthesis: a sound of its own for each text, delays and faults to order, on a real socket."""

import asyncio
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from riva.client.proto import riva_audio_pb2 as audio_pb2
from riva.client.proto import riva_tts_pb2 as tts_pb2

from voicegateway_testkit.fakes.grpc_fake import (
    CallError,
    CallRecord,
    ConfigRow,
    Context,
    GrpcFake,
    Outcome,
    config_listing,
)
from voicegateway_testkit.fakes.tts_voice import DEFAULT_MS_PER_CHAR, SpokenText, locate, speak
from voicegateway_testkit.faults import DieAfterSamples, FaultPlan, Hang, NoSound, Refuse, StallAfterSamples, TtsFault

DEFAULT_ROWS = (
    ConfigRow("fake-tts-en-US", {"language_code": "en-US", "voice_name": "Fake.EN-US", "subvoices": "Aria:0,Leo:1"}),
)
DEFAULT_RATE_HZ = 22050
RATES_HZ = (8000, 48000)
"""Lowest and highest rate asked for that the fake takes."""


@dataclass(frozen=True, slots=True)
class TtsTiming:
    """What the backend's own work takes."""

    first_audio_ms: int = 78
    """From the request to its first audio."""
    chunk_ms: int = 100
    """Length of each piece of audio."""
    chunk_every_ms: int = 10
    """From one piece to the next; less than `chunk_ms` is faster than real time."""
    ms_per_char: int = DEFAULT_MS_PER_CHAR


@dataclass(slots=True, kw_only=True)
class TtsCall(CallRecord):
    """What is known of one SynthesizeOnline call."""

    sentences: "list[TtsSentence]" = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class TtsSentence:
    """What is known of one text that was asked for."""

    request: Any
    """The SynthesizeSpeechRequest."""
    spoken: SpokenText
    fault: TtsFault | None
    call: TtsCall
    asked_ns: int
    """On `time.monotonic_ns`, as `first_audio_ns`."""
    first_audio_ns: int | None = None
    sent_samples: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether all of its audio was sent."""
        return self.sent_samples == self.spoken.samples


class FakeTts(GrpcFake):
    """Riva TTS. `sentences` has every text in the order asked; `faults` are taken one for each sentence."""

    def __init__(
        self,
        *,
        timing: TtsTiming = TtsTiming(),
        word_times: bool = True,
        rows: Iterable[ConfigRow] = DEFAULT_ROWS,
        wav_headers: bool = False,
    ) -> None:
        """Makes a fake.

        Args:
            timing: modelled delays.
            word_times: false: it gives none even when asked.
            rows: the configuration listing.
            wav_headers: begin every message with the header of a WAV file, as real Riva does not.
        """
        super().__init__()
        self.faults: FaultPlan[TtsFault] = FaultPlan()
        self.calls: list[TtsCall] = []
        self.sentences: list[TtsSentence] = []
        self.timing = timing
        self._word_times = word_times
        self._wav_headers = wav_headers
        self._rows = tuple(rows)

    @property
    def texts(self) -> list[str]:
        """The texts asked for, in order."""
        return [sentence.spoken.text for sentence in self.sentences]

    @property
    def open_calls(self) -> int:
        """Calls that have not ended."""
        return sum(call.outcome is Outcome.OPEN for call in self.calls)

    @property
    def cancelled_calls(self) -> int:
        """Calls that the peer gave up."""
        return sum(call.outcome is Outcome.CANCELLED for call in self.calls)

    def locate(self, pcm: bytes) -> tuple[str, int] | None:
        """Tells the text that this audio (s16le, at the rate asked for) is of, and its first sample there."""
        found = locate(pcm, [sentence.spoken for sentence in self.sentences])
        return found and (found[0].text, found[1])

    def describe(self) -> str:
        """Says what each sentence has come to."""
        return "; ".join(
            f"{sentence.spoken.text!r}: {sentence.sent_samples} of {sentence.spoken.samples} samples, call "
            f"{sentence.call.outcome.value}"
            for sentence in self.sentences
        )

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        methods = {
            "SynthesizeOnline": grpc.stream_stream_rpc_method_handler(
                self._synthesize_online,
                tts_pb2.SynthesizeSpeechRequest.FromString,
                tts_pb2.SynthesizeSpeechResponse.SerializeToString,
            ),
            "GetRivaSynthesisConfig": grpc.unary_unary_rpc_method_handler(
                self._get_config,
                tts_pb2.RivaSynthesisConfigRequest.FromString,
                tts_pb2.RivaSynthesisConfigResponse.SerializeToString,
            ),
        }
        return [grpc.method_handlers_generic_handler("nvidia.riva.tts.RivaSpeechSynthesis", methods)]

    async def _get_config(self, request: Any, _context: Context) -> Any:
        return config_listing(self._rows, request, tts_pb2.RivaSynthesisConfigResponse)

    async def _synthesize_online(self, _requests: object, context: Context) -> None:
        call = TtsCall()
        self.calls.append(call)
        self._changed()
        await self._run_call(context, call, self._answer_requests(call, context))

    async def _answer_requests(self, call: TtsCall, context: Context) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            asked_ns = time.monotonic_ns()  # before the sound is made, which takes time
            due = asyncio.get_running_loop().time() + self.timing.first_audio_ms / 1000
            self._check(request)
            await self._speak(self._admit(request, call, asked_ns), context, due)

    def _check(self, request: Any) -> None:
        """Refuses what real Riva refuses. The code for an unknown voice or language is not published."""
        voices = list(_voices(self._rows))
        languages = {row.parameters["language_code"] for row in self._rows}
        problem = ""
        if not request.text.strip():
            problem = "text is empty"
        elif request.encoding not in (audio_pb2.ENCODING_UNSPECIFIED, audio_pb2.LINEAR_PCM):
            problem = "the fake gives LINEAR_PCM only"
        elif request.sample_rate_hz and not RATES_HZ[0] <= request.sample_rate_hz <= RATES_HZ[1]:
            problem = f"sample_rate_hz {request.sample_rate_hz} is out of range"
        elif request.voice_name and request.voice_name not in voices:
            problem = f"no voice {request.voice_name!r}"
        elif request.language_code not in languages:
            problem = f"no language {request.language_code!r}"
        if problem:
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, problem)

    def _admit(self, request: Any, call: TtsCall, asked_ns: int) -> TtsSentence:
        rate_hz = request.sample_rate_hz or DEFAULT_RATE_HZ
        spoken = speak(request.text, rate_hz, self.timing.ms_per_char)
        sentence = TtsSentence(request=request, spoken=spoken, fault=self.faults.take(), call=call, asked_ns=asked_ns)
        call.sentences.append(sentence)
        self.sentences.append(sentence)
        self._changed()
        return sentence

    async def _speak(self, sentence: TtsSentence, context: Context, due: float) -> None:
        match sentence.fault:
            case Refuse(code, details, trailing):
                raise CallError(code, details, trailing)
            case Hang():
                await asyncio.Event().wait()
            case NoSound():
                await context.write(tts_pb2.SynthesizeSpeechResponse(id=sentence.request.id))
                return
        loop = asyncio.get_running_loop()
        while not sentence.is_complete:
            await asyncio.sleep(due - loop.time())
            due += self.timing.chunk_every_ms / 1000
            await self._send_chunk(sentence, context)

    async def _send_chunk(self, sentence: TtsSentence, context: Context) -> None:
        start = sentence.sent_samples
        end = min(start + sentence.spoken.rate_hz * self.timing.chunk_ms // 1000, sentence.spoken.samples)
        match sentence.fault:
            case DieAfterSamples(limit) | StallAfterSamples(limit):
                end = min(end, limit)
        if end > start:
            await context.write(self._response(sentence, start, end))
            sentence.sent_samples = end
            sentence.first_audio_ns = sentence.first_audio_ns or time.monotonic_ns()
            self._changed()
        match sentence.fault:
            case DieAfterSamples(limit, code) if end >= limit:
                raise CallError(code, f"died after {limit} samples")
            case StallAfterSamples(limit) if end >= limit:
                await asyncio.Event().wait()

    def _response(self, sentence: TtsSentence, start: int, end: int) -> Any:
        """Gives samples [start, end); the words are told with the audio they begin in."""
        request, spoken = sentence.request, sentence.spoken
        meta = tts_pb2.SynthesizeSpeechResponseMetadata(text=spoken.text, processed_text=spoken.text)
        if self._word_times and request.enable_word_time_offsets:
            meta.words.extend(
                tts_pb2.WordTiming(
                    word=word.text,
                    start_time=word.start_samples * 1000 // spoken.rate_hz,
                    end_time=word.end_samples * 1000 // spoken.rate_hz,
                )
                for word in spoken.words
                if start <= word.start_samples < end
            )
        pcm = spoken.pcm[start * 2 : end * 2]
        audio = wav_header(len(pcm), spoken.rate_hz) + pcm if self._wav_headers else pcm
        return tts_pb2.SynthesizeSpeechResponse(audio=audio, meta=meta, id=request.id)


def wav_header(pcm_bytes: int, rate_hz: int) -> bytes:
    """Gives the header of a WAV file of mono s16le; `pcm_bytes` may be a lie, as a stream's has to be."""
    fmt = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + pcm_bytes) + b"WAVE"
    return head + b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", pcm_bytes)


def _voices(rows: Iterable[ConfigRow]) -> Iterator[str]:
    """Gives the names that a request may have: the row's voice, alone or with one of its subvoices."""
    for row in rows:
        yield row.parameters["voice_name"]
        for subvoice in filter(None, row.parameters["subvoices"].split(",")):
            yield f"{row.parameters['voice_name']}.{subvoice.split(':')[0]}"
