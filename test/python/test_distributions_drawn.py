"""`weft.random`: each distribution against SciPy's, by parameters that differ for each number.

What a distribution's own cumulative function makes of its numbers is uniform, whatever the
parameters; of integers, where a uniform share of the last step is added. Seeds are fixed. Of a
hundred such tests, one fails at a level of 1e-6 in 10,000 choices of the seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from scipy import stats
from scipy.special import digamma
from weft import random

_COUNT = 20_000
_LEVEL = 1e-6

Values = tuple[np.ndarray, ...]


class Row(NamedTuple):
    """A distribution, and how SciPy has it."""

    #: Of parameters, and the shape or None.
    draw: Callable[..., weft.Tensor]
    reference: Callable[..., Any]
    #: For each parameter its range, which is gone through evenly, or in powers if it is above 0.
    ranges: tuple[tuple[float, float], ...]


def _shape_first(function: Callable[..., weft.Tensor]) -> Callable[..., weft.Tensor]:
    return lambda *parameters, shape=None, **options: function(shape, *parameters, **options)


_ANY, _SCALE = (-3.0, 3.0), (0.1, 10.0)

CONTINUOUS = {
    "uniform": Row(
        _shape_first(random.uniform), lambda a, b: stats.uniform(a, b - a), ((-3.0, 0.0), (1.0, 4))
    ),
    "normal": Row(_shape_first(random.normal), stats.norm, (_ANY, _SCALE)),
    "exponential": Row(_shape_first(random.exponential), lambda s: stats.expon(scale=s), (_SCALE,)),
    "laplace": Row(_shape_first(random.laplace), stats.laplace, (_ANY, _SCALE)),
    "logistic": Row(_shape_first(random.logistic), stats.logistic, (_ANY, _SCALE)),
    "gumbel": Row(_shape_first(random.gumbel), stats.gumbel_r, (_ANY, _SCALE)),
    "cauchy": Row(_shape_first(random.cauchy), stats.cauchy, (_ANY, _SCALE)),
    "lognormal": Row(
        _shape_first(random.lognormal),
        lambda m, s: stats.lognorm(s, scale=np.exp(m)),
        (_ANY, (0.1, 2.0)),
    ),
    "rayleigh": Row(_shape_first(random.rayleigh), lambda s: stats.rayleigh(scale=s), (_SCALE,)),
    "weibull": Row(
        random.weibull, lambda c, s: stats.weibull_min(c, scale=s), ((0.3, 5.0), _SCALE)
    ),
    "pareto": Row(random.pareto, lambda b, s: stats.pareto(b, scale=s), ((0.3, 5.0), _SCALE)),
    "truncated_normal": Row(random.truncated_normal, stats.truncnorm, ((-12.0, 5.0), (5.5, 12.0))),
    "upper_tail": Row(random.truncated_normal, stats.truncnorm, ((5.0, 9.0), (9.5, 30.0))),
    "lower_tail": Row(random.truncated_normal, stats.truncnorm, ((-30.0, -9.5), (-9.0, -4.0))),
    "gamma": Row(random.gamma, lambda a, s: stats.gamma(a, scale=s), ((0.2, 200.0), _SCALE)),
    "flat_gamma": Row(random.gamma, lambda a, s: stats.gamma(a, scale=s), ((0.9, 1.1), _SCALE)),
    "loggamma": Row(random.loggamma, stats.loggamma, ((0.02, 50.0),)),
    "chisquare": Row(random.chisquare, stats.chi2, ((0.5, 50.0),)),
    "student_t": Row(random.student_t, stats.t, ((0.5, 50.0),)),
    "beta": Row(random.beta, stats.beta, ((0.3, 20.0), (0.3, 20.0))),
}

DISCRETE = {
    "rare_poisson": Row(random.poisson, stats.poisson, ((0.01, 10.0),)),
    "poisson": Row(random.poisson, stats.poisson, ((9.0, 30.0),)),
    "often_poisson": Row(random.poisson, stats.poisson, ((30.0, 1e6),)),
    "rare_binomial": Row(
        lambda n, p, **o: random.binomial(weft.floor(n), p, **o),
        lambda n, p: stats.binom(np.floor(n), p),
        ((1.0, 60.0), (0.01, 1.0)),
    ),
    "binomial": Row(
        lambda n, p, **o: random.binomial(weft.floor(n), p, **o),
        lambda n, p: stats.binom(np.floor(n), p),
        ((20.0, 1e4), (0.01, 1.0)),
    ),
    "geometric": Row(random.geometric, stats.geom, ((0.001, 1.0),)),
    "bernoulli": Row(
        lambda p, **o: random.bernoulli(p, **o).astype("int64"), stats.bernoulli, ((0.01, 1.0),)
    ),
}

TABLE = {**CONTINUOUS, **DISCRETE}


def _parameters(row: Row, shape: tuple[int, ...], seed: int, dtype: str) -> Values:
    generator = np.random.default_rng(seed)

    def values(low: float, high: float) -> np.ndarray:
        even = generator.uniform(0, 1, shape)
        return low * (high / low) ** even if low > 0 else low + (high - low) * even

    return tuple(values(*limits).astype(dtype) for limits in row.ranges)


def _uniform(name: str, drawn: np.ndarray, parameters: Values) -> np.ndarray:
    reference = TABLE[name].reference(*(x.astype(np.float64) for x in parameters))
    if name in CONTINUOUS:
        return reference.cdf(drawn.astype(np.float64))
    share = np.random.default_rng(0).uniform(0, 1, drawn.shape)
    return reference.cdf(drawn - 1.0) + share * reference.pmf(drawn)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TABLE)
def test_distribution(name: str, dtype: str) -> None:
    row = TABLE[name]
    given = _parameters(row, (_COUNT,), sum(map(ord, name)), dtype)
    drawn = row.draw(*map(weft.asarray, given), key=random.key(7))
    assert drawn.dtype == (dtype if name in CONTINUOUS else "int64")
    assert stats.kstest(_uniform(name, to_numpy(drawn), given), "uniform").pvalue > _LEVEL


def test_a_wrong_distribution_would_be_found() -> None:
    """The test sees a scale that is 5 of 100 too large, and a rate that is 1 of 100 too large."""
    given = _parameters(TABLE["gamma"], (_COUNT,), 1, "float64")
    drawn = random.gamma(*map(weft.asarray, given), key=random.key(7)).numpy() * 1.05
    assert stats.kstest(_uniform("gamma", drawn, given), "uniform").pvalue < _LEVEL
    rates = _parameters(TABLE["often_poisson"], (_COUNT,), 1, "float64")
    drawn = random.poisson(weft.asarray(rates[0] * 1.01), key=random.key(7)).numpy()
    assert stats.kstest(_uniform("often_poisson", drawn, rates), "uniform").pvalue < _LEVEL


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (5, 1, 3)])
@pytest.mark.parametrize("name", TABLE)
def test_shapes_and_modes(name: str, shape: tuple[int, ...]) -> None:
    """Of numbers and of tensors, with and without a shape: the same bits eager and compiled."""
    row, key = TABLE[name], random.key(11)
    tensors = [weft.asarray(x) for x in _parameters(row, shape, 3, "float32")]
    drawn = eager_and_jit(lambda key, *given: row.draw(*given, key=key), key, *tensors)
    assert drawn.shape == shape
    repeated = row.draw(*tensors, shape=(2, *shape), key=key)
    assert repeated.shape == (2, *shape)
    numbers = [float(x) for x in _parameters(row, (), 4, "float64")]
    if "binomial" not in name:
        drawn = eager_and_jit(lambda k, *given: row.draw(*given, shape=shape, key=k), key, *numbers)
    drawn = eager_and_jit(lambda k: row.draw(*numbers, shape=shape, key=k), key)
    assert drawn.shape == shape
    assert drawn.dtype == ("float32" if name in CONTINUOUS else "int64")


@pytest.mark.parametrize("name", [name for name in CONTINUOUS if name != "uniform"])
def test_narrow_dtypes_are_float32_rounded_once(name: str) -> None:
    row, key = TABLE[name], random.key(13)
    numbers = [float(x) for x in _parameters(row, (), 5, "float32")]
    wide = row.draw(*numbers, shape=(200,), key=key, dtype="float32")
    for dtype in ("float16", "bfloat16"):
        narrow = row.draw(*numbers, shape=(200,), key=key, dtype=dtype)
        assert_same_bits(narrow, wide.astype(dtype))


@pytest.mark.parametrize("name", TABLE)
def test_keys_decide(name: str) -> None:
    row = TABLE[name]
    numbers = [float(x) for x in _parameters(row, (), 6, "float64")]
    first, same, other = (row.draw(*numbers, shape=(64,), key=random.key(k)) for k in (1, 1, 2))
    assert_same_bits(first, same)
    assert (to_numpy(first) != to_numpy(other)).any()
    weft.manual_seed(5)
    draw = weft.jit(lambda: row.draw(*numbers, shape=(64,)))
    compiled = [draw(), draw()]
    weft.manual_seed(5)
    assert_same_bits(compiled, [row.draw(*numbers, shape=(64,)) for _ in range(2)])
    assert (to_numpy(compiled[0]) != to_numpy(compiled[1])).any()


@pytest.mark.parametrize("name", ["gamma", "student_t", "poisson", "binomial", "laplace"])
def test_many_keys_at_once(name: str) -> None:
    row = TABLE[name]
    given = [weft.asarray(x) for x in _parameters(row, (4,), 8, "float32")]
    keys = random.split(random.key(1), 3)
    together = weft.vmap(lambda key: row.draw(*given, key=key))(keys)
    assert_same_bits(together, weft.stack([row.draw(*given, key=key) for key in keys]))


# Keys ------------------------------------------------------------------------------------------


def test_new_keys_are_new() -> None:
    """No two of some thousand are equal, however they were made."""
    made = [random.key(number) for number in range(30)]
    for key in made[:6]:
        made += [*random.split(key, 40), *(random.fold_in(key, i) for i in range(-20, 20))]
        for child in random.split(key, 3):
            made += [*random.split(child, 20), *(random.fold_in(child, i) for i in range(20))]
    seen = {tuple(key.tolist()) for key in made}
    # Those of a shorter split are the first of a longer one: 3 of each of 6 keys.
    assert len(seen) == len(made)
    assert_same_bits(random.split(made[0], 2), random.split(made[0], 5)[:2])


@pytest.mark.parametrize("number", [0, 1, -1, 77, 2**31, -(2**31) - 1, 2**62, -(2**63)])
def test_numbers_and_tensors_fold_alike(number: int) -> None:
    key = random.key(3)
    folded = eager_and_jit(lambda k: random.fold_in(k, number), key)
    assert_same_bits(eager_and_jit(random.fold_in, key, weft.asarray(number)), folded)
    assert_same_bits(random.fold_in(key, number + 2**64), folded)


def test_numbers_of_new_keys_are_independent() -> None:
    """Bits of keys, their children and neighbours: no pair correlates, and all are even."""
    key = random.key(21)
    keys = [key, *random.split(key, 4), *(random.fold_in(key, i) for i in range(4))]
    drawn = np.stack([random.normal(_COUNT, key=k).numpy() for k in keys])
    pairs = np.corrcoef(drawn)[np.triu_indices(len(keys), 1)]
    # 36 pairs; 5.7 deviations are passed once in 10**8.
    assert np.abs(pairs).max() < 5.7 / np.sqrt(_COUNT)
    words = random.split(key, (50, 400)).numpy().view(np.uint32)
    ones = np.unpackbits(words.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 5.7 * 0.5 / np.sqrt(words.size * 32)


# Distributions of several numbers --------------------------------------------------------------


def test_dirichlet() -> None:
    concentration = np.array([0.05, 0.7, 3.0])
    drawn = eager_and_jit(
        lambda c, k: random.dirichlet(c, (_COUNT,), key=k),
        weft.asarray(concentration),
        random.key(1),
    ).numpy()
    np.testing.assert_allclose(drawn.sum(-1), 1, rtol=4e-16)
    for i, one in enumerate(concentration):
        marginal = stats.beta(one, concentration.sum() - one)
        share = marginal.cdf(drawn[:, i])
        # Below 1e-300 float64 has no digits left for the shares of the smallest one.
        assert stats.kstest(share, "uniform").pvalue > _LEVEL
    assert random.dirichlet(weft.ones((2, 0, 4))).shape == (2, 0, 4)
    tiny = random.dirichlet(weft.full((3,), 1e-3), (1000,), key=random.key(2)).numpy()
    assert np.isfinite(tiny).all()


def test_multivariate_normal() -> None:
    generator = np.random.default_rng(0)
    factor = np.tril(generator.normal(size=(3, 3))) + 2 * np.eye(3)
    mean = generator.normal(size=3)
    drawn = eager_and_jit(
        lambda m, f, k: random.multivariate_normal(m, f, (_COUNT,), key=k),
        weft.asarray(mean),
        weft.asarray(factor + np.triu(np.full((3, 3), 9.0), 1)),
        random.key(4),
    ).numpy()
    plain = np.linalg.solve(factor, (drawn - mean).T)
    for row in plain:
        assert stats.kstest(row, "norm").pvalue > _LEVEL
    correlated = np.corrcoef(plain)[np.triu_indices(3, 1)]
    assert np.abs(correlated).max() < 5.7 / np.sqrt(_COUNT)
    batch = random.multivariate_normal(weft.zeros((4, 1, 2)), weft.ones((3, 2, 2)))
    assert batch.shape == (4, 3, 2)


def _even(counts: np.ndarray, expected: np.ndarray | None = None) -> bool:
    return stats.chisquare(counts, expected).pvalue > _LEVEL


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_categorical(axis: int) -> None:
    weights = np.array([0.5, 1.5, 0.0, 3.0, 2.0])
    logits = np.log(weights, where=weights > 0, out=np.full(5, -np.inf))
    table = np.moveaxis(np.broadcast_to(logits, (2, 3, 5)), -1, axis)
    drawn = random.categorical(weft.asarray(table), axis, (_COUNT, 2, 3), key=random.key(1))
    for i, j in itertools.product(range(2), range(3)):
        counts = np.bincount(drawn.numpy()[:, i, j], minlength=5)
        assert counts[2] == 0
        assert _even(np.delete(counts, 2), np.delete(weights, 2) / weights.sum() * _COUNT)
    assert random.categorical(weft.asarray(table), axis).shape == (2, 3)


def test_permutation_gives_all_orders() -> None:
    keys = random.split(random.key(1), 2000)
    draw = weft.jit(lambda k: random.permutation(4, key=k))
    codes = [draw(k).numpy() @ np.array([64, 16, 4, 1]) for k in keys]
    values, counts = np.unique(codes, return_counts=True)
    assert len(values) == 24
    assert _even(counts)
    x = weft.reshape(weft.arange(12), (3, 4))
    order = random.permutation(4, key=random.key(3))
    assert_same_bits(random.permutation(x, 1, key=random.key(3)), x[:, order])
    assert random.permutation(0).shape == (0,)


def test_choice() -> None:
    weights = np.array([0.0, 1.0, 2.0, 0.0, 5.0, 0.0])
    key = random.key(2)
    drawn = random.choice(6, (_COUNT,), p=weights, key=key).numpy()
    counts = np.bincount(drawn, minlength=6)
    assert counts[weights == 0].sum() == 0
    assert _even(counts[weights > 0], weights[weights > 0] / 8 * _COUNT)
    keys = random.split(key, 2000)
    draw = weft.jit(lambda k, p: random.choice(6, (2,), False, p, key=k))
    first, second = np.stack([draw(k, weft.asarray(weights)).numpy() for k in keys]).T
    assert (first != second).all()
    assert _even(np.bincount(first, minlength=6)[weights > 0], weights[weights > 0] / 8 * 2000)
    draw = weft.jit(lambda k: random.choice(5, (3,), False, key=k))
    chosen = np.stack([draw(k).numpy() for k in keys])
    assert (np.sort(chosen, 1)[:, 1:] != np.sort(chosen, 1)[:, :-1]).all()
    assert _even(np.bincount(chosen[:, 1], minlength=5))
    x = weft.asarray(np.random.default_rng(0).normal(size=(3, 5, 2)))
    picked = random.choice(x, (2, 2), axis=1, key=key)
    index = random.choice(5, (2, 2), key=key)
    assert_same_bits(picked, weft.reshape(x[:, weft.reshape(index, -1)], (3, 2, 2, 2)))
    assert random.choice(x, key=key).shape == (5, 2)


# Gradients and errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in CONTINUOUS if name not in ("gamma", "flat_gamma", "loggamma")),
        "scaled_gamma",
    ],
)
def test_samples_are_differentiable(name: str) -> None:
    """Against central differences of the same draw, in float64."""
    row, key = TABLE.get(name, TABLE["gamma"]), random.key(17)
    fixed = [2.5] if name == "scaled_gamma" else []
    if name in ("chisquare", "student_t", "beta"):
        return
    given = _parameters(row, (6,), 9, "float64")[len(fixed) :]

    def total(*parameters: weft.Tensor) -> weft.Tensor:
        return weft.sum(weft.sin(row.draw(*fixed, *parameters, key=key)))

    tensors = [weft.asarray(x) for x in given]
    found = weft.grad(total, argnums=tuple(range(len(given))))(*tensors)
    for i, gradient in enumerate(found):
        for j in range(6):
            step = np.zeros(6)
            step[j] = 1e-6 * max(abs(given[i][j]), 1e-2)
            up, down = (
                float(total(*tensors[:i], weft.asarray(given[i] + s), *tensors[i + 1 :]))
                for s in (step, -step)
            )
            expected = (up - down) / (2 * step[j])
            # Rounding of 1e-15 over the step, and the third derivative times its square.
            assert float(gradient[j]) == pytest.approx(expected, rel=2e-5, abs=2e-6)


def _exact_slope(concentration: float, drawn: float) -> float:
    """How a quantile of the gamma distribution moves with the concentration, to 30 digits."""
    with mp.workdps(40):
        a, x = mp.mpf(concentration), mp.mpf(drawn)
        ends = (0, x) if x < a else (x, mp.inf)
        share = mp.diff(lambda s: mp.gammainc(s, *ends, regularized=True), a, h=1e-15)
        density = x ** (a - 1) * mp.exp(-x) / mp.gamma(a)
        return float((-share if x < a else share) / density)


def test_gamma_distributed_numbers_move_as_their_quantiles() -> None:
    """In float64 against mpmath, and to its four digits against PyTorch's own rule."""
    a = 10.0 ** np.random.default_rng(3).uniform(-1.5, 3, 80)
    key = random.key(5)
    drawn = random.gamma(weft.asarray(a), key=key).numpy()
    slope = weft.grad(lambda a: weft.sum(random.gamma(a, key=key)))
    found = eager_and_jit(slope, weft.asarray(a)).numpy()
    wanted = [_exact_slope(*pair) for pair in zip(a, drawn)]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    theirs = torch._standard_gamma_grad(torch.tensor(a), torch.tensor(drawn))
    np.testing.assert_allclose(found, theirs.numpy(), rtol=2e-3)
    # Numbers that underflow have a logarithm, and a slope: that of u^(1 / a) gamma(a + 1)^(1 / a).
    small = weft.asarray([1e-3, 1e-4])
    logarithm = random.loggamma(small, key=key)
    found = weft.grad(lambda a: weft.sum(random.loggamma(a, key=key)))(small).numpy()
    wanted = (digamma(1 + small.numpy()) - logarithm.numpy()) / small.numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    with pytest.raises(weft.UnsupportedError, match="a drawn number's derivative has no"):
        weft.grad(lambda a: weft.sum(slope(a)))(weft.asarray(a))


