"""Making tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex, cast

import numpy as np

from . import _core
from ._core import SymbolicSize, Tensor
from ._devices import placed
from ._dtypes import (
    DType,
    as_dtype,
    by_name,
    float32,
    float64,
    iinfo,
    int64,
    part_dtype,
    result_type,
    uint64,
)
from ._errors import DTypeError, OutOfMemoryError, OutOfRangeError, ShapeError

Shape = int | Sequence[int]

#: DLPack's number of CUDA as a kind of device, and what its protocol calls the default stream.
_DLPACK_CUDA, _DEFAULT_STREAM = 2, 1

#: Python's types of numbers.
_NUMBERS = (bool, int, float, complex)

#: Of NumPy's arrays.
_MOST_DIMENSIONS = 64
#: More than any machine has memory for.
_MOST_LISTED = 1 << 40


def _fail(kind: type[Exception], message: str) -> Exception:
    """An error with the user's line in front, if its message has no other."""
    return kind(_core.located(message))


def _size(size: SupportsIndex, what: str = "a size") -> int:
    """A size as an int; symbolic ones as they are. Raises DTypeError."""
    if isinstance(size, SymbolicSize):
        return size
    try:
        number = operator.index(size)
    except TypeError:
        if isinstance(size, Tensor):
            raise
        raise _fail(
            DTypeError, f"{what} has to be an integer, not a {type(size).__name__}"
        ) from None
    if abs(number) >= 2**63:
        raise _fail(ShapeError, f"{what} of {number} is too large")
    return number


def _shape(shape: Shape | Sequence[int | Sequence[int]]) -> tuple[int, ...]:
    """A shape given as a size, as sizes, or as one sequence of sizes."""
    if isinstance(shape, (list, tuple)):
        nested = len(shape) == 1 and isinstance(shape[0], (tuple, list))
        return tuple(_size(size) for size in (shape[0] if nested else shape))
    return (_size(cast(int, shape)),)


def _sizes(shape: Shape, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """A shape given as one argument, or as one for each dimension."""
    return _shape((shape, *sizes)) if sizes else _shape(shape)


def _kept_as_bits(dtype: np.dtype) -> DType | None:
    """The dtype that NumPy knows from ml_dtypes alone, if it is one."""
    known = by_name().get(dtype.name)
    return known if known is not None and known.is_kept_as_bits else None


def _from_numpy(array: np.ndarray, copy: bool) -> Tensor:
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("="))
    kept = _kept_as_bits(array.dtype)
    if kept is not None:
        return _core.from_buffer(array.view(f"u{kept.itemsize}"), kept, copy)
    try:
        return _core.from_buffer(array, None, copy)
    except (ValueError, BufferError) as error:
        raise _fail(DTypeError, f"an array of dtype {array.dtype} is no tensor: {error}") from None


def _check_nesting(data: Sequence) -> None:
    """Raises ShapeError if sequences are in each other without end, or deeper than any tensor.

    Lists that are shared may stand for more elements than there is memory: OutOfMemoryError.
    """
    level: list[Sequence] = [data]
    elements = 1
    for _ in range(_MOST_DIMENSIONS):
        elements *= max(map(len, level))
        inner = {}
        for sequence in level:
            if any(issubclass(kind, (list, tuple)) for kind in set(map(type, sequence))):
                inner.update(
                    {id(item): item for item in sequence if isinstance(item, (list, tuple))}
                )
        if not inner:
            if elements > _MOST_LISTED:
                raise _fail(OutOfMemoryError, f"a nested list of about {elements} elements")
            return
        level = list(inner.values())
    raise _fail(
        ShapeError,
        f"a list that is nested deeper than {_MOST_DIMENSIONS} dimensions, or that contains "
        "itself, is no tensor",
    )


