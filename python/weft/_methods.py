"""The methods of tensors that are written in Python, and their PyTorch names."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _autodiff, _complex, _core, _functional, _linear, _manipulation, _ops, _reductions
from ._core import Tensor
from ._creation import _fail
from ._devices import Device, as_device
from ._dtypes import DType, as_dtype
from ._errors import ConcretizationError, DTypeError, OptionError, ShapeError, UnsupportedError
from ._printing import mark_of
from ._pytorch_settings import print_options

#: How DLPack names the memory of the host.
_DLPACK_CPU = (1, 0)


class Size(tuple):
    """A shape: a tuple that counts its elements by numel()."""

    def numel(self) -> int:
        return math.prod(self)


def _method(name: str) -> Callable[[Callable], Callable]:
    def install(function: Callable) -> Callable:
        setattr(Tensor, name, function)
        return function

    return install


def _shape_arguments(shape: tuple) -> tuple[int, ...]:
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        return tuple(shape[0])
    return shape


# Host values ---------------------------------------------------------------------------------


@_method("numpy")
def _numpy(self: Tensor) -> np.ndarray:
    """The elements as a read-only NumPy array over the same memory.

    Raises:
        DeviceError: the tensor is on a device; copy it by `cpu` first.
    """
    if self.dtype.is_kept_as_bits:
        return np.asarray(memoryview(_core.element_bits(self))).view(self.dtype.to_numpy())
    return np.asarray(memoryview(self))


@_method("__array__")
def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    array = _numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@_method("__dlpack__")
def _dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: Any = None,
    copy: bool | None = None,
) -> Any:
    versioned = max_version is not None and max_version[0] >= 1
    if dl_device is not None and tuple(map(int, dl_device)) == _DLPACK_CPU:
        self = _core.on_host(self)
    return _core.to_dlpack(self, versioned, bool(copy))


Tensor.__dlpack_device__ = lambda self: _core.dlpack_device(self)


@_method("tolist")
def _tolist(self: Tensor) -> Any:
    """The elements as nested Python lists."""
    return _numpy(_core.on_host(self)).tolist()


@_method("__iter__")
def _iterate(self: Tensor) -> Any:
    return (self[i] for i in range(len(self)))


@_method("__contains__")
def _contains(self: Tensor, value: Any) -> bool:
    return bool(_reductions.any(self == value))


@_method("__repr__")
def _repr(self: Tensor) -> str:
    name = type(self).__name__
    if not _core.gives_value_of(self):
        return f"{name}(shape={self.shape}, dtype={self.dtype.name}, traced)"
    return text_of(self, name, self.requires_grad)


def text_of(self: Tensor, name: str, requires_grad: bool) -> str:
    """What a tensor of a class called ``name`` is printed as."""
    array = _numpy(_core.on_host(self))
    if self.dtype.is_kept_as_bits:
        array = array.astype(np.float32)
    text = np.array2string(array, separator=", ", prefix=name + "(", **print_options)
    place = "" if self.device == "cpu" else f", device={self.device}"
    gradient = ", requires_grad=True" if requires_grad else ""
    return f"{name}({text}, dtype={self.dtype.name}{place}{gradient})"


@_method("__str__")
def _str(self: Tensor) -> str:
    number = _core.python_number(self)
    return repr(self) if number is None else str(number)


@_method("__format__")
def _format(self: Tensor, specification: str) -> str:
    number = _core.python_number(self)
    if number is not None:
        return format(number, specification)
    mark = mark_of(self, specification, sys._getframe(1))
    if mark is not None:
        return mark
    if not specification:
        return str(self)
    return format(self.item(), specification)


@_method("__round__")
def _round(self: Tensor, digits: int | None = None) -> Any:
    number = _core.python_number(self)
    if number is None:
        number = self.item()
    return round(number, digits)


@_method("__trunc__")
def _trunc(self: Tensor) -> int:
    return math.trunc(self.item())


@_method("__deepcopy__")
def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    import copy

    result = _restored(type(self), self.detach(), self.requires_grad and self.is_leaf)
    memo[id(self)] = result
    if self.grad is not None:
        result.grad = copy.deepcopy(self.grad, memo)
    for name, value in _attributes_of(self).items():
        setattr(result, name, copy.deepcopy(value, memo))
    return result


def _attributes_of(tensor: Tensor) -> dict[str, Any]:
    """What a copy has too of the attributes: not the hooks, which belong to this tensor."""
    attributes = getattr(tensor, "__dict__", {})
    return {name: value for name, value in attributes.items() if name != "_gradient_hooks"}


def _restored(kind: type, value: Tensor, requires_grad: bool) -> Tensor:
    """A tensor of a class, whose own constructor may have other arguments."""
    result = Tensor.__new__(kind, value)
    result.requires_grad = requires_grad
    return result


@_method("__reduce__")
def _reduce(self: Tensor) -> tuple:
    elements = _core.on_host(self)
    kept_as_bits = self.dtype.is_kept_as_bits
    array = np.array(memoryview(_core.element_bits(elements) if kept_as_bits else elements))
    arguments = (
        type(self),
        array,
        self.dtype,
        str(self.device),
        self.requires_grad and self.is_leaf,
    )
    return _unpickled, arguments, _attributes_of(self) or None


def _unpickled(
    kind: type, array: np.ndarray, dtype: DType, device: str, requires_grad: bool
) -> Tensor:
    from ._creation import asarray

    value = _core.from_buffer(array, dtype if dtype.is_kept_as_bits else None, True)
    return _restored(kind, asarray(value, device=device), requires_grad)


# Shape and dtype -----------------------------------------------------------------------------


@_method("size")
def _size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dimension."""
    if dim is None:
        return Size(self.shape)
    return self.shape[_manipulation.normalize_axis(dim, self.ndim, "size")]


