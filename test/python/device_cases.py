"""Programs that devices run beside the processor: each kind of kernel, at awkward sizes.

A case is a function, its arguments, and by how much its result may differ from the processor's:
nothing where both compute each element in one order, else a bound on what two orders of a sum can
differ by. `u` is the unit roundoff of float32: a sum of n terms in any order is within n u times
the sum of their magnitudes of the exact one, to first order (Higham, Accuracy and Stability,
section 4.2), so that two orders are within twice that of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import weft
from numerics import UNIT_ROUNDOFF, numpy_dtype

u = UNIT_ROUNDOFF["float32"]
Bound = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """A function of tensors, arrays for it, and the largest difference; None: the same bits."""

    function: Callable
    arguments: tuple[np.ndarray, ...]
    bound: Bound | None = None


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Numbers of both signs."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(numpy_dtype(dtype))


def whole(*shape: int, below: int = 100, dtype: str = "int64", seed: int = 0) -> np.ndarray:
    """Integers from 0 on."""
    values = np.random.default_rng([seed, *shape]).integers(below, size=shape)
    return values.astype(numpy_dtype(dtype))


def _sums(axis: int | tuple[int, ...] | None) -> Bound:
    def bound(x: np.ndarray) -> np.ndarray:
        count = x.size if axis is None else np.prod([x.shape[i] for i in np.atleast_1d(axis)])
        return 2 * count * u * np.abs(x.astype(np.float64)).sum(axis)

    return bound


def _softmax(x: np.ndarray) -> np.ndarray:
    """The quotient by a sum of n positive terms, each of which has a few roundings itself."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return 2 * (x.shape[-1] + 4) * u * e / e.sum(-1, keepdims=True)


