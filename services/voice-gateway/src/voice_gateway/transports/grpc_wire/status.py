"""How a session's failure reads as a gRPC status."""

from types import MappingProxyType
from typing import Any, Final, Never

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from voice_gateway.domain.errors import BackendError, GatewayError, Reason
from voice_gateway.transports.failures import safe_message

ERROR_DOMAIN: Final = "voicegateway.v1"
"""`ErrorInfo.domain` of every status, also of the older contract's: the reasons are the same set."""

CODES: Final = MappingProxyType(
    {
        Reason.START_REQUIRED: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.START_REPEATED: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.MESSAGE_EMPTY: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.MESSAGE_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.LANGUAGE_UNSUPPORTED: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.VOICE_UNSUPPORTED: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.AUDIO_FORMAT_UNSUPPORTED: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.AUDIO_MISALIGNED: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.AUDIO_OVERLAP: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.TEXT_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.POLICY_OUT_OF_RANGE: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.INPUT_AFTER_END: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.PLAYBACK_IMPLAUSIBLE: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.FEATURE_UNAVAILABLE: grpc.StatusCode.UNIMPLEMENTED,
        Reason.RESUME_UNAVAILABLE: grpc.StatusCode.FAILED_PRECONDITION,
        Reason.TOKEN_INVALID: grpc.StatusCode.UNAUTHENTICATED,
        Reason.CALLER_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
        Reason.BACKEND_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
        Reason.RECOGNITION_INTERRUPTED: grpc.StatusCode.UNAVAILABLE,
        Reason.LLM_FAILED: grpc.StatusCode.UNAVAILABLE,
        Reason.LLM_TIMEOUT: grpc.StatusCode.UNAVAILABLE,
        Reason.TTS_FAILED: grpc.StatusCode.UNAVAILABLE,
        Reason.TTS_TIMEOUT: grpc.StatusCode.UNAVAILABLE,
        Reason.SENTENCE_SKIPPED: grpc.StatusCode.UNAVAILABLE,
        Reason.CLIENT_STALLED: grpc.StatusCode.DEADLINE_EXCEEDED,
        Reason.DRAINING: grpc.StatusCode.UNAVAILABLE,
        Reason.DRAIN_DEADLINE: grpc.StatusCode.UNAVAILABLE,
        Reason.AT_CAPACITY: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.INTERNAL: grpc.StatusCode.INTERNAL,
        Reason.START_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
        Reason.QUOTA_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.RATE_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""As the comments of error.proto say. Reasons that it knows as notices only end a call when nothing can go on without
the backend, hence UNAVAILABLE."""


def to_status(error: GatewayError) -> status_pb2.Status:
    """The status of a failure: code, its message (cut if long), and as details an ErrorInfo with the reason and the
    backend, then a RetryInfo where it is known when to come again.

    A status travels in the trailers, twice: percent-encoded, up to 12 bytes a character, and in base64, up to 6. Above
    8 KiB of metadata gRPC begins to drop trailers, and the client would get RESOURCE_EXHAUSTED without our reason;
    MAX_MESSAGE_CHARS is below that.
    """
    metadata = {"backend": str(error.backend)} if isinstance(error, BackendError) else {}
    info = error_details_pb2.ErrorInfo(domain=ERROR_DOMAIN, reason=str(error.reason), metadata=metadata)
    details = [_packed(info)]
    if error.retry_after_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        details.append(_packed(retry))
    code: int = CODES[error.reason].value[0]
    return status_pb2.Status(code=code, message=safe_message(error), details=details)


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: GatewayError) -> Never:
    """End the call with the status of `error`; raises what gRPC wants raised.

    gRPC keeps what is raised with the call, so that all of the frames on its way stay until the collector comes: let
    none of them hold a message.
    """
    await context.abort_with_status(rpc_status.to_status(to_status(error)))