Tensor.numel = lambda self: self._size
Tensor.dim = lambda self: self.ndim
Tensor.itemsize = property(lambda self: self.dtype.itemsize, doc="Bytes of an element.")
Tensor.nbytes = property(lambda self: self._size * self.dtype.itemsize, doc="Bytes of all.")
Tensor.T = property(
    lambda self: _manipulation.permute_dims(self, range(self.ndim)[::-1]),
    doc="The tensor with its dimensions reversed.",
)
Tensor.mT = property(_manipulation.matrix_transpose, doc="The last two dimensions exchanged.")
Tensor.H = property(
    lambda self: _complex.conj(self.T), doc="The dimensions reversed, and all elements conjugated."
)
Tensor.mH = property(
    lambda self: _complex.conj(self.mT),
    doc="The last two dimensions exchanged, and all elements conjugated.",
)
Tensor.real = property(_complex.real, _complex.set_real, doc="The real parts, a view.")
Tensor.imag = property(_complex.imag, _complex.set_imag, doc="The imaginary parts, a view.")
Tensor.__complex__ = lambda self: complex(self.item())


@_method("astype")
def _astype(self: Tensor, dtype: object, copy: bool = True) -> Tensor:
    """The tensor converted to ``dtype``; see weft.astype."""
    return _manipulation.astype(self, dtype, copy=copy)


@_method("to")
def _to(self: Tensor, *arguments: object, **options: object) -> Tensor:
    """The tensor converted to a dtype, moved to a device, or both: that of a tensor.

    The tensor itself if it is so already. Gradients flow back through the copy.

    Raises:
        UnsupportedError: there is no such device. DTypeError: an argument is none of these.
        DeviceError: the function is being compiled: it works on one device.
    """
    dtype, device = conversion_from("to", *arguments, **options)
    result = self if dtype is None else _manipulation.astype(self, dtype, copy=False)
    return result if device is None else _core.tensor_on(device, result)


def conversion_from(
    name: str, *arguments: object, **options: object
) -> tuple[DType | None, Device | None]:
    """The dtype and the device that the arguments of ``to()`` ask for."""
    dtype: DType | None = None
    device: Device | None = None
    for argument in (*arguments, *options.values()):
        if argument is None or isinstance(argument, bool):
            continue
        if isinstance(argument, Tensor):
            dtype, device = argument.dtype, argument.device
        elif isinstance(argument, (str, Device)):
            device = as_device(argument)
        elif isinstance(argument, (DType, type, np.dtype)):
            dtype = as_dtype(argument)
        else:
            raise _fail(DTypeError, f"{name}: {argument!r} is neither a dtype nor a device")
    return dtype, device


for _name, _dtype in {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "bool": "bool",
    "char": "int8",
    "byte": "uint8",
    "cfloat": "complex64",
    "cdouble": "complex128",
}.items():
    setattr(Tensor, _name, lambda self, dtype=_dtype: _manipulation.astype(self, dtype, copy=False))


@_method("to_device")
def _to_device(self: Tensor, device: object, /, *, stream: object = None) -> Tensor:
    """The tensor on a device; itself if it is there. There is one stream, the default one.

    Raises:
        UnsupportedError: there is no such device, or ``stream`` is not None.
    """
    if stream is not None:
        raise _fail(UnsupportedError, "to_device: stream has to be None")
    return _core.tensor_on(as_device(device), self)


