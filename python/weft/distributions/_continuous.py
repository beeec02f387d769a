"""Continuous distributions; densities, entropies and moments as in any table of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .. import _ops, random
from .._core import Tensor
from .._creation import _fail, zeros_like
from .._errors import OptionError
from .._manipulation import astype, one_hot, stack
from .._pytorch import xlogy
from .._reductions import all, argmax, sum
from .._special import digamma, lgamma, ndtri
from ..special import gammainc, ndtr
from . import constraints
from ._distribution import Distribution, support

#: Euler's constant.
_EULER = 0.57721566490153286


@dataclasses.dataclass(eq=False)
class _LocationScale(Distribution):
    """loc + scale z, with z of a standard distribution."""

    loc: Any
    scale: Any
    has_rsample = True

    def __post_init__(self) -> None:
        self._take("loc", "scale")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.loc.shape

    def _standard(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale

    def _log_density(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def _log_prob(self, value: Tensor) -> Tensor:
        return self._log_density(self._standard(value)) - _ops.log(self.scale)


class Normal(_LocationScale):
    """The normal distribution with a mean ``loc`` and a deviation ``scale``."""

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.normal(shape, self.loc, self.scale, key=key)

    def _log_density(self, z: Tensor) -> Tensor:
        return z * z * -0.5 - 0.5 * math.log(2 * math.pi)

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale) + 0.5 * math.log(2 * math.pi * math.e)

    def _cdf(self, value: Tensor) -> Tensor:
        return ndtr(self._standard(value))

    def _icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * ndtri(value)

    def _mean(self) -> Tensor:
        return self.loc

    def _variance(self) -> Tensor:
        return self.scale * self.scale

    def _mode(self) -> Tensor:
        return self.loc


class Laplace(_LocationScale):
    """The density exp(-|x - loc| / scale) / (2 scale)."""

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.laplace(shape, self.loc, self.scale, key=key)

    def _log_density(self, z: Tensor) -> Tensor:
        return -_ops.abs(z) - math.log(2)

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale) + (1 + math.log(2))

    def _cdf(self, value: Tensor) -> Tensor:
        z = self._standard(value)
        tail = 0.5 * _ops.exp(-_ops.abs(z))
        return _ops.where(z < 0, tail, _ops.subtract(1, tail))

    def _icdf(self, value: Tensor) -> Tensor:
        middle = value - 0.5
        return self.loc - self.scale * _ops.sign(middle) * _ops.log1p(-2 * _ops.abs(middle))

    def _mean(self) -> Tensor:
        return self.loc

    def _variance(self) -> Tensor:
        return 2 * self.scale * self.scale

    def _mode(self) -> Tensor:
        return self.loc


class Cauchy(_LocationScale):
    """The density 1 / (pi scale (1 + ((x - loc) / scale)**2)); it has no mean."""

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.cauchy(shape, self.loc, self.scale, key=key)

    def _log_density(self, z: Tensor) -> Tensor:
        return -_ops.log1p(z * z) - math.log(math.pi)

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale) + math.log(4 * math.pi)

    def _cdf(self, value: Tensor) -> Tensor:
        return _ops.atan(self._standard(value)) / math.pi + 0.5

    def _icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * _ops.tan((value - 0.5) * math.pi)

    def _mode(self) -> Tensor:
        return self.loc


class Gumbel(_LocationScale):
    """The cumulative distribution exp(-exp(-(x - loc) / scale))."""

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.gumbel(shape, self.loc, self.scale, key=key)

    def _log_density(self, z: Tensor) -> Tensor:
        return -z - _ops.exp(-z)

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale) + (1 + _EULER)

    def _cdf(self, value: Tensor) -> Tensor:
        return _ops.exp(-_ops.exp(-self._standard(value)))

    def _icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * _ops.log(-_ops.log(value))

    def _mean(self) -> Tensor:
        return self.loc + _EULER * self.scale

    def _variance(self) -> Tensor:
        return math.pi**2 / 6 * self.scale * self.scale

    def _mode(self) -> Tensor:
        return self.loc


class LogNormal(_LocationScale):
    """exp of the normal distribution with this ``loc`` and ``scale``."""

    support = constraints.positive

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.lognormal(shape, self.loc, self.scale, key=key)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = value > 0
        size = _ops.log(_ops.where(inside, value, 1.0))
        return support(inside, Normal(self.loc, self.scale).log_prob(size) - size)

    def _entropy(self) -> Tensor:
        return Normal(self.loc, self.scale).entropy() + self.loc

    def _cdf(self, value: Tensor) -> Tensor:
        inside = value > 0
        below = Normal(self.loc, self.scale).cdf(_ops.log(_ops.where(inside, value, 1.0)))
        return _ops.where(inside, below, 0.0)

    def _icdf(self, value: Tensor) -> Tensor:
        return _ops.exp(Normal(self.loc, self.scale).icdf(value))

    def _mean(self) -> Tensor:
        return _ops.exp(self.loc + 0.5 * self.scale * self.scale)

    def _variance(self) -> Tensor:
        square = self.scale * self.scale
        return _ops.expm1(square) * _ops.exp(2 * self.loc + square)

    def _mode(self) -> Tensor:
        return _ops.exp(self.loc - self.scale * self.scale)


@dataclasses.dataclass(eq=False)
class StudentT(Distribution):
    """Student's t with ``df`` degrees of freedom, times ``scale``, plus ``loc``."""

    df: Any
    loc: Any = 0.0
    scale: Any = 1.0
    has_rsample = True

    def __post_init__(self) -> None:
        self._take("df", "loc", "scale")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.df.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return self.loc + self.scale * random.student_t(self.df, shape, key=key)

    def _log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        half = 0.5 * self.df
        total = 0.5 * _ops.log(self.df * math.pi) + lgamma(half) - lgamma(half + 0.5)
        return -(half + 0.5) * _ops.log1p(z * z / self.df) - total - _ops.log(self.scale)

    def _entropy(self) -> Tensor:
        half = 0.5 * self.df
        spread = 0.5 * _ops.log(self.df * math.pi) + lgamma(half) - lgamma(half + 0.5)
        return _ops.log(self.scale) + spread + (half + 0.5) * (digamma(half + 0.5) - digamma(half))

    def _mean(self) -> Tensor:
        return _ops.where(self.df > 1, self.loc, math.nan)

    def _variance(self) -> Tensor:
        df = _ops.where(self.df > 2, self.df, 4.0)
        spread = _ops.where(self.df > 1, math.inf, math.nan)
        return _ops.where(self.df > 2, self.scale * self.scale * df / (df - 2), spread)

    def _mode(self) -> Tensor:
        return self.loc


