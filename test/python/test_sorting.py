"""Sorting, over random shapes, axes, dtypes and many equal elements."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, numpy_dtype
from random_programs import count_of_examples

SHAPES = [
    (1,),
    (0,),
    (2,),
    (7,),
    (8,),
    (9,),
    (33,),
    (2047,),
    (2048,),
    (2049,),
    (4097,),
    (300_001,),
    (3, 41),
    (41, 3),
    (2, 0, 3),
    (0, 4),
    (5003, 2),
    (4, 1, 33),
    (2, 3, 5, 7),
]
DTYPES = [
    *("float16", "bfloat16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint64", "bool"),
]
CASES = [(shape, axis) for shape in SHAPES for axis in range(len(shape))]


def _values(shape: tuple[int, ...], dtype: str, few: bool) -> np.ndarray:
    random = np.random.default_rng(len(shape) + 7 * int(np.prod(shape)))
    if dtype == "bool":
        return random.random(shape) < 0.5
    if "float" in dtype:
        values = random.integers(-3, 4, shape) if few else random.standard_normal(shape)
        values = np.where(random.random(shape) < 0.05, np.nan, values)
        values = np.where(random.random(shape) < 0.05, random.choice([np.inf, -np.inf]), values)
        return np.where(values == 0, random.choice([0.0, -0.0]), values).astype(numpy_dtype(dtype))
    limits = np.iinfo(dtype)
    if few:
        return random.integers(0, 4, shape).astype(dtype)
    return random.integers(limits.min, limits.max, shape, endpoint=True, dtype=dtype)


def _order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """The stable order, NaN last: NumPy's of keys that are negated to descend."""
    keys = x.astype(np.float64 if x.dtype.kind in "fV" else np.int64)
    if x.dtype == np.uint64:
        keys ^= np.iinfo(np.int64).min
    if descending:
        keys = -keys if keys.dtype.kind == "f" else -1 - keys
    return np.argsort(keys, axis=axis, kind="stable")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), CASES, ids=str)
def test_order_is_stable(shape: tuple, axis: int, dtype: str, few: bool, descending: bool) -> None:
    x = _values(shape, dtype, few)
    tensor = weft.asarray(x)
    order = _order(x, axis, descending)
    indices = weft.argsort(tensor, axis=axis, descending=descending)
    assert_same_bits(indices, order)
    assert_same_bits(
        weft.sort(tensor, axis=axis, descending=descending),
        np.take_along_axis(x, order, axis),
    )


# Around the borders of vectors, groups of eight of them, blocks, and the number of blocks.
LENGTHS = [
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129),
    *(160, 192, 193, 255, 257, 511, 513, 1000, 1023, 1025, 2047, 2048, 2049, 2111, 2112, 2113),
    *(4095, 4096, 4097, 8191, 8192, 8193, 8257, 16_383, 16_384, 16_385, 24_577, 40_961),
    *(131_073, 524_287, 524_288, 524_289, 540_673),
]
PATTERNS = [
    *("random", "few", "rising", "falling", "equal", "rotated", "organ", "extremes"),
    *("zeros", "nans", "last is least", "first is greatest", "two"),
]