@_method("cpu")
def _cpu(self: Tensor) -> Tensor:
    """The tensor in the memory of the host; itself if it is there."""
    return _core.tensor_on("cpu", self)


@_method("cuda")
def _cuda(self: Tensor, device: int | str | Device = "cuda") -> Tensor:
    """The tensor on a GPU, given by its number or name."""
    return _core.tensor_on(f"cuda:{device}" if isinstance(device, int) else device, self)


Tensor.contiguous = lambda self: self if self._is_contiguous else self.clone()
Tensor.is_contiguous = lambda self: self._is_contiguous


@_method("stride")
def _stride(self: Tensor, dim: int | None = None) -> Any:
    """How many elements apart those along each dimension are in what the tensor looks into.

    Args:
        dim: the one dimension that is asked for.

    Raises:
        ConcretizationError: they depend on a symbolic size. UnsupportedError: they do not lie
            evenly, as those of a copy that is read through a view.
    """
    strides = self._strides
    if strides is None:
        if all(isinstance(size, int) for size in self.shape):
            raise _fail(UnsupportedError, "stride: the elements do not lie evenly; use a clone()")
        raise _fail(ConcretizationError, "stride: it depends on sizes that are not known here")
    if dim is None:
        return strides
    return strides[_manipulation.normalize_axis(dim, self.ndim, "stride")]


