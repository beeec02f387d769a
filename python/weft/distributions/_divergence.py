"""Kullback and Leibler's divergence of pairs of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail
from .._errors import ShapeError, UnsupportedError
from .._reductions import sum
from .._special import digamma, lgamma
from ._continuous import (
    Beta,
    Cauchy,
    Dirichlet,
    Exponential,
    Gamma,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
    log_beta,
)
from ._discrete import Bernoulli, Binomial, Categorical, Geometric, Poisson, _times
from ._distribution import Distribution, Independent

Formula = Callable[[Any, Any], Tensor]

_formulas: dict[tuple[type, type], Formula] = {}


def register_kl(p: type[Distribution], q: type[Distribution]) -> Callable[[Formula], Formula]:
    """A decorator for the function that `kl_divergence` calls for distributions of both classes."""

    def register(formula: Formula) -> Formula:
        _formulas[p, q] = formula
        return formula

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The mean of p.log_prob(x) - q.log_prob(x) over x of p, for each of the batch.

    Raises:
        UnsupportedError: there is no formula for both; `register_kl` adds one.
    """
    for one in type(p).__mro__:
        for other in type(q).__mro__:
            if (one, other) in _formulas:
                return _formulas[one, other](p, q)
    names = f"{type(p).__name__} and {type(q).__name__}"
    raise _fail(UnsupportedError, f"kl_divergence: no formula for {names}; see register_kl")


@register_kl(Normal, Normal)
@register_kl(LogNormal, LogNormal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = p.scale / q.scale
    apart = (p.loc - q.loc) / q.scale
    return 0.5 * (ratio * ratio + apart * apart - 1) - _ops.log(ratio)


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    apart = _ops.abs(p.loc - q.loc)
    inner = p.scale * _ops.exp(-apart / p.scale) + apart
    return inner / q.scale - 1 - _ops.log(p.scale / q.scale)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    """Chyzak and Nielsen, 2019."""
    total, apart = p.scale + q.scale, p.loc - q.loc
    return _ops.log((total * total + apart * apart) / (4 * p.scale * q.scale))


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    inside = (q.low <= p.low) & (p.high <= q.high)
    return _ops.where(inside, _ops.log((q.high - q.low) / (p.high - p.low)), math.inf)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - _ops.log(ratio)


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    shapes = (a - b) * digamma(a) - lgamma(a) + lgamma(b)
    return shapes + b * _ops.log(p.rate / q.rate) + a * (q.rate / p.rate - 1)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    a, b, c, d = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    means = (a - c) * digamma(a) + (b - d) * digamma(b) + (c - a + d - b) * digamma(a + b)
    return log_beta(c, d) - log_beta(a, b) + means


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = digamma(sum(a, axis=-1, keepdims=True))
    return q.log_norm() - p.log_norm() + sum((a - b) * (digamma(a) - total), axis=-1)


@register_kl(Bernoulli, Bernoulli)
def _share_of_both(p: Any, q: Any) -> Tensor:
    failure = _ops.subtract(1, p.probs)
    return _share(p.probs, p.log_success, q.log_success) + _share(
        failure, p.log_failure, q.log_failure
    )


def _share(probability: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    is_none = probability == 0
    apart = _ops.where(is_none, 0.0, log_p) - _ops.where(is_none, 0.0, log_q)
    return _times(probability, apart)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    """Of as many trials; inf where p has more, which q can't have, and NaN where it has fewer."""
    more = _ops.where(p.total_count > q.total_count, math.inf, math.nan)
    same = p.total_count == q.total_count
    return _ops.where(same, p.total_count * _share_of_both(p, q), more)


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - _times(p.mean, q.log_failure) - q.log_success


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return _share(p.rate, _ops.log(p.rate), _ops.log(q.rate)) - p.rate + q.rate


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    return sum(_share(p.probs, p.logits, q.logits), axis=-1)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise _fail(ShapeError, "kl_divergence: events of different numbers of dimensions")
    return p.total(kl_divergence(p.base, q.base))
