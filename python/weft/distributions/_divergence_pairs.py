"""Divergences of more distributions, and of pairs of different ones.

Of different ones they are the mean of -log q over p, less p's entropy: by moments, and by means of
logarithms and exponentials.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from .. import _ops, linalg
from .._core import Tensor
from .._creation import full_like
from .._pytorch import xlogy
from .._reductions import sum
from .._special import digamma, lgamma
from ._continuous import (
    _EULER,
    Beta,
    Cauchy,
    Exponential,
    Gamma,
    Gumbel,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
    log_beta,
)
from ._discrete import Bernoulli, Binomial, Poisson, _times
from ._distribution import Distribution, common
from ._divergence import _gamma, kl_divergence, register_kl
from ._half_line import HalfCauchy, HalfNormal, InverseGamma, Pareto, Weibull
from ._intervals import ContinuousBernoulli
from ._matrices import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    _log_diagonal,
    squared_distance,
)
from ._transformed import LogisticNormal

# Of one kind --------------------------------------------------------------------------------------

register_kl(InverseGamma, InverseGamma)(_gamma)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    ratio = p.scale / q.scale
    return 0.5 * (ratio * ratio - 1) - _ops.log(ratio)


@register_kl(HalfCauchy, HalfCauchy)
def _half_cauchy(p: HalfCauchy, q: HalfCauchy) -> Tensor:
    """That of the whole distributions, whose halves are alike."""
    return kl_divergence(Cauchy(0.0, p.scale), Cauchy(0.0, q.scale))


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, apart = p.scale / q.scale, (p.loc - q.loc) / q.scale
    falling = _ops.exp(lgamma(1 + ratio) - apart)
    return apart - _ops.log(ratio) + _EULER * (ratio - 1) + falling - 1


@register_kl(Weibull, Weibull)
def _weibull(p: Weibull, q: Weibull) -> Tensor:
    """Bauckhage, 2013."""
    k, other = p.concentration, q.concentration
    logs = _ops.log(k / other) + other * _ops.log(q.scale) - k * _ops.log(p.scale)
    means = (k - other) * (_ops.log(p.scale) - _EULER / k)
    power = _ops.exp(other * _ops.log(p.scale / q.scale) + lgamma(other / k + 1))
    return logs + means + power - 1


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    found = q.alpha * _ops.log(p.scale / q.scale) - _ops.log(ratio) + ratio - 1
    return _ops.where(p.scale < q.scale, math.inf, found)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    return (p.logits - q.logits) * (p.mean - 0.5) - p.log_norm() + q.log_norm()


@register_kl(LogisticNormal, LogisticNormal)
def _logistic_normal(p: LogisticNormal, q: LogisticNormal) -> Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    ratio = linalg.solve_triangular(q.scale_tril, p.scale_tril, upper=False)
    spread = sum(ratio * ratio, axis=(-2, -1)) - p.loc.shape[-1]
    distance = squared_distance(q.scale_tril, p.loc - q.loc)
    return 0.5 * (spread + distance) + _log_diagonal(q.scale_tril) - _log_diagonal(p.scale_tril)


def _full(p: Any) -> MultivariateNormal:
    if isinstance(p, MultivariateNormal):
        return p
    return MultivariateNormal(p.loc, covariance_matrix=p.covariance_matrix)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _low_rank(p: Any, q: Any) -> Tensor:
    """By the covariances: their size decides the work, not their rank."""
    return _multivariate_normal(_full(p), _full(q))


# Of different kinds -------------------------------------------------------------------------------

_Mean = Callable[[Any], Tensor]

#: The means of logarithms, of distributions on the half line.
_LOG_MEANS: dict[type[Distribution], _Mean] = {
    Beta: lambda p: digamma(p.concentration1) - digamma(p.concentration1 + p.concentration0),
    Exponential: lambda p: -_ops.log(p.rate) - _EULER,
    Gamma: lambda p: digamma(p.concentration) - _ops.log(p.rate),
    LogNormal: lambda p: p.loc,
    Pareto: lambda p: _ops.log(p.scale) + _ops.reciprocal(p.alpha),
    Uniform: lambda p: (xlogy(p.high, p.high) - xlogy(p.low, p.low)) / (p.high - p.low) - 1,
    Weibull: lambda p: _ops.log(p.scale) - _EULER / p.concentration,
}

#: The means of exp(-x / scale).
_FALLING: dict[type[Distribution], Callable[[Any, Tensor], Tensor]] = {
    Exponential: lambda p, scale: p.rate * scale / (p.rate * scale + 1),
    Gamma: lambda p, scale: (1 + _ops.reciprocal(p.rate * scale)) ** -p.concentration,
    Normal: lambda p, scale: _ops.exp((0.5 * p.scale * p.scale / scale - p.loc) / scale),
    Uniform: lambda p, scale: (
        (_ops.exp(-p.low / scale) - _ops.exp(-p.high / scale)) * scale / (p.high - p.low)
    ),
}


def _below(p: Any, is_outside: Tensor | None, value: Tensor) -> Tensor:
    """Less the entropy; infinite where p has what q can't have."""
    found = value - p.entropy()
    return found if is_outside is None else _ops.where(is_outside, math.inf, found)


def _negative(p: Any) -> Tensor | None:
    return p.low < 0 if isinstance(p, Uniform) else None


