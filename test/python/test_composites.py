"""Named compositions: softmax, normalisations, losses, dropout, attention."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, to_numpy
from scipy import special
from weft.nn import functional as F

_NN = torch.nn.functional


def _random(*shape: int, dtype: str = "float64", scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(sum(shape)).standard_normal(shape) * scale).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (3, 10), (5, 1000), (2, 3, 17), (0, 4)])
@pytest.mark.parametrize("axis", [0, -1])
def test_softmax(shape: tuple[int, ...], axis: int, dtype: str) -> None:
    if shape[axis] == 0:
        return
    x = _random(*shape, dtype=dtype, scale=10)
    exact = special.softmax(x.astype(np.float64), axis=axis)
    actual = to_numpy(eager_and_jit(lambda t: weft.softmax(t, axis), weft.asarray(x)))
    # An exponent of at most 80 is off by 80 roundings, the exponential by 4, the sum by its terms.
    relative = (80 + 4 + shape[axis]) * UNIT_ROUNDOFF[dtype]
    np.testing.assert_allclose(actual, exact, rtol=relative, atol=1e-37)
    logarithm = to_numpy(eager_and_jit(lambda t: weft.log_softmax(t, axis), weft.asarray(x)))
    np.testing.assert_allclose(
        logarithm, special.log_softmax(x.astype(np.float64), axis=axis), rtol=0, atol=relative
    )


def test_softmax_of_extremes() -> None:
    x = np.array([[1e4, -1e4, 1e4], [-np.inf, 0, 0], [3e38, -3e38, 0]], np.float32)
    actual = to_numpy(eager_and_jit(weft.softmax, weft.asarray(x)))
    assert_same_bits(actual, np.array([[0.5, 0, 0.5], [0, 0.5, 0.5], [1, 0, 0]], np.float32))
    assert weft.softmax(weft.asarray(np.array([1, 2]))).dtype == weft.float32


# Ours, PyTorch's, and the shapes of the inputs.
_AGAINST_TORCH: dict[str, tuple[Callable, Callable, list[tuple[int, ...]]]] = {
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, (33,), w, b),
        lambda x, w, b: _NN.layer_norm(x, (33,), w, b),
        [(5, 33), (33,), (33,)],
    ),
    "layer_norm_of_two": (
        lambda x: F.layer_norm(x, (4, 5), eps=1e-3),
        lambda x: _NN.layer_norm(x, (4, 5), eps=1e-3),
        [(3, 4, 5)],
    ),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        lambda x, w, b: _NN.batch_norm(x, None, None, w, b, training=True),
        [(6, 3, 4, 5), (3,), (3,)],
    ),
    "linear": (F.linear, _NN.linear, [(2, 3, 7), (5, 7), (5,)]),
    "gelu": (weft.gelu, _NN.gelu, [(4, 9)]),
    "silu": (weft.silu, _NN.silu, [(4, 9)]),
    "softplus": (weft.softplus, _NN.softplus, [(4, 9)]),
    "elu": (F.elu, _NN.elu, [(4, 9)]),
    "leaky_relu": (F.leaky_relu, _NN.leaky_relu, [(4, 9)]),
    "mse_loss": (F.mse_loss, _NN.mse_loss, [(4, 9), (4, 9)]),
    "l1_loss": (F.l1_loss, _NN.l1_loss, [(4, 9), (4, 9)]),
    "binary_cross_entropy": (
        lambda x, y: F.binary_cross_entropy_with_logits(x, weft.sigmoid(y)),
        lambda x, y: _NN.binary_cross_entropy_with_logits(x, torch.sigmoid(y)),
        [(4, 9), (4, 9)],
    ),
    "attention": (
        F.scaled_dot_product_attention,
        _NN.scaled_dot_product_attention,
        [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 6)],
    ),
    "causal_attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: _NN.scaled_dot_product_attention(q, k, v, is_causal=True),
        [(2, 6, 8), (2, 6, 8), (2, 6, 4)],
    ),
    "masked_attention": (
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m, scale=0.3),
        lambda q, k, v, m: _NN.scaled_dot_product_attention(q, k, v, m, scale=0.3),
        [(2, 6, 8), (2, 5, 8), (2, 5, 4), (6, 5)],
    ),
}


@pytest.mark.parametrize("name", _AGAINST_TORCH)
def test_values_and_gradients_are_pytorchs(name: str) -> None:
    ours, theirs, shapes = _AGAINST_TORCH[name]
    inputs = [_random(*shape) + 0.1 * i for i, shape in enumerate(shapes)]
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    expected = theirs(*leaves)
    cotangent = _random(*expected.shape)
    expected.backward(torch.tensor(cotangent))
    tensors = [weft.asarray(x) for x in inputs]
    value = eager_and_jit(ours, *tensors)
    slopes = eager_and_jit(
        lambda c, *a: weft.vjp(ours, *a)[1](c), weft.asarray(cotangent), *tensors
    )
    pairs = [(value, expected.detach()), *zip(slopes, (x.grad for x in leaves), strict=True)]
    for actual, exact in pairs:
        # Values and intermediate ones are below 100, and sums have at most 120 terms.
        np.testing.assert_allclose(
            to_numpy(actual), exact.numpy(), rtol=1e-12, atol=100 * 120 * 2.0**-53
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["softmax", "layer_norm", "gelu", "mean", "var"])
def test_half_precision_is_computed_in_float32(name: str, dtype: str) -> None:
    function = {
        "softmax": weft.softmax,
        "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
        "gelu": weft.gelu,
        "mean": lambda x: weft.mean(x, axis=(0, 2)),
        "var": lambda x: weft.var(x, axis=1),
    }[name]
    x = weft.asarray(_random(4, 7, 9, dtype="float32")).astype(dtype)
    wide = function(x.astype("float32")).astype(dtype)
    assert_same_bits(eager_and_jit(function, x), wide)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_cross_entropy(reduction: str, smoothing: float, dtype: str) -> None:
    logits = _random(7, 5, scale=3)
    target = np.random.default_rng(0).integers(0, 5, 7).astype(dtype)
    expected = _NN.cross_entropy(
        torch.tensor(logits),
        torch.tensor(target.astype(np.int64)),
        reduction=reduction,
        label_smoothing=smoothing,
    )
    actual = eager_and_jit(
        lambda x, t: F.cross_entropy(x, t, reduction=reduction, label_smoothing=smoothing),
        weft.asarray(logits),
        weft.asarray(target),
    )
    np.testing.assert_allclose(to_numpy(actual), expected.numpy(), rtol=1e-13)


def test_cross_entropy_of_probabilities_and_of_one_row() -> None:
    logits, target = _random(7, 5), special.softmax(_random(7, 5, scale=2), axis=1)
    expected = _NN.cross_entropy(torch.tensor(logits), torch.tensor(target)).numpy()
    actual = F.cross_entropy(weft.asarray(logits), weft.asarray(target))
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-13)
    single = F.cross_entropy(weft.asarray(logits[0]), weft.asarray(np.int64(3)))
    np.testing.assert_allclose(
        to_numpy(single),
        _NN.cross_entropy(torch.tensor(logits[0]), torch.tensor(3)).numpy(),
        rtol=1e-13,
    )


def test_running_statistics() -> None:
    x = _random(6, 3, 4, 5, dtype="float32")
    for compiled in (False, True):
        mean, variance = weft.zeros(3), weft.ones(3)
        their_mean, their_variance = torch.zeros(3), torch.ones(3)

        def step(t: weft.Tensor, m: weft.Tensor = mean, v: weft.Tensor = variance) -> weft.Tensor:
            return F.batch_norm(t, m, v, training=True, momentum=0.2)

        run = weft.jit(lambda t: step(t)) if compiled else step
        for _ in range(2):
            run(weft.asarray(x))
            _NN.batch_norm(torch.tensor(x), their_mean, their_variance, training=True, momentum=0.2)
        # 120 terms of at most 4, in float32.
        np.testing.assert_allclose(to_numpy(mean), their_mean.numpy(), atol=120 * 4 * 2.0**-24)
        np.testing.assert_allclose(
            to_numpy(variance), their_variance.numpy(), atol=120 * 16 * 2.0**-24
        )
    evaluated = F.batch_norm(weft.asarray(x), mean, variance)
    expected = _NN.batch_norm(torch.tensor(x), their_mean, their_variance).numpy()
    np.testing.assert_allclose(to_numpy(evaluated), expected, atol=1e-4)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_dropout_keeps_the_share_asked_for(p: float, compiled: bool) -> None:
    count = 100_000
    function = weft.jit(lambda x: F.dropout(x, p)) if compiled else lambda x: F.dropout(x, p)
    weft.manual_seed(1)
    first, second = (to_numpy(function(weft.ones(count))) for _ in range(2))
    for drawn in (first, second):
        kept = drawn != 0
        # Five standard deviations of a binomial distribution: fails once in two million seeds.
        assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / count)
        np.testing.assert_allclose(drawn[kept], 1 / (1 - p), rtol=2.0**-22)
    assert (first != second).any()
    weft.manual_seed(1)
    assert_same_bits(function(weft.ones(count)), first)


def test_dropout_without_chance() -> None:
    x = weft.asarray(_random(5, 5))
    assert_same_bits(F.dropout(x, 0.0), x)
    assert_same_bits(F.dropout(x, 0.5, training=False), x)
    assert not to_numpy(F.dropout(x, 1.0)).any()
    with pytest.raises(weft.ShapeError, match="probability"):
        F.dropout(x, 1.5)


def test_the_gradient_of_dropout_has_its_mask() -> None:
    x = weft.ones(1000)
    weft.manual_seed(3)
    value, slope = weft.value_and_grad(lambda t: weft.sum(F.dropout(t, 0.5) * t))(x)
    dropped = to_numpy(slope) == 0
    assert 400 < dropped.sum() < 600
    np.testing.assert_array_equal(to_numpy(slope)[~dropped], 4.0)
    assert float(value) == 2.0 * (~dropped).sum()
