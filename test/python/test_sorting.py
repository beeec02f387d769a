"""Sorting, over random shapes, axes, dtypes and many equal elements."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, numpy_dtype

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
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
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
        for count in (1, 2, 5):
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
