"""Activations, and lengths and angles of vectors, against PyTorch's: at kinks and extremes too."""

import math

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits
from torch_comparison import assert_like_torch, to_float64

nn, F, TF = weft.nn, weft.nn.functional, torch.nn.functional

DTYPES = sorted(UNIT_ROUNDOFF)
KINKS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.5, 3.0, -3.0, 6.0, 20.0, 20.5]
EXTREMES = [1e-3, -1e-3, 30.0, -30.0, 88.0, -88.0, 3e4, -3e4, math.inf, -math.inf, math.nan]

#: PyTorch has these constants in float32, also where the tensor is of float64.
ROUNDED_CONSTANTS = {"hardsigmoid", "Hardsigmoid"}

#: Positional arguments after the input.
ELEMENTWISE = {
    "relu": [()],
    "relu6": [()],
    "hardtanh": [(), (-0.5, 2.5), (1.0, 1.0)],
    "hardsigmoid": [()],
    "hardswish": [()],
    "leaky_relu": [(), (0.25,)],
    "elu": [(), (0.7,)],
    "selu": [()],
    "celu": [(), (0.5,), (-2.0,)],
    "gelu": [()],
    "silu": [()],
    "mish": [()],
    "sigmoid": [()],
    "tanh": [()],
    "softplus": [(), (2.0, 5.0), (0.25, 100.0), (-2.0, 5.0)],
    "softsign": [()],
    "softshrink": [(), (0.0,), (3.0,)],
    "hardshrink": [(), (0.0,), (-1.0,)],
    "tanhshrink": [()],
    "threshold": [(0.5, 20.0), (-3.0, -1.0)],
    "logsigmoid": [()],
    "rrelu": [(), (0.25, 0.5)],
}
CASES = [(name, options) for name, choices in ELEMENTWISE.items() for options in choices]


def drawn(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).standard_normal(shape) * scale


def digits(name, dtype):
    """How many roundings of the dtype a result may be off by."""
    rounded = UNIT_ROUNDOFF["float32"] / UNIT_ROUNDOFF[dtype] if name in ROUNDED_CONSTANTS else 0
    return max(8, rounded)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_elementwise(name, options, dtype):
    x = np.concatenate([KINKS, EXTREMES, drawn(40, scale=4.0)])
    assert_like_torch(
        lambda x: getattr(F, name)(x, *options),
        lambda x: getattr(TF, name)(x, *options),
        [x],
        dtype=dtype,
        roundings=digits(name, dtype),
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_approximate_gelu(dtype):
    x = np.concatenate([KINKS, EXTREMES, drawn(40, scale=4.0)])
    both = [lambda x, f=f: f.gelu(x, approximate="tanh") for f in (F, TF)]
    assert_like_torch(*both, [x], dtype=dtype, size=4.0)
    with pytest.raises(weft.OptionError, match="gelu: approximate"):
        F.gelu(weft.ones(2), "sigmoid")


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 3, 4)])
def test_shapes(shape):
    for name in ("hardswish", "softshrink", "celu"):
        assert_like_torch(getattr(F, name), getattr(TF, name), [drawn(*shape)], dtype="float32")


INPLACE = [
    *("relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "leaky_relu", "elu", "selu"),
    *("celu", "silu", "mish", "rrelu", "threshold"),
]


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_changes_nothing(name):
    options = (0.5, 1.0) if name == "threshold" else ()
    x = weft.asarray(drawn(5))
    before = x.numpy().copy()
    result = getattr(F, name)(x, *options, inplace=True)
    assert_same_bits(result, getattr(F, name)(x, *options))
    assert_same_bits(x, before)


# Along a dimension ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.filterwarnings("ignore:Implicit dimension")
def test_softmax_chooses_the_dimension_of_torch(name, dtype):
    for shape in [(3,), (2, 3), (2, 3, 2), (2, 3, 1, 2)]:
        assert_like_torch(
            getattr(F, name), getattr(TF, name), [drawn(*shape)], dtype=dtype, roundings=16
        )
    x = weft.asarray([1, 2, 3])
    assert getattr(F, name)(x, 0).dtype == weft.float32
    assert getattr(F, name)(x, dim=0, dtype=weft.float64).dtype == weft.float64


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "dim"), [((4,), -1), ((2, 3), 0), ((2, 0), 1), ((3, 2, 6), -1)])
def test_glu(shape, dim, dtype):
    x = drawn(*shape, scale=3.0)
    assert_like_torch(lambda x: F.glu(x, dim), lambda x: TF.glu(x, dim), [x], dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "weights"),
    [((), 1), ((4,), 1), ((5, 3), 3), ((5, 3), 1), ((2, 3, 4), 3), ((0, 2), 2)],
)
def test_prelu(shape, weights, dtype):
    x, weight = drawn(*shape), np.linspace(0.25, 0.75, weights)
    x = np.where(np.abs(x) < 0.5, 0.0, x)
    assert_like_torch(F.prelu, TF.prelu, [x, weight], dtype=dtype, roundings=16)


