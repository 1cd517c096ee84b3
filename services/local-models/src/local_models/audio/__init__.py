"""Audio encodings in and out. `StreamDecoder` and `StreamEncoder` are the two ends; `BadAudio` is the only error."""

from local_models.audio.decoding import StreamDecoder
from local_models.audio.encoding import StreamEncoder, encode
from local_models.audio.values import DECODED_RATE_HZ, AudioEncoding, BadAudio, Samples

__all__ = ["DECODED_RATE_HZ", "AudioEncoding", "BadAudio", "Samples", "StreamDecoder", "StreamEncoder", "encode"]
