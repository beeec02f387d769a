"""``x.at[key]`` against NumPy's ufuncs in place (``np.add.at``), which count every index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy

_SHAPE = (4, 5, 3)

#: Keys, and whether they have arrays of integers.
_KEYS: dict[str, tuple[Any, bool]] = {
    "integer": (1, False),
    "slices": ((slice(1, 3), slice(None, None, 2)), False),
    "none": ((slice(None), None, 2), False),
    "all": (Ellipsis, False),
    "empty": (slice(0, 0), False),
    "array": (np.array([3, 0, 3, -1]), True),
    "array_behind": ((slice(None), np.array([4, 4, 1])), True),
    "pairs": ((np.array([0, 1, 0]), slice(1, 4), np.array([2, 2, 2])), True),
    "matrix": ((np.array([[0, 3], [3, 3]]), 2), True),
    "no_indices": (np.array([], np.int64), True),
    "mask": (np.arange(60).reshape(_SHAPE) % 3 == 0, False),
    "rows": (np.array([True, False, True, True]), False),
}

_OPERATIONS = {
    "add": np.add,
    "subtract": np.subtract,
    "min": np.minimum,
    "max": np.maximum,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
}


def _values(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    # Small whole numbers: sums are exact in any order.
    return generator.integers(1, 6, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "float64"])
@pytest.mark.parametrize("key", _KEYS)
@pytest.mark.parametrize("name", _OPERATIONS)
def test_operations(name: str, key: str, dtype: str) -> None:
    where, has_arrays = _KEYS[key]
    x = _values(dtype, _SHAPE, 1)
    if dtype.endswith("32") and name in ("power", "divide") and dtype != "float32":
        return
    if name == "divide" and not dtype.startswith("float"):
        return
    whole = _values(dtype, x[where].shape, 2)
    for values in (whole, whole[..., :1] if whole.ndim else whole, _values(dtype, (), 3)):
        expected = x.copy()
        _OPERATIONS[name].at(expected, where, values)
        unique = has_arrays and name in ("multiply", "divide", "power")
        if unique:
            with pytest.raises(weft.UnsupportedError, match=f"{name}: several indices"):
                getattr(weft.asarray(x).at[where], name)(weft.asarray(values))
            return
        ours = weft.asarray(x)
        found = eager_and_jit(
            lambda x, v: getattr(x.at[where], name)(v), ours, weft.asarray(values)
        )
        np.testing.assert_allclose(to_numpy(found), expected, rtol=2e-7)
        assert found.dtype == dtype
        # The tensor itself stays as it was.
        assert_same_bits(ours, x)


@pytest.mark.parametrize("key", _KEYS)
def test_set_get_and_apply(key: str) -> None:
    where, has_arrays = _KEYS[key]
    x = _values("float32", _SHAPE, 4)
    values = _values("float32", x[where].shape, 5)
    expected = x.copy()
    expected[where] = values
    ours = weft.asarray(x)
    assert_same_bits(
        eager_and_jit(lambda x, v: x.at[where].set(v), ours, weft.asarray(values)), expected
    )
    assert_same_bits(eager_and_jit(lambda x: x.at[where].get(), ours), x[where])
    expected = x.copy()
    expected[where] = np.sqrt(x[where])
    assert_same_bits(eager_and_jit(lambda x: x.at[where].apply(weft.sqrt), ours), expected)
    if has_arrays:
        unique = np.array([3, 0])
        expected = x.copy()
        expected[unique] *= 3
        found = ours.at[unique].multiply(3, unique_indices=True)
        assert_same_bits(found, expected)


def test_traced_indices_out_of_range() -> None:
    """As by ``x[key] = v``: NaN, or left out among integers; never another element's place."""
    index = weft.asarray([7, 1, 1])
    x, n = weft.asarray([1.0, 2.0, 3.0]), weft.asarray([1, 2, 3])
    for name, expected in {"max": [1, 9, 3], "add": [1, 13, 3], "min": [1, 2, 3]}.items():

        def change(x: weft.Tensor, i: weft.Tensor, name: str = name) -> weft.Tensor:
            return getattr(x.at[i], name)(weft.asarray([9, 9, 2], dtype=x.dtype))

        assert weft.jit(change)(n, index).tolist() == expected
        assert np.isnan(weft.jit(change)(x, index).numpy()).any()
        with pytest.raises(weft.OutOfBoundsError, match="7"):
            change(x, index)


@pytest.mark.parametrize("name", ["min", "max"])
def test_nan_counts(name: str) -> None:
    values = weft.asarray([1.0, np.nan, 0.5, 7.0])
    index = weft.asarray([0, 0, 0, 1])
    found = eager_and_jit(
        lambda x, i, v: getattr(x.at[i], name)(v), weft.full(3, 3.0), index, values
    ).tolist()
    assert np.isnan(found[0])
    assert found[1:] == [3.0 if name == "min" else 7.0, 3.0]


@pytest.mark.parametrize("name", ["add", "set", "max", "min"])
def test_gradients(name: str) -> None:
    """Each element's gradient goes to where the element came from."""
    x, v = weft.asarray([1.0, 5.0, 3.0]), weft.asarray([4.0, 2.0, 6.0])
    scale = weft.asarray([1.0, 10.0, 100.0])

    def total(x: weft.Tensor, v: weft.Tensor) -> weft.Tensor:
        index = weft.asarray([0, 1, 2])
        return weft.sum(getattr(x.at[index], name)(v) * scale)

    of_x, of_v = (g.tolist() for g in weft.grad(total, argnums=(0, 1))(x, v))
    expected: dict[str, tuple[list, list]] = {
        "add": ([1, 10, 100], [1, 10, 100]),
        "set": ([0, 0, 0], [1, 10, 100]),
        "max": ([0, 10, 0], [1, 0, 100]),
        "min": ([1, 0, 100], [0, 10, 0]),
    }
    assert (of_x, of_v) == expected[name]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: x.at[9].set(1.0), weft.OutOfBoundsError, "9"),
        (lambda x: x.at[:2].add(weft.ones(3)), weft.ShapeError, "broadcast"),
        (lambda x: x.at[weft.asarray([0])].max(weft.ones(3)), weft.ShapeError, "broadcast"),
        (lambda x: x.at[:2].apply(weft.sum), weft.ShapeError, "makes shape"),
    ],
)
def test_errors(call: Callable, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call(weft.arange(4, dtype="float32"))


def test_results_that_the_dtype_does_not_hold_are_refused() -> None:
    x = weft.asarray([10, 20, 30])
    with pytest.raises(weft.DTypeError, match=r"at\[...\].multiply: .* does not become int64"):
        x.at[0].multiply(0.5)
    assert x.at[0].add(True).tolist() == [11, 20, 30]
    assert weft.asarray([1.0, 2.0]).at[1].divide(4).tolist() == [1.0, 0.5]
