"""Making tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from . import _core
from ._core import SymbolicSize, Tensor
from ._devices import placed
from ._dtypes import DType, as_dtype, bfloat16, float32, int64
from ._errors import DTypeError, ShapeError

Shape = int | Sequence[int]

#: DLPack's number of CUDA as a kind of device, and what its protocol calls the default stream.
_DLPACK_CUDA, _DEFAULT_STREAM = 2, 1


def _fail(kind: type[Exception], message: str) -> Exception:
    """An error with the user's line in front."""
    file, line = _core.user_line()
    return kind(f"{file}:{line}: {message}" if line else message)


def _shape(shape: Shape | Sequence[int | Sequence[int]]) -> tuple[int, ...]:
    if isinstance(shape, SymbolicSize):
        return (shape,)
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        return tuple(shape[0])
    return tuple(cast(Sequence[int], shape))


def _from_numpy(array: np.ndarray, copy: bool) -> Tensor:
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.name == "bfloat16":
        return _core.from_buffer(array.view(np.uint16), bfloat16, copy)
    try:
        return _core.from_buffer(array, None, copy)
    except (ValueError, BufferError) as error:
        raise _fail(DTypeError, f"an array of dtype {array.dtype} is no tensor: {error}") from None


def _from_sequence(data: Sequence, dtype: DType | None) -> Tensor:
    if any(isinstance(item, Tensor) for item in data):
        from ._manipulation import stack

        return stack([asarray(item) for item in data])
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise _fail(
            ShapeError, f"a nested list has to be rectangular to become a tensor: {error}"
        ) from None
    if array.dtype == object or array.dtype.kind in "USOMm":
        kinds = sorted({type(item).__name__ for item in np.ravel(np.asarray(data, object))})
        raise _fail(DTypeError, f"a list of {', '.join(kinds)} is no tensor")
    if dtype is None and array.dtype == np.float64:
        array = array.astype(np.float32)
    elif dtype is not None and dtype is not bfloat16:
        array = array.astype(dtype.to_numpy())
    return _from_numpy(array, copy=False)


def asarray(
    obj: object, /, *, dtype: object = None, device: object = None, copy: bool | None = None
) -> Tensor:
    """A tensor of an array, a number or nested sequences.

    Memory of NumPy arrays and DLPack objects is shared where it is dense, unless ``copy`` is true.
    Numbers and lists become bool, int64 or float32. The tensor is on ``device``; None leaves
    tensors and DLPack objects where they are.

    Raises:
        ShapeError: a nested list is ragged. DTypeError: there is no such dtype.
        UnsupportedError: there is no such device.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(obj, Tensor):
        result = obj
    elif isinstance(obj, SymbolicSize):
        result = _core.size_tensor(obj)
    elif isinstance(obj, (bool, int, float)):
        result = _core.full((), obj, wanted or as_dtype(type(obj)))
    elif isinstance(obj, (np.ndarray, np.generic)):
        result = _from_numpy(np.asarray(obj), copy=bool(copy))
    elif isinstance(obj, (list, tuple)):
        result = _from_sequence(obj, wanted)
    elif hasattr(obj, "__dlpack__"):
        result = from_dlpack(obj)
    elif hasattr(obj, "__array__"):
        result = _from_numpy(np.asarray(obj), copy=bool(copy))
    else:
        try:
            array = np.asarray(memoryview(obj))  # type: ignore[arg-type]
        except TypeError:
            raise _fail(DTypeError, f"a {type(obj).__name__} is no tensor") from None
        result = _from_numpy(array, copy=bool(copy))
    converted = result if wanted is None or result.dtype is wanted else result.astype(wanted)
    return placed(converted, device)


def array(data: object, dtype: object = None, *, device: object = None) -> Tensor:
    """A tensor with a copy of ``data`` (see `asarray`)."""
    return asarray(data, dtype=dtype, device=device, copy=True)


def tensor(
    data: object,
    dtype: object = None,
    requires_grad: bool = False,
    *,
    device: object = None,
) -> Tensor:
    """A new tensor with a copy of ``data``, as PyTorch's function of that name."""
    result = asarray(data, dtype=dtype, device=device, copy=True)
    result = result.detach() if isinstance(data, Tensor) else result
    if requires_grad:
        result.requires_grad = True
    return result


def from_numpy(array: np.ndarray, /) -> Tensor:
    """A tensor that shares the array's memory, if that is dense. Change the array no more."""
    if not isinstance(array, np.ndarray):
        raise _fail(DTypeError, f"from_numpy takes a NumPy array, not a {type(array).__name__}")
    return _from_numpy(array, copy=False)


def from_dlpack(obj: object, /) -> Tensor:
    """A tensor that shares the memory of an object with ``__dlpack__``; strided memory is copied.

    Raises:
        DTypeError: the object has no ``__dlpack__``, or elements without a dtype in weft.
    """
    if isinstance(obj, Tensor):
        return obj.detach()
    if not hasattr(obj, "__dlpack__"):
        raise _fail(DTypeError, f"from_dlpack: a {type(obj).__name__} has no __dlpack__")
    if getattr(obj, "requires_grad", False):
        obj = obj.detach()  # type: ignore[attr-defined]
    # On a GPU the other library has to be done with the array: its default stream is waited for.
    on_gpu = hasattr(obj, "__dlpack_device__") and int(obj.__dlpack_device__()[0]) == _DLPACK_CUDA
    options = {"stream": _DEFAULT_STREAM} if on_gpu else {}
    try:
        capsule = obj.__dlpack__(max_version=(1, 0), **options)
    except TypeError:
        capsule = obj.__dlpack__(**options)
    return _core.from_dlpack(capsule)


