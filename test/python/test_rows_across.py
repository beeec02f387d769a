"""Reductions of rows that lie across memory: the same bits as of rows that lie along it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, to_numpy
from random_programs import count_of_examples
from test_row_reductions import depth, ordered_sum, same_at_any_count, threads, values

__all__ = ["threads"]

# Around the lanes and the blocks of a sum.
LENGTHS = [0, 1, 2, 4, 7, 15, 16, 17, 33, 49, 2047, 2048, 2049, 4099]
KEPT = [1, 2, 7, 15, 16, 17, 31, 32, 33, 100]
MOST_ELEMENTS = 150_000
DTYPES = [
    *("float16", "bfloat16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint32", "bool"),
]

Reduction = Callable[[weft.Tensor, tuple[int, ...]], object]


def _statistics(x: weft.Tensor, axes: tuple[int, ...]) -> tuple[weft.Tensor, ...]:
    """Several passes over the row, and several reductions in one."""
    return weft.mean(x, axis=axes), weft.max(x, axis=axes), weft.var(x, axis=axes)


def _of_computed(x: weft.Tensor, axes: tuple[int, ...]) -> weft.Tensor:
    """Something before the reduction, in part for each row alone, and something behind it."""
    first = x[(..., *[slice(0, 1)] * len(axes))]
    return weft.tanh(weft.sum(x * x + first, axis=axes) + 1)


def _position(name: str) -> Reduction:
    """Positions in the row, which is flat for them."""
    return lambda x, axes: getattr(weft, name)(
        weft.reshape(x, (*x.shape[: x.ndim - len(axes)], -1)), axis=-1
    )


def _named(name: str) -> Reduction:
    return lambda x, axes: getattr(weft, name)(x, axis=axes)


OF_NUMBERS: dict[str, Reduction] = {name: _named(name) for name in ("sum", "prod", "max", "min")}
OF_NUMBERS |= {name: _position(name) for name in ("argmax", "argmin")}
OF_FLOATS: dict[str, Reduction] = {"mean": _named("mean"), "logsumexp": _named("logsumexp")}
OF_FLOATS |= {"statistics": _statistics, "computed": _of_computed}
OF_BOOLS: dict[str, Reduction] = {"any": _named("any"), "all": _named("all"), "sum": _named("sum")}


def _drawn(generator: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """A shape, how to permute its axes, and how many then are reduced, the innermost one not."""
    while True:
        kept = [int(size) for size in generator.choice(KEPT, generator.integers(1, 3))]
        row = [int(size) for size in generator.choice(LENGTHS, generator.integers(1, 3))]
        if math.prod(kept + row) <= MOST_ELEMENTS:
            break
    # Axes are numbered as in the permuted shape: those of the row come last.
    order = [int(axis) for axis in generator.permutation(len(kept) + len(row))]
    order.remove(len(kept) - 1)
    order.append(len(kept) - 1)
    sizes = kept + row
    return tuple(sizes[axis] for axis in order), tuple(map(int, np.argsort(order))), len(row)


def _with_specials(generator: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Some NaNs, infinities and zeros of both signs, and equal elements, in half of the arrays."""
    if x.dtype.kind != "b" and x.size and generator.random() < 0.5:
        x[generator.random(x.shape) < 0.3] = x.flat[0]
        if x.dtype.kind not in "iu":
            for special in (-0.0, 0.0, np.inf, np.nan):
                x[generator.random(x.shape) < 0.3 / x.shape[-1]] = special
    return x


