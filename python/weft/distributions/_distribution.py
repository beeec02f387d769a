"""What distributions have in common, and several of them as one."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, ClassVar

from .. import _ops
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import Shape, _fail, _shape, asarray
from .._dtypes import float32, result_type
from .._errors import OptionError, ShapeError, UnsupportedError
from .._manipulation import astype, broadcast_arrays, broadcast_to, is_number, reshape
from .._reductions import sum
from ..random._keys import next_key, split
from . import constraints


def common(*values: Any) -> tuple[Tensor, ...]:
    """Parameters as tensors of one floating dtype and shape: theirs, or float32 of numbers."""
    tensors = [x if is_number(x) else asarray(x) for x in values]
    floating = [x for x in tensors if not is_number(x) and x.dtype.kind == "floating"]
    dtype = result_type(*floating) if floating else float32
    return broadcast_arrays(*(astype(asarray(x, dtype=dtype), dtype, copy=False) for x in tensors))


#: What parameters of these names have to be, where a distribution does not say otherwise.
_PARAMETERS: dict[str, constraints.Constraint] = {
    **dict.fromkeys(("loc", "low", "high", "logits"), constraints.real),
    **dict.fromkeys(("scale", "rate", "alpha", "temperature"), constraints.positive),
    **dict.fromkeys(("df", "df1", "df2"), constraints.positive),
    **dict.fromkeys(
        ("concentration", "concentration0", "concentration1"),
        constraints.positive,
    ),
    "probs": constraints.unit_interval,
    "total_count": constraints.nonnegative_integer,
}


def support(inside: Tensor, density: Tensor) -> Tensor:
    """The logarithm of a density, which is -inf where the value can't be."""
    return _ops.where(inside, density, -float("inf"))


def keys_of(key: Tensor | None, count: int, like: Tensor) -> list[Tensor]:
    """Keys for numbers that have to be independent of each other, of a key or of the next one."""
    key = next_key(like.device) if key is None else key
    if count == 1:
        return [key]
    made = split(key, count)
    return [made[i] for i in range(count)]


