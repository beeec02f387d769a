"""The rest of PyTorch's methods of tensors: functions by other names, and in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import (
    _complex,
    _creation,
    _elementwise,
    _gathering,
    _histograms,
    _linear,
    _manipulation,
    _ops,
    _pytorch,
    _pytorch_arranging,
    _pytorch_elementwise,
    _pytorch_linear,
    _pytorch_numbers,
    _reductions,
    _scatter_reduction,
    _searching,
    _special,
    _spectra,
    linalg,
    special,
)
from ._core import Tensor
from ._creation import _fail, asarray
from ._dtypes import KIND_ORDER, is_unsigned
from ._errors import DTypeError, ShapeError
from ._methods import _method, _shape_arguments
from ._pytorch_settings import strided
from ._sorting import Sorted, sort_with_indices


def _words(text: str) -> list[str]:
    return text.split()


# Functions by their own names, whose first parameter is the tensor.
for _module, _names in (
    (
        _ops,
        "acosh asinh atanh atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift "
        "bitwise_xor divide exp2 floor_divide greater greater_equal less less_equal "
        "multiply negative not_equal remainder silu softplus gelu",
    ),
    (_elementwise, "logical_and logical_not logical_or logical_xor"),
    (_elementwise, "bitcast copysign hypot logaddexp nextafter positive signbit square"),
    (
        _gathering,
        "gather index_add index_copy index_fill masked_fill masked_select scatter",
    ),
    (_scatter_reduction, "scatter_reduce index_reduce"),
    (_linear, "outer"),
    (_manipulation, "broadcast_to moveaxis"),
    (
        _pytorch,
        "addcdiv addcmul addmm addr allclose amax amin aminmax cross deg2rad "
        "diag_embed diagonal dist equal fmax fmin fmod frac heaviside inner isclose isneginf "
        "isposinf kron lerp logit nan_to_num nanmean nansum rad2deg rot90 select sinc "
        "tensor_split trace unflatten unfold xlogy",
    ),
    (
        _pytorch_arranging,
        "diagflat diagonal_scatter dsplit hsplit index_put masked_scatter put select_scatter "
        "slice_scatter unique_consecutive vsplit sum_to_size nonzero_static is_same_size "
        "is_nonzero",
    ),
    (
        _pytorch_elementwise,
        "gcd lcm frexp ldexp float_power logaddexp2 isreal",
    ),
    (_histograms, "histogram"),
    (_spectra, "stft istft"),
    (
        _pytorch_linear,
        "addbmm adjoint cholesky cholesky_inverse cholesky_solve det inverse logdet matrix_power "
        "lu lu_solve orgqr pinverse qr slogdet svd triangular_solve",
    ),
    (
        _pytorch_numbers,
        "corrcoef cov cummax cummin histc logcumsumexp mode nanmedian nanquantile renorm",
    ),
    (_special, "digamma erfinv lgamma"),
    (special, "erfc i0"),
    (linalg, "matrix_exp"),
    (_searching, "argwhere bincount kthvalue median quantile topk unique"),
):
    for _name in _words(_names):
        setattr(Tensor, _name, getattr(_module, _name))

# Methods by other names of their own.
for _name, _other in {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "addmv": "addmm",
    "unsafe_chunk": "chunk",
    "unsafe_split": "split",
    "unsafe_split_with_sizes": "split",
    "baddbmm": "addmm",
    "fix": "trunc",
    "ger": "outer",
    "movedim": "moveaxis",
    "mv": "matmul",
    "nelement": "numel",
    "ndimension": "dim",
    "sgn": "sign",
    "split_with_sizes": "split",
    "subtract": "sub",
    "swapdims": "swapaxes",
    "true_divide": "div",
}.items():
    setattr(Tensor, _name, getattr(Tensor, _other))

Tensor.bitwise_not = _ops.bitwise_invert
Tensor.count_nonzero = lambda self, dim=None: _reductions.count_nonzero(self, axis=dim)
Tensor.diag = lambda self, diagonal=0: _pytorch.diag(self, diagonal)
Tensor.diff = lambda self, n=1, dim=-1, prepend=None, append=None: _gathering.diff(
    self, axis=dim, n=n, prepend=prepend, append=append
)
Tensor.element_size = lambda self: self.itemsize
Tensor.fliplr = lambda self: _manipulation.flip(self, axis=1)
Tensor.flipud = lambda self: _manipulation.flip(self, axis=0)
Tensor.is_floating_point = lambda self: self.dtype.kind == "floating"
Tensor.is_complex = lambda self: self.dtype.is_complex
Tensor.is_signed = lambda self: self.dtype.kind != "bool" and not is_unsigned(self.dtype)
Tensor.layout = property(lambda self: strided, doc="How the elements lie: weft.strided.")
for _name in (
    *("ipu", "maia", "meta", "mkldnn", "mps", "mtia", "nested", "quantized", "sparse"),
    *("sparse_csr", "vulkan", "xla", "xpu"),
):
    setattr(Tensor, f"is_{_name}", property(lambda self: False, doc="False: there are none."))
Tensor.is_cuda = property(lambda self: self.device != "cpu", doc="Whether it is on a GPU.")
Tensor.is_cpu = property(lambda self: self.device == "cpu", doc="Whether it is on the host.")
Tensor.igamma = special.gammainc
Tensor.igammac = special.gammaincc
Tensor.mvlgamma = lambda self, p: special.multigammaln(self, p)
Tensor.polygamma = lambda self, n: special.polygamma(n, self)
Tensor.get_device = lambda self: -1 if self.device == "cpu" else self.device.index
Tensor.conj_physical = lambda self: _complex.conj(self).clone()
Tensor.is_conj = lambda self: False
Tensor.is_neg = lambda self: False
Tensor.resolve_conj = lambda self: self
Tensor.resolve_neg = lambda self: self
Tensor.to_dense = lambda self, dtype=None: self if dtype is None else self.to(dtype)
Tensor.narrow_copy = lambda self, dim, start, length: _manipulation.narrow(
    self, dim, start, length
).clone()
Tensor.msort = lambda self: sort_with_indices(self, 0).values
Tensor.repeat_interleave = lambda self, repeats, dim=None, *, output_size=None: (
    _manipulation.repeat(self, repeats, axis=dim, size=output_size)
)
Tensor.reshape_as = lambda self, other: _manipulation.reshape(self, other.shape)
Tensor.take_along_dim = lambda self, indices, dim: _gathering.take_along_axis(
    self, indices, axis=dim
)
Tensor.type_as = lambda self, other: self.to(other)


@_method("clamp_min")
def _clamp_min(self: Tensor, min: Any) -> Tensor:
    """The tensor with ``min`` in the place of what is below it."""
    return _manipulation.clip(self, min, None)


@_method("clamp_max")
def _clamp_max(self: Tensor, max: Any) -> Tensor:
    """The tensor with ``max`` in the place of what is above it."""
    return _manipulation.clip(self, None, max)


@_method("cumsum")
def _cumsum(self: Tensor, dim: int, *, dtype: object = None) -> Tensor:
    """The sums of the elements so far along ``dim``; see `weft.cumulative_sum`."""
    sums = _reductions.cumulative_sum(self, axis=dim, dtype=dtype)
    return _manipulation.reshape(sums, self.shape)


@_method("cumprod")
def _cumprod(self: Tensor, dim: int, *, dtype: object = None) -> Tensor:
    """The products of the elements so far along ``dim``; see `weft.cumulative_prod`."""
    products = _reductions.cumulative_prod(self, axis=dim, dtype=dtype)
    return _manipulation.reshape(products, self.shape)


@_method("nonzero")
def _nonzero(self: Tensor, *, as_tuple: bool = False) -> Any:
    """Where the tensor is not zero: [count, ndim], or for each dimension its indices [count]."""
    return _searching.nonzero(self) if as_tuple else _searching.argwhere(self)


@_method("argsort")
def _argsort(self: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Where the elements in order along ``dim`` are; see `weft.argsort`."""
    return _sort(self, dim, descending, stable).indices