def _pattern(name: str, shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Elements whose order is known to be hard for some way to sort."""
    random = np.random.default_rng(seed)
    size = int(np.prod(shape))
    wanted = numpy_dtype(dtype)
    is_float = "float" in dtype
    if name in ("random", "few"):
        return _values(shape, dtype, few=name == "few")
    rising = np.arange(size) % 251
    if name == "extremes" and dtype != "bool":
        limits = ml_dtypes.finfo(wanted) if is_float else np.iinfo(wanted)
        edges = np.array([limits.min, limits.max, 0], wanted)
        if is_float:
            infinite = np.array([np.inf, -np.inf, limits.smallest_subnormal], wanted)
            edges = np.concatenate([edges, infinite])
        return random.choice(edges, shape)
    if name == "zeros" and is_float:
        return random.choice(np.array([0.0, -0.0, -0.0, 1.0], wanted), shape)
    if name == "nans" and is_float:
        integer = np.dtype(f"int{8 * wanted.itemsize}")
        limits = np.iinfo(integer)
        bits = random.integers(limits.min, limits.max, shape, dtype=integer, endpoint=True)
        quiet = np.array(np.nan, wanted).view(integer)
        return np.where(random.random(shape) < 0.7, bits | quiet, bits % 100).view(wanted)
    values = {
        "rising": np.sort(rising),
        "falling": np.sort(rising)[::-1],
        "rotated": np.roll(np.sort(rising), size // 3),
        "organ": np.concatenate([np.arange(size // 2), np.arange(size - size // 2)[::-1]]) % 100,
        "last is least": np.where(np.arange(size) == size - 1, 0, 1 + rising // 64),
        "first is greatest": np.where(np.arange(size) == 0, 99, rising // 64),
        "two": random.integers(0, 2, size),
    }.get(name, np.ones(size))
    return values.astype(wanted).reshape(shape)


def _raw(x: np.ndarray) -> np.ndarray:
    """The bits, those of NaN as they are."""
    return np.ascontiguousarray(x).view(f"uint{8 * x.itemsize}")


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "float16", "uint8"])
def test_all_lengths_and_patterns(dtype: str, pattern: str) -> None:
    # The longest with one word for an element and with two: each with some patterns, and each
    # pattern with some of them; --full takes all.
    most = 1 << 20 if dtype in ("float32", "int64") else 20_000
    turn = PATTERNS.index(pattern)
    for number, length in enumerate(length for length in LENGTHS if length < most):
        if length > 100_000 and (number + turn) % 3 and count_of_examples(1) == 1:
            continue
        x = _pattern(pattern, (length,), dtype, seed=number)
        tensor = weft.asarray(x)
        for descending in (False, True):
            order = _order(x, 0, descending)
            message = f"{length} elements, descending={descending}"
            indices = weft.argsort(tensor, descending=descending)
            assert_same_bits(indices, order, message)
            ours = weft.sort(tensor, descending=descending).numpy()
            np.testing.assert_array_equal(_raw(ours), _raw(x[order]), message)


def test_random_shapes_axes_and_threads() -> None:
    random = np.random.default_rng(11)
    before = weft.get_num_threads()
    values_and_places = weft.jit(
        lambda x, axis, descending: (
            weft.sort(x, axis=axis, descending=descending),
            weft.argsort(x, axis=axis, descending=descending),
        )
    )
    try:
        for seed in range(120):
            rank = int(random.integers(1, 4))
            longest = (5000, 300, 40)[rank - 1]
            shape = tuple(int(random.integers(0, longest)) for _ in range(rank))
            axis, descending = int(random.integers(rank)), bool(random.integers(2))
            dtype = DTYPES[seed % len(DTYPES)]
            x = _pattern(PATTERNS[seed % len(PATTERNS)], shape, dtype, seed)
            order = _order(x, axis, descending)
            expected = _raw(np.take_along_axis(x, order, axis))
            tensor, message = weft.asarray(x), f"{shape} {dtype} axis {axis}, seed {seed}"
            for count in (1, 2, 4):
                weft.set_num_threads(count)
                both = values_and_places(tensor, axis, descending)
                alone = weft.sort(tensor, axis=axis, descending=descending)
                places = weft.argsort(tensor, axis=axis, descending=descending)
                for values in (both[0], alone):
                    np.testing.assert_array_equal(_raw(values.numpy()), expected, message)
                for indices in (both[1], places):
                    assert_same_bits(indices, order, message)
    finally:
        weft.set_num_threads(before)


def test_eager_and_jit_agree_and_one_kernel_gives_both() -> None:
    x = weft.asarray(_values((6, 501), "float32", few=True))
    both = eager_and_jit(lambda x: (weft.sort(x), weft.argsort(x), weft.argsort(x + 0)), x)
    assert_same_bits(both[1], both[2])
    function = weft.jit(lambda x: (weft.sort(x), weft.argsort(x)))
    function(x)
    assert len(list(function.profile(x))) == 1


def test_bits_do_not_depend_on_threads() -> None:
    x = weft.asarray(_values((2, 100_003), "float32", few=True))
    before = weft.get_num_threads()
    try:
        results = []
        for count in (1, 2, 4, 5):
            weft.set_num_threads(count)
            results.append((weft.sort(x), weft.argsort(x)))
    finally:
        weft.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [((9,), 0), ((4, 7), 0), ((4, 7), 1), ((3, 5, 2), 1)])
def test_gradients_are_those_of_pytorch(shape: tuple, axis: int, descending: bool) -> None:
    random = np.random.default_rng(3)
    x, weights = random.integers(0, 5, shape).astype(np.float32), random.standard_normal(shape)
    g = weights.astype(np.float32)
    theirs = torch.tensor(x, requires_grad=True)
    ordered = torch.sort(theirs, dim=axis, descending=descending, stable=True).values
    (ordered**2 * torch.tensor(g)).sum().backward()
    ours = weft.asarray(x).requires_grad_()
    values = weft.sort(ours, axis=axis, descending=descending)
    (values**2 * weft.asarray(g)).sum().backward()
    np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())
    compiled = weft.jit(
        weft.grad(lambda x: (weft.sort(x, axis=axis, descending=descending) ** 2 * g).sum())
    )
    np.testing.assert_array_equal(compiled(weft.asarray(x)).numpy(), theirs.grad.numpy())


def test_gradient_is_retained_and_given_up_by_both_results() -> None:
    x = weft.asarray(np.array([3.0, 1.0, 2.0], np.float32)).requires_grad_()
    indices = weft.argsort(x)
    assert not indices.requires_grad
    loss = weft.sort(x)[0] * 2
    loss.backward()
    assert x.grad.tolist() == [0.0, 2.0, 0.0]
    with pytest.raises(weft.WeftError, match="retain_graph"):
        loss.backward()


def test_errors_name_the_function() -> None:
    with pytest.raises(weft.OutOfBoundsError, match="sort: axis 1 is out of range"):
        weft.sort(weft.zeros(3), axis=1)
    with pytest.raises(weft.OutOfBoundsError, match="argsort: axis -1 is out of range"):
        weft.argsort(weft.zeros(()))
