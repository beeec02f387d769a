"""Normalisation as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, arange, asarray, ones, zeros
from .._dtypes import int64
from .._errors import ShapeError
from .._manipulation import expand_dims, narrow, pad, squeeze
from .._ops import where
from . import functional
from ._module import Module
from ._parameter import Parameter


def _register_affine(
    module: Module,
    shape: tuple[int, ...],
    weight: bool,
    bias: bool,
    dtype: object,
    device: object,
) -> None:
    """Gives a module a weight of ones and a bias of zeros, or None for what is not wanted."""
    for name, start, wanted in (("weight", ones, weight), ("bias", zeros, bias)):
        value = Parameter(start(shape, dtype=dtype, device=device)) if wanted else None
        module.register_parameter(name, value)


def _reset(weight: Parameter | None, bias: Parameter | None) -> None:
    with no_grad():
        if weight is not None:
            weight.fill_(1)
        if bias is not None:
            bias.zero_()


class _ChannelNorm(Module):
    """What normalisation by the statistics of channels shares: weight, bias, running statistics."""

    dimensions: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: object,
        dtype: object,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        _register_affine(self, (num_features,), affine, affine and bias, **place)
        tracked = track_running_stats
        count = asarray(0, dtype=int64, device=device) if tracked else None
        self.register_buffer("running_mean", zeros(num_features, **place) if tracked else None)
        self.register_buffer("running_var", ones(num_features, **place) if tracked else None)
        self.register_buffer("num_batches_tracked", count)

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
        _reset(self.weight, self.bias)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _check_dimensions(self, input: Tensor) -> None:
        if input.ndim not in self.dimensions:
            wanted = " or ".join(f"{count}" for count in self.dimensions)
            raise _fail(
                ShapeError,
                f"{type(self).__name__}: the input has shape {input.shape}, but needs {wanted} "
                "dimensions",
            )

    def _check_channels(self, input: Tensor) -> None:
        if input.shape[1] != self.num_features:
            raise _fail(
                ShapeError,
                f"{type(self).__name__}: the input of shape {input.shape} has {input.shape[1]} "
                f"channels, but the module {self.num_features}",
            )


class _BatchNorm(_ChannelNorm):
    """What the layers for each number of dimensions share: see `BatchNorm2d`."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: object = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        options = (affine, track_running_stats, device, dtype, bias)
        super().__init__(num_features, eps, momentum, *options)

    def forward(self, x: Tensor) -> Tensor:
        """x, normalised. Raises ShapeError for other channels or dimensions."""
        self._check_dimensions(x)
        self._check_channels(x)
        if self.training:
            self._check_count(x)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            with no_grad():
                self.num_batches_tracked += 1
                if self.momentum is None:
                    momentum = 1.0 / self.num_batches_tracked.astype(x.dtype)
        return self._normalized(x, self.training or not self.track_running_stats, momentum)

    def _check_count(self, x: Tensor) -> None:
        if x._size == x.shape[1]:
            raise _fail(
                ShapeError,
                f"{type(self).__name__}: an input of shape {x.shape} has one value per "
                "channel, which has no variance to train by; use eval()",
            )

    def _normalized(self, x: Tensor, own: bool, momentum: float | Tensor) -> Tensor:
        """x, normalised by its own statistics or the running ones."""
        tensors = (self.running_mean, self.running_var, self.weight, self.bias)
        return functional.batch_norm(x, *tensors, own, momentum, self.eps)


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


class BatchNorm3d(_BatchNorm):
    """Each channel of inputs [N, C, D, H, W] normalized over the batch and the positions.

    As `BatchNorm2d` otherwise.
    """

    dimensions = (5,)