def _schedules(function: Callable, x: object) -> list[str]:
    compiled = weft.jit(function)
    compiled(x)
    return [str(kernel.schedule) for kernel in compiled.profile(x)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_across_have_the_bits_of_rows_along(
    dtype: str, threads: Callable[[int], None]
) -> None:
    generator = np.random.default_rng(1)
    of_others = OF_NUMBERS if "int" in dtype else OF_NUMBERS | OF_FLOATS
    reductions = OF_BOOLS if dtype == "bool" else of_others
    across = 0
    for _ in range(count_of_examples(30)):
        shape, permutation, count = _drawn(generator)
        x = _with_specials(generator, values(generator, shape, dtype))
        axes = tuple(range(len(shape) - count, len(shape)))
        name = str(generator.choice([*reductions]))
        along = np.ascontiguousarray(x.transpose(permutation))
        if along.size == 0 and name not in ("sum", "prod", "any", "all"):
            continue

        def reduce(t: weft.Tensor, name: str = name, axes: tuple = axes) -> object:
            return reductions[name](t, axes)

        def turned(t: weft.Tensor, reduce: Callable = reduce, order: tuple = permutation) -> object:
            return reduce(weft.permute_dims(t, order))

        actual = same_at_any_count(threads, turned, weft.asarray(x))
        message = f"{name} of {shape} turned by {permutation} along {axes}"
        assert_same_bits(actual, weft.jit(reduce)(weft.asarray(along)), message)
        across += any("across" in schedule for schedule in _schedules(turned, weft.asarray(x)))
    assert across > 0


@pytest.mark.parametrize("shape", [(1, 7, 7, 64), (2, 3, 1000, 17), (3, 4, 1, 16), (1, 56, 56, 40)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_of_pixels(shape: tuple[int, ...], dtype: str) -> None:
    """Against the order of sums as the documentation has it, and against NumPy."""
    x = values(np.random.default_rng(2), shape, dtype)

    def mean(t: weft.Tensor) -> weft.Tensor:
        return weft.mean(weft.permute_dims(t, (0, 3, 1, 2)), axis=(2, 3))

    assert any("across" in schedule for schedule in _schedules(mean, weft.asarray(x)))
    actual = to_numpy(weft.jit(mean)(weft.asarray(x)))
    length = shape[1] * shape[2]
    rows = x.transpose(0, 3, 1, 2).reshape(shape[0], shape[3], length)
    assert_same_bits(
        weft.jit(lambda t: mean(t) * float(length))(weft.asarray(x)),
        ordered_sum(rows) / x.dtype.type(length) * x.dtype.type(length),
    )
    exact = x.astype(np.float64).mean((1, 2))
    bound = (depth(length) + 2) * UNIT_ROUNDOFF[dtype] * np.abs(rows).max(-1)
    assert np.all(np.abs(actual - exact) <= bound)


def test_operands_of_all_rows_and_of_one_element_each() -> None:
    """Factors of each element of a row, and of each row, are read as they lie."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal((5, 49, 33)).astype(np.float32)
    weights = generator.standard_normal(49).astype(np.float32)
    offsets = generator.standard_normal((5, 33)).astype(np.float32)

    def weighted(t: weft.Tensor, w: weft.Tensor, o: weft.Tensor) -> weft.Tensor:
        return weft.sum(weft.permute_dims(t, (0, 2, 1)) * w + o[:, :, None], axis=2) - o

    compiled = weft.jit(weighted)
    actual = compiled(x, weights, offsets)
    assert any("across" in str(kernel.schedule) for kernel in compiled.profile(x, weights, offsets))
    rows = x.transpose(0, 2, 1) * weights + offsets[:, :, None]
    assert_same_bits(actual, ordered_sum(rows) - offsets)


def test_rows_of_an_exported_program() -> None:
    """Rows across of any number and any length."""
    exported = weft.export(
        lambda t: weft.sum(weft.permute_dims(t, (0, 2, 1)), axis=2), weft.spec(("b", "n", 33))
    )
    generator = np.random.default_rng(4)
    for shape in [(2, 49, 33), (1, 2100, 33), (3, 4099, 33), (0, 4, 33), (3, 0, 33), (3, 1, 33)]:
        x = generator.standard_normal(shape).astype(np.float32)
        assert_same_bits(exported(x), ordered_sum(x.transpose(0, 2, 1)), str(shape))
