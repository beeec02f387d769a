"""Reductions along rows, and what is around them in one kernel: values, order of sums, threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, numpy_dtype, to_numpy
from random_programs import count_of_examples
from scipy import special
from weft.nn import functional as F

BLOCK, LANES = 2048, 16
# Around the lanes, the blocks, groups of rows, and what of a row is kept on chip.
SIZES = [
    0,
    1,
    2,
    3,
    4,
    5,
    9,
    15,
    16,
    17,
    33,
    100,
    2047,
    2048,
    2049,
    8191,
    8192,
    8193,
    20000,
    100000,
]
MOST_ELEMENTS = 200_000
FLOATS = ["float16", "bfloat16", "float32", "float64"]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads, for one test."""
    before = weft.get_num_threads()
    yield weft.set_num_threads
    weft.set_num_threads(before)


def shapes(generator: np.random.Generator, rank: int) -> tuple[int, ...]:
    """A shape of few enough elements, in which all sizes are as likely to be innermost."""
    shape = [int(generator.choice(SIZES))]
    while len(shape) < rank:
        fitting = [size for size in SIZES if size * math.prod(shape) <= MOST_ELEMENTS]
        shape.insert(0, int(generator.choice(fitting[: 12 if generator.random() < 0.8 else None])))
    return tuple(shape)


def ordered_sum(rows: np.ndarray) -> np.ndarray:
    """The sums along the last axis in the order that docs/architecture.md lays down."""
    total = np.zeros(rows.shape[:-1], rows.dtype)
    for low in range(0, rows.shape[-1], BLOCK):
        block = rows[..., low : low + BLOCK]
        lanes = np.zeros((*rows.shape[:-1], LANES), rows.dtype)
        for first in range(0, block.shape[-1], LANES):
            part = block[..., first : first + LANES]
            lanes[..., : part.shape[-1]] += part
        while lanes.shape[-1] > 1:
            half = lanes.shape[-1] // 2
            lanes = lanes[..., :half] + lanes[..., half:]
        total = total + lanes[..., 0]
    return total


def depth(count: int) -> int:
    """The additions that an element of a sum takes part in, at most."""
    return BLOCK // LANES + 4 + math.ceil(count / BLOCK)


def values(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "bool":
        return generator.random(shape) < generator.choice([0.001, 0.5, 0.999])
    if "float" in dtype:
        return generator.standard_normal(shape).astype(numpy_dtype(dtype))
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, endpoint=True, dtype=dtype)


def trailing_axes(generator: np.random.Generator, rank: int) -> tuple[int, ...]:
    count = int(generator.integers(1, rank + 1))
    return tuple(range(rank - count, rank))


def same_at_any_count(
    threads: Callable[[int], None], function: Callable, *arguments: object
) -> object:
    """The result, which must be the same for 1, 2 and 4 threads, eager and compiled."""
    threads(1)
    first = eager_and_jit(function, *arguments)
    for count in (2, 4):
        threads(count)
        assert_same_bits(first, weft.jit(function)(*arguments), f"{count} threads")
    return first


@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_are_in_the_one_order(dtype: str, threads: Callable[[int], None]) -> None:
    generator = np.random.default_rng(1)
    for _ in range(count_of_examples(25)):
        rank = int(generator.integers(1, 5))
        x = values(generator, shapes(generator, rank), dtype)
        axes = trailing_axes(generator, rank)
        actual = same_at_any_count(
            threads, lambda t, axes=axes: weft.sum(t, axis=axes), weft.asarray(x)
        )
        kept = x.shape[: rank - len(axes)]
        rows = x.reshape(*kept, math.prod(x.shape[rank - len(axes) :]))
        wide = rows if dtype == "float64" else rows.astype(np.float32)
        assert_same_bits(actual, ordered_sum(wide).astype(x.dtype), f"{x.shape} along {axes}")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_softmax_is_its_parts(dtype: str, threads: Callable[[int], None]) -> None:
    """exp of each element is one value, however often the kernel computes it."""
    generator = np.random.default_rng(2)
    for _ in range(count_of_examples(25)):
        x = values(generator, shapes(generator, int(generator.integers(1, 4))), dtype)
        if 0 in x.shape:
            continue
        actual = same_at_any_count(threads, lambda t: weft.softmax(t, -1), weft.asarray(x))
        wide = x if dtype == "float64" else x.astype(np.float32)
        powers = to_numpy(weft.exp(weft.asarray(wide - np.max(wide, -1, keepdims=True))))
        expected = powers * (1 / ordered_sum(powers))[..., None]
        assert_same_bits(actual, expected.astype(x.dtype), str(x.shape))


def _layer_norm(x: np.ndarray) -> np.ndarray:
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)


def _gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + special.erf(x / math.sqrt(2))) / 2


