"""Layers with weights: linear maps, convolutions, embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail, arange, empty, zeros_like
from .._errors import ShapeError
from .._functional import _pair
from . import functional, init
from ._module import Module
from ._parameter import Parameter

Pair = int | Sequence[int]


class Identity(Module):
    """Gives back what it gets; any arguments of the constructor are accepted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """x"""
        return x


class Flatten(Module):
    """Dimensions start_dim to end_dim as one: by default [N, ...] to [N, features]."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """x with fewer dimensions."""
        return x.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


def _uniform_bias(bias: Tensor, fan_in: int) -> None:
    bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    init.uniform_(bias, -bound, bound)


class Linear(Module):
    """x weight^T + bias: x [..., in_features] to [..., out_features].

    Attributes:
        weight: [out_features, in_features], uniform in ±1 / sqrt(in_features) at first.
        bias: [out_features], of the same distribution; None without.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: object = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        self.bias = Parameter(empty(out_features, dtype=dtype)) if bias else None
        if not bias:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            _uniform_bias(self.bias, self.in_features)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in_features] to [..., out_features]. Raises ShapeError for other features."""
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Conv2d(Module):
    """A convolution of x [N, C, H, W].

    Args:
        in_channels, out_channels: C, and the channels of the result.
        kernel_size, stride, padding, dilation: one number, or one for H and one for W; padding may
            be "valid" or (with stride 1) "same".
        groups: how many parts the channels fall into, each convolved by itself.

    Attributes:
        weight: [out_channels, in_channels / groups, *kernel_size], uniform in ±1 / sqrt(fan in).
        bias: [out_channels], of the same distribution; None without.

    Raises:
        ShapeError: the groups do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: object = None,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise _fail(
                ShapeError,
                f"Conv2d: {groups} groups do not divide {in_channels} input "
                f"and {out_channels} output channels",
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = tuple(_pair(kernel_size, "Conv2d: kernel_size"))
        self.stride = tuple(_pair(stride, "Conv2d: stride"))
        self.dilation = tuple(_pair(dilation, "Conv2d: dilation"))
        self.padding = (
            padding if isinstance(padding, str) else tuple(_pair(padding, "Conv2d: padding"))
        )
        self.weight = Parameter(
            empty(out_channels, in_channels // groups, *self.kernel_size, dtype=dtype)
        )
        self.bias = Parameter(empty(out_channels, dtype=dtype)) if bias else None
        if not bias:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            _uniform_bias(self.bias, math.prod(self.weight.shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] to [N, out_channels, H', W']. Raises ShapeError where C differs."""
        return functional.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        if self.padding not in ((0, 0), "valid"):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


class Embedding(Module):
    """Rows of a table by their numbers: integers [...] to [..., embedding_dim].

    Attributes:
        weight: [num_embeddings, embedding_dim], standard normal at first.

    Args:
        padding_idx: a row that is zero at first and gets no gradient.

    Raises:
        ShapeError: padding_idx is out of range.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise _fail(
                    ShapeError,
                    f"Embedding: padding_idx {padding_idx} is out of range for "
                    f"{num_embeddings} rows",
                )
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx
        self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            rows = arange(self.num_embeddings, device=self.weight.device)
            is_padding = (rows == self.padding_idx).reshape(-1, 1)
            kept = _ops.where(is_padding, zeros_like(self.weight[:1, :1]), self.weight.detach())
            self.weight.data = kept

    def forward(self, indices: Tensor) -> Tensor:
        """The rows at ``indices`` [...]: [..., embedding_dim]."""
        return functional.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class MaxPool2d(Module):
    """The largest element of each window of x [N, C, H, W]; the stride defaults to the window."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] to [N, C, H', W']."""
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window of x [N, C, H, W]; the border counts as 0."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] to [N, C, H', W']."""
        return functional.avg_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Means of equal windows: x [N, C, H, W] to [N, C, *output_size], which divides (H, W)."""

    def __init__(self, output_size: Pair) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] to [N, C, *output_size]."""
        return functional.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"output_size={self.output_size}"
