"""The precision that functions of several roundings are computed in."""

from __future__ import annotations

from .._autocast import autocast_dtype
from .._core import Tensor
from .._dtypes import float32, result_type
from .._manipulation import astype


def narrowed(result: Tensor, *operands: Tensor | None) -> Tensor:
    """What was computed of operands that were `widened`, in the dtype that they have together."""
    dtype = result_type(*(x for x in operands if x is not None))
    is_half = dtype.kind == "floating" and dtype.itemsize < float32.itemsize
    return astype(result, dtype) if is_half else result


def narrowed_loss(result: Tensor, *operands: Tensor | None) -> Tensor:
    """The same of losses and distances, which in `autocast` are float32."""
    return narrowed(result, *operands) if autocast_dtype() is None else result
