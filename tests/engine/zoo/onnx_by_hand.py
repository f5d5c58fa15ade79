"""A detector in an ONNX file, written byte by byte: it answers the same boxes to every picture.

Field numbers are those of onnx.proto3 (ONNX IR version 8).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_FLOAT, _INT = 1, 2


def detector(answer: NDArray[np.float32], said: Mapping[str, str], size: tuple[int, int] = (64, 64)) -> bytes:
    """A model with an input ``images`` (1, 3, *size): 0 x its mean + ``answer``; ``said`` is its metadata."""
    nodes = [
        _node("ReduceMean", ["images"], "mean", _bytes(5, _text(1, "keepdims") + _int(3, 0) + _int(20, _INT))),
        _node("Mul", ["mean", "zero"], "nothing"),
        _node("Add", ["nothing", "boxes"], "output0"),
    ]
    graph = b"".join(_bytes(1, n) for n in nodes) + _text(2, "detector")
    graph += _bytes(5, _tensor("zero", np.zeros((), np.float32))) + _bytes(5, _tensor("boxes", answer))
    graph += _bytes(11, _value("images", (1, 3, *size))) + _bytes(12, _value("output0", answer.shape))
    metadata = b"".join(_bytes(14, _text(1, k) + _text(2, v)) for k, v in said.items())
    return _int(1, 8) + _bytes(8, _text(1, "") + _int(2, 13)) + _bytes(7, graph) + metadata


def _node(kind: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    return b"".join(_text(1, i) for i in inputs) + _text(2, output) + _text(4, kind) + attributes


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    dims = b"".join(_int(1, n) for n in values.shape)
    return dims + _int(2, _FLOAT) + _text(8, name) + _bytes(9, values.astype("<f4").tobytes())


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_bytes(1, _int(1, n)) for n in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _int(1, _FLOAT) + _bytes(2, dims)))


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, content: str) -> bytes:
    return _bytes(field, content.encode())