class _InstanceNorm(_ChannelNorm):
    """What the layers for each number of dimensions share: see `InstanceNorm2d`."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: object = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        options = (affine, track_running_stats, device, dtype, bias)
        super().__init__(num_features, eps, momentum, *options)

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised. Raises ShapeError for other channels or dimensions."""
        self._check_dimensions(input)
        single = input.ndim == self.dimensions[0]
        x = expand_dims(input, axis=0) if single else input
        if self.affine or self.track_running_stats:
            self._check_channels(x)
        own = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        tensors = (self.running_mean, self.running_var, self.weight, self.bias)
        result = functional.instance_norm(x, *tensors, own, momentum, self.eps)
        return squeeze(result, 0) if single else result


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each input [N, C, L] or [C, L] normalized over L; as `InstanceNorm2d`."""

    dimensions = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each input [N, C, H, W] or [C, H, W] normalized over the positions.

    Args:
        num_features: the channels C.
        eps: added to the variance.
        momentum: the weight of a batch in the running statistics.
        affine: with weight [C] (ones) and, if ``bias``, bias [C] (zeros).
        track_running_stats: with running statistics, which are used in evaluation.
        device, dtype: of weight, bias and statistics.
        bias: see ``affine``.
    """

    dimensions = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each input [N, C, D, H, W] or [C, D, H, W] normalized over the positions; as
    `InstanceNorm2d`."""

    dimensions = (4, 5)


def _as_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, int):
        return (normalized_shape,)
    return tuple(normalized_shape)


class LayerNorm(Module):
    """The last dimensions brought to mean 0 and variance 1, times weight plus bias.

    Args:
        normalized_shape: the sizes of the last dimensions.
        eps: added to the variance.
        elementwise_affine: with weight (ones) and, if ``bias``, a bias (zeros) of that shape.
        bias: see ``elementwise_affine``.
        device, dtype: of weight and bias.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        wanted = (elementwise_affine, elementwise_affine and bias)
        _register_affine(self, self.normalized_shape, *wanted, dtype, device)

    def reset_parameters(self) -> None:
        """Sets weight to ones and bias to zeros."""
        _reset(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """[..., *normalized_shape], normalised. Raises ShapeError for other shapes."""
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """The input over the root of the mean of its squares over its last dimensions, times weight.

    Args:
        normalized_shape: the sizes of the last dimensions.
        eps: added to the mean; None: the distance from 1 to the next number of the dtype.
        elementwise_affine: with a weight (ones) of that shape.
        device, dtype: of the weight.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = ones(self.normalized_shape, dtype=dtype, device=device)
        self.register_parameter("weight", Parameter(weight) if elementwise_affine else None)

    def reset_parameters(self) -> None:
        """Sets the weight to ones."""
        if self.weight is not None:
            with no_grad():
                self.weight.fill_(1)

    def forward(self, input: Tensor) -> Tensor:
        """[..., *normalized_shape], normalised. Raises ShapeError for other shapes."""
        return functional.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Groups of channels of [N, C, ...] brought to mean 0 and variance 1, times weight plus bias.

    Args:
        num_groups: how many groups there are.
        num_channels: the channels C.
        eps: added to the variance.
        affine: with weight [C] (ones) and, if ``bias``, bias [C] (zeros).
        device, dtype: of weight and bias.
        bias: see ``affine``.

    Raises:
        ShapeError: the groups do not divide the channels.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: object = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise _fail(
                ShapeError, f"GroupNorm: {num_groups} groups do not divide {num_channels} channels"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        _register_affine(self, (num_channels,), affine, affine and bias, dtype, device)

    def reset_parameters(self) -> None:
        """Sets weight to ones and bias to zeros."""
        _reset(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...], normalised. Raises ShapeError for other channels."""
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """[N, C, ...] over (k + alpha * the mean of the squares of ``size`` channels around) ** beta.

    See `functional.local_response_norm`.
    """

    def __init__(
        self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...], normalised. Raises ShapeError for less than 3 dimensions."""
        return functional.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """[N, C, H, W] over (k + alpha / size * the sum of the squares of ``size`` channels around) **
    beta, of an even size one less.

    As in PyTorch, the first channel is a part of all sums, also of those of channels further away;
    `LocalResponseNorm` has it not. The gradient is the derivative of that, which PyTorch's is not.
    """

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W], normalised. Raises ShapeError for other dimensions."""
        if input.ndim != 4:
            raise _fail(
                ShapeError,
                f"CrossMapLRN2d: the input has shape {input.shape}, but has to be [N, C, H, W]",
            )
        reach, channels = (self.size - 1) // 2, input.shape[1]
        squares = input * input
        framed = pad(squares, [(0, 0), (reach, reach), (0, 0), (0, 0)])
        total = narrow(framed, 1, 0, channels)
        for i in range(1, 2 * reach + 1):
            total = total + narrow(framed, 1, i, channels)
        beyond = arange(channels, device=input.device) > reach
        first = where(beyond.reshape(1, -1, 1, 1), narrow(squares, 1, 0, 1), 0.0)
        return input * (total + first).mul(self.alpha / self.size).add(self.k) ** -self.beta

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
