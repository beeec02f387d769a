"""The distributions that PyTorch has too, against PyTorch's: densities, moments, divergences.

Samples are tested by Kolmogorov and Smirnov against SciPy's distributions, and those of vectors and
matrices by what of them has a distribution that is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from scipy import special, stats
from torch import distributions as t
from weft import distributions as d
from weft import random

_ANY, _SCALE, _SHARE = (-3.0, 3.0), (0.3, 4.0), (0.05, 0.95)


class Row(NamedTuple):
    #: The ranges of the parameters.
    ranges: tuple[tuple[float, float], ...]
    #: SciPy's, where samples are compared with it.
    reference: Callable[..., Any] | None = None


def _kumaraswamy(a: float, b: float) -> Any:
    class Kumaraswamy:
        @staticmethod
        def cdf(x: np.ndarray) -> np.ndarray:
            return 1 - (1 - x**a) ** b

    return Kumaraswamy


def _continuous_bernoulli(p: float) -> Any:
    rate = np.log(p / (1 - p))

    class ContinuousBernoulli:
        @staticmethod
        def cdf(x: np.ndarray) -> np.ndarray:
            return np.expm1(rate * x) / np.expm1(rate)

    return ContinuousBernoulli


TABLE = {
    "Chi2": Row(((0.5, 9.0),), stats.chi2),
    "FisherSnedecor": Row(((0.5, 9.0), (4.5, 12.0)), stats.f),
    "GeneralizedPareto": Row(
        (_ANY, _SCALE, (-0.8, 0.4)), lambda m, s, k: stats.genpareto(k, loc=m, scale=s)
    ),
    "HalfCauchy": Row((_SCALE,), lambda s: stats.halfcauchy(scale=s)),
    "HalfNormal": Row((_SCALE,), lambda s: stats.halfnorm(scale=s)),
    "InverseGamma": Row(((2.5, 9.0), _SCALE), lambda a, b: stats.invgamma(a, scale=b)),
    "Kumaraswamy": Row((_SCALE, _SCALE), _kumaraswamy),
    "ContinuousBernoulli": Row((_SHARE,), _continuous_bernoulli),
    "Pareto": Row((_SCALE, (2.2, 6.0)), lambda s, a: stats.pareto(a, scale=s)),
    "Weibull": Row((_SCALE, (0.6, 4.0)), lambda s, k: stats.weibull_min(k, scale=s)),
    "VonMises": Row((_ANY, (0.05, 9.0)), lambda m, k: stats.vonmises(k, m)),
    "NegativeBinomial": Row(((0.5, 9.0), _SHARE)),
    "RelaxedBernoulli": Row(((0.3, 2.0), _SHARE)),
    # Those that were there before, whose supports and pairs are tested here.
    "Normal": Row((_ANY, _SCALE)),
    "LogNormal": Row(((-1.0, 1.0), (0.3, 1.0))),
    "Laplace": Row((_ANY, _SCALE)),
    "Cauchy": Row((_ANY, _SCALE)),
    "Gumbel": Row((_ANY, _SCALE)),
    "StudentT": Row(((2.5, 9.0), _ANY, _SCALE)),
    "Uniform": Row(((-3.0, 0.0), (0.5, 3.0))),
    "Exponential": Row((_SCALE,)),
    "Gamma": Row((_SCALE, _SCALE)),
    "Beta": Row((_SCALE, _SCALE)),
    "Bernoulli": Row((_SHARE,)),
    "Geometric": Row((_SHARE,)),
    "Poisson": Row(((0.1, 20.0),)),
}

NEW = list(TABLE)[:13]


@pytest.fixture(autouse=True)
def _wide_pytorch() -> Iterator[None]:
    """PyTorch makes some of its constants in its default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def _parameters(name: str, shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.uniform(*limits, shape)) for limits in TABLE[name].ranges]


def _ours(name: str, given: list[Any]) -> Any:
    return getattr(d, name)(*(weft.asarray(x) for x in given))


def _theirs(name: str, given: list[Any]) -> Any:
    return getattr(t, name)(*(torch.as_tensor(x) for x in given), validate_args=False)


def _close(found: Any, wanted: Any, rtol: float = 3e-11, what: str = "") -> None:
    """Sums of gamma functions' logarithms, good to 200 units, are compared."""
    found, wanted = to_numpy(found), np.asarray(wanted)
    assert found.shape == wanted.shape, what
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol, err_msg=what)


