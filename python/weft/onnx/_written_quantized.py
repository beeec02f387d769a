"""Weights of few bits as ONNX nodes: DequantizeLinear of initializers as small as they are.

What is no constant of its own, as rows that are gathered from a table, is written by the ops'
definitions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._values import number_of
from ._writer import INT4, UINT4, Op, form
from ._written_movement import reshaped


@form("quantized_values", reads=(0, 1, 2))
def _values(op: Op) -> str:
    made = _weight(op, 0, turned=False)
    return reshaped(op.writer, made, op.result.shape)


@form("quantized_matmul", reads=(1, 2, 3))
def _matmul(op: Op) -> str:
    return op.node("MatMul", _flat(op), _weight(op, 1, turned=True))


@form("quantized_dot", reads=(1, 2, 3))
def _dot(op: Op) -> str:
    """Whole numbers are dequantised as those of a scale of 1, which is multiplied by later."""
    one, zero = (op.writer.array(np.array(*each)) for each in ((1, np.float32), (0, np.int8)))
    x = op.node("DequantizeLinear", _flat(op), one, zero)
    return op.node("MatMul", x, _weight(op, 1, turned=True))


@form("quantized_steps")
def _steps(op: Op) -> str:
    zero = op.writer.array(np.array(0, np.int8))
    if op.types[1].shape:
        # A zero is of the scale's shape.
        zero = op.node("Expand", zero, op.writer.sizes(op.types[1].shape))
    return op.node("QuantizeLinear", *op.inputs, zero, axis=0)


def _flat(op: Op) -> str:
    """x [M, G, S] as [M, G * S]."""
    rows, *depth = op.types[0].shape
    return reshaped(op.writer, op.inputs[0], [rows, math.prod(depth)])


def _weight(op: Op, first: int, turned: bool) -> str:
    """The weight [N, G * S], or the other way round, of the operands from `first` on."""
    w, names = op.writer, op.inputs[first:]
    rows, groups, _ = op.types[first].shape
    if all(name in w.apart for name in names):
        return _dequantized(op, first, turned)
    size = op.types[first].shape[2] * 8 // op.options["bits"]
    wide = w.cast(_apart(op, first), number_of(op.types[first + 1].dtype))
    factors = [rows, groups, 1]
    if len(names) > 2:
        zero = w.cast(w.put(names[2]), w.elements[wide])
        wide = op.node("Sub", wide, reshaped(w, zero, factors))
    elif op.options["bits"] == 4:
        wide = op.node("Sub", wide, w.like(wide, 8))
    made = op.node("Mul", wide, reshaped(w, w.put(names[1]), factors))
    made = reshaped(w, made, [rows, groups * size])
    return op.node("Transpose", made, perm=[1, 0]) if turned else made


def _apart(op: Op, first: int) -> str:
    """The numbers [N, G, S], each on its own."""
    w, name = op.writer, op.writer.put(op.inputs[first])
    if op.options["bits"] == 8:
        return name
    shape = op.types[first].shape
    low = op.node("BitwiseAnd", name, w.like(name, 15))
    high = op.node("BitShift", name, w.like(name, 4), direction="RIGHT")
    pairs = [reshaped(w, half, [*shape, 1]) for half in (low, high)]
    return reshaped(w, op.node("Concat", *pairs, axis=3), [*shape[:2], shape[2] * 2])


def _dequantized(op: Op, first: int, turned: bool) -> str:
    """DequantizeLinear of the numbers as an initializer: in blocks, or of whole rows."""
    w, (name, factors, *zeros) = op.writer, op.inputs[first:]
    bits = op.options["bits"]
    key = (name, factors, *zeros, bits, turned)
    if key in w.dequantized:
        return w.dequantized[key]
    scale, groups = w.known[factors], op.types[first].shape[1]
    numbers = _unpacked(w.known[name], bits)
    rows, width = numbers.shape
    if numbers.size == 0:
        return w.array(np.zeros((width, rows) if turned else (rows, width), np.float32))
    inputs = [_initializer(op, name, numbers, turned, bool(zeros))]
    inputs.append(w.array(_laid(scale, turned), factors))
    if zeros:
        inputs.append(_initializer(op, zeros[0], _laid(w.known[zeros[0]], False), turned, True))
    axis = int(not turned) if groups > 1 else int(turned)
    blocks = {"block_size": width // groups} if groups > 1 else {}
    w.dequantized[key] = made = op.node("DequantizeLinear", *inputs, axis=axis, **blocks)
    return made


def _unpacked(numbers: np.ndarray, bits: int) -> np.ndarray:
    """One for each number, [N, G * S]."""
    if bits == 4:
        numbers = np.stack([numbers & 15, numbers >> 4], axis=-1)
    return numbers.reshape(numbers.shape[0], math.prod(numbers.shape[1:]))


def _laid(factors: np.ndarray, turned: bool) -> np.ndarray:
    """Factors [N, G] as DequantizeLinear takes them; one for each row are a list."""
    if factors.shape[1] == 1:
        return factors[:, 0]
    return np.ascontiguousarray(factors.T) if turned else factors


def _initializer(op: Op, name: str, numbers: np.ndarray, turned: bool, has_zero: bool) -> str:
    """Numbers with their name; without zeros those of 4 bits have a sign."""
    values: Any = numbers.T if turned and numbers.ndim == 2 else numbers
    if op.options["bits"] == 8:
        return op.writer.array(np.ascontiguousarray(values), name)
    element = UINT4 if has_zero else INT4
    flat = values.reshape(-1) if has_zero else values.reshape(-1) ^ 8
    flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
    return op.writer.raw(flat[::2] | flat[1::2] << 4, values.shape, element, name)
