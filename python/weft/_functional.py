"""Operations of neural networks, with PyTorch's names and signatures."""

from __future__ import annotations

import builtins
import math

from . import _core, _linear
from ._autocast import with_bias
from ._core import SymbolicSize, Tensor
from ._creation import _fail, asarray, ones
from ._dtypes import as_dtype, float32, promote_types
from ._errors import ShapeError
from ._manipulation import astype, expand_dims, normalize_axis, reshape, transpose
from ._reductions import sum
from ._windows import floating

#: As modules call it that have not moved on to `_windows`.
_floating = floating


def softmax(x: Tensor, dim: int = -1, dtype: object = None) -> Tensor:
    """exp(x) over its sum along ``dim``; integers are converted to float32."""
    return _along_axis("softmax", x, dim, dtype)


def log_softmax(x: Tensor, dim: int = -1, dtype: object = None) -> Tensor:
    """The logarithm of `softmax`, computed accurately."""
    return _along_axis("log_softmax", x, dim, dtype)


def _along_axis(name: str, x: Tensor, dim: int, dtype: object) -> Tensor:
    x = asarray(x)
    if dtype is not None or x.dtype.kind != "floating":
        x = astype(x, as_dtype(dtype or float32))
    return _core.apply("weft." + name, (x,), {"axis": normalize_axis(dim, x.ndim, name)})


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias: x [..., K], weight [N, K], bias [N].

    Of different dtypes, x and the weight are converted as for ``x @ weight.T``; compiled for a
    processor, the product reads a narrower weight where it is.

    Raises:
        ShapeError: the shapes do not fit.
    """
    if weight.ndim != 2:
        raise _fail(
            ShapeError, f"linear: the weight has shape {weight.shape}, but has to be [N, K]"
        )
    if x.shape[-1:] != weight.shape[-1:]:
        raise _fail(
            ShapeError,
            f"linear: the input has shape {x.shape}, but the weight "
            f"{weight.shape} needs a last dimension of {weight.shape[-1]}",
        )
    if x.dtype is not weight.dtype:
        dtype = promote_types(x.dtype, weight.dtype)
        x, weight = astype(x, dtype), astype(weight, dtype)
    rows = reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
    product = _core.apply("weft.matmul", (rows, weight), {"transpose_rhs": True})
    result = reshape(product, (*x.shape[:-1], weight.shape[0]))
    return result if bias is None else with_bias(result, bias)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The sums of input1[i] weight[n, i, j] input2[j], plus bias: input1 [..., I], input2 [..., J],
    weight [N, I, J] and bias [N] to [..., N].

    Raises:
        ShapeError: the shapes do not fit. DTypeError: an input is not floating.
    """
    x, y = floating(input1, "bilinear"), floating(input2, "bilinear")
    if weight.ndim != 3 or x.shape[:-1] != y.shape[:-1] or not x.ndim or not y.ndim:
        raise _fail(
            ShapeError,
            f"bilinear: inputs of shapes {x.shape} and {y.shape} and a weight of shape "
            f"{weight.shape} have to be [..., I], [..., J] and [N, I, J]",
        )
    count, rows, columns = weight.shape
    if x.shape[-1] != rows or y.shape[-1] != columns:
        raise _fail(
            ShapeError,
            f"bilinear: inputs of shapes {x.shape} and {y.shape} do not fit a weight of shape "
            f"{weight.shape}",
        )
    weights = reshape(transpose(weight, 0, 1), (rows, count * columns))
    x = reshape(x, (math.prod(x.shape[:-1]), rows))
    products = reshape(_linear.matmul(x, weights), (*y.shape[:-1], count, columns))
    result = sum(products * expand_dims(y, axis=-2), axis=-1)
    return result if bias is None else result + bias


def at_least_one(count: int) -> int | Tensor:
    """A count to divide by, which is 1 if it is none."""
    from ._ops import maximum

    return maximum(asarray(count), 1) if isinstance(count, SymbolicSize) else builtins.max(count, 1)


