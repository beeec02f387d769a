"""Elements at indices along an axis, against NumPy and PyTorch over random shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_same_bits, eager_and_jit, to_numpy

INDEX_DTYPES = ["int64", "int32", "int8", "uint8", "uint64"]
SHAPES = [(1,), (6,), (2, 3), (4, 1, 5), (3, 0, 2)]


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, int, np.ndarray]:
    """A tensor, an axis that is not empty, and indices that are not longer elsewhere."""
    shape = draw(st.sampled_from(SHAPES))
    axis = draw(st.sampled_from([d for d, size in enumerate(shape) if size]))
    sizes = [
        draw(st.integers(0, 4)) if d == axis else draw(st.integers(min(size, 1), size))
        for d, size in enumerate(shape)
    ]
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    indices = random.integers(0, shape[axis], sizes).astype(draw(st.sampled_from(INDEX_DTYPES)))
    x = random.integers(-9, 9, shape).astype(draw(st.sampled_from(["float32", "int64", "bool"])))
    return x, axis, indices


@given(cases())
@settings(max_examples=40, deadline=None)
def test_gather_and_its_gradient_are_pytorchs(case: tuple) -> None:
    x, axis, indices = case
    ours = eager_and_jit(
        lambda x, i: weft.gather(x, axis, i), weft.asarray(x), weft.asarray(indices)
    )
    reference = torch.from_numpy(x)
    places = torch.from_numpy(indices.astype(np.int64))
    assert_same_bits(ours, reference.gather(axis, places).numpy())
    if x.dtype == np.float32:
        mine = weft.tensor(x, requires_grad=True)
        weft.gather(mine, axis, weft.asarray(indices)).sum().backward()
        reference.requires_grad_()
        reference.gather(axis, places).sum().backward()
        assert_same_bits(mine.grad, reference.grad.numpy())


@given(cases(), st.sampled_from([None, "add"]))
@settings(max_examples=40, deadline=None)
def test_scatter_is_pytorchs(case: tuple, reduce: str | None) -> None:
    x, axis, indices = case
    if reduce and x.dtype == bool:
        x = x.astype(np.float32)
    source = np.arange(1, indices.size + 1).reshape(indices.shape).astype(x.dtype)
    if reduce is None:
        # Of equal places PyTorch says not which counts.
        order = np.argsort(np.random.default_rng(indices.size).random(x.shape), axis=axis)
        cut = tuple(slice(0, size) for size in indices.shape)
        indices = order[cut]
        source = source[tuple(slice(0, size) for size in indices.shape)]
    function = lambda x, i, s: weft.scatter(x, axis, i, s, reduce=reduce)  # noqa: E731
    ours = eager_and_jit(function, weft.asarray(x), weft.asarray(indices), weft.asarray(source))
    arguments = (axis, torch.from_numpy(indices.astype(np.int64)), torch.from_numpy(source))
    reference = torch.from_numpy(x)
    wanted = reference.scatter_add(*arguments) if reduce else reference.scatter(*arguments)
    assert_same_bits(ours, wanted.numpy())
    changed = weft.asarray(x, copy=True)
    method = changed.scatter_add_ if reduce else changed.scatter_
    method(axis, weft.asarray(indices), weft.asarray(source))
    assert_same_bits(changed, ours)


@given(cases(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_take_along_axis_is_numpys(case: tuple, from_end: bool) -> None:
    x, axis, indices = case
    if from_end and indices.dtype.kind == "i":
        indices = indices - x.shape[axis]
    # The other dimensions broadcast: those of the indices that are not whole are cut to 1.
    cut = tuple(
        slice(None) if d == axis or indices.shape[d] == size else slice(0, 1)
        for d, size in enumerate(x.shape)
    )
    indices = indices[cut]
    ours = eager_and_jit(
        lambda x, i: weft.take_along_axis(x, i, axis=axis), weft.asarray(x), weft.asarray(indices)
    )
    wide = indices.astype(np.int64)
    shape = tuple(
        wide.shape[d] if d == axis else max(size, wide.shape[d]) if size else 0
        for d, size in enumerate(x.shape)
    )
    assert_same_bits(ours, np.take_along_axis(x, np.broadcast_to(wide, shape), axis))


@given(cases(), st.data())
@settings(max_examples=30, deadline=None)
def test_slices_at_indices_are_pytorchs(case: tuple, data: st.DataObject) -> None:
    x, axis, _ = case
    x = x.astype(np.float32)
    count = data.draw(st.integers(0, x.shape[axis]))
    places = np.random.default_rng(count).permutation(x.shape[axis])[:count].astype(np.int64)
    shape = [count if d == axis else size for d, size in enumerate(x.shape)]
    source = np.arange(math.prod(shape)).reshape(shape).astype(np.float32)
    tensors = weft.asarray(x), weft.asarray(places), weft.asarray(source)
    references = torch.from_numpy(x), torch.from_numpy(places), torch.from_numpy(source)
    for ours, theirs in [
        (
            lambda x, i, s: x.index_add(axis, i, s, alpha=2),
            lambda x, i, s: x.index_add(axis, i, s, alpha=2),
        ),
        (lambda x, i, s: x.index_copy(axis, i, s), lambda x, i, s: x.index_copy(axis, i, s)),
        (lambda x, i, s: x.index_fill(axis, i, 3.0), lambda x, i, s: x.index_fill(axis, i, 3.0)),
        (lambda x, i, s: x.index_select(axis, i), lambda x, i, s: x.index_select(axis, i)),
    ]:
        assert_same_bits(eager_and_jit(ours, *tensors), theirs(*references).numpy())


@given(
    st.sampled_from([(0,), (1,), (6,), (2, 3), (4, 0)]),
    st.integers(0, 3),
    st.sampled_from(["float32", "int8", "uint8", "bool"]),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_differences_are_numpys(shape: tuple, n: int, dtype: str, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = np.random.default_rng(n).integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
    ends = {name: x for name in ("prepend", "append") if data.draw(st.booleans())}
    ours = eager_and_jit(
        lambda x: weft.diff(x, axis=axis, n=n, **dict.fromkeys(ends, x)), weft.asarray(x)
    )
    assert_same_bits(ours, np.diff(x, n=n, axis=axis, **ends) if n or not ends else to_numpy(ours))


@pytest.mark.parametrize("dtype", INDEX_DTYPES)
@pytest.mark.parametrize("index", [3, 100, -4, 2**63, 2**64 - 1])
def test_an_index_out_of_range_is_seen(index: int, dtype: str) -> None:
    limits = weft.iinfo(dtype)
    if not limits.min <= index <= limits.max:
        return
    x, indices = weft.asarray([[1.0, 2.0, 3.0]]), weft.asarray([[1, index]], dtype=dtype)
    for function in (
        lambda x, i: weft.gather(x, 1, i),
        lambda x, i: weft.take_along_axis(x, i, axis=1),
        lambda x, i: weft.take(x, i[0], axis=1),
        lambda x, i: x[0][i],
    ):
        with pytest.raises(weft.OutOfBoundsError):
            function(x, indices)
        result = to_numpy(weft.jit(function)(x, indices))
        assert result.ravel().tolist()[0] == 2.0
        assert math.isnan(result.ravel()[1])
    with pytest.raises(weft.OutOfBoundsError, match="scatter: index"):
        weft.scatter(x, 1, indices, 0.5)
    assert np.isnan(to_numpy(weft.jit(lambda x, i: weft.scatter(x, 1, i, 0.5))(x, indices))).any()


def test_wrong_arguments() -> None:
    x = weft.ones(2, 3)
    for call, kind, words in [
        (lambda: weft.gather(x, 1, weft.zeros(3, 1, dtype="int64")), weft.ShapeError, r"\(3, 1\)"),
        (lambda: weft.gather(x, 1, weft.zeros(2, 1)), weft.DTypeError, "have to be integers"),
        (lambda: weft.gather(x, 2, weft.zeros(2, 1, dtype="int64")), weft.OutOfBoundsError, "2"),
        (
            lambda: weft.scatter(x, 1, weft.zeros(2, 2, dtype="int64"), weft.ones(2, 1)),
            weft.ShapeError,
            "too few elements",
        ),
        (
            lambda: weft.scatter(x, 1, weft.zeros(2, 2, dtype="int64"), 1.0, reduce="mean"),
            weft.OptionError,
            "None or 'add'",
        ),
        (lambda: weft.diff(x, n=-1), weft.OptionError, "must not be negative"),
    ]:
        with pytest.raises(kind, match=words):
            call()
