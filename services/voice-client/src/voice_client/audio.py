"""Sound files and samples: any file in, 16-bit WAV out. PCM here is s16le mono unless a function says otherwise."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from voice_client.errors import ExitStatus, VoiceClientError

FULL_SCALE = 32767
Samples = npt.NDArray[np.int16]


class AudioFileError(VoiceClientError):
    """A sound file cannot be read or written."""

    status = ExitStatus.FILE


def samples_of(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, dtype=np.dtype("<i2")).astype(np.int16)


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Convert mono samples to another rate; the same array when the rates agree."""
    if from_hz == to_hz or not samples.size:
        return samples
    converted: npt.NDArray[np.float32] = soxr.resample(samples.astype(np.float32), from_hz, to_hz)
    return _to_int16(converted)


def load_pcm(path: Path, rate_hz: int) -> bytes:
    """Read WAV, FLAC or what else libsndfile reads, mix it down to mono and convert it to `rate_hz`.

    Raises:
        AudioFileError: the file is missing, not audio, or empty.
    """
    try:
        with path.open("rb") as file:
            frames, file_rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioFileError(f"cannot read {path}: {_reason(error)}") from error
    if not frames.size:
        raise AudioFileError(f"cannot read {path}: it holds no audio")
    mono = _to_int16(frames.mean(axis=1) * FULL_SCALE)
    return resample(mono, file_rate_hz, rate_hz).astype("<i2").tobytes()


def save_wav(path: Path, channels: tuple[Samples, ...], rate_hz: int) -> None:
    """Write 16-bit WAV, one channel for each array; shorter ones are filled with silence.

    Raises:
        AudioFileError: the file cannot be written.
    """
    length = max(channel.size for channel in channels)
    frames = np.zeros((length, len(channels)), dtype=np.int16)
    for index, channel in enumerate(channels):
        frames[: channel.size, index] = channel
    try:
        with path.open("wb") as file:
            soundfile.write(file, frames, rate_hz, subtype="PCM_16", format="WAV")
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioFileError(f"cannot write {path}: {_reason(error)}") from error


def _to_int16(samples: npt.NDArray[np.float32]) -> Samples:
    return np.clip(np.rint(samples), -FULL_SCALE, FULL_SCALE).astype(np.int16)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (
        str(error).rpartition(": ")[2].strip() or type(error).__name__
    )  # "Error opening <...>: Format not recognised."
