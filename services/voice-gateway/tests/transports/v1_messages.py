"""Messages of voicegateway.v1 as bytes, and codecs that take them."""

from typing import Any

import pytest
from transports.transport_fakes import AGREEMENT, VERSION
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.transports.grpc_v1.codec import Codec
from voicegateway.v1 import audio_pb2, client_pb2
from voicegateway.v1.voice_gateway_service_pb2 import ConverseRequest, ConverseResponse

LINEAR = audio_pb2.AUDIO_ENCODING_LINEAR_PCM
MULAW = audio_pb2.AUDIO_ENCODING_MULAW
ALAW = audio_pb2.AUDIO_ENCODING_ALAW


def raw(**payload: Any) -> bytes:
    """A request on the wire."""
    return ConverseRequest(**payload).SerializeToString()


def start(**fields: Any) -> bytes:
    """A start on the wire."""
    return raw(start=client_pb2.Start(**fields))


def sound(data: bytes, offset: int = 0) -> bytes:
    """Audio on the wire."""
    return raw(audio=client_pb2.AudioInput(data=data, offset_samples=offset))


def opened(**fields: Any) -> Codec:
    """A codec whose session is open."""
    codec = Codec(VERSION)
    codec.start(start(**fields))
    codec.opened(AGREEMENT)
    return codec


def response(messages: Any) -> ConverseResponse:
    """The one message that an event or a greeting makes."""
    (only,) = messages
    return ConverseResponse.FromString(only)


def refusal(codec: Codec, message: bytes) -> Reason:
    """Why a later message is refused."""
    with pytest.raises(ClientError) as caught:
        codec.receive(message)
    return caught.value.reason


def start_refusal(message: bytes | None) -> Reason:
    """Why a first message is refused."""
    with pytest.raises(ClientError) as caught:
        Codec(VERSION).start(message)
    return caught.value.reason
