"""Continuous distributions of numbers above a limit."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .. import _ops, random
from .._core import Tensor
from .._creation import full_like, zeros_like
from .._pytorch import xlogy
from .._special import digamma, erfinv, lgamma
from ..special import gammaincc
from . import constraints
from ._continuous import _EULER, Gamma, Normal
from ._distribution import Distribution, common, keys_of, support


class Chi2(Gamma):
    """The sum of ``df`` squares of normally distributed numbers; ``df`` need not be whole."""

    def __init__(self, df: Any) -> None:
        self._check("df", df)
        (df,) = common(df)
        super().__init__(df * 0.5, full_like(df, 0.5))

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2


@dataclasses.dataclass(eq=False)
class FisherSnedecor(Distribution):
    """The ratio of two `Chi2`, each over its degrees of freedom."""

    df1: Any
    df2: Any
    has_rsample = True
    support = constraints.positive

    def __post_init__(self) -> None:
        self._take("df1", "df2")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.df1.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        keys = keys_of(key, 2, self.df1)
        above, below = (
            random.loggamma(df * 0.5, shape, key=one) - _ops.log(df)
            for df, one in zip((self.df1, self.df2), keys, strict=True)
        )
        return _ops.exp(above - below)

    def _log_prob(self, value: Tensor) -> Tensor:
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        inside = value >= 0
        safe = _ops.where(inside, value, 1.0)
        powers = a * _ops.log(ratio) + xlogy(a - 1, safe) - (a + b) * _ops.log1p(ratio * safe)
        return support(inside, lgamma(a + b) - lgamma(a) - lgamma(b) + powers)

    def _mean(self) -> Tensor:
        df = _ops.where(self.df2 > 2, self.df2, 4.0)
        return _ops.where(self.df2 > 2, df / (df - 2), math.nan)

    def _variance(self) -> Tensor:
        df = _ops.where(self.df2 > 4, self.df2, 6.0)
        above = 2 * df * df * (self.df1 + df - 2)
        below = self.df1 * (df - 2) * (df - 2) * (df - 4)
        return _ops.where(self.df2 > 4, above / below, math.nan)

    def _mode(self) -> Tensor:
        found = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return _ops.where(self.df1 > 2, found, math.nan)


@dataclasses.dataclass(eq=False)
class _Scaled(Distribution):
    """Absolute values of a distribution about 0."""

    scale: Any
    has_rsample = True
    support = constraints.nonnegative

    def __post_init__(self) -> None:
        self._take("scale")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.scale.shape


class HalfNormal(_Scaled):
    """The absolute value of `Normal` about 0."""

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return _ops.abs(random.normal(shape, 0.0, self.scale, key=key))

    def _log_prob(self, value: Tensor) -> Tensor:
        density = Normal(0.0, self.scale).log_prob(value) + math.log(2)
        return support(value >= 0, density)

    def _cdf(self, value: Tensor) -> Tensor:
        return _ops.erf(_ops.maximum(value, 0.0) / self.scale * math.sqrt(0.5))

    def _icdf(self, value: Tensor) -> Tensor:
        return self.scale * math.sqrt(2) * erfinv(value)

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale) + 0.5 * math.log(math.pi * math.e / 2)

    def _mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    def _variance(self) -> Tensor:
        return self.scale * self.scale * (1 - 2 / math.pi)

    def _mode(self) -> Tensor:
        return zeros_like(self.scale)


class HalfCauchy(_Scaled):
    """The absolute value of `Cauchy` about 0; its mean and variance are infinite."""

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return _ops.abs(random.cauchy(shape, 0.0, self.scale, key=key))

    def _log_prob(self, value: Tensor) -> Tensor:
        z = value / self.scale
        density = -_ops.log1p(z * z) - _ops.log(self.scale) + math.log(2 / math.pi)
        return support(value >= 0, density)

    def _cdf(self, value: Tensor) -> Tensor:
        return _ops.atan(_ops.maximum(value, 0.0) / self.scale) * (2 / math.pi)

    def _icdf(self, value: Tensor) -> Tensor:
        return self.scale * _ops.tan(value * (math.pi / 2))

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale) + math.log(2 * math.pi)

    def _mean(self) -> Tensor:
        return full_like(self.scale, math.inf)

    def _variance(self) -> Tensor:
        return full_like(self.scale, math.inf)

    def _mode(self) -> Tensor:
        return zeros_like(self.scale)


@dataclasses.dataclass(eq=False)
class InverseGamma(Distribution):
    """1 over `Gamma` of these parameters."""

    concentration: Any
    rate: Any
    has_rsample = True
    support = constraints.positive

    def __post_init__(self) -> None:
        self._take("concentration", "rate")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.rate.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return self.rate * _ops.exp(-random.loggamma(self.concentration, shape, key=key))

    def _log_prob(self, value: Tensor) -> Tensor:
        a, inside = self.concentration, value > 0
        safe = _ops.where(inside, value, 1.0)
        powers = a * _ops.log(self.rate) - (a + 1) * _ops.log(safe) - self.rate / safe
        return support(inside, powers - lgamma(a))

    def _cdf(self, value: Tensor) -> Tensor:
        inside = value > 0
        share = gammaincc(self.concentration, self.rate / _ops.where(inside, value, 1.0))
        return _ops.where(inside, share, 0.0)

    def _entropy(self) -> Tensor:
        a = self.concentration
        return a + _ops.log(self.rate) + lgamma(a) - (a + 1) * digamma(a)

    def _mean(self) -> Tensor:
        a = _ops.where(self.concentration > 1, self.concentration, 2.0)
        return _ops.where(self.concentration > 1, self.rate / (a - 1), math.inf)

    def _variance(self) -> Tensor:
        a = _ops.where(self.concentration > 2, self.concentration, 3.0)
        square = (self.rate / (a - 1)) ** 2 / (a - 2)
        return _ops.where(self.concentration > 2, square, math.inf)

    def _mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)


@dataclasses.dataclass(eq=False)
class Pareto(Distribution):
    """Numbers above ``scale``, of which (scale / x)**alpha are above x."""

    scale: Any
    alpha: Any
    has_rsample = True

    def __post_init__(self) -> None:
        self._take("scale", "alpha")

    @property
    def support(self) -> constraints.Constraint:
        """From the scale on."""
        return constraints.greater_than_eq(self.scale)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.scale.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        one = full_like(self.scale, 1.0)
        return self.scale * _ops.exp(random.exponential(shape, one, key=key) / self.alpha)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = value >= self.scale
        powers = self.alpha * _ops.log(self.scale)
        powers = powers - (self.alpha + 1) * _ops.log(_ops.where(inside, value, self.scale))
        return support(inside, _ops.log(self.alpha) + powers)

    def _cdf(self, value: Tensor) -> Tensor:
        above = _ops.log(_ops.maximum(value, self.scale) / self.scale)
        return -_ops.expm1(-self.alpha * above)

    def _icdf(self, value: Tensor) -> Tensor:
        return self.scale * _ops.exp(-_ops.log1p(-value) / self.alpha)

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale / self.alpha) + 1 + _ops.reciprocal(self.alpha)

    def _mean(self) -> Tensor:
        a = _ops.where(self.alpha > 1, self.alpha, 2.0)
        return _ops.where(self.alpha > 1, self.scale * a / (a - 1), math.inf)

    def _variance(self) -> Tensor:
        a = _ops.where(self.alpha > 2, self.alpha, 3.0)
        square = (self.scale / (a - 1)) ** 2 * a / (a - 2)
        return _ops.where(self.alpha > 2, square, math.inf)

    def _mode(self) -> Tensor:
        return self.scale


@dataclasses.dataclass(eq=False)
class GeneralizedPareto(Distribution):
    """Excesses over ``loc``: of z = (x - loc) / scale a share (1 + concentration z)^(-1 /
    concentration) is above, of which exp(-z) is the limit at concentration 0."""

    loc: Any
    scale: Any
    concentration: Any
    has_rsample = True

    _own_constraints = {"concentration": constraints.real}  # noqa: RUF012

    def __post_init__(self) -> None:
        self._take("loc", "scale", "concentration")

    @property
    def support(self) -> constraints.Constraint:
        """From ``loc`` on, up to loc - scale / concentration where that is negative."""
        k = _ops.where(self.concentration < 0, self.concentration, -1.0)
        end = _ops.where(self.concentration < 0, self.loc - self.scale / k, math.inf)
        return constraints.interval(self.loc, end)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.loc.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return self._of_excess(random.exponential(shape, full_like(self.loc, 1.0), key=key))

    def _of_excess(self, size: Tensor) -> Tensor:
        """Where exp(-size) is above."""
        k = self.concentration
        safe = _ops.where(k == 0, 1.0, k)
        return self.loc + self.scale * _ops.where(k == 0, size, _ops.expm1(safe * size) / safe)

    def _excess(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Whether a value can be, and of what size exp(-size) is above it."""
        z, k = (value - self.loc) / self.scale, self.concentration
        inside = (z >= 0) & (k * z >= -1)
        safe, z = _ops.where(k == 0, 1.0, k), _ops.where(inside, z, 0.0)
        return inside, _ops.where(k == 0, z, _ops.log1p(safe * z) / safe)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside, size = self._excess(value)
        return support(inside, -_ops.log(self.scale) - (1 + self.concentration) * size)

    def _cdf(self, value: Tensor) -> Tensor:
        inside, size = self._excess(value)
        edge = _ops.where(value < self.loc, 0.0, 1.0)
        return _ops.where(inside, -_ops.expm1(-size), edge)

    def _icdf(self, value: Tensor) -> Tensor:
        return self._of_excess(-_ops.log1p(-value))

    def _entropy(self) -> Tensor:
        return _ops.log(self.scale) + 1 + self.concentration

    def _mean(self) -> Tensor:
        k = _ops.where(self.concentration < 1, self.concentration, 0.0)
        mean = self.loc + self.scale / _ops.subtract(1, k)
        return _ops.where(self.concentration < 1, mean, math.inf)

    def _variance(self) -> Tensor:
        k = _ops.where(self.concentration < 0.5, self.concentration, 0.0)
        square = (self.scale / _ops.subtract(1, k)) ** 2 / _ops.subtract(1, 2 * k)
        return _ops.where(self.concentration < 0.5, square, math.inf)

    def _mode(self) -> Tensor:
        return self.loc


