"""An adapter for each contract that gateways speak: bytes to send, bytes that came. No socket, no clock."""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import voice_workflow_pb2 as workflow_pb2
from google.protobuf.message import DecodeError, Message
from voicegateway.v1 import audio_pb2, client_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

from voice_client.load.script import FRAME_SAMPLES, RATE_HZ
from voice_client.player import PlaybackReport
from voice_client.screen import reason_name

_ANSWERS: Final = (server_pb2.REPLY_KIND_ANSWER, server_pb2.REPLY_KIND_UNSPECIFIED)

_Answer = TypeVar("_Answer", bound=Message)
_ENDED_BY_US: Final = (server_pb2.END_REASON_CLIENT_ENDED, server_pb2.END_REASON_CLIENT_HALF_CLOSED)


class DoorError(ValueError):
    """The server says something that ends the call, or that the contract does not allow; the text is the reason."""


class Ear(Protocol):
    """Who is told what came, and when. A reply has an id that is its own within the call; one that is `over` may have
    come whole or been interrupted: the contract does not say.
    """

    def audio(self, reply_id: str, offset_samples: int, pcm: bytes, at_ns: int, *, is_last: bool) -> None: ...
    def paused(self, reply_id: str, at_ns: int) -> None: ...
    def resumed(self, reply_id: str, offset_samples: int, at_ns: int) -> None: ...
    def interrupted(self, reply_id: str, at_ns: int) -> None: ...
    def finished(self, reply_id: str, at_ns: int) -> None: ...
    def over(self, reply_id: str, at_ns: int) -> None: ...
    def transcript(self, text: str) -> None: ...
    def no_answer(self, reply_id: str) -> None: ...
    def notice(self, reason: str) -> None: ...


Read = Callable[[bytes, int], None]
"""Takes one message of the server, and its arrival; raises DoorError."""


class Door(Protocol):
    """A contract."""

    method: str
    """The gRPC method, as it stands in the path."""

    def start(self) -> bytes:
        """The first message of a call; the server answers it."""

    def frame(self, pcm: bytes) -> bytes:
        """A frame of speech: the part of it that can be made beforehand."""

    def placed(self, frame: bytes, number: int) -> bytes:
        """That frame as the one of this number in its call."""

    def playback(self, report: PlaybackReport) -> bytes | None:
        """A playback report; None: this contract has none."""

    def end(self) -> bytes | None:
        """What is sent before the half-close of a call; None: nothing."""

    def reader(self, ear: Ear) -> Read:
        """Who reads the messages of one call."""


class NativeDoor:
    """`voicegateway.v1`."""

    method = "/voicegateway.v1.VoiceGatewayService/Converse"

    def __init__(self) -> None:
        self._places: list[bytes] = []

    def start(self) -> bytes:
        audio = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=RATE_HZ)
        return service_pb2.ConverseRequest(start=client_pb2.Start(audio_in=audio, audio_out=audio)).SerializeToString()

    def frame(self, pcm: bytes) -> bytes:
        return service_pb2.ConverseRequest(audio=client_pb2.AudioInput(data=pcm)).SerializeToString()

    def placed(self, frame: bytes, number: int) -> bytes:
        # Two serialised messages one after the other are both merged into one: sound made once, and a place that all
        # calls share (protobuf's encoding guide, "Last One Wins").
        places = self._places
        while len(places) <= number:
            audio = client_pb2.AudioInput(offset_samples=len(places) * FRAME_SAMPLES)
            places.append(service_pb2.ConverseRequest(audio=audio).SerializeToString())
        return frame + places[number]

    def playback(self, report: PlaybackReport) -> bytes | None:
        told = client_pb2.Playback(
            reply_id=report.reply_id, played_samples=report.played_samples, is_final=report.is_final
        )
        return service_pb2.ConverseRequest(playback=told).SerializeToString()

    def end(self) -> bytes | None:
        return service_pb2.ConverseRequest(end=client_pb2.End()).SerializeToString()

    def reader(self, ear: Ear) -> Read:
        def read(raw: bytes, at_ns: int) -> None:
            response = _understood(service_pb2.ConverseResponse, raw)
            payload = response.WhichOneof("payload")
            if payload == "reply_audio":
                audio = response.reply_audio
                ear.audio(
                    audio.reply_id, audio.offset_samples, _whole_samples(audio.data), at_ns, is_last=audio.is_last
                )
            elif payload is not None and (tell := _TELL.get(payload)) is not None:
                tell(ear, getattr(response, payload), at_ns)

        return read