@pytest.mark.parametrize("shape", [(), (7,), (0,), (1, 3)])
@pytest.mark.parametrize("name", NEW)
def test_densities_and_moments(name: str, shape: tuple[int, ...]) -> None:
    given = _parameters(name, shape, 1)
    ours, theirs = _ours(name, given), _theirs(name, given)
    assert (ours.batch_shape, ours.event_shape) == (shape, ())
    torch.manual_seed(0)
    values = theirs.sample((5,)).numpy()
    found = eager_and_jit(
        lambda x, *p: getattr(d, name)(*p).log_prob(x),
        weft.asarray(values),
        *map(weft.asarray, given),
    )
    # PyTorch's Bessel functions have seven digits.
    _close(found, theirs.log_prob(torch.tensor(values)), 1e-6 if name == "VonMises" else 3e-11)
    if name == "VonMises":
        _close(found, stats.vonmises(given[1], given[0]).logpdf(values))
        _close(ours.variance, 1 - special.ive(1, given[1]) / special.ive(0, given[1]))
    for what in ("mean", "variance", "stddev"):
        if name not in ("RelaxedBernoulli", "HalfCauchy", "VonMises"):
            _close(getattr(ours, what), getattr(theirs, what), what=what)
    if name not in ("RelaxedBernoulli", "NegativeBinomial", "VonMises", "FisherSnedecor"):
        _close(ours.entropy(), theirs.entropy())
    assert bool(weft.all(ours.support.check(weft.asarray(values))))


@pytest.mark.parametrize("name", NEW)
def test_shares(name: str) -> None:
    given = _parameters(name, (50,), 3)
    ours, theirs = _ours(name, given), _theirs(name, given)
    torch.manual_seed(1)
    x = theirs.sample().numpy()
    share = np.random.default_rng(4).uniform(0.01, 0.99, 50)
    for what, argument in (("cdf", x), ("icdf", share)):
        try:
            getattr(ours, what)(weft.asarray(share))
        except weft.UnsupportedError:
            assert name in (*NEW[:2], "VonMises", "NegativeBinomial", "RelaxedBernoulli", NEW[5])
            continue
        if name == "Chi2":
            wanted = stats.chi2(*given).cdf(argument)
        elif name == "InverseGamma":
            wanted = stats.invgamma(given[0], scale=given[1]).cdf(argument)
        else:
            wanted = getattr(theirs, what)(torch.tensor(argument))
        _close(eager_and_jit(getattr(ours, what), weft.asarray(argument)), wanted, 1e-10)
    if name in (
        "GeneralizedPareto",
        "Pareto",
        "Weibull",
        "HalfNormal",
        "Kumaraswamy",
        "HalfCauchy",
    ):
        for value in (-50.0, 1e9):
            wanted = (
                stats.genpareto(given[2], given[0], given[1]).cdf(value)
                if name[0] == "G"
                else float(value > 0)
            )
            found = to_numpy(ours.cdf(weft.asarray(value, dtype="float64")))
            np.testing.assert_allclose(found, np.broadcast_to(wanted, 50), atol=1e-6)


@pytest.mark.parametrize("name", NEW)
def test_samples(name: str) -> None:
    """Of 20,000 the distribution at a level of 1e-6, or the moments to six deviations."""
    count = 20_000
    given = _parameters(name, (3,), 5)
    ours = _ours(name, given)
    drawn = ours.sample((count,), key=random.key(1))
    assert drawn.shape == (count, 3)
    assert drawn.dtype == "float64"
    assert not drawn.requires_grad
    assert bool(weft.all(ours.support.check(drawn)))
    assert_same_bits(drawn, ours.sample(count, key=random.key(1)))
    values = to_numpy(drawn)
    reference = TABLE[name].reference
    for i in range(3):
        if reference is not None:
            exact = reference(*(x[i] for x in given))
            sample = values[:, i]
            if name == "VonMises":
                # SciPy's angles begin pi below the mean.
                low = given[0][i] - np.pi
                sample = (sample - low) % (2 * np.pi) + low
            assert stats.kstest(sample, exact.cdf).pvalue > 1e-6
    if name == "NegativeBinomial":
        apart = np.abs(values.mean(0) - to_numpy(ours.mean))
        assert (apart < 6 * to_numpy(ours.stddev) / np.sqrt(count)).all()
    if name == "RelaxedBernoulli":
        # A logit times the temperature, less the logit of the probability, is logistic.
        for i in range(3):
            noise = stats.logistic.cdf(
                np.log(values[:, i] / (1 - values[:, i])) * given[0][i]
                - np.log(given[1][i] / (1 - given[1][i]))
            )
            inside = (noise > 1e-6) & (noise < 1 - 1e-6)
            assert stats.kstest(noise[inside], "uniform").pvalue > 1e-6
    draw = weft.jit(lambda dist, key: dist.sample((2,), key=key))
    assert_same_bits(draw(ours, random.key(3)), ours.sample((2,), key=random.key(3)))
    narrow = _ours(name, [x.astype("float32") for x in given])
    assert narrow.sample().dtype == "float32"


