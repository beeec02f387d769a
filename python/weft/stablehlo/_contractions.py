"""Rules for dot_general, convolution and their kin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._core import SymbolicSize, Tensor
from ._elementwise import converted
from ._known import sizes_of
from ._program import tensor
from ._rules import Call, raw_rule, rule
from ._shapes import padded
from ._weft import weft


def contracted(
    a: Tensor, b: Tensor, batch: tuple[Sequence, Sequence], over: tuple[Sequence, Sequence]
) -> Tensor:
    """Dimensions of the batch, then what is left of a, then what is left of b."""
    free = [
        [i for i in range(x.ndim) if i not in batch[side] and i not in over[side]]
        for side, x in enumerate((a, b))
    ]
    outer = [a.shape[i] for i in batch[0]]
    rows, columns = [a.shape[i] for i in free[0]], [b.shape[i] for i in free[1]]
    inner = math.prod(a.shape[i] for i in over[0])
    left = weft.permute_dims(a, (*batch[0], *free[0], *over[0])) if a.ndim else a
    right = weft.permute_dims(b, (*batch[1], *over[1], *free[1])) if b.ndim else b
    left = weft.reshape(left, (*outer, math.prod(rows), inner))
    right = weft.reshape(right, (*outer, inner, math.prod(columns)))
    is_bool = a.dtype.kind == "bool"
    if is_bool:
        left, right = left.astype("int32"), right.astype("int32")
    made = weft.reshape(weft.matmul(left, right), (*outer, *rows, *columns))
    return made != 0 if is_bool else made


@rule("stablehlo.dot_general")
def dot_general(call: Call, a: Tensor, b: Tensor) -> Tensor:
    numbers = call["dot_dimension_numbers"]
    batch, over = (
        (numbers.get(f"lhs_{name}", []), numbers.get(f"rhs_{name}", []))
        for name in ("batching_dimensions", "contracting_dimensions")
    )
    a, b = (_as_result(x, call) for x in (a, b))
    return converted(contracted(a, b, batch, over), call.dtype)


def _as_result(x: Tensor, call: Call) -> Tensor:
    """An operand in the dtype in which the result is summed up."""
    return x if x.dtype == call.dtype else converted(x, call.dtype)


@rule("stablehlo.dot")
def dot(call: Call, a: Tensor, b: Tensor) -> Tensor:
    a, b = (_as_result(x, call) for x in (a, b))
    return contracted(a, b, ([], []), ([a.ndim - 1], [0]))


@rule("stablehlo.convolution")
def convolution(call: Call, x: Tensor, weight: Tensor) -> Tensor:
    rank = x.ndim - 2
    pads = call.get("padding")
    pads = np.zeros((rank, 2), int) if pads is None else np.broadcast_to(pads, (rank, 2))
    return convolved(call, x, weight, pads.tolist())


@raw_rule("stablehlo.dynamic_conv")
def dynamic_conv(call: Call, x: Any, weight: Any, padding: Any) -> Tensor:
    sizes = sizes_of(padding, "the padding of a convolution")
    pads = [sizes[i : i + 2] for i in range(0, len(sizes), 2)]
    return convolved(call, tensor(x), tensor(weight), pads)


def convolved(call: Call, x: Tensor, weight: Tensor, pads: Sequence[Sequence[Any]]) -> Tensor:
    """Both operands with channels first, then weft's convolution, then the result's order."""
    sides = call["dimension_numbers"]
    rank = x.ndim - 2
    spatial = [str(i) for i in range(rank)]
    x, weight = (_as_result(value, call) for value in (x, weight))
    x = weft.permute_dims(x, tuple(sides[0].index(name) for name in ("b", "f", *spatial)))
    weight = weft.permute_dims(weight, tuple(sides[1].index(name) for name in ("o", "i", *spatial)))
    ones = [1] * rank
    strides = call.get("window_strides") or ones
    dilations = call.get("rhs_dilation") or ones
    turned = tuple(i + 2 for i, flag in enumerate(call.get("window_reversal") or []) if flag)
    if turned:
        weight = weft.flip(weight, axis=turned)
    between = [dilation - 1 for dilation in call.get("lhs_dilation") or ones]
    lows, highs = [pair[0] for pair in pads], [pair[1] for pair in pads]
    zero = weft.zeros((), dtype=x.dtype)
    x = padded(x, zero, [0, 0, *lows], [0, 0, *highs], [0, 0, *between])
    groups = call["feature_group_count"]
    parts = call["batch_group_count"]
    if parts > 1:
        # Each part of the batch has its own output channels: parts are groups of channels.
        count, channels = x.shape[0] // parts, x.shape[1]
        split = weft.reshape(x, (parts, count, channels, *x.shape[2:]))
        x = weft.reshape(weft.moveaxis(split, 0, 1), (count, parts * channels, *x.shape[2:]))
        groups = parts
    made = _grouped(x, weight, strides, dilations, groups)
    place = {name: i for i, name in enumerate(("b", "f", *spatial))}
    return weft.permute_dims(made, tuple(place[name] for name in sides[2]))


_CONVOLUTIONS = {1: weft.conv1d, 2: weft.conv2d, 3: weft.conv3d}


def _grouped(
    x: Tensor, weight: Tensor, strides: Sequence[int], dilations: Sequence[int], groups: int
) -> Tensor:
    rank = x.ndim - 2
    is_empty = any(
        not isinstance(n, SymbolicSize) and n == 0 for n in (*x.shape, *weight.shape)
    ) or any(
        not isinstance(n, SymbolicSize) and n < (k - 1) * d + 1
        for n, k, d in zip(x.shape[2:], weight.shape[2:], dilations)
    )
    if x.dtype.kind == "floating" and 1 <= rank <= 3 and not is_empty:
        options: dict[str, Any] = {"stride": tuple(strides), "dilation": tuple(dilations)}
        return _CONVOLUTIONS[rank](x, weight, None, groups=groups, **options)
    return _as_product(x, weight, strides, dilations, groups)


def _as_product(
    x: Tensor, weight: Tensor, strides: Sequence[int], dilations: Sequence[int], groups: int
) -> Tensor:
    """Of any dtype and number of dimensions: a product for all groups over copies of the input."""
    window = weight.shape[2:]
    sizes = [
        max((n - (k - 1) * d - 1) // s + 1, 0) if k else 0
        for n, k, d, s in zip(x.shape[2:], window, dilations, strides)
    ]
    count, channels = x.shape[0], x.shape[1]
    outputs = weight.shape[0]
    copies = []
    for flat in range(math.prod(window)):
        bounds: list[slice] = []
        rest = flat
        for axis in reversed(range(len(window))):
            rest, k = divmod(rest, window[axis])
            first = k * dilations[axis]
            last = first + (sizes[axis] - 1) * strides[axis] + 1 if sizes[axis] else first
            bounds.insert(0, slice(first, last, strides[axis]))
        copies.append(x[(slice(None), slice(None), *bounds)])
    if not copies:
        return weft.zeros((count, outputs, *sizes), dtype=x.dtype)
    whole = weft.stack(copies, axis=2)
    inner = channels // groups * len(copies)
    left = weft.reshape(whole, (count, groups, inner, math.prod(sizes)))
    right = weft.reshape(weight, (groups, outputs // groups, inner))
    made = contracted(right, left, ([0], [1]), ([2], [2]))
    made = weft.permute_dims(made, (2, 0, 1, 3))
    return weft.reshape(made, (count, outputs, *sizes))
