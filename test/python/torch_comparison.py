"""Comparing functions with PyTorch's: values and gradients, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits


def as_weft(x: np.ndarray, dtype: str) -> weft.Tensor:
    """The numbers as a tensor of the dtype."""
    return weft.asarray(np.asarray(x, np.float64)).astype(dtype)


def to_float64(x: object) -> np.ndarray:
    """The numbers of a tensor of either."""
    if isinstance(x, torch.Tensor):
        return x.detach().to(torch.float64).numpy()
    return np.asarray(x.detach().astype("float64"))


def _numbers(x: object, make: Callable) -> object:
    return make(x) if isinstance(x, np.ndarray) else x


def assert_like_torch(
    ours: Callable,
    theirs: Callable,
    inputs: Sequence[np.ndarray],
    others: Sequence[object] = (),
    dtype: str = "float64",
    roundings: float = 8,
    size: float = 1.0,
) -> None:
    """Values and gradients by the inputs, of the functions called with these and the others.

    PyTorch computes in float64. A result may be off by so many roundings of the dtype, of itself or
    of numbers of the size given. Gradients are compared where the inputs are finite, and PyTorch's
    not NaN. Compiled, values and gradients are the same to the bit.
    """
    mine = [as_weft(x, dtype) for x in inputs]
    wanted = [torch.tensor(to_float64(x), requires_grad=True) for x in mine]
    rest = [_numbers(x, weft.asarray) for x in others]
    expected = theirs(*wanted, *(_numbers(x, torch.tensor) for x in others))
    expected.sum().backward()

    def step(*arguments: weft.Tensor) -> list[weft.Tensor]:
        leaves = [x.detach().clone() for x in arguments]
        for leaf in leaves:
            leaf.requires_grad = True
        result = ours(*leaves, *rest)
        result.sum().backward()
        return [result.detach(), *(leaf.grad for leaf in leaves)]

    result, *gradients = step(*mine)
    assert result.dtype == dtype
    assert result.shape == tuple(expected.shape)
    assert_same_bits(weft.jit(step)(*mine), [result, *gradients], "eager and jit differ")
    unit = roundings * UNIT_ROUNDOFF[dtype]
    # What the dtype can't hold is infinite.
    values, *slopes = (
        to_float64(as_weft(to_float64(x), dtype)) for x in (expected, *(x.grad for x in wanted))
    )
    np.testing.assert_allclose(to_float64(result), values, rtol=unit, atol=unit * size)
    for x, gradient, slope in zip(inputs, gradients, slopes, strict=True):
        compared = np.isfinite(x) & ~np.isnan(slope)
        np.testing.assert_allclose(
            to_float64(gradient)[compared], slope[compared], rtol=4 * unit, atol=4 * unit * size
        )
