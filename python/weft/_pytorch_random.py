"""PyTorch's functions and methods of random numbers, by the distributions of `weft.random`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from . import _ops, _reductions, random
from ._core import Tensor
from ._creation import _fail, _size, asarray
from ._dtypes import DType, finfo, float32, float64, iinfo, int64
from ._errors import DTypeError, OptionError, ShapeError
from ._manipulation import astype, expand_dims
from ._methods import _method
from ._searching import check_range, topk


def multinomial(x: Tensor, num_samples: int, replacement: bool = False) -> Tensor:
    """Indices along the last dimension, drawn with x for their weights: int64 [..., num_samples].

    Without replacement by the largest of log(weight) + Gumbel noise (Vieira, 2014), else by the
    inverse of the cumulative distribution.

    Raises:
        ShapeError: there are fewer weights than samples, without replacement. OutOfRangeError: a
            weight is negative.
    """
    x, num_samples = asarray(x), _size(num_samples, "multinomial: num_samples")
    weights = astype(x, float64 if x.dtype is float64 else float32)
    count = x.shape[-1]
    check_range(weights, 0, math.inf, "multinomial: each weight")
    if not replacement:
        if isinstance(count, int) and num_samples > count:
            raise _fail(ShapeError, f"multinomial: {num_samples} of {count} without replacement")
        noise = random.uniform(x.shape, dtype=weights.dtype, device=x.device)
        keys = _ops.log(weights) - _ops.log(-_ops.log1p(-noise))
        return topk(keys, num_samples)[1]
    totals = _reductions.cumulative_sum(weights, axis=-1)
    shape = (*x.shape[:-1], num_samples)
    drawn = random.uniform(shape, dtype=weights.dtype, device=x.device)
    below = expand_dims(totals, axis=-2) <= expand_dims(drawn * totals[..., -1:], axis=-1)
    return _reductions.sum(below, axis=-1)


def bernoulli(x: Tensor, p: float | None = None) -> Tensor:
    """1 with the probabilities x (with p of all elements), else 0, in x's dtype.

    Raises:
        OptionError: p is not in [0, 1]. OutOfRangeError: a probability is not.
    """
    x = asarray(x)
    return _coins(x, x if p is None else p, "bernoulli")


def _coins(x: Tensor, p: Any, name: str) -> Tensor:
    if isinstance(p, Tensor):
        check_range(p, 0, 1, f"{name}: each probability")
    drawn = random.bernoulli(p, x.shape, device=x.device)
    return astype(drawn, x.dtype)


def poisson(x: Tensor) -> Tensor:
    """Poisson distributed numbers with the means x, of its shape and dtype.

    Raises:
        OutOfRangeError: a mean is below 0. DTypeError: x is not floating.
    """
    x = asarray(x)
    if x.dtype.kind != "floating":
        raise _fail(DTypeError, f"poisson: x has to be floating, not {x.dtype.name}")
    return random.poisson(x, dtype=x.dtype)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Normally distributed numbers: of the shape that mean and std broadcast to, or of ``size``.

    Raises:
        ShapeError: they do not broadcast to the size.
    """
    return random.normal(size, mean, std, dtype=dtype, device=device)


def rand_like(x: Tensor, *, dtype: object = None, device: object = None) -> Tensor:
    """Numbers uniform in [0, 1), of x's shape and dtype, on x's device."""
    return random.uniform(
        x.shape,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
    )


def randn_like(x: Tensor, *, dtype: object = None, device: object = None) -> Tensor:
    """Normally distributed numbers of x's shape and dtype, on x's device."""
    return random.normal(
        x.shape,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
    )


def randint(
    low: int, high: Any = None, size: Any = None, *, dtype: object = int64, device: object = None
) -> Tensor:
    """Integers in [low, high), or [0, low): ``randint(10, (2, 3))`` or ``randint(1, 7, (2,))``.

    Raises:
        ShapeError: the range is empty. OptionError: there is no size.
    """
    if size is None:
        low, high, size = 0, low, high
    if size is None:
        raise _fail(OptionError, "randint: needs the size of the result")
    return random.randint(low, high, size, dtype=dtype, device=device)


def randperm(n: int, *, dtype: object = int64, device: object = None) -> Tensor:
    """The integers below n in random order."""
    return astype(random.permutation(n, device=device), dtype, copy=False)


def randint_like(
    x: Tensor, low: int, high: int | None = None, *, dtype: object = None, device: object = None
) -> Tensor:
    """Integers in [low, high), or [0, low), of x's shape and dtype, on x's device.

    Raises:
        ShapeError: the range is empty. OutOfRangeError: the dtype can't hold all of it.
    """
    return random.randint(
        low,
        high,
        x.shape,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
    )