def test_prelu_of_one_number():
    assert_like_torch(F.prelu, TF.prelu, [drawn(2, 3), np.array(0.25)])
    with pytest.raises(weft.ShapeError, match=r"prelu: the weight has shape \(2,\)"):
        F.prelu(weft.ones(2, 3), weft.ones(2))
    with pytest.raises(weft.ShapeError, match="each of 1 channels"):
        F.prelu(weft.ones(3), weft.ones(3))


# Lengths and angles --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, 0.5, math.inf])
def test_normalize(p, dtype):
    x = drawn(3, 4)
    x[1] = 0.0
    assert_like_torch(
        lambda x: F.normalize(x, p), lambda x: TF.normalize(x, p), [x], dtype=dtype, size=4.0
    )


def test_normalize_options():
    x = drawn(2, 3, 2)
    for dim in (0, -1, (0, 2)):
        assert_like_torch(
            lambda x: F.normalize(x, dim=dim), lambda x: TF.normalize(x, dim=dim), [x]
        )
    assert_like_torch(
        lambda x: F.normalize(x, eps=2.0), lambda x: TF.normalize(x, eps=2.0), [drawn(5, 3)]
    )
    with pytest.raises(weft.UnsupportedError, match="normalize: out="):
        F.normalize(weft.ones(2, 2), out=weft.ones(2, 2))
    with pytest.raises(weft.OptionError, match="ord has to be a number from 0"):
        F.normalize(weft.ones(2, 2), p=-1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shapes", "dim"),
    [
        (((4,), (4,)), 0),
        (((3, 4), (3, 4)), 1),
        (((3, 4), (1, 4)), 1),
        (((2, 3, 4), (3, 4)), -1),
        (((2, 3, 4), (1, 4)), 0),
        (((0, 4), (0, 4)), 1),
    ],
)
def test_cosine_similarity(shapes, dim, dtype):
    x, y = (drawn(*shape, seed=seed) for seed, shape in enumerate(shapes))
    assert_like_torch(
        lambda x, y: F.cosine_similarity(x, y, dim),
        lambda x, y: TF.cosine_similarity(x, y, dim),
        [x, y],
        dtype=dtype,
        roundings=16,
    )


def test_cosine_similarity_of_short_vectors():
    x, y = drawn(4, 3), drawn(4, 3, seed=1)
    x[0], x[1] = 0.0, x[1] * 1e-10
    for eps in (1e-8, 1.0):
        assert_like_torch(
            lambda x, y: F.cosine_similarity(x, y, 1, eps),
            lambda x, y: TF.cosine_similarity(x, y, 1, eps),
            [x, y],
            size=1e8,
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, math.inf])
def test_pairwise_distance(p, dtype):
    for shapes in (((4,), (4,)), ((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 3, 2), (1, 2))):
        x, y = (drawn(*shape, seed=seed) for seed, shape in enumerate(shapes))
        assert_like_torch(
            lambda x, y: F.pairwise_distance(x, y, p, eps=2.0**-6, keepdim=len(shapes[1]) == 1),
            lambda x, y: TF.pairwise_distance(x, y, p, eps=2.0**-6, keepdim=len(shapes[1]) == 1),
            [x, y],
            dtype=dtype,
            roundings=16,
            size=4.0,
        )