def _leaves(data: Sequence, seen: set[int] | None = None) -> dict[object, type]:
    """The kinds of what nested sequences hold: Python types, and dtypes of tensors and arrays.

    Each with the Python type that it was found as. Those in ``seen``, by their addresses, are done.
    """
    kinds: dict[object, type] = {}
    seen = set() if seen is None else seen
    for item in data:
        kind = type(item)
        if kind in _NUMBERS:
            kinds[kind] = kind
        elif kind in (list, tuple):
            if id(item) not in seen:
                seen.add(id(item))
                kinds |= _leaves(item, seen)
        elif isinstance(item, (Tensor, np.ndarray, np.generic)):
            kinds[item.dtype] = kind
        elif any(hasattr(item, name) for name in ("__dlpack__", "__array__")):
            kinds[asarray(item).dtype] = kind
        else:
            kinds[kind] = kind
    return kinds


def _from_sequence(data: Sequence, dtype: DType | None) -> Tensor:
    _check_nesting(data)
    leaves = _leaves(data)
    wanted = dtype or (result_type(*leaves) if leaves and all(map(_is_dtype, leaves)) else None)
    known = (*_NUMBERS, np.ndarray, np.generic)
    if any(_is_dtype(leaf) and not issubclass(kind, known) for leaf, kind in leaves.items()):
        from ._manipulation import stack

        return stack([asarray(item, dtype=wanted) for item in data])
    array, wanted = _nested_array(data, leaves, wanted), wanted or float32
    if wanted.kind == "integer" and array.dtype.kind in "iu":
        _check_range(array, wanted)
    if wanted.is_kept_as_bits or (wanted.kind == "integer" and array.dtype.kind == "f"):
        # NumPy lacks the one, and gives anything for the other where it is NaN or out of range.
        return _from_numpy(array, copy=False).astype(wanted)
    return _from_numpy(array.astype(wanted.to_numpy(), copy=False), copy=False)


def _is_dtype(leaf: object) -> bool:
    return leaf in _NUMBERS or isinstance(leaf, (DType, np.dtype))


def _nested_array(data: Sequence, leaves: dict[object, type], wanted: DType | None) -> np.ndarray:
    """Nested sequences of numbers and arrays as one array."""
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise _fail(
            ShapeError, f"a nested list has to be rectangular to become a tensor: {error}"
        ) from None
    except (TypeError, OverflowError) as error:
        raise _fail(DTypeError, f"a list is no tensor: {error}") from None
    whole = wanted is None or wanted.kind == "integer"
    if array.dtype.kind == "f" and whole and leaves and set(leaves) <= {int, bool}:
        # NumPy makes floats of integers beyond int64 beside others, which rounds them.
        array = np.asarray(data, object)
        if wanted is uint64 and (array >= 0).all() and (array < 2**64).all():
            return array.astype(np.uint64)
    if array.dtype.kind == "c" and wanted is not None and not wanted.is_complex:
        raise _fail(DTypeError, f"a list with complex numbers is no {wanted.name}; take real parts")
    if array.dtype.kind not in "biufc" and _kept_as_bits(array.dtype) is None:
        if array.dtype.kind == "O" and set(leaves) <= set(_NUMBERS):
            raise _fail(OutOfRangeError, "a list holds an integer that does not fit into int64")
        kinds = sorted({kind.__name__ for kind in leaves.values()})
        raise _fail(DTypeError, f"a list of {', '.join(kinds)} is no tensor")
    return array


def _check_number(number: object, dtype: DType | None) -> None:
    if isinstance(number, complex) and dtype is not None and not dtype.is_complex:
        raise _fail(DTypeError, f"{number!r} is complex: it is no {dtype.name}; take its real part")


def _check_range(array: np.ndarray, dtype: DType) -> None:
    limits = iinfo(dtype)
    for extreme in (array.min(), array.max()) if array.size else ():
        if not limits.min <= int(extreme) <= limits.max:
            raise _fail(OutOfRangeError, f"{extreme} does not fit into {dtype.name}")