@_method("sort")
def _sort(self: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Sorted:
    """The elements in order along ``dim``, and where they were; see `weft.sort`."""
    return sort_with_indices(self, _manipulation.normalize_axis(dim, self.ndim, "sort"), descending)


@_method("repeat")
def _repeat(self: Tensor, *repeats: Any) -> Tensor:
    """The whole tensor repeated along each dimension: `weft.tile`."""
    return _manipulation.tile(self, _shape_arguments(repeats))


Tensor.tile = _repeat


@_method("scatter_add")
def _scatter_add(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """The tensor with the elements of ``src`` added where `gather` would read them."""
    return _gathering.scatter(self, dim, index, src, reduce="add")


@_method("take")
def _take(self: Tensor, index: Tensor, dim: int | None = None) -> Tensor:
    """The elements of the flattened tensor at the indices; with ``dim`` slices along it."""
    return _manipulation.take(self, index, axis=dim)


@_method("where")
def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """The element where the condition is true, else ``other``."""
    return _ops.where(condition, self, other)


@_method("type")
def _type(self: Tensor, dtype: object = None) -> Any:
    """The tensor converted to a dtype; without one the name of its own."""
    return self.dtype.name if dtype is None else _manipulation.astype(self, dtype, copy=False)


# New tensors like this one -------------------------------------------------------------------


def _new(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def method(self: Tensor, *shape: Any, dtype: object = None, device: object = None) -> Tensor:
        return make(
            _shape_arguments(shape),
            dtype=self.dtype if dtype is None else dtype,
            device=self.device if device is None else device,
        )

    method.__doc__ = f"`weft.{make.__name__}` of this tensor's dtype, on its device."
    return method


Tensor.new_zeros = _new(_creation.zeros)
Tensor.new_ones = _new(_creation.ones)
Tensor.new_empty = _new(_creation.empty)


@_method("new_full")
def _new_full(
    self: Tensor, size: Any, fill_value: float, *, dtype: object = None, device: object = None
) -> Tensor:
    """`weft.full` of this tensor's dtype, on its device."""
    return _creation.full(
        size,
        fill_value,
        dtype=self.dtype if dtype is None else dtype,
        device=self.device if device is None else device,
    )


@_method("new_tensor")
def _new_tensor(self: Tensor, data: object, *, dtype: object = None) -> Tensor:
    """`weft.tensor` of this tensor's dtype, on its device."""
    return _creation.tensor(data, self.dtype if dtype is None else dtype, device=self.device)


# In place ------------------------------------------------------------------------------------


def _in_place(name: str) -> Callable[..., Tensor]:
    """The method that gives a tensor the result of another method for its value."""
    compute = getattr(Tensor, name)

    def method(self: Tensor, *arguments: Any, **options: Any) -> Tensor:
        value = compute(self, *arguments, **options)
        if value.shape != self.shape:
            raise _fail(
                ShapeError,
                f"{name}_: the result has shape {value.shape}, but the tensor {self.shape}",
            )
        if KIND_ORDER.index(value.dtype.kind) > KIND_ORDER.index(self.dtype.kind):
            raise _fail(
                DTypeError,
                f"{name}_: the result is {value.dtype.name}, which does not become "
                f"{self.dtype.name} in place",
            )
        return self._assign(_manipulation.astype(value, self.dtype), f"{name}_()")

    method.__name__ = f"{name}_"
    method.__wrapped__ = compute  # type: ignore[attr-defined]
    method.__doc__ = f"`{name}`, in place."
    return method


for _name in _words(
    "abs absolute acos acosh addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh "
    "arctan arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift "
    "bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip "
    "conj_physical copysign cos cosh cumprod cumsum deg2rad digamma divide eq erf erfc erfinv exp "
    "exp2 expm1 fix float_power floor floor_divide fmod frac gcd ge greater greater_equal gt "
    "heaviside hypot i0 igamma igammac index_add index_copy index_fill index_put index_reduce lcm "
    "ldexp le lerp less less_equal lgamma log log10 log1p log2 logical_and logical_not logical_or "
    "logical_xor logit lt masked_fill masked_scatter multiply mvlgamma nan_to_num ne neg negative "
    "nextafter not_equal polygamma pow put rad2deg reciprocal relu remainder renorm round rsqrt "
    "scatter scatter_add scatter_reduce sgn sigmoid sign sin sinc sinh sqrt square subtract tan "
    "tanh tril triu true_divide trunc xlogy"
):
    setattr(Tensor, f"{_name}_", _in_place(_name))


@_method("fill_diagonal_")
def _fill_diagonal_in_place(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Sets the elements whose indices are all the same to a number, in place; of a tall matrix with
    ``wrap`` again after each row below.

    Raises:
        ShapeError: there are less than two dimensions, or more that differ in size.
    """
    if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
        raise _fail(ShapeError, f"fill_diagonal_: the shape {self.shape} has no such diagonal")
    width = self.shape[1]
    step = sum(math.prod(self.shape[d + 1 :]) for d in range(self.ndim))
    end = self._size if wrap or self.ndim > 2 else min(self._size, width * width)
    flat = _manipulation.reshape(self, (-1,)).at[slice(0, end, step)].set(fill_value)
    return self._assign(_manipulation.reshape(flat, self.shape), "fill_diagonal_()")


# Methods as functions ------------------------------------------------------------------------

#: What PyTorch has as a function too.
_FUNCTIONS = _words(
    "absolute addcdiv addcmul addmm addmv addr adjoint allclose amax amin aminmax arccos arccosh "
    "arcsin cholesky cholesky_inverse cholesky_solve corrcoef cov cummax cummin det diagflat "
    "diagonal_scatter dsplit histc hsplit index_put inverse logcumsumexp logdet masked_scatter "
    "matrix_power mode pinverse put select_scatter slice_scatter slogdet unique_consecutive vsplit "
    "arcsinh arctan arctan2 arctanh baddbmm bincount bitwise_not bmm clamp_max clamp_min clone "
    "cross cumprod cumsum deg2rad detach diag diag_embed diagonal dist div dot eq fix fliplr "
    "flipud fmax fmin fmod frac gather ge ger gt heaviside index_add index_copy index_fill "
    "index_reduce index_select inner isclose isneginf isposinf kron kthvalue le lerp logit lt "
    "masked_fill masked_select median mm movedim msort mul mv nan_to_num nanmean nansum narrow ne "
    "neg numel permute quantile rad2deg ravel repeat_interleave rot90 scatter scatter_reduce "
    "select sgn sinc split_with_sizes sub swapaxes swapdims t take_along_dim tensor_split topk "
    "trace true_divide unbind unflatten unsqueeze vdot xlogy is_floating_point is_complex "
    "is_signed addbmm conj_physical float_power frexp gcd get_device histogram is_conj is_neg "
    "is_nonzero is_same_size isreal istft lcm ldexp logaddexp2 nanmedian nanquantile narrow_copy "
    "nonzero_static qr renorm resolve_conj resolve_neg stft svd triangular_solve unsafe_chunk "
    "unsafe_split unsafe_split_with_sizes erfc i0 igamma igammac lu lu_solve matrix_exp mvlgamma "
    "orgqr"
)

#: What PyTorch has as a function in place.
_FUNCTIONS_IN_PLACE = _words(
    "abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil "
    "clamp clamp_max clamp_min clip conj_physical cos cosh deg2rad erf erfc exp exp2 expm1 fill "
    "fix floor frac gcd i0 index_put lcm ldexp log log10 log1p log2 logit nan_to_num neg negative "
    "rad2deg reciprocal relu round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy "
    "zero"
)

#: Methods whose results are views, of which PyTorch has functions that give copies.
_COPIED = _words(
    "detach diagonal expand permute select split split_with_sizes squeeze t transpose unbind "
    "unfold unsqueeze view"
)


def _as_function(name: str) -> Callable[..., Any]:
    def function(input: Any, *arguments: Any, **options: Any) -> Any:
        return getattr(Tensor, name)(asarray(input), *arguments, **options)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = getattr(Tensor, name).__doc__ or f"``input.{name}(...)`` as a function."
    return function


def _as_function_in_place(name: str) -> Callable[..., Tensor]:
    def function(input: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise _fail(DTypeError, f"{name}: a {type(input).__name__} can't change in place")
        return getattr(input, name)(*arguments, **options)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``input.{name}(...)`` as a function."
    return function


def _copying(name: str, view: Callable[..., Any]) -> Callable[..., Any]:
    def function(input: Any, *arguments: Any, **options: Any) -> Any:
        found = view(asarray(input), *arguments, **options)
        if isinstance(found, tuple):
            return tuple(part.clone() for part in found)
        return found.clone()

    function.__name__ = function.__qualname__ = f"{name}_copy"
    function.__doc__ = f"`{name}` as a tensor of its own, which writes do not tie to the input."
    return function


#: Functions that are methods, by name.
functions = {name: _as_function(name) for name in _FUNCTIONS}
functions |= {f"{name}_": _as_function_in_place(f"{name}_") for name in _FUNCTIONS_IN_PLACE}
functions |= {f"{name}_copy": _copying(name, getattr(Tensor, name)) for name in _COPIED}
functions |= {
    f"{view.__name__}_copy": _copying(view.__name__, view)
    for view in (_complex.view_as_complex, _complex.view_as_real)
}
