"""`weft.distributions` against SciPy, PyTorch's formulas for pairs by integration, and jit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from scipy import integrate, stats
from weft import distributions as d
from weft import random


class Row(NamedTuple):
    make: Callable[..., d.Distribution]
    reference: Callable[..., Any]
    #: The ranges of the parameters.
    ranges: tuple[tuple[float, float], ...]
    discrete: bool = False


_ANY, _SCALE, _SHARE = (-3.0, 3.0), (0.3, 4.0), (0.05, 0.95)

TABLE = {
    "Normal": Row(d.Normal, stats.norm, (_ANY, _SCALE)),
    "LogNormal": Row(
        d.LogNormal, lambda m, s: stats.lognorm(s, scale=np.exp(m)), ((-1, 1), (0.3, 1.0))
    ),
    "Laplace": Row(d.Laplace, stats.laplace, (_ANY, _SCALE)),
    "Cauchy": Row(d.Cauchy, stats.cauchy, (_ANY, _SCALE)),
    "Gumbel": Row(d.Gumbel, stats.gumbel_r, (_ANY, _SCALE)),
    "StudentT": Row(d.StudentT, stats.t, ((2.5, 9.0), _ANY, _SCALE)),
    "Uniform": Row(d.Uniform, lambda a, b: stats.uniform(a, b - a), ((-3, 0), (0.5, 3.0))),
    "Exponential": Row(d.Exponential, lambda r: stats.expon(scale=1 / r), (_SCALE,)),
    "Gamma": Row(d.Gamma, lambda a, r: stats.gamma(a, scale=1 / r), (_SCALE, _SCALE)),
    "Beta": Row(d.Beta, stats.beta, (_SCALE, _SCALE)),
    "Bernoulli": Row(d.Bernoulli, stats.bernoulli, (_SHARE,), True),
    "Geometric": Row(d.Geometric, lambda p: stats.geom(p, loc=-1), (_SHARE,), True),
    "Binomial": Row(
        lambda n, p: d.Binomial(weft.floor(n), p),
        lambda n, p: stats.binom(np.floor(n).astype(int), p),
        ((1.0, 40.0), _SHARE),
        True,
    ),
    "Poisson": Row(d.Poisson, stats.poisson, ((0.1, 60.0),), True),
}


def _parameters(row: Row, shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.uniform(*limits, shape)) for limits in row.ranges]


def _close(found: weft.Tensor, expected: np.ndarray) -> None:
    """float64: lgamma and digamma are good to 200 units, and sums of them are compared."""
    np.testing.assert_allclose(to_numpy(found), expected, rtol=3e-12, atol=3e-12)


@pytest.mark.parametrize("shape", [(), (7,), (0,), (1, 3)])
@pytest.mark.parametrize("name", TABLE)
def test_densities_and_moments(name: str, shape: tuple[int, ...]) -> None:
    row = TABLE[name]
    given = _parameters(row, shape, 1)
    ours, theirs = row.make(*map(weft.asarray, given)), row.reference(*given)
    assert (ours.batch_shape, ours.event_shape) == (shape, ())
    with np.errstate(all="ignore"):
        values = theirs.rvs((5, *shape), random_state=np.random.default_rng(2)).astype(np.float64)
        values = np.concatenate([values, values[:1] - 4.0, values[:1] + 0.5])
        log_density = theirs.logpmf if row.discrete else theirs.logpdf
        found = eager_and_jit(
            lambda x, *p: row.make(*p).log_prob(x), weft.asarray(values), *map(weft.asarray, given)
        )
        _close(found, log_density(values))
        if name != "Cauchy":
            _close(ours.mean, theirs.mean())
            _close(ours.variance, theirs.var())
            _close(ours.stddev, theirs.std())
        if name not in ("Binomial", "Poisson") and 0 not in shape:
            _close(ours.entropy(), np.vectorize(lambda *p: row.reference(*p).entropy())(*given))


@pytest.mark.parametrize(
    "name",
    ["Normal", "LogNormal", "Laplace", "Cauchy", "Gumbel", "Uniform", "Exponential", "Gamma"],
)
def test_shares(name: str) -> None:
    row = TABLE[name]
    given = _parameters(row, (50,), 3)
    ours, theirs = row.make(*map(weft.asarray, given)), row.reference(*given)
    share = np.random.default_rng(4).uniform(0.01, 0.99, 50)
    if name != "Gamma":
        _close(ours.icdf(weft.asarray(share)), theirs.ppf(share))
    x = np.random.default_rng(4).normal(0, 4, 50)
    _close(ours.cdf(weft.asarray(x)), theirs.cdf(x))


@pytest.mark.parametrize("name", TABLE)
def test_samples(name: str) -> None:
    """Shapes, keys, and the moments of 20,000, of which each is within six deviations."""
    row, count = TABLE[name], 20_000
    given = _parameters(row, (3,), 5)
    ours = row.make(*map(weft.asarray, given))
    drawn = ours.sample((count,), key=random.key(1))
    assert drawn.shape == (count, 3)
    assert not drawn.requires_grad
    assert_same_bits(drawn, ours.sample(count, key=random.key(1)))
    shares = row.reference(*given).cdf(to_numpy(drawn))
    if not row.discrete:
        assert min(stats.kstest(x, "uniform").pvalue for x in shares.T) > 1e-6
    else:
        apart = np.abs(to_numpy(drawn).mean(0) - to_numpy(ours.mean))
        assert (apart < 6 * to_numpy(ours.stddev) / np.sqrt(count)).all()
    draw = weft.jit(lambda dist, key: dist.sample((2,), key=key))
    assert_same_bits(draw(ours, random.key(3)), ours.sample((2,), key=random.key(3)))


@pytest.mark.parametrize("name", TABLE)
def test_gradients_of_samples(name: str) -> None:
    row, key = TABLE[name], random.key(2)
    parameters = [weft.asarray(x) for x in _parameters(row, (4,), 6)]
    constant = weft.grad(lambda *p: weft.sum(row.make(*p).sample(key=key) * p[0]))(*parameters)
    assert_same_bits(constant, row.make(*parameters).sample(key=key))
    if row.make(*parameters).has_rsample:
        slope = weft.grad(lambda *p: weft.sum(row.make(*p).rsample(key=key)), argnums=0)
        assert (to_numpy(slope(*parameters)) != 0).all()
        return
    with pytest.raises(weft.UnsupportedError, match="no rsample"):
        row.make(*parameters).rsample()


def _mean_difference(name: str, p: Any, q: Any) -> float:
    """The divergence by its definition, of SciPy's densities."""
    if TABLE[name].discrete:
        k = np.arange(0, 400)
        k = k[p.pmf(k) > 0]
        return float((p.pmf(k) * (p.logpmf(k) - q.logpmf(k))).sum())
    tails = 10.0 ** -np.arange(1, 14)
    if name == "Beta":
        # Shares near 1 are rounded: what is above 1/2 is what is below it, turned.
        turned = (stats.beta(*one.args[::-1]) for one in (p, q))
        sides = [(p, q, tails[::-1]), (*turned, tails[::-1])]
        return sum(_integral(*pair, [*pair[0].ppf(low), 0.5]) for *pair, low in sides)
    return _integral(p, q, [*p.ppf(tails[::-1]), p.ppf(0.5), *p.isf(tails)])