@_method("reshape")
def _reshape(self: Tensor, *shape: Any) -> Tensor:
    """See weft.reshape: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
    return _manipulation.reshape(self, _shape_arguments(shape))


def _bits_as(x: Tensor, dtype: DType) -> Tensor:
    if dtype == x.dtype:
        return x.view(x.shape)
    for one in (x.dtype, dtype):
        if one.kind == "bool" or one.is_complex or one.itemsize != x.dtype.itemsize:
            raise _fail(
                DTypeError,
                f"view: the bits of {x.dtype.name} are not those of {dtype.name}: both have to be "
                "of numbers of one size, and not complex",
            )
    return _core.view("weft.bitcast", x, None, x.shape, dtype)


@_method("view")
def _view(self: Tensor, *shape: Any) -> Tensor:
    """The elements in another shape, always as a view: ``x.view(2, 3)``, ``x.view(-1)``.

    ``x.view(dtype)``: their bits as another dtype of the same size, also as a view.

    Raises:
        ShapeError: the number of elements differs, or they do not lie as the shape needs it: those
            of a transpose, say; reshape copies them. DTypeError: the dtype has another size, or is
            of bools or complex numbers.
    """
    if len(shape) == 1 and isinstance(shape[0], DType):
        return _bits_as(self, shape[0])
    result = _manipulation.reshape(self, _shape_arguments(shape))
    if result is not self and not result._is_view:
        raise _fail(
            ShapeError,
            f"view: the elements of this view of shape {self.shape} do not lie evenly for shape "
            f"{result.shape}; use reshape, which copies them",
        )
    return result


@_method("view_as")
def _view_as(self: Tensor, other: Tensor) -> Tensor:
    return _view(self, other.shape)


@_method("permute")
def _permute(self: Tensor, *axes: Any) -> Tensor:
    """See weft.permute_dims."""
    return _manipulation.permute_dims(self, _shape_arguments(axes))


@_method("expand")
def _expand(self: Tensor, *shape: Any) -> Tensor:
    """See weft.broadcast_to; -1 keeps a size."""
    return _manipulation.broadcast_to(self, _shape_arguments(shape))


Tensor.transpose = _manipulation.transpose
Tensor.t = lambda self: self.T
Tensor.flatten = _manipulation.flatten
Tensor.unsqueeze = lambda self, dim: _manipulation.expand_dims(self, axis=dim)
Tensor.expand_as = lambda self, other: _manipulation.broadcast_to(self, other.shape)
Tensor.unbind = lambda self, dim=0: tuple(_manipulation.unstack(self, axis=dim))
Tensor.swapaxes = _manipulation.transpose
# As in PyTorch: a view of what is dense, and else a new tensor, also if it lies evenly.
Tensor.ravel = lambda self: _manipulation.reshape(self.contiguous(), (-1,))
Tensor.narrow = _manipulation.narrow
Tensor.split = _manipulation.split
Tensor.chunk = _manipulation.chunk
Tensor.roll = lambda self, shifts, dims=None: _manipulation.roll(self, shifts, axis=dims)
Tensor.index_select = lambda self, dim, index: _manipulation.take(self, index, axis=dim)
Tensor.clip = Tensor.clamp = _manipulation.clip
Tensor.tril = lambda self, diagonal=0: _manipulation.tril(self, k=diagonal)
Tensor.triu = lambda self, diagonal=0: _manipulation.triu(self, k=diagonal)


@_method("squeeze")
def _squeeze(self: Tensor, dim: Any = None) -> Tensor:
    """The tensor without its dimensions of size 1, or those of ``dim`` that are."""
    if dim is None:
        return _manipulation.squeeze(self)
    places = _manipulation.normalize_axes(dim, self.ndim, "squeeze")
    return _manipulation.squeeze(self, [place for place in places if self.shape[place] == 1])


@_method("flip")
def _flip(self: Tensor, *places: Any, dims: Any = None) -> Tensor:
    """See weft.flip: ``x.flip(0, 1)``, ``x.flip((0, 1))`` or ``x.flip(dims=(0, 1))``."""
    return _manipulation.flip(self, axis=_shape_arguments(places) or dims)


@_method("masked_fill")
def _masked_fill(self: Tensor, mask: Tensor, value: float) -> Tensor:
    """``value`` where the mask is true, else the element."""
    return _manipulation.astype(_ops.where(mask, value, self), self.dtype)


# Reductions: array API keywords and PyTorch's ------------------------------------------------


def _all_if_none(dim: Any) -> Any:
    """No dimensions mean all of them, as in PyTorch."""
    return None if isinstance(dim, (tuple, list)) and not dim else dim


def _reduction(function: Callable) -> Callable:
    def method(self: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        return function(self, axis=_all_if_none(dim), keepdims=keepdim)

    method.__doc__ = function.__doc__
    return method


def _accumulation(function: Callable) -> Callable:
    def method(
        self: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: object = None
    ) -> Tensor:
        return function(self, axis=_all_if_none(dim), keepdims=keepdim, dtype=dtype)

    method.__doc__ = function.__doc__
    return method


for _name in ("any", "all", "argmax", "argmin", "logsumexp"):
    setattr(Tensor, _name, _reduction(getattr(_reductions, _name)))
for _name in ("sum", "prod"):
    setattr(Tensor, _name, _accumulation(getattr(_reductions, _name)))


@_method("mean")
def _mean(self: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: object = None) -> Tensor:
    """The mean along ``dim`` (None: all), of the tensor converted to ``dtype``."""
    x = self if dtype is None else _manipulation.astype(self, dtype, copy=False)
    return _reductions.mean(x, axis=_all_if_none(dim), keepdims=keepdim)


@_method("norm")
def _norm(
    self: Tensor,
    p: float | str | None = "fro",
    dim: Any = None,
    keepdim: bool = False,
) -> Tensor:
    """The vector norm of order p along the axes dim (None: all); "fro" is 2, as in PyTorch."""
    order: Any = 2 if p in ("fro", None) else p
    return _reductions.norm(self, axis=dim, keepdims=keepdim, ord=order)


def _spread(function: Callable) -> Callable:
    def method(
        self: Tensor,
        dim: Any = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Tensor:
        given = float(unbiased) if correction is None else correction
        return function(self, axis=dim, correction=given, keepdims=keepdim)

    method.__doc__ = (function.__doc__ or "") + " The correction is 1, as in PyTorch."
    return method


Tensor.var = _spread(_reductions.var)
Tensor.std = _spread(_reductions.std)


def _extremum(name: str) -> Callable:
    function, position = getattr(_reductions, name), getattr(_reductions, "arg" + name)

    def method(self: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None) -> Any:
        if isinstance(dim, Tensor):
            return _ops.maximum(self, dim) if name == "max" else _ops.minimum(self, dim)
        if dim is None:
            return function(self, axis=axis, keepdims=keepdim)
        from ._types import Extremum

        return Extremum(
            function(self, axis=dim, keepdims=keepdim), position(self, axis=dim, keepdims=keepdim)
        )

    method.__doc__ = (
        function.__doc__ or ""
    ) + " With ``dim`` a pair (values, indices), as PyTorch."
    return method


Tensor.max, Tensor.min = _extremum("max"), _extremum("min")

# Elementwise ---------------------------------------------------------------------------------

for _name in ("abs", "angle", "conj", "sign"):
    setattr(Tensor, _name, getattr(_complex, _name))

for _name in (
    "acos",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log10",
    "log1p",
    "log2",
    "reciprocal",
    "relu",
    "rsqrt",
    "sigmoid",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    "maximum",
    "minimum",
    "pow",
):
    setattr(Tensor, _name, getattr(_ops, _name))

for _name, _op in {
    "mul": "multiply",
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "neg": "negative",
}.items():
    setattr(Tensor, _name, getattr(_ops, _op))


@_method("add")
def _add(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """The tensor plus alpha * other."""
    return _ops.add(self, other if alpha == 1 else other * alpha)


@_method("sub")
def _subtract(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """The tensor minus alpha * other."""
    return _ops.subtract(self, other if alpha == 1 else other * alpha)


@_method("div")
def _divide(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """The quotient; with ``rounding_mode`` "floor" or "trunc" a whole one, of integers an integer.

    Raises:
        OptionError: there is no such rounding mode.
    """
    if rounding_mode is None:
        return _ops.divide(self, other)
    if rounding_mode == "floor":
        return _ops.floor_divide(self, other)
    if rounding_mode != "trunc":
        raise _fail(
            OptionError,
            f'div: rounding_mode is {rounding_mode!r}, but has to be None, "floor" or "trunc"',
        )
    if self.dtype.kind == "floating" or isinstance(other, float):
        return _ops.trunc(_ops.divide(self, other))
    floored = _ops.floor_divide(self, other)
    is_below = (_ops.remainder(self, other) != 0) & (floored < 0)
    return floored + _manipulation.astype(is_below, floored.dtype)


@_method("round")
def _rounded(self: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number of so many decimals, ties to even."""
    if decimals == 0:
        return _ops.round(self)
    scale = 10.0 ** abs(decimals)
    scaled = self * scale if decimals > 0 else self / scale
    return _ops.round(scaled) / scale if decimals > 0 else _ops.round(scaled) * scale


