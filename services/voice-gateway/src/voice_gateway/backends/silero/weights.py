"""The weights of an ONNX file, read without onnxruntime: as much of protobuf and ONNX as that takes.

Field numbers are those of onnx.proto3 (ModelProto.graph, GraphProto.initializer, TensorProto), wire types those of
protobuf's "Encoding".
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_FLOAT = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


def read_weights(path: Path) -> Mapping[str, Floats]:
    """The float tensors that a model is given, by name.

    Raises:
        ValueError: the file is no ONNX model.
    """
    weights: dict[str, Floats] = {}
    try:
        for graph in _all(memoryview(path.read_bytes()), _GRAPH):
            for tensor in _all(graph, _INITIALIZER):
                if _ints(tensor, _DATA_TYPE) == [_FLOAT]:
                    (name,), (raw,) = _all(tensor, _NAME), _all(tensor, _RAW_DATA)
                    weights[bytes(name).decode()] = np.frombuffer(raw, "<f4").reshape(_ints(tensor, _DIMS))
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path} is no ONNX model") from error
    return weights


def _all(message: memoryview, number: int) -> list[memoryview]:
    return [value for found, value in _fields(message) if found == number and isinstance(value, memoryview)]


def _ints(message: memoryview, number: int) -> list[int]:
    """A field of integers, one for each occurrence or packed into one."""
    found: list[int] = []
    for field, value in _fields(message):
        if field != number:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            found.append(one)
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire_type == _BYTES:
            length, at = _varint(message, at)
        elif wire_type in _FIXED_BYTES:
            length = _FIXED_BYTES[wire_type]
        else:
            raise ValueError("a wire type that protobuf does not have")
        if at + length > len(message):
            raise ValueError("a field longer than its message")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value, at
