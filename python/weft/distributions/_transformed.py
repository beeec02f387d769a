"""Distributions made of others: transformed, mixed, and relaxed ones."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from .. import _ops, random
from .._core import Tensor
from .._creation import _fail, asarray, zeros_like
from .._errors import ShapeError
from .._functional import log_softmax
from .._gathering import take_along_axis
from .._manipulation import (
    broadcast_shapes,
    broadcast_to,
    expand_dims,
    reshape,
    squeeze,
)
from .._pytorch import logit
from .._reductions import logsumexp, sum
from .._special import lgamma
from . import constraints
from ._continuous import Normal
from ._discrete import Categorical, _OfProbability
from ._distribution import Distribution, Independent, keys_of, support
from ._transforms import ComposeTransform, Transform, sum_last
from ._vector_transforms import StickBreakingTransform


@dataclasses.dataclass(eq=False)
class TransformedDistribution(Distribution):
    """What transforms make of a distribution's samples, one after the other.

    Args:
        base_dist: the distribution.
        transforms: one, or several; for densities they need inverses.

    Raises:
        ShapeError: events of the base have fewer dimensions than a transform's values need.
    """

    base_dist: Distribution
    transforms: Any

    def __post_init__(self) -> None:
        given = self.transforms
        self.transforms = [given] if isinstance(given, Transform) else list(given)
        whole = ComposeTransform(self.transforms)
        shape = (*self.base_dist.batch_shape, *self.base_dist.event_shape)
        needed = whole.domain.event_dim
        if len(shape) < needed:
            raise _fail(
                ShapeError,
                f"TransformedDistribution: the transforms need values of {needed} dimensions, but "
                f"the distribution has the shape {shape}",
            )
        missing = needed - len(self.base_dist.event_shape)
        if missing > 0:
            self.base_dist = Independent(self.base_dist, missing)
        self.has_rsample = self.base_dist.has_rsample

    def _whole(self) -> ComposeTransform:
        return ComposeTransform(self.transforms)

    def _shape(self) -> tuple[tuple[int, ...], int]:
        """The shape of one sample, and how many dimensions of it belong to an event."""
        whole, base = self._whole(), self.base_dist
        own = len(base.event_shape) + whole.codomain.event_dim - whole.domain.event_dim
        count = own if own > whole.codomain.event_dim else whole.codomain.event_dim
        return whole.forward_shape((*base.batch_shape, *base.event_shape)), count

    @property
    def support(self) -> constraints.Constraint:
        """The last transform's codomain."""
        if not self.transforms:
            return self.base_dist.support
        last = self.transforms[-1].codomain
        return constraints.independent(last, len(self.event_shape) - last.event_dim)

    def _batch_shape(self) -> tuple[int, ...]:
        shape, count = self._shape()
        return shape[: len(shape) - count]

    def _event_shape(self) -> tuple[int, ...]:
        shape, count = self._shape()
        return shape[len(shape) - count :]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return self._whole()._call(self.base_dist._draw(shape, key))

    def _log_prob(self, value: Tensor) -> Tensor:
        count, total = len(self.event_shape), 0.0
        for transform in reversed(self.transforms):
            before = transform._inverse(value)
            count += transform.domain.event_dim - transform.codomain.event_dim
            slope = transform._log_slope(before, value)
            total = sum_last(slope, count - transform.domain.event_dim) + total
            value = before
        density = self.base_dist.log_prob(value)
        return sum_last(density, count - len(self.base_dist.event_shape)) - total

    def _turned(self, share: Tensor) -> Tensor:
        """The share, or what is above it where the transforms fall."""
        sign = self._whole().sign
        return _ops.where(asarray(sign) > 0, share, _ops.subtract(1, share))

    def _cdf(self, value: Tensor) -> Tensor:
        return self._turned(self.base_dist.cdf(self._whole()._inverse(value)))

    def _icdf(self, value: Tensor) -> Tensor:
        return self._whole()._call(self.base_dist.icdf(self._turned(value)))

    def _expanded(self, shape: tuple[int, ...]) -> Distribution:
        whole = self._whole()
        inner = whole.inverse_shape((*shape, *self.event_shape))
        base = self.base_dist.expand(inner[: len(inner) - len(self.base_dist.event_shape)])
        result = copy.copy(self)
        result.base_dist = base
        return result


class LogisticNormal(TransformedDistribution):
    """Shares [K + 1] that sum to 1, made of normally distributed vectors [..., K] by
    `StickBreakingTransform`."""

    def __init__(self, loc: Any, scale: Any) -> None:
        super().__init__(Normal(loc, scale), [StickBreakingTransform()])

    @property
    def loc(self) -> Tensor:
        """The mean of the vectors."""
        return self._normal().loc

    @property
    def scale(self) -> Tensor:
        """Their deviation."""
        return self._normal().scale

    def _normal(self) -> Any:
        base: Any = self.base_dist
        return base.base


