"""Reading and assigning by keys of every kind, against NumPy: values, shapes and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numerics import assert_same_bits, numpy_dtype

DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32"]
DTYPES.append("float64")

hypothesis_settings = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def _counting(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """All elements different, where the dtype has enough numbers."""
    count = int(np.prod(shape))
    return (np.arange(count) % 251 + 1).astype(numpy_dtype(dtype)).reshape(shape)


@st.composite
def _slices(draw: st.DrawFn) -> slice:
    bound = st.none() | st.integers(-7, 7)
    return slice(draw(bound), draw(bound), draw(st.none() | st.sampled_from([1, 2, 3, -1, -2])))


@st.composite
def _entries(draw: st.DrawFn, size: int, batch: tuple[int, ...]) -> Any:
    """What may stand in a key for one dimension of `size`: a slice, an integer or integers."""
    kinds = ["slice"] if size == 0 else ["slice", "integer", "array", "list"]
    kind = draw(st.sampled_from(kinds))
    if kind == "slice":
        return draw(_slices())
    position = st.integers(-size, size - 1)
    if kind == "integer":
        return draw(position)
    if kind == "list":
        return draw(st.lists(position, min_size=batch[-1], max_size=batch[-1]))
    shape = tuple(1 if draw(st.booleans()) else n for n in batch)[draw(st.integers(0, 1)) :]
    return draw(hnp.arrays(draw(st.sampled_from(["int64", "int32"])), shape, elements=position))


@st.composite
def _parts(draw: st.DrawFn, shape: tuple[int, ...], batch: tuple[int, ...]) -> list:
    """The entries of a key for all dimensions of a shape."""
    key: list = []
    dimension = 0
    while dimension < len(shape):
        if draw(st.integers(0, 5)) == 0:
            key.append(None)
        if draw(st.integers(0, 4)) == 0:
            width = draw(st.integers(1, min(2, len(shape) - dimension)))
            key.append(draw(hnp.arrays(bool, shape[dimension : dimension + width])))
        else:
            width = 1
            key.append(draw(_entries(shape[dimension], batch)))
        dimension += width
    return key


@st.composite
def _keys(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple:
    """Keys of slices, integers, None, an ellipsis, arrays that mostly broadcast, and masks."""
    batch = (draw(st.integers(1, 2)), draw(st.integers(0, 3)))
    ahead = draw(st.integers(0, len(shape)))
    key = draw(_parts(shape[:ahead], batch))
    if draw(st.booleans()):
        behind = draw(st.integers(ahead, len(shape)))
        key += [Ellipsis, *draw(_parts(shape[behind:], batch))]
    return tuple(key)


def _as_weft(item: Any, draw: Callable) -> Any:
    """The entry as NumPy gets it, or as a tensor."""
    if isinstance(item, np.ndarray) and draw(st.booleans()):
        return weft.asarray(item)
    return item


@seed(11)
@hypothesis_settings
@given(st.data(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
def test_reading_by_any_key(data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(_keys(shape))
    x = _counting(shape)
    tensors = tuple(_as_weft(item, data.draw) for item in key)
    try:
        expected = np.asarray(x[key])
    except IndexError:
        with pytest.raises(IndexError):
            weft.asarray(x)[tensors]
        return
    assert_same_bits(weft.asarray(x)[tensors], expected)
    # NumPy arrays and lists are constants of a trace; masks are known there, too.
    assert_same_bits(weft.jit(lambda t: t[key])(weft.asarray(x)), expected)


@seed(12)
@hypothesis_settings
@given(st.data(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
def test_assigning_by_any_key(data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(_keys(shape))
    x = _counting(shape)
    tensors = tuple(_as_weft(item, data.draw) for item in key)
    try:
        target = np.asarray(x[key]).shape
    except IndexError:
        with pytest.raises(IndexError):
            weft.array(x)[tensors] = 0.0
        return
    # All of it, or less that is broadcast.
    sizes = tuple(1 if data.draw(st.integers(0, 3)) == 0 else size for size in target)
    value = -_counting(sizes[data.draw(st.integers(0, len(sizes))) :])
    expected = x.copy()
    expected[key] = value

    def assigned(t: weft.Tensor, v: weft.Tensor, key: tuple) -> weft.Tensor:
        t = t + 0.0
        t[key] = v
        return t

    assert_same_bits(assigned(weft.asarray(x), weft.asarray(value), tensors), expected)
    jitted = weft.jit(lambda t, v: assigned(t, v, key))
    assert_same_bits(jitted(weft.asarray(x), weft.asarray(value)), expected)


@seed(13)
@hypothesis_settings
@given(st.data(), hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=4))
def test_index_tensors_of_a_trace(data: st.DataObject, shape: tuple[int, ...]) -> None:
    """Arguments of a compiled function as indices: alone, several, beside slices and integers."""
    count = data.draw(st.integers(0, 4))
    arrays = []
    parts: list = []
    for size in shape:
        kind = data.draw(st.sampled_from(["array", "slice", "integer"]))
        if kind == "array":
            elements = st.integers(-size, size - 1)
            arrays.append(data.draw(hnp.arrays("int64", (count,), elements=elements)))
            parts.append(None)
        else:
            parts.append(data.draw(_slices() if kind == "slice" else st.integers(-size, size - 1)))
    x = _counting(shape)

    def key(indices: tuple) -> tuple:
        given = iter(indices)
        return tuple(next(given) if part is None else part for part in parts)

    def both(t: weft.Tensor, v: weft.Tensor, *indices: weft.Tensor) -> tuple:
        changed = t + 0.0
        changed[key(indices)] = v
        return t[key(indices)], changed

    expected = x.copy()
    value = -_counting(np.asarray(x[key(tuple(arrays))]).shape)
    expected[key(tuple(arrays))] = value
    result = weft.jit(both)(*map(weft.asarray, (x, value, *arrays)))
    assert_same_bits(result[0], np.asarray(x[key(tuple(arrays))]))
    assert_same_bits(result[1], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scattered_rows_of_every_dtype(dtype: str) -> None:
    x = _counting((5, 3), dtype)
    rows = _counting((9, 3), dtype)[:4:-1].copy()
    rows[::2] = 0
    indices = np.array([3, -5, 3, 1])
    expected = x.copy()
    expected[indices] = rows

    def assigned(t: weft.Tensor, i: Any, v: weft.Tensor) -> weft.Tensor:
        t = weft.asarray(t, copy=True)
        t[i] = v
        return t

    assert_same_bits(assigned(*map(weft.asarray, (x, indices, rows))), expected)
    jitted = weft.jit(lambda t, i, v: assigned(t.reshape(5, 3), i, v))
    assert_same_bits(jitted(*map(weft.asarray, (x, indices, rows))), expected)


def test_the_true_elements_of_a_mask_take_the_values_in_order() -> None:
    x = _counting((3, 4))
    mask = x % 3 == 0
    values = np.array([10, 20, 30, 40], np.float32)
    changed = weft.array(x)
    changed[weft.asarray(mask)] = weft.asarray(values)
    expected = x.copy()
    expected[mask] = values
    assert_same_bits(changed, expected)
    with pytest.raises(weft.ShapeError, match=r"\(3,\) does not broadcast to \(4,\)"):
        changed[weft.asarray(mask)] = values[:3]
    # A compiled function asks how many there are; an exported one can't.
    changed = weft.array(x)
    weft.jit(lambda t, m, v: t.__setitem__(m, v))(changed, weft.asarray(mask), weft.asarray(values))
    assert_same_bits(changed, expected)
    specs = weft.spec(x.shape, "float32"), weft.spec(x.shape, "bool"), weft.spec((4,), "float32")
    with pytest.raises(weft.UnsupportedError, match=r"its own value.*weft\.where"):
        weft.export(lambda t, m, v: (t * 1).__setitem__(m, v), *specs)


def test_values_that_broadcast_to_a_mask_under_jit() -> None:
    x = _counting((2, 3, 4))
    for dimensions, value in [
        (1, 7.5),
        (1, np.arange(4, dtype=np.float32)),
        (2, np.arange(4, dtype=np.float32)),
        (2, np.full((1, 4), 2.0, np.float32)),
        (1, np.arange(12, dtype=np.float32).reshape(3, 4)),
        (3, np.float32(-1)),
    ]:
        mask = _counting(x.shape[:dimensions]) % 2 == 0
        expected = x.copy()
        expected[mask] = value

        def assigned(t: weft.Tensor, m: weft.Tensor, value: Any = value) -> weft.Tensor:
            t = t + 0.0
            t[m] = value
            return t

        tensors = (weft.asarray(x), weft.asarray(mask))
        assert_same_bits(assigned(*tensors), expected)
        assert_same_bits(weft.jit(assigned)(*tensors), expected)
    behind = np.array([True, False, True, False])
    expected = x.copy()
    expected[:, 1:, behind] = 0

    def cleared(t: weft.Tensor, m: weft.Tensor) -> weft.Tensor:
        t = t + 0.0
        t[:, 1:, m] = 0
        return t

    assert_same_bits(weft.jit(cleared)(weft.asarray(x), weft.asarray(behind)), expected)


def test_empty_selections() -> None:
    x = _counting((3, 4))
    t = weft.asarray(x)
    nothing = np.zeros((3, 4), bool)
    assert t[weft.asarray(nothing)].shape == (0,)
    assert t[nothing].shape == (0,)
    assert t[weft.asarray(nothing[:, 0])].shape == (0, 4)
    assert t[[]].shape == (0, 4)
    assert t[:, []].shape == (3, 0)
    assert weft.zeros(0)[weft.zeros(0) > 0].shape == (0,)
    unchanged = weft.array(x)
    unchanged[nothing] = 5.0
    unchanged[[]] = 5.0
    unchanged[2:2] = 5.0
    assert_same_bits(unchanged, x)


def test_bools_are_masks_not_numbers() -> None:
    x = _counting((3, 4))
    t = weft.asarray(x)
    for flag in (True, False, np.bool_(True)):
        assert_same_bits(t[flag], x[flag])
    assert_same_bits(t[[True, False, True]], x[[True, False, True]])
    changed = weft.array(x)
    changed[False] = 9.0
    assert_same_bits(changed, x)
    changed[True] = 9.0
    assert_same_bits(changed, np.full_like(x, 9))
    scalar = weft.asarray(np.float32(3))
    assert_same_bits(scalar[scalar > 2], np.array([3], np.float32))
    assert scalar[scalar > 5].shape == (0,)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (3, "index 3 is out of range for dimension 0"),
        (-4, "index -4 is out of range"),
        ([0, 3], "index of 3 is out of range"),
        ([0, -4], "index of -4 is out of range"),
        ((slice(None), [4]), "index of 4 is out of range"),
        (([0, 1], [0, 1, 2]), "do not broadcast"),
        (np.zeros((4, 3), bool), r"mask of shape \(4, 3\) does not fit"),
        ((0, 0, 0), "too long for shape"),
        ((..., ...), "only one ellipsis"),
    ],
)
def test_what_is_out_of_range(key: Any, message: str) -> None:
    t = weft.zeros((3, 4))
    with pytest.raises(weft.OutOfBoundsError, match=rf"test_indexing\.py:\d+: .*{message}"):
        t[key]
    with pytest.raises(weft.OutOfBoundsError, match=rf"test_indexing\.py:\d+: .*{message}"):
        t[key] = 1.0


def test_index_tensors_out_of_range_in_a_compiled_function() -> None:
    """docs/numerics.md: what such an index decides is NaN; integers are left as they are."""

    def assigned(t: weft.Tensor, i: weft.Tensor, j: weft.Tensor) -> tuple:
        changed = t * 1
        changed[i, j] = 5
        return t[i, j], changed

    x = _counting((3, 4))
    good, bad = weft.asarray(np.array([0, 2])), weft.asarray(np.array([1, 4]))
    read, changed = weft.jit(assigned)(weft.asarray(x), good, bad)
    assert_same_bits(read, np.array([x[0, 1], np.nan], np.float32))
    expected = x.copy()
    expected[0, 1] = expected[2, 3] = np.nan
    assert_same_bits(changed, expected)
    whole = x.astype(np.int64)
    read, changed = weft.jit(assigned)(weft.asarray(whole), good, bad)
    assert_same_bits(read, np.array([whole[0, 1], 0]))
    whole[0, 1] = 5
    assert_same_bits(changed, whole)


@pytest.mark.parametrize("key", [1.0, "a", np.array([0.5]), weft.zeros(2), {}])
def test_what_is_no_index(key: Any) -> None:
    with pytest.raises(weft.DTypeError, match=r"an index|can't be indexed"):
        weft.zeros((3, 4))[key]


def test_adding_by_an_index_tensor_adds_once() -> None:
    """As in NumPy: repeated positions are read before any is written."""
    x, indices = np.zeros(3, np.float32), np.array([0, 0, 2])
    t, expected = weft.array(x), x.copy()
    t[weft.asarray(indices)] += 1.0
    expected[indices] += 1
    assert_same_bits(t, expected)


NUMBERS: dict[str, Callable] = {
    "an element": lambda t: t.__setitem__(0, 0.1),
    "a list": lambda t: t.__setitem__(slice(None), [0.1]),
    "nested lists": lambda t: t.__setitem__(slice(0, 2), [[0.1], [0.3]]),
    "a mask": lambda t: t.__setitem__(t > 1, 0.1),
    "values of a mask": lambda t: t.__setitem__(t > 3, [0.1, 0.2]),
    "an index": lambda t: t.__setitem__([0, 1], 0.1),
    "copy_": lambda t: t.copy_(0.1),
    "fill_": lambda t: t.fill_(0.1),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "int64"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_take_the_dtype_of_what_they_are_assigned_to(name: str, dtype: str) -> None:
    x = np.arange(6).reshape(3, 2).astype(numpy_dtype(dtype))
    t, expected = weft.array(x), x.copy()
    NUMBERS[name](t)
    if name == "copy_" or name == "fill_":
        expected[...] = 0.1
    else:
        NUMBERS[name](expected)
    assert_same_bits(t, expected)


def test_float64_stays_exact_in_operations_with_numbers() -> None:
    x = weft.asarray(np.array([1.0, 2.0]))
    assert_same_bits(weft.where(x > 1, 0.1, x), np.array([1.0, 0.1]))
    assert_same_bits(weft.jit(lambda t: weft.where(t > 1, 0.1, t))(x), np.array([1.0, 0.1]))
    added = weft.scatter_add(x, weft.asarray([1]), [0.1])
    assert_same_bits(added, np.array([1.0, 2.1]))
    added = weft.scatter_add(x, weft.asarray([1]), weft.asarray(np.array([0.1])))
    assert_same_bits(added, np.array([1.0, 2.1]))


def test_gradients_of_assignments_go_to_the_last_writer() -> None:
    x, v = weft.asarray(_counting((4, 2))), weft.asarray(_counting((3, 2)))
    indices = weft.asarray(np.array([2, 0, 2]))

    def loss(t: weft.Tensor, v: weft.Tensor) -> weft.Tensor:
        t = t * 1.0
        t[indices] = v
        return (t * weft.asarray(_counting((4, 2)))).sum()

    weights = _counting((4, 2))
    of_x, of_v = weft.grad(loss, argnums=(0, 1))(x, v)
    expected = weights.copy()
    expected[[0, 2]] = 0
    assert_same_bits(of_x, expected)
    assert_same_bits(of_v, np.stack([np.zeros(2, np.float32), weights[0], weights[2]]))


def test_gradients_of_slices_that_are_assigned() -> None:
    weights = _counting((5, 4))

    def loss(t: weft.Tensor, v: weft.Tensor) -> weft.Tensor:
        t = t * 1.0
        t[1::2, ::-2] = v
        return (t * weft.asarray(weights)).sum()

    of_x, of_v = weft.grad(loss, argnums=(0, 1))(
        weft.asarray(_counting((5, 4))), weft.asarray(_counting((2, 2)))
    )
    expected = weights.copy()
    expected[1::2, ::-2] = 0
    assert_same_bits(of_x, expected)
    assert_same_bits(of_v, weights[1::2, ::-2])


def test_state_that_is_written_over_is_read_before() -> None:
    """A compiled function writes its state where it was, elements moved within it included."""
    x = _counting((6, 3))
    state = weft.array(x)

    def push(row: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        before = state[2] * 1.0
        state[1:] = state[:-1]
        state[0] = row
        state[::2, 1] = -1.0
        return before, weft.sum(state, axis=0)

    compiled = weft.jit(push)
    for i in range(4):
        row = np.full(3, 100.0 + i, np.float32)
        expected = x[2].copy()
        x[1:] = x[:-1].copy()
        x[0] = row
        x[::2, 1] = -1
        before, total = compiled(weft.asarray(row))
        assert_same_bits(before, expected)
        assert_same_bits(total, x.sum(0))
        assert_same_bits(state, x)


@pytest.mark.parametrize("far", [2**31, 2**63, 2**70, 10**30])
def test_slices_of_any_size(far):
    array = np.arange(10.0, dtype=np.float32)
    x = weft.asarray(array)
    keys = [slice(far), slice(-far, far), slice(None, None, far), slice(None, None, -far)]
    keys += [slice(-far, far, far), slice(3, None, far), slice(far, None), slice(far, 2, -far)]
    for key in keys:
        assert np.array_equal(x[key], array[key])
        assert np.array_equal(weft.jit(lambda t, key=key: t[key])(x), array[key])