def _check_probability(p: float, name: str) -> None:
    if not 0 <= p <= 1:
        raise _fail(ShapeError, f"{name}: the probability has to be in [0, 1], not {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """The input with elements set to 0 with probability ``p``, the others divided by 1 - p.

    ``inplace`` is accepted and changes nothing, as tensors are values.

    Raises:
        ShapeError: ``p`` is not in [0, 1]. DTypeError: the input is not floating.
    """
    _check_probability(p, "dropout")
    x = floating(input, "dropout")
    if not training or p == 0:
        return x.clone()
    if p == 1:
        return x * 0.0
    from .random._keys import next_key

    return _core.apply("weft.dropout", (x, next_key(x.device)), {"probability": float(p)})


def _channel_dropout(
    name: str, drawn: dict[int, int], input: Tensor, p: float, training: bool
) -> Tensor:
    """Dropout of whole channels: for a number of dimensions, over how many of the first ones
    numbers are drawn."""
    _check_probability(p, name)
    x = floating(input, name)
    if x.ndim not in drawn:
        wanted = " or ".join(map(str, drawn))
        raise _fail(
            ShapeError, f"{name}: the input has shape {x.shape}, but needs {wanted} dimensions"
        )
    if not training or p == 0:
        return x.clone()
    kept = drawn[x.ndim]
    shape = (*x.shape[:kept], *(1 for _ in x.shape[kept:]))
    return x * dropout(ones(shape, dtype=x.dtype, device=x.device), p)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """[N, C, L] or [C, L] with channels set to 0 with probability ``p``; see `dropout`.

    Raises:
        ShapeError: ``p`` is not in [0, 1], or the input has other dimensions. DTypeError: the input
            is not floating.
    """
    return _channel_dropout("dropout1d", {2: 1, 3: 2}, input, p, training)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """[N, C, H, W] or, as in PyTorch, [N, C, L] with channels set to 0 with probability ``p``.

    Raises as `dropout1d`.
    """
    return _channel_dropout("dropout2d", {3: 2, 4: 2}, input, p, training)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """[N, C, D, H, W] or [C, D, H, W] with channels set to 0 with probability ``p``.

    Raises as `dropout1d`.
    """
    return _channel_dropout("dropout3d", {4: 1, 5: 2}, input, p, training)


#: What SELU tends to for large negative numbers: -scale * alpha (Klambauer et al., 2017).
_SELU_LIMIT = -1.7580993408473766


def _alpha_dropout(name: str, input: Tensor, p: float, training: bool, channels: bool) -> Tensor:
    """Elements (or channels) at SELU's limit, then all scaled and shifted so that mean 0 and
    variance 1 stay what they are."""
    from . import random
    from ._ops import where

    _check_probability(p, name)
    x = floating(input, name)
    if channels and x.ndim < 2:
        raise _fail(ShapeError, f"{name}: the input has shape {x.shape}, but has to be [N, C, ...]")
    if not training or p == 0:
        return x.clone()
    if p == 1:
        return x * 0.0
    scale = 1.0 / math.sqrt((_SELU_LIMIT**2 * p + 1.0) * (1.0 - p))
    shift = -scale * _SELU_LIMIT * p
    shape = (*x.shape[:2], *(1 for _ in x.shape[2:])) if channels else x.shape
    kept = random.bernoulli(1.0 - p, shape, device=x.device)
    return where(kept, x * scale + shift, scale * _SELU_LIMIT + shift)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """The input with elements set to SELU's limit with probability ``p``, then scaled and shifted
    so that mean and variance stay what they are (Klambauer et al., 2017).

    ``inplace`` is accepted and changes nothing, as tensors are values.

    Raises:
        ShapeError: ``p`` is not in [0, 1]. DTypeError: the input is not floating.
    """
    return _alpha_dropout("alpha_dropout", input, p, training, False)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels of [N, C, ...].

    Raises:
        ShapeError: ``p`` is not in [0, 1], or the input has less than 2 dimensions. DTypeError: the
            input is not floating.
    """
    return _alpha_dropout("feature_alpha_dropout", input, p, training, True)