@pytest.mark.parametrize("name", NEW)
def test_gradients(name: str) -> None:
    """Of densities as PyTorch's; of samples where there are any."""
    given = _parameters(name, (5,), 6)
    torch.manual_seed(2)
    x = _theirs(name, given).sample()
    leaves = [torch.tensor(p, requires_grad=True) for p in given]
    wanted = torch.autograd.grad(_theirs(name, leaves).log_prob(x).sum(), leaves)
    function = lambda *p: weft.sum(getattr(d, name)(*p).log_prob(weft.asarray(x.numpy())))  # noqa: E731
    found = weft.grad(function, argnums=tuple(range(len(given))))(*map(weft.asarray, given))
    for one, other in zip(found, wanted):
        _close(one, other, 1e-5 if name == "VonMises" else 1e-9)
    ours, key = _ours(name, given), random.key(2)
    if not ours.has_rsample:
        with pytest.raises(weft.UnsupportedError, match="no rsample"):
            ours.rsample()
        return
    slope = weft.grad(lambda *p: weft.sum(getattr(d, name)(*p).rsample(key=key)), argnums=0)
    assert (to_numpy(slope(*map(weft.asarray, given))) != 0).all()
    mapped = weft.vmap(lambda *p: getattr(d, name)(*p[:-1]).log_prob(p[-1]))
    _close(mapped(*map(weft.asarray, given), weft.asarray(x.numpy())), ours.log_prob(x.numpy()))


@pytest.mark.parametrize("name", TABLE)
def test_slopes_of_samples_have_the_slope_of_the_mean(name: str) -> None:
    """For each parameter, to six deviations of 4,000 of them, where there are both moments."""
    given = [weft.asarray(p) for p in _parameters(name, (1,), 6)]
    ours, key, count = getattr(d, name)(*given), random.key(8), 4000
    if not ours.has_rsample or name in ("RelaxedBernoulli", "HalfCauchy", "Cauchy"):
        return
    draw = lambda *p: getattr(d, name)(*p).rsample((count,), key=key)  # noqa: E731
    mean = lambda *p: weft.sum(getattr(d, name)(*p).mean)  # noqa: E731
    for place in range(len(given)):
        slope = weft.grad(mean, argnums=place)(*given)
        along = [weft.full(p.shape, float(i == place), dtype=p.dtype) for i, p in enumerate(given)]
        slopes = to_numpy(weft.jvp(draw, given, along)[1])
        apart = abs(slopes.mean() - to_numpy(slope).item())
        assert apart <= 6 * slopes.std() / np.sqrt(count) + 1e-9, (place, apart)


def test_what_has_slopes_is_what_has_them_in_pytorch() -> None:
    """Of transformed distributions that depends on what is transformed."""
    compared = 0
    for name in torch.distributions.__all__:
        theirs, ours = getattr(torch.distributions, name), getattr(d, name, None)
        has_slopes = getattr(theirs, "has_rsample", None)
        are_classes = isinstance(has_slopes, bool) and isinstance(ours, type)
        if are_classes and not issubclass(ours, d.TransformedDistribution):
            assert ours.has_rsample == has_slopes, name
            compared += 1
    assert compared > 25


def test_every_divergence_of_pytorch() -> None:
    """All pairs of both libraries' formulas."""
    compared = 0
    for p, q in itertools.product(TABLE, TABLE):
        first, second = _parameters(p, (4,), 7), _parameters(q, (4,), 8)
        try:
            wanted = t.kl_divergence(_theirs(p, first), _theirs(q, second))
        except (NotImplementedError, AttributeError):
            continue
        try:
            found = d.kl_divergence(_ours(p, first), _ours(q, second))
        except weft.UnsupportedError as error:
            raise AssertionError(f"{p}, {q}") from error
        _close(found, wanted, 1e-9, f"{p}, {q}")
        compared += 1
    assert compared > 60


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ("Weibull", "Weibull"),
        ("InverseGamma", "InverseGamma"),
        ("HalfNormal", "Exponential"),
        ("LogNormal", "Gamma"),
        ("Weibull", "Gamma"),
        ("ContinuousBernoulli", "Exponential"),
        ("LogNormal", "Normal"),
    ],
)
def test_divergences_that_pytorch_lacks(p: str, q: str) -> None:
    """By 200,000 samples, to six deviations of their mean."""
    first, second = (_ours(n, _parameters(n, (4,), s)) for n, s in ((p, 7), (q, 8)))
    x = first.sample((200_000,), key=random.key(5))
    each = to_numpy(first.log_prob(x) - second.log_prob(x))
    found = to_numpy(d.kl_divergence(first, second))
    assert (np.abs(each.mean(0) - found) < 6 * each.std(0) / np.sqrt(200_000)).all()


# Vectors ------------------------------------------------------------------------------------------


def _positive(shape: tuple[int, ...], size: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(*shape, size, size))
    return x @ np.swapaxes(x, -1, -2) + np.eye(size)