@dataclasses.dataclass(eq=False)
class Uniform(Distribution):
    """Uniform in [low, high)."""

    low: Any
    high: Any
    has_rsample = True

    @property
    def support(self) -> constraints.Constraint:
        """Between both ends."""
        return constraints.half_open_interval(self.low, self.high)

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        self._take("low", "high")
        if type(low) in (int, float) and type(high) in (int, float) and not low < high:
            raise _fail(OptionError, f"Uniform: low has to be below high, not {low} and {high}")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.low.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.uniform(shape, self.low, self.high, key=key)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = (value >= self.low) & (value < self.high)
        return support(inside, -_ops.log(self.high - self.low))

    def _entropy(self) -> Tensor:
        return _ops.log(self.high - self.low)

    def _cdf(self, value: Tensor) -> Tensor:
        share = (value - self.low) / (self.high - self.low)
        return _ops.minimum(_ops.maximum(share, 0.0), 1.0)

    def _icdf(self, value: Tensor) -> Tensor:
        return self.low + value * (self.high - self.low)

    def _mean(self) -> Tensor:
        return 0.5 * (self.low + self.high)

    def _variance(self) -> Tensor:
        return (self.high - self.low) ** 2 / 12


@dataclasses.dataclass(eq=False)
class Exponential(Distribution):
    """The density rate exp(-rate x), x >= 0."""

    rate: Any
    has_rsample = True
    support = constraints.nonnegative

    def __post_init__(self) -> None:
        self._take("rate")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.rate.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.exponential(shape, _ops.reciprocal(self.rate), key=key)

    def _log_prob(self, value: Tensor) -> Tensor:
        return support(value >= 0, _ops.log(self.rate) - self.rate * value)

    def _entropy(self) -> Tensor:
        return _ops.subtract(1.0, _ops.log(self.rate))

    def _cdf(self, value: Tensor) -> Tensor:
        return -_ops.expm1(-self.rate * _ops.maximum(value, 0.0))

    def _icdf(self, value: Tensor) -> Tensor:
        return -_ops.log1p(-value) / self.rate

    def _mean(self) -> Tensor:
        return _ops.reciprocal(self.rate)

    def _variance(self) -> Tensor:
        return _ops.reciprocal(self.rate * self.rate)

    def _mode(self) -> Tensor:
        return zeros_like(self.rate)


