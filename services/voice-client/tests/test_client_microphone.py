"""The sound card's shell with a sounddevice that is not there, and with one made of Python."""

import asyncio
import errno
import fcntl
import os
import pty
import signal
import sys
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from scripted_gateway import Peer, serving, started, tone
from voice_client.cli import run
from voice_client.device import Playout
from voice_client.errors import ExitStatus
from voice_client.microphone import AudioDeviceError, SoundCard, load_sounddevice
from voice_client.session import Session, start_message
from voicegateway.v1 import server_pb2

BLOCK_S = 0.02


class PortAudioError(Exception):
    """What sounddevice raises when a device cannot be opened."""


@dataclass
class FakeStream:
    """One stream; `tick` is one callback of PortAudio's, which a test makes itself or leaves to a thread."""

    samplerate: int
    blocksize: int
    callback: Callable[..., None]
    settings: dict[str, Any]
    is_threaded: bool
    active: bool = False
    latency: float = 0.03
    played: bytearray = field(default_factory=bytearray)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.active = True
        if self.is_threaded:
            self._thread = threading.Thread(target=self._run)
            self._thread.start()

    def close(self) -> None:
        self.active = False
        self._stop.set()
        if self.is_threaded:
            self._thread.join()

    def tick(self, block: bytes | None = None, delay_s: float = 0.01) -> bytes:
        """Capture or play one block; returns it."""
        buffer = memoryview(bytearray(block or b"\x7f" * (2 * self.blocksize)))
        times = SimpleNamespace(currentTime=5.0, outputBufferDacTime=5.0 + delay_s)
        self.callback(buffer, self.blocksize, times, None)
        self.played += buffer
        return bytes(buffer)

    def _run(self) -> None:
        while not self._stop.wait(BLOCK_S):
            self.tick()


def fake_sounddevice(*, is_threaded: bool = False, refuses: bool = False) -> tuple[ModuleType, list[FakeStream]]:
    """A module with the three names that the client uses, and the streams it has made: microphone, loudspeaker."""
    module: Any = ModuleType("sounddevice")
    streams: list[FakeStream] = []

    def make(samplerate: int, blocksize: int, callback: Callable[..., None], **settings: Any) -> FakeStream:
        if refuses:
            raise PortAudioError("Error querying device -1")
        streams.append(FakeStream(samplerate, blocksize, callback, settings, is_threaded))
        return streams[-1]

    module.RawInputStream = module.RawOutputStream = make
    module.PortAudioError = PortAudioError
    return module, streams


class Clock:
    """A clock that a test sets."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


async def test_client_microphone_frames_reach_the_loop_in_order() -> None:
    """What PortAudio's thread captures arrives on the event loop, whole and in order, at 16 kHz mono."""
    module, streams = fake_sounddevice()
    heard: list[bytes] = []
    card = SoundCard(module)
    card.open(Playout(24_000), heard.append, 20)
    blocks = [bytes([number]) * 640 for number in range(5)]
    for block in blocks:
        await asyncio.to_thread(streams[0].tick, block)
    await asyncio.sleep(0)
    card.close()
    assert heard == blocks
    assert (streams[0].samplerate, streams[0].blocksize) == (16_000, 320)
    assert streams[0].settings["channels"] == 1


async def test_client_loudspeaker_plays_the_reply_and_silence_around_it() -> None:
    """Each block is filled from the player, the rest with silence, never with what was in the buffer."""
    module, streams = fake_sounddevice()
    card = SoundCard(module)
    playout = Playout(24_000)
    card.open(playout, lambda _: None, 20)
    speaker = streams[1]
    assert speaker.tick() == bytes(960)
    playout.apply(server_pb2.ReplyAudio(reply_id="r", data=tone(30), is_last=True))
    assert speaker.tick() + speaker.tick() == tone(30) + bytes(480)
    card.close()


@pytest.mark.parametrize(("delay_s", "delay_ms"), [(0.01, 10), (0.0, 30)])
async def test_client_loudspeaker_position_is_behind_by_the_output_latency(delay_s: float, delay_ms: int) -> None:
    """A report counts what has left the loudspeaker: the callback's position, less the latency, plus the time since."""
    module, streams = fake_sounddevice()
    clock = Clock()
    card = SoundCard(module, clock_ns=clock)
    playout = Playout(1000)
    card.open(playout, lambda _: None, 20)
    playout.apply(server_pb2.ReplyAudio(reply_id="r", data=bytes(2000)))
    positions = []
    for _ in range(4):
        streams[1].tick(delay_s=delay_s)
        positions.append(card.sync())
        clock.now_ns += 20_000_000
        positions.append(card.sync())
    expected = [time - delay_ms for tick in range(4) for time in (20 * tick, 20 * tick + 20)]
    assert positions == [max(0, position) for position in expected]
    clock.now_ns += 10**9
    assert card.sync() == playout.clock_samples == 80
    card.close()