@pytest.mark.parametrize("shape", [(), (2,), (2, 1)])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("given", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_normal_vectors(given: str, size: int, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    loc, matrix = generator.normal(size=(*shape, size)), _positive(shape, size, 1)
    matrix = np.linalg.cholesky(matrix) if given == "scale_tril" else matrix
    ours = d.MultivariateNormal(weft.asarray(loc), **{given: weft.asarray(matrix)})
    theirs = t.MultivariateNormal(torch.tensor(loc), **{given: torch.tensor(matrix)})
    assert (ours.batch_shape, ours.event_shape) == (shape, (size,))
    for what in ("mean", "variance", "covariance_matrix", "precision_matrix", "scale_tril"):
        _close(getattr(ours, what), getattr(theirs, what), 1e-10)
    x = generator.normal(size=(4, *shape, size))
    _close(
        eager_and_jit(lambda o, x: o.log_prob(x), ours, weft.asarray(x)),
        theirs.log_prob(torch.tensor(x)),
        1e-10,
    )
    _close(ours.entropy(), theirs.entropy())
    other = _positive(shape, size, 2)
    pair = [
        module.MultivariateNormal(make(loc + 1), covariance_matrix=make(other))
        for module, make in ((d, weft.asarray), (t, torch.tensor))
    ]
    _close(d.kl_divergence(ours, pair[0]), t.kl_divergence(theirs, pair[1]), 1e-10)
    assert ours.rsample((3,)).shape == (3, *shape, size)


def test_samples_of_normal_vectors() -> None:
    """Whitened, they are normal and uncorrelated."""
    matrix, loc = _positive((), 3, 3), np.array([1.0, -2.0, 0.5])
    factor = np.random.default_rng(1).normal(size=(3, 2))
    low_rank = d.LowRankMultivariateNormal(
        weft.asarray(loc), weft.asarray(factor), weft.asarray([0.5, 1.0, 2.0], dtype="float64")
    )
    full = d.MultivariateNormal(weft.asarray(loc), weft.asarray(matrix))
    for ours in (full, low_rank):
        x = to_numpy(ours.sample((20_000,), key=random.key(1))) - loc
        white = np.linalg.solve(np.linalg.cholesky(to_numpy(ours.covariance_matrix)), x.T)
        for row in white:
            assert stats.kstest(row, "norm").pvalue > 1e-6
        assert np.abs(np.corrcoef(white) - np.eye(3)).max() < 6 / np.sqrt(20_000)
    with pytest.raises(weft.OptionError, match="needs one of"):
        d.MultivariateNormal(weft.zeros(2))
    with pytest.raises(weft.ShapeError, match="not square"):
        d.MultivariateNormal(weft.zeros(2), weft.ones((2, 3)))
    slope = weft.grad(
        lambda m: weft.sum(
            d.MultivariateNormal(weft.zeros(3, dtype="float64"), m).rsample(key=random.key(0))
        )
    )
    assert (to_numpy(slope(weft.asarray(matrix))) != 0).any()


@pytest.mark.parametrize("shape", [(), (2,)])
def test_normal_vectors_of_low_rank(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    given = [
        [
            generator.normal(size=(*shape, 4)),
            generator.normal(size=(*shape, 4, 2)),
            generator.uniform(0.5, 2, (*shape, 4)),
        ]
        for _ in range(2)
    ]
    ours, other = (d.LowRankMultivariateNormal(*map(weft.asarray, one)) for one in given)
    theirs, pair = (t.LowRankMultivariateNormal(*map(torch.tensor, one)) for one in given)
    x = generator.normal(size=(3, *shape, 4))
    _close(ours.log_prob(weft.asarray(x)), theirs.log_prob(torch.tensor(x)), 1e-10)
    _close(ours.entropy(), theirs.entropy(), 1e-10)
    _close(ours.variance, theirs.variance)
    _close(ours.covariance_matrix, theirs.covariance_matrix)
    _close(d.kl_divergence(ours, other), t.kl_divergence(theirs, pair), 1e-9)
    full = d.MultivariateNormal(other.loc, other.covariance_matrix)
    _close(d.kl_divergence(ours, full), t.kl_divergence(theirs, pair), 1e-9)
    _close(d.kl_divergence(full, other), np.zeros(shape), 1e-9)


@pytest.mark.parametrize("dim", [2, 4])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_correlations(shape: tuple[int, ...], dim: int) -> None:
    concentration = np.random.default_rng(0).uniform(0.5, 3, shape)
    ours, theirs = (
        d.LKJCholesky(dim, weft.asarray(concentration)),
        t.LKJCholesky(dim, torch.tensor(concentration)),
    )
    assert (ours.batch_shape, ours.event_shape) == (shape, (dim, dim))
    torch.manual_seed(0)
    x = theirs.sample((4,))
    _close(ours.log_prob(weft.asarray(x.numpy())), theirs.log_prob(x), 1e-9)
    drawn = ours.sample((5,), key=random.key(1))
    assert drawn.shape == (5, *shape, dim, dim)
    assert bool(weft.all(ours.support.check(drawn)))
    with pytest.raises(weft.OptionError, match="at least 2"):
        d.LKJCholesky(1)


def test_samples_of_correlations() -> None:
    """Each correlation is beta distributed on [-1, 1] (Lewandowski and others, 2009)."""
    dim, concentration = 4, 1.5
    factor = to_numpy(
        d.LKJCholesky(dim, weft.asarray(concentration, dtype="float64")).sample(
            (20_000,), key=random.key(1)
        )
    )
    matrix = factor @ np.swapaxes(factor, -1, -2)
    a = concentration - 1 + dim / 2
    for i, j in itertools.combinations(range(dim), 2):
        assert stats.kstest((matrix[:, i, j] + 1) / 2, stats.beta(a, a).cdf).pvalue > 1e-6


@pytest.mark.parametrize("shape", [(), (2,)])
def test_wishart(shape: tuple[int, ...]) -> None:
    df, matrix = np.random.default_rng(0).uniform(4, 9, shape), _positive(shape, 3, 1)
    ours = d.Wishart(weft.asarray(df), weft.asarray(matrix))
    theirs = t.Wishart(torch.tensor(df), torch.tensor(matrix))
    for what in ("mean", "variance", "covariance_matrix"):
        _close(getattr(ours, what), getattr(theirs, what))
    _close(ours.entropy(), theirs.entropy(), 1e-10)
    x = _positive((2, *shape), 3, 4)
    _close(ours.log_prob(weft.asarray(x)), theirs.log_prob(torch.tensor(x)), 1e-10)
    drawn = ours.sample((20_000,), key=random.key(1))
    assert bool(weft.all(ours.support.check(drawn[:50])))
    # Its diagonal's elements, over the scale's, are chi squared.
    diagonal = to_numpy(weft.linalg.diagonal(drawn)).reshape(20_000, -1, 3)
    scale = np.diagonal(matrix, axis1=-2, axis2=-1).reshape(-1, 3)
    for i, j in itertools.product(range(scale.shape[0]), range(3)):
        exact = stats.chi2(df.reshape(-1)[i])
        assert stats.kstest(diagonal[:, i, j] / scale[i, j], exact.cdf).pvalue > 1e-6


# Counts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (2,), (1, 3)])
@pytest.mark.parametrize("by_logits", [False, True])
def test_vectors_of_counts(by_logits: bool, shape: tuple[int, ...]) -> None:
    weights = np.random.default_rng(0).uniform(0.1, 1, (*shape, 4))
    given = {"logits": np.log(weights)} if by_logits else {"probs": weights}
    ((name, array),) = given.items()
    for kind, count in (("Multinomial", (6,)), ("OneHotCategorical", ())):
        ours = getattr(d, kind)(*count, **{name: weft.asarray(array)})
        theirs = getattr(t, kind)(*count, **{name: torch.tensor(array)})
        assert (ours.batch_shape, ours.event_shape) == (shape, (4,))
        torch.manual_seed(0)
        x = theirs.sample((5,))
        _close(ours.log_prob(weft.asarray(x.numpy())), theirs.log_prob(x))
        _close(ours.mean, theirs.mean)
        _close(ours.variance, theirs.variance)
        _close(ours.entropy(), theirs.entropy())
        drawn = ours.sample((3,), key=random.key(1))
        assert (drawn.shape, drawn.dtype) == ((3, *shape, 4), "float64")
        assert bool(weft.all(ours.support.check(drawn)))
        impossible = ours.log_prob(weft.full(4, 0.5))
        assert bool(weft.all(impossible == -np.inf))
    other = d.OneHotCategorical(weft.asarray(weights[..., ::-1].copy()))
    pair = t.OneHotCategorical(torch.tensor(weights[..., ::-1].copy()))
    _close(d.kl_divergence(ours, other), t.kl_divergence(theirs, pair))


def test_samples_of_counts() -> None:
    weights = np.array([0.1, 0.2, 0.7])
    count = 20_000
    for ours, n in (
        (d.Multinomial(8, weft.asarray(weights)), 8),
        (d.OneHotCategorical(weft.asarray(weights)), 1),
    ):
        drawn = to_numpy(ours.sample((count,), key=random.key(1)))
        assert (drawn.sum(-1) == n).all()
        assert np.abs(drawn.mean(0) - n * weights).max() < 6 * np.sqrt(n / 4 / count)
        apart = np.abs(drawn.var(0) - n * weights * (1 - weights))
        assert apart.max() < 6 * n / np.sqrt(count)

    def straight(p: weft.Tensor) -> weft.Tensor:
        drawn = d.OneHotCategoricalStraightThrough(p).rsample(key=random.key(1))
        return weft.sum(drawn * weft.asarray([1.0, 2, 4]))

    slope = weft.grad(straight)(weft.asarray(weights.astype("float32")))
    np.testing.assert_allclose(slope, np.array([1, 2, 4]) - weights @ [1, 2, 4], rtol=1e-5)


# Distributions of others --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_mixtures(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    weights, loc, scale = (generator.uniform(0.2, 2, (*shape, 4)) for _ in range(3))
    ours = d.MixtureSameFamily(
        d.Categorical(weft.asarray(weights)), d.Normal(weft.asarray(loc), weft.asarray(scale))
    )
    theirs = t.MixtureSameFamily(
        t.Categorical(torch.tensor(weights)), t.Normal(torch.tensor(loc), torch.tensor(scale))
    )
    x = generator.normal(size=(5, *shape))
    for what in ("mean", "variance"):
        _close(getattr(ours, what), getattr(theirs, what))
    for what in ("log_prob", "cdf"):
        _close(
            eager_and_jit(lambda o, x, w=what: getattr(o, w)(x), ours, weft.asarray(x)),
            getattr(theirs, what)(torch.tensor(x)),
        )
    drawn = ours.sample((20_000,), key=random.key(1))
    share = to_numpy(ours.cdf(drawn)).reshape(20_000, -1)
    assert min(stats.kstest(column, "uniform").pvalue for column in share.T) > 1e-6
    vectors = d.MixtureSameFamily(
        d.Categorical(weft.asarray(weights)),
        d.Independent(
            d.Normal(weft.asarray(loc)[..., None] + weft.zeros(2, dtype="float64"), 1.0), 1
        ),
    )
    pair = t.MixtureSameFamily(
        t.Categorical(torch.tensor(weights)),
        t.Independent(
            t.Normal(torch.tensor(loc)[..., None] + torch.zeros(2, dtype=torch.float64), 1.0), 1
        ),
    )
    assert (vectors.batch_shape, vectors.event_shape) == (shape, (2,))
    x = generator.normal(size=(5, *shape, 2))
    _close(vectors.log_prob(weft.asarray(x)), pair.log_prob(torch.tensor(x)))
    _close(vectors.mean, pair.mean)
    _close(vectors.variance, pair.variance)
    assert vectors.sample((3,)).shape == (3, *shape, 2)
    with pytest.raises(weft.ShapeError, match="2 probabilities, but components"):
        d.MixtureSameFamily(d.Categorical(weft.ones(2)), d.Normal(weft.ones(3), 1.0))


def _pairs_of_transforms() -> dict[str, Callable[[Any, Callable], Any]]:
    return {
        "exp": lambda m, _: m.ExpTransform(),
        "affine": lambda m, a: m.AffineTransform(a(0.5), a(-2.0)),
        "affine_vectors": lambda m, a: m.AffineTransform(
            a([0.5, 1, 2]), a([1.0, 2, -3]), event_dim=1
        ),
        "sigmoid": lambda m, _: m.SigmoidTransform(),
        "tanh": lambda m, _: m.TanhTransform(),
        "softplus": lambda m, _: m.SoftplusTransform(),
        "power": lambda m, a: m.ComposeTransform([m.ExpTransform(), m.PowerTransform(a(1.5))]),
        "sticks": lambda m, _: m.StickBreakingTransform(),
        "correlations": lambda m, _: m.CorrCholeskyTransform(),
        "reshape": lambda m, _: m.ReshapeTransform((3,), (3, 1)),
        "independent": lambda m, _: m.IndependentTransform(m.ExpTransform(), 1),
        "stack": lambda m, _: m.StackTransform(
            [m.ExpTransform(), m.TanhTransform(), m.SigmoidTransform()], dim=-1
        ),
        "cat": lambda m, _: m.CatTransform(
            [m.ExpTransform(), m.TanhTransform()], dim=-1, lengths=[1, 2]
        ),
        "normal": lambda m, a: m.CumulativeDistributionTransform(
            (d if m is d else t).Normal(a(0.5), a(2.0))
        ),
        "several": lambda m, a: m.ComposeTransform(
            [
                m.AffineTransform(a(0.1), a(0.5)),
                m.StickBreakingTransform(),
                m.AffineTransform(0.0, 3.0, event_dim=1),
            ]
        ),
        "inverse": lambda m, _: m.ComposeTransform([m.ExpTransform(), m.SoftplusTransform().inv]),
    }


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 1, 3)])
@pytest.mark.parametrize("name", _pairs_of_transforms())
def test_transforms(name: str, shape: tuple[int, ...]) -> None:
    make = _pairs_of_transforms()[name]
    ours = make(d, lambda x: weft.asarray(x, dtype="float64"))
    theirs = make(t.transforms, lambda x: torch.tensor(x, dtype=torch.float64))
    x = np.random.default_rng(0).normal(size=shape)
    wanted = theirs(torch.tensor(x))
    found = eager_and_jit(lambda f, x: f(x), ours, weft.asarray(x))
    _close(found, wanted)
    _close(
        ours.log_abs_det_jacobian(weft.asarray(x), found),
        theirs.log_abs_det_jacobian(torch.tensor(x), wanted),
        1e-10,
    )
    _close(ours.inv(found), x, 1e-8)
    _close(
        ours.inv.log_abs_det_jacobian(found, weft.asarray(x)),
        -theirs.log_abs_det_jacobian(torch.tensor(x), wanted),
        1e-10,
    )
    assert ours.inv.inv is ours
    assert ours.with_cache() is ours
    assert ours.forward_shape(shape) == tuple(wanted.shape) == tuple(theirs.forward_shape(shape))
    assert ours.inverse_shape(wanted.shape) == shape
    if name != "stack":  # whose determinants PyTorch does not sum over what it calls one value
        assert ours.domain.event_dim == theirs.domain.event_dim
        assert ours.codomain.event_dim == theirs.codomain.event_dim
    assert ours.bijective == theirs.bijective
    assert bool(weft.all(ours.codomain.check(found)))
    if name in ("exp", "affine", "tanh", "power", "normal", "inverse"):
        assert float(ours.sign) == float(theirs.sign)


