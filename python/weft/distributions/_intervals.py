"""Continuous distributions of numbers between two limits, and of angles."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .. import _ops, random
from .._control_flow import while_loop
from .._core import Tensor
from .._creation import zeros_like
from .._dtypes import bool_, float64, int64
from .._jit import jit
from .._manipulation import astype, broadcast_to
from .._pytorch import xlogy
from .._reductions import all
from .._special import digamma
from ..random._draw import unit
from ..special import i0e, i1e
from . import constraints
from ._continuous import _EULER, log_beta
from ._discrete import _OfProbability
from ._distribution import Distribution, keys_of, support


@dataclasses.dataclass(eq=False)
class Kumaraswamy(Distribution):
    """Numbers of which (1 - x**concentration1)**concentration0 are above x, in [0, 1]."""

    concentration1: Any
    concentration0: Any
    has_rsample = True
    support = constraints.unit_interval

    def __post_init__(self) -> None:
        self._take("concentration1", "concentration0")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.concentration1.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        size = random.exponential(shape, _ops.reciprocal(self.concentration0), key=key)
        return (-_ops.expm1(-size)) ** _ops.reciprocal(self.concentration1)

    def _log_prob(self, value: Tensor) -> Tensor:
        a, b = self.concentration1, self.concentration0
        inside = (value >= 0) & (value <= 1)
        safe = _ops.where(inside, value, 0.5)
        # 1 - x^a by the logarithm of x: also where x is near 1.
        is_zero = safe == 0
        log_value = _ops.log(_ops.where(is_zero, 0.5, safe))
        rest = _ops.where(is_zero, 1.0, -_ops.expm1(a * log_value))
        powers = xlogy(a - 1, safe) + xlogy(b - 1, rest)
        return support(inside, _ops.log(a) + _ops.log(b) + powers)

    def _cdf(self, value: Tensor) -> Tensor:
        value = _ops.minimum(_ops.maximum(value, 0.0), 1.0)
        return -_ops.expm1(self.concentration0 * _ops.log1p(-(value**self.concentration1)))

    def _icdf(self, value: Tensor) -> Tensor:
        below = -_ops.expm1(_ops.log1p(-value) / self.concentration0)
        return below ** _ops.reciprocal(self.concentration1)

    def _power(self, n: int) -> Tensor:
        b = self.concentration0
        return b * _ops.exp(log_beta(1 + n / self.concentration1, b))

    def _mean(self) -> Tensor:
        return self._power(1)

    def _variance(self) -> Tensor:
        first = self._power(1)
        return self._power(2) - first * first

    def _entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        rest = _ops.subtract(1, _ops.reciprocal(a)) * (digamma(b + 1) + _EULER)
        return _ops.subtract(1, _ops.reciprocal(b)) + rest - _ops.log(a) - _ops.log(b)

    def _mode(self) -> Tensor:
        """NaN where the density is largest at an end, or is constant."""
        a, b = self.concentration1, self.concentration0
        inside = (a >= 1) & (b >= 1) & ((a > 1) | (b > 1))
        safe_a, safe_b = _ops.where(inside, a, 2.0), _ops.where(inside, b, 2.0)
        found = ((safe_a - 1) / (safe_a * safe_b - 1)) ** _ops.reciprocal(safe_a)
        return _ops.where(inside, found, math.nan)


@dataclasses.dataclass(eq=False)
class ContinuousBernoulli(_OfProbability):
    """Numbers in [0, 1] of a density proportional to probs**x (1 - probs)**(1 - x), which is
    exp(logits x): Loaiza-Ganem and Cunningham, 2019."""

    probs: Any = None
    logits: Any = None
    has_rsample = True
    support = constraints.unit_interval

    def _parts(self) -> tuple[Tensor, Tensor]:
        """Whether the logit is near 0, where series are used, and its size where it is not."""
        size = _ops.abs(self.logits)
        is_near = size < 0.1
        return is_near, _ops.where(is_near, 1.0, size)

    def log_norm(self) -> Tensor:
        """The logarithm of sinh(logits / 2) / (logits / 2)."""
        is_near, size = self._parts()
        square = _ops.where(is_near, self.logits * self.logits, 0.0)
        series = square * (1 / 24 - square * (1 / 2880 - square * (1 / 181440)))
        far = 0.5 * size + _ops.log(-_ops.expm1(-size) / size)
        return _ops.where(is_near, series, far)

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return self._icdf(random.uniform(shape, zeros_like(self.probs), key=key))

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = (value >= 0) & (value <= 1)
        return support(inside, self.logits * (value - 0.5) - self.log_norm())

    def _turned(self, value: Tensor) -> Tensor:
        """The value where the density falls, else what is above it."""
        return _ops.where(self.logits > 0, _ops.subtract(1, value), value)

    def _cdf(self, value: Tensor) -> Tensor:
        value = self._turned(_ops.minimum(_ops.maximum(value, 0.0), 1.0))
        size = _ops.abs(self.logits)
        safe = _ops.where(size == 0, 1.0, size)
        share = _ops.expm1(-safe * value) / _ops.expm1(-safe)
        return self._turned(_ops.where(size == 0, value, share))

    def _icdf(self, value: Tensor) -> Tensor:
        value, size = self._turned(value), _ops.abs(self.logits)
        safe = _ops.where(size == 0, 1.0, size)
        place = -_ops.log1p(value * _ops.expm1(-safe)) / safe
        return self._turned(_ops.where(size == 0, value, place))

    def _mean(self) -> Tensor:
        is_near, size = self._parts()
        logit = _ops.where(is_near, self.logits, 0.0)
        square = logit * logit
        series = logit * (1 / 12 - square * (1 / 720 - square * (1 / 30240)))
        # 1 / (1 - exp(-size)) - 1 / size - 1 / 2, which has the sign of the logit.
        far = -_ops.reciprocal(_ops.expm1(-size)) - _ops.reciprocal(size) - 0.5
        return _ops.where(is_near, series, _ops.where(self.logits < 0, -far, far)) + 0.5

    def _variance(self) -> Tensor:
        is_near, size = self._parts()
        square = _ops.where(is_near, self.logits * self.logits, 0.0)
        series = 1 / 12 - square * (1 / 240 - square * (1 / 6048 - square * (1 / 172800)))
        far = _ops.reciprocal(size * size) - _ops.exp(-size) / _ops.expm1(-size) ** 2
        return _ops.where(is_near, series, far)

    def _entropy(self) -> Tensor:
        return self.log_norm() - self.logits * (self._mean() - 0.5)


#: Of proposals at least 0.65 are accepted: one in 2**61 numbers is not among so many.
_MOST_ROUNDS = 40


@jit
def _angles(concentration: Tensor, key: Tensor) -> Tensor:
    """Angles about 0, by Best and Fisher's rejection (1979), in float64."""
    shape = concentration.shape
    is_flat = concentration < 1e-4
    k = _ops.where(is_flat, 1.0, concentration)
    tau = 1 + _ops.sqrt(1 + 4 * k * k)
    rho = (tau - _ops.sqrt(2 * tau)) / (2 * k)
    near = _ops.maximum(concentration, 1e-300)
    r = _ops.where(is_flat, _ops.reciprocal(near) + near, (1 + rho * rho) / (2 * rho))

    def step(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        turn, cosine, found = state
        keys = random.split(random.fold_in(key, turn), 2)
        z = _ops.cos(unit(keys[0], shape, float64) * math.pi)
        proposed = (1 + r * z) / (r + z)
        c = concentration * (r - proposed)
        u = _ops.subtract(1, unit(keys[1], shape, float64))
        fits = (c * (2 - c) > u) | (_ops.log(_ops.where(c > 0, c, 1.0) / u) + 1 - c >= 0)
        return turn + 1, _ops.where(found, cosine, proposed), found | fits

    start = (
        zeros_like(key[0], dtype=int64),
        zeros_like(concentration),
        zeros_like(concentration, dtype=bool_),
    )
    cosine = while_loop(lambda s: ~all(s[2]), step, start, max_iterations=_MOST_ROUNDS)[1]
    side = unit(random.fold_in(key, -1), shape, float64) < 0.5
    angle = _ops.acos(_ops.minimum(_ops.maximum(cosine, -1.0), 1.0))
    return _ops.where(side, angle, -angle)


@dataclasses.dataclass(eq=False)
class VonMises(Distribution):
    """Angles in [-pi, pi) of a density proportional to exp(concentration cos(x - loc)).

    The mean is ``loc``, the variance that of directions: 1 - I1 / I0 of the concentration.
    """

    loc: Any
    concentration: Any
    support = constraints.real

    def __post_init__(self) -> None:
        self._take("loc", "concentration")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.loc.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        (key,) = keys_of(key, 1, self.loc)
        wide = astype(broadcast_to(self.concentration, shape), float64)
        turned = astype(self.loc, float64) + _angles(wide, key) + math.pi
        angle = turned - _ops.floor(turned / (2 * math.pi)) * (2 * math.pi) - math.pi
        return astype(angle, self.loc.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        k = self.concentration
        cosine = k * (_ops.cos(value - self.loc) - 1)
        return cosine - math.log(2 * math.pi) - _ops.log(i0e(k))

    def _mean(self) -> Tensor:
        return self.loc

    def _variance(self) -> Tensor:
        return _ops.subtract(1, i1e(self.concentration) / i0e(self.concentration))

    def _entropy(self) -> Tensor:
        k = self.concentration
        spread = math.log(2 * math.pi) + _ops.log(i0e(k))
        return spread + k * _ops.subtract(1, i1e(k) / i0e(k))

    def _mode(self) -> Tensor:
        return self.loc
