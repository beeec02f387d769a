"""Sums, products, extrema, means, variances and positions along axes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, numpy_dtype, to_numpy
from scipy import special

SHAPES = [
    (),
    (1,),
    (5,),
    (0,),
    (67,),
    (3, 41),
    (41, 3),
    (2, 0, 3),
    (1, 1),
    (4, 1, 33),
    (2, 3, 5, 7),
]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint64"]


def _axes(rank: int) -> list[tuple[int, ...]]:
    return [axes for n in range(1, rank + 1) for axes in itertools.combinations(range(rank), n)]


CASES = [(shape, axes) for shape in SHAPES for axes in [None, *_axes(len(shape))]]


def _values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    random = np.random.default_rng(len(shape) + 7 * math.prod(shape))
    if dtype == "bool":
        return random.random(shape) < 0.3
    if "float" in dtype:
        return random.standard_normal(shape).astype(numpy_dtype(dtype))
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, endpoint=True, dtype=dtype)


def _check_sum(actual: weft.Tensor, terms: np.ndarray, axes: tuple | None, keep: bool) -> None:
    """Any order of n additions is off by at most n roundings of the sum of magnitudes; a result
    in half precision is rounded once more."""
    exact = np.sum(terms, axis=axes, keepdims=keep)
    magnitude = np.sum(np.abs(terms), axis=axes, keepdims=keep)
    count = terms.size // max(exact.size, 1)
    unit = UNIT_ROUNDOFF[actual.dtype.name]
    sums = count * min(unit, UNIT_ROUNDOFF["float32"]) * magnitude
    # Half of the smallest float16 counts where it is the result's unit.
    bound = sums + unit * (np.abs(exact) + sums) + (2.0**-25 if actual.dtype == "float16" else 0)
    assert actual.shape == exact.shape
    error = np.abs(to_numpy(actual).astype(np.float64) - exact)
    assert np.all(error <= bound), f"shape {terms.shape}, axes {axes}: off by {error}, not {bound}"


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("keep", [False, True])
def test_sums_of_floats(dtype: str, keep: bool) -> None:
    for shape, axes in CASES:
        x = _values(shape, dtype)
        actual = eager_and_jit(lambda t: weft.sum(t, axis=axes, keepdims=keep), weft.asarray(x))
        assert actual.dtype == dtype
        _check_sum(actual, x.astype(np.float64), axes, keep)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_sums_and_products_of_integers_are_exact(dtype: str, name: str) -> None:
    for shape, axes in CASES:
        x = _values(shape, dtype)
        function = getattr(weft, name)
        actual = eager_and_jit(lambda t: function(t, axis=axes), weft.asarray(x))
        wide = np.uint64 if x.dtype.kind == "u" else np.int64
        expected = getattr(np, name)(x, axis=axes, dtype=wide)
        np.testing.assert_array_equal(to_numpy(actual), expected, strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_floats(dtype: str) -> None:
    for shape, axes in CASES:
        x = _values(shape, dtype)
        actual = to_numpy(eager_and_jit(lambda t: weft.prod(t, axis=axes), weft.asarray(x)))
        expected = np.prod(x.astype(np.float64), axis=axes)
        # Each factor brings one rounding; small products may end among the denormals.
        count = x.size // max(expected.size, 1)
        bound = 2 * count * UNIT_ROUNDOFF[dtype] * np.abs(expected) + 1e-44
        assert np.all(np.abs(actual - expected) <= bound)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_extrema_and_their_places(dtype: str, name: str) -> None:
    function, reference = getattr(weft, name), getattr(np, name)
    for shape, axes in CASES:
        if 0 in shape or (name.startswith("arg") and axes is not None and len(axes) > 1):
            continue
        x = _values(shape, dtype)
        if x.size > 4:
            x = x.copy()
            x.flat[[1, 3]] = x.flat[0]  # Of equals the first counts.
        axis = axes[0] if axes is not None and name.startswith("arg") else axes
        for keep in (False, True):
            actual = eager_and_jit(lambda t: function(t, axis=axis, keepdims=keep), weft.asarray(x))
            expected = np.asarray(reference(x, axis=axis, keepdims=keep))
            assert_same_bits(actual, expected)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extrema_of_nothing_are_an_error(name: str) -> None:
    with pytest.raises(weft.ShapeError, match=rf"{name}: there is no element along axis 1"):
        getattr(weft, name)(weft.zeros(3, 0), axis=1)
    with pytest.raises(weft.ShapeError, match=f"arg{name}: there is no element"):
        getattr(weft, "arg" + name)(weft.zeros(0))
    assert getattr(weft, name)(weft.zeros(0, 3), axis=1).shape == (0,)


@pytest.mark.parametrize("place", [0, 5, 16, 40])
@pytest.mark.parametrize("axis", [0, 1])
def test_nan_wins_every_extremum(place: int, axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((41, 41)).astype(np.float32)
    x[place, place] = np.nan
    tensor = weft.asarray(x)
    for name in ("max", "min", "argmax", "argmin", "sum"):
        actual = eager_and_jit(lambda t, name=name: getattr(weft, name)(t, axis=axis), tensor)
        if name != "sum":
            np.testing.assert_array_equal(to_numpy(actual), getattr(np, name)(x, axis=axis))
        else:
            np.testing.assert_array_equal(np.isnan(to_numpy(actual)), np.arange(41) == place)


def test_infinities() -> None:
    x = np.full((3, 37), -np.inf, np.float32)
    x[1, 4] = np.inf
    tensor = weft.asarray(x)
    np.testing.assert_array_equal(to_numpy(weft.max(tensor, axis=1)), x.max(1))
    np.testing.assert_array_equal(to_numpy(weft.argmax(tensor, axis=1)), x.argmax(1))
    np.testing.assert_array_equal(
        to_numpy(weft.logsumexp(tensor, axis=1)), [-np.inf, np.inf, -np.inf]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_means_and_variances(dtype: str, correction: float) -> None:
    for shape, axes in CASES:
        x = _values(shape, dtype)
        count = x.size // max(np.sum(x, axis=axes).size, 1)
        if count < 2:
            continue
        wide = x.astype(np.float64)
        tensor = weft.asarray(x)
        mean = eager_and_jit(lambda t: weft.mean(t, axis=axes), tensor)
        # The sum's bound over the count, and the division's rounding. Elements are below 5.
        bound = 5 * (count + 1) * UNIT_ROUNDOFF[dtype]
        assert np.all(np.abs(to_numpy(mean) - np.mean(wide, axis=axes)) <= bound)
        actual = eager_and_jit(
            lambda t: weft.var(t, axis=axes, correction=correction, keepdims=True), tensor
        )
        expected = np.var(wide, axis=axes, ddof=correction, keepdims=True)
        # Squared distances below 100, from a mean off by the bound above.
        assert actual.shape == expected.shape
        assert np.all(np.abs(to_numpy(actual) - expected) <= 40 * bound)


def test_mean_of_nothing_and_variance_of_one() -> None:
    assert np.isnan(to_numpy(weft.mean(weft.zeros(0))))
    assert np.isnan(to_numpy(weft.var(weft.zeros(0))))
    assert to_numpy(weft.var(weft.ones(1))) == 0
    assert np.isnan(to_numpy(weft.var(weft.ones(1), correction=1)))


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_any_all_and_count(dtype: str) -> None:
    for shape, axes in CASES:
        x = weft.asarray((_values(shape, "bool") * 2).astype(dtype))
        for name in ("any", "all", "count_nonzero"):
            actual = eager_and_jit(lambda t, name=name: getattr(weft, name)(t, axis=axes), x)
            np.testing.assert_array_equal(
                to_numpy(actual), getattr(np, name)(to_numpy(x), axis=axes)
            )


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_logsumexp_does_not_overflow(axis: object) -> None:
    x = np.random.default_rng(1).uniform(-1e3, 1e3, (7, 19)).astype(np.float32)
    actual = eager_and_jit(lambda t: weft.logsumexp(t, axis=axis), weft.asarray(x))
    # Exact but for the last addition and the logarithm, both to a rounding of at most 1000.
    expected = special.logsumexp(x.astype(np.float64), axis=axis)
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=4 * UNIT_ROUNDOFF["float32"])


@pytest.mark.parametrize("order", [1, 2, 3, np.inf])
def test_norms(order: float) -> None:
    x = np.random.default_rng(2).standard_normal((5, 33))
    actual = eager_and_jit(lambda t: weft.norm(t, axis=1, ord=order), weft.asarray(x))
    np.testing.assert_allclose(to_numpy(actual), np.linalg.norm(x, axis=1, ord=order), rtol=1e-13)


@pytest.mark.parametrize("rows", [1, 3, 1000])
@pytest.mark.parametrize("columns", [1, 15, 16, 17, 255, 1024, 5000])
def test_long_and_narrow_sums(rows: int, columns: int) -> None:
    x = _values((rows, columns), "float32")
    for axis in (0, 1, None):
        actual = eager_and_jit(lambda t: weft.sum(t, axis=axis), weft.asarray(x))
        _check_sum(actual, x.astype(np.float64), axis, False)


def test_two_reductions_of_unlike_walks_in_one_function() -> None:
    """One walks a transposed operand, the other a plain one, which has a single long axis."""

    def both(x: weft.Tensor, y: weft.Tensor, z: weft.Tensor) -> weft.Tensor:
        return weft.sum(weft.permute_dims(x, (1, 0, 2)) * y) + weft.sum(z * z)

    random = np.random.default_rng(6)
    # Of small integers every sum is exact.
    x, y, z = (
        random.integers(-9, 10, s).astype(np.float64) for s in [(2, 4, 3), (4, 2, 3), (4, 2, 3)]
    )
    actual = eager_and_jit(both, *map(weft.asarray, (x, y, z)))
    np.testing.assert_array_equal(
        to_numpy(actual), np.sum(x.transpose(1, 0, 2) * y) + np.sum(z * z)
    )


def test_sums_of_rows_read_along_columns() -> None:
    """The rows of a square matrix are as long as its columns, but are not the same."""

    def nested(x: weft.Tensor) -> weft.Tensor:
        return weft.sum(x * weft.sum(x, axis=1), axis=1)

    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    actual = eager_and_jit(nested, weft.asarray(x))
    np.testing.assert_array_equal(to_numpy(actual), np.sum(x * np.sum(x, axis=1), axis=1))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 3)])
def test_the_logarithm_of_an_empty_sum(shape):
    x = weft.ones(shape)
    for axis in [None, *range(len(shape))]:
        if axis is not None and shape[axis] != 0:
            continue
        for keepdims in (False, True):
            expected = np.log(np.sum(np.ones(shape, np.float32), axis=axis, keepdims=keepdims))
            found = weft.logsumexp(x, axis=axis, keepdims=keepdims)
            assert np.array_equal(found, expected)
            assert found.shape == expected.shape


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", ["max", "min"])
def test_nan_takes_the_gradient_of_an_extremum(name, compiled):
    values = np.array([[1.0, np.nan, 3.0, np.nan], [1.0, 3.0, 3.0, 0.0]], np.float32)
    gradient = weft.grad(lambda x: getattr(weft, name)(x, axis=1).sum())
    found = (weft.jit(gradient) if compiled else gradient)(weft.asarray(values))
    last = [0, 0.5, 0.5, 0] if name == "max" else [0, 0, 0, 1]
    assert np.array_equal(found, [[0, 0.5, 0, 0.5], last])
