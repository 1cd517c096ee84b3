"""Riva's recognition messages, read and made; no socket."""

from dataclasses import dataclass
from typing import Any

import grpc
from riva.client.proto import riva_asr_pb2 as asr_pb2
from riva.client.proto import riva_audio_pb2 as audio_pb2

from voicegateway_testkit.fakes.endpointing import Endpointing
from voicegateway_testkit.fakes.grpc_fake import CallError
from voicegateway_testkit.fakes.script import Result, TimedWord

DEFAULT_ENDPOINTING = Endpointing(stop_history_eou_ms=240, stop_history_ms=480)
"""For what a request leaves unset; a model's own values in real Riva."""
MIN_RATE_HZ = 8000
INTERIM_STABILITY = 0.5
"""Stability of every interim result but the first pass's, which has 1.0."""


@dataclass(frozen=True, slots=True)
class ResponseEncoder:
    """Makes the responses of one stream."""

    config: Any
    """The request's RecognitionConfig."""
    request_id: str
    has_stability: bool
    """False: stability is never set, as with models that have no first pass."""

    def __call__(self, result: Result) -> Any:
        """Gives the StreamingRecognizeResponse for a result."""
        alternative = asr_pb2.SpeechRecognitionAlternative(
            transcript=result.text, confidence=result.confidence, language_code=[self.config.language_code]
        )
        if self.config.enable_word_time_offsets:
            alternative.words.extend(self._word(word, result.confidence) for word in result.words)
        settled = 1.0 if result.is_suspected_end else INTERIM_STABILITY
        wire_result = asr_pb2.StreamingRecognitionResult(
            alternatives=[alternative],
            is_final=result.is_final,
            stability=settled if self.has_stability and not result.is_final else 0.0,
            channel_tag=1,
            audio_processed=result.at_samples / self.config.sample_rate_hertz,
        )
        return asr_pb2.StreamingRecognizeResponse(results=[wire_result], id={"value": self.request_id})

    def _word(self, word: TimedWord, confidence: float) -> Any:
        rate_hz = self.config.sample_rate_hertz
        return asr_pb2.WordInfo(
            word=word.text,
            start_time=word.start_samples * 1000 // rate_hz,
            end_time=word.end_samples * 1000 // rate_hz,
            confidence=confidence,
        )


def read_endpointing(config: Any) -> Endpointing:
    """Reads the windows of a RecognitionConfig; raises CallError when they contradict each other."""
    asked = config.endpointing_config
    eou_ms, stop_ms = DEFAULT_ENDPOINTING.stop_history_eou_ms, DEFAULT_ENDPOINTING.stop_history_ms
    if asked.HasField("stop_history"):
        stop_ms = asked.stop_history
    if asked.HasField("stop_history_eou"):
        eou_ms = asked.stop_history_eou
    if eou_ms is not None and eou_ms >= stop_ms:
        if asked.HasField("stop_history_eou"):
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "stop_history_eou must be below stop_history")
        eou_ms = None
    return Endpointing(eou_ms, stop_ms)


def read_rate_hz(config: Any) -> int:
    """Reads the rate of a RecognitionConfig; raises CallError for audio that the fake does not take."""
    if config.encoding != audio_pb2.LINEAR_PCM:
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "the fake takes LINEAR_PCM only")
    if config.sample_rate_hertz < MIN_RATE_HZ:
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, f"sample_rate_hertz {config.sample_rate_hertz} is too low")
    return int(config.sample_rate_hertz)
