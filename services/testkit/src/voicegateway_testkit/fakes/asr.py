"""A fake of Riva speech recognition: words from a script, delays and faults to order, on a real socket."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from riva.client.proto import riva_asr_pb2 as asr_pb2

from voicegateway_testkit.fakes.asr_codec import (
    DEFAULT_ENDPOINTING,
    ResponseEncoder,
    read_endpointing,
    read_rate_hz,
)
from voicegateway_testkit.fakes.endpointing import EarEvent, Ears, Endpointing
from voicegateway_testkit.fakes.grpc_fake import (
    CallError,
    CallRecord,
    ConfigRow,
    Context,
    GrpcFake,
    Outcome,
    config_listing,
)
from voicegateway_testkit.fakes.script import Result, Script, Transcriber, Utterance
from voicegateway_testkit.faults import (
    AsrFault,
    DieAfterAudio,
    DieAfterWords,
    EndAtOnce,
    FaultPlan,
    Flood,
    Hang,
    LateFinal,
    NeverFinalise,
    Refuse,
)

DEFAULT_ROWS = (ConfigRow("fake-asr-en-US", {"type": "online", "language_code": "en-US", "sample_rate": "16000"}),)


@dataclass(frozen=True, slots=True)
class AsrTiming:
    """What the backend's own work takes: from the audio that decides a result to the result."""

    interim_ms: int = 0
    first_pass_ms: int = 40
    final_ms: int = 40
    interim_every_ms: int = 100
    """Audio time between interim results."""


@dataclass(frozen=True, slots=True)
class SentResult:
    """A result and its instants on `time.monotonic_ns`: its audio had arrived, the result left."""

    result: Result
    decided_ns: int
    sent_ns: int


@dataclass(slots=True, kw_only=True)
class AsrStream(CallRecord):
    """What is known of one recognition stream."""

    fault: AsrFault | None
    request_id: str = ""
    config: Any = None
    """The request's StreamingRecognitionConfig."""
    endpointing: Endpointing = DEFAULT_ENDPOINTING
    audio: bytearray = field(default_factory=bytearray)
    """All audio received, s16le; empty if the fake keeps none."""
    audio_bytes: int = 0
    message_bytes: list[int] = field(default_factory=list)
    """Size of each audio message; empty if the fake keeps none."""
    is_half_closed: bool = False
    sent: list[SentResult] = field(default_factory=list)

    @property
    def finals(self) -> list[str]:
        """The final texts sent."""
        return [entry.result.text for entry in self.sent if entry.result.is_final]


class FakeAsr(GrpcFake):
    """Riva ASR. `streams` has every stream in the order opened; `faults` are taken one for each stream."""

    def __init__(
        self,
        script: Iterable[Utterance] = (),
        *,
        timing: AsrTiming = AsrTiming(),
        stability_interims: bool = True,
        repeats: bool = False,
        rows: Iterable[ConfigRow] = DEFAULT_ROWS,
        keeps_audio: bool = True,
    ) -> None:
        """Makes a fake.

        Args:
            script: what each segment of speech says; shared by all streams.
            timing: modelled delays.
            stability_interims: whether the first pass sends its interim of stability 1.0, as not all models do.
            repeats: begin the script again at its end; otherwise speech after its end has no words.
            rows: the configuration listing; its languages are the ones accepted.
            keeps_audio: false for long runs.
        """
        super().__init__()
        self.faults: FaultPlan[AsrFault] = FaultPlan()
        self.language_faults: dict[str, AsrFault] = {}
        """What every stream of a language meets that has no fault of its own; not for Refuse and Hang."""
        self.streams: list[AsrStream] = []
        self.timing = timing
        self.stability_interims = stability_interims
        self.script = Script(script, repeats=repeats)
        self._rows = tuple(rows)
        self.keeps_audio = keeps_audio

    @property
    def open_streams(self) -> int:
        """Streams that have not ended."""
        return sum(stream.outcome is Outcome.OPEN for stream in self.streams)

    @property
    def audio_bytes(self) -> int:
        """Audio received by all streams."""
        return sum(stream.audio_bytes for stream in self.streams)

    def describe(self) -> str:
        """Says what each stream has come to."""
        return "; ".join(
            f"stream {number}: {stream.outcome.value}, {stream.audio_bytes} bytes, finals {stream.finals}"
            for number, stream in enumerate(self.streams)
        )

    def note_change(self) -> None:
        """Called by a stream when its record has changed."""
        self._changed()

    def check_language(self, language_code: str) -> None:
        """Raises CallError for a language that no row has."""
        if language_code not in {row.parameters["language_code"] for row in self._rows}:
            # INVALID_ARGUMENT for a missing model: as seen from users of Riva; no table of codes is published.
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, f"no model for language_code={language_code!r}")

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        methods = {
            "StreamingRecognize": grpc.stream_stream_rpc_method_handler(
                self._streaming_recognize,
                asr_pb2.StreamingRecognizeRequest.FromString,
                asr_pb2.StreamingRecognizeResponse.SerializeToString,
            ),
            "GetRivaSpeechRecognitionConfig": grpc.unary_unary_rpc_method_handler(
                self._get_config,
                asr_pb2.RivaSpeechRecognitionConfigRequest.FromString,
                asr_pb2.RivaSpeechRecognitionConfigResponse.SerializeToString,
            ),
        }
        return [grpc.method_handlers_generic_handler("nvidia.riva.asr.RivaSpeechRecognition", methods)]

    async def _get_config(self, request: Any, _context: Context) -> Any:
        return config_listing(self._rows, request, asr_pb2.RivaSpeechRecognitionConfigResponse)

    async def _streaming_recognize(self, _requests: object, context: Context) -> None:
        stream = AsrStream(fault=self.faults.take())
        self.streams.append(stream)
        self._changed()
        await self._run_call(context, stream, _Recognition(self, stream, context).run())


