"""nn.utils and nn.init against PyTorch's."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from module_twins import array, assert_close, compare, twins
from numerics import assert_same_bits
from weft import nn
from weft.nn.utils import parametrizations, parametrize

U, TU = nn.utils, torch.nn.utils

#: PyTorch tells that some of its functions are old.
pytestmark = pytest.mark.filterwarnings("ignore")


def as_torch(x):
    return torch.tensor(np.asarray(x.detach()))


# Gradients -----------------------------------------------------------------------------------

ORDERS = st.sampled_from([1.0, 2.0, 3.0, 0.5, math.inf])


def with_gradients(make, gradients):
    parameters = []
    for gradient in gradients:
        parameter = make(np.zeros_like(gradient))
        parameter.grad = make(gradient)
        parameters.append(parameter)
    return parameters


@given(ORDERS, st.sampled_from([0.1, 5.0, 1e4]), st.booleans())
@settings(max_examples=15, deadline=None)
def test_clipping_by_norms_matches_torch(order, most, foreach):
    gradients = [array(3, 2), array(4, seed=1), array(1, seed=2, dtype="float64")]
    ours = with_gradients(weft.asarray, gradients)
    theirs = with_gradients(torch.tensor, gradients)
    total = U.clip_grad_norm_(ours, most, order, foreach=foreach)
    expected = TU.clip_grad_norm_(theirs, most, order)
    np.testing.assert_allclose(total.item(), expected.item(), rtol=1e-5)
    for x, y in zip(ours, theirs, strict=True):
        # PyTorch has the norm of float64 in float32 beside others.
        np.testing.assert_allclose(np.asarray(x.grad), y.grad.numpy(), rtol=1e-6)
    norm = U.get_total_norm([x.grad for x in ours], order)
    np.testing.assert_allclose(norm.item(), min(total.item(), most), rtol=1e-4)


def test_clipping_by_values_and_with_a_known_norm():
    ours = with_gradients(weft.asarray, [array(3, 2)])
    theirs = with_gradients(torch.tensor, [array(3, 2)])
    U.clip_grads_with_norm_(ours, 1.0, weft.asarray(4.0))
    TU.clip_grads_with_norm_(theirs, 1.0, torch.tensor(4.0))
    assert_close(ours[0].grad, theirs[0].grad, 1)
    U.clip_grad_value_(ours[0], 0.1, foreach=True)
    assert np.abs(np.asarray(ours[0].grad)).max() <= np.float32(0.1)
    assert U.clip_grad_norm_([weft.zeros(2)], 1.0).item() == 0.0


def test_norms_that_are_not_finite():
    parameters = with_gradients(weft.asarray, [np.array([math.inf, 1.0], np.float32)])
    with pytest.raises(weft.GradientError, match="inf, which is not finite"):
        U.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    with pytest.raises(weft.OptionError, match="number from 0 on"):
        U.get_total_norm([weft.ones(2)], -1.0)
    large = with_gradients(lambda x: weft.asarray(x).astype("float16"), [np.full(4, 6e4)])
    assert U.clip_grad_norm_(large, 1.0).item() == pytest.approx(1.2e5, rel=1e-3)


def test_parameters_become_a_vector_and_back():
    layer = nn.Linear(3, 2)
    vector = U.parameters_to_vector(layer.parameters())
    assert vector.shape == (8,)
    U.vector_to_parameters(weft.arange(8), layer.parameters())
    assert np.array_equal(layer.weight.detach(), np.arange(6).reshape(2, 3))
    assert np.array_equal(layer.bias.detach(), [6, 7])
    assert layer.weight.requires_grad
    with pytest.raises(weft.ShapeError, match=r"has shape \(3,\), but has to be \[8\]"):
        U.vector_to_parameters(weft.ones(3), layer.parameters())
    with pytest.raises(weft.DTypeError, match="is no tensor"):
        U.vector_to_parameters([1.0], layer.parameters())


# Layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_fused_layers_match_torch(bias, affine):
    def network(f, linear):
        layer = f.nn.Linear(3, 4, bias=bias) if linear else f.nn.Conv2d(3, 4, 2, bias=bias)
        norm = (f.nn.BatchNorm1d if linear else f.nn.BatchNorm2d)(4, affine=affine)
        return f.nn.Sequential(layer, norm)

    for linear in (False, True):
        ours, theirs = twins(lambda f, linear=linear: network(f, linear))
        shape = (5, 3) if linear else (5, 3, 3, 3)
        theirs(torch.tensor(array(*shape)))
        ours.load_state_dict(theirs.state_dict())
        name = "fuse_linear_bn_eval" if linear else "fuse_conv_bn_eval"
        with pytest.raises(weft.OptionError, match="have to be in evaluation"):
            getattr(U, name)(*ours)
        ours.eval()
        fused = getattr(U, name)(*ours)
        assert type(fused) is type(ours[0])
        assert fused is not ours[0]
        if affine:
            expected = getattr(TU, name)(*theirs.eval())
            assert_close(fused.weight.detach(), expected.weight, 16)
            assert_close(fused.bias.detach(), expected.bias, 16)
        x = weft.asarray(array(*shape))
        np.testing.assert_allclose(fused(x).detach(), ours(x).detach(), atol=1e-5)


def test_skipping_starting_values_draws_nothing():
    weft.random.seed(1)
    expected = np.asarray(weft.random.rand(3))
    weft.random.seed(1)
    layer = U.skip_init(nn.Linear, 3, 2, bias=False)
    assert layer.weight.shape == (2, 3)
    assert np.array_equal(weft.random.rand(3), expected)


# Computed weights ----------------------------------------------------------------------------

WEIGHTS = {
    "linear": (lambda f: f.nn.Linear(3, 4, dtype=f.float64), (2, 3), "weight"),
    "convolution": (lambda f: f.nn.Conv2d(3, 4, 2, dtype=f.float64), (2, 3, 3, 3), "weight"),
    "recurrent": (lambda f: f.nn.GRU(3, 4, dtype=f.float64), (2, 2, 3), "weight_hh_l0"),
}


def utilities(f):
    return U if f is weft else TU


def old_and_new(f, is_new):
    return utilities(f).parametrizations if is_new else utilities(f)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize(
    ("kind", "is_new"),
    # PyTorch's recurrent layers do not read a weight that the old way computes.
    [
        (kind, is_new)
        for kind in WEIGHTS
        for is_new in (False, True)
        if is_new or kind != "recurrent"
    ],
)
def test_weight_norm_matches_torch(kind, is_new, dim):
    make, shape, name = WEIGHTS[kind]
    ours, theirs = twins(lambda f: old_and_new(f, is_new).weight_norm(make(f), name, dim))
    compare(ours, theirs, [array(*shape, dtype="float64")], terms=64)
    clone = copy.deepcopy(ours)
    assert np.array_equal(getattr(clone, name).detach(), getattr(ours, name).detach())
    value = np.asarray(getattr(ours, name).detach())
    if is_new:
        parametrize.remove_parametrizations(ours, name)
    else:
        U.remove_weight_norm(ours, name)
    assert isinstance(getattr(ours, name), nn.Parameter)
    assert np.array_equal(getattr(ours, name).detach(), value)
    plain = {key for key, _ in make(weft).named_parameters()}
    assert {key for key, _ in ours.named_parameters()} == plain


def test_recurrent_layers_read_computed_weights():
    layer, x = nn.GRU(3, 4), weft.asarray(array(2, 2, 3))
    expected = np.asarray(layer(x)[0].detach())
    U.weight_norm(layer, "weight_hh_l0")
    np.testing.assert_allclose(layer(x)[0].detach(), expected, atol=1e-6)
    with weft.no_grad():
        layer.weight_hh_l0_g.zero_()
    assert not np.asarray(layer.weight_hh_l0.detach()).any()


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_spectral_norm_matches_torch(kind, is_new):
    make, shape, _ = WEIGHTS[kind]
    ours, theirs = twins(
        lambda f: old_and_new(f, is_new).spectral_norm(make(f), n_power_iterations=2)
    )
    x = array(*shape, dtype="float64")
    for _ in range(2):
        assert_close(ours(weft.asarray(x)).detach(), theirs(torch.tensor(x)), 256)
    for (name, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert_close(p, q, 256, name)
    ours.eval()
    theirs.eval()
    compare(ours, theirs, [x], terms=256)
    with weft.no_grad():
        for _ in range(40):
            ours.train()(weft.asarray(x))
        matrix = np.asarray(ours.weight.detach()).reshape(4, -1)
    assert np.linalg.svd(matrix)[1].max() == pytest.approx(1.0, abs=1e-3)
    if not is_new:
        U.remove_spectral_norm(ours)
        assert sorted(ours.state_dict()) == ["bias", "weight"]
        assert not ours._forward_pre_hooks


def test_compiled_training_of_computed_weights_equals_eager_to_the_bit():
    losses = []
    for compiled in (False, True):
        weft.random.seed(3)
        model = nn.Sequential(
            U.spectral_norm(nn.Linear(3, 4)),
            U.weight_norm(nn.Linear(4, 4)),
            parametrizations.spectral_norm(nn.Linear(4, 4)),
            parametrizations.weight_norm(nn.Linear(4, 2)),
        )
        optimizer = weft.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = weft.jit(step) if compiled else step
        losses.append([run(weft.asarray(array(2, 3))).item() for _ in range(4)])
        if compiled:
            assert run.stats()["traces"] == 1
    assert losses[0] == losses[1]


def test_mistakes_in_computed_weights_have_clear_errors():
    layer = U.weight_norm(nn.Linear(2, 2))
    with pytest.raises(weft.UnsupportedError, match="is computed from weight_g, weight_v by"):
        layer.weight = nn.Parameter(weft.ones(2, 2))
    for make, message in (
        (lambda: U.weight_norm(layer), "'weight' is computed already"),
        (lambda: U.weight_norm(nn.Linear(2, 2), "other"), "no parameter 'other'"),
        (lambda: U.remove_weight_norm(nn.Linear(2, 2)), "is not computed by weight_norm"),
        (lambda: U.remove_spectral_norm(layer), "is not computed by spectral_norm"),
        (lambda: U.spectral_norm(nn.Linear(2, 2), n_power_iterations=0), "has to be positive"),
        (lambda: U.weight_norm(nn.Linear(2, 2), dim=5), "out of range"),
    ):
        with pytest.raises(weft.WeftError, match=message):
            make()


# Parametrizations ----------------------------------------------------------------------------


def parametrization(f, kind):
    """Classes of either library."""

    class Symmetric(f.nn.Module):
        def forward(self, x):
            return f.triu(x) + f.triu(x, 1).T

    class Exponential(f.nn.Module):
        def forward(self, x):
            return f.exp(x)

        def right_inverse(self, value):
            return f.log(value)

    class Difference(f.nn.Module):
        def forward(self, more, less):
            return more - less

        def right_inverse(self, value):
            return f.relu(value), f.relu(-value)

    return {"symmetric": Symmetric, "exponential": Exponential, "difference": Difference}[kind]()


@pytest.mark.parametrize(
    "chosen", [["symmetric"], ["exponential"], ["difference"], ["symmetric", "exponential"]]
)
def test_parametrizations_match_torch(chosen):
    def build(f):
        layer = f.nn.Linear(3, 3, dtype=f.float64)
        if "exponential" in chosen:
            with f.no_grad():
                layer.weight.abs_().add_(0.1)
        for kind in chosen:
            library = utilities(f).parametrize
            assert (
                library.register_parametrization(layer, "weight", parametrization(f, kind)) is layer
            )
        return layer

    ours, theirs = twins(build)
    library = TU.parametrize
    assert parametrize.is_parametrized(ours)
    for name in ("weight", "bias"):
        assert parametrize.is_parametrized(ours, name) == library.is_parametrized(theirs, name)
    compare(ours, theirs, [array(2, 3, dtype="float64")], terms=64)
    value = np.asarray(ours.weight.detach())
    if chosen in (["exponential"], ["difference"]):
        ours.weight = weft.asarray(value * 2)
        np.testing.assert_allclose(ours.weight.detach(), value * 2, rtol=1e-12)
        value = np.asarray(ours.weight.detach())
    else:
        with pytest.raises(weft.UnsupportedError, match=r"has no right_inverse\(\)"):
            ours.weight = weft.asarray(value)
    clone = copy.deepcopy(ours)
    assert clone.parametrizations.weight is not ours.parametrizations.weight
    parametrize.remove_parametrizations(ours, "weight")
    library.remove_parametrizations(theirs, "weight")
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict()) == ["bias", "weight"]
    assert np.array_equal(ours.weight.detach(), value)
    assert not parametrize.is_parametrized(ours)
    if chosen != ["difference"]:
        original = np.asarray(clone.parametrizations.weight.original.detach())
        parametrize.remove_parametrizations(clone, "weight", leave_parametrized=False)
        assert np.array_equal(clone.weight.detach(), original)


def test_optimizers_keep_parameters_that_are_parametrized():
    layer = nn.Linear(3, 3)
    former = layer.weight
    parametrize.register_parametrization(layer, "weight", parametrization(weft, "symmetric"))
    assert layer.parametrizations.weight.original is former
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight is former


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x):
        self.calls.append(1)
        return x * 2


def test_cached_parametrizations_are_computed_once():
    layer, counted = nn.Linear(2, 2), Counted()
    parametrize.register_parametrization(layer, "weight", counted, unsafe=True)
    with parametrize.cached(), parametrize.cached():
        assert layer.weight is layer.weight
        assert len(counted.calls) == 1
    assert layer.weight is not layer.weight
    assert len(counted.calls) == 3

    def twice(x):
        with parametrize.cached():
            return layer(x) + layer(x)

    with parametrize.cached():
        eager = twice(weft.ones(1, 2))
        compiled = weft.jit(twice)(weft.ones(1, 2))
    assert_same_bits(eager.detach(), compiled.detach())


def test_compiled_functions_see_parametrizations():
    layer = nn.Linear(2, 2)
    compiled = weft.jit(lambda x: layer(x))
    x = weft.asarray([[1.0, 2.0]])

    def check():
        assert np.array_equal(compiled(x), layer(x).detach())

    check()
    parametrize.register_parametrization(layer, "weight", parametrization(weft, "symmetric"))
    check()
    with weft.no_grad():
        layer.parametrizations.weight.original.add_(1.0)
    check()
    assert compiled.stats()["traces"] == 2
    parametrize.remove_parametrizations(layer, "weight")
    check()
    U.weight_norm(layer)
    check()
    with weft.no_grad():
        layer.weight_g.mul_(2.0)
    check()
    U.remove_weight_norm(layer)
    check()


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = 2.0

    def forward(self, x):
        return x * self.factor


def test_compiled_functions_see_the_settings_of_parametrizations():
    layer, scaled = nn.Linear(2, 2, bias=False), Scaled()
    parametrize.register_parametrization(layer, "weight", scaled)
    compiled = weft.jit(lambda x: layer(x), strict=True)
    x = weft.ones(1, 2)
    first = np.asarray(compiled(x))
    scaled.factor = 4.0
    assert np.array_equal(compiled(x), first * 2)


class Narrowing(nn.Module):
    def forward(self, x):
        return x[:1]


def test_mistakes_in_parametrizations_have_clear_errors():
    layer = nn.Linear(2, 2)
    register = parametrize.register_parametrization
    for make, message in (
        (lambda: register(layer, "other", nn.Identity()), "no parameter or buffer 'other'"),
        (lambda: register(layer, "weight", Narrowing()), r"has shape \(1, 2\), but has to be"),
        (lambda: parametrize.remove_parametrizations(layer, "bias"), "is not parametrized"),
        (lambda: parametrize.ParametrizationList([], layer.weight), "needs a module"),
        (lambda: parametrizations.spectral_norm(layer, "other"), "no parameter or buffer 'other'"),
    ):
        with pytest.raises(weft.WeftError, match=message):
            make()
    assert isinstance(layer.weight, nn.Parameter)
    register(layer, "weight", parametrization(weft, "difference"))
    with pytest.raises(weft.OptionError, match="has 2 originals"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert register(nn.Linear(2, 2), "weight", Narrowing(), unsafe=True).weight.shape == (1, 2)


# Starting values -----------------------------------------------------------------------------


@given(st.sampled_from([(4, 2, 3), (2, 4, 3, 2), (6, 3, 1, 4, 5), (3, 3, 2)]), st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_dirac_matches_torch(shape, groups):
    ours, theirs = weft.ones(shape), torch.ones(shape)
    if shape[0] % groups:
        with pytest.raises(weft.ShapeError, match=f"divided by {groups}"):
            nn.init.dirac_(ours, groups)
        return
    assert nn.init.dirac_(ours, groups) is ours
    assert np.array_equal(ours, torch.nn.init.dirac_(theirs, groups).numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (70, 70), (40, 3, 3, 2), (33, 80)])
def test_orthogonal_matrices(shape, dtype):
    weft.random.seed(sum(shape))
    tensor = weft.zeros(shape, dtype=dtype)
    assert nn.init.orthogonal_(tensor, gain=3.0) is tensor
    matrix = np.asarray(tensor.astype("float64")).reshape(shape[0], -1) / 3
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    epsilon = weft.finfo(tensor.dtype).eps
    np.testing.assert_allclose(product, np.eye(len(product)), atol=16 * epsilon)


def test_orthogonal_matrices_are_uniform():
    """The first elements of both vectors are as far from 0 on average as those on a sphere."""
    weft.random.seed(0)
    drawn = np.array([np.asarray(nn.init.orthogonal_(weft.zeros(3, 3))) for _ in range(200)])
    assert np.abs(drawn.mean(0)).max() < 4 / np.sqrt(3 * 200)
    assert np.abs((drawn**2).mean(0) - 1 / 3).max() < 4 * np.sqrt(4 / 45 / 200)
    with pytest.raises(weft.ShapeError, match="at least 2 dimensions"):
        nn.init.orthogonal_(weft.zeros(3))


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 1.0])
def test_sparse_matrices(sparsity):
    weft.random.seed(0)
    tensor = nn.init.sparse_(weft.zeros(50, 40), sparsity, std=2.0)
    values = np.asarray(tensor)
    assert np.array_equal((values == 0).sum(0), [math.ceil(sparsity * 50)] * 40)
    if sparsity < 1:
        assert values[values != 0].std() == pytest.approx(2.0, rel=0.1)
    with pytest.raises(weft.ShapeError, match="a matrix is needed"):
        nn.init.sparse_(weft.zeros(3), 0.1)
    with pytest.raises(weft.OptionError, match=r"in \[0, 1\]"):
        nn.init.sparse_(weft.zeros(3, 3), 1.5)


def test_gains_match_torch():
    for name in ("linear", "conv3d", "conv_transpose2d", "tanh", "relu", "selu", "leaky_relu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
