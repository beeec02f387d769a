"""Reductions of segments against loops over them, and against PyTorch's segment_reduce."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_same_bits, eager_and_jit, to_numpy

KINDS = ["sum", "prod", "max", "min"]
REDUCE: dict[str, Callable] = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}


def function(kind: str) -> Callable[..., weft.Tensor]:
    return getattr(weft.ops, f"segment_{kind}")


def empty(kind: str, dtype: np.dtype) -> float:
    if kind in ("sum", "prod"):
        return float(kind == "prod")
    limits = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return limits[kind == "min"]


def reference(kind: str, data: np.ndarray, ids: np.ndarray, count: int) -> np.ndarray:
    result = np.full((count, *data.shape[ids.ndim :]), empty(kind, data.dtype), data.dtype)
    for segment in range(count):
        rows = data[ids == segment]
        if len(rows):
            result[segment] = REDUCE[kind](rows, axis=0)
    return result


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Few different whole numbers, of which all sums and products are exact; some ids name no
    segment; every other element of a larger array in one of three cases."""
    shape = tuple(draw(st.lists(st.integers(0, 5), min_size=1, max_size=3)))
    leading = draw(st.integers(1, len(shape)))
    count, dtype = draw(st.integers(0, 4)), draw(st.sampled_from(["float32", "float64", "int32"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    data = random.choice([-2, -1, 0, 1, 2], size=(*shape, 2)).astype(dtype)
    ids = random.integers(-2, count + 2, shape[:leading]).astype(random.choice(["int64", "int32"]))
    turned = draw(st.sampled_from([data[..., 0], data[..., 1], np.ascontiguousarray(data[..., 0])]))
    return turned, ids, count


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_segments_are_those_of_loops(kind: str, case: tuple[np.ndarray, np.ndarray, int]) -> None:
    data, ids, count = case
    result = function(kind)(weft.asarray(data), weft.asarray(ids), num_segments=count)
    assert result.dtype == str(data.dtype)
    np.testing.assert_array_equal(to_numpy(result), reference(kind, data, ids, count))


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


IDS = np.array([3, 0, -1, 3, 1, 5, 0, 3])


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_mapped_and_exported(kind: str) -> None:
    def combined(data: weft.Tensor, ids: weft.Tensor) -> weft.Tensor:
        return function(kind)(data, ids, num_segments=4)

    data, ids = weft.asarray(numbers((8, 2))), weft.asarray(IDS)
    expected = eager_and_jit(combined, data, ids)
    several = weft.stack([data, data + 1, data * 2])
    others = weft.stack([ids, weft.flip(ids), ids - 1])
    mapped = eager_and_jit(weft.vmap(combined), several, others)
    for row, (one, numbered) in enumerate(zip(several, others, strict=True)):
        assert_same_bits(mapped[row], combined(one, numbered))
    program = weft.export(combined, weft.spec((8, "width"), "float64"), weft.spec(8, "int64"))
    assert_same_bits(program(data, ids), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_pytorchs(kind: str) -> None:
    inside = (IDS >= 0) & (IDS < 4)
    data = np.round(numbers((8, 3)), 1)  # some are equal, and share
    weights = numbers((4, 3), 1)
    weights[2] = 0  # an empty segment is infinite, or a number
    torch_kind = {"max": "amax", "min": "amin"}.get(kind, kind)

    def loss(data: weft.Tensor) -> weft.Tensor:
        result = function(kind)(data, weft.asarray(IDS), 4)
        return (weft.where(weft.isfinite(result), result, 0.0) * weft.asarray(weights)).sum()

    leaf = torch.from_numpy(data).requires_grad_()
    index = torch.from_numpy(IDS[inside])[:, None].expand(-1, 3)
    start = torch.full((4, 3), empty(kind, data.dtype), dtype=torch.float64)
    kept = leaf[torch.from_numpy(inside)]
    result = start.scatter_reduce(0, index, kept, torch_kind, include_self=True)
    (torch.where(result.isfinite(), result, 0.0) * torch.from_numpy(weights)).sum().backward()
    for compiled in (False, True):
        gradient = weft.grad(loss)
        found = (weft.jit(gradient) if compiled else gradient)(weft.asarray(data))
        np.testing.assert_allclose(to_numpy(found), leaf.grad.numpy(), rtol=1e-13, atol=1e-14)


def test_number_of_segments_is_that_of_the_ids() -> None:
    data, ids = weft.asarray(numbers((4,))), weft.asarray([2, 0, 2, 4])
    assert weft.ops.segment_sum(data, ids).shape == (5,)
    assert weft.jit(weft.ops.segment_sum)(data, ids).shape == (5,)
    assert weft.ops.segment_sum(data[:0], ids[:0]).shape == (0,)
    with pytest.raises(weft.UnsupportedError, match="num_segments"):
        weft.vmap(weft.ops.segment_sum)(data[None], ids[None])


def test_what_is_refused() -> None:
    data, ids = weft.asarray(numbers((3, 2))), weft.asarray([0, 1, 0])
    with pytest.raises(weft.ShapeError, match=r"ids of shape \(2,\) do not fit"):
        weft.ops.segment_sum(data, ids[:2])
    with pytest.raises(weft.ShapeError, match="num_segments is -1"):
        weft.ops.segment_sum(data, ids, -1)
    with pytest.raises(weft.DTypeError, match="segment_max: elements of complex128"):
        weft.ops.segment_max(data + 1j, ids)
    with pytest.raises(weft.DTypeError, match="segment_sum"):
        weft.ops.segment_sum(data, data[:, 0])


TORCH_KINDS = ["sum", "mean", "prod", "max", "min"]


@pytest.mark.parametrize("kind", TORCH_KINDS)
@pytest.mark.parametrize("initial", [None, 2.0])
@pytest.mark.parametrize(
    ("shape", "axis", "lengths"),
    [
        ((6,), 0, [2, 0, 4]),
        ((6, 3), 0, [1, 1, 1, 3, 0]),
        ((2, 5), 1, [[2, 3, 0], [0, 1, 4]]),
        ((0, 2), 0, [0, 0]),
        ((2, 4, 1), 1, [[4], [4]]),
    ],
)
def test_segments_in_a_row_are_pytorchs(
    kind: str, initial: float | None, shape: tuple, axis: int, lengths: list
) -> None:
    data = numbers(shape)
    counts = np.array(lengths)
    leaf = torch.from_numpy(data).requires_grad_()
    theirs = torch.segment_reduce(
        leaf, kind, lengths=torch.from_numpy(counts), axis=axis, initial=initial
    )
    offsets = np.concatenate([np.zeros_like(counts[..., :1]), counts.cumsum(-1)], -1)

    def by_lengths(data: weft.Tensor, lengths: weft.Tensor) -> weft.Tensor:
        return weft.segment_reduce(data, kind, lengths=lengths, axis=axis, initial=initial)

    ours = eager_and_jit(by_lengths, weft.asarray(data), weft.asarray(counts))
    np.testing.assert_allclose(to_numpy(ours), theirs.detach().numpy(), rtol=1e-14)
    assert_same_bits(
        weft.segment_reduce(
            weft.asarray(data), kind, offsets=weft.asarray(offsets), axis=axis, initial=initial
        ),
        ours,
    )


def test_segments_in_a_row_that_do_not_fit() -> None:
    data = weft.asarray(numbers((4,)))
    with pytest.raises(weft.ShapeError, match="4 together"):
        weft.segment_reduce(data, "sum", lengths=weft.asarray([1, 2]))
    with pytest.raises(weft.ShapeError, match="do not fit data of shape"):
        weft.segment_reduce(data, "sum", lengths=weft.asarray([[4]]))
    with pytest.raises(weft.OptionError, match="reduce is 'amax'"):
        weft.segment_reduce(data, "amax", lengths=weft.asarray([4]))
    with pytest.raises(weft.OptionError, match="either lengths or offsets"):
        weft.segment_reduce(data, "sum")
