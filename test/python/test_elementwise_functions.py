"""Elementwise functions that are written by others, against NumPy over all kinds of numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, as_bits, assert_same_bits, eager_and_jit, numpy_dtype, to_numpy

FLOATS = ["float16", "bfloat16", "float32", "float64"]
NUMBERS = [0.0, 1.0, 1.5, 3e-5, 7e4, 1e-45, 3e38, 1e-300, 1e308, math.inf, math.nan]
SIGNED = [sign * number for number in NUMBERS for sign in (1, -1)]


def _pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        numbers = np.array(SIGNED).astype(numpy_dtype(dtype))
    first, second = zip(*itertools.product(numbers, numbers), strict=True)
    return np.array(first), np.array(second)


@pytest.mark.parametrize("dtype", FLOATS)
def test_signs(dtype: str) -> None:
    x, y = _pairs(dtype)
    signs = to_numpy(eager_and_jit(weft.signbit, weft.asarray(x)))
    known = ~np.isnan(x)
    np.testing.assert_array_equal(signs[known], np.signbit(x)[known])
    result = to_numpy(eager_and_jit(weft.copysign, weft.asarray(x), weft.asarray(y)))
    known = ~np.isnan(y)
    np.testing.assert_array_equal(
        as_bits(result)[known], as_bits(np.copysign(x, y).astype(x.dtype))[known]
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_next_numbers(dtype: str) -> None:
    x, y = _pairs(dtype)
    result = to_numpy(eager_and_jit(weft.nextafter, weft.asarray(x), weft.asarray(y)))
    assert result.dtype == x.dtype
    # Of two zeros C gives the second, NumPy for float16 the first.
    wanted = np.where(x == y, y, np.nextafter(x, y))
    np.testing.assert_array_equal(as_bits(result), as_bits(wanted))


@pytest.mark.parametrize("name", ["hypot", "logaddexp"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_without_overflow(name: str, dtype: str) -> None:
    x, y = _pairs(dtype)
    result = to_numpy(eager_and_jit(getattr(weft, name), weft.asarray(x), weft.asarray(y)))
    wide = np.float64 if dtype != "float64" else np.longdouble
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(wide), y.astype(wide))
        expected = exact.astype(x.dtype)
    different = as_bits(result) != as_bits(expected)
    finite = np.isfinite(expected) & np.isfinite(result)
    # At the end of the range a rounding may make an infinity of the largest number.
    largest = float(weft.finfo(dtype).max)
    bounds = np.abs(exact) > largest * (1 - 8 * UNIT_ROUNDOFF[dtype])
    assert np.all(finite[different] | bounds[different] | np.isnan(expected)[different])
    with np.errstate(all="ignore"):
        error = np.abs(result.astype(wide) - exact)
    # Each of a handful of operations rounds once; what is tiny may lose to denormals.
    tiny = float(weft.finfo(dtype).smallest_normal)
    assert np.all(error[finite] <= 8 * UNIT_ROUNDOFF[dtype] * np.abs(exact)[finite] + tiny)


@pytest.mark.parametrize("name", ["hypot", "logaddexp", "copysign", "nextafter"])
def test_floats_are_needed(name: str) -> None:
    with pytest.raises(weft.DTypeError, match=f"{name}: the operands have to be floating"):
        getattr(weft, name)(weft.asarray([1]), weft.asarray([2]))


@pytest.mark.parametrize("name", ["hypot", "logaddexp"])
def test_gradients_where_operands_are_equal_or_zero(name: str) -> None:
    for pair in [(0.0, 0.0), (2.0, 2.0), (-3.0, 1.0), (1e30, 1e30), (0.0, 5.0)]:
        x, y = (weft.tensor(value, requires_grad=True) for value in pair)
        getattr(weft, name)(x, y).backward()
        a, b = pair
        if name == "hypot":
            length = math.hypot(a, b)
            wanted = (a / length, b / length) if length else (0.0, 0.0)
        else:
            larger = max(a, b)
            shares = math.exp(a - larger), math.exp(b - larger)
            wanted = tuple(share / sum(shares) for share in shares)
        np.testing.assert_allclose([x.grad.item(), y.grad.item()], wanted, rtol=4e-7, atol=1e-30)


@pytest.mark.parametrize("target", [*FLOATS, "int16", "uint16", "int32", "uint32", "int64"])
@pytest.mark.parametrize("source", [*FLOATS, "int8", "uint16", "int32", "uint64"])
def test_bits_in_another_dtype(source: str, target: str) -> None:
    x = np.random.default_rng(3).integers(0, 255, 8 * 24, dtype=np.uint8)
    values = x.view(numpy_dtype(source))
    if values.dtype.kind in "fV":
        # The bits of a signalling NaN may change.
        values = np.where(np.isnan(values), 1, values).astype(values.dtype)
    tensor = weft.asarray(values)
    if values.itemsize != numpy_dtype(target).itemsize:
        with pytest.raises(weft.DTypeError, match="has other bits than"):
            weft.bitcast(tensor, target)
        return
    result = eager_and_jit(lambda x: weft.bitcast(x, target), tensor)
    wanted = values.view(numpy_dtype(target))
    if wanted.dtype.kind in "fV":
        known = ~np.isnan(wanted)
        np.testing.assert_array_equal(as_bits(to_numpy(result))[known], as_bits(wanted)[known])
    else:
        assert_same_bits(result, wanted)


def test_bools_have_no_bits() -> None:
    with pytest.raises(weft.DTypeError, match="bitcast: an element of bool"):
        weft.bitcast(weft.asarray([True]), "int8")
    with pytest.raises(weft.DTypeError, match="positive: the operand has to be numeric"):
        weft.positive(weft.asarray([True]))


def test_positive_and_square() -> None:
    x = weft.asarray([-2.0, 0.0, 3.0])
    y = weft.positive(x)
    y += 1
    assert x.tolist() == [-2.0, 0.0, 3.0]
    assert weft.square(x).tolist() == [4.0, 0.0, 9.0]


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "complex64", "complex128"])
def test_logical_functions_of_numbers_are_numpys(dtype: str) -> None:
    random = np.random.default_rng(0)
    x, y = (random.integers(-1, 2, (2, 9)) * (1 if dtype[0] != "c" else 1 - 1j) for _ in "xy")
    x, y = x.astype(dtype), y.astype(dtype)
    if dtype[0] in "fc":
        x[0, 0], y[0, 1] = np.nan, np.inf
    for name in ("logical_and", "logical_or", "logical_xor"):
        ours = eager_and_jit(getattr(weft, name), weft.asarray(x), weft.asarray(y))
        assert_same_bits(ours, getattr(np, name)(x, y))
        assert_same_bits(getattr(weft.asarray(x), name)(weft.asarray(y)), ours)
    assert_same_bits(eager_and_jit(weft.logical_not, weft.asarray(x)), np.logical_not(x))


@pytest.mark.parametrize("dtype", ["int32", "float32", "complex64"])
def test_sums_with_a_factor_are_pytorchs(dtype: str) -> None:
    x, y = (np.arange(3).astype(dtype) + k for k in (1, 5))
    for name in ("add", "sub", "subtract"):
        theirs = getattr(torch, name)(torch.from_numpy(x), torch.from_numpy(y), alpha=2).numpy()
        for function in (getattr(weft, name), getattr(weft.Tensor, name)):
            call = lambda x, y, f=function: f(x, y, alpha=2)  # noqa: E731
            assert_same_bits(eager_and_jit(call, weft.asarray(x), weft.asarray(y)), theirs)


def test_halves_without_dimensions_go_from_function_to_function() -> None:
    """Of functions that are computed in float64, LLVM rounded signs by a missing library."""
    functions = (weft.tanh, weft.asinh, weft.asin, weft.atan, weft.erf, weft.sin, weft.expm1)
    x = weft.asarray(np.float16(-0.5))
    for first, second in itertools.product(functions, functions):
        call = lambda x, f=first, g=second: g(f(x))  # noqa: E731
        assert_same_bits(weft.jit(call)(x), second(first(x)), f"{first} {second}")
