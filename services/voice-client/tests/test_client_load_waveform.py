"""Gateways whose every delay is known, heard by a caller in virtual time: does the tool tell these numbers?

Times are in ms. The bytes are those of the contract; only the stream is missing.
"""

from collections.abc import Iterator

import numpy as np
from voice_client.load.caller import Caller
from voice_client.load.doors import NativeDoor
from voice_client.load.scores import Frames, Heard, Summary, summarise
from voice_client.load.script import FRAME_BYTES, FRAME_MS, Utterance
from voicegateway.v1 import server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

NS_PER_MS = 1_000_000
LOUD = np.full(320, 5_000, dtype="<i2").tobytes()
QUIET = np.full(320, 50, dtype="<i2").tobytes()
"""What synthesisers call silence."""
UTTERANCE = Utterance((LOUD,) * 10 + (bytes(FRAME_BYTES),) * 5, speech_start_samples=0, speech_end_samples=3_200)
"""200 ms of speech, and 100 ms of recorded silence that is no speech."""

Sent = tuple[int, service_pb2.ConverseResponse]


class ScriptedGateway:
    """Knows when the caller begins and ends to speak, and what it sends when."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.turns = 0
        self._is_speaking = False

    def hear(self, frame: bytes | None, at_ms: int) -> None:
        """A frame of the caller that ends now."""
        is_speech = frame == LOUD
        if is_speech and not self._is_speaking:
            self.turns += 1
            self.begun(at_ms - FRAME_MS)
        elif self._is_speaking and not is_speech:
            self.ended(at_ms - FRAME_MS)
        self._is_speaking = is_speech

    def begun(self, at_ms: int) -> None:
        """The first speech sample."""

    def ended(self, at_ms: int) -> None:
        """One past the last speech sample."""

    def reply(self, arrivals_ms: list[int], frames: list[bytes], *, is_whole: bool = True) -> None:
        """Audio of this turn's reply, each frame at its own time."""
        for number, (at_ms, pcm) in enumerate(zip(arrivals_ms, frames, strict=True)):
            audio = server_pb2.ReplyAudio(reply_id=f"r{self.turns}", offset_samples=number * 320, data=pcm)
            audio.is_last = is_whole and number == len(frames) - 1
            self.sent.append((at_ms, service_pb2.ConverseResponse(reply_audio=audio)))

    def due(self, at_ms: int) -> Iterator[bytes]:
        """What arrives now."""
        arrived = [sent for sent in self.sent if sent[0] == at_ms]
        self.sent = [sent for sent in self.sent if sent[0] > at_ms]
        return (response.SerializeToString() for _, response in arrived)


def numbers(gateway: ScriptedGateway, share: float = 0.0, last_ms: int = 30_000) -> Summary:
    """A run of one call that speaks until `last_ms`, and its answers."""
    caller, ended_ms = Caller((UTTERANCE,), share, seed=3), last_ms + 12_000
    caller.begin(1_000 * NS_PER_MS, last_ms * NS_PER_MS)
    read = NativeDoor().reader(caller)
    for at_ms in range(ended_ms):
        if at_ms % FRAME_MS == 0:
            gateway.hear(caller.frame(at_ms * NS_PER_MS), at_ms)
            caller.reports(at_ms * NS_PER_MS)
        for raw in gateway.due(at_ms):
            read(raw, at_ms * NS_PER_MS)
    return summarise(Heard([caller], [Frames(sent=1)], [], 1, 0, ended_ms * NS_PER_MS, None), floor_ms=None)


def paced(first_ms: int, count: int) -> list[int]:
    """When so many frames arrive at the pace of real time."""
    return list(range(first_ms, first_ms + count * FRAME_MS, FRAME_MS))


class AnswersAfter300(ScriptedGateway):
    def ended(self, at_ms: int) -> None:
        self.reply(paced(at_ms + 300, 20), [LOUD] * 20)


def test_client_load_waveform_tells_300_ms_of_voice_to_voice() -> None:
    """Every turn is answered 300 ms after its last speech sample, which 100 ms of recorded silence follow."""
    found = numbers(AnswersAfter300())
    assert found.turns >= 10
    assert {latency_ms for _, latency_ms in found.voice_to_voice_points} == {300.0}
    assert (found.unanswered, found.gaps, found.late_audio_frames, found.cut_in_on) == (0, 0, 0, 0)