class Distribution:
    """A distribution of tensors: a batch of independent ones, each over events of some shape.

    Distributions are dataclasses of their parameters, and so go through `jit`, `grad` and `vmap` as
    containers of them. Parameters are numbers or tensors, which broadcast. Of those only Python's
    numbers are checked: they have to be in `arg_constraints`, or OptionError is raised. All of it
    may be used in compiled functions.
    """

    #: Whether `rsample` is there: samples that are differentiable in the parameters.
    has_rsample = False

    #: Where samples are; `biject_to` makes transforms to it.
    support: Any = constraints.real

    #: What parameters have to be that others of their name have not.
    _own_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """Where parameters are, by their names."""
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        known = {**_PARAMETERS, **self._own_constraints}
        return {name: known[name] for name in names if name in known}

    def _check(self, name: str, value: Any) -> None:
        """Raises OptionError for a Python number that a parameter can't be."""
        if is_number(value) and not isinstance(value, Tensor):
            allowed = {**_PARAMETERS, **self._own_constraints}.get(name)
            if allowed is not None and not allowed.admits(value):
                raise _fail(
                    OptionError, f"{type(self).__name__}: {name} has to be {allowed}, not {value}"
                )

    def _take(self, *names: str) -> None:
        """Makes parameters tensors of one dtype and shape; raises OptionError as `_check`."""
        values = [getattr(self, name) for name in names]
        for name, value in zip(names, values, strict=True):
            self._check(name, value)
        for name, tensor in zip(names, common(*values), strict=True):
            setattr(self, name, tensor)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the parameters, without what describes one event."""
        return self._batch_shape()

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one event."""
        return self._event_shape()

    def _missing(self, what: str) -> Exception:
        return _fail(UnsupportedError, f"{type(self).__name__} has no {what}")

    # What subclasses say.

    def _batch_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _event_shape(self) -> tuple[int, ...]:
        return ()

    def _log_prob(self, value: Tensor) -> Tensor:
        raise self._missing("log_prob")

    def _entropy(self) -> Tensor:
        raise self._missing("entropy")

    def _cdf(self, value: Tensor) -> Tensor:
        raise self._missing("cdf")

    def _icdf(self, value: Tensor) -> Tensor:
        raise self._missing("icdf")

    def _mean(self) -> Tensor:
        raise self._missing("mean")

    def _variance(self) -> Tensor:
        raise self._missing("variance")

    def _mode(self) -> Tensor:
        raise self._missing("mode")

    def _values(self) -> Tensor:
        """All there are, [count, *event_shape]."""
        raise self._missing("enumerate_support: its values can't be counted up")

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        """Samples for a shape of batches."""
        raise NotImplementedError

    def sample(self, sample_shape: Shape = (), *, key: Tensor | None = None) -> Tensor:
        """Samples [*sample_shape, *batch_shape, *event_shape], constants for gradients.

        Args:
            key: see `weft.random`; None: the next one of the global generator.
        """
        with no_grad():
            return self._draw((*_shape(sample_shape), *self.batch_shape), key).detach()

    def rsample(self, sample_shape: Shape = (), *, key: Tensor | None = None) -> Tensor:
        """Samples that are differentiable in the parameters; else as `sample`.

        Raises:
            UnsupportedError: they are not.
        """
        if not self.has_rsample:
            raise self._missing("rsample: its samples are not differentiable in its parameters")
        return self._draw((*_shape(sample_shape), *self.batch_shape), key)

    def log_prob(self, value: Any) -> Tensor:
        """The logarithm of the density, or of the probability, of an event; -inf of impossible
        ones."""
        return self._log_prob(asarray(value))

    def entropy(self) -> Tensor:
        """The mean of -log_prob. Raises UnsupportedError where there is no formula."""
        return self._entropy()

    def cdf(self, value: Any) -> Tensor:
        """The probability of what is at most the value. Raises UnsupportedError where there is no
        formula."""
        return self._cdf(asarray(value))

    def icdf(self, value: Any) -> Tensor:
        """Of a probability the value that `cdf` makes it of. Raises UnsupportedError where there is
        no formula."""
        return self._icdf(asarray(value))

    @property
    def mean(self) -> Tensor:
        """The mean of samples. Raises UnsupportedError where there is none."""
        return self._mean()

    @property
    def variance(self) -> Tensor:
        """The variance of samples. Raises UnsupportedError where there is none."""
        return self._variance()

    @property
    def mode(self) -> Tensor:
        """The value of the largest density. Raises UnsupportedError where there is no formula."""
        return self._mode()

    def perplexity(self) -> Tensor:
        """exp of the entropy. Raises UnsupportedError where there is no formula."""
        return _ops.exp(self.entropy())

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values there are, of the same shape for each of the batch.

        Args:
            expand: [count, *batch_shape, *event_shape]; else the batch's dimensions are 1.

        Raises:
            UnsupportedError: there are no end of values, or they differ within the batch.
        """
        values = self._values()
        events = values.shape[1:]
        narrow = reshape(values, (values.shape[0], *[1] * len(self.batch_shape), *events))
        return (
            broadcast_to(narrow, (values.shape[0], *self.batch_shape, *events))
            if expand
            else narrow
        )

    def expand(self, batch_shape: Shape) -> Distribution:
        """The distribution of another batch shape, which this one's broadcasts to.

        Raises:
            ShapeError: it does not.
        """
        return self._expanded(_shape(batch_shape))

    def _expanded(self, shape: tuple[int, ...]) -> Distribution:
        """Each parameter is as the batch first, and then what describes an event."""
        result, split = copy.copy(self), len(self.batch_shape)
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                wide = broadcast_to(value, (*shape, *value.shape[split:]))
                object.__setattr__(result, field.name, wide)
        return result

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return _ops.sqrt(self.variance)


@dataclasses.dataclass(eq=False)
class Independent(Distribution):
    """A distribution whose last batch dimensions are part of one event.

    Args:
        base: the distribution.
        reinterpreted_batch_ndims: how many dimensions.

    Raises:
        ShapeError: the batch has fewer.
    """

    base: Distribution
    reinterpreted_batch_ndims: int

    def __post_init__(self) -> None:
        self.has_rsample = self.base.has_rsample
        if not 0 <= self.reinterpreted_batch_ndims <= len(self.base.batch_shape):
            raise _fail(
                ShapeError,
                f"Independent: {self.reinterpreted_batch_ndims} dimensions of a batch of shape "
                f"{self.base.batch_shape}",
            )

    @property
    def support(self) -> constraints.Constraint:
        """Tensors of what the base's samples are in."""
        return constraints.independent(self.base.support, self.reinterpreted_batch_ndims)

    @property
    def _split(self) -> int:
        return len(self.base.batch_shape) - self.reinterpreted_batch_ndims

    def _batch_shape(self) -> tuple[int, ...]:
        return self.base.batch_shape[: self._split]

    def _event_shape(self) -> tuple[int, ...]:
        return (*self.base.batch_shape[self._split :], *self.base.event_shape)

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        return self.base._draw((*shape, *self.base.batch_shape[self._split :]), key)

    def total(self, values: Tensor) -> Tensor:
        """The sums over the dimensions that belong to one event."""
        count = self.reinterpreted_batch_ndims
        return sum(values, axis=tuple(range(-count, 0))) if count else values

    def _log_prob(self, value: Tensor) -> Tensor:
        return self.total(self.base.log_prob(value))

    def _entropy(self) -> Tensor:
        return self.total(self.base.entropy())

    def _expanded(self, shape: tuple[int, ...]) -> Distribution:
        inner = self.base.batch_shape[self._split :]
        return Independent(self.base.expand((*shape, *inner)), self.reinterpreted_batch_ndims)

    def _mode(self) -> Tensor:
        return self.base.mode

    def _mean(self) -> Tensor:
        return self.base.mean

    def _variance(self) -> Tensor:
        return self.base.variance


def one_of(name: str, probs: Any, logits: Any) -> Any:
    """The one of both that is given. Raises OptionError for both and for none."""
    if (probs is None) == (logits is None):
        raise _fail(OptionError, f"{name}: needs one of probs and logits")
    return logits if probs is None else probs
