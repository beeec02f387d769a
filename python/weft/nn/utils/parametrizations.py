"""Parametrizations of weights, as `weft.nn.utils.parametrize` applies them."""

from __future__ import annotations

from typing import TypeVar

from ... import _ops
from ..._autodiff import no_grad
from ..._core import Tensor
from ..._creation import _fail
from ..._errors import OptionError
from ..._linear import matmul
from ..._manipulation import astype, normalize_axis
from ..._reductions import norm
from ..._refused import refusing as _refusing
from .._module import Module
from .._quantized import WEIGHTS, Format, checked_format, nearest
from ._weight_norms import (
    as_matrix,
    check_iterations,
    default_dimension,
    draw_vector,
    norm_except,
    normalized,
    spectral_value,
    weight_of_norm,
)
from .parametrize import register_parametrization

__all__ = ["fake_quantized", "spectral_norm", "weight_norm"]

Normed = TypeVar("Normed", bound=Module)

#: Of the power method at the start.
_FIRST_ITERATIONS = 15


class _WeightNorm(Module):
    """A weight by its length and its direction; see `weight_norm`."""

    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        """The weight."""
        return weight_of_norm(direction, length, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight."""
        return norm_except(weight, self.dim), weight


class _SpectralNorm(Module):
    """A weight over its largest singular value; see `spectral_norm`."""

    def __init__(self, weight: Tensor, iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.iterations, self.dim, self.eps = iterations, dim, eps
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), dim)
            self.register_buffer("_u", draw_vector(matrix.shape[0], weight, eps))
            self.register_buffer("_v", draw_vector(matrix.shape[1], weight, eps))
            self._step(matrix, _FIRST_ITERATIONS)

    @no_grad()
    def _step(self, matrix: Tensor, iterations: int) -> None:
        for _ in range(iterations):
            self._u.assign(normalized(matmul(matrix, self._v), self.eps))
            self._v.assign(normalized(matmul(self._u, matrix), self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight over its largest singular value."""
        if weight.ndim < 2:
            return weight / _ops.maximum(norm(weight), self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._step(matrix, self.iterations)
        return weight / spectral_value(matrix, self._u.clone(), self._v.clone())

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def weight_norm(module: Normed, name: str = "weight", dim: int | None = 0) -> Normed:
    """Parametrizes a weight by its length and its direction (Salimans and Kingma, 2016).

    The weight is length * direction / |direction|, where ``parametrizations.<name>.original0`` has
    a length for each slice along ``dim`` (None: one for all), and original1 the direction.

    Returns:
        The module.

    Raises:
        NameUseError: there is no parameter of that name. OutOfBoundsError: it has no such
            dimension.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def spectral_norm(
    module: Normed,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Normed:
    """Parametrizes a weight as itself over its largest singular value (Miyato et al., 2018).

    The value is found by the power method, whose vectors are buffers: in training each reading of
    the weight takes further steps.

    Args:
        n_power_iterations: how many steps.
        eps: the least norm of a vector that is divided by it.
        dim: which dimension of the weight has the rows of the matrix, the others its columns;
            None: 1 for transposed convolutions, else 0.

    Returns:
        The module.

    Raises:
        NameUseError: there is no parameter of that name. OptionError: no iterations.
    """
    check_iterations(n_power_iterations, "spectral_norm")
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        return register_parametrization(module, name, Module())
    axis = default_dimension(module) if dim is None else dim
    axis = normalize_axis(axis, weight.ndim, "spectral_norm") if weight.ndim else 0
    made = _SpectralNorm(weight, n_power_iterations, axis, eps)
    return register_parametrization(module, name, made)


class _FakeQuantized(Module):
    """A weight by what its numbers of few bits stand for; see `fake_quantized`."""

    def __init__(self, form: Format) -> None:
        super().__init__()
        self.form = form

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, rounded."""
        fixed = weight.detach()
        rounded = astype(nearest(fixed, self.form).values(), weight.dtype)
        # The difference is 0, whose gradient is that of the weight.
        return rounded + (weight - fixed)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight as it is."""
        return weight


def fake_quantized(
    module: Normed,
    name: str = "weight",
    weights: str = "int8",
    group: int | None = None,
    symmetric: bool = True,
) -> Normed:
    """Trains a layer with the weight that `weft.quantize` would make of it.

    What the layer computes with is rounded in each call, from the weight that is learned; the
    gradient passes as if nothing were rounded (straight-through: Bengio, Leonard and Courville,
    2013). `weft.quantize` with the same options then has the numbers of the last call.

    Args:
        module: a layer with a two-dimensional weight, as `Linear` and `Embedding`.
        name: the parameter's.
        weights: "int8", "int4", "float8_e4m3fn" or "float8_e5m2".
        group: so many neighbours of a row share a scale; None: all of it.
        symmetric: numbers are multiples of the scale.

    Raises:
        OptionError: another dtype. ShapeError: the weight has no such groups.
    """
    if weights not in WEIGHTS:
        names = '"int8", "int4", "float8_e4m3fn" or "float8_e5m2"'
        raise _fail(OptionError, f"fake_quantized: weights are {names}, not {weights!r}")
    bits, floats = WEIGHTS[weights]
    form = checked_format(bits, group, symmetric, floats.name if floats else None)
    form.shape(*getattr(module, name).shape)
    register_parametrization(module, name, _FakeQuantized(form))
    return module


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("nn.utils.parametrizations")
