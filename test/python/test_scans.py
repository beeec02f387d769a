"""Cumulative sums and products, over random shapes, axes and dtypes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, numpy_dtype, to_numpy

SHAPES = [
    (1,),
    (0,),
    (5,),
    (2047,),
    (2048,),
    (2049,),
    (9001,),
    (3, 41),
    (41, 3),
    (2, 0, 3),
    (0, 4),
    (1, 1),
    (3, 4100),
    (4100, 3),
    (2, 5003, 19),
    (4, 1, 33),
    (2, 3, 5, 7),
]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint64"]
NAMES = ["cumulative_sum", "cumulative_prod"]
CASES = [(shape, axis) for shape in SHAPES for axis in range(len(shape))]


def _values(shape: tuple[int, ...], dtype: str, near_one: bool = False) -> np.ndarray:
    random = np.random.default_rng(len(shape) + 7 * int(np.prod(shape)))
    if dtype == "bool":
        return random.random(shape) < 0.3
    if "float" in dtype:
        values = random.standard_normal(shape)
        return (1 + values / 4096 if near_one else values).astype(numpy_dtype(dtype))
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, endpoint=True, dtype=dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), CASES, ids=str)
def test_sums_are_as_near_as_so_many_roundings(shape: tuple, axis: int, dtype: str) -> None:
    x = _values(shape, dtype)
    result = eager_and_jit(lambda x: weft.cumulative_sum(x, axis=axis), weft.asarray(x))
    assert result.dtype.name == dtype
    assert result.shape == shape
    terms = x.astype(np.float64)
    exact = np.cumsum(terms, axis=axis)
    magnitude = np.cumsum(np.abs(terms), axis=axis)
    unit = UNIT_ROUNDOFF[dtype]
    sums = shape[axis] * min(unit, UNIT_ROUNDOFF["float32"]) * magnitude
    bound = sums + unit * (np.abs(exact) + sums) + (2.0**-25 if dtype == "float16" else 0)
    assert np.all(np.abs(to_numpy(result).astype(np.float64) - exact) <= bound)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), CASES, ids=str)
def test_products_are_as_near_as_so_many_roundings(shape: tuple, axis: int, dtype: str) -> None:
    x = _values(shape, dtype, near_one=True)
    result = eager_and_jit(lambda x: weft.cumulative_prod(x, axis=axis), weft.asarray(x))
    exact = np.cumprod(x.astype(np.float64), axis=axis)
    unit = UNIT_ROUNDOFF[dtype]
    growth = np.expm1(2 * shape[axis] * min(unit, UNIT_ROUNDOFF["float32"]))
    bound = (growth + 2 * unit) * np.abs(exact)
    assert np.all(np.abs(to_numpy(result).astype(np.float64) - exact) <= bound)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("shape", "axis"), CASES, ids=str)
def test_integers_are_combined_in_64_bits(shape: tuple, axis: int, name: str, dtype: str) -> None:
    x = _values(shape, dtype)
    reference = {"cumulative_sum": np.cumsum, "cumulative_prod": np.cumprod}[name]
    result = eager_and_jit(lambda x: getattr(weft, name)(x, axis=axis), weft.asarray(x))
    wide = np.uint64 if x.dtype.kind == "u" else np.int64
    assert_same_bits(result, reference(x, axis=axis, dtype=wide))
    own = getattr(weft, name)(weft.asarray(x), axis=axis, dtype="int32")
    assert_same_bits(own, reference(x.astype(np.int32), axis=axis, dtype=np.int32))


@pytest.mark.parametrize("name", NAMES)
def test_initial_value_comes_first(name: str) -> None:
    x = weft.asarray(np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3))
    first = {"cumulative_sum": 0, "cumulative_prod": 1}[name]
    for axis in (0, 1):
        result = getattr(weft, name)(x, axis=axis, include_initial=True)
        plain = getattr(weft, name)(x, axis=axis)
        head, rest = np.split(result.numpy(), [1], axis=axis)
        assert_same_bits(rest, plain)
        assert (head == first).all()


@pytest.mark.parametrize("name", NAMES)
def test_elementwise_operations_are_part_of_the_kernel(name: str) -> None:
    function = weft.jit(lambda x, y: weft.exp(getattr(weft, name)(x, axis=0)) + y)
    x, y = (weft.asarray(_values((50, 7), "float32") / 50) for _ in range(2))
    result = function(x, y)
    assert len(list(function.profile(x, y))) == 1
    assert_same_bits(result, weft.exp(getattr(weft, name)(x, axis=0)) + y)


def test_signs_of_zeros_and_values_beyond_numbers() -> None:
    x = np.array([-0.0, -0.0, 1.0, np.inf, -np.inf, 2.0], np.float32)
    with np.errstate(invalid="ignore"):
        assert_same_bits(weft.cumulative_sum(weft.asarray(x)), np.cumsum(x))
        assert_same_bits(weft.cumulative_prod(weft.asarray(x)), np.cumprod(x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("zeros", [0, 1, 3])
@pytest.mark.parametrize(("shape", "axis"), [((7,), 0), ((1,), 0), ((4, 9), 1), ((9, 4, 3), 0)])
def test_gradients_are_those_of_pytorch(name: str, zeros: int, shape: tuple, axis: int) -> None:
    random = np.random.default_rng(zeros)
    x = random.uniform(0.5, 1.5, shape)
    x.reshape(-1)[random.permutation(x.size)[:zeros]] = 0.0
    g = random.standard_normal(shape)
    theirs = torch.tensor(x, requires_grad=True)
    scan = {"cumulative_sum": torch.cumsum, "cumulative_prod": torch.cumprod}[name]
    (wanted,) = torch.autograd.grad(scan(theirs, axis), theirs, torch.tensor(g), create_graph=True)
    ours = weft.asarray(x, dtype="float64")
    total = weft.grad(
        lambda x: (getattr(weft, name)(x, axis=axis) * weft.asarray(g, dtype="float64")).sum()
    )
    np.testing.assert_allclose(total(ours).numpy(), wanted.detach().numpy(), rtol=1e-13, atol=1e-13)
    if name == "cumulative_prod" and x.size > 1:
        (second,) = torch.autograd.grad(wanted.sum(), theirs)
        again = weft.grad(lambda x: total(x).sum())(ours)
        np.testing.assert_allclose(again.numpy(), second.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_threads(name: str) -> None:
    x = weft.asarray(_values((3, 70001), "float32", near_one=True))
    y = weft.asarray(_values((70001, 5), "float32", near_one=True))
    before = weft.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            weft.set_num_threads(count)
            results.append((getattr(weft, name)(x, axis=1), getattr(weft, name)(y, axis=0)))
    finally:
        weft.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


def test_errors_name_the_function() -> None:
    x = weft.zeros((2, 3))
    with pytest.raises(weft.OptionError, match="cumulative_sum: axis must be given for a tensor"):
        weft.cumulative_sum(x)
    with pytest.raises(weft.OutOfBoundsError, match="cumulative_prod: axis 2 is out of range"):
        weft.cumulative_prod(x, axis=2)