# The function, its reference, and how much more than a rounding of each addition an element of the
# result may be off, in roundings of 1: elements are below 6, so that distances from the largest are
# below 12, and 12 roundings of an exponent are as many of its power.
NORMALIZED: dict[str, tuple[Callable, Callable, float]] = {
    "softmax": (lambda t: weft.softmax(t, -1), lambda x: special.softmax(x, -1), 20),
    "log_softmax": (lambda t: weft.log_softmax(t, -1), lambda x: special.log_softmax(x, -1), 60),
    "logsumexp": (lambda t: weft.logsumexp(t, axis=-1), lambda x: special.logsumexp(x, -1), 60),
    "mean": (lambda t: weft.mean(t, axis=-1), lambda x: x.mean(-1), 6),
    # Elements and their distances from the mean are below 12; the mean is off by the sum's bound.
    "layer_norm": (lambda t: F.layer_norm(t, t.shape[-1:]), _layer_norm, 600),
    "gelu_and_layer_norm": (
        lambda t: F.layer_norm(weft.gelu(t), t.shape[-1:]),
        lambda x: _layer_norm(_gelu(x)),
        600,
    ),
}


@pytest.mark.parametrize("name", NORMALIZED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_are_normalized(name: str, dtype: str, threads: Callable[[int], None]) -> None:
    function, reference, more = NORMALIZED[name]
    generator = np.random.default_rng(3)
    for _ in range(count_of_examples(12)):
        x = values(generator, shapes(generator, int(generator.integers(1, 4))), dtype)
        if 0 in x.shape or ("norm" in name and x.shape[-1] < 9):
            continue  # A variance near 0 magnifies every rounding.
        actual = to_numpy(same_at_any_count(threads, function, weft.asarray(x)))
        expected = reference(x.astype(np.float64))
        magnitude = np.maximum(np.abs(expected), 0 if name == "softmax" else 1)
        scale = 12 if "norm" in name else 6
        bound = (scale * 2 * depth(x.shape[-1]) + more) * UNIT_ROUNDOFF[dtype] * magnitude
        assert np.all(np.abs(actual - expected) <= bound), f"{x.shape}"


@pytest.mark.parametrize("dtype", [*FLOATS, "int8", "int32", "int64", "uint8", "bool"])
def test_extrema_positions_and_predicates(dtype: str, threads: Callable[[int], None]) -> None:
    generator = np.random.default_rng(4)
    for _ in range(count_of_examples(12)):
        x = values(generator, shapes(generator, int(generator.integers(1, 4))), dtype)
        if 0 in x.shape:
            continue
        if "float" in dtype and x.size > 40:
            x.flat[generator.integers(0, x.size, 2)] = [np.nan, np.inf]
        tensor = weft.asarray(x)
        names = ["any", "all"] if dtype == "bool" else ["max", "min", "argmax", "argmin"]
        for name in names:
            expected = np.asarray(getattr(np, name)(x, axis=-1))
            actual = same_at_any_count(
                threads, lambda t, name=name: getattr(weft, name)(t, axis=-1), tensor
            )
            assert_same_bits(actual, expected, f"{name} of {x.shape}")


def test_several_results_of_a_row(threads: Callable[[int], None]) -> None:
    """Sums and products in one pass, results of rows and of elements in one kernel."""

    def program(x: weft.Tensor) -> tuple[weft.Tensor, ...]:
        powers = weft.exp(x)
        total, largest = weft.sum(powers, axis=-1), weft.max(x, axis=-1)
        return total, largest, powers / total[..., None], weft.sum(x * largest[..., None], axis=-1)

    generator = np.random.default_rng(5)
    for _ in range(count_of_examples(20)):
        x = values(generator, shapes(generator, int(generator.integers(1, 4))), "float32")
        if 0 in x.shape:
            continue
        total, largest, shares, weighted = same_at_any_count(threads, program, weft.asarray(x))
        powers, top = to_numpy(weft.exp(weft.asarray(x))), x.max(-1)
        assert_same_bits(largest, top)
        assert_same_bits(total, ordered_sum(powers))
        assert_same_bits(shares, powers / ordered_sum(powers)[..., None])
        assert_same_bits(weighted, ordered_sum(x * top[..., None]))


@pytest.mark.parametrize("length", [1, 17, 2048, 9000, 70000])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_special_values(length: int, rows: int, threads: Callable[[int], None]) -> None:
    x = np.random.default_rng(6).standard_normal((rows, length)).astype(np.float32)
    x[0, length // 2] = np.inf
    x[-1, -1] = np.nan
    tensor = weft.asarray(x)
    with np.errstate(invalid="ignore"):
        expected = special.softmax(x.astype(np.float64), -1)
    actual = to_numpy(same_at_any_count(threads, lambda t: weft.softmax(t, -1), tensor))
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    for name in ("max", "sum"):
        result = same_at_any_count(threads, lambda t, n=name: getattr(weft, n)(t, axis=-1), tensor)
        reference = x.max(-1) if name == "max" else ordered_sum(x)
        assert_same_bits(result, reference)


def test_a_result_over_an_operand_that_is_read_late() -> None:
    """Rows of exponentials rest on chip, not in the result, which may be where `y` is."""

    @weft.jit
    def step(x: weft.Tensor, y: weft.Tensor) -> None:
        y.assign(weft.softmax(x, -1) + y)

    generator = np.random.default_rng(7)
    for shape in [(7, 33), (5, 9000), (1, 70000)]:
        x, y = generator.standard_normal((2, *shape)).astype(np.float32)
        changed = weft.asarray(y.copy())
        expected = weft.softmax(weft.asarray(x), -1).numpy() + y
        step(weft.asarray(x), changed)
        assert_same_bits(changed, expected)
