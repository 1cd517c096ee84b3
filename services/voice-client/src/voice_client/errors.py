"""What can go wrong, each with the exit status that tells a script which.

VoiceClientError
  UnreachableError     nothing answers at the address, or not any longer
  TlsError             the certificate or the choice of TLS is wrong
  ServerError          the server ended the call with a status; `reason` is its google.rpc.ErrorInfo
  ContractError        the server broke the contract
  NoReplyError         a turn was not answered in time
  AudioDeviceError     (microphone.py) no sounddevice, no PortAudio, no device
  AudioFileError       (audio.py) a sound file cannot be read or written
  InputTextError       (modes.py) standard input is closed or not text
  LoadError, MeterError, EchoError   (load/command.py, server.py, echo.py) nothing can be measured
"""

import enum
from typing import cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class ExitStatus(enum.IntEnum):
    """Exit statuses of the command line; 2 is argparse's own for wrong usage. `load` has 0, 1 and 2 only."""

    OK = 0
    GATE = 1
    USAGE = 2
    UNREACHABLE = 3
    TLS = 4
    SERVER = 5
    NO_REPLY = 6
    AUDIO_DEVICE = 7
    FILE = 8
    CONTRACT = 9
    INTERRUPTED = 130


class VoiceClientError(Exception):
    """Something that ends the conversation, said in one line."""

    status = ExitStatus.CONTRACT


class UnreachableError(VoiceClientError):
    status = ExitStatus.UNREACHABLE


class TlsError(VoiceClientError):
    status = ExitStatus.TLS


class ContractError(VoiceClientError):
    status = ExitStatus.CONTRACT


class NoReplyError(VoiceClientError):
    status = ExitStatus.NO_REPLY


class ServerError(VoiceClientError):
    """The server ended the call. `reason` is the stable reason of the contract, empty when it gave none."""

    status = ExitStatus.SERVER

    def __init__(self, code: str, reason: str, message: str) -> None:
        super().__init__(f"the server ended the call: {' / '.join(filter(None, (code, reason)))}: {message}")
        self.code = code
        self.reason = reason


# What gRPC's TLS layer writes into the details of UNAVAILABLE when the handshake fails (seen with grpcio 1.85).
_TLS_WORDS = ("ssl", "tls", "certificate", "handshake")


def error_of_rpc(
    error: grpc.aio.AioRpcError, target: str, *, tls: bool, has_answered: bool = False
) -> VoiceClientError:
    """The error to show for a failed call to `target`, which may have answered before it failed."""
    # gRPC puts the cause last: "failed to connect to all addresses; last error: UNKNOWN: ipv4:...: Connection refused".
    details = (error.details() or "no details").splitlines()[0].rpartition("last error: ")[2]
    reason = reason_of_rpc(error)
    if reason or error.code() is not grpc.StatusCode.UNAVAILABLE:
        return ServerError(error.code().name, reason, details)
    if has_answered:
        return UnreachableError(f"lost {target}: {details}")
    if tls and any(word in details.lower() for word in _TLS_WORDS):
        return TlsError(f"no TLS with {target}: {details}")
    hint = "" if tls or "refused" in details else " (if it speaks TLS, add --tls)"
    return UnreachableError(f"cannot reach {target}: {details}{hint}")


def reason_of_rpc(error: grpc.aio.AioRpcError) -> str:
    """The reason in the status's google.rpc.ErrorInfo; empty when it carries none, or details that contradict it."""
    try:
        status = rpc_status.from_call(cast("grpc.Call", error))  # it has the three methods that are called
    except ValueError:
        return ""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            return str(info.reason)
    return ""