@dataclasses.dataclass(eq=False)
class Gamma(Distribution):
    """The density of x proportional to x**(concentration - 1) exp(-rate x), x > 0."""

    concentration: Any
    rate: Any
    has_rsample = True
    support = constraints.nonnegative

    def __post_init__(self) -> None:
        self._take("concentration", "rate")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.rate.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.gamma(self.concentration, _ops.reciprocal(self.rate), shape, key=key)

    def _log_prob(self, value: Tensor) -> Tensor:
        a = self.concentration
        powers = xlogy(a, self.rate) + xlogy(a - 1, _ops.maximum(value, 0.0))
        return support(value >= 0, powers - self.rate * value - lgamma(a))

    def _entropy(self) -> Tensor:
        a = self.concentration
        return a - _ops.log(self.rate) + lgamma(a) - (a - 1) * digamma(a)

    def _cdf(self, value: Tensor) -> Tensor:
        return gammainc(self.concentration, _ops.maximum(value, 0.0) * self.rate)

    def _mean(self) -> Tensor:
        return self.concentration / self.rate

    def _variance(self) -> Tensor:
        return self.concentration / (self.rate * self.rate)

    def _mode(self) -> Tensor:
        return _ops.maximum(self.concentration - 1, 0.0) / self.rate


def log_beta(a: Tensor, b: Tensor) -> Tensor:
    """The logarithm of Euler's beta function."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@dataclasses.dataclass(eq=False)
class Beta(Distribution):
    """The density of x proportional to x**(concentration1 - 1) (1 - x)**(concentration0 - 1)."""

    concentration1: Any
    concentration0: Any
    has_rsample = True
    support = constraints.unit_interval

    def __post_init__(self) -> None:
        self._take("concentration1", "concentration0")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.concentration1.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.beta(self.concentration1, self.concentration0, shape, key=key)

    def _log_prob(self, value: Tensor) -> Tensor:
        a, b = self.concentration1, self.concentration0
        inside = (value >= 0) & (value <= 1)
        safe = _ops.where(inside, value, 0.5)
        powers = xlogy(a - 1, safe) + xlogy(b - 1, _ops.subtract(1, safe))
        return support(inside, powers - log_beta(a, b))

    def _entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        means = (a - 1) * digamma(a) + (b - 1) * digamma(b) - (a + b - 2) * digamma(a + b)
        return log_beta(a, b) - means

    def _mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    def _variance(self) -> Tensor:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total * total * (total + 1))

    def _mode(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        return Dirichlet(stack([a, b], axis=-1)).mode[..., 0]


@dataclasses.dataclass(eq=False)
class Dirichlet(Distribution):
    """Shares [..., K] that sum to 1, with a density proportional to the product of
    x**(concentration - 1)."""

    concentration: Any
    has_rsample = True
    support = constraints.simplex

    def __post_init__(self) -> None:
        self._take("concentration")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.concentration.shape[:-1]

    def _event_shape(self) -> tuple[int, ...]:
        return self.concentration.shape[-1:]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.dirichlet(self.concentration, shape, key=key)

    def log_norm(self) -> Tensor:
        """The logarithm of what the product is divided by."""
        total = sum(self.concentration, axis=-1)
        return sum(lgamma(self.concentration), axis=-1) - lgamma(total)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = _ops.where(value >= 0, 0.0, -math.inf)
        powers = xlogy(self.concentration - 1, _ops.maximum(value, 0.0))
        return sum(powers + inside, axis=-1) - self.log_norm()

    def _entropy(self) -> Tensor:
        a = self.concentration
        total = sum(a, axis=-1)
        terms = (total - self._event_shape()[0]) * digamma(total)
        return self.log_norm() + terms - sum((a - 1) * digamma(a), axis=-1)

    def _mean(self) -> Tensor:
        return self.concentration / sum(self.concentration, axis=-1, keepdims=True)

    def _variance(self) -> Tensor:
        total = sum(self.concentration, axis=-1, keepdims=True)
        return self._mean() * _ops.subtract(1, self._mean()) / (total + 1)

    def _mode(self) -> Tensor:
        """Where all concentrations are below 1, the density is infinite at each corner: the one of
        the largest concentration is taken."""
        a = self.concentration
        above = _ops.maximum(a - 1, 0.0)
        total = sum(above, axis=-1, keepdims=True)
        corner = astype(one_hot(argmax(a, axis=-1), a.shape[-1]), a.dtype)
        inner = above / _ops.where(total > 0, total, 1.0)
        return _ops.where(all(a < 1, axis=-1, keepdims=True), corner, inner)