_OF_CONCENTRATIONS: dict[str, tuple[Callable, Callable]] = {
    "gamma": (random.gamma, lambda a: a),
    "loggamma": (random.loggamma, digamma),
    "chisquare": (random.chisquare, lambda a: a),
    "beta": (lambda a, key: random.beta(a, 1.5, key=key), lambda a: a / (a + 1.5)),
    "other beta": (lambda a, key: random.beta(1.5, a, key=key), lambda a: 1.5 / (a + 1.5)),
    # The mean of log(z^2 / (v / df)).
    "student_t": (
        lambda a, key: weft.log(random.student_t(a, key=key) ** 2),
        lambda a: digamma(0.5) - digamma(a / 2) + np.log(a),
    ),
    "dirichlet": (
        lambda a, key: random.dirichlet(weft.stack([a, a * 0 + 2.5, a * 0 + 0.5], -1), key=key)[
            ..., 0
        ],
        lambda a: a / (a + 3),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("concentration", [0.3, 1.0, 4.0, 60.0])
@pytest.mark.parametrize("name", _OF_CONCENTRATIONS)
def test_means_of_slopes_are_slopes_of_means(name: str, concentration: float, dtype: str) -> None:
    draw, mean = _OF_CONCENTRATIONS[name]
    a = weft.full(_COUNT, concentration, dtype=dtype)
    key = random.key(23)
    slopes = weft.jvp(lambda a: draw(a, key=key), (a,), (weft.ones_like(a),))[1].numpy()
    step = 1e-4 * concentration
    wanted = (mean(concentration + step) - mean(concentration - step)) / (2 * step)
    assert np.isfinite(slopes).all()
    spread = slopes.astype("float64").std() / np.sqrt(_COUNT)
    assert abs(slopes.astype("float64").mean() - wanted) < 6 * spread + 1e-6 * abs(wanted)


def test_tensors_of_invalid_values_give_no_numbers() -> None:
    bad = weft.asarray([-1.0, float("nan"), 2.0])
    assert np.isnan(random.gamma(bad).numpy()).tolist() == [True, True, False]
    assert np.isnan(random.truncated_normal(bad, 1.0).numpy()).tolist() == [False, True, True]
    assert random.gamma(weft.zeros(3), key=random.key(1)).tolist() == [0, 0, 0]
    assert random.poisson(weft.zeros(3)).tolist() == [0, 0, 0]
    assert random.binomial(5, weft.asarray([0.0, 1.0])).tolist() == [0, 5]
    assert random.geometric(weft.asarray([1.0, 0.0])).tolist() == [1, 2**62]
    for draw in (random.poisson, random.geometric, lambda p: random.binomial(3, p)):
        assert weft.jit(draw)(weft.asarray([-0.5])).tolist() == [-1]
        with pytest.raises(weft.OutOfRangeError, match="each"):
            draw(weft.asarray([-0.5]))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: random.gamma(-1.0), weft.OptionError, "gamma: the concentration has to be above"),
        (lambda: random.gamma(1.0, 0), weft.OptionError, "gamma: the scale has to be above 0"),
        (lambda: random.laplace((2,), 0, -1), weft.OptionError, "laplace: the scale"),
        (lambda: random.poisson(-1), weft.OptionError, "poisson: the rate has to be at least 0"),
        (lambda: random.binomial(-1, 0.5), weft.OptionError, "binomial: n has to be"),
        (lambda: random.binomial(3, 1.5), weft.OptionError, "probability has to be in"),
        (lambda: random.bernoulli(1.5), weft.OptionError, "probability has to be in"),
        (lambda: random.geometric(0), weft.OptionError, "probability has to be above 0"),
        (lambda: random.normal((2,), dtype="int32"), weft.DTypeError, "floating dtype, not int32"),
        (lambda: random.poisson(1.0, dtype=bool), weft.DTypeError, "not bool"),
        (
            lambda: random.normal((3,), weft.ones((2,))),
            weft.ShapeError,
            r"normal: parameters of shape \(2,\) do not broadcast to the shape \(3,\)",
        ),
        (lambda: random.gamma(weft.ones((2, 3)), shape=(3,)), weft.ShapeError, "do not broadcast"),
        (lambda: random.normal((3,), key=7), weft.DTypeError, "a key is two int32"),
        (lambda: random.split(weft.ones(2)), weft.DTypeError, "a key is two int32"),
        (lambda: random.fold_in(random.key(1), 1.5), weft.DTypeError, "integer"),
        (lambda: random.fold_in(random.key(1), weft.arange(2)), weft.ShapeError, "one integer"),
        (
            lambda: random.normal((3,), key=random.split(random.key(1))),
            weft.ShapeError,
            r"shape \(2,\), not \(2, 2\)",
        ),
        (lambda: random.dirichlet(1.0), weft.ShapeError, "has to be"),
        (lambda: random.categorical(weft.ones((2, 0))), weft.ShapeError, "leave no choice"),
        (lambda: random.choice(3, (4,), False), weft.ShapeError, "4 of 3 without"),
        (lambda: random.choice(0, (1,)), weft.ShapeError, "1 of 0 with"),
        (lambda: random.choice(3, (1,), p=weft.ones(2)), weft.ShapeError, "for 3 things"),
        (lambda: random.choice(2, (1,), p=[-1.0, 2.0]), weft.OutOfRangeError, "each weight"),
        (
            lambda: random.multivariate_normal(weft.ones(2), weft.ones((3, 3))),
            weft.ShapeError,
            "scale_tril",
        ),
    ],
)
def test_errors(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


# PyTorch's names ---------------------------------------------------------------------------------

_IN_PLACE = {
    "uniform_": ((-1.0, 3.0), lambda **o: random.uniform((50,), -1.0, 3.0, **o)),
    "normal_": ((1.0, 2.0), lambda **o: random.normal((50,), 1.0, 2.0, **o)),
    "log_normal_": ((), lambda **o: random.lognormal((50,), 1.0, 2.0, **o)),
    "exponential_": ((4.0,), lambda **o: random.exponential((50,), 0.25, **o)),
    "cauchy_": ((1.0, 2.0), lambda **o: random.cauchy((50,), 1.0, 2.0, **o)),
    "geometric_": ((0.2,), lambda **o: random.geometric(0.2, (50,), **o)),
    "bernoulli_": ((0.2,), lambda dtype: random.bernoulli(0.2, (50,)).astype(dtype)),
    "random_": ((3, 90), lambda dtype: random.randint(3, 90, (50,)).astype(dtype)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", _IN_PLACE)
def test_in_place(name: str, dtype: str) -> None:
    """In place as by the function of the same seed; in views, and in compiled functions."""
    arguments, function = _IN_PLACE[name]
    weft.manual_seed(3)
    expected = function(dtype=dtype)
    x = weft.zeros((2, 50), dtype=dtype)
    weft.manual_seed(3)
    assert getattr(x[1], name)(*arguments) is not None
    assert_same_bits(x[1], expected)
    assert not to_numpy(x[0]).any()

    @weft.jit
    def fill(x: weft.Tensor) -> None:
        getattr(x, name)(*arguments)

    y = weft.zeros(50, dtype=dtype)
    weft.manual_seed(3)
    fill(y)
    assert_same_bits(y, expected)


def test_functions_of_pytorch() -> None:
    def again(first: Callable[[], weft.Tensor], second: Callable[[], weft.Tensor]) -> None:
        weft.manual_seed(9)
        left = first()
        weft.manual_seed(9)
        assert_same_bits(left, second())

    x = weft.asarray([[0.25, 4.0, 30.0]])
    again(lambda: weft.poisson(x), lambda: random.poisson(x, dtype="float32"))
    again(lambda: weft.normal(x, 2.0), lambda: random.normal(None, x, 2.0))
    again(lambda: weft.normal(0.0, x), lambda: random.normal(None, 0.0, x))
    again(lambda: weft.normal(1.0, 2.0, (3, 1)), lambda: random.normal((3, 1), 1.0, 2.0))
    again(
        lambda: weft.randint_like(x, 3, 9),
        lambda: random.randint(3, 9, (1, 3), dtype="float32"),
    )
    again(lambda: weft.randint_like(x, 9), lambda: weft.randint_like(x, 0, 9))
    p = weft.asarray([0.0, 1.0, 1.0])
    assert weft.bernoulli(p).tolist() == [0, 1, 1]
    assert weft.zeros(3).bernoulli_(p).tolist() == [0, 1, 1]
    assert weft.bernoulli(weft.zeros(4), 1.0).tolist() == [1] * 4
    assert p.bernoulli().tolist() == [0, 1, 1]
    with pytest.raises(weft.OutOfRangeError, match="bernoulli: each probability"):
        weft.bernoulli(x)
    with pytest.raises(weft.DTypeError, match="poisson: x has to be floating"):
        weft.poisson(weft.arange(3))
    with pytest.raises(weft.DTypeError, match="exponential_: a tensor of int64"):
        weft.arange(3).exponential_()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float16", "float32", "bool"])
def test_random_without_bounds(dtype: str) -> None:
    """PyTorch's range: all integers that are not negative and that the dtype tells apart."""
    x = weft.zeros(4000, dtype=dtype).random_().numpy().astype(np.float64)
    kinds = {"int8": 2.0**7, "uint8": 2.0**8, "int32": 2.0**31, "int64": 2.0**62, "bool": 2.0}
    bound = {**kinds, "float16": 2.0**11 + 1, "float32": 2.0**24 + 1}[dtype]
    assert x.min() >= 0
    assert bound * 0.49 < x.max() < max(bound, 1.5)
    assert (x == np.floor(x)).all()