def test_transforms_without_determinants() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 3))
    for name in (
        "LowerCholeskyTransform",
        "PositiveDefiniteTransform",
        "SoftmaxTransform",
        "AbsTransform",
    ):
        ours, theirs = getattr(d, name)(), getattr(t, name)()
        found = eager_and_jit(lambda f, x: f(x), ours, weft.asarray(x))
        _close(found, theirs(torch.tensor(x)))
        _close(ours.inv(found), theirs.inv(theirs(torch.tensor(x))), 1e-9)
        assert bool(weft.all(ours.codomain.check(found)))
        with pytest.raises(weft.UnsupportedError, match=f"{name} has no log_abs_det"):
            ours.log_abs_det_jacobian(weft.asarray(x), found)
    assert_same_bits(d.identity_transform(weft.asarray(x)), x)
    with pytest.raises(weft.ShapeError, match="no triangle"):
        d.CorrCholeskyTransform()(weft.ones(4))
    with pytest.raises(weft.ShapeError, match="not of one size"):
        d.ReshapeTransform((2,), (3,))
    with pytest.raises(weft.ShapeError, match=r"not \(3,\)"):
        d.ReshapeTransform((3,), (1, 3))(weft.ones(4))


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize(
    "name", [n for n in _pairs_of_transforms() if n not in ("normal", "stack")]
)
def test_transformed_distributions(name: str, shape: tuple[int, ...]) -> None:
    make = _pairs_of_transforms()[name]
    loc, scale = (np.random.default_rng(s).uniform(0.2, 1, shape) for s in (1, 2))
    ours = d.TransformedDistribution(
        d.Normal(weft.asarray(loc), weft.asarray(scale)),
        make(d, lambda x: weft.asarray(x, dtype="float64")),
    )
    theirs = t.TransformedDistribution(
        t.Normal(torch.tensor(loc), torch.tensor(scale)),
        make(t.transforms, lambda x: torch.tensor(x, dtype=torch.float64)),
    )
    assert (ours.batch_shape, ours.event_shape) == (
        tuple(theirs.batch_shape),
        tuple(theirs.event_shape),
    )
    drawn = ours.rsample((4,), key=random.key(1))
    assert drawn.shape == (4, *theirs.batch_shape, *theirs.event_shape)
    found = eager_and_jit(lambda o, x: o.log_prob(x), ours, drawn)
    _close(found, theirs.log_prob(torch.tensor(to_numpy(drawn))), 1e-8)
    assert bool(weft.all(ours.support.check(drawn)))
    if name in ("exp", "affine", "tanh", "power", "sigmoid"):
        _close(ours.cdf(drawn), theirs.cdf(torch.tensor(to_numpy(drawn))), 1e-8)
        share = np.random.default_rng(3).uniform(0.05, 0.95, (4, *shape))
        _close(ours.icdf(weft.asarray(share)), theirs.icdf(torch.tensor(share)), 1e-8)