def _understood(kind: type[_Answer], raw: bytes) -> _Answer:
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise DoorError("the server does not speak this contract") from error


def _whole_samples(pcm: bytes) -> bytes:
    if len(pcm) % 2:
        raise DoorError("half a sample of audio")
    return pcm


def _started(_ear: Ear, event: server_pb2.Started, _at_ns: int) -> None:
    if event.audio_out.sample_rate_hz != RATE_HZ:
        raise DoorError(f"replies at {event.audio_out.sample_rate_hz} Hz, not at {RATE_HZ}")


def _reply_text(ear: Ear, event: server_pb2.ReplyText, _at_ns: int) -> None:
    if event.kind not in _ANSWERS:
        ear.no_answer(event.reply_id)


def _transcript(ear: Ear, event: server_pb2.Transcript, _at_ns: int) -> None:
    if event.is_final:
        ear.transcript(event.text)


def _ended(_ear: Ear, event: server_pb2.Ended, _at_ns: int) -> None:
    if event.reason not in _ENDED_BY_US:
        raise DoorError(f"ended: {server_pb2.EndReason.Name(event.reason).removeprefix('END_REASON_')}")


_TELL: Final[dict[str, Callable[[Ear, Any, int], None]]] = {
    "started": _started,
    "transcript": _transcript,
    "reply_text": _reply_text,
    "reply_paused": lambda ear, event, at_ns: ear.paused(event.reply_id, at_ns),
    "reply_resumed": lambda ear, event, at_ns: ear.resumed(event.reply_id, event.offset_samples, at_ns),
    "reply_interrupted": lambda ear, event, at_ns: ear.interrupted(event.reply_id, at_ns),
    "reply_finished": lambda ear, event, at_ns: ear.finished(event.reply_id, at_ns),
    "notice": lambda ear, event, _: ear.notice(reason_name(event.reason)),
    "going_away": lambda ear, event, _: ear.notice(f"going away: {reason_name(event.reason)}"),
    "ended": _ended,
}
"""What is told of each payload that is not audio; of others, nothing."""


class LegacyDoor:
    """`voice_workflow`, the older contract: no ids and no places, so they are counted here."""

    method = "/voice_workflow.VoiceGateway/StreamAudio"

    def start(self) -> bytes:
        return workflow_pb2.ClientMessage(config=workflow_pb2.VoiceConfig(sample_rate=RATE_HZ)).SerializeToString()

    def frame(self, pcm: bytes) -> bytes:
        return workflow_pb2.ClientMessage(audio_chunk=pcm).SerializeToString()

    def placed(self, frame: bytes, number: int) -> bytes:  # noqa: ARG002 - in this contract audio has no place
        return frame

    def playback(self, report: PlaybackReport) -> bytes | None:  # noqa: ARG002 - nor is playback reported
        return None

    def end(self) -> bytes | None:
        return None

    def reader(self, ear: Ear) -> Read:
        return _LegacyReader(ear).read


class _LegacyReader:
    """A reply is all audio between two LISTENING events."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._replies = 0
        self._samples = 0

    def read(self, raw: bytes, at_ns: int) -> None:
        message = _understood(workflow_pb2.ServerMessage, raw)
        match message.WhichOneof("content"):
            case "audio_chunk":
                pcm = _whole_samples(message.audio_chunk)
                self._ear.audio(str(self._replies), self._samples, pcm, at_ns, is_last=False)
                self._samples += len(pcm) // 2
            case "transcript_chunk" if not message.transcript_chunk.endswith("..."):
                self._ear.transcript(message.transcript_chunk)
            case "event":
                self._event(message.event, at_ns)
            case _:
                pass

    def _event(self, event: workflow_pb2.ServerEvent, at_ns: int) -> None:
        if event.type == workflow_pb2.ERROR:
            self._ear.notice(event.message)
        elif event.type in (workflow_pb2.LISTENING, workflow_pb2.END_OF_TURN) and self._samples:
            self._ear.over(str(self._replies), at_ns)
            self._replies += 1
            self._samples = 0


DOORS: Final[dict[str, Callable[[], Door]]] = {"native": NativeDoor, "legacy": LegacyDoor}