def _to_normal(p: Any, q: Normal) -> Tensor:
    apart = p.mean - q.loc
    square = (p.variance + apart * apart) / (2 * q.scale * q.scale)
    return _below(p, None, square + _ops.log(q.scale) + 0.5 * math.log(2 * math.pi))


def _to_exponential(p: Any, q: Exponential) -> Tensor:
    return _below(p, _negative(p), q.rate * p.mean - _ops.log(q.rate))


def _log_mean(p: Any) -> Tensor:
    return next(_LOG_MEANS[kind](p) for kind in type(p).__mro__ if kind in _LOG_MEANS)


def _to_gamma(p: Any, q: Gamma) -> Tensor:
    a = q.concentration
    norm = lgamma(a) - a * _ops.log(q.rate)
    return _below(p, _negative(p), norm - (a - 1) * _log_mean(p) + q.rate * p.mean)


def _to_gumbel(p: Any, q: Gumbel) -> Tensor:
    falling = next(_FALLING[kind] for kind in type(p).__mro__ if kind in _FALLING)
    mean = _ops.exp(q.loc / q.scale) * falling(p, q.scale)
    return _below(p, None, _ops.log(q.scale) + (p.mean - q.loc) / q.scale + mean)


def _to_uniform(p: Any, q: Uniform) -> Tensor:
    """Of what is in [0, 1]."""
    is_outside = (q.low > 0) | (q.high < 1)
    return _below(p, is_outside, _ops.log(q.high - q.low))


def _to_continuous_bernoulli(p: Any, q: ContinuousBernoulli) -> Tensor:
    outside = (p.low < 0) | (p.high > 1) if isinstance(p, Uniform) else None
    return _below(p, outside, q.log_norm() - q.logits * (p.mean - 0.5))


_Kinds = tuple[type[Distribution], ...]

_ON_HALF_LINE: _Kinds = (LogNormal, Pareto, Uniform, Weibull)
_CROSSED: dict[type[Distribution], tuple[Callable[[Any, Any], Tensor], _Kinds]] = {
    Normal: (
        _to_normal,
        (
            *(Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, HalfNormal, Laplace),
            *_ON_HALF_LINE,
        ),
    ),
    Exponential: (
        _to_exponential,
        (Beta, ContinuousBernoulli, Gamma, HalfNormal, *_ON_HALF_LINE),
    ),
    Gamma: (_to_gamma, (Beta, Exponential, *_ON_HALF_LINE)),
    Gumbel: (_to_gumbel, tuple(_FALLING)),
    Uniform: (_to_uniform, (Beta, ContinuousBernoulli)),
    ContinuousBernoulli: (_to_continuous_bernoulli, (Beta, Uniform)),
}

for _second, (_formula, _firsts) in _CROSSED.items():
    for _first in _firsts:
        register_kl(_first, _second)(_formula)


@register_kl(Normal, Laplace)
def _normal_to_laplace(p: Normal, q: Laplace) -> Tensor:
    """By the mean of the folded normal distribution."""
    apart = (p.loc - q.loc) / p.scale
    inner = math.sqrt(2 / math.pi) * _ops.exp(-0.5 * apart * apart)
    distance = p.scale * (inner + apart * _ops.erf(apart * math.sqrt(0.5)))
    return _below(p, None, distance / q.scale + _ops.log(2 * q.scale))


@register_kl(Uniform, Beta)
def _uniform_to_beta(p: Uniform, q: Beta) -> Tensor:
    mirrored = Uniform(_ops.subtract(1, p.high), _ops.subtract(1, p.low))
    powers = (q.concentration1 - 1) * _log_mean(p) + (q.concentration0 - 1) * _log_mean(mirrored)
    outside = (p.low < 0) | (p.high > 1)
    return _below(p, outside, log_beta(q.concentration1, q.concentration0) - powers)


@register_kl(Uniform, Pareto)
def _uniform_to_pareto(p: Uniform, q: Pareto) -> Tensor:
    powers = (q.alpha + 1) * _log_mean(p) - q.alpha * _ops.log(q.scale) - _ops.log(q.alpha)
    return _below(p, p.low < q.scale, powers)


@register_kl(Bernoulli, Poisson)
def _bernoulli_to_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return _below(p, None, q.rate - _times(p.probs, _ops.log(q.rate)))


def _never(p: Any, q: Any) -> Tensor:
    """Infinite: p has values that q can't have."""
    some = (getattr(p, dataclasses.fields(p)[0].name), getattr(q, dataclasses.fields(q)[0].name))
    return full_like(common(*some)[0], math.inf)


_BOUNDED: _Kinds = (Beta, ContinuousBernoulli, Uniform)
_POSITIVE: _Kinds = (Exponential, Gamma, Pareto)
_APART: dict[type[Distribution], _Kinds] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (*_BOUNDED, Pareto),
    Gamma: (*_BOUNDED, Pareto),
    Gumbel: (*_BOUNDED, *_POSITIVE),
    Laplace: (*_BOUNDED, *_POSITIVE),
    Normal: (*_BOUNDED, *_POSITIVE),
    Pareto: _BOUNDED,
    Poisson: (Bernoulli, Binomial),
}

for _first, _seconds in _APART.items():
    for _second in _seconds:
        register_kl(_first, _second)(_never)