def test_relaxed_and_logistic_vectors() -> None:
    weights = np.random.default_rng(0).uniform(0.1, 1, (2, 4))
    loc, scale = np.random.default_rng(1).uniform(0.2, 1, (2, 2, 3))
    pairs = [
        (
            d.RelaxedOneHotCategorical(weft.asarray(0.7, dtype="float64"), weft.asarray(weights)),
            t.RelaxedOneHotCategorical(
                torch.tensor(0.7, dtype=torch.float64), torch.tensor(weights)
            ),
        ),
        (
            d.LogisticNormal(weft.asarray(loc), weft.asarray(scale)),
            t.LogisticNormal(torch.tensor(loc), torch.tensor(scale)),
        ),
    ]
    for ours, theirs in pairs:
        assert (ours.batch_shape, ours.event_shape) == ((2,), (4,))
        drawn = ours.rsample((5,), key=random.key(1))
        assert drawn.shape == (5, 2, 4)
        assert bool(weft.all(ours.support.check(drawn)))
        _close(ours.log_prob(drawn), theirs.log_prob(torch.tensor(to_numpy(drawn))), 1e-9)
    # Which share is the largest has the chances of the categorical distribution.
    drawn = to_numpy(pairs[0][0].sample((20_000,), key=random.key(2)))
    found = np.stack([(drawn.argmax(-1) == i).mean(0) for i in range(4)], -1)
    assert np.abs(found - weights / weights.sum(-1, keepdims=True)).max() < 6 * np.sqrt(
        0.25 / 20_000
    )
    _close(d.kl_divergence(pairs[1][0], pairs[1][0]), np.zeros(2))
    too_small = "the transforms need values of 1 dim"
    with pytest.raises(weft.ShapeError, match=too_small):
        d.TransformedDistribution(d.Normal(0.0, 1.0), d.StickBreakingTransform())