# In place --------------------------------------------------------------------------------------


def _drawn_in_place(
    self: Tensor, name: str, draw: Callable[..., Tensor], *parameters: Any
) -> Tensor:
    """Gives a floating tensor numbers of a distribution, which takes the shape first."""
    if self.dtype.kind != "floating":
        raise _fail(DTypeError, f"{name}: a tensor of {self.dtype.name} can't hold such numbers")
    value = draw(self.shape, *parameters, dtype=self.dtype, device=self.device)
    return self._assign(value, f"{name}()")


@_method("uniform_")
def _uniform_in_place(self: Tensor, from_: float = 0, to: float = 1) -> Tensor:
    """Numbers uniform in [from_, to), in place."""
    return _drawn_in_place(self, "uniform_", random.uniform, from_, to)


@_method("normal_")
def _normal_in_place(self: Tensor, mean: float = 0, std: float = 1) -> Tensor:
    """Normally distributed numbers, in place."""
    return _drawn_in_place(self, "normal_", random.normal, mean, std)


@_method("log_normal_")
def _log_normal_in_place(self: Tensor, mean: float = 1, std: float = 2) -> Tensor:
    """exp of normally distributed numbers with this mean and deviation, in place."""
    return _drawn_in_place(self, "log_normal_", random.lognormal, mean, std)


@_method("exponential_")
def _exponential_in_place(self: Tensor, lambd: float = 1) -> Tensor:
    """Exponentially distributed numbers with the rate ``lambd``, in place."""
    if isinstance(lambd, (int, float)) and not lambd > 0:
        raise _fail(OptionError, f"exponential_: the rate has to be above 0, not {lambd}")
    return _drawn_in_place(self, "exponential_", random.exponential, 1 / lambd)


@_method("cauchy_")
def _cauchy_in_place(self: Tensor, median: float = 0, sigma: float = 1) -> Tensor:
    """Numbers of the density 1 / (pi sigma (1 + ((x - median) / sigma)**2)), in place."""
    return _drawn_in_place(self, "cauchy_", random.cauchy, median, sigma)


@_method("geometric_")
def _geometric_in_place(self: Tensor, p: float) -> Tensor:
    """The first of many trials that succeeds, if each does with the probability p, in place."""
    value = random.geometric(p, self.shape, dtype=self.dtype, device=self.device)
    return self._assign(value, "geometric_()")


def _last_whole(dtype: DType) -> int:
    """The last integer up to which a dtype holds all."""
    if dtype.kind == "floating":
        return int(2 / finfo(dtype).eps)
    return iinfo(dtype).max if dtype.kind == "integer" else 1


@_method("random_")
def _random_in_place(self: Tensor, from_: int | None = None, to: int | None = None) -> Tensor:
    """Integers in [from_, to), in place: with one number in [0, from_), without any of all that
    are not negative and that the dtype tells apart."""
    if from_ is None:
        if to is not None:
            raise _fail(OptionError, "random_: needs from_ beside to")
        # So many that a floating dtype holds each of them.
        from_, to = 0, min(_last_whole(self.dtype) + 1, (1 << 62) - 1)
    value = random.randint(from_, to, self.shape, device=self.device)
    return self._assign(astype(value, self.dtype), "random_()")


@_method("bernoulli_")
def _bernoulli_in_place(self: Tensor, p: Any = 0.5) -> Tensor:
    """1 with the probability p, which may be a tensor, else 0, in place."""
    return self._assign(_coins(self, p, "bernoulli_"), "bernoulli_()")


Tensor.bernoulli, Tensor.multinomial = bernoulli, multinomial


# The global generator ------------------------------------------------------------------------


def seed() -> int:
    """Starts the global generator anew from a number of the system's, which it returns."""
    number = int.from_bytes(os.urandom(8), "little") >> 1
    random.seed(number)
    return number


def binomial(count: Tensor, prob: Tensor) -> Tensor:
    """How many of ``count`` trials succeed that do with the probability ``prob``, in the dtype of
    ``count``; see `weft.random.binomial`.

    Raises:
        DTypeError: ``count`` is not floating.
    """
    count, prob = asarray(count), asarray(prob)
    if count.dtype.kind != "floating":
        raise _fail(DTypeError, f"binomial: count is {count.dtype.name}, but has to be floating")
    return random.binomial(count, prob, dtype=count.dtype)