Tensor.square = lambda self: self * self
Tensor.matmul = Tensor.mm = Tensor.bmm = _linear.matmul
Tensor.dot = lambda self, other: _linear.vecdot(_complex.conj(self), other)
Tensor.vdot = _linear.vecdot
Tensor.softmax = _functional.softmax
Tensor.log_softmax = _functional.log_softmax


# In place ------------------------------------------------------------------------------------


@_method("add_")
def _add_in_place(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Adds alpha * other, in place."""
    self += other if alpha == 1 else other * alpha
    return self


@_method("sub_")
def _subtract_in_place(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Subtracts alpha * other, in place."""
    self -= other if alpha == 1 else other * alpha
    return self


@_method("mul_")
def _multiply_in_place(self: Tensor, other: Any) -> Tensor:
    """Multiplies by other, in place."""
    self *= other
    return self


@_method("div_")
def _divide_in_place(self: Tensor, other: Any) -> Tensor:
    """Divides by other, in place."""
    self /= other
    return self


@_method("copy_")
def _copy_in_place(self: Tensor, other: Any) -> Tensor:
    """Takes the value of another tensor, broadcast, in place."""
    value = _manipulation.in_dtype_of(self, other)
    return self._assign(_manipulation.broadcast_to(value, self.shape), "copy_()")


@_method("fill_")
def _fill_in_place(self: Tensor, value: float) -> Tensor:
    """Sets all elements to a number, or a tensor without dimensions, in place.

    Several elements may be one, as those of an expanded view are.
    """
    target = _core.each_once(self)
    if isinstance(value, Tensor) and value.ndim == 0:
        if not value._is_weak or self.dtype.kind == "floating":
            value = _manipulation.astype(value, self.dtype)
            target._assign(_manipulation.broadcast_to(value, target.shape), "fill_()")
            return self
        # Whether a Python integer fits is asked of its value.
        value = value.item()
    target._assign(_core.full(target.shape, value, self.dtype, self.device), "fill_()")
    return self


@_method("zero_")
def _zero_in_place(self: Tensor) -> Tensor:
    """Sets all elements to 0, in place."""
    return _fill_in_place(self, 0)


# Gradients -----------------------------------------------------------------------------------

Tensor.backward = _autodiff.backward
Tensor.data = property(
    lambda self: self.detach(),
    lambda self, value: self._replace(value),
    doc="The value without its history; assignable.",
)


@_method("requires_grad_")
def _requires_grad_in_place(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Sets requires_grad; returns the tensor."""
    self.requires_grad = requires_grad
    return self


@_method("__array_namespace__")
def _array_namespace(self: Tensor, *, api_version: str | None = None) -> Any:
    import weft

    return weft


Tensor.__array_priority__ = 1000
Tensor.__array_ufunc__ = None
