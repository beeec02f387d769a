"""The order of complex numbers, by their real and then by their imaginary parts, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_same_bits, eager_and_jit, to_numpy

SHAPES = [(0,), (1,), (2,), (37,), (4, 7), (7, 1), (3, 0, 2), (2, 3, 5)]
PARTS = np.array([-1.0, 0.0, -0.0, 1.0, 2.5, np.inf, np.nan])


def numbers(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Many that are equal, in part or as a whole, and many without a value."""
    x = np.empty(shape, dtype)
    x.real, x.imag = random.choice(PARTS, size=shape), random.choice(PARTS, size=shape)
    return x


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.random.Generator]:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = numbers(
        random, draw(st.sampled_from(SHAPES)), draw(st.sampled_from(["complex64", "complex128"]))
    )
    return (x.T if draw(st.booleans()) else x), random


@settings(max_examples=60, deadline=None)
@given(cases())
def test_sorted_along_an_axis(case: tuple[np.ndarray, np.random.Generator]) -> None:
    x, random = case
    axis = int(random.integers(-x.ndim, x.ndim))
    ours = weft.asarray(x)
    order = np.argsort(x, axis=axis, kind="stable")
    np.testing.assert_array_equal(to_numpy(weft.argsort(ours, axis=axis)), order)
    expected = np.take_along_axis(x, order, axis)
    assert_same_bits(weft.sort(ours, axis=axis), expected)
    assert_same_bits(weft.sort(ours, axis=axis), np.sort(x, axis=axis, kind="stable"))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_places_in_an_order(case: tuple[np.ndarray, np.random.Generator]) -> None:
    x, random = case
    keys = np.sort(numbers(random, (int(random.integers(0, 30)),), str(x.dtype)))
    for side in ("left", "right"):
        found = weft.searchsorted(weft.asarray(keys), weft.asarray(x), side=side)
        np.testing.assert_array_equal(to_numpy(found), np.searchsorted(keys, x, side=side))
    found = weft.isin(weft.asarray(x), weft.asarray(keys))
    np.testing.assert_array_equal(to_numpy(found), np.isin(x, keys))
    wanted = keys[0] if len(keys) else 1j
    found = weft.isin(weft.asarray(x), complex(wanted), invert=True)
    np.testing.assert_array_equal(to_numpy(found), np.isin(x, wanted, invert=True))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_distinct_numbers(case: tuple[np.ndarray, np.random.Generator]) -> None:
    x = np.nan_to_num(case[0], nan=3.0)
    found = weft.unique_all(weft.asarray(x))
    expected = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(to_numpy(ours), theirs)


def test_descending_is_stable_with_nan_last() -> None:
    x = np.array([1 + 1j, complex(np.nan, 0), 2, 1 + 1j, complex(0, np.nan), 1 + 2j, -1])
    assert weft.argsort(weft.asarray(x), descending=True).tolist() == [2, 5, 0, 3, 6, 4, 1]


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_of_real_and_complex_numbers(kind: str) -> None:
    keys, x = np.array([-1.0, 0.5, 2.0]), np.array([0.5, 0.5 + 1j, 3])
    first, second = (keys, x) if kind == "real" else (keys + 0j, x.real)
    found = weft.searchsorted(weft.asarray(first), weft.asarray(second))
    np.testing.assert_array_equal(to_numpy(found), np.searchsorted(first, second))
    found = weft.isin(weft.asarray(second), weft.asarray(first))
    np.testing.assert_array_equal(to_numpy(found), np.isin(second, first))


def test_compiled_mapped_and_differentiated() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=(3, 8)) + 1j * random.normal(size=(3, 8))
    weights = random.normal(size=(3, 8))
    ours = eager_and_jit(lambda x: weft.sort(x, axis=-1), weft.asarray(x))
    assert_same_bits(weft.vmap(weft.sort)(weft.asarray(x)), ours)
    gradient = weft.grad(lambda x: (weft.sort(x).real * weft.asarray(weights)).sum())(
        weft.asarray(x)
    )
    leaf = torch.from_numpy(x).requires_grad_()
    order = torch.from_numpy(np.argsort(x))
    (leaf.gather(1, order).real * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_array_equal(to_numpy(gradient), leaf.grad.numpy())


def test_no_complex_number_is_larger() -> None:
    x = weft.asarray(np.array([1j, 2]))
    for refused in (weft.max, weft.argmin, lambda x: weft.maximum(x, x), lambda x: x < x):
        with pytest.raises(weft.DTypeError, match="complex128"):
            refused(x)
