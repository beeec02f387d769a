"""Distributions over integers; samples are floating, as the parameters are, but for indices."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .. import _ops, random
from .._core import Tensor
from .._creation import arange, asarray, zeros_like
from .._dtypes import int64
from .._functional import log_softmax
from .._gathering import take_along_axis
from .._manipulation import astype, broadcast_arrays, broadcast_to, expand_dims, squeeze
from .._pytorch import xlogy
from .._reductions import argmax, sum
from .._special import lgamma
from . import constraints
from ._distribution import Distribution, common, one_of, support


class _OfProbability(Distribution):
    """Distributions of one probability, which is kept as both, itself and its logits."""

    probs: Any
    logits: Any

    def __post_init__(self) -> None:
        self._check("probs", self.probs)
        self._check("logits", self.logits)
        (given,) = common(one_of(type(self).__name__, self.probs, self.logits))
        if self.logits is None:
            self.probs, self.logits = given, _ops.log(given) - _ops.log1p(-given)
        else:
            self.probs, self.logits = _ops.sigmoid(given), given

    def _batch_shape(self) -> tuple[int, ...]:
        return self.probs.shape

    @property
    def log_success(self) -> Tensor:
        """log(p), accurate also where p is near 0 or 1."""
        return -_ops.softplus(-self.logits)

    @property
    def log_failure(self) -> Tensor:
        """log(1 - p), accurate also where p is near 0 or 1."""
        return -_ops.softplus(self.logits)


def _times(count: Tensor, log_probability: Tensor) -> Tensor:
    """The logarithm of a power, where 0 to the power of 0 is 1."""
    is_none = count == 0
    return _ops.where(is_none, 0.0, count * _ops.where(is_none, 0.0, log_probability))


@dataclasses.dataclass(eq=False)
class Bernoulli(_OfProbability):
    """1 with the probability ``probs``, or sigmoid(``logits``), else 0."""

    probs: Any = None
    logits: Any = None
    support = constraints.boolean

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return astype(random.bernoulli(self.probs, shape, key=key), self.probs.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        density = _ops.where(value == 1, self.log_success, self.log_failure)
        return support((value == 0) | (value == 1), density)

    def _entropy(self) -> Tensor:
        failure = _ops.subtract(1, self.probs)
        return -_times(self.probs, self.log_success) - _times(failure, self.log_failure)

    def _mean(self) -> Tensor:
        return self.probs

    def _variance(self) -> Tensor:
        return self.probs * _ops.subtract(1, self.probs)

    def _mode(self) -> Tensor:
        likely = astype(self.probs > 0.5, self.probs.dtype)
        return _ops.where(self.probs == 0.5, math.nan, likely)

    def _values(self) -> Tensor:
        return arange(2, dtype=self.probs.dtype)


@dataclasses.dataclass(eq=False)
class Geometric(_OfProbability):
    """How many trials fail before the first that succeeds with the probability ``probs``."""

    probs: Any = None
    logits: Any = None
    support = constraints.nonnegative_integer
    _own_constraints = {"probs": constraints._Bounded(0.0, 1.0, False)}  # noqa: RUF012

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.geometric(self.probs, shape, key=key, dtype=self.probs.dtype) - 1

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = (value >= 0) & (value == _ops.floor(value))
        return support(inside, _times(value, self.log_failure) + self.log_success)

    def _entropy(self) -> Tensor:
        failure = _ops.subtract(1, self.probs)
        return -_times(failure, self.log_failure) / self.probs - self.log_success

    def _mean(self) -> Tensor:
        return _ops.subtract(1, self.probs) / self.probs

    def _variance(self) -> Tensor:
        return self._mean() / self.probs

    def _mode(self) -> Tensor:
        return zeros_like(self.probs)


@dataclasses.dataclass(eq=False)
class Binomial(_OfProbability):
    """How many of ``total_count`` trials succeed, each with the probability ``probs``."""

    total_count: Any = 1
    probs: Any = None
    logits: Any = None

    @property
    def support(self) -> constraints.Constraint:
        """Up to the number of trials."""
        return constraints.integer_interval(0, self.total_count)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("total_count", self.total_count)
        count, self.probs = broadcast_arrays(asarray(self.total_count), self.probs)
        self.total_count = astype(count, self.probs.dtype)
        self.logits = broadcast_to(self.logits, self.probs.shape)

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.binomial(self.total_count, self.probs, shape, key=key, dtype=self.probs.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        n = self.total_count
        inside = (value >= 0) & (value <= n) & (value == _ops.floor(value))
        safe = _ops.where(inside, value, 0.0)
        ways = lgamma(n + 1) - lgamma(safe + 1) - lgamma(n - safe + 1)
        powers = _times(safe, self.log_success) + _times(n - safe, self.log_failure)
        return support(inside, ways + powers)

    def _mean(self) -> Tensor:
        return self.total_count * self.probs

    def _variance(self) -> Tensor:
        return self._mean() * _ops.subtract(1, self.probs)

    def _mode(self) -> Tensor:
        return _ops.minimum(_ops.floor((self.total_count + 1) * self.probs), self.total_count)

    def _values(self) -> Tensor:
        """Raises UnsupportedError unless all have as many trials."""
        counts = {int(count) for count in self.total_count.reshape(-1).tolist()}
        if len(counts) > 1:
            raise self._missing("enumerate_support for different numbers of trials")
        return arange(sorted([0, *counts])[-1] + 1, dtype=self.probs.dtype)


@dataclasses.dataclass(eq=False)
class Poisson(Distribution):
    """Integers k of the probability rate**k exp(-rate) / k!."""

    rate: Any
    support = constraints.nonnegative_integer
    _own_constraints = {"rate": constraints.nonnegative}  # noqa: RUF012

    def __post_init__(self) -> None:
        self._take("rate")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.rate.shape

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.poisson(self.rate, shape, key=key, dtype=self.rate.dtype)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = (value >= 0) & (value == _ops.floor(value))
        safe = _ops.where(inside, value, 0.0)
        return support(inside, xlogy(safe, self.rate) - self.rate - lgamma(safe + 1))

    def _mean(self) -> Tensor:
        return self.rate

    def _variance(self) -> Tensor:
        return self.rate

    def _mode(self) -> Tensor:
        return _ops.floor(self.rate)


@dataclasses.dataclass(eq=False)
class Categorical(Distribution):
    """Indices below K with the probabilities ``probs`` [..., K], or softmax(``logits``).

    Probabilities are divided by their sum.
    """

    probs: Any = None
    logits: Any = None

    @property
    def support(self) -> constraints.Constraint:
        """The indices there are."""
        return constraints.integer_interval(0, self.probs.shape[-1] - 1)

    def __post_init__(self) -> None:
        (given,) = common(one_of("Categorical", self.probs, self.logits))
        if self.logits is None:
            self.probs = given / sum(given, axis=-1, keepdims=True)
            self.logits = _ops.log(self.probs)
        else:
            self.logits = log_softmax(given, -1)
            self.probs = _ops.exp(self.logits)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.probs.shape[:-1]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return random.categorical(self.logits, -1, shape, key=key)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = (value >= 0) & (value < self.probs.shape[-1]) & (value == _ops.floor(value))
        place = expand_dims(astype(_ops.where(inside, value, 0), int64), axis=-1)
        shape = (*broadcast_arrays(value, self.probs[..., 0])[0].shape, self.probs.shape[-1])
        table = broadcast_to(self.logits, shape)
        place = broadcast_to(place, (*shape[:-1], 1))
        return support(inside, squeeze(take_along_axis(table, place, axis=-1), -1))

    def _entropy(self) -> Tensor:
        return -sum(_times(self.probs, self.logits), axis=-1)

    def _mode(self) -> Tensor:
        return argmax(self.probs, axis=-1)

    def _values(self) -> Tensor:
        return arange(self.probs.shape[-1])
