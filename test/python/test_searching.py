"""Finding elements: against NumPy and PyTorch, over random shapes, few and many equal elements."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_same_bits, eager_and_jit, to_numpy

DTYPES = ["float32", "float64", "int8", "int64", "uint8", "uint64", "bool"]
SHAPES = [(), (0,), (1,), (7,), (2, 3), (3, 0, 2), (4, 1, 5)]


@st.composite
def arrays(draw: st.DrawFn, shapes: list = SHAPES, dtypes: list = DTYPES) -> np.ndarray:
    shape, dtype = draw(st.sampled_from(shapes)), draw(st.sampled_from(dtypes))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = random.integers(0, draw(st.sampled_from([2, 4, 100])), shape)
    x = values.astype(dtype)
    if "float" in dtype and draw(st.booleans()):
        x = np.where(random.random(shape) < 0.3, np.nan, x - 1).astype(dtype)
    return np.asarray(x)


@given(arrays())
@settings(max_examples=40, deadline=None)
def test_nonzero_is_numpys(x: np.ndarray) -> None:
    if x.ndim == 0:
        with pytest.raises(weft.ShapeError, match="nonzero: a tensor without dimensions"):
            weft.nonzero(weft.asarray(x))
        return
    wanted = np.nonzero(x)
    for ours in (weft.nonzero(weft.asarray(x)), weft.where(weft.asarray(x) != 0)):
        assert_same_bits(list(ours), [part.astype(np.int64) for part in wanted])


@given(arrays([(5,), (2, 3), (0,), (2, 0)]), st.integers(0, 8))
@settings(max_examples=25, deadline=None)
def test_nonzero_of_a_known_number_compiles(x: np.ndarray, size: int) -> None:
    ours = eager_and_jit(lambda x: weft.nonzero(x, size=size, fill_value=-7), weft.asarray(x))
    for found, wanted in zip(ours, np.nonzero(x), strict=True):
        padded = np.concatenate([wanted, np.full(size, -7)])[:size]
        np.testing.assert_array_equal(to_numpy(found), padded)


@given(arrays())
@settings(max_examples=40, deadline=None)
def test_distinct_elements_are_numpys(x: np.ndarray) -> None:
    found = weft.unique_all(weft.asarray(x))
    wanted = np.unique_all(x)
    for ours, numpys in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(to_numpy(ours), numpys)
        assert ours.shape == numpys.shape
    assert found.values.dtype == str(x.dtype)
    assert_same_bits(list(weft.unique_counts(weft.asarray(x))), [found.values, found.counts])
    assert_same_bits(
        list(weft.unique_inverse(weft.asarray(x))), [found.values, found.inverse_indices]
    )
    assert_same_bits(weft.unique_values(weft.asarray(x)), found.values)


@given(arrays([(6,), (2, 3), (1,)]), st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_distinct_elements_of_a_known_number_compile(x: np.ndarray, size: int) -> None:
    ours = eager_and_jit(lambda x: weft.unique_all(x, size=size), weft.asarray(x))
    wanted = np.unique_all(x)
    count = min(size, len(wanted.values))
    np.testing.assert_array_equal(to_numpy(ours.values)[:count], wanted.values[:count])
    np.testing.assert_array_equal(to_numpy(ours.indices)[:count], wanted.indices[:count])
    np.testing.assert_array_equal(to_numpy(ours.inverse_indices), wanted.inverse_indices)
    assert to_numpy(ours.counts)[count:].sum() == 0
    assert (to_numpy(ours.values)[count:] == to_numpy(ours.values)[count - 1]).all() or (
        np.isnan(to_numpy(ours.values)[count:].astype(float)).all()
    )


@given(arrays([(0,), (1,), (7,), (40,)]), arrays(), st.sampled_from(["left", "right"]))
@settings(max_examples=60, deadline=None)
def test_searchsorted_is_numpys(keys: np.ndarray, x: np.ndarray, side: str) -> None:
    if {str(keys.dtype), str(x.dtype)} in ({"int8", "uint64"}, {"int64", "uint64"}):
        x = x.astype(keys.dtype)
    order = np.argsort(keys, kind="stable")
    function = lambda keys, x: weft.searchsorted(keys, x, side=side)  # noqa: E731
    ours = eager_and_jit(function, weft.asarray(keys[order]), weft.asarray(x))
    assert_same_bits(ours, np.asarray(np.searchsorted(keys[order], x, side=side), np.int64))
    sorter = weft.asarray(order.astype(np.int64))
    again = weft.searchsorted(weft.asarray(keys), weft.asarray(x), side=side, sorter=sorter)
    assert_same_bits(again, ours)


@given(arrays(), arrays(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_isin_is_numpys(x: np.ndarray, among: np.ndarray, invert: bool) -> None:
    among = among.astype(x.dtype)
    function = lambda x, y: weft.isin(x, y, invert=invert)  # noqa: E731
    ours = eager_and_jit(function, weft.asarray(x), weft.asarray(among))
    assert_same_bits(ours, np.asarray(np.isin(x, among, invert=invert)))


@given(arrays([(1,), (7,), (2, 3), (4, 1, 5)], ["float32", "float64", "int64"]), st.data())
@settings(max_examples=40, deadline=None)
def test_orders_along_a_dimension_are_pytorchs(x: np.ndarray, data: st.DataObject) -> None:
    if x.dtype.kind == "f":
        x = np.nan_to_num(x)
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    k = data.draw(st.integers(1, x.shape[dim]))
    tensor, reference = weft.asarray(x), torch.from_numpy(x)
    for largest in (False, True):
        ours = eager_and_jit(lambda x: tuple(weft.topk(x, k, dim, largest)), tensor)
        assert_same_bits(ours[0], reference.topk(k, dim, largest).values.numpy())
        assert_same_bits(weft.take_along_axis(tensor, ours[1], axis=dim), ours[0])
    for keep in (False, True):
        ours = eager_and_jit(lambda x: tuple(weft.kthvalue(x, k, dim, keep)), tensor)
        assert_same_bits(ours[0], reference.kthvalue(k, dim, keep).values.numpy())
        ours = eager_and_jit(lambda x: tuple(weft.median(x, dim, keep)), tensor)
        assert_same_bits(ours[0], reference.median(dim, keep).values.numpy())
    assert_same_bits(weft.median(tensor), reference.median().numpy())
    for ours, theirs in zip(tensor.sort(dim), reference.sort(stable=True, dim=dim), strict=True):
        assert_same_bits(ours, theirs.numpy())


@given(arrays([(1,), (7,), (2, 3), (4, 1, 5)], ["float32", "float64"]), st.data())
@settings(max_examples=40, deadline=None)
def test_quantiles_are_pytorchs(x: np.ndarray, data: st.DataObject) -> None:
    dim = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    keep = data.draw(st.booleans())
    q = data.draw(st.sampled_from([0.0, 0.25, 0.5, 1.0, [0.1, 0.9], [0.5]]))
    q = np.asarray(q, x.dtype)
    ours = eager_and_jit(
        lambda x, q: weft.quantile(x, q, dim, keep), weft.asarray(x), weft.asarray(q)
    )
    theirs = torch.quantile(torch.from_numpy(x), torch.from_numpy(q), dim, keep).numpy()
    assert ours.shape == theirs.shape
    # The weight and the difference are rounded, and the sum.
    bound = 4 * np.finfo(x.dtype).eps * max(1.0, float(np.nanmax(np.abs(x), initial=0)))
    np.testing.assert_allclose(to_numpy(ours), theirs, rtol=0, atol=bound)


@given(arrays([(0,), (1,), (9,)], ["int8", "int64", "uint64"]), st.integers(0, 9), st.booleans())
@settings(max_examples=30, deadline=None)
def test_bincount_is_numpys(x: np.ndarray, minlength: int, weighted: bool) -> None:
    weights = np.linspace(0, 1, len(x)) if weighted else None
    ours = weft.bincount(
        weft.asarray(x), None if weights is None else weft.asarray(weights), minlength
    )
    wanted = np.bincount(x.astype(np.int64), weights, minlength)
    np.testing.assert_allclose(to_numpy(ours), wanted, rtol=1e-15)
    assert ours.dtype == ("float64" if weighted else "int64")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint32", "uint64", "float32"])
@pytest.mark.parametrize("number", [-5, -1, 0, 3, 255, 2**31, 2**32, 2**62, 0.5, float("nan")])
def test_numbers_are_found_as_they_are(number: float, dtype: str) -> None:
    keys = weft.asarray(np.array([0, 1, 5, 100], dtype))
    for side in ("left", "right"):
        wanted = np.searchsorted(np.array([0.0, 1, 5, 100]), float(number), side=side)
        function = lambda keys, number: weft.searchsorted(keys, number, side=side)  # noqa: E731
        assert function(keys, number).item() == wanted
        assert weft.jit(lambda keys: function(keys, number))(keys).item() == wanted
        assert weft.jit(function)(keys, number).item() == wanted
    among = [value == number for value in (0, 1, 5, 100)]
    assert weft.isin(keys, number).tolist() == among
    assert weft.jit(weft.isin)(keys, number).tolist() == among
    assert weft.isin(number, keys).item() == any(among)
    assert weft.isin(keys, number, invert=True).tolist() == [not found for found in among]


def test_quantiles_that_are_refused_or_of_many_halves() -> None:
    with pytest.raises(weft.DTypeError, match="quantile: the elements have to be floating"):
        weft.asarray([1, 2]).quantile(0.5)
    for q in (-0.1, 1.5, [0.5, 2.0], float("nan")):
        with pytest.raises(weft.OutOfRangeError, match=r"quantile: q has to be in \[0, 1\]"):
            weft.ones(3).quantile(q)
    halves = np.linspace(0, 1, 70000).astype(np.float16)
    assert abs(weft.asarray(halves).quantile(0.5).item() - 0.5) < 1e-3


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (weft.nonzero, "nonzero"),
        (weft.unique_values, "unique"),
        (lambda x: x[x > 0], ""),
        (lambda x: weft.bincount(x.astype("int64")), "bincount"),
    ],
)
def test_shapes_that_depend_on_values_are_refused_in_an_export(function, name: str) -> None:
    with pytest.raises(weft.UnsupportedError, match=rf"test_searching.py:\d+: .*{name}.*export"):
        weft.export(lambda x: function(x), weft.spec((3,), "float32"))


def test_wrong_arguments() -> None:
    x = weft.asarray([1.0, 2.0, 3.0])
    for call, kind, words in [
        (lambda: weft.searchsorted(x, x, side="middle"), weft.OptionError, "'left' or 'right'"),
        (lambda: weft.searchsorted(weft.ones(2, 2), x), weft.ShapeError, r"\(2, 2\)"),
        (lambda: weft.topk(x, 4), weft.OutOfBoundsError, "there are 3 elements, not 4"),
        (lambda: weft.kthvalue(x, 0), weft.OutOfBoundsError, "k is 0 of 3"),
        (lambda: weft.where(x > 0, x), weft.OptionError, "both x and y"),
        (lambda: weft.bincount(weft.asarray([-1])), weft.OutOfBoundsError, "-1"),
        (lambda: weft.median(weft.zeros(0)), weft.ShapeError, "no element"),
    ]:
        with pytest.raises(kind, match=words):
            call()
