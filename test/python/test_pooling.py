"""Pooling against PyTorch, forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, numpy_dtype, to_numpy
from random_programs import count_of_examples
from weft.nn import functional as F

# Shape, window, stride (None: the window), padding.
CASES = [
    ((2, 3, 8, 8), 2, None, 0),
    ((2, 3, 9, 7), 2, None, 0),
    ((1, 5, 9, 7), 3, 2, 1),
    ((2, 1, 6, 6), (2, 3), (1, 2), (1, 0)),
    ((1, 2, 5, 5), 5, 1, 2),
    ((1, 2, 7, 7), 2, 3, 0),
    ((3, 33, 4, 4), 1, 1, 0),
    ((1, 1, 20, 20), 17, 1, 8),
    ((0, 3, 4, 4), 2, None, 0),
]


def _random(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def _both(ours: Callable, theirs: Callable, case: tuple, dtype: str) -> list[tuple]:
    """Pairs of our and PyTorch's results and gradients."""
    shape, window, stride, padding = case
    x = _random(shape, dtype)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf, window, stride, padding)
    cotangent = _random(tuple(expected.shape), dtype)
    expected.backward(torch.tensor(cotangent))

    def pool(t: weft.Tensor) -> weft.Tensor:
        return ours(t, window, stride, padding)

    actual = eager_and_jit(pool, weft.asarray(x))
    back = eager_and_jit(
        lambda t, c: weft.vjp(pool, t)[1](c)[0], weft.asarray(x), weft.asarray(cotangent)
    )
    return [(actual, expected.detach().numpy()), (back, leaf.grad.numpy())]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_max_pooling(case: tuple, dtype: str) -> None:
    (actual, expected), (back, expected_back) = _both(
        F.max_pool2d, torch.nn.functional.max_pool2d, case, dtype
    )
    assert_same_bits(actual, expected)
    # Overlapping windows add up in the order of the windows, in PyTorch too; one addition for each
    # window that an element is the largest of.
    tolerance = 400 * np.finfo(dtype).eps
    np.testing.assert_allclose(to_numpy(back), expected_back, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_average_pooling(case: tuple, dtype: str) -> None:
    # At most 17 * 17 terms below 4, divided by their number: the error is that of their mean.
    tolerance = 300 * np.finfo(dtype).eps
    for actual, expected in _both(F.avg_pool2d, torch.nn.functional.avg_pool2d, case, dtype):
        np.testing.assert_allclose(to_numpy(actual), expected, rtol=tolerance, atol=4 * tolerance)


def _largest_of_windows(x: np.ndarray, window: int, stride: int) -> np.ndarray:
    """The first of the largest elements of each window, a NaN being the largest."""
    views = np.lib.stride_tricks.sliding_window_view(x, (window, window), (2, 3))
    views = views[:, :, ::stride, ::stride].reshape(*x.shape[:2], *_outputs(x, window, stride), -1)
    first = np.argmax(views.astype(np.float64), -1)
    return np.take_along_axis(views, first[..., None], -1)[..., 0]


def _outputs(x: np.ndarray, window: int, stride: int) -> tuple[int, ...]:
    return tuple((size - window) // stride + 1 for size in x.shape[2:])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_equals_zeros_of_both_signs_and_nans(dtype: str) -> None:
    """The value is that of the first of the largest, alone and where its place is wanted too."""
    generator = np.random.default_rng(8)
    few = [-0.0, 0.0, 1, -1, np.inf, -np.inf, np.nan]
    for _ in range(count_of_examples(12)):
        window, stride = (int(n) for n in generator.integers(1, 5, 2))
        shape = (int(generator.integers(1, 3)), int(generator.choice([1, 3, 16, 33])))
        shape += tuple(int(window + n) for n in generator.integers(0, 9, 2))
        x = generator.choice(few, shape, p=[*[0.96 / 6] * 6, 0.04]).astype(numpy_dtype(dtype))

        def pool(t: weft.Tensor, window: int = window, stride: int = stride) -> weft.Tensor:
            return F.max_pool2d(t, window, stride)

        expected = _largest_of_windows(x, window, stride)
        assert_same_bits(eager_and_jit(pool, weft.asarray(x)), expected, f"{shape} {window}")
        value, _ = weft.jit(lambda t, pool=pool: _value_and_gradient(pool, t))(weft.asarray(x))
        assert_same_bits(value, expected, f"{shape} {window} beside the gradient")


def _value_and_gradient(pool: Callable, x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
    value, pullback = weft.vjp(pool, x)
    return value, pullback(weft.ones_like(value))[0]


def test_the_first_of_equals_gets_the_gradient() -> None:
    x = np.ones((1, 1, 4, 4))
    leaf = torch.tensor(x, requires_grad=True)
    torch.nn.functional.max_pool2d(leaf, 2).sum().backward()
    actual = weft.grad(lambda t: weft.sum(F.max_pool2d(t, 2)))(weft.asarray(x))
    assert_same_bits(actual, leaf.grad.numpy())


def test_nan_and_infinity() -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 0, 0], x[0, 0, 3, 3] = np.nan, -np.inf
    x[0, 0, 2:, :2] = -np.inf
    expected = torch.nn.functional.max_pool2d(torch.tensor(x), 2, 2, 1).numpy()
    assert_same_bits(eager_and_jit(lambda t: F.max_pool2d(t, 2, 2, 1), weft.asarray(x)), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_averaged_in_float32(dtype: str) -> None:
    x = weft.asarray(_random((2, 3, 6, 6), "float32")).astype(dtype)
    wide = F.avg_pool2d(x.astype("float32"), 3)
    assert_same_bits(eager_and_jit(lambda t: F.avg_pool2d(t, 3), x), wide.astype(dtype))
    assert_same_bits(
        eager_and_jit(lambda t: F.max_pool2d(t, 3), x),
        F.max_pool2d(x.astype("float32"), 3).astype(dtype),
    )


def test_adaptive_average_pooling() -> None:
    x = _random((2, 3, 8, 6), "float64")
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.tensor(x), (4, 2)).numpy()
    actual = eager_and_jit(lambda t: F.adaptive_avg_pool2d(t, (4, 2)), weft.asarray(x))
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-14, atol=1e-15)