def full(
    shape: Shape,
    fill_value: bool | int | float,
    *,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """A tensor of ``shape`` filled with a number."""
    if isinstance(fill_value, Tensor):
        from ._manipulation import broadcast_to

        value = fill_value if dtype is None else fill_value.astype(dtype)
        return placed(broadcast_to(value, _shape(shape)), device)
    return _core.full(_shape(shape), fill_value, as_dtype(dtype or type(fill_value)), device)


def zeros(
    *shape: int | Sequence[int],
    dtype: object = float32,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros: ``zeros((2, 3))`` or ``zeros(2, 3)``."""
    return _leaf(_core.full(_shape(shape), 0, as_dtype(dtype or float32), device), requires_grad)


def ones(
    *shape: int | Sequence[int],
    dtype: object = float32,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones: ``ones((2, 3))`` or ``ones(2, 3)``."""
    return _leaf(_core.full(_shape(shape), 1, as_dtype(dtype or float32), device), requires_grad)


def _leaf(result: Tensor, requires_grad: bool) -> Tensor:
    if requires_grad:
        result.requires_grad = True
    return result


def empty(*shape: int | Sequence[int], dtype: object = float32, device: object = None) -> Tensor:
    """A tensor of the shape; its elements are zeros, as nothing may depend on them."""
    return zeros(*shape, dtype=dtype, device=device)


def full_like(
    x: Tensor,
    /,
    fill_value: bool | int | float,
    *,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """A tensor of x's shape (and dtype, and device) filled with a number."""
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device or x.device)


def zeros_like(x: Tensor, /, *, dtype: object = None, device: object = None) -> Tensor:
    """Zeros of x's shape and dtype, on x's device."""
    return zeros(x.shape, dtype=dtype or x.dtype, device=device or x.device)


def ones_like(x: Tensor, /, *, dtype: object = None, device: object = None) -> Tensor:
    """Ones of x's shape and dtype, on x's device."""
    return ones(x.shape, dtype=dtype or x.dtype, device=device or x.device)


def empty_like(x: Tensor, /, *, dtype: object = None, device: object = None) -> Tensor:
    """See `empty`."""
    return zeros_like(x, dtype=dtype, device=device)


def _iota(shape: tuple[int, ...], axis: int, dtype: DType, device: object = None) -> Tensor:
    return _core.apply("weft.iota", (), {"axis": axis}, shape, dtype, device)


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """start, start + step, ... below stop; int64 if all are integers, else float32.

    Raises:
        ShapeError: step is 0.
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise _fail(ShapeError, "arange: step must not be 0")
    integral = all(
        isinstance(value, (int, np.integer, SymbolicSize)) for value in (start, stop, step)
    )
    if isinstance(stop - start, SymbolicSize) and isinstance(step, int) and step > 0:
        count = cast(int, (stop - start + (step - 1)) // step)
    else:
        count = max(0, math.ceil((stop - start) / step))
    wanted = as_dtype(dtype) if dtype is not None else (int64 if integral else float32)
    wide = as_dtype("float64") if not integral else int64
    values = _iota((count,), 0, wide, device)
    if step != 1:
        values = values * step
    if start != 0:
        values = values + start
    return values.astype(wanted)


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: object = float32,
    device: object = None,
    endpoint: bool = True,
) -> Tensor:
    """``num`` numbers evenly spaced from start to stop."""
    if num < 0:
        raise _fail(ShapeError, f"linspace: num is {num}, but must not be negative")
    divisions = num - 1 if endpoint else num
    step = (stop - start) / divisions if divisions > 0 else 0.0
    values = _iota((num,), 0, as_dtype("float64"), device) * step + start
    return values.astype(dtype or float32)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: object = float32,
    device: object = None,
) -> Tensor:
    """Ones on diagonal ``k``, zeros elsewhere: [n_rows, n_cols]."""
    shape = (n_rows, n_rows if n_cols is None else n_cols)
    columns, rows = _iota(shape, 1, int64, device), _iota(shape, 0, int64, device)
    return (columns - rows == k).astype(dtype or float32)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Coordinate tensors of 1-D tensors, with "xy" or "ij" indexing."""
    from ._manipulation import broadcast_to, reshape

    count = len(arrays)
    order = list(range(count))
    if indexing == "xy" and count > 1:
        order[0], order[1] = 1, 0
    elif indexing not in ("xy", "ij"):
        raise _fail(ShapeError, f"meshgrid: indexing is {indexing!r}, but has to be 'xy' or 'ij'")
    shape = [0] * count
    for place, x in zip(order, arrays, strict=True):
        shape[place] = x.shape[0]
    result = []
    for place, x in zip(order, arrays, strict=True):
        own = [1] * count
        own[place] = -1
        result.append(broadcast_to(reshape(x, own), shape))
    return result