class BeginsWithSilence(ScriptedGateway):
    def ended(self, at_ms: int) -> None:
        self.reply([at_ms + 300] * 10, [QUIET] * 5 + [LOUD] * 5)


def test_client_load_waveform_counts_the_silence_before_an_answer() -> None:
    """Ten frames at once of which five are the silence of a synthesiser: 300 ms and 100, however they are cut."""
    found = numbers(BeginsWithSilence())
    assert {latency_ms for _, latency_ms in found.voice_to_voice_points} == {400.0}


class SaysNothing(ScriptedGateway):
    def ended(self, at_ms: int) -> None:
        self.reply(paced(at_ms + 300, 20), [QUIET] * 20)


def test_client_load_waveform_takes_silence_for_no_answer() -> None:
    """Replies of nothing but silence leave every turn unanswered after 10 s, and the caller goes on."""
    found = numbers(SaysNothing())
    assert found.turns == found.unanswered == 3  # begun at 1, 11 and 21 s
    assert (found.voice_to_voice_points, found.gaps) == ((), 0)


class LeavesAGap(ScriptedGateway):
    def ended(self, at_ms: int) -> None:
        self.reply(paced(at_ms + 300, 10) + paced(at_ms + 300 + 200 + 150, 10), [LOUD] * 20)


def test_client_load_waveform_tells_a_gap_of_150_ms() -> None:
    """Audio that stops for 150 ms is 90 ms of silence behind a jitter buffer of 60, once in each reply; the ten frames
    after it are more than 40 ms late.
    """
    found = numbers(LeavesAGap())
    assert found.gaps == found.turns
    assert found.gap_ms == 90.0 * found.gaps
    assert found.late_audio_frames == 10 * found.turns


class FallsSilentAfter200(ScriptedGateway):
    """Speaks for longer than anybody waits to speak over it, is silent 200 ms after
    the first sample of what is said over it, and answers that.
    """

    def begun(self, at_ms: int) -> None:
        if self.turns == 1:
            return
        self.sent = [sent for sent in self.sent if sent[0] < at_ms + 200]
        over = server_pb2.ReplyInterrupted(reply_id=f"r{self.turns - 1}")
        self.sent.append((at_ms + 200, service_pb2.ConverseResponse(reply_interrupted=over)))

    def ended(self, at_ms: int) -> None:
        self.reply(paced(at_ms + 300, 200), [LOUD] * 200, is_whole=False)


def test_client_load_waveform_tells_200_ms_to_silence() -> None:
    """Every reply is spoken over; what is said over it is a turn, answered by the next reply and not by the old one."""
    found = numbers(FallsSilentAfter200(), share=1.0)
    assert found.silence.count >= 5
    assert {silence_ms for _, silence_ms in found.silence_points} == {200.0}
    assert {latency_ms for _, latency_ms in found.voice_to_voice_points} == {300.0}
    assert (found.turns, found.ignored_interruptions, found.gaps) == (found.silence.count + 1, 0, 0)


class PausesAndTellsLater(FallsSilentAfter200):
    """Pauses after 120 ms, and says only 350 ms later that it was an interruption."""

    def begun(self, at_ms: int) -> None:
        if self.turns == 1:
            return
        self.sent = [sent for sent in self.sent if sent[0] < at_ms + 120]
        reply_id = f"r{self.turns - 1}"
        paused = server_pb2.ReplyPaused(reply_id=reply_id)
        over = server_pb2.ReplyInterrupted(reply_id=reply_id)
        self.sent.append((at_ms + 120, service_pb2.ConverseResponse(reply_paused=paused)))
        self.sent.append((at_ms + 470, service_pb2.ConverseResponse(reply_interrupted=over)))


def test_client_load_waveform_is_silent_from_the_pause_on() -> None:
    """A pause that becomes an interruption has been silent since the pause."""
    found = numbers(PausesAndTellsLater(), share=1.0)
    assert {silence_ms for _, silence_ms in found.silence_points} == {120.0}
