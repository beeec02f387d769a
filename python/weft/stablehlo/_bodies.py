"""Regions of reductions, sorts and scatters: functions of elements, and what is known of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .._core import Tensor
from ._graph import Op, Region
from ._rules import Call
from ._weft import weft

_COMMUTATIVE = {
    "stablehlo.add": "add",
    "stablehlo.multiply": "multiply",
    "stablehlo.maximum": "maximum",
    "stablehlo.minimum": "minimum",
    "stablehlo.and": "and",
    "stablehlo.or": "or",
    "stablehlo.xor": "xor",
}
# What a body of elements has beside such that are of elements themselves.
_SHAPED = {
    *("stablehlo.broadcast_in_dim", "stablehlo.reshape", "stablehlo.reduce", "stablehlo.iota"),
    *("stablehlo.while", "stablehlo.if", "stablehlo.case", "stablehlo.sort", "stablehlo.gather"),
    *("stablehlo.scatter", "stablehlo.dot_general", "stablehlo.concatenate", "stablehlo.slice"),
    *("stablehlo.custom_call", "stablehlo.composite", "stablehlo.dynamic_slice"),
    *("stablehlo.dynamic_update_slice", "stablehlo.tuple", "stablehlo.transpose", "chlo.top_k"),
}


def single(region: Region) -> str | None:
    """The name of the op if the region is one op of its two arguments, in any order."""
    if len(region.ops) == 1 and len(region.arguments) == 2 and len(region.results) == 1:
        (op,) = region.ops
        if region.results == op.outputs and sorted(op.inputs) == sorted(region.arguments):
            return _COMMUTATIVE.get(op.name)
    return None


def chosen(region: Region) -> int | None:
    """Which argument the region returns, if it does nothing else."""
    if not region.ops and len(region.results) == 1 and region.results[0] in region.arguments:
        return region.arguments.index(region.results[0])
    return None


def elementwise(call: Call, values: Sequence[Tensor], number: int = 0) -> list[Tensor]:
    """The region for each element of tensors of one shape."""
    region = call.op.regions[number]
    shape = values[0].shape
    if all(op.name not in _SHAPED and not op.regions for op in region.ops):
        made = call.region(number)(*values)
        return [weft.broadcast_to(value, shape) for value in made]
    flat = [weft.reshape(value, (-1,)) for value in values]
    results = weft.vmap(call.region(number))(*flat)
    return [weft.reshape(value, shape) for value in results]


def combination(call: Call, number: int = 0) -> Callable[[Sequence[Tensor], Sequence[Tensor]], Any]:
    """The region as a function of two groups of tensors, which it combines element by element."""
    return lambda left, right: elementwise(call, [*left, *right], number)


def folded(
    combine: Callable[[Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]],
    values: Sequence[Tensor],
    axis: int,
) -> list[Tensor]:
    """All slices along an axis, of which there is one at least, combined by halves."""
    size = values[0].shape[axis]
    values = [weft.moveaxis(value, axis, 0) for value in values]
    while size > 1:
        half = size // 2
        even = [value[0 : 2 * half : 2] for value in values]
        odd = [value[1 : 2 * half : 2] for value in values]
        made = list(combine(even, odd))
        if size % 2:
            made = [weft.concat([m, v[2 * half :]]) for m, v in zip(made, values)]
        values, size = made, half + size % 2
    return [value[0] for value in values]


def fingerprint(region: Region) -> tuple:
    """What two regions share that compute the same in the same order."""
    names = {number: i for i, number in enumerate(region.arguments)}

    def described(op: Op) -> tuple:
        inputs = tuple(names[number] for number in op.inputs if number in names)
        for number in op.outputs:
            names[number] = len(names)
        keys = ("comparison_direction", "compare_type")
        return op.name, inputs, tuple(op.attributes.get(key) for key in keys)

    ops = tuple(described(op) for op in region.ops)
    return ops, tuple(names.get(number) for number in region.results)


def product(sizes: Sequence[int]) -> int:
    """The number of elements."""
    return math.prod(sizes)