def _layer_norm(x: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """An error of the mean moves all elements; one of the variance scales them by half of it."""
    n = x.shape[-1]
    deviation = x.std(-1, keepdims=True) + 1e-5
    shift = n * u * np.abs(x).mean(-1, keepdims=True) / deviation
    scaled = np.abs(x - x.mean(-1, keepdims=True)) / deviation
    return 4 * shift + 2 * (n + 8) * u * (scaled + 1)


def _products(x: np.ndarray, y: np.ndarray, dtype: str = "float32") -> np.ndarray:
    """Sums of K products, and the one rounding of the result to a narrower type."""
    magnitude = np.abs(x.astype(np.float64)) @ np.abs(y.astype(np.float64))
    exact = np.abs(x.astype(np.float64) @ y.astype(np.float64))
    rounding = 0.0 if dtype == "float32" else 2 * UNIT_ROUNDOFF[dtype]
    return 2 * x.shape[-1] * u * magnitude * (1 + rounding) + rounding * exact


ELEMENTWISE = {
    "add": Case(lambda x, y: x + y, (normal(7, 13), normal(7, 13, seed=1))),
    "vectors": Case(lambda x, y: x * y - 1.5, (normal(64, 8), normal(64, 8, seed=1))),
    "rows": Case(lambda x, y: x / y, (normal(5, 12), normal(12, seed=1))),
    "columns": Case(lambda x, y: weft.maximum(x, y), (normal(6, 9), normal(6, 1, seed=1))),
    "outer": Case(lambda x, y: x - y, (normal(3, 1, 5), normal(4, 1, seed=1))),
    "scalar": Case(lambda x: (x + 1) ** 2.0, (normal(11),)),
    "gelu": Case(lambda x: weft.nn.functional.gelu(x), (normal(9, 31),)),
    "functions": Case(lambda x: weft.exp(weft.tanh(x)) + weft.log(x * x + 1.0), (normal(300),)),
    "double": Case(lambda x: weft.exp(x) * x, (normal(33, dtype="float64"),)),
    "half": Case(lambda x: x * x + x, (normal(50, dtype="float16"),)),
    "bfloat16": Case(lambda x: weft.sigmoid(x), (normal(50, dtype="bfloat16"),)),
    "integers": Case(lambda x, y: x // y + x % y, (whole(40), whole(40, seed=1) + 1)),
    "bytes": Case(lambda x: x * 3, (whole(37, dtype="uint8"),)),
    "where": Case(lambda x: weft.where(x > 0, x, 0.1 * x), (normal(21),)),
    "bools": Case(lambda x: ~((x > 0) & (x < 1)), (normal(45),)),
    "empty": Case(lambda x: x + 1.0, (normal(0, 3),)),
    "zero_d": Case(lambda x: x * 2.0, (normal(),)),
}

CASTS = {
    f"{source}_{target}": Case(
        lambda x, target=target: x.astype(target), (whole(35, below=90, dtype=source) - whole(1),)
    )
    for source, target in [
        ("float32", "float16"),
        ("float32", "bfloat16"),
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float64", "float32"),
        ("float32", "int32"),
        ("int8", "float32"),
        ("int64", "int16"),
        ("uint8", "bool"),
        ("bool", "int64"),
    ]
}


def _assigned_rows(x: weft.Tensor, i: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
    x = x * 2.0
    x[i] = y
    return x


def _assigned_slices(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
    x = x * 2.0
    x[1::2, 3::4] = y
    return x


MOVEMENT = {
    "transpose": Case(lambda x: x.T, (normal(37, 41),)),
    "transpose_whole_tiles": Case(lambda x: x.T, (normal(64, 32),)),
    "permute": Case(lambda x: weft.permute_dims(x, (2, 0, 1)), (normal(3, 5, 7),)),
    "transposed_operand": Case(lambda x, y: x.T + y, (normal(33, 18), normal(18, 33, seed=1))),
    "broadcast": Case(lambda x: weft.broadcast_to(x, (4, 3, 6)), (normal(3, 1),)),
    "slice": Case(lambda x: x[1:9:3, ::-1], (normal(11, 6),)),
    "concat": Case(lambda x, y: weft.concat([x, y], axis=1), (normal(3, 4), normal(3, 5))),
    "pad": Case(lambda x: weft.pad(x, [(1, 2), (0, 3)], value=7.0), (normal(4, 5),)),
    "gather": Case(lambda x, i: weft.take(x, i, axis=0), (normal(9, 5), whole(4, 3, below=9))),
    "gather_columns": Case(lambda x, i: weft.take(x, i, axis=1), (normal(4, 9), whole(6, below=9))),
    "scatter": Case(
        lambda x, i, y: weft.scatter_add(x, i, y),
        (normal(6, 5), whole(20, below=6), normal(20, 5, seed=1)),
    ),
    "assigned_rows": Case(
        _assigned_rows, (normal(6, 5), whole(20, below=6), normal(20, 5, seed=1))
    ),
    "assigned_slices": Case(_assigned_slices, (normal(9, 12), normal(4, 3, seed=1))),
    "triangle": Case(lambda x: weft.tril(x), (normal(7, 7),)),
    "counting": Case(lambda x: x + weft.arange(x.shape[0], device=x.device), (whole(9),)),
    "one_hot": Case(lambda i: weft.one_hot(i, 6), (whole(5, below=6),)),
    "flip_roll": Case(lambda x: weft.roll(weft.flip(x, axis=0), 2, axis=1), (normal(4, 7),)),
}

REDUCTIONS = {
    "row_sum": Case(lambda x: x.sum(-1), (normal(5, 33),), _sums(-1)),
    "short_rows": Case(lambda x: x.sum(-1), (normal(19, 3),), _sums(-1)),
    "long_rows": Case(lambda x: x.sum(-1), (normal(2, 1531),), _sums(-1)),
    "whole_rows": Case(lambda x: x.sum(-1), (normal(9, 64),), _sums(-1)),
    "all": Case(lambda x: x.sum(), (normal(13, 17),), _sums(None)),
    "row_max": Case(lambda x: x.max(axis=-1), (normal(4, 37),)),
    "row_argmax": Case(lambda x: weft.argmax(x, axis=-1), (whole(6, 29, below=9),)),
    "long_argmin": Case(lambda x: weft.argmin(x, axis=-1), (whole(2, 1100, below=50),)),
    "integer_sum": Case(lambda x: x.sum(-1), (whole(4, 21),)),
    "any": Case(lambda x: weft.any(x > 1.5, axis=-1), (normal(8, 11),)),
    "softmax": Case(lambda x: weft.softmax(x), (normal(7, 45),), _softmax),
    "long_softmax": Case(lambda x: weft.softmax(x), (normal(2, 1203),), _softmax),
    "layer_norm": Case(
        lambda x, w, b: weft.nn.functional.layer_norm(x, (x.shape[-1],), w, b),
        (normal(5, 77), np.ones(77, np.float32), np.zeros(77, np.float32)),
        _layer_norm,
    ),
    "column_sum": Case(lambda x: x.sum(0), (normal(23, 10),), _sums(0)),
    "long_columns": Case(lambda x: x.sum(0), (normal(301, 5),), _sums(0)),
    "middle_sum": Case(lambda x: x.sum(1), (normal(3, 14, 6),), _sums(1)),
    "column_max": Case(lambda x: x.max(axis=0), (normal(70, 9),)),
    "longest_rows": Case(lambda x: x.sum(-1), (normal(1, 9001),), _sums(-1)),
    "softmax_beyond_registers": Case(lambda x: weft.softmax(x), (normal(1, 8708),), _softmax),
    "many_columns": Case(lambda x: x.sum(0), (normal(70, 300),), _sums(0)),
    "many_chunks": Case(lambda x: x.sum(0), (normal(8300, 2),), _sums(0)),
    "prod": Case(
        lambda x: x.prod(-1), (1 + normal(3, 40) / 100,), lambda x: 80 * u * np.abs(x.prod(-1))
    ),
    "variance": Case(
        lambda x: x.var(-1), (normal(4, 50),), lambda x: 8 * 50 * u * (x * x).mean(-1)
    ),
    "sum_of_products": Case(
        lambda x, y: (x * y).sum(-1),
        (normal(6, 70), normal(6, 70, seed=1)),
        lambda x, y: 2 * 71 * u * np.abs(x * y).sum(-1),
    ),
    "channel_sum": Case(lambda x: x.sum((0, 2)), (normal(4, 3, 10),), _sums((0, 2))),
}

ALONG_AXES = {
    "cumulative_sum": Case(lambda x: weft.cumulative_sum(x, axis=-1), (whole(5, 33, below=99),)),
    "cumulative_sum_of_columns": Case(
        lambda x: weft.cumulative_sum(x, axis=0), (whole(33, 5, below=99),)
    ),
    "cumulative_sum_of_blocks": Case(
        lambda x: weft.cumulative_sum(x, axis=0), (whole(4200, 2, below=99),)
    ),
    "cumulative_prod": Case(
        lambda x: weft.cumulative_prod(x, axis=1) * 2,
        (1 + normal(2, 40, 3) / 100,),
        lambda x: 80 * u * np.abs(np.cumprod(x, axis=1)) * 2,
    ),
    "sort": Case(lambda x: weft.sort(x, axis=0), (normal(70, 3),)),
    "argsort": Case(lambda x: weft.argsort(x), (whole(3, 301, below=9),)),
}

CONTRACTIONS = {
    "matmul": Case(lambda x, y: x @ y, (normal(17, 19), normal(19, 23, seed=1))),
    "matmul_whole_tiles": Case(lambda x, y: x @ y, (normal(64, 32), normal(32, 64, seed=1))),
    "matmul_many_tiles": Case(lambda x, y: x @ y, (normal(130, 37), normal(37, 150, seed=1))),
    "matmul_deep": Case(lambda x, y: x @ y, (normal(5, 300), normal(300, 6, seed=1))),
    "double_matmul": Case(
        lambda x, y: x @ y, (normal(9, 20, dtype="float64"), normal(20, 7, dtype="float64"))
    ),
    "integer_matmul": Case(lambda x, y: x @ y, (whole(5, 9), whole(9, 4, seed=1))),
    "matmul_batch": Case(lambda x, y: x @ y, (normal(3, 5, 7), normal(3, 7, 6, seed=1))),
    "matmul_shared": Case(lambda x, y: x @ y, (normal(2, 4, 9), normal(9, 3, seed=1))),
    "matmul_transposed": Case(lambda x, y: x.T @ y, (normal(11, 8), normal(11, 6, seed=1))),
    "vector": Case(lambda x, y: x @ y, (normal(9, 21), normal(21, seed=1))),
    "linear_relu": Case(
        lambda x, w, b: weft.nn.functional.relu(weft.nn.functional.linear(x, w, b)),
        (normal(9, 12), normal(7, 12, seed=1), normal(7, seed=2)),
    ),
    "half_matmul": Case(
        lambda x, y: x @ y,
        (normal(16, 48, dtype="float16"), normal(48, 24, dtype="float16", seed=1)),
        lambda x, y: _products(x, y, "float16"),
    ),
    "odd_half_matmul": Case(
        lambda x, y: x @ y,
        (normal(9, 37, dtype="float16"), normal(37, 11, dtype="float16", seed=1)),
        lambda x, y: _products(x, y, "float16"),
    ),
    "bfloat16_matmul": Case(
        lambda x, y: x @ y,
        (normal(33, 40, dtype="bfloat16"), normal(40, 16, dtype="bfloat16", seed=1)),
        lambda x, y: _products(x, y, "bfloat16"),
    ),
    "half_matmul_many_tiles": Case(
        lambda x, y: x @ y,
        (normal(72, 136, dtype="float16"), normal(136, 200, dtype="float16", seed=1)),
        lambda x, y: _products(x, y, "float16"),
    ),
    "half_matmul_batch": Case(
        lambda x, y: x @ y,
        (normal(3, 16, 24, dtype="bfloat16"), normal(3, 24, 8, dtype="bfloat16", seed=1)),
        lambda x, y: _products(x, y, "bfloat16"),
    ),
    "conv2d": Case(
        lambda x, w: weft.nn.functional.conv2d(x, w, padding=1),
        (normal(2, 3, 6, 5), normal(4, 3, 3, 3, seed=1)),
    ),
    "strided_conv2d": Case(
        lambda x, w: weft.nn.functional.conv2d(x, w, stride=2),
        (normal(1, 2, 9, 7), normal(3, 2, 3, 3, seed=1)),
    ),
    "grouped_conv2d": Case(
        lambda x, w: weft.nn.functional.conv2d(x, w, groups=2),
        (normal(1, 4, 5, 5), normal(6, 2, 3, 3, seed=1)),
    ),
    "dilated_conv2d": Case(
        lambda x, w: weft.nn.functional.conv2d(x, w, dilation=2, padding=2),
        (normal(1, 3, 7, 8), normal(2, 3, 3, 3, seed=1)),
    ),
    "bordered_depthwise_conv2d": Case(
        lambda x, w, pixel: weft.nn.functional.conv2d(
            weft.nn.functional.conv2d(
                weft.nn.functional.conv2d(x, pixel), w, padding=1, stride=2, groups=5
            ),
            pixel,
        ),
        (normal(2, 5, 6, 7), normal(5, 1, 3, 3, seed=1), normal(5, 5, 1, 1, seed=2)),
    ),
    "wide_conv2d": Case(
        lambda x, w: weft.nn.functional.relu(weft.nn.functional.conv2d(x, w)),
        (normal(2, 8, 12, 11), normal(70, 8, 3, 3, seed=1)),
    ),
    "half_conv2d": Case(
        lambda x, w: weft.nn.functional.conv2d(x, w),
        (normal(1, 8, 6, 6, dtype="float16"), normal(16, 8, 3, 3, dtype="float16", seed=1) / 8),
        lambda x, w: 2 * UNIT_ROUNDOFF["float16"] * 72 * np.abs(x).max() * np.abs(w).max(),
    ),
    "max_pool": Case(lambda x: weft.nn.functional.max_pool2d(x, 2), (normal(2, 3, 6, 7),)),
    "avg_pool": Case(lambda x: weft.nn.functional.avg_pool2d(x, 2), (normal(1, 3, 4, 6),), None),
}

KERNELS = {
    f"{family}-{name}": case
    for family, cases in {
        "elementwise": ELEMENTWISE,
        "cast": CASTS,
        "movement": MOVEMENT,
        "reduction": REDUCTIONS,
        "along_axis": ALONG_AXES,
        "contraction": CONTRACTIONS,
    }.items()
    for name, case in cases.items()
}