async def test_client_sound_card_that_stops_is_an_error() -> None:
    """An unplugged headset ends the session with a word, not with a deaf one."""
    module, streams = fake_sounddevice()
    card = SoundCard(module)
    card.open(Playout(24_000), lambda _: None, 20)
    streams[0].active = False
    with pytest.raises(AudioDeviceError, match="stopped"):
        card.sync()
    card.close()


async def test_client_without_a_sound_device_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine without a device gets one line and its own exit status, and the server a closed call."""
    module, _ = fake_sounddevice(refuses=True)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    async with serving(lambda peer: peer.send(started())) as (_, target):
        assert await run(["talk", "--server", target.address]) == ExitStatus.AUDIO_DEVICE
    assert capsys.readouterr().err.startswith("voice-client: no usable sound device: Error querying device -1")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ImportError("no"), r"pip install 'voice-client\[mic\]'"),
        (OSError("PortAudio library not found"), "apt install"),
    ],
)
def test_client_without_sounddevice_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    """A missing package and a missing PortAudio each name the command that helps."""

    def fail(_name: str) -> None:
        raise error

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(AudioDeviceError, match=advice):
        load_sounddevice()


async def interrupted(peer: Peer, press: Callable[[], None]) -> None:
    """Speak at length, see the interruption through, then see the client leave at the next Ctrl-C."""
    await peer.send(server_pb2.Transcript(turn_id="t", text="hi", is_final=True))
    reply = await peer.begin_reply("t", "A long story.", tone(5000), is_last=False)
    await peer.until(lambda: bool(peer.playbacks(reply)))
    press()
    await peer.until(lambda: bool(peer.of("interrupt")) and peer.has_final(reply))
    heard = peer.playbacks(reply)[-1].played_samples
    assert 0 < heard < len(tone(5000)) // 2
    await peer.send(server_pb2.ReplyInterrupted(reply_id=reply, reason=server_pb2.INTERRUPT_REASON_CLIENT))
    await peer.send(server_pb2.ReplyHeard(reply_id=reply, heard_samples=heard, heard_text="A long"))
    await peer.finish_reply(reply, "t", server_pb2.REPLY_OUTCOME_INTERRUPTED)
    press()
    await peer.until(lambda: peer.has_half_closed)
    assert peer.requests[-1].WhichOneof("payload") == "end"
    await peer.end(server_pb2.END_REASON_CLIENT_ENDED)


async def test_client_live_talks_is_interrupted_and_leaves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a sound card: microphone audio flows, Ctrl-C stops the reply, the next one ends the session cleanly."""
    module, streams = fake_sounddevice(is_threaded=True)
    monkeypatch.setitem(sys.modules, "sounddevice", module)

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: len(peer.heard_pcm()) > 640)
        await interrupted(peer, lambda: signal.raise_signal(signal.SIGINT))

    async with serving(script) as (_, target):
        assert await run(["talk", "--server", target.address]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Connected to ")
    assert lines[1].startswith("Speak.")
    assert "       [interrupted, heard until “A long”]" in lines
    assert not any(stream.active for stream in streams)
    assert len(streams[1].played.strip(b"\0")) < len(tone(2000))


async def test_client_says_that_the_sound_card_failed_after_the_servers_goodbye() -> None:
    """A headset pulled out while the last reply still plays ends the program instead of leaving it waiting for ever."""
    module, streams = fake_sounddevice()

    async def script(peer: Peer) -> None:
        await peer.send(started())
        await peer.begin_reply("t", "Goodbye.", tone(2000))
        await peer.end(server_pb2.END_REASON_DRAINING)

    async with serving(script) as (_, target), Session(target, start_message(), SoundCard(module)) as session:
        await session.wait_over()
        streams[1].active = False
        with pytest.raises(AudioDeviceError, match="has stopped"):
            await asyncio.wait_for(session.played_out(), 10)


async def test_client_ctrl_c_at_a_real_terminal() -> None:
    """At a pseudo-terminal the key itself interrupts the reply and then leaves, with status 0 and a redrawn screen."""
    control, terminal = pty.openpty()

    def press() -> None:
        os.write(control, b"\x03")

    async def script(peer: Peer) -> None:
        await peer.send(started())
        os.write(control, b"hi\n")
        await peer.until(lambda: bool(peer.of("text")))
        await interrupted(peer, press)

    async with serving(script) as (_, target):
        command = [sys.executable, "-m", "voice_client", "talk", "--text", "--server", target.address]
        client = await asyncio.create_subprocess_exec(
            *command, stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=_own_terminal
        )
        os.close(terminal)
        assert await client.wait() == ExitStatus.OK
    screen = _read_all(control)
    os.close(control)
    assert "agent: A long story." in screen
    assert "you:" not in screen


def _read_all(control: int) -> str:
    """What a pseudo-terminal still holds when its other side is closed; Linux ends it with EIO, others with nothing."""
    output = b""
    try:
        while piece := os.read(control, 4096):
            output += piece
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    return output.decode()


def _own_terminal() -> None:
    """Make standard input the controlling terminal, so that the key becomes a signal."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