class _Recognition:
    """One stream: this task reads and decides, a second one writes each result when its delay has passed."""

    def __init__(self, fake: FakeAsr, stream: AsrStream, context: Context) -> None:
        self._fake = fake
        self._stream = stream
        self._context = context
        self._due: asyncio.Queue[tuple[float, int, Result] | None] = asyncio.Queue()

    async def run(self) -> None:
        match self._stream.fault:
            case Refuse(code, details, trailing):
                raise CallError(code, details, trailing)
            case Hang():
                await self._swallow()
            case EndAtOnce():
                await self._context.read()
            case _:
                await self._recognise()

    async def _swallow(self) -> None:
        """Takes everything and answers nothing, not even a half-close."""
        while (request := await self._context.read()) is not grpc.aio.EOF:
            self._count(request)
        self._stream.is_half_closed = True
        self._fake.note_change()
        await asyncio.Event().wait()

    async def _recognise(self) -> None:
        ears, transcriber = self._open(await self._context.read())
        if isinstance(self._stream.fault, Flood):
            await self._flood(self._stream.fault)
        writer = asyncio.create_task(self._write())
        try:
            await self._listen(ears, transcriber)
            self._due.put_nowait(None)
            await writer
        except CallError:
            self._due.put_nowait(None)  # what was recognised before the break still leaves
            await writer
            raise
        finally:
            if not self._stream.is_half_closed:
                transcriber.give_up()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _open(self, request: Any) -> tuple[Ears, Transcriber]:
        if request is grpc.aio.EOF or request.WhichOneof("streaming_request") != "streaming_config":
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be streaming_config")
        stream = self._stream
        stream.config = request.streaming_config
        stream.request_id = request.id.value
        stream.endpointing = read_endpointing(stream.config.config)
        language_code = stream.config.config.language_code
        self._fake.check_language(language_code)
        stream.fault = stream.fault or self._fake.language_faults.get(language_code)
        rate_hz = read_rate_hz(stream.config.config)
        self._fake.note_change()
        return Ears(rate_hz, stream.endpointing, self._fake.timing.interim_every_ms), Transcriber(
            self._fake.script, rate_hz
        )

    async def _flood(self, fault: Flood) -> None:
        """Tells results until the call is cancelled, several at a time."""
        encode = ResponseEncoder(self._stream.config.config, self._stream.request_id, has_stability=False)
        number, pause_s = 0, 0.02
        while True:
            for _ in range(max(1, int(fault.results_per_s * pause_s))):
                number += 1
                text = f"{number} ".ljust(fault.chars, "x")
                result = Result(text, number, is_final=fault.is_final, is_suspected_end=False)
                await self._context.write(encode(result))
            await asyncio.sleep(pause_s)

    async def _listen(self, ears: Ears, transcriber: Transcriber) -> None:
        while (request := await self._context.read()) is not grpc.aio.EOF:
            self._count(request)
            try:
                events = ears.hear(request.audio_content)
            except ValueError as error:
                raise CallError(grpc.StatusCode.INVALID_ARGUMENT, f"audio is cut inside a sample: {error}") from error
            self._take(events, transcriber)
            match self._stream.fault:
                case DieAfterAudio(audio_ms, code) if ears.heard_samples * 1000 >= audio_ms * transcriber.rate_hz:
                    raise CallError(code, f"died after {audio_ms} ms of audio")
        self._stream.is_half_closed = True
        self._fake.note_change()
        self._take(ears.finish(), transcriber)

    def _count(self, request: Any) -> None:
        if request.WhichOneof("streaming_request") == "streaming_config":
            if self._stream.config is not None:
                raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "streaming_config comes once")
            self._stream.config = request.streaming_config
            self._stream.request_id = request.id.value
        self._stream.audio_bytes += len(request.audio_content)
        if self._fake.keeps_audio:
            self._stream.audio += request.audio_content
            self._stream.message_bytes.append(len(request.audio_content))
        self._fake.note_change()

    def _take(self, events: list[EarEvent], transcriber: Transcriber) -> None:
        for event in events:
            result = transcriber.take(event)
            if result is not None and self._is_wanted(result):
                self._schedule(result)
                match self._stream.fault:
                    case DieAfterWords(words, code) if len(result.text.split()) >= words:
                        raise CallError(code, f"died after {words} words")

    def _is_wanted(self, result: Result) -> bool:
        if result.is_final:
            return not isinstance(self._stream.fault, NeverFinalise)
        if result.is_suspected_end and not self._fake.stability_interims:
            return False
        return bool(self._stream.config.interim_results)

    def _schedule(self, result: Result) -> None:
        """Lets a result leave when its delay has passed, and not before one that was decided earlier."""
        due = asyncio.get_running_loop().time() + self._delay_ms(result) / 1000
        self._due.put_nowait((due, time.monotonic_ns(), result))

    def _delay_ms(self, result: Result) -> int:
        timing = self._fake.timing
        if result.is_final:
            late_ms = self._stream.fault.delay_ms if isinstance(self._stream.fault, LateFinal) else 0
            return timing.final_ms + late_ms
        return timing.first_pass_ms if result.is_suspected_end else timing.interim_ms

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        encode = ResponseEncoder(self._stream.config.config, self._stream.request_id, self._fake.stability_interims)
        while (item := await self._due.get()) is not None:
            due, decided_ns, result = item
            if (wait_s := due - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            await self._context.write(encode(result))
            self._stream.sent.append(SentResult(result, decided_ns, time.monotonic_ns()))
            self._fake.note_change()