@dataclasses.dataclass(eq=False)
class MixtureSameFamily(Distribution):
    """One of several distributions of a kind, the last dimension of whose batch a `Categorical`
    chooses from.

    Args:
        mixture_distribution: a `Categorical`, or what has its ``logits`` and ``probs``.
        component_distribution: of a batch [..., K].

    Raises:
        ShapeError: there are other numbers of components than probabilities, or the batches do not
            fit.
    """

    mixture_distribution: Any
    component_distribution: Distribution

    def __post_init__(self) -> None:
        batch, chances = self.component_distribution.batch_shape, self.mixture_distribution.probs
        if not batch or chances.shape[-1] != batch[-1]:
            raise _fail(
                ShapeError,
                f"MixtureSameFamily: {chances.shape[-1]} probabilities, but components of the "
                f"batch shape {batch}",
            )

    @property
    def support(self) -> constraints.Constraint:
        """That of the components, where it is the same for all."""
        return self.component_distribution.support

    def _batch_shape(self) -> tuple[int, ...]:
        own = self.mixture_distribution.batch_shape
        return broadcast_shapes(own, self.component_distribution.batch_shape[:-1])

    def _event_shape(self) -> tuple[int, ...]:
        return self.component_distribution.event_shape

    def _over(self, weights: Tensor) -> Tensor:
        """Of the components [..., K], beside events."""
        return reshape(weights, (*weights.shape, *[1] * len(self.event_shape)))

    def _of_all(self, value: Tensor) -> Tensor:
        """A value for each of the components."""
        return expand_dims(value, axis=-1 - len(self.event_shape))

    @property
    def _axis(self) -> int:
        return -1 - len(self.event_shape)

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        first, second = keys_of(key, 2, self.mixture_distribution.probs)
        logits = self.mixture_distribution.logits
        place = random.categorical(logits, -1, shape, key=first)
        count = logits.shape[-1]
        drawn = self.component_distribution._draw((*shape, count), second)
        place = self._over(expand_dims(place, axis=-1))
        place = broadcast_to(place, (*shape, 1, *self.event_shape))
        return squeeze(take_along_axis(drawn, place, axis=self._axis), self._axis)

    def _log_prob(self, value: Tensor) -> Tensor:
        densities = self.component_distribution.log_prob(self._of_all(value))
        return logsumexp(densities + self.mixture_distribution.logits, axis=-1)

    def _cdf(self, value: Tensor) -> Tensor:
        shares = self.component_distribution.cdf(self._of_all(value))
        return sum(shares * self.mixture_distribution.probs, axis=-1)

    def _mean(self) -> Tensor:
        weights = self._over(self.mixture_distribution.probs)
        return sum(weights * self.component_distribution.mean, axis=self._axis)

    def _variance(self) -> Tensor:
        weights = self._over(self.mixture_distribution.probs)
        within = sum(weights * self.component_distribution.variance, axis=self._axis)
        apart = self.component_distribution.mean - self._of_all(self._mean())
        return within + sum(weights * apart * apart, axis=self._axis)

    def _expanded(self, shape: tuple[int, ...]) -> Distribution:
        count = self.component_distribution.batch_shape[-1]
        return MixtureSameFamily(
            self.mixture_distribution.expand(shape),
            self.component_distribution.expand((*shape, count)),
        )


# Relaxed distributions ----------------------------------------------------------------------------


@dataclasses.dataclass(eq=False)
class RelaxedBernoulli(_OfProbability):
    """Numbers in (0, 1) that are the nearer to `Bernoulli`'s, the lower the temperature is
    (Maddison, Mnih and Teh, 2017): of them there are gradients."""

    temperature: Any = 1.0
    probs: Any = None
    logits: Any = None
    has_rsample = True
    support = constraints.unit_interval

    def __post_init__(self) -> None:
        super().__post_init__()
        self._take("temperature", "probs")
        self.logits = broadcast_to(self.logits, self.probs.shape)

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        noise = random.logistic(shape, self.logits, 1.0, key=key)
        return _ops.sigmoid(noise / self.temperature)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = (value > 0) & (value < 1)
        safe = _ops.where(inside, value, 0.5)
        apart = self.logits - logit(safe) * self.temperature
        density = _ops.log(self.temperature) + apart - 2 * _ops.softplus(apart)
        return support(inside, density - _ops.log(safe) - _ops.log1p(-safe))


@dataclasses.dataclass(eq=False)
class RelaxedOneHotCategorical(Categorical):
    """Shares [K] that are the nearer to `OneHotCategorical`'s vectors, the lower the temperature is
    (Maddison, Mnih and Teh, 2017; Jang, Gu and Poole, 2017): of them there are gradients."""

    temperature: Any = 1.0
    has_rsample = True
    support = constraints.simplex

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None) -> None:
        super().__init__(probs, logits)
        self._check("temperature", temperature)
        batch = broadcast_shapes(self.probs.shape[:-1], asarray(temperature).shape)
        size = self.probs.shape[-1]
        self.probs, self.logits = (
            broadcast_to(x, (*batch, size)) for x in (self.probs, self.logits)
        )
        whole = asarray(temperature, dtype=self.probs.dtype)
        self.temperature = broadcast_to(whole, batch)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.temperature.shape

    def _event_shape(self) -> tuple[int, ...]:
        return self.probs.shape[-1:]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        size = (*shape, self.probs.shape[-1])
        noise = random.gumbel(size, zeros_like(self.logits), 1.0, key=key)
        scaled = (self.logits + noise) / expand_dims(self.temperature, axis=-1)
        return _ops.exp(log_softmax(scaled, -1))

    def _log_prob(self, value: Tensor) -> Tensor:
        count, temperature = self.probs.shape[-1], self.temperature
        log_value = _ops.log(value)
        scores = self.logits - expand_dims(temperature, axis=-1) * log_value
        scores = log_softmax(scores, -1)
        size = lgamma(asarray(float(count), dtype=self.probs.dtype))
        scale = size + (count - 1) * _ops.log(temperature)
        return sum(scores - log_value, axis=-1) + scale

    def _entropy(self) -> Tensor:
        raise self._missing("entropy")

    def _mode(self) -> Tensor:
        raise self._missing("mode")

    def _values(self) -> Tensor:
        raise self._missing("enumerate_support: its values can't be counted up")
