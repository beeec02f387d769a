"""Comparing results: bits, and errors in units in the last place."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import weft

# Half the distance from 1 to the next larger number: the largest relative error of a rounding.
UNIT_ROUNDOFF = {
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
    "float32": 2.0**-24,
    "float64": 2.0**-53,
}


def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype of a dtype name, also of those that ml_dtypes has."""
    return np.dtype(getattr(ml_dtypes, name) if name[:6] in ("bfloat", "float8") else name)


def to_numpy(value: object) -> np.ndarray:
    """The array of a tensor, as bfloat16 where it is that, or of anything else."""
    return value.numpy() if isinstance(value, weft.Tensor) else np.asarray(value)


def as_bits(array: np.ndarray) -> np.ndarray:
    """The elements as integers of their size; all NaNs alike, as the sign of one means nothing."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind == "c":
        array = np.atleast_1d(array).view(array.real.dtype)
    if array.dtype.kind not in "fV":
        return array
    bits = array.view(f"int{8 * array.itemsize}").copy()
    bits[np.isnan(array)] = np.iinfo(bits.dtype).max
    return bits


def assert_same_bits(left: object, right: object, message: str = "") -> None:
    """Both are equal in shape, dtype and bits; containers element by element."""
    if isinstance(left, (tuple, list)):
        assert len(left) == len(right)
        for first, second in zip(left, right, strict=True):
            assert_same_bits(first, second, message)
        return
    first, second = to_numpy(left), to_numpy(right)
    assert first.dtype == second.dtype, message
    assert first.shape == second.shape, message
    different = as_bits(first) != as_bits(second)
    if first.dtype.kind == "c":  # a pair of parts for each
        different = different.reshape(*first.shape, 2).any(axis=-1)
    if different.any():
        place = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(different)))
        raise AssertionError(
            f"{message}: {int(different.sum())} of {first.size} elements differ, the first at "
            f"{place}: {np.atleast_1d(first)[place]!r} and {np.atleast_1d(second)[place]!r}"
        )


def eager_and_jit(function: object, *arguments: object) -> object:
    """The function's result, which must be the same to the bit in eager mode and compiled."""
    eager = function(*arguments)
    assert_same_bits(eager, weft.jit(function)(*arguments), "eager and jit differ")
    return eager
