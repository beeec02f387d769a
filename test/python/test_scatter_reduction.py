"""Scattered elements that are combined, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy

KINDS = ["sum", "prod", "mean", "amax", "amin"]
SHAPES = [((5,), (7,), 0), ((4, 3), (6, 3), 0), ((2, 5, 3), (2, 9, 3), 1), ((3, 1), (3, 4), -1)]


def case(shape: tuple, source: tuple, dim: int, dtype: str, seed: int = 0) -> tuple:
    random = np.random.default_rng(seed)
    # Few different numbers, so that some are equal, of which all sums and products are exact.
    x, src = (random.integers(-3, 4, size).astype(dtype) for size in (shape, source))
    return x, random.integers(0, shape[dim], source), src


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize(("shape", "source", "dim"), SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_results_are_pytorchs(
    kind: str, include_self: bool, shape: tuple, source: tuple, dim: int, dtype: str
) -> None:
    x, index, src = case(shape, source, dim, dtype)

    def reduced(x: weft.Tensor, index: weft.Tensor, src: weft.Tensor) -> weft.Tensor:
        return x.scatter_reduce(dim, index, src, kind, include_self=include_self)

    ours = eager_and_jit(reduced, *map(weft.asarray, (x, index, src)))
    theirs = torch.from_numpy(x).scatter_reduce(
        dim, torch.from_numpy(index), torch.from_numpy(src), kind, include_self=include_self
    )
    # A mean is one division of exact numbers; of no elements nothing changes.
    assert ours.dtype == dtype
    np.testing.assert_array_equal(to_numpy(ours), theirs.numpy())


@pytest.mark.parametrize("kind", ["amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_nan_and_infinities_are_pytorchs(kind: str, include_self: bool) -> None:
    x = np.array([0, np.nan, -np.inf, 5, np.inf], np.float32)
    src = np.array([np.nan, 1, np.inf, -np.inf, 7, 2, -1], np.float32)
    index = np.array([0, 1, 2, 3, 3, 0, 4])
    ours = weft.asarray(x).scatter_reduce(
        0, weft.asarray(index), weft.asarray(src), kind, include_self=include_self
    )
    theirs = torch.from_numpy(x).scatter_reduce(
        0, torch.from_numpy(index), torch.from_numpy(src), kind, include_self=include_self
    )
    assert_same_bits(ours, theirs.numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("include_self", [True, False])
def test_gradients_are_pytorchs(kind: str, include_self: bool) -> None:
    x, index, src = case((4, 3), (6, 3), 0, "float64")
    if kind == "prod":
        x, src = x + 0.5, src + 0.5
    elif kind[0] == "a" and not include_self:
        # PyTorch's share counts an equal element of x also where it is left out.
        x = x + 0.5
    weights = np.random.default_rng(1).standard_normal(x.shape)

    def loss(x: weft.Tensor, src: weft.Tensor) -> weft.Tensor:
        reduced = x.scatter_reduce(0, weft.asarray(index), src, kind, include_self=include_self)
        return (reduced * weft.asarray(weights)).sum()

    ours = weft.grad(loss, argnums=(0, 1))(weft.asarray(x), weft.asarray(src))
    leaves = [torch.from_numpy(part).requires_grad_() for part in (x, src)]
    reduced = leaves[0].scatter_reduce(
        0, torch.from_numpy(index), leaves[1], kind, include_self=include_self
    )
    (reduced * torch.from_numpy(weights)).sum().backward()
    for own, leaf in zip(ours, leaves, strict=True):
        np.testing.assert_allclose(to_numpy(own), leaf.grad.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_slices_are_pytorchs(kind: str) -> None:
    x, _, src = case((4, 3), (6, 3), 0, "float64")
    index = np.array([0, 3, 3, 1, 0, 3])
    ours = weft.index_reduce(weft.asarray(x), 0, weft.asarray(index), weft.asarray(src), kind)
    theirs = torch.from_numpy(x).index_reduce(
        0, torch.from_numpy(index), torch.from_numpy(src), kind
    )
    np.testing.assert_array_equal(to_numpy(ours), theirs.numpy())


def test_in_place_and_as_a_function() -> None:
    x, index, src = map(weft.asarray, case((5,), (7,), 0, "float32"))
    expected = weft.scatter_reduce(x, 0, index, src, "amax")
    changed = x.clone()
    changed.scatter_reduce_(0, index, src, "amax")
    assert_same_bits(changed, expected)
    nothing = weft.asarray(np.zeros(0, np.int64))
    for kind in KINDS:
        assert_same_bits(weft.scatter_reduce(x, 0, nothing, src[:0], kind), x)


def test_what_is_refused() -> None:
    x, index, src = map(weft.asarray, case((5,), (7,), 0, "float32"))
    with pytest.raises(weft.OptionError, match="reduce is 'median'"):
        x.scatter_reduce(0, index, src, "median")
    with pytest.raises(weft.DTypeError, match="x is float32 and src float64"):
        x.scatter_reduce(0, index, src.double(), "sum")
    with pytest.raises(weft.ShapeError, match="too few elements"):
        x.scatter_reduce(0, index, src[:3], "sum")
    with pytest.raises(weft.OptionError, match="index_add"):
        weft.index_reduce(x, 0, index, src, "sum")
