"""Weights that are normalised: their formulas, and modules whose weights are computed by them."""

from __future__ import annotations

from typing import Any, TypeVar

from ... import _ops, random
from ..._autodiff import no_grad
from ..._core import Tensor
from ..._creation import _fail
from ..._errors import NameUseError, OptionError, UnsupportedError
from ..._linear import matmul, vecdot
from ..._manipulation import moveaxis, normalize_axis, reshape
from ..._reductions import norm
from .._module import Derived, Module
from .._module_hooks import Hook
from .._parameter import Parameter

Normed = TypeVar("Normed", bound=Module)


def norm_except(weight: Tensor, dim: int | None) -> Tensor:
    """The norms of all slices along ``dim``, which stays, with sizes of 1 for the others.

    None or -1 means the norm of all, without dimensions.
    """
    if dim is None or dim == -1:
        return norm(weight)
    place = normalize_axis(dim, weight.ndim, "weight_norm")
    others = [axis for axis in range(weight.ndim) if axis != place]
    return norm(weight, axis=others, keepdims=True)


def weight_of_norm(direction: Tensor, length: Tensor, dim: int | None) -> Tensor:
    """length * direction / |direction| (Salimans and Kingma, 2016)."""
    return direction * (length / norm_except(direction, dim))


def normalized(x: Tensor, eps: float) -> Tensor:
    """A vector over its norm, or over ``eps`` where that is larger."""
    return x / _ops.maximum(norm(x), eps)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight with ``dim`` for its rows, and all others for its columns."""
    return reshape(moveaxis(weight, dim, 0), (weight.shape[dim], -1))


@no_grad()
def draw_vector(size: int, like: Tensor, eps: float) -> Tensor:
    """A random direction, of the dtype and on the device of a tensor."""
    return normalized(random.normal((size,), dtype=like.dtype, device=like.device), eps)


def spectral_value(matrix: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """left^T matrix right: for singular vectors the singular value."""
    return vecdot(left, matmul(matrix, right))


def default_dimension(module: Module) -> int:
    """Along which dimension the weight of a module has its outputs."""
    transposed = ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
    return 1 if any(base.__name__ in transposed for base in type(module).__mro__) else 0


def check_iterations(count: int, name: str) -> None:
    """Raises OptionError unless there is at least one."""
    if count < 1:
        raise _fail(OptionError, f"{name}: n_power_iterations has to be positive, not {count}")


# Computed weights ----------------------------------------------------------------------------


class _Computed(Derived):
    """A weight that is computed; what it is computed from has its name with something behind."""

    #: What the function is called that had it computed.
    function: str
    parts: tuple[str, ...]

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def undo(self) -> str:
        """What the function is called that has it for a parameter again."""
        return f"remove_{self.function}"

    def set(self, module: Module, value: Any) -> None:
        names = ", ".join(self.name + part for part in self.parts)
        raise _fail(
            UnsupportedError,
            f"{self.name!r} of {type(module).__name__} is computed from {names} by "
            f"{self.function}; change those, or call {self.undo} before",
        )

    def remove(self, module: Module) -> None:
        """Has the weight that there is now for a parameter again."""
        with no_grad():
            weight = self.compute(module).detach()
        required = getattr(module, self.name + self.parts[-1]).requires_grad
        for part in self.parts:
            delattr(module, self.name + part)
        delattr(module, self.name)
        module.register_parameter(self.name, Parameter(weight, required))


class _WeightNorm(_Computed):
    function = "weight_norm"
    parts = ("_g", "_v")

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Tensor:
        length = getattr(module, self.name + "_g")
        return weight_of_norm(getattr(module, self.name + "_v"), length, self.dim)


class _SpectralNorm(_Computed):
    function = "spectral_norm"
    parts = ("_u", "_v", "_orig")

    def __init__(self, name: str, iterations: int, dim: int, eps: float) -> None:
        super().__init__(name)
        self.iterations, self.dim, self.eps = iterations, dim, eps

    def _matrix(self, module: Module) -> Tensor:
        return as_matrix(getattr(module, self.name + "_orig"), self.dim)

    def compute(self, module: Module) -> Tensor:
        left, right = (getattr(module, self.name + part).clone() for part in ("_u", "_v"))
        value = spectral_value(self._matrix(module), left, right)
        return getattr(module, self.name + "_orig") / value

    @no_grad()
    def step(self, module: Module, args: tuple) -> None:
        """Brings the vectors nearer to the singular ones, in training."""
        if not module.training:
            return
        matrix = self._matrix(module)
        left, right = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        for _ in range(self.iterations):
            right.assign(normalized(matmul(left, matrix), self.eps))
            left.assign(normalized(matmul(matrix, right), self.eps))


def _parameter_to_replace(module: Module, name: str, function: str) -> Parameter:
    if isinstance((module._derived or {}).get(name), _Computed):
        raise _fail(NameUseError, f"{function}: {name!r} is computed already")
    weight = module._registry("_parameters").get(name)
    if weight is None:
        raise _fail(NameUseError, f"{function}: {type(module).__name__} has no parameter {name!r}")
    return weight


def _removed(module: Normed, name: str, kind: type[_Computed]) -> Normed:
    derived = (module._derived or {}).get(name)
    if not isinstance(derived, kind):
        raise _fail(
            NameUseError,
            f"remove_{kind.function}: {name!r} of {type(module).__name__} is not computed by "
            f"{kind.function}",
        )
    derived.remove(module)
    module._remove_hooks(
        "_forward_pre_hooks", lambda hook: getattr(hook.function, "__self__", None) is derived
    )
    return module


def weight_norm(module: Normed, name: str = "weight", dim: int | None = 0) -> Normed:
    """Has a module's weight computed from its length ``<name>_g`` and its direction ``<name>_v``.

    The weight is g v / |v|, with a length for each slice along ``dim`` (None: one for all), see
    `weft.nn.utils.parametrizations.weight_norm`. It is computed where the module reads it.

    Returns:
        The module.

    Raises:
        NameUseError: there is no parameter of that name. OutOfBoundsError: it has no such
            dimension.
    """
    weight = _parameter_to_replace(module, name, "weight_norm")
    with no_grad():
        length = norm_except(weight.detach(), dim)
    module._derive(name, _WeightNorm(name, dim))
    module.register_parameter(name + "_g", Parameter(length, weight.requires_grad))
    module.register_parameter(name + "_v", Parameter(weight, weight.requires_grad))
    return module


def remove_weight_norm(module: Normed, name: str = "weight") -> Normed:
    """Ends `weight_norm`: the weight is a parameter again. Raises NameUseError if it is one."""
    return _removed(module, name, _WeightNorm)


def spectral_norm(
    module: Normed,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Normed:
    """Has a module's weight divided by its largest singular value (Miyato et al., 2018).

    The value is that of the singular vectors ``<name>_u`` and ``<name>_v``, buffers that each call
    in training brings nearer to the true ones, by the power method; see also
    `weft.nn.utils.parametrizations.spectral_norm`. The parameter is called ``<name>_orig``.

    Args:
        n_power_iterations: how often at each call.
        eps: the least norm of a vector that is divided by it.
        dim: which dimension of the weight has the rows of the matrix, the others its columns;
            None: 1 for transposed convolutions, else 0.

    Returns:
        The module.

    Raises:
        NameUseError: there is no parameter of that name. OptionError: no iterations.
    """
    weight = _parameter_to_replace(module, name, "spectral_norm")
    check_iterations(n_power_iterations, "spectral_norm")
    axis = default_dimension(module) if dim is None else dim
    axis = normalize_axis(axis, weight.ndim, "spectral_norm")
    with no_grad():
        rows, columns = as_matrix(weight.detach(), axis).shape
    derived = _SpectralNorm(name, n_power_iterations, axis, eps)
    module._derive(name, derived)
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", draw_vector(rows, weight, eps))
    module.register_buffer(name + "_v", draw_vector(columns, weight, eps))
    module._add_hook("_forward_pre_hooks", Hook(derived.step))
    return module


def remove_spectral_norm(module: Normed, name: str = "weight") -> Normed:
    """Ends `spectral_norm`: the weight is a parameter again. Raises NameUseError if it is one."""
    return _removed(module, name, _SpectralNorm)
