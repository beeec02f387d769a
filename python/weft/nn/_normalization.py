"""Normalisation and dropout."""

from __future__ import annotations

from collections.abc import Sequence

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, asarray, ones, zeros
from .._dtypes import int64
from .._errors import ShapeError
from . import functional
from ._module import Module
from ._parameter import Parameter


class _BatchNorm(Module):
    """What the layers for each number of dimensions share: see `BatchNorm2d`."""

    dimensions: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, start in (("weight", ones), ("bias", zeros)):
            value = Parameter(start(num_features, dtype=dtype)) if affine else None
            self.register_parameter(name, value)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", asarray(0, dtype=int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forgets what was seen: mean 0, variance 1."""
        if self.track_running_stats:
            with no_grad():
                self.running_mean.zero_()
                self.running_var.fill_(1)
                self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forgets what was seen and learned."""
        self.reset_running_stats()
        if self.affine:
            with no_grad():
                self.weight.fill_(1)
                self.bias.zero_()

    def _check(self, x: Tensor) -> None:
        name = type(self).__name__
        if x.ndim not in self.dimensions:
            wanted = " or ".join(f"{count}" for count in self.dimensions)
            raise _fail(
                ShapeError, f"{name}: the input has shape {x.shape}, but needs {wanted} dimensions"
            )
        if x.shape[1] != self.num_features:
            raise _fail(
                ShapeError,
                f"{name}: the input of shape {x.shape} has {x.shape[1]} "
                f"channels, but the module {self.num_features}",
            )
        if self.training and x._size == x.shape[1]:
            raise _fail(
                ShapeError,
                f"{name}: an input of shape {x.shape} has one value per "
                "channel, which has no variance to train by; use eval()",
            )

    def forward(self, x: Tensor) -> Tensor:
        """x, normalised. Raises ShapeError for other channels or dimensions."""
        self._check(x)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            with no_grad():
                self.num_batches_tracked += 1
                if self.momentum is None:
                    momentum = 1.0 / self.num_batches_tracked.astype(x.dtype)
        own = self.training or not self.track_running_stats
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps
        )

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Each channel of inputs [N, C] or [N, C, L] normalized over the batch and the positions.

    In training the batch's own mean and variance are used, and the running ones updated in place;
    in evaluation the running ones are used.

    Args:
        num_features: the channels C.
        eps: added to the variance.
        momentum: the weight of a batch in the running statistics; None averages all batches.
        affine: with weight [C] (ones) and bias [C] (zeros).
        track_running_stats: without, the batch's own statistics are used in evaluation too.
    """

    dimensions = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of inputs [N, C, H, W] normalized over the batch and the positions.

    In training the batch's own mean and variance are used, and the running ones updated in place;
    in evaluation the running ones are used.

    Args:
        num_features: the channels C.
        eps: added to the variance.
        momentum: the weight of a batch in the running statistics; None averages all batches.
        affine: with weight [C] (ones) and bias [C] (zeros).
        track_running_stats: without, the batch's own statistics are used in evaluation too.
    """

    dimensions = (4,)


class LayerNorm(Module):
    """The last dimensions brought to mean 0 and variance 1, times weight plus bias.

    Args:
        normalized_shape: the sizes of the last dimensions.
        eps: added to the variance.
        elementwise_affine: with weight (ones) and, if ``bias``, a bias (zeros) of that shape.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.register_parameter(
            "weight", Parameter(ones(shape, dtype=dtype)) if elementwise_affine else None
        )
        self.register_parameter(
            "bias", Parameter(zeros(shape, dtype=dtype)) if elementwise_affine and bias else None
        )

    def reset_parameters(self) -> None:
        """Sets weight to ones and bias to zeros."""
        with no_grad():
            if self.weight is not None:
                self.weight.fill_(1)
            if self.bias is not None:
                self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """x [..., *normalized_shape], normalised. Raises ShapeError for other shapes."""
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class Dropout(Module):
    """In training, elements are 0 with probability ``p``, the others divided by 1 - p.

    Raises:
        ShapeError: ``p`` is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise _fail(ShapeError, f"Dropout: the probability has to be in [0, 1], not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x, of which some elements were dropped."""
        return functional.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"p={self.p}"