@dataclasses.dataclass(eq=False)
class Weibull(Distribution):
    """Numbers of which exp(-(x / scale)**concentration) are above x."""

    scale: Any
    concentration: Any
    has_rsample = True
    support = constraints.positive

    def __post_init__(self) -> None:
        self._take("scale", "concentration")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.scale.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        size = random.exponential(shape, full_like(self.scale, 1.0), key=key)
        return self.scale * size ** _ops.reciprocal(self.concentration)

    def _log_prob(self, value: Tensor) -> Tensor:
        k, inside = self.concentration, value >= 0
        z = _ops.where(inside, value, self.scale) / self.scale
        return support(inside, _ops.log(k / self.scale) + xlogy(k - 1, z) - z**k)

    def _cdf(self, value: Tensor) -> Tensor:
        z = _ops.maximum(value, 0.0) / self.scale
        return -_ops.expm1(-(z**self.concentration))

    def _icdf(self, value: Tensor) -> Tensor:
        return self.scale * (-_ops.log1p(-value)) ** _ops.reciprocal(self.concentration)

    def _entropy(self) -> Tensor:
        inverse = _ops.reciprocal(self.concentration)
        return _ops.subtract(1, inverse) * _EULER + _ops.log(self.scale * inverse) + 1

    def _power(self, n: int) -> Tensor:
        """The mean of the power n of x / scale."""
        return _ops.exp(lgamma(1 + n / self.concentration))

    def _mean(self) -> Tensor:
        return self.scale * self._power(1)

    def _variance(self) -> Tensor:
        first = self._power(1)
        return self.scale * self.scale * (self._power(2) - first * first)

    def _mode(self) -> Tensor:
        k = self.concentration
        safe = _ops.where(k > 1, k, 2.0)
        found = ((safe - 1) / safe) ** _ops.reciprocal(safe)
        return self.scale * _ops.where(k > 1, found, 0.0)