def asarray(
    obj: object, /, *, dtype: object = None, device: object = None, copy: bool | None = None
) -> Tensor:
    """A tensor of an array, a number or nested sequences.

    Memory of NumPy arrays and DLPack objects is shared where it is dense, unless ``copy`` is true.
    Python's numbers and lists of them become bool, int64 or float32; beside tensors and NumPy's
    numbers they take their dtype. The tensor is on ``device``; None leaves tensors and DLPack
    objects where they are.

    Raises:
        ShapeError: a nested list is ragged. DTypeError: there is no such dtype, or the object has
        elements of none of weft's dtypes. OutOfRangeError: an integer does not fit into the dtype.
        UnsupportedError: there is no such device.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(obj, Tensor):
        if obj._is_weak:  # one of Python's numbers, in a trace
            result = _core.apply("weft.cast", (obj,), None, obj.shape, wanted or obj.dtype)
        else:
            result = obj.clone() if copy else obj
    elif isinstance(obj, SymbolicSize):
        result = _core.size_tensor(obj)
    elif isinstance(obj, (np.ndarray, np.generic)):
        result = _from_numpy(np.asarray(obj), copy=bool(copy))
    elif isinstance(obj, _NUMBERS):
        _check_number(obj, wanted)
        result = _core.full((), obj, wanted or _dtype_of_number(obj))
    elif isinstance(obj, (list, tuple)):
        result = _from_sequence(obj, wanted)
    elif hasattr(obj, "__dlpack__"):
        result = from_dlpack(obj, copy=copy)
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
    result = result.detach().clone() if isinstance(data, Tensor) else result
    if requires_grad:
        result.requires_grad = True
    return result


def as_tensor(data: object, dtype: object = None, device: object = None) -> Tensor:
    """`asarray`, as PyTorch calls it: a tensor of numbers, nested lists, or an array."""
    return asarray(data, dtype=dtype, device=device)


def from_numpy(array: np.ndarray, /) -> Tensor:
    """A tensor that shares the array's memory, if that is dense. Change the array no more."""
    if not isinstance(array, np.ndarray):
        raise _fail(DTypeError, f"from_numpy takes a NumPy array, not a {type(array).__name__}")
    return _from_numpy(array, copy=False)


