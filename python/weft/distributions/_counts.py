"""Distributions of counts, and of vectors of counts."""

from __future__ import annotations

import dataclasses
from typing import Any

from .. import _ops, random
from .._core import Tensor
from .._creation import arange, asarray, eye
from .._manipulation import astype, broadcast_arrays, broadcast_to, expand_dims, one_hot
from .._reductions import all, argmax, sum
from .._special import lgamma
from . import constraints
from ._discrete import Binomial, Categorical, _OfProbability, _times
from ._distribution import Distribution, keys_of, support


@dataclasses.dataclass(eq=False)
class NegativeBinomial(_OfProbability):
    """How many trials succeed with the probability ``probs`` before ``total_count`` fail, which
    need not be whole."""

    total_count: Any = 1
    probs: Any = None
    logits: Any = None
    support = constraints.nonnegative_integer
    _own_constraints = {  # noqa: RUF012
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0.0, 1.0),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("total_count", self.total_count)
        count, self.probs = broadcast_arrays(asarray(self.total_count), self.probs)
        self.total_count = astype(count, self.probs.dtype)
        self.logits = broadcast_to(self.logits, self.probs.shape)

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        first, second = keys_of(key, 2, self.probs)
        rate = random.gamma(self.total_count, _ops.exp(self.logits), shape, key=first)
        return random.poisson(rate, shape, key=second, dtype=self.probs.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        r = self.total_count
        inside = (value >= 0) & (value == _ops.floor(value))
        safe = _ops.where(inside, value, 0.0)
        ways = lgamma(r + safe) - lgamma(safe + 1) - lgamma(r)
        return support(inside, ways + r * self.log_failure + _times(safe, self.log_success))

    def _mean(self) -> Tensor:
        return self.total_count * _ops.exp(self.logits)

    def _variance(self) -> Tensor:
        return self._mean() / _ops.sigmoid(-self.logits)

    def _mode(self) -> Tensor:
        count = self.total_count - 1
        return _ops.maximum(_ops.floor(count * _ops.exp(self.logits)), 0.0)


@dataclasses.dataclass(eq=False)
class OneHotCategorical(Categorical):
    """`Categorical`, whose indices are vectors [K] of a 1 and zeros."""

    support = constraints.one_hot

    def _event_shape(self) -> tuple[int, ...]:
        return self.probs.shape[-1:]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        places = random.categorical(self.logits, -1, shape, key=key)
        return astype(one_hot(places, self.probs.shape[-1]), self.probs.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = self.support.check(value)
        return support(inside, sum(_times(value, self.logits), axis=-1))

    def _mean(self) -> Tensor:
        return self.probs

    def _variance(self) -> Tensor:
        return self.probs * _ops.subtract(1, self.probs)

    def _mode(self) -> Tensor:
        return astype(one_hot(argmax(self.probs, axis=-1), self.probs.shape[-1]), self.probs.dtype)

    def _values(self) -> Tensor:
        return eye(self.probs.shape[-1], dtype=self.probs.dtype)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """`OneHotCategorical`, whose samples have the gradient of the probabilities (Bengio, Léonard
    and Courville, 2013)."""

    has_rsample = True

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        drawn = super()._draw(shape, key)
        return drawn + (self.probs - _ops.stop_gradient(self.probs))


@dataclasses.dataclass(eq=False)
class Multinomial(Distribution):
    """How often each of K indices comes in ``total_count`` draws of `Categorical`.

    A sample draws each index, as PyTorch does: its work grows with ``total_count``, which is one
    integer.
    """

    total_count: int = 1
    probs: Any = None
    logits: Any = None

    def __post_init__(self) -> None:
        chances = Categorical(self.probs, self.logits)
        self.probs, self.logits = chances.probs, chances.logits

    @property
    def support(self) -> constraints.Constraint:
        """Counts up to the number of draws."""
        return constraints.independent(constraints.integer_interval(0, self.total_count), 1)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.probs.shape[:-1]

    def _event_shape(self) -> tuple[int, ...]:
        return self.probs.shape[-1:]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        places = random.categorical(self.logits, -1, (self.total_count, *shape), key=key)
        counts = sum(one_hot(places, self.probs.shape[-1]), axis=0)
        return astype(counts, self.probs.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        n = self.total_count
        inside = all((value >= 0) & (value == _ops.floor(value)), axis=-1)
        inside = inside & (sum(value, axis=-1) == n)
        safe = _ops.where(expand_dims(inside, axis=-1), value, 0.0)
        whole = asarray(float(n + 1), dtype=self.probs.dtype)
        ways = lgamma(whole) - sum(lgamma(safe + 1), axis=-1)
        return support(inside, ways + sum(_times(safe, self.logits), axis=-1))

    def _entropy(self) -> Tensor:
        """That of the draws, less that of their order; the mean of log(x!) is that of binomials."""
        n, dtype = self.total_count, self.probs.dtype
        count = arange(1, n + 1, dtype=dtype)
        chances = expand_dims(self.probs, axis=-1)
        weights = _ops.exp(Binomial(n, chances).log_prob(count)) * lgamma(count + 1)
        draws = -sum(_times(self.probs, self.logits), axis=-1) * n
        order = lgamma(asarray(float(n + 1), dtype=dtype))
        return draws - order + sum(weights, axis=(-2, -1))

    def _mean(self) -> Tensor:
        return self.probs * self.total_count

    def _variance(self) -> Tensor:
        return self.probs * _ops.subtract(1, self.probs) * self.total_count
