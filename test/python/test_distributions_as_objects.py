"""What distributions do as objects, as PyTorch's: modes, values, other batch shapes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from torch import distributions as t
from weft import distributions as d
from weft import random

_RANDOM = np.random.default_rng(0)
_SCALE = _RANDOM.uniform(0.4, 4.0, (3, 6))
_OTHER = _RANDOM.uniform(0.4, 6.0, (3, 6))
_SHARE = _RANDOM.uniform(0.05, 0.95, (3, 6))
_MATRIX = np.eye(6) * 2 + 0.5

#: How a distribution of one or the other library is made, by what makes its tensors.
MAKERS: dict[str, Callable[[Any, Callable], Any]] = {
    "Normal": lambda m, a: m.Normal(a(_OTHER), a(_SCALE)),
    "Laplace": lambda m, a: m.Laplace(a(_OTHER), a(_SCALE)),
    "Cauchy": lambda m, a: m.Cauchy(a(_OTHER), a(_SCALE)),
    "Gumbel": lambda m, a: m.Gumbel(a(_OTHER), a(_SCALE)),
    "LogNormal": lambda m, a: m.LogNormal(a(_OTHER), a(_SCALE)),
    "StudentT": lambda m, a: m.StudentT(a(_SCALE), a(_OTHER)),
    "Exponential": lambda m, a: m.Exponential(a(_SCALE)),
    "Gamma": lambda m, a: m.Gamma(a(_SCALE), a(_OTHER)),
    "Beta": lambda m, a: m.Beta(a(_SCALE), a(_OTHER)),
    "Dirichlet": lambda m, a: m.Dirichlet(a(_SCALE)),
    "Chi2": lambda m, a: m.Chi2(a(_SCALE)),
    "HalfNormal": lambda m, a: m.HalfNormal(a(_SCALE)),
    "HalfCauchy": lambda m, a: m.HalfCauchy(a(_SCALE)),
    "FisherSnedecor": lambda m, a: m.FisherSnedecor(a(_SCALE), a(_OTHER)),
    "InverseGamma": lambda m, a: m.InverseGamma(a(_SCALE), a(_OTHER)),
    "Pareto": lambda m, a: m.Pareto(a(_SCALE), a(_OTHER)),
    "GeneralizedPareto": lambda m, a: m.GeneralizedPareto(a(_SCALE), a(_OTHER), a(_SHARE)),
    "Weibull": lambda m, a: m.Weibull(a(_SCALE), a(_OTHER + 1)),
    "VonMises": lambda m, a: m.VonMises(a(_SHARE), a(_OTHER)),
    "Bernoulli": lambda m, a: m.Bernoulli(a(_SHARE)),
    "Geometric": lambda m, a: m.Geometric(a(_SHARE)),
    "Binomial": lambda m, a: m.Binomial(5, a(_SHARE)),
    "Poisson": lambda m, a: m.Poisson(a(_OTHER)),
    "Categorical": lambda m, a: m.Categorical(a(_SHARE)),
    "OneHotCategorical": lambda m, a: m.OneHotCategorical(a(_SHARE)),
    "NegativeBinomial": lambda m, a: m.NegativeBinomial(a(_OTHER), a(_SHARE)),
    "MultivariateNormal": lambda m, a: m.MultivariateNormal(a(_OTHER), a(_MATRIX)),
    "LowRankMultivariateNormal": lambda m, a: m.LowRankMultivariateNormal(
        a(_OTHER), a(_MATRIX[:, :2]), a(_SCALE)
    ),
    "Wishart": lambda m, a: m.Wishart(a(_SCALE[:, 0] + 5), a(_MATRIX)),
    "Independent": lambda m, a: m.Independent(m.Normal(a(_OTHER), a(_SCALE)), 1),
    # Without modes.
    "Uniform": lambda m, a: m.Uniform(a(_SHARE - 1), a(_SCALE)),
    "ContinuousBernoulli": lambda m, a: m.ContinuousBernoulli(a(_SHARE)),
    "Kumaraswamy": lambda m, a: m.Kumaraswamy(a(_SCALE), a(_OTHER)),
    "RelaxedBernoulli": lambda m, a: m.RelaxedBernoulli(a(np.array(0.5)), a(_SHARE)),
    "RelaxedOneHotCategorical": lambda m, a: m.RelaxedOneHotCategorical(
        a(np.array(0.5)), a(_SHARE)
    ),
    "Multinomial": lambda m, a: m.Multinomial(5, a(_SHARE)),
    "LKJCholesky": lambda m, a: m.LKJCholesky(3, a(_SCALE[:, 0])),
    "LogisticNormal": lambda m, a: m.LogisticNormal(a(_OTHER), a(_SCALE)),
    "MixtureSameFamily": lambda m, a: m.MixtureSameFamily(
        m.Categorical(a(_SHARE)), m.Normal(a(_OTHER), a(_SCALE))
    ),
    "TransformedDistribution": lambda m, a: m.TransformedDistribution(
        m.Normal(a(_OTHER), a(_SCALE)), [m.SigmoidTransform()]
    ),
}

_WITH_MODES = list(MAKERS)[:30]


def _pair(name: str) -> tuple[Any, Any]:
    return MAKERS[name](d, weft.asarray), MAKERS[name](t, torch.tensor)


def _near(found: Any, wanted: Any) -> None:
    found, wanted = to_numpy(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", _WITH_MODES)
def test_modes(name: str) -> None:
    ours, theirs = _pair(name)
    if name == "StudentT":  # PyTorch's is NaN but for the degrees above 1
        _near(ours.mode, _OTHER)
        return
    wanted = theirs.mode
    if name == "Dirichlet":  # PyTorch takes the corner of what it has already cut off at 0
        inside = to_numpy((theirs.concentration >= 1).any(-1))
        _near(to_numpy(ours.mode)[inside], wanted[inside])
        return
    if name == "Beta":
        inside = ((_SCALE >= 1) | (_OTHER >= 1)) & np.isfinite(wanted.numpy())
        _near(to_numpy(ours.mode)[inside], wanted.numpy()[inside])
        return
    _near(eager_and_jit(lambda one: one.mode, ours), wanted)


def test_modes_at_edges() -> None:
    corners = d.Dirichlet(weft.asarray([[0.5, 0.7, 0.2], [1.0, 3.0, 1.0]])).mode
    assert corners.tolist() == [[0, 1, 0], [0, 1, 0]]
    assert d.Weibull(2.0, 0.5).mode.item() == 0
    assert np.isnan(d.Bernoulli(0.5).mode.item())
    assert np.isnan(d.FisherSnedecor(1.0, 3.0).mode.item())
    ours = d.Kumaraswamy(weft.asarray(_SCALE + 1), weft.asarray(_OTHER + 1))
    grid = np.linspace(0, 1, 4001)[1:-1, None, None]
    densities = to_numpy(ours.log_prob(weft.asarray(grid + np.zeros_like(_SCALE))))
    apart = np.abs(grid[:, 0, 0][densities.argmax(0)] - to_numpy(ours.mode))
    assert apart.max() <= 1 / 4000
    with pytest.raises(weft.UnsupportedError, match="Uniform has no mode"):
        _ = d.Uniform(0.0, 1.0).mode


@pytest.mark.parametrize("name", MAKERS)
def test_other_batch_shapes(name: str) -> None:
    ours = MAKERS[name](d, weft.asarray)
    shape = (2, *ours.batch_shape)
    wide = ours.expand(shape)
    assert type(wide) is type(ours)
    assert (wide.batch_shape, wide.event_shape) == (shape, ours.event_shape)
    drawn = wide.sample((4,), key=random.key(1))
    assert drawn.shape == (4, *shape, *ours.event_shape)
    # Samples of both halves of the batch are drawn apart.
    assert (to_numpy(drawn)[:, 0] != to_numpy(drawn)[:, 1]).any()
    _near(wide.log_prob(drawn), ours.log_prob(drawn))
    assert ours.batch_shape == shape[1:]
    with pytest.raises(weft.ShapeError):
        ours.expand((7, 5))


@pytest.mark.parametrize("name", ["Bernoulli", "Binomial", "Categorical", "OneHotCategorical"])
def test_all_values(name: str) -> None:
    ours, theirs = _pair(name)
    for expand in (True, False):
        found = ours.enumerate_support(expand)
        wanted = theirs.enumerate_support(expand)
        assert found.shape == tuple(wanted.shape)
        np.testing.assert_array_equal(to_numpy(found), wanted.numpy())
    total = weft.sum(weft.exp(ours.log_prob(found)), axis=0)
    np.testing.assert_allclose(to_numpy(total), 1, rtol=1e-12)
    with pytest.raises(weft.UnsupportedError, match="can't be counted up"):
        d.Normal(0.0, 1.0).enumerate_support()
    with pytest.raises(weft.UnsupportedError, match="different numbers of trials"):
        d.Binomial(weft.asarray([1, 2]), 0.5).enumerate_support()


def test_perplexity() -> None:
    ours, theirs = _pair("Categorical")
    _near(ours.perplexity(), theirs.perplexity())
    assert_same_bits(ours.perplexity(), weft.exp(ours.entropy()))


_EDGES = (-math.inf, -2.0, -1, -0.5, 0, 0.0, 0.25, 1, 1.0, 1.5, 3, math.inf, math.nan)

#: Parameters that are numbers, of all distributions that have such.
NUMBERS: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("Chi2", "HalfCauchy", "HalfNormal", "Exponential", "Poisson"), (2.0,)),
    **dict.fromkeys(("FisherSnedecor", "InverseGamma", "Kumaraswamy", "Pareto"), (1.0, 2.0)),
    **dict.fromkeys(("Weibull", "VonMises", "Gamma", "Beta", "Cauchy", "Gumbel"), (1.0, 2.0)),
    **dict.fromkeys(("Normal", "LogNormal", "Laplace"), (0.5, 2.0)),
    **dict.fromkeys(("ContinuousBernoulli", "Bernoulli", "Geometric"), (0.5,)),
    **dict.fromkeys(("NegativeBinomial", "Binomial"), (3, 0.5)),
    "GeneralizedPareto": (0.5, 1.0, 0.2),
    "StudentT": (3.0, 0.5, 2.0),
    "Uniform": (-10.0, 10.0),
}


def _refusal(kind: Any, given: Sequence[Any], **more: Any) -> str | None:
    try:
        kind(*given, **more)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_parameters_can_t_be(name: str) -> None:
    """What PyTorch refuses as a number, with the parameter's name; and nothing else."""
    kind, good = getattr(d, name), NUMBERS[name]
    names = ["df"] if name == "Chi2" else [field.name for field in dataclasses.fields(kind)]
    for place, value in itertools.product(range(len(good)), _EDGES):
        given = [*good[:place], value, *good[place + 1 :]]
        ours = _refusal(kind, given)
        theirs = _refusal(getattr(t, name), given, validate_args=True)
        assert (ours is None) == (theirs is None), (given, ours, theirs)
        assert _refusal(kind, [weft.asarray(x) for x in given]) is None  # tensors are not looked at
        if ours is not None:
            assert f" {name}: " in ours
            assert ours.startswith(__file__)
            assert names[place] in ours


def test_where_parameters_are() -> None:
    """As PyTorch has them by name."""
    for name, good in NUMBERS.items():
        ours, theirs = getattr(d, name)(*good), getattr(t, name)(*good)
        assert set(theirs.arg_constraints) <= {*ours.arg_constraints, "df"}, name
        for which, where in ours.arg_constraints.items():
            assert bool(weft.all(where.check(getattr(ours, which)))), (name, which)
    with pytest.raises(weft.OptionError, match="RelaxedBernoulli: temperature has to be a number"):
        d.RelaxedBernoulli(0.0, 0.5)
    with pytest.raises(weft.OptionError, match="logits has to be a real number, not nan"):
        d.Bernoulli(logits=math.nan)
    compiled = weft.jit(lambda rate: d.Exponential(rate).mean)
    assert compiled(-2.0).tolist() == -0.5  # a number of the call is a tensor inside