def _integral(p: Any, q: Any, ends: list[float]) -> float:
    ends = sorted(end for end in ends if end <= ends[-1])
    with np.errstate(all="ignore"):
        weighted = lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x))  # noqa: E731
        pieces = itertools.pairwise(ends)
        return sum(integrate.quad(weighted, low, high, limit=400)[0] for low, high in pieces)


@pytest.mark.parametrize("name", [name for name in TABLE if name not in ("StudentT", "Gumbel")])
def test_divergences(name: str) -> None:
    row = TABLE[name]
    first, second = _parameters(row, (4,), 7), _parameters(row, (4,), 8)
    if name == "Binomial":
        second[0] = first[0]
    if name == "Uniform":
        second = [first[0] - 0.5, first[1] + 0.25]
    ours = d.kl_divergence(
        row.make(*map(weft.asarray, first)), row.make(*map(weft.asarray, second))
    )
    for i in range(4):
        p, q = (row.reference(*(x[i] for x in given)) for given in (first, second))
        assert float(ours[i]) == pytest.approx(_mean_difference(name, p, q), rel=1e-6, abs=1e-6)
    same = row.make(*map(weft.asarray, first))
    np.testing.assert_allclose(to_numpy(d.kl_divergence(same, same)), 0, atol=1e-13)


# Several numbers in an event --------------------------------------------------------------------


def test_dirichlet() -> None:
    a, b = np.random.default_rng(0).uniform(0.3, 4, (2, 3, 4))
    ours = d.Dirichlet(weft.asarray(a))
    assert (ours.batch_shape, ours.event_shape) == ((3,), (4,))
    x = np.random.default_rng(1).dirichlet(a[0])
    _close(ours.log_prob(weft.asarray(x))[0], stats.dirichlet(a[0]).logpdf(x))
    for i in range(3):
        _close(ours.entropy()[i], stats.dirichlet(a[i]).entropy())
        _close(ours.mean[i], stats.dirichlet(a[i]).mean())
        _close(ours.variance[i], stats.dirichlet(a[i]).var())
    assert ours.sample((2,)).shape == (2, 3, 4)
    pairs = d.kl_divergence(
        d.Dirichlet(weft.asarray(a[:, :2])), d.Dirichlet(weft.asarray(b[:, :2]))
    )
    expected = d.kl_divergence(
        d.Beta(weft.asarray(a[:, 0]), weft.asarray(a[:, 1])),
        d.Beta(weft.asarray(b[:, 0]), weft.asarray(b[:, 1])),
    )
    _close(pairs, to_numpy(expected))


