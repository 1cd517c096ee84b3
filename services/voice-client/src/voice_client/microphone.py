"""The sound card, through sounddevice (PortAudio). Its callbacks run in PortAudio's thread."""

import asyncio
import importlib
import time
from collections.abc import Callable
from typing import Any

from voice_client.device import INPUT_RATE_HZ, NS_PER_S, Playout
from voice_client.errors import ExitStatus, VoiceClientError
from voice_client.player import BYTES_PER_SAMPLE

INSTALL_HINT = "pip install 'voice-client[mic]'"
PORTAUDIO_HINT = "install PortAudio (Debian, Ubuntu: apt install libportaudio2; macOS: brew install portaudio)"


class AudioDeviceError(VoiceClientError):
    """No sounddevice, no PortAudio, no device, or a device that has stopped."""

    status = ExitStatus.AUDIO_DEVICE


def load_sounddevice() -> Any:
    """Import sounddevice, which only the microphone needs.

    Raises:
        AudioDeviceError: it, or the PortAudio library below it, is not installed.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise AudioDeviceError(f"the microphone needs sounddevice: {INSTALL_HINT}") from error
    except OSError as error:  # sounddevice raises this when the shared library is missing
        raise AudioDeviceError(f"{error}: {PORTAUDIO_HINT}; --wav and --text need no sound card") from error


class SoundCard:
    """The default microphone and loudspeaker."""

    def __init__(self, sounddevice: Any, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._sounddevice = sounddevice
        self._clock_ns = clock_ns
        self._streams: list[Any] = []
        # Clock of the player at the first sample of the last block, when that block was asked for, and its delay.
        self._block = (0, 0, 0)

    def open(self, playout: Playout, hear: Callable[[bytes], None], frame_ms: int) -> None:
        """Start both streams.

        Raises:
            AudioDeviceError: there is no usable device.
        """
        self._playout = playout
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._block = (0, self._clock_ns(), 0)
        settings = {"channels": 1, "dtype": "int16"}
        try:
            for make, callback, rate_hz in (
                (self._sounddevice.RawInputStream, self._captured, INPUT_RATE_HZ),
                (self._sounddevice.RawOutputStream, self._wanted, playout.sample_rate_hz),
            ):
                block_samples = rate_hz * frame_ms // 1000
                stream = make(samplerate=rate_hz, blocksize=block_samples, callback=callback, latency="low", **settings)
                self._streams.append(stream)
                stream.start()
        except (self._sounddevice.PortAudioError, ValueError, OSError) as error:
            self.close()
            raise AudioDeviceError(f"no usable sound device: {error}; --wav and --text need none") from error

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    def sync(self) -> int:
        """The clock of the sample leaving the loudspeaker: the last block's, less its delay, plus the time since.

        Raises:
            AudioDeviceError: a stream has stopped, as when a headset is unplugged.
        """
        if not all(stream.active for stream in self._streams):
            raise AudioDeviceError("the sound device has stopped")
        start_samples, asked_at_ns, delay_samples = self._block
        since_samples = (self._clock_ns() - asked_at_ns) * self._playout.sample_rate_hz // NS_PER_S
        return max(0, min(self._playout.clock_samples, start_samples - delay_samples + since_samples))

    def _captured(self, block: Any, _frames: int, _time: Any, _status: Any) -> None:
        self._loop.call_soon_threadsafe(self._hear, bytes(block))

    def _wanted(self, block: Any, frames: int, when: Any, _status: Any) -> None:
        start_samples = self._playout.clock_samples
        delay_s = when.outputBufferDacTime - when.currentTime
        if delay_s <= 0:  # some host interfaces leave the times empty
            delay_s = self._streams[-1].latency
        self._block = (start_samples, self._clock_ns(), round(delay_s * self._playout.sample_rate_hz))
        block[:] = bytes(frames * BYTES_PER_SAMPLE)
        for played in self._playout.pull(frames):
            first = (played.clock_samples - start_samples) * BYTES_PER_SAMPLE
            block[first : first + len(played.pcm)] = played.pcm
