"""Shapes that depend on values, made static by size=: beside NumPy's results, cut or filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_same_bits, eager_and_jit, to_numpy

SHAPES = [(5,), (2, 3), (1,), (0,), (2, 0), (3, 1, 4)]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.sampled_from(SHAPES))
    random = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    dtype = draw(st.sampled_from(["int32", "float32", "bool", "uint8"]))
    return random.integers(0, 3, shape).astype(dtype)


def filled(values: np.ndarray, size: int, fill_value: object, axis: int = 0) -> np.ndarray:
    """The first ``size`` slices; where there are fewer, filled ones follow."""
    values = np.moveaxis(values, axis, 0)[:size]
    missing = np.full((size - len(values), *values.shape[1:]), fill_value, values.dtype)
    return np.moveaxis(np.concatenate([values, missing]), 0, axis)


@given(arrays(), st.integers(0, 9), st.integers(-3, 3))
@settings(max_examples=40, deadline=None)
def test_places_are_numpys(x: np.ndarray, size: int, fill: int) -> None:
    fills = tuple(fill + d for d in range(x.ndim))
    tensor = weft.asarray(x)
    for given_fill, wanted_fill in ((fill, (fill,) * x.ndim), (fills, fills)):
        options = {"size": size, "fill_value": given_fill}
        found = eager_and_jit(lambda x, o=options: weft.nonzero(x, **o), tensor)
        assert_same_bits(eager_and_jit(lambda x, o=options: weft.where(x, **o), tensor), found)
        table = eager_and_jit(lambda x, o=options: weft.argwhere(x, **o), tensor)
        for d, (ours, numpys) in enumerate(zip(found, np.nonzero(x), strict=True)):
            np.testing.assert_array_equal(to_numpy(ours), filled(numpys, size, wanted_fill[d]))
            assert_same_bits(to_numpy(table)[:, d].copy(), ours)
    flat = eager_and_jit(lambda x: weft.flatnonzero(x, size=size, fill_value=fill), tensor)
    np.testing.assert_array_equal(to_numpy(flat), filled(np.flatnonzero(x), size, fill))


@given(arrays(), st.integers(1, 9), st.sampled_from([None, 0, 2]))
@settings(max_examples=40, deadline=None)
def test_distinct_elements_are_numpys(x: np.ndarray, size: int, fill: int | None) -> None:
    options = {"size": size, "fill_value": fill}
    found = eager_and_jit(lambda x: weft.unique_all(x, **options), weft.asarray(x))
    wanted = np.unique_all(x)
    last = wanted.values[min(size, len(wanted.values)) - 1] if x.size else 0
    values = filled(wanted.values, size, last if fill is None else fill)
    np.testing.assert_array_equal(to_numpy(found.values), values)
    np.testing.assert_array_equal(to_numpy(found.inverse_indices), wanted.inverse_indices)
    counts = wanted.counts.copy()
    if len(counts) > size:
        counts[size - 1] = found.counts[size - 1].item()  # what is cut off follows the last
    np.testing.assert_array_equal(to_numpy(found.counts), filled(counts, size, 0))
    assert found.indices.shape == (size,)
    tensor = weft.asarray(x)
    assert_same_bits(weft.unique_values(tensor, **options), found.values)
    assert_same_bits(list(weft.unique_counts(tensor, **options)), [found.values, found.counts])
    assert_same_bits(
        list(weft.unique_inverse(tensor, **options)), [found.values, found.inverse_indices]
    )
    assert_same_bits(
        list(weft.unique(tensor, return_inverse=True, return_counts=True, **options)),
        [found.values, found.inverse_indices, found.counts],
    )


@given(arrays(), st.integers(0, 6), st.integers(0, 2), st.data())
@settings(max_examples=60, deadline=None)
def test_parts_under_a_mask_are_numpys(
    x: np.ndarray, size: int, fill: int, data: st.DataObject
) -> None:
    axis = data.draw(st.sampled_from([None, *range(x.ndim)]))
    length = x.size if axis is None else x.shape[axis]
    count = data.draw(st.integers(0, length))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    wanted = np.compress(mask, x, axis=axis)
    known = lambda m, x: weft.compress(m, x, axis, size=size, fill_value=fill)  # noqa: E731
    ours = eager_and_jit(known, weft.asarray(mask), weft.asarray(x))
    assert_same_bits(ours, filled(wanted, size, fill, 0 if axis is None else axis))
    assert_same_bits(weft.compress(weft.asarray(mask), weft.asarray(x), axis), wanted)
    full = x.astype(bool)
    elements = lambda m, x: weft.extract(m, x, size=size, fill_value=fill)  # noqa: E731
    ours = eager_and_jit(elements, weft.asarray(full), weft.asarray(x))
    assert_same_bits(ours, filled(x[full], size, fill))


def test_they_are_mapped_exported_and_compiled_ahead(tmp_path: Path) -> None:
    x = weft.asarray(np.random.default_rng(0).integers(0, 3, (4, 7)).astype(np.int32))

    def all_of(x: weft.Tensor) -> tuple:
        return (
            weft.flatnonzero(x, size=5, fill_value=-1),
            weft.argwhere(x, size=3, fill_value=9),
            weft.unique_values(x, size=4, fill_value=-2),
            weft.extract(x > 1, x, size=4, fill_value=-7),
        )

    expected = [weft.stack(part) for part in zip(*(all_of(row) for row in x), strict=True)]
    assert_same_bits(list(weft.vmap(all_of)(x)), expected)
    program = weft.export(all_of, x[0])
    assert_same_bits(list(program(x[0])), [part[0] for part in expected])
    program.save(tmp_path / "program.weft")
    assert_same_bits(list(weft.load(tmp_path / "program.weft")(x[0])), list(program(x[0])))


def test_gradients_flow_to_what_is_taken() -> None:
    x = weft.asarray([1.0, -2.0, 3.0])
    gradient = weft.grad(lambda x: (weft.extract(x > 0, x, size=3) ** 2).sum())(x)
    np.testing.assert_array_equal(to_numpy(gradient), [2, 0, 6])


def test_what_is_refused() -> None:
    x = weft.ones((2, 3))
    with pytest.raises(weft.ShapeError, match="3 fill values for 2 dimensions"):
        weft.nonzero(x, size=2, fill_value=(0, 1, 2))
    with pytest.raises(weft.OptionError, match="for a condition alone"):
        weft.where(x > 0, x, x, size=3)
    with pytest.raises(weft.ShapeError, match=r"condition has shape \(4,\)"):
        weft.compress(weft.ones(4), x, 1)
    with pytest.raises(weft.UnsupportedError, match="size="):
        weft.vmap(lambda row: weft.flatnonzero(row))(x)


def test_a_size_below_zero_is_named() -> None:
    for function in (weft.nonzero, weft.flatnonzero, weft.argwhere, weft.unique_values):
        with pytest.raises(weft.ShapeError, match=r"size is -1, but counts elements"):
            function(weft.ones(3), size=-1)