def test_distance_of_equal_vectors():
    assert_like_torch(F.pairwise_distance, TF.pairwise_distance, [drawn(2, 3), drawn(2, 3)])
    without = lambda f: lambda x, y: f.pairwise_distance(x, y, eps=0.0)  # noqa: E731
    assert_like_torch(without(F), without(TF), [drawn(2, 3), drawn(2, 3)])


# Random --------------------------------------------------------------------------------------


def seeded(function):
    weft.manual_seed(5)
    return function()


def test_rrelu_draws_a_slope_for_each_element():
    x = weft.asarray(-np.ones(4000))
    x.requires_grad = True
    result = seeded(lambda: F.rrelu(x, 0.2, 0.6, training=True))
    slopes = -to_float64(result)
    assert slopes.min() >= 0.2
    assert slopes.max() < 0.6
    # Of 4000 uniform numbers: within 5 standard deviations of the mean.
    assert abs(slopes.mean() - 0.4) < 5 * 0.4 / math.sqrt(12 * 4000)
    result.sum().backward()
    assert_same_bits(x.grad, slopes)
    compiled = seeded(lambda: weft.jit(lambda x: F.rrelu(x, 0.2, 0.6, True))(x.detach()))
    assert_same_bits(compiled, result.detach())
    positive = weft.asarray(np.array([0.5, 3.0]))
    assert_same_bits(F.rrelu(positive, training=True), positive)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gumbel_softmax(dtype):
    x = weft.asarray(drawn(3, 4, seed=2)).astype(dtype)
    x.requires_grad = True
    gradients = []
    for hard in (False, True):
        x.grad = None
        shares = seeded(lambda: F.gumbel_softmax(x, tau=0.7, hard=hard, dim=0))
        assert shares.dtype == dtype
        values = to_float64(shares)
        np.testing.assert_allclose(values.sum(0), np.ones(4), rtol=8 * UNIT_ROUNDOFF[dtype])
        assert not hard or set(values.ravel()) == {0.0, 1.0}
        compiled = weft.jit(lambda x: F.gumbel_softmax(x, tau=0.7, hard=hard, dim=0))
        assert_same_bits(seeded(lambda: compiled(x.detach())), shares.detach())
        (shares * weft.arange(3, dtype=dtype).reshape(3, 1)).sum().backward()
        gradients.append(x.grad)
    assert_same_bits(gradients[0], gradients[1])
    assert np.abs(to_float64(gradients[0])).max() > 0


def test_gumbel_softmax_draws_with_the_probabilities():
    logits = np.log([0.5, 0.3, 0.2])
    rows = weft.asarray(np.broadcast_to(logits, (6000, 3)).copy())
    counts = seeded(lambda: F.gumbel_softmax(rows, hard=True).sum(axis=0)).numpy()
    # Within 5 standard deviations of binomial counts.
    np.testing.assert_allclose(counts, [3000, 1800, 1200], atol=5 * math.sqrt(6000 / 4))


# Modules -------------------------------------------------------------------------------------

MODULES = {
    "ReLU": [{}, {"inplace": True}],
    "ReLU6": [{}, {"inplace": True}],
    "Hardtanh": [{}, {"min_val": -2.0, "max_val": 0.5, "inplace": True}],
    "Hardsigmoid": [{}],
    "Hardswish": [{}],
    "LeakyReLU": [{}, {"negative_slope": 0.25, "inplace": True}],
    "ELU": [{}, {"alpha": 0.5, "inplace": True}],
    "SELU": [{}],
    "CELU": [{"alpha": 0.5}],
    "GELU": [{}, {"approximate": "tanh"}],
    "SiLU": [{"inplace": True}],
    "Mish": [{}],
    "Sigmoid": [{}],
    "Tanh": [{}],
    "Softplus": [{}, {"beta": 2.0, "threshold": 1.0}],
    "Softsign": [{}],
    "Softshrink": [{}, {"lambd": 1.0}],
    "Hardshrink": [{"lambd": 1.0}],
    "Tanhshrink": [{}],
    "Threshold": [{"threshold": 0.5, "value": -1.0}],
    "LogSigmoid": [{}],
    "GLU": [{}, {"dim": 1}],
    "PReLU": [{}, {"num_parameters": 4, "init": 0.5}],
    "RReLU": [{}, {"lower": 0.25, "upper": 0.5, "inplace": True}],
    "Softmax": [{}, {"dim": 1}],
    "LogSoftmax": [{}, {"dim": 0}],
    "Softmin": [{}, {"dim": -1}],
    "Softmax2d": [{}],
}
SETTINGS = [(name, options) for name, choices in MODULES.items() for options in choices]


