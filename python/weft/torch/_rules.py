"""The table of rules from ATen's overloads to weft's functions, and what rules share.

A rule takes what the node of the graph has: tensors of weft, numbers, sizes, and PyTorch's dtypes;
memory formats, layouts and devices mean nothing to tensors of weft and are dropped before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

import weft

from .._creation import _fail
from .._dtypes import DType
from .._errors import UnsupportedError
from .._foreign import RuleTable

#: Every rule of this package, by names such as "aten.add.Tensor".
TABLE = RuleTable("PyTorch")

_DTYPES: dict[torch.dtype, DType] = {
    torch.bool: weft.bool,
    torch.uint8: weft.uint8,
    torch.int8: weft.int8,
    torch.int16: weft.int16,
    torch.int32: weft.int32,
    torch.int64: weft.int64,
    torch.float16: weft.float16,
    torch.bfloat16: weft.bfloat16,
    torch.float32: weft.float32,
    torch.float64: weft.float64,
    torch.complex64: weft.complex64,
    torch.complex128: weft.complex128,
}
_KINDS = ("bool", "integral", "real floating", "complex floating")
_DEFAULTS = (weft.bool, weft.int64, weft.float32, weft.complex64)


def weft_dtype(dtype: torch.dtype) -> DType:
    """The dtype of the same name; raises UnsupportedError if weft has none."""
    if dtype not in _DTYPES:
        raise _fail(UnsupportedError, f"weft has no dtype like PyTorch's {dtype}")
    return _DTYPES[dtype]


def has_dtype(dtype: torch.dtype) -> bool:
    """Whether weft has the dtype."""
    return dtype in _DTYPES


def _kind(dtype: DType) -> int:
    return next(i for i, kind in enumerate(_KINDS) if weft.isdtype(dtype, kind))


def _kind_of_number(number: Any) -> int:
    if isinstance(number, bool):
        return 0
    return 2 if isinstance(number, float) else 3 if isinstance(number, complex) else 1


def common_dtype(*values: Any) -> DType:
    """The dtype in which ATen computes with these tensors and numbers.

    The highest kind decides; within it tensors with dimensions go before those without, and these
    before numbers.
    """
    ranks: list[list[DType]] = [[], [], []]
    for value in values:
        if not isinstance(value, weft.Tensor):
            ranks[2].append(_DEFAULTS[_kind_of_number(value)])
        elif value.dtype is not None:
            ranks[0 if value.ndim else 1].append(value.dtype)
    kind = max(_kind(dtype) for rank in ranks for dtype in rank)
    for rank in ranks:
        found = [dtype for dtype in rank if _kind(dtype) == kind]
        if found:
            result = found[0]
            for other in found[1:]:
                result = weft.promote_types(result, other)
            below = [d for d in ranks[0] if _kind(d) < kind] if rank is not ranks[0] else []
            return _lifted(result, kind, below, is_number=rank is ranks[2])
    raise AssertionError


def _lifted(dtype: DType, kind: int, below: Sequence[DType], is_number: bool) -> DType:
    """A number of a higher kind than all tensors: ATen's default dtype of that kind."""
    if kind == 3 and is_number and any(d == weft.float64 for d in below):
        return weft.complex128
    return dtype


def floating(dtype: DType) -> DType:
    """The dtype itself if it is a floating one, else float32."""
    return dtype if _kind(dtype) >= 2 else weft.float32


def promoted(*values: Any, to_floating: bool = False) -> list[Any]:
    """The tensors in the dtype that ATen computes in; numbers as tensors without dimensions."""
    dtype = common_dtype(*values)
    if to_floating:
        dtype = floating(dtype)
    return [as_dtype(value, dtype) for value in values]


def as_dtype(value: Any, dtype: DType) -> weft.Tensor:
    """A tensor or number as a tensor of the dtype."""
    if not isinstance(value, weft.Tensor):
        return weft.asarray(value, dtype=dtype)
    return value if value.dtype == dtype else value.astype(dtype)


def gradient(function: Callable, inputs: Sequence[weft.Tensor], cotangent: Any) -> tuple:
    """The gradients of a function's result by its inputs, for the backward ops of ATen.

    What of the function itself is not needed for them is no part of the program.
    """
    _, pull = weft.vjp(function, *inputs)
    found = pull(cotangent)
    return tuple(found) if len(inputs) > 1 or isinstance(found, tuple) else (found,)


def method(name: str, *aten: str) -> None:
    """These overloads are the tensor's method of that name."""

    def call(x: weft.Tensor, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    TABLE.rule(*aten)(call)
