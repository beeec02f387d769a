"""Matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import _core
from ._complex import conj
from ._core import Tensor
from ._creation import _fail, asarray
from ._dtypes import bool_, promote_types
from ._errors import DTypeError, ShapeError
from ._manipulation import (
    astype,
    broadcast_shapes,
    broadcast_to,
    normalize_axis,
    permute_dims,
    reshape,
)
from ._reductions import sum


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The matrix product: [..., M, K] with [..., K, N] gives [..., M, N].

    A 1-D operand is a row on the left, a column on the right, and its dimension is dropped from
    the result. Leading dimensions broadcast.

    Raises:
        ShapeError: K differs, or an operand is 0-d. DTypeError: an operand is no tensor or array.
    """
    try:
        x1, x2 = asarray(x1), asarray(x2)
    except DTypeError:
        return NotImplemented
    if x1.ndim == 0 or x2.ndim == 0:
        raise _fail(
            ShapeError,
            f"matmul: operands of shapes {x1.shape} and {x2.shape} have to have "
            "at least one dimension; multiply scalars by *",
        )
    left = reshape(x1, (1, -1)) if x1.ndim == 1 else x1
    right = reshape(x2, (-1, 1)) if x2.ndim == 1 else x2
    if left.shape[-1] != right.shape[-2]:
        raise _fail(
            ShapeError,
            f"matmul: shapes {x1.shape} and {x2.shape} do not fit: the last "
            f"dimension of the first is {left.shape[-1]}, but the "
            f"{'only' if x2.ndim == 1 else 'second to last'} one of the second "
            f"is {right.shape[-2]}",
        )
    if left.dtype is not right.dtype:
        dtype = promote_types(left.dtype, right.dtype)
        left, right = astype(left, dtype), astype(right, dtype)
    result = _batched(left, right)
    if x1.ndim == 1:
        result = reshape(result, (*result.shape[:-2], result.shape[-1]))
    return reshape(result, result.shape[:-1]) if x2.ndim == 1 else result


def _batched(left: Tensor, right: Tensor) -> Tensor:
    if left.ndim > 2 and right.ndim == 2:
        # One product of more rows instead of many products with the same matrix.
        rows = reshape(left, (math.prod(left.shape[:-1]), left.shape[-1]))
        product = _core.apply("weft.matmul", (rows, right))
        return reshape(product, (*left.shape[:-1], right.shape[-1]))
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = broadcast_to(left, (*batch, *left.shape[-2:]))
    right = broadcast_to(right, (*batch, *right.shape[-2:]))
    return _core.apply("weft.matmul", (left, right))


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The sum of products along ``axis``, in the common dtype; of complex x1 the conjugates are
    multiplied.

    Raises:
        ShapeError: the sizes along the axis differ. DTypeError: both are bool.
    """
    x1, x2 = asarray(x1), asarray(x2)
    dtype = promote_types(x1.dtype, x2.dtype)
    if dtype is bool_:
        raise _fail(DTypeError, "vecdot: bools are not multiplied; convert them by astype")
    first = x1.shape[normalize_axis(axis, x1.ndim, "vecdot")]
    second = x2.shape[normalize_axis(axis, x2.ndim, "vecdot")]
    if first != second:
        raise _fail(
            ShapeError,
            f"vecdot: shapes {x1.shape} and {x2.shape} differ along axis {axis}",
        )
    return sum(conj(astype(x1, dtype)) * astype(x2, dtype), axis=axis, dtype=dtype)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """All products of two 1-D tensors: [M], [N] to [M, N].

    Raises:
        ShapeError: an operand is not 1-D.
    """
    x1, x2 = asarray(x1), asarray(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise _fail(ShapeError, f"outer: shapes {x1.shape} and {x2.shape} are not both 1-D")
    return reshape(x1, (-1, 1)) * reshape(x2, (1, -1))


def tensordot(
    x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """The sum of products over ``axes``: the last n of x1 with the first n of x2, or pairs.

    Raises:
        ShapeError: the sizes of paired axes differ.
    """
    x1, x2 = asarray(x1), asarray(x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            raise _fail(
                ShapeError,
                f"tensordot: shapes {x1.shape} and {x2.shape} have no {axes} axes to pair",
            )
        first, second = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        first = [normalize_axis(axis, x1.ndim, "tensordot") for axis in axes[0]]
        second = [normalize_axis(axis, x2.ndim, "tensordot") for axis in axes[1]]
    if [x1.shape[i] for i in first] != [x2.shape[i] for i in second]:
        raise _fail(
            ShapeError,
            f"tensordot: axes {first} of shape {x1.shape} and {second} of shape "
            f"{x2.shape} differ in size",
        )
    rows = [i for i in range(x1.ndim) if i not in first]
    columns = [i for i in range(x2.ndim) if i not in second]
    depth = math.prod(x1.shape[i] for i in first)
    left = reshape(permute_dims(x1, rows + first), (math.prod(x1.shape[i] for i in rows), depth))
    right = reshape(
        permute_dims(x2, second + columns), (depth, math.prod(x2.shape[i] for i in columns))
    )
    shape = [x1.shape[i] for i in rows] + [x2.shape[i] for i in columns]
    return reshape(matmul(left, right), shape)