# Constraints --------------------------------------------------------------------------------------

CONSTRAINTS: dict[str, Callable[[Any], Any]] = {
    "real": lambda c: c.real,
    "positive": lambda c: c.positive,
    "nonnegative": lambda c: c.nonnegative,
    "unit_interval": lambda c: c.unit_interval,
    "interval": lambda c: c.interval(-1.0, 3.0),
    "half_open_interval": lambda c: c.half_open_interval(0.0, 0.5),
    "greater_than": lambda c: c.greater_than(0.25),
    "less_than": lambda c: c.less_than(0.25),
    "simplex": lambda c: c.simplex,
    "corr_cholesky": lambda c: c.corr_cholesky,
    "real_vector": lambda c: c.real_vector,
    "independent": lambda c: c.independent(c.positive, 1),
    "lower_cholesky": lambda c: c.lower_cholesky,
    "positive_definite": lambda c: c.positive_definite,
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_transforms_to_constraints(name: str) -> None:
    ours, theirs = CONSTRAINTS[name](d.constraints), CONSTRAINTS[name](t.constraints)
    assert ours.event_dim == theirs.event_dim
    x = np.random.default_rng(0).normal(size=(4, 3, 3))
    for registry, other in ((d.biject_to, t.biject_to), (d.transform_to, t.transform_to)):
        try:
            wanted = other(theirs)(torch.tensor(x))
        except NotImplementedError:
            continue
        found = registry(ours)(weft.asarray(x))
        _close(found, wanted)
        assert bool(weft.all(ours.check(found)))
        assert registry(ours).bijective == other(theirs).bijective
    inside = ours.check(weft.asarray(x))
    np.testing.assert_array_equal(to_numpy(inside), theirs.check(torch.tensor(x)).numpy())


def test_constraints_of_integers() -> None:
    x = weft.asarray([-1.0, 0.0, 0.5, 1.0, 2.0])
    c = d.constraints
    assert c.boolean.check(x).tolist() == [False, True, False, True, False]
    assert c.nonnegative_integer.check(x).tolist() == [False, True, False, True, True]
    assert c.positive_integer.check(x).tolist() == [False, False, False, True, True]
    assert c.integer_interval(0, 1).check(weft.asarray([0, 1, 2])).tolist() == [True, True, False]
    assert c.one_hot.check(weft.asarray([[0.0, 1.0], [1.0, 1.0]])).tolist() == [True, False]
    assert not bool(c.symmetric.check(weft.asarray([[0.0, 1.0], [2.0, 1.0]])))
    with pytest.raises(weft.UnsupportedError, match="no transform to _Boolean"):
        d.biject_to(c.boolean)

    class Odd(c.Constraint):
        pass

    with pytest.raises(weft.UnsupportedError, match=r"see transform_to\.register"):
        d.transform_to(Odd())
    d.transform_to.register(Odd, lambda constraint: d.ExpTransform())
    assert isinstance(d.transform_to(Odd()), d.ExpTransform)


@pytest.mark.parametrize("name", TABLE)
def test_supports(name: str) -> None:
    """All samples are there, and what `biject_to` leads to is."""
    ours = _ours(name, _parameters(name, (3,), 9))
    drawn = ours.sample((100,), key=random.key(4))
    assert bool(weft.all(ours.support.check(drawn)))
    if not ours.support.is_discrete:
        x = weft.asarray(np.random.default_rng(0).normal(size=(10, 3)))
        assert bool(weft.all(ours.support.check(d.biject_to(ours.support)(x))))


def test_batches_of_nothing() -> None:
    """PyTorch refuses most of these."""
    loc, weights = weft.zeros((0, 3)), weft.ones((0, 3))
    matrix = weft.eye(3) + weft.zeros((0, 3, 3))
    for ours, shape in (
        (d.MultivariateNormal(loc, matrix), (3,)),
        (d.MultivariateNormal(loc, precision_matrix=matrix), (3,)),
        (d.LowRankMultivariateNormal(loc, weft.ones((0, 3, 2)), weights), (3,)),
        (d.LKJCholesky(3, weft.ones(0)), (3, 3)),
        (d.Wishart(weft.full((0,), 5.0), matrix), (3, 3)),
        (d.OneHotCategorical(weights), (3,)),
        (d.Multinomial(4, weights), (3,)),
        (d.RelaxedOneHotCategorical(0.5, weights), (3,)),
        (d.LogisticNormal(loc, weights), (4,)),
        (d.MixtureSameFamily(d.Categorical(weights), d.Normal(loc, weights)), ()),
    ):
        assert (ours.batch_shape, ours.event_shape) == ((0,), shape)
        drawn = ours.sample((2,))
        assert drawn.shape == (2, 0, *shape)
        assert ours.log_prob(drawn).shape == (2, 0)
    for make in _pairs_of_transforms().values():
        transform = make(d, weft.asarray)
        found = transform(loc)
        assert found.shape == transform.forward_shape((0, 3))
        slope = transform.log_abs_det_jacobian(loc, found)
        assert slope.shape == ((0,) if transform.domain.event_dim else (0, 3))
