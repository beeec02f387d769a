"""Reshaping, slicing, padding, joining, gathering and indexing, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numerics import assert_same_bits, eager_and_jit, numpy_dtype

DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32"]
DTYPES.append("float64")

hypothesis_settings = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


def _counting(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """All elements different, where the dtype has enough numbers."""
    count = int(np.prod(shape))
    return (np.arange(count) % 251 + 1).astype(numpy_dtype(dtype)).reshape(shape)


def _check(function: object, *arrays: np.ndarray) -> None:
    """The function of tensors gives bit for bit what it gives of arrays."""
    tensors = [weft.asarray(x) for x in arrays]
    assert_same_bits(eager_and_jit(function, *tensors), function(*arrays))


@seed(1)
@hypothesis_settings
@given(st.data(), SHAPES)
def test_indexing(data: st.DataObject, shape: tuple[int, ...]) -> None:
    """Integers, slices with any steps, None and an ellipsis."""
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6))
    x = _counting(shape)
    expected = np.asarray(x[key])
    assert_same_bits(eager_and_jit(lambda t: t[key], weft.asarray(x)), expected)


@seed(2)
@hypothesis_settings
@given(st.data(), SHAPES)
def test_assigning_to_an_index(data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=False, allow_ellipsis=True))
    x = _counting(shape)
    value = -_counting(np.asarray(x[key]).shape)
    if value.ndim and data.draw(st.booleans()):
        value = value[:1] if value.shape[0] else value  # One that is broadcast.

    def assigned(t: weft.Tensor, v: weft.Tensor) -> weft.Tensor:
        result = t + 0.0
        result[key] = v
        return result

    expected = x.copy()
    expected[key] = value
    assert_same_bits(eager_and_jit(assigned, weft.asarray(x), weft.asarray(value)), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_dtypes_move(dtype: str) -> None:
    x = _counting((3, 4, 5), dtype)
    moves = [
        (lambda t: t[::-1, 1:3, ::2], x[::-1, 1:3, ::2]),
        (lambda t: weft.reshape(t, (5, 12)), x.reshape(5, 12)),
        (lambda t: weft.permute_dims(t, (2, 0, 1)), x.transpose(2, 0, 1)),
        (lambda t: weft.broadcast_to(t, (2, 3, 4, 5)), np.broadcast_to(x, (2, 3, 4, 5))),
        (lambda t: weft.concat([t, t], axis=1), np.concatenate([x, x], 1)),
        (lambda t: weft.take(t, weft.asarray(np.array([3, 0, 3])), axis=1), x[:, [3, 0, 3]]),
        (lambda t: weft.tril(t), np.tril(x)),
    ]
    for move, expected in moves:
        assert_same_bits(eager_and_jit(move, weft.asarray(x)), expected)


@seed(3)
@hypothesis_settings
@given(st.data(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6))
def test_transposes_and_reshapes(data: st.DataObject, shape: tuple[int, ...]) -> None:
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    x = _counting(shape)
    moved = x.transpose(axes)
    result = eager_and_jit(
        lambda t: (
            (weft.permute_dims(t, axes), weft.reshape(weft.permute_dims(t, axes), (-1,)))
            if x.size
            else (weft.permute_dims(t, axes),)
        ),
        weft.asarray(x),
    )
    assert_same_bits(result, (moved, moved.reshape(-1)) if x.size else (moved,))


@pytest.mark.parametrize("shape", [(33, 47), (1, 100), (100, 1), (64, 64), (129, 31)])
def test_transposes_of_matrices(shape: tuple[int, int]) -> None:
    for dtype in ("int8", "float16", "float32", "float64"):
        x = _counting(shape, dtype)
        assert_same_bits(eager_and_jit(lambda t: t.T, weft.asarray(x)), x.T)


def test_permutations_beyond_one_tile_with_what_surrounds_them() -> None:
    """Tiles that are turned in registers: whole ones, rests of rows and of lanes."""
    random = np.random.default_rng(5)
    for _ in range(60):
        rank = int(random.integers(2, 5))
        shape = tuple(int(n) for n in random.choice([0, 1, 2, 7, 9, 17, 33, 65, 70, 130], rank))
        if np.prod(shape) > 200_000:
            continue
        axes = tuple(int(axis) for axis in random.permutation(rank))
        dtype = str(random.choice(["int8", "bool", "float16", "int32", "float32", "float64"]))
        x = _counting(shape, "int32").astype(dtype)
        moved = x.transpose(axes)
        y = _counting(moved.shape, "float64") / 8

        def combine(x: weft.Tensor, y: weft.Tensor, axes: tuple = axes) -> tuple:
            turned = weft.permute_dims(x, axes)
            wide = turned.astype("float64")
            return turned, wide * y + wide, weft.flip(turned, axis=0)

        wide = moved.astype(np.float64)
        expected = moved, wide * y + wide, np.flip(moved, 0)
        assert_same_bits(eager_and_jit(combine, weft.asarray(x), weft.asarray(y)), expected)


@pytest.mark.parametrize("case", range(40))
def test_frames_around_what_is_turned(case: int) -> None:
    """Images of few and many channels, with borders, in another order of their dimensions, and
    computed with: rows of a frame are read as they lie, borders of all widths, and none."""
    generator = np.random.default_rng(case)
    channels = int(generator.choice([0, 1, 2, 3, 5, 8, 17, 33]))
    shape = (int(generator.integers(0, 3)), channels, *map(int, generator.integers(0, 40, 2)))
    dtype = str(generator.choice(["int8", "float16", "float32", "float64", "int32"]))
    x = _counting(shape, dtype)
    widths = [tuple(map(int, pair)) for pair in generator.integers(0, 4, (4, 2))]
    if generator.random() < 0.7:  # The usual ones are around images.
        widths[0] = widths[1] = (0, 0)
    axes = [(0, 2, 3, 1), (0, 3, 2, 1), (3, 0, 2, 1), (2, 3, 0, 1)][case % 4]

    def framed(t: weft.Tensor) -> weft.Tensor:
        return weft.permute_dims(weft.pad(t, widths), axes)

    def computed(t: weft.Tensor) -> weft.Tensor:
        return framed(t * 2) + framed(t)

    padded = np.pad(x, widths).transpose(axes)
    assert_same_bits(eager_and_jit(framed, weft.asarray(x)), padded)
    expected = (np.pad(x * np.asarray(2, x.dtype), widths).transpose(axes) + padded).astype(x.dtype)
    assert_same_bits(eager_and_jit(computed, weft.asarray(x)), expected)
    threads = weft.get_num_threads()
    try:
        weft.set_num_threads(2)
        assert_same_bits(eager_and_jit(framed, weft.asarray(x)), padded)
    finally:
        weft.set_num_threads(threads)


@seed(4)
@hypothesis_settings
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))
def test_padding(data: st.DataObject, shape: tuple[int, ...]) -> None:
    sizes = st.integers(0, 3)
    padding = [(data.draw(sizes), data.draw(sizes)) for _ in shape]
    x = _counting(shape)
    expected = np.pad(x, padding, constant_values=7.5)
    assert_same_bits(eager_and_jit(lambda t: weft.pad(t, padding, 7.5), weft.asarray(x)), expected)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (1, 1), (0, 3)])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_spreading_by_assignment(shape: tuple[int, ...], step: int) -> None:
    """Interior padding, which the gradient of a strided slice is made of."""
    x = np.zeros([size * step + 2 for size in shape], np.float32)
    key = tuple(slice(1, 1 + size * step, step) for size in shape)
    value = _counting(shape)
    expected = x.copy()
    expected[key] = value

    def spread(t: weft.Tensor, v: weft.Tensor) -> weft.Tensor:
        t = t + 0.0
        t[key] = v
        return t

    assert_same_bits(eager_and_jit(spread, weft.asarray(x), weft.asarray(value)), expected)
    cotangent = weft.asarray(_counting(shape))
    spread_back = weft.vjp(lambda t: t[key], weft.asarray(x))[1](cotangent)[0]
    assert_same_bits(spread_back, expected)


@seed(5)
@hypothesis_settings
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
def test_concatenation(data: st.DataObject, shape: tuple[int, ...]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    pieces = []
    for _ in range(data.draw(st.integers(1, 4))):
        size = data.draw(st.integers(0, 4))
        piece = list(shape)
        piece[axis] = size
        pieces.append(_counting(tuple(piece)) + 10 * len(pieces))
    actual = eager_and_jit(lambda *t: weft.concat(t, axis=axis), *map(weft.asarray, pieces))
    assert_same_bits(actual, np.concatenate(pieces, axis))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "bool"])
@pytest.mark.parametrize(("rank", "axis"), [(r, a) for r in (1, 2, 3, 4) for a in range(r)])
def test_concatenation_of_ragged_pieces(rank: int, axis: int, dtype: str) -> None:
    """Some empty, few and many, alone and with what is computed before and after."""
    generator = np.random.default_rng(rank)
    for sizes in ([3, 0, 1], [0, 0], [1, 17, 40], [i % 5 for i in range(40)]):
        shapes = [[*[2, 3, 5][:axis], size, *[3, 2, 19][axis : rank - 1]] for size in sizes]
        pieces = [generator.integers(0, 2, s).astype(numpy_dtype(dtype)) for s in shapes]
        tensors = [weft.asarray(piece) for piece in pieces]
        expected = np.concatenate(pieces, axis)
        assert_same_bits(eager_and_jit(lambda *x: weft.concat(x, axis=axis), *tensors), expected)
        if dtype != "bool":
            fused = weft.jit(lambda *x: weft.concat([y + y for y in x], axis=axis) - 1)
            assert_same_bits(fused(*tensors), expected + expected - expected.dtype.type(1))


@seed(6)
@hypothesis_settings
@given(
    st.data(),
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5),
    hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=5),
    st.sampled_from(["int8", "uint8", "int32", "int64"]),
)
def test_gathering_and_adding_to_rows(
    data: st.DataObject, shape: tuple[int, ...], index_shape: tuple[int, ...], dtype: str
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    size = shape[axis]
    low = 0 if dtype == "uint8" else -size
    indices = data.draw(hnp.arrays(dtype, index_shape, elements=st.integers(low, size - 1)))
    x = _counting(shape)
    actual = eager_and_jit(
        lambda t, i: weft.take(t, i, axis=axis), weft.asarray(x), weft.asarray(indices)
    )
    taken = np.take(x, indices.astype(np.int64), axis)
    assert_same_bits(actual, taken)
    updates = _counting(taken.shape) * 3
    added = eager_and_jit(
        lambda t, i, u: weft.scatter_add(t, i, u, axis=axis),
        *map(weft.asarray, (x, indices, updates)),
    )
    expected = x.copy()
    # All numbers are small integers: sums are exact in any order.
    key = (slice(None),) * axis + (indices.astype(np.int64),)
    np.add.at(expected, key, updates)
    assert_same_bits(added, expected)


def test_indices_out_of_range() -> None:
    x = weft.asarray(_counting((4, 3)))
    for index in (4, -5):
        with pytest.raises(weft.OutOfBoundsError, match=f"index {index} is out of range"):
            x[index]
        with pytest.raises(weft.OutOfBoundsError, match=f"{index} is out of range"):
            x[weft.asarray(np.array([0, index]))]
    # In a compiled function nothing can be raised: such rows are NaN.
    far = weft.asarray(np.array([9, -9, 1]))
    taken = weft.jit(lambda t, i: weft.take(t, i, axis=0))(x, far)
    assert_same_bits(taken, np.stack([np.full(3, np.nan, np.float32)] * 2 + [_counting((4, 3))[1]]))


@pytest.mark.parametrize("repeats", [(), (2,), (1, 3), (2, 1, 2)])
def test_tiling_repeating_rolling_and_flipping(repeats: tuple[int, ...]) -> None:
    x = _counting((2, 3))
    tensor = weft.asarray(x)
    assert_same_bits(eager_and_jit(lambda t: weft.tile(t, repeats), tensor), np.tile(x, repeats))
    for axis in (None, 0, 1, -1):
        count = len(repeats) + 1
        assert_same_bits(
            eager_and_jit(lambda t: weft.repeat(t, count, axis=axis), tensor),
            np.repeat(x, count, axis),
        )
        for shift in (-4, -1, 0, 1, 5):
            assert_same_bits(
                eager_and_jit(lambda t: weft.roll(t, shift, axis=axis), tensor),
                np.roll(x, shift, axis),
            )
        assert_same_bits(eager_and_jit(lambda t: weft.flip(t, axis=axis), tensor), np.flip(x, axis))


@pytest.mark.parametrize("k", [-5, -1, 0, 2, 5])
def test_triangles_and_identities(k: int) -> None:
    for shape in [(3, 4), (4, 3), (2, 3, 3), (1, 1)]:
        x = _counting(shape)
        assert_same_bits(eager_and_jit(lambda t: weft.tril(t, k=k), weft.asarray(x)), np.tril(x, k))
        assert_same_bits(eager_and_jit(lambda t: weft.triu(t, k=k), weft.asarray(x)), np.triu(x, k))
    assert_same_bits(weft.eye(3, 4, k=k), np.eye(3, 4, k=k, dtype=np.float32))


@pytest.mark.parametrize(
    "arguments", [(5,), (2, 9), (0, 10, 3), (10, 0, -4), (0,), (5, 5), (0.0, 1.0, 0.25)]
)
def test_ranges(arguments: tuple) -> None:
    expected = np.arange(*arguments)
    expected = expected.astype(np.float32) if expected.dtype == float else expected
    assert_same_bits(weft.arange(*arguments), expected)
    assert_same_bits(weft.jit(lambda: weft.arange(*arguments))(), expected)


def test_splitting_stacking_and_moving_axes() -> None:
    x = _counting((5, 4, 3))
    tensor = weft.asarray(x)
    assert_same_bits(eager_and_jit(lambda t: weft.split(t, 2), tensor), [x[:2], x[2:4], x[4:]])
    assert_same_bits(
        eager_and_jit(lambda t: weft.split(t, [1, 3], dim=1), tensor), [x[:, :1], x[:, 1:]]
    )
    assert_same_bits(weft.chunk(tensor, 2), [x[:3], x[3:]])
    assert_same_bits(weft.unstack(tensor, axis=2), [x[..., 0], x[..., 1], x[..., 2]])
    assert_same_bits(weft.stack([tensor, tensor], axis=-1), np.stack([x, x], -1))
    assert_same_bits(weft.moveaxis(tensor, 0, -1), np.moveaxis(x, 0, -1))
    assert_same_bits(weft.moveaxis(tensor, (0, 1), (1, 2)), np.moveaxis(x, (0, 1), (1, 2)))
    assert_same_bits(weft.squeeze(weft.expand_dims(tensor, axis=1), 1), x)
    grid = weft.meshgrid(weft.arange(3), weft.arange(2))
    assert_same_bits(grid, list(np.meshgrid(np.arange(3), np.arange(2))))


def test_masks() -> None:
    x = _counting((3, 4))
    mask = x % 3 == 0
    tensor = weft.asarray(x)
    assert_same_bits(tensor[weft.asarray(mask)], x[mask])
    expected = x.copy()
    expected[mask] = -1
    changed = tensor + 0.0
    changed[weft.asarray(mask)] = -1
    assert_same_bits(changed, expected)
    rows = np.array([True, False, True])
    assert_same_bits(tensor[weft.asarray(rows)], x[rows])


def test_assigning_rows_by_index_the_last_wins() -> None:
    x = _counting((4, 3))
    indices, rows = np.array([2, 0, 2]), -_counting((3, 3))

    def assigned(t: weft.Tensor, i: weft.Tensor, v: weft.Tensor) -> weft.Tensor:
        t = t + 0.0
        t[i] = v
        return t

    expected = x.copy()
    expected[indices] = rows
    assert_same_bits(eager_and_jit(assigned, *map(weft.asarray, (x, indices, rows))), expected)


def test_slices_are_views_and_steps_with_tensors_are_copies() -> None:
    x = weft.array(_counting((4, 3)))
    row, rows = x[1], x[weft.asarray([1, 2])]
    row += 100.0
    rows += 100.0
    assert_same_bits(x[1], _counting((4, 3))[1] + 100)
    assert_same_bits(x[2], _counting((4, 3))[2])
    y = x
    y[0] = 0.0
    assert_same_bits(x[0], np.zeros(3, np.float32))


@seed(60)
@hypothesis_settings
@given(st.data(), st.integers(2, 4), st.integers(1, 3))
def test_permuted_tensors_that_are_repeated_joined_and_framed(
    data: st.DataObject, rank: int, count: int
) -> None:
    """What compilers move past each other: the order of dimensions, upsampling, joining, frames."""
    order, back = (data.draw(st.permutations(range(rank))) for _ in range(2))
    axis, times = data.draw(st.integers(0, rank - 1)), data.draw(st.integers(1, 3))
    shape = data.draw(st.lists(st.integers(0, 5), min_size=rank, max_size=rank))
    repeated = data.draw(st.lists(st.integers(0, count - 1), max_size=count, unique=True))
    frame = data.draw(st.lists(st.integers(0, 2), min_size=rank, max_size=rank))
    arrays = []
    for number in range(count):
        sizes = list(shape)
        if number in repeated:
            sizes[order[axis]] = data.draw(st.integers(0, 3))
        arrays.append(_counting(tuple(sizes)) + 1000 * number)

    def moved(*tensors: object) -> object:
        library = np if isinstance(tensors[0], np.ndarray) else weft
        parts = []
        for number, tensor in enumerate(tensors):
            part = library.permute_dims(tensor, tuple(order))
            if number in repeated:
                before, size, after = part.shape[:axis], part.shape[axis], part.shape[axis + 1 :]
                part = library.reshape(part, (*before, size, 1, *after))
                part = library.broadcast_to(part, (*before, size, times, *after))
                part = library.reshape(part, (*before, size * times, *after))
            parts.append(part)
        joined = library.concat(parts, axis=axis)
        framed = library.pad(joined, [(size, size) for size in frame])
        return library.permute_dims(framed, tuple(back))

    _check(moved, *arrays)