@pytest.mark.parametrize(("name", "options"), SETTINGS)
@pytest.mark.filterwarnings("ignore:Implicit dimension")
def test_module(name, options):
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.double().eval()
    theirs.eval()

    def forward(x):
        # In place PyTorch's would write a leaf.
        return theirs(x.clone())

    assert_like_torch(ours, forward, [drawn(2, 4, 4, 2)], roundings=digits(name, "float64"))


def test_modules_of_two_vectors():
    inputs = [drawn(3, 4), drawn(3, 4, seed=1)]
    for name, options in (
        ("CosineSimilarity", {}),
        ("CosineSimilarity", {"dim": 0, "eps": 1e-3}),
        ("PairwiseDistance", {}),
        ("PairwiseDistance", {"p": 1.0, "eps": 0.5, "keepdim": True}),
    ):
        ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
        assert repr(ours) == repr(theirs)
        assert_like_torch(ours, theirs, inputs)


def test_prelu_module_learns_and_loads():
    module = nn.PReLU(3, init=0.1, dtype=weft.float64)
    assert_same_bits(module.weight.detach(), np.full(3, 0.1))
    module(weft.asarray(-np.ones((2, 3)))).sum().backward()
    assert_same_bits(module.weight.grad, np.full(3, -2.0))
    twin = torch.nn.PReLU(3, dtype=torch.float64)
    module.load_state_dict({name: x.numpy() for name, x in twin.state_dict().items()})
    assert_same_bits(module.weight.detach(), np.full(3, 0.25))
    module.reset_parameters()
    assert_same_bits(module.weight.detach(), np.full(3, 0.1))


def test_rrelu_module_draws_in_training_alone():
    module = nn.RReLU(0.1, 0.9)
    x = weft.asarray(-np.ones(5))
    drawn_ = to_float64(module(x))
    assert len(set(drawn_)) == 5
    assert len(set(to_float64(module.eval()(x)))) == 1


def test_compiled_functions_see_settings():
    module, x = nn.ELU(1.0), weft.asarray(np.array([-1.0, 2.0]))
    compiled = weft.jit(lambda x: module(x))
    for alpha in (1.0, 3.0):
        module.alpha = alpha
        assert_same_bits(compiled(x), F.elu(x, alpha))


# Errors --------------------------------------------------------------------------------------


def ones(*shape):
    return weft.ones(shape)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.hardtanh(ones(2), 2.0, 1.0), weft.OptionError, "min_val 2.0 is above"),
        (lambda: nn.Hardtanh(1.0, 1.0), weft.OptionError, "has to be below"),
        (lambda: F.softshrink(ones(2), -1.0), weft.OptionError, "must not be negative"),
        (lambda: F.celu(ones(2), 0.0), weft.OptionError, "other than 0"),
        (lambda: F.rrelu(ones(2), 0.5, 0.25), weft.OptionError, "lower 0.5 is above"),
        (lambda: F.glu(ones(3)), weft.ShapeError, "odd size"),
        (lambda: F.glu(ones()), weft.OutOfBoundsError, "glu"),
        (lambda: nn.Softmax2d()(ones(2, 3)), weft.ShapeError, "Softmax2d"),
        (lambda: F.gumbel_softmax(ones(2), dim=1), weft.OutOfBoundsError, "gumbel_softmax"),
        (lambda: F.cosine_similarity(ones(2), ones(3), 0), weft.ShapeError, "broadcast"),
        (lambda: F.pairwise_distance(ones(2), ones(3)), weft.ShapeError, "broadcast"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "name",
    [name for name in ELEMENTWISE if name not in ("relu", "sigmoid", "tanh", "gelu", "silu")],
)
def test_integers_are_refused(name):
    options = ELEMENTWISE[name][0]
    with pytest.raises(weft.DTypeError, match=f"{name}: .* has dtype int64"):
        getattr(F, name)(weft.asarray([1, 2]), *options)
