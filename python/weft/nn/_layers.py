"""Layers of matrices, and of shapes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._core import Tensor
from .._creation import _fail, _size, empty
from .._errors import ShapeError
from .._manipulation import normalize_axis
from . import functional, init
from ._module import Module
from ._parameter import Parameter


class Identity(Module):
    """Gives back what it gets; any arguments of the constructor are accepted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input."""
        return input


class Flatten(Module):
    """Dimensions start_dim to end_dim as one: by default [N, ...] to [N, features]."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """The input with fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Dimension ``dim`` as several, of sizes of which one may be -1: the inverse of `Flatten`."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = _size(dim, "Unflatten: dim")
        self.unflattened_size = tuple(_size(size, "Unflatten: a size") for size in unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """The input with more dimensions. Raises ShapeError if the sizes do not fit."""
        place, shape = normalize_axis(self.dim, input.ndim, "Unflatten"), input.shape
        sizes = list(self.unflattened_size)
        known = math.prod(size for size in sizes if size != -1)
        if sizes.count(-1) == 1 and known:
            sizes[sizes.index(-1)] = shape[place] // known
        if math.prod(sizes) != shape[place] or any(size < 0 for size in sizes):
            raise _fail(
                ShapeError,
                f"Unflatten: dimension {self.dim} of shape {shape} does not become "
                f"{self.unflattened_size}",
            )
        return input.reshape((*shape[:place], *sizes, *shape[place + 1 :]))

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


def uniform_bias(bias: Tensor, fan_in: int) -> None:
    """Draws a bias uniformly in ±1 / sqrt(fan_in)."""
    bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    init.uniform_(bias, -bound, bound)


class Linear(Module):
    """input weight^T + bias: [..., in_features] to [..., out_features].

    Attributes:
        weight: [out_features, in_features], uniform in ±1 / sqrt(in_features) at first.
        bias: [out_features], of the same distribution; None without.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype, device=device))
        self.register_parameter(
            "bias", Parameter(empty(out_features, dtype=dtype, device=device)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            uniform_bias(self.bias, self.in_features)

    def forward(self, input: Tensor) -> Tensor:
        """[..., in_features] to [..., out_features]. Raises ShapeError for other features."""
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """The sums of input1[i] weight[n, i, j] input2[j], plus bias: [..., in1_features] and
    [..., in2_features] to [..., out_features].

    Attributes:
        weight: [out_features, in1_features, in2_features], uniform in ±1 / sqrt(in1_features).
        bias: [out_features], of the same distribution; None without.

    Raises:
        ShapeError: in1_features is not positive.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise _fail(
                ShapeError, f"Bilinear: in1_features is {in1_features}, but has to be positive"
            )
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(empty(shape, dtype=dtype, device=device))
        self.register_parameter(
            "bias", Parameter(empty(out_features, dtype=dtype, device=device)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        uniform_bias(self.weight, self.in1_features)
        if self.bias is not None:
            uniform_bias(self.bias, self.in1_features)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """See `functional.bilinear`. Raises ShapeError for other features."""
        return functional.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
