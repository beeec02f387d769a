"""Elementwise activations, and softmax."""

from __future__ import annotations

from .._core import Tensor
from . import functional
from ._module import Module


class ReLU(Module):
    """max(x, 0); ``inplace`` is accepted and changes nothing, as tensors are values."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """max(x, 0)"""
        return functional.relu(x)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where it is positive, else x times the slope."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """See `functional.leaky_relu`."""
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where it is positive, else alpha * (exp(x) - 1)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """See `functional.elu`."""
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"alpha={self.alpha}"


class GELU(Module):
    """x times the normal distribution function of x, or its approximation by "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """See `functional.gelu`."""
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x)"""

    def forward(self, x: Tensor) -> Tensor:
        """x * sigmoid(x)"""
        return functional.silu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))"""

    def forward(self, x: Tensor) -> Tensor:
        """1 / (1 + exp(-x))"""
        return functional.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """tanh(x)"""
        return functional.tanh(x)


class Softplus(Module):
    """log(1 + exp(x)), without overflow."""

    def forward(self, x: Tensor) -> Tensor:
        """log(1 + exp(x))"""
        return functional.softplus(x)


class Softmax(Module):
    """exp(x) over its sum along ``dim``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """See `functional.softmax`."""
        return functional.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of softmax along ``dim``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """See `functional.log_softmax`."""
        return functional.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"dim={self.dim}"
