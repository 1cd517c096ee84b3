"""WAV files as they stream in: the header, then samples until the data chunk ends."""

import struct
from dataclasses import dataclass

from local_models.audio import samples
from local_models.audio.samples import SampleFormat, SampleSource
from local_models.audio.values import BadAudio, Samples, checked_rate_hz, empty

_MAX_HEADER_BYTES = 1 << 20  # headers carry pictures at worst; a megabyte without a data chunk is no sound file
_MAX_CHANNELS = 8  # 7.1; more is a damaged header
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what writers put when the length is not known yet (EBU Tech 3306 for the latter)
_EXTENSIBLE = 0xFFFE  # WAVE_FORMAT_EXTENSIBLE: the real format is the first two bytes of the sub-format GUID

_FORMATS: dict[tuple[int, int], SampleFormat] = {
    (1, 8): samples.PCM_U8,
    (1, 16): samples.PCM_S16,
    (1, 24): samples.PCM_S24,
    (1, 32): samples.PCM_S32,
    (3, 32): samples.FLOAT_32,
    (6, 8): samples.ALAW,
    (7, 8): samples.MULAW,
}


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a WAV file says about itself; `data_bytes` is None when it does not know its own length."""

    sample_format: SampleFormat
    rate_hz: int
    channels: int
    header_bytes: int
    data_bytes: int | None


def parse_wav_header(head: bytes) -> WavHeader | None:
    """The header at the start of `head`, or None when more bytes are needed. Raises BadAudio."""
    position, fmt = 12, b""
    while len(head) >= position + 8:
        name, size = head[position : position + 4], int.from_bytes(head[position + 4 : position + 8], "little")
        body = position + 8
        if name == b"data":
            return _header(fmt, body, size)
        if len(head) < body + size:
            break
        if name == b"fmt ":
            fmt = head[body : body + size]
        position = body + size + (size & 1)
    if len(head) > _MAX_HEADER_BYTES:
        raise BadAudio("the WAV header has no data chunk in its first megabyte")
    return None


def _header(fmt: bytes, header_bytes: int, data_bytes: int) -> WavHeader:
    try:
        tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
        if tag == _EXTENSIBLE:
            (tag,) = struct.unpack_from("<H", fmt, 24)
    except struct.error:
        raise BadAudio("the WAV header has no complete fmt chunk before its data") from None
    sample_format = _FORMATS.get((tag, bits))
    if sample_format is None:
        raise BadAudio(f"WAV format {tag} with {bits} bits a sample is not supported; use 16-bit PCM")
    if not 1 <= channels <= _MAX_CHANNELS:
        raise BadAudio(f"a WAV file with {channels} channels is not supported; use one channel")
    known = None if data_bytes in _UNKNOWN_SIZES else data_bytes
    return WavHeader(sample_format, checked_rate_hz(rate_hz), channels, header_bytes, known)


class WavSource:
    """A WAV file arriving in pieces. What follows the data chunk is ignored; fewer data than promised is accepted,

    because writers that stream put a size of their own invention, but a file that ends inside a sample is not.
    """

    def __init__(self) -> None:
        self.rate_hz: int | None = None
        self.header: WavHeader | None = None
        self._head = bytearray()
        self._source: SampleSource | None = None
        self._remaining_bytes: int | None = None

    def feed(self, data: bytes) -> Samples:
        if self._source is not None:
            return self._samples(self._source, data)
        self._head += data
        header = parse_wav_header(bytes(self._head))
        if header is None:
            return empty()
        self.header, self.rate_hz, self._remaining_bytes = header, header.rate_hz, header.data_bytes
        self._source = SampleSource(header.sample_format, header.rate_hz, header.channels)
        body = bytes(self._head[header.header_bytes :])
        self._head.clear()
        return self._samples(self._source, body)

    def _samples(self, source: SampleSource, data: bytes) -> Samples:
        if self._remaining_bytes is not None:
            data = data[: self._remaining_bytes]
            self._remaining_bytes -= len(data)
        return source.feed(data)

    def finish(self) -> Samples:
        if self._source is None:
            raise BadAudio("the audio ends inside its WAV header")
        return self._source.finish()
