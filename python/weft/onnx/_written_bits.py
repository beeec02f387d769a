"""Random bits and Fourier transforms as ONNX nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._values import number_of
from ._writer import INT64, Op, form
from ._written_movement import counted, cut, reshaped

#: The rotations of Threefry-2x32, and the word that its third key is mixed with.
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA


class _Words:
    """Arithmetic of 32-bit words, which are held as int64: ONNX Runtime adds no uint32."""

    def __init__(self, op: Op) -> None:
        self.node, self.whole = op.node, op.writer.whole

    def add(self, x: str, y: str) -> str:
        return self.node("BitwiseAnd", self.node("Add", x, y), self.whole(2**32 - 1))

    def rotate(self, x: str, by: int) -> str:
        low = self.node("BitwiseAnd", x, self.whole(2 ** (32 - by) - 1))
        high = self.node("Div", x, self.whole(2 ** (32 - by)))
        return self.node("Add", self.node("Mul", low, self.whole(2**by)), high)

    def run(self, keys: list[str], x: str, y: str) -> tuple[str, str]:
        """Threefry-2x32 with 20 rounds, of the words x and y."""
        mixed = self.node("BitwiseXor", *keys)
        keys = [*keys, self.node("BitwiseXor", mixed, self.whole(_PARITY))]
        x, y = self.add(x, keys[0]), self.add(y, keys[1])
        for group in range(5):
            for number in range(4):
                x = self.add(x, y)
                turned = self.rotate(y, _ROTATIONS[group % 2 * 4 + number])
                y = self.node("BitwiseXor", turned, x)
            x = self.add(x, keys[(group + 1) % 3])
            y = self.add(self.add(y, keys[(group + 2) % 3]), self.whole(group + 1))
        return x, y


@form("random_bits")
def _random_bits(op: Op) -> str:
    w, words, shape = op.writer, _Words(op), op.result.shape
    leading = len(op.types[0].shape) - 1
    count: Any = 1
    for size in shape[leading:]:
        count = count * size
    place = reshaped(w, counted(w, count), shape[leading:])
    wide = op.node("BitwiseAnd", w.cast(op.inputs[0], INT64), w.whole(2**32 - 1))
    keys = []
    for number in range(2):
        key = cut(w, wide, leading, number, number + 1)
        key = reshaped(w, key, [*shape[:leading], *[1] * (len(shape) - leading)])
        keys.append(key)
    low = op.node("BitwiseAnd", place, w.whole(2**32 - 1))
    low, high = words.run(keys, low, op.node("Div", place, w.whole(2**32)))
    if w.elements[op.inputs[0]] == number_of(op.result.dtype):
        return w.cast(_signed(op, low), number_of(op.result.dtype))
    return op.node("Add", op.node("Mul", _signed(op, high), w.whole(2**32)), low)


def _signed(op: Op, word: str) -> str:
    """The integer with sign that has the bits of a word."""
    w = op.writer
    negative = op.node("GreaterOrEqual", word, w.whole(2**31))
    return op.node("Where", negative, op.node("Sub", word, w.whole(2**32)), word)


# Fourier transforms, of pairs of parts -------------------------------------------------------


def _transform(op: Op, x: str, shape: tuple[Any, ...], **options: int) -> str:
    """DFT along the last dimension but that of parts, of rows of what is before."""
    w = op.writer
    rows = reshaped(w, x, [math.prod(shape[:-2]), *shape[-2:]])
    return w.node("DFT", rows, "", w.whole(1), **options)


@form("fourier")
def _fourier(op: Op) -> str:
    shape, inverse = op.types[0].shape, bool(op.options.get("inverse"))
    made = _transform(op, op.inputs[0], shape, inverse=int(inverse))
    if inverse:
        made = op.node(
            "Mul", made, op.writer.cast(op.writer.size(shape[-2]), op.writer.elements[made])
        )
    return reshaped(op.writer, made, op.result.shape)


@form("real_fourier")
def _real_fourier(op: Op) -> str:
    shape = (*op.types[0].shape, 1)
    made = _transform(op, reshaped(op.writer, op.inputs[0], shape), shape, onesided=1)
    return reshaped(op.writer, made, op.result.shape)


@form("inverse_real_fourier")
def _inverse_real_fourier(op: Op) -> str:
    """The inverse transform of all elements: those that are left out are conjugates of others."""
    w, shape, axis = op.writer, op.types[0].shape, len(op.types[0].shape) - 2
    count = op.result.shape[-1]
    others = cut(w, op.inputs[0], axis, 1, count - shape[-2] + 1)
    turned = w.node("Slice", others, *map(w.whole, ([-1], [-(2**62)], [axis], [-1])))
    signs = w.array(np.array([1, -1]).astype(w.helper.tensor_dtype_to_np_dtype(w.elements[others])))
    whole = w.node("Concat", op.inputs[0], w.node("Mul", turned, signs), axis=axis)
    made = _transform(op, whole, (*shape[:-2], count, 2), inverse=1)
    made = w.node("Mul", made, w.cast(w.size(count), w.elements[made]))
    return reshaped(w, cut(w, made, 2, 0, 1), op.result.shape)
