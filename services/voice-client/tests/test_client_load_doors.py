"""The adapters: bytes in and out, without a socket."""

from typing import Any

import pytest
import voice_workflow_pb2 as workflow_pb2
from voice_client.load.doors import DoorError, LegacyDoor, NativeDoor
from voice_client.load.script import FRAME_BYTES, FRAME_SAMPLES
from voice_client.player import PlaybackReport
from voicegateway.v1 import audio_pb2, error_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

SOUND = bytes(range(256)) * (FRAME_BYTES // 256) + bytes(FRAME_BYTES % 256)


class Ear:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **more: self.told.append((name, *arguments, *more.values()))


def native(**payload: Any) -> list[tuple[Any, ...]]:
    ear = Ear()
    NativeDoor().reader(ear)(service_pb2.ConverseResponse(**payload).SerializeToString(), 7)
    return ear.told


def test_client_load_native_frames_have_their_sound_and_their_place() -> None:
    """The sound is serialised once and the place added: together they must read as one audio message."""
    door = NativeDoor()
    for number in (0, 1, 30_000):
        request = service_pb2.ConverseRequest.FromString(door.placed(door.frame(SOUND), number))
        assert (request.audio.data, request.audio.offset_samples) == (SOUND, number * FRAME_SAMPLES)


def test_client_load_native_speaks_the_contract() -> None:
    """Start asks for 16 kHz both ways; playback and the end are the contract's messages."""
    door = NativeDoor()
    start = service_pb2.ConverseRequest.FromString(door.start()).start
    assert (start.audio_in.sample_rate_hz, start.audio_out.sample_rate_hz) == (16_000, 16_000)
    told = door.playback(PlaybackReport("r", 320, is_final=True))
    assert told is not None
    playback = service_pb2.ConverseRequest.FromString(told).playback
    assert (playback.reply_id, playback.played_samples, playback.is_final) == ("r", 320, True)
    assert service_pb2.ConverseRequest.FromString(door.end() or b"").HasField("end")


def test_client_load_native_tells_what_came() -> None:
    """Each message reaches the ear as what it means; interims and texts of answers say nothing."""
    audio = server_pb2.ReplyAudio(reply_id="r", offset_samples=320, data=SOUND, is_last=True)
    assert native(reply_audio=audio) == [("audio", "r", 320, SOUND, 7, True)]
    assert native(reply_paused=server_pb2.ReplyPaused(reply_id="r")) == [("paused", "r", 7)]
    assert native(reply_resumed=server_pb2.ReplyResumed(reply_id="r", offset_samples=5)) == [("resumed", "r", 5, 7)]
    assert native(reply_interrupted=server_pb2.ReplyInterrupted(reply_id="r")) == [("interrupted", "r", 7)]
    assert native(reply_finished=server_pb2.ReplyFinished(reply_id="r")) == [("finished", "r", 7)]
    assert native(transcript=server_pb2.Transcript(text="no", is_final=False)) == []
    assert native(transcript=server_pb2.Transcript(text="yes", is_final=True)) == [("transcript", "yes")]
    text = server_pb2.ReplyText(reply_id="r", kind=server_pb2.REPLY_KIND_ANSWER)
    assert native(reply_text=text) == []
    text.kind = server_pb2.REPLY_KIND_APOLOGY
    assert native(reply_text=text) == [("no_answer", "r")]
    notice = server_pb2.Notice(reason=error_pb2.ERROR_REASON_AUDIO_OVERLAP)
    assert native(notice=notice) == [("notice", "AUDIO_OVERLAP")]


def test_client_load_native_takes_no_other_rate_and_no_early_end() -> None:
    """Positions are counted at 16 kHz, so another rate is refused; a server that ends the call fails it."""
    audio = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=24_000)
    with pytest.raises(DoorError, match="24000 Hz"):
        native(started=server_pb2.Started(audio_out=audio))
    with pytest.raises(DoorError, match="ended: DRAINING"):
        native(ended=server_pb2.Ended(reason=server_pb2.END_REASON_DRAINING))
    assert native(ended=server_pb2.Ended(reason=server_pb2.END_REASON_CLIENT_ENDED)) == []


def test_client_load_legacy_counts_replies_and_places() -> None:
    """The older contract names neither: a reply is what lies between two LISTENING, and its places follow on."""
    ear = Ear()
    read = LegacyDoor().reader(ear)
    listening = workflow_pb2.ServerMessage(event=workflow_pb2.ServerEvent(type=workflow_pb2.LISTENING))
    speaking = workflow_pb2.ServerMessage(event=workflow_pb2.ServerEvent(type=workflow_pb2.SPEAKING))
    chunk = workflow_pb2.ServerMessage(audio_chunk=SOUND)
    words = [workflow_pb2.ServerMessage(transcript_chunk=text) for text in ("what...", "what time")]
    for message in (listening, *words, speaking, chunk, speaking, chunk, listening, chunk):
        read(message.SerializeToString(), 7)
    assert ear.told == [
        ("transcript", "what time"),
        ("audio", "0", 0, SOUND, 7, False),
        ("audio", "0", FRAME_SAMPLES, SOUND, 7, False),
        ("over", "0", 7),
        ("audio", "1", 0, SOUND, 7, False),
    ]


def test_client_load_legacy_sends_audio_alone() -> None:
    """It has no places, no playback reports and no message that ends a call."""
    door = LegacyDoor()
    assert workflow_pb2.ClientMessage.FromString(door.start()).config.sample_rate == 16_000
    assert workflow_pb2.ClientMessage.FromString(door.placed(door.frame(SOUND), 9)).audio_chunk == SOUND
    assert (door.playback(PlaybackReport("r", 1, is_final=True)), door.end()) == (None, None)


@pytest.mark.parametrize("door", [NativeDoor(), LegacyDoor()])
def test_client_load_doors_refuse_what_they_cannot_read(door: NativeDoor | LegacyDoor) -> None:
    """Bytes of another contract, and audio that ends in mid-sample, fail the call by name and never the whole run."""
    read = door.reader(Ear())
    with pytest.raises(DoorError, match="does not speak this contract"):
        read(b"\xff", 7)
    halves = {
        "native": service_pb2.ConverseResponse(reply_audio=server_pb2.ReplyAudio(data=b"123")),
        "legacy": workflow_pb2.ServerMessage(audio_chunk=b"123"),
    }
    with pytest.raises(DoorError, match="half a sample"):
        read(halves["native" if isinstance(door, NativeDoor) else "legacy"].SerializeToString(), 7)
