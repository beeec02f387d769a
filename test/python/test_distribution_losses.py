"""Losses of elements and between distributions against PyTorch's: at kinks and extremes too."""

import math

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import UNIT_ROUNDOFF, assert_same_bits
from torch_comparison import assert_like_torch

nn, F, TF = weft.nn, weft.nn.functional, torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
REDUCTIONS = ["mean", "sum", "none"]
DTYPES = sorted(UNIT_ROUNDOFF)
SHAPES = [(), (4,), (0,), (2, 3)]


def inputs_of(name, shape, seed):
    """An input and a target in the domain of the loss."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(shape) * 2, rng.standard_normal(shape) * 2
    if name == "binary_cross_entropy":
        return rng.uniform(0.125, 0.875, shape), rng.uniform(0, 1, shape)
    if name == "binary_cross_entropy_with_logits":
        return x, rng.uniform(0, 1, shape)
    if name == "kl_div":
        return x, np.exp(y)
    if name == "poisson_nll_loss":
        return np.abs(x) + 0.25, np.abs(y) * 2
    return x, y


CASES = {
    "mse_loss": [{}],
    "l1_loss": [{}],
    "smooth_l1_loss": [{}, {"beta": 0.25}, {"beta": 0.0}, {"beta": 4.0}],
    "huber_loss": [{}, {"delta": 0.25}, {"delta": 4.0}],
    "binary_cross_entropy": [{}],
    "binary_cross_entropy_with_logits": [{}],
    "kl_div": [{}, {"log_target": True}],
    "poisson_nll_loss": [
        {},
        {"full": True},
        {"log_input": False, "eps": 2.0**-10},
        {"log_input": False, "full": True},
    ],
}
OPTIONS = [(name, options) for name, choices in CASES.items() for options in choices]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@given(st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.sampled_from(REDUCTIONS))
@settings(max_examples=12, deadline=None)
def test_losses(name, options, shape, dtype, reduction):
    assert_like_torch(
        lambda x, y: getattr(F, name)(x, y, reduction=reduction, **options),
        lambda x, y: getattr(TF, name)(x, y, reduction=reduction, **options),
        inputs_of(name, shape, len(shape)),
        dtype=dtype,
        roundings=32,
        size=8.0,
    )


def test_probabilities_at_their_limits():
    x = np.array([0.0, 0.0, 1.0, 1.0, 0.5, 1e-13, 1e-30, 1 - 1e-14, 0.0, 1.0])
    y = np.array([0.0, 1.0, 0.0, 1.0, 0.5, 0.5, 1.0, 0.25, 0.5, 0.5])
    # PyTorch has the 1e-12 in float32, also where the tensors are of float64.
    assert_like_torch(
        lambda x, y: F.binary_cross_entropy(x, y, reduction="none"),
        lambda x, y: TF.binary_cross_entropy(x, y, reduction="none"),
        [x],
        [y],
        roundings=UNIT_ROUNDOFF["float32"] / UNIT_ROUNDOFF["float64"],
    )
    # By the target they are the limited logarithms, where PyTorch's are infinite.
    target = weft.tensor(y, requires_grad=True)
    F.binary_cross_entropy(weft.asarray(x), target, reduction="sum").backward()
    np.testing.assert_array_equal(target.grad.numpy()[:4], [100.0, 100.0, -100.0, -100.0])
    for value in (-0.5, 1.5, math.nan):
        loss = F.binary_cross_entropy(weft.full((2,), value), weft.asarray([0.0, 1.0]))
        assert math.isnan(float(loss))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_probabilities_of_each_dtype(dtype):
    x, y = np.array([0.0, 1.0, 0.25, 0.75]), np.array([0.0, 1.0, 0.5, 0.125])
    assert_like_torch(
        lambda x: F.binary_cross_entropy(x, weft.asarray(y).astype(dtype)),
        lambda x: TF.binary_cross_entropy(x, torch.tensor(y)),
        [x],
        dtype=dtype,
        roundings=4,
    )


def test_second_derivatives_of_probabilities():
    x, y = np.array([0.25, 0.5, 0.875]), np.array([0.0, 0.5, 1.0])

    def slope(x):
        total = lambda x: F.binary_cross_entropy(x, weft.asarray(y), reduction="sum")  # noqa: E731
        return weft.grad(total)(x).sum()

    wanted = torch.tensor(x, requires_grad=True)
    total = TF.binary_cross_entropy(wanted, torch.tensor(y), reduction="sum")
    (first,) = torch.autograd.grad(total, wanted, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), wanted)
    # PyTorch adds 1e-12 to what it divides by.
    np.testing.assert_allclose(weft.grad(slope)(weft.asarray(x)).numpy(), second, rtol=1e-10)


@pytest.mark.parametrize("name", ["smooth_l1_loss", "huber_loss"])
def test_kinks_and_extremes(name):
    x = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 1e4, -1e4, 1e30, math.inf, -math.inf, math.nan])
    for dtype in ("float32", "float64"):
        assert_like_torch(
            lambda x: getattr(F, name)(x, weft.zeros_like(x), reduction="none"),
            lambda x: getattr(TF, name)(x, torch.zeros_like(x), reduction="none"),
            [x],
            dtype=dtype,
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weights_of_elements(name, reduction):
    rng = np.random.default_rng(1)
    x, y, weight = rng.standard_normal((3, 2, 3))
    for dtype in ("float64", "float16"):
        assert_like_torch(
            lambda x, y, w: getattr(F, name)(x, y, reduction=reduction, weight=w),
            lambda x, y, w: getattr(TF, name)(x, y, reduction=reduction, weight=w),
            [x, y, np.abs(weight) + 0.5],
            dtype=dtype,
            roundings=16,
        )
    with pytest.raises(weft.ShapeError, match=rf"{name}: the weight has shape \(3,\)"):
        getattr(F, name)(weft.ones(2, 3), weft.ones(2, 3), weight=weft.ones(3))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_broadcast_weights(name, reduction):
    x, y = inputs_of(name, (2, 3), 1)
    weight = np.array([0.5, 1.0, 2.0])
    options = {"reduction": reduction}
    assert_like_torch(
        lambda x, y, w: getattr(F, name)(x, y, w, **options),
        lambda x, y, w: getattr(TF, name)(x, y, w, **options),
        [x.clip(0.1, 0.9)],
        [y, weight],
        roundings=32,
    )


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_kl_div_of_batches(shape):
    x, y = inputs_of("kl_div", shape, 2)
    for log_target in (False, True):
        options = {"reduction": "batchmean", "log_target": log_target}
        assert_like_torch(
            lambda x, y: F.kl_div(x, y, **options),
            lambda x, y: TF.kl_div(x, y, **options),
            [x, y],
            roundings=32,
        )
    assert math.isnan(float(F.kl_div(weft.ones(0, 3), weft.ones(0, 3), reduction="batchmean")))


def test_kl_div_of_impossible_targets():
    x, y = np.array([-1.0, -2.0, -0.5]), np.array([0.0, 1.0, 0.0])
    assert_like_torch(F.kl_div, TF.kl_div, [x], [y])
    target = weft.tensor(y, requires_grad=True)
    F.kl_div(weft.asarray(x), target, reduction="sum").backward()
    np.testing.assert_allclose(target.grad.numpy(), [1.0, 3.0, 0.5])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("full", [False, True])
def test_gaussian(full, reduction, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 4, 3))
    options = {"full": full, "reduction": reduction, "eps": 2.0**-3}
    shapes = [(4, 3), (4,), (4, 1), (1, 3)] if dtype == "float64" else [(4, 1)]
    for shape in shapes:
        assert_like_torch(
            lambda x, y, v: F.gaussian_nll_loss(x, y, v, **options),
            lambda x, y, v: TF.gaussian_nll_loss(x, y, v, **options),
            [x, y, rng.uniform(0, 1, shape)],
            dtype=dtype,
            roundings=32,
            size=8.0,
        )


def test_gaussian_of_one_variance():
    x, y = np.random.default_rng(0).standard_normal((2, 5))
    for variance in (0.5, 0.0):
        assert_like_torch(
            lambda x, y: F.gaussian_nll_loss(x, y, variance),
            lambda x, y: TF.gaussian_nll_loss(x, y, variance),
            [x, y],
            roundings=32,
        )
    # A target that broadcasts.
    assert_like_torch(
        lambda x, y: F.gaussian_nll_loss(x, y, 0.5),
        lambda x, y: TF.gaussian_nll_loss(x, y, 0.5),
        [np.ones((2, 3)), np.zeros((2, 1))],
    )
    with pytest.raises(weft.OptionError, match="must not be negative"):
        F.gaussian_nll_loss(weft.ones(2), weft.ones(2), -1.0)
    negative = weft.asarray(np.array([-1.0, 1.0]))
    loss = F.gaussian_nll_loss(weft.ones(2), weft.ones(2), negative, reduction="none")
    assert list(np.isnan(loss.numpy())) == [True, False]
    with pytest.raises(weft.ShapeError, match="var has shape"):
        F.gaussian_nll_loss(weft.ones(2, 3), weft.ones(2, 3), weft.ones(1, 1))
    with pytest.raises(weft.ShapeError, match="var has shape"):
        F.gaussian_nll_loss(weft.ones(2, 3), weft.ones(2, 3), weft.ones(3))


# Modules and options -------------------------------------------------------------------------

MODULES = {
    "MSELoss": [{}],
    "L1Loss": [{"reduction": "sum"}],
    "SmoothL1Loss": [{}, {"beta": 0.5, "reduction": "none"}],
    "HuberLoss": [{}, {"delta": 0.5, "reduction": "sum"}],
    "BCELoss": [{}, {"weight": np.array([0.5, 2.0, 1.0])}],
    "BCEWithLogitsLoss": [{"weight": np.array([0.5, 2.0, 1.0]), "pos_weight": np.full(3, 2.0)}],
    "KLDivLoss": [{}, {"reduction": "batchmean", "log_target": True}],
    "PoissonNLLLoss": [{}, {"log_input": False, "full": True, "eps": 0.25}],
}
SETTINGS = [(name, options) for name, choices in MODULES.items() for options in choices]


def made(library, options, tensor):
    return {
        name: tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }


@pytest.mark.parametrize(("name", "options"), SETTINGS)
def test_module(name, options):
    ours = getattr(nn, name)(**made(nn, options, weft.asarray))
    theirs = getattr(torch.nn, name)(**made(torch.nn, options, torch.tensor))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(0)
    assert_like_torch(ours, theirs, list(rng.uniform(0.1, 0.9, (2, 2, 3))), roundings=32)


def test_gaussian_module():
    inputs = list(np.random.default_rng(0).uniform(0.1, 0.9, (3, 2, 3)))
    for options in ({}, {"full": True, "eps": 0.5, "reduction": "sum"}):
        ours, theirs = nn.GaussianNLLLoss(**options), torch.nn.GaussianNLLLoss(**options)
        assert_like_torch(ours, theirs, inputs, roundings=32)


def test_older_names_of_reductions():
    x, y = weft.asarray(np.array([1.0, 2.0])), weft.asarray(np.array([0.0, 0.0]))
    for size_average, reduce, expected in [
        (None, None, 1.5),
        (True, None, 1.5),
        (False, None, 3.0),
        (None, True, 1.5),
        (False, True, 3.0),
        (True, False, [1.0, 2.0]),
    ]:
        loss = F.l1_loss(x, y, size_average, reduce, "mean")
        assert_same_bits(loss, np.array(expected))
        assert_same_bits(nn.L1Loss(size_average, reduce)(x, y), np.array(expected))
    # Where earlier versions took the reduction.
    with pytest.raises(weft.DTypeError, match="L1Loss: size_average has to be a bool or None"):
        nn.L1Loss("sum")
    with pytest.raises(weft.DTypeError, match="cross_entropy: size_average has to be a bool"):
        F.cross_entropy(weft.ones(2, 3), weft.asarray([0, 1]), None, -100)


def ones(*shape):
    return weft.ones(shape)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.smooth_l1_loss(ones(2), ones(2), beta=-1.0), weft.OptionError, "beta is -1.0"),
        (lambda: F.huber_loss(ones(2), ones(2), delta=0.0), weft.OptionError, "delta is 0.0"),
        (lambda: F.kl_div(ones(2), ones(2), reduction="max"), weft.OptionError, '"batchmean"'),
        (lambda: F.mse_loss(ones(2), ones(2), reduction="batchmean"), weft.OptionError, '"none"'),
        (lambda: nn.KLDivLoss(reduction="max"), weft.OptionError, "KLDivLoss: reduction"),
        (lambda: nn.HuberLoss("max"), weft.OptionError, "HuberLoss: reduction"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", CASES)
def test_losses_do_not_broadcast(name):
    with pytest.raises(weft.ShapeError, match=f"{name}: .* have to be equal"):
        getattr(F, name)(ones(4, 1), ones(4))
    with pytest.raises(weft.DTypeError, match=f"{name}: .* has to be floating"):
        getattr(F, name)(weft.asarray([1, 2]), ones(2))