def from_dlpack(x: object, /, *, device: object = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of an object with ``__dlpack__``; strided memory is copied.

    Args:
        x: has ``__dlpack__``.
        device: where the tensor is to be; None: where x is.
        copy: true: memory is never shared. Else where it can be.

    Raises:
        DTypeError: the object has no ``__dlpack__``, or elements without a dtype in weft.
    """
    if isinstance(x, Tensor):
        return placed(x.detach().clone() if copy else x.detach(), device)
    if not hasattr(x, "__dlpack__"):
        raise _fail(DTypeError, f"from_dlpack: a {type(x).__name__} has no __dlpack__")
    if getattr(x, "requires_grad", False):
        x = x.detach()  # type: ignore[attr-defined]
    shared = _from_dlpack(x)
    return placed(shared.clone() if copy else shared, device)


def _from_dlpack(obj: Any) -> Tensor:
    # On a GPU the other library has to be done with the array: its default stream is waited for.
    on_gpu = hasattr(obj, "__dlpack_device__") and int(obj.__dlpack_device__()[0]) == _DLPACK_CUDA
    options = {"stream": _DEFAULT_STREAM} if on_gpu else {}
    try:
        capsule = obj.__dlpack__(max_version=(1, 0), **options)
    except TypeError:
        capsule = obj.__dlpack__(**options)
    return _core.from_dlpack(capsule)


def _dtype_of_number(number: object) -> DType:
    """The dtype of a Python number, or of one of NumPy's."""
    if isinstance(number, np.generic):
        return as_dtype(number.dtype)
    for kind in _NUMBERS:
        if isinstance(number, kind):
            return as_dtype(kind)
    raise _fail(DTypeError, f"a {type(number).__name__} is no number")


def full(
    shape: Shape,
    fill_value: bool | int | float | complex,
    *,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """A tensor of ``shape`` filled with a number.

    Raises:
        DTypeError: it is no number. OutOfRangeError: the dtype can't hold it.
    """
    if isinstance(fill_value, Tensor):
        from ._manipulation import broadcast_to

        value = fill_value if dtype is None else fill_value.astype(dtype)
        return placed(broadcast_to(value, _shape(shape)), device)
    wanted = _dtype_of_number(fill_value) if dtype is None else as_dtype(dtype)
    number = fill_value.item() if isinstance(fill_value, np.generic) else fill_value
    _check_number(number, wanted)
    return _core.full(_shape(shape), number, wanted, device)


def zeros(
    shape: Shape = (),
    *sizes: int,
    dtype: object = float32,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros: ``zeros((2, 3))`` or ``zeros(2, 3)``."""
    return _leaf(
        _core.full(_sizes(shape, sizes), 0, as_dtype(float32 if dtype is None else dtype), device),
        requires_grad,
    )


def ones(
    shape: Shape = (),
    *sizes: int,
    dtype: object = float32,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones: ``ones((2, 3))`` or ``ones(2, 3)``."""
    return _leaf(
        _core.full(_sizes(shape, sizes), 1, as_dtype(float32 if dtype is None else dtype), device),
        requires_grad,
    )


def _leaf(result: Tensor, requires_grad: bool) -> Tensor:
    if requires_grad:
        result.requires_grad = True
    return result


def empty(shape: Shape = (), *sizes: int, dtype: object = float32, device: object = None) -> Tensor:
    """A tensor of the shape; its elements are zeros, as nothing may depend on them."""
    return zeros(shape, *sizes, dtype=dtype, device=device)


def full_like(
    x: Tensor,
    /,
    fill_value: bool | int | float | complex,
    *,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """A tensor of x's shape (and dtype, and device) filled with a number."""
    return full(
        x.shape,
        fill_value,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
    )


def zeros_like(x: Tensor, /, *, dtype: object = None, device: object = None) -> Tensor:
    """Zeros of x's shape and dtype, on x's device."""
    return zeros(
        x.shape,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
    )


def ones_like(x: Tensor, /, *, dtype: object = None, device: object = None) -> Tensor:
    """Ones of x's shape and dtype, on x's device."""
    return ones(
        x.shape,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
    )


def empty_like(x: Tensor, /, *, dtype: object = None, device: object = None) -> Tensor:
    """See `empty`."""
    return zeros_like(x, dtype=dtype, device=device)


def _iota(shape: tuple[int, ...], axis: int, dtype: DType, device: object = None) -> Tensor:
    return _core.apply("weft.iota", (), {"axis": axis}, shape, dtype, device)


def _number(value: object, name: str) -> Any:
    """A Python number of what a function takes for one."""
    if isinstance(value, SymbolicSize) or type(value) in (int, float, bool):
        return value
    if isinstance(value, (np.generic, np.ndarray, Tensor)) and value.ndim == 0:
        return value.item()
    if isinstance(value, (int, float)):
        return value
    raise _fail(DTypeError, f"{name}: a {type(value).__name__} is no number")


def _check_ends(dtype: DType, *ends: float) -> None:
    """Raises OutOfRangeError if an integer dtype can't hold the ends of a sequence."""
    if dtype.kind != "integer":
        return
    limits = iinfo(dtype)
    for end in ends:
        if isinstance(end, SymbolicSize):
            continue
        if not (math.isfinite(end) and limits.min <= math.floor(end) <= limits.max):
            raise _fail(OutOfRangeError, f"{end} does not fit into {dtype.name}")


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
        ShapeError: step is 0, or a number is infinite or NaN. DTypeError: one is no number.
        OutOfRangeError: an integer dtype can't hold an end.
    """
    if stop is None:
        start, stop = 0, start
    start, stop, step = (_number(value, "arange") for value in (start, stop, step))
    if step == 0:
        raise _fail(ShapeError, "arange: step must not be 0")
    integral = all(isinstance(value, (int, SymbolicSize)) for value in (start, stop, step))
    if isinstance(stop - start, SymbolicSize) and isinstance(step, int) and step > 0:
        count = cast(int, (stop - start + (step - 1)) // step)
    elif integral:
        count = max(0, int(-((start - stop) // step)))
    elif all(math.isfinite(value) for value in (start, stop, step)):
        count = max(0, math.ceil((stop - start) / step))
    else:
        raise _fail(ShapeError, f"arange: {start}, {stop} and {step} have to be finite")
    wanted = as_dtype(dtype) if dtype is not None else (int64 if integral else float32)
    if isinstance(count, int) and count > 0:
        _check_ends(wanted, start, start + (count - 1) * step)
    wide = as_dtype("float64") if not integral else int64
    if wanted is uint64 and integral:
        return _unsigned_range(cast(int, start), cast(int, step), count, device)
    values = _iota((count,), 0, wide, device)
    if step != 1:
        values = values * step
    if start != 0:
        values = values + start
    return values.astype(wanted)


def _unsigned_range(start: int, step: int, count: int, device: object) -> Tensor:
    """start + i * step as uint64, which int64 may not hold."""
    distances = _iota((count,), 0, uint64, device) * abs(step)
    first = _core.full((), start if count else 0, uint64, device)
    return first + distances if step > 0 else first - distances


def _is_complex(dtype: object) -> bool:
    return dtype is not None and as_dtype(dtype).is_complex


def _complex_linspace(
    start: complex, stop: complex, num: int, dtype: object, device: object, endpoint: bool
) -> Tensor:
    from ._complex import complex as of_parts

    wanted = as_dtype("complex64" if dtype is None else dtype)
    if not wanted.is_complex:
        raise _fail(DTypeError, f"linspace: bounds are complex, which {wanted.name} is not")

    def spaced(first: float, last: float) -> Tensor:
        part = part_dtype(wanted)
        return linspace(first, last, num, dtype=part, device=device, endpoint=endpoint)

    return of_parts(spaced(start.real, stop.real), spaced(start.imag, stop.imag))


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: object = float32,
    device: object = None,
    endpoint: bool = True,
) -> Tensor:
    """``num`` numbers evenly spaced from start to stop, which with ``endpoint`` is the last.

    They are computed in float64; integers are rounded down. Of complex bounds both parts are
    evenly spaced.

    Raises:
        ShapeError: ``num`` is negative. DTypeError: a bound is no number.
    """
    from ._ops import floor, where

    if any(type(bound) is complex for bound in (start, stop)) or _is_complex(dtype):
        return _complex_linspace(complex(start), complex(stop), num, dtype, device, endpoint)
    first, last = (_number(value, "linspace") for value in (start, stop))
    num = _size(num, "linspace: num")
    if isinstance(num, int) and num < 0:
        raise _fail(ShapeError, f"linspace: num is {num}, but must not be negative")
    wanted = as_dtype(float32 if dtype is None else dtype)
    _check_ends(wanted, first, last)
    divisions = num - 1 if endpoint else num
    position, span = _iota((num,), 0, float64, device), float(last) - float(first)
    step = span / divisions if divisions > 0 else 0.0
    # Where the step underflows, the parts are taken first.
    underflows = step == 0.0 and span != 0.0 and divisions > 0
    offset = position / divisions * span if underflows else position * step
    values = offset + float(first)
    if endpoint and divisions > 0:
        values = where(position == divisions, float(last), values)
    return (floor(values) if wanted.kind == "integer" else values).astype(wanted)


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
    shape = _shape((n_rows, n_rows if n_cols is None else n_cols))
    columns, rows = _iota(shape, 1, int64, device), _iota(shape, 0, int64, device)
    return (columns - rows == k).astype(float32 if dtype is None else dtype)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
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
        if x.ndim != 1:
            raise _fail(ShapeError, f"meshgrid: a tensor of shape {x.shape} is not 1-D")
        shape[place] = x.shape[0]
    result = []
    for place, x in zip(order, arrays, strict=True):
        own = [1] * count
        own[place] = -1
        result.append(broadcast_to(reshape(x, own), shape))
    return tuple(result)