def test_categorical() -> None:
    weights = np.random.default_rng(0).uniform(0.1, 1, (3, 5))
    weights[0, 2] = 0
    shares = weights / weights.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        logits = np.log(weights) + 3.0
    for ours in (d.Categorical(weft.asarray(weights)), d.Categorical(logits=weft.asarray(logits))):
        assert (ours.batch_shape, ours.event_shape) == ((3,), ())
        _close(ours.probs, shares)
        with np.errstate(divide="ignore"):
            _close(ours.log_prob(weft.asarray([2, 0, 4])), np.log(shares[[0, 1, 2], [2, 0, 4]]))
            _close(ours.log_prob(weft.asarray([[1], [3]])), np.log(shares[:, [1, 3]].T))
        assert ours.log_prob(weft.asarray([-1, 5, 1]))[:2].tolist() == [-np.inf] * 2
        _close(ours.entropy(), stats.entropy(shares, axis=-1))
        assert ours.sample((4,)).dtype == "int64"
    other = np.random.default_rng(1).uniform(0.1, 1, (3, 5))
    found = d.kl_divergence(ours, d.Categorical(weft.asarray(other)))
    _close(found, stats.entropy(shares, other / other.sum(-1, keepdims=True), axis=-1))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_independent(count: int) -> None:
    loc, scale = weft.asarray(np.ones((2, 3))), weft.asarray(np.full((2, 3), 2.0))
    base = d.Normal(loc, scale)
    ours = d.Independent(base, count)
    assert (ours.batch_shape, ours.event_shape) == ((2, 3)[: 2 - count], (2, 3)[2 - count :])
    x = ours.rsample((5,), key=random.key(1))
    assert_same_bits(x, base.rsample((5,), key=random.key(1)))
    axes = tuple(range(-count, 0))
    _close(ours.log_prob(x), to_numpy(base.log_prob(x)).sum(axes) if count else base.log_prob(x))
    assert ours.entropy().shape == ours.batch_shape
    other = d.Independent(d.Normal(loc + 1, scale), count)
    assert d.kl_divergence(ours, other).shape == ours.batch_shape
    with pytest.raises(weft.ShapeError, match="3 dimensions of a batch"):
        d.Independent(base, 3)


def test_certain_events() -> None:
    """Probabilities of 0 and 1 have no NaN in them, and neither have their gradients."""
    p = weft.asarray([0.0, 1.0, 0.5])
    for kind in (d.Bernoulli, lambda p: d.Binomial(3, p)):
        drawn = kind(p).sample((100,)).numpy()
        assert not drawn[:, 0].any()
        assert drawn[:, 1].all()
    coin = d.Bernoulli(p)
    assert coin.log_prob(0).tolist()[:2] == [0, -np.inf]
    assert coin.log_prob(1).tolist()[:2] == [-np.inf, 0]
    assert coin.entropy().tolist()[:2] == [0, 0]
    assert d.kl_divergence(coin, d.Bernoulli(weft.full(3, 0.5))).tolist()[2] == 0
    assert d.Poisson(0.0).log_prob(0).item() == 0
    slope = weft.grad(lambda x: weft.sum(d.Bernoulli(logits=x).log_prob(1)))(weft.asarray([-40.0]))
    assert slope.tolist() == [1]


def test_errors() -> None:
    with pytest.raises(weft.OptionError, match="Bernoulli: needs one of probs and logits"):
        d.Bernoulli()
    with pytest.raises(weft.OptionError, match="Categorical: needs one of"):
        d.Categorical(weft.ones(2), weft.ones(2))
    with pytest.raises(weft.UnsupportedError, match="Cauchy has no mean"):
        _ = d.Cauchy(0.0, 1.0).mean
    with pytest.raises(weft.UnsupportedError, match="Beta has no cdf"):
        d.Beta(1.0, 1.0).cdf(1.0)
    with pytest.raises(weft.UnsupportedError, match="no formula for Normal and StudentT"):
        d.kl_divergence(d.Normal(0.0, 1.0), d.StudentT(1.0))
    with pytest.raises(weft.ShapeError, match="broadcast"):
        d.Normal(weft.ones(2), weft.ones(3))
