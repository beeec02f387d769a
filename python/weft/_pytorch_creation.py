"""PyTorch's functions that make tensors, beyond those of the array API."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._core import Tensor
from ._creation import _fail, _leaf, _number, _shape, _size, arange, asarray, empty, full
from ._dtypes import as_dtype, float32, float64
from ._errors import DTypeError, OptionError, ShapeError
from ._manipulation import astype, broadcast_to
from ._ops import Operand


def scalar_tensor(
    s: Any, *, dtype: object = None, device: object = None, requires_grad: bool = False
) -> Tensor:
    """A number as a tensor without dimensions, of float32 if no dtype is given."""
    value = full(
        (), _number(s, "scalar_tensor"), dtype=float32 if dtype is None else dtype, device=device
    )
    return _leaf(value, requires_grad)


def frombuffer(
    buffer: Any,
    dtype: object,
    *,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """The bytes of a buffer from ``offset`` on as ``count`` numbers (-1: all): [count], a copy.

    Raises:
        ShapeError: there are not as many bytes.
    """
    wanted = as_dtype(dtype)
    count, offset = _size(count, "frombuffer: count"), _size(offset, "frombuffer: offset")
    try:
        view = memoryview(buffer).cast("B")
    except TypeError:
        raise _fail(
            DTypeError, f"frombuffer: a {type(buffer).__name__} has no contiguous buffer"
        ) from None
    left = max(view.nbytes - offset, 0)
    given, count = count, left // wanted.itemsize if count < 0 else count
    if offset < 0 or count * wanted.itemsize > left or (given < 0 and left % wanted.itemsize):
        what = "a whole number" if given < 0 else str(given)
        raise _fail(
            ShapeError, f"frombuffer: {left} bytes from {offset} on are not {what} of {wanted.name}"
        )
    array = np.frombuffer(view[offset : offset + count * wanted.itemsize], wanted.to_numpy())
    return _leaf(asarray(array, copy=True), requires_grad)


def range(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: object = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to end, which is one of them, as `weft.arange` does not have it.

    float32 if no dtype is given; with one argument from 0 on.

    Raises:
        OptionError: the step is 0, or leads away from the end.
    """
    first, last = (0, start) if end is None else (start, end)
    first, last, step = (_number(value, "range") for value in (first, last, step))
    if step == 0 or (last - first) / step < 0 or not math.isfinite((last - first) / step):
        raise _fail(OptionError, f"range: no steps of {step} lead from {first} to {last}")
    count = math.floor((last - first) / step) + 1
    values = arange(count, dtype=float64, device=device) * step + first
    return _leaf(astype(values, float32 if dtype is None else dtype), requires_grad)


def fill(input: Tensor, value: Operand) -> Tensor:
    """A number, or a tensor without dimensions, in the shape and dtype of the input.

    Raises:
        ShapeError: the value has dimensions.
    """
    x = asarray(input)
    if isinstance(value, Tensor):
        if value.ndim:
            raise _fail(ShapeError, f"fill: the value has shape {value.shape}, but needs ()")
        return broadcast_to(astype(value, x.dtype), x.shape)
    return full(x.shape, _number(value, "fill: value"), dtype=x.dtype, device=x.device)


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: object = float32,
    device: object = None,
) -> Tensor:
    """`weft.empty`: in which order dimensions lie in memory is not said by tensors.

    Raises:
        OptionError: the layout is no order of the dimensions.
    """
    shape = _shape(size)
    if sorted(physical_layout) != list(builtins.range(len(shape))):
        raise _fail(
            OptionError, f"empty_permuted: {tuple(physical_layout)} is no order of {len(shape)}"
        )
    return empty(shape, dtype=dtype, device=device)


def to_dlpack(tensor: Tensor) -> Any:
    """The tensor as a capsule that `from_dlpack` of other libraries takes."""
    return tensor.__dlpack__()
