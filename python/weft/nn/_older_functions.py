"""PyTorch's older names of functions, those in place, and those that always give indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _adaptive_pooling, _functional, _pooling
from .._convolutions import conv1d
from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import DTypeError, ShapeError, UnsupportedError
from .._linear import matmul
from .._manipulation import astype, moveaxis, reshape, transpose
from .._reductions import distance
from .._resampling import interpolate
from .._windows import Sizes, constant, known_sizes, pick
from . import _activation_functions
from ._loss_functions import cross_entropy

# In place ------------------------------------------------------------------------------------


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function that gives its input the result for its value."""
    name = f"{function.__name__}_"

    def change(input: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise _fail(DTypeError, f"{name}: a {type(input).__name__} can't change in place")
        value = function(input, *arguments, **options)
        return input._assign(astype(value, input.dtype, copy=False), f"{name}()")

    change.__name__ = change.__qualname__ = name
    change.__doc__ = f"`{function.__name__}` as the value of its input, which it returns."
    return change


#: Of each activation that PyTorch has in place the function that is.
activations_in_place = {
    f"{name}_": _in_place(getattr(_activation_functions, name))
    for name in ["celu", "elu", "hardtanh", "leaky_relu", "relu", "rrelu", "selu", "threshold"]
}


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """[N, C, ...] with channels set to 0 with probability ``p``, as `dropout2d` has it.

    Raises:
        ShapeError: the input has not 3 to 5 dimensions.
    """
    own = {3: _functional.dropout1d, 4: _functional.dropout2d, 5: _functional.dropout3d}
    if input.ndim not in own:
        raise _fail(ShapeError, f"feature_dropout: shape {input.shape} has not 3 to 5 dimensions")
    return own[input.ndim](input, p, train)


dropouts_in_place = {
    f"{function.__name__}_": _in_place(function)
    for function in (
        _functional.dropout,
        _functional.alpha_dropout,
        _functional.feature_alpha_dropout,
        feature_dropout,
    )
}

# With indices --------------------------------------------------------------------------------


def _max_pool_with_indices(function: Callable[..., Any]) -> Callable[..., Any]:
    def pool(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = True,
    ) -> Any:
        return function(
            input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True
        )

    return pool


def _adaptive_max_pool_with_indices(function: Callable[..., Any]) -> Callable[..., Any]:
    def pool(
        input: Tensor,
        output_size: _adaptive_pooling.AdaptiveSizes,
        return_indices: bool = True,
    ) -> Any:
        return function(input, output_size, return_indices=True)

    return pool


def _named(pool: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    pool.__name__ = pool.__qualname__ = f"{function.__name__}_with_indices"
    pool.__doc__ = f"`{function.__name__}`, and where the elements are."
    return pool


#: Functions of the largest elements that always say where they are.
pools_with_indices = {
    f"{function.__name__}_with_indices": _named(made(function), function)
    for made, functions in (
        (
            _max_pool_with_indices,
            (_pooling.max_pool1d, _pooling.max_pool2d, _pooling.max_pool3d),
        ),
        (
            _adaptive_max_pool_with_indices,
            (
                _adaptive_pooling.adaptive_max_pool1d,
                _adaptive_pooling.adaptive_max_pool2d,
                _adaptive_pooling.adaptive_max_pool3d,
            ),
        ),
    )
    for function in functions
}

# Images and sequences ------------------------------------------------------------------------


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` by its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """`interpolate` of the mode "nearest"."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """`interpolate` of the mode "bilinear" with ``align_corners``."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """A convolution over time: input [T, N, C], weight [K, C, O], bias [O], to [T', N, O].

    Raises:
        ShapeError: the shapes do not fit.
    """
    if input.ndim != 3 or weight.ndim != 3:
        raise _fail(
            ShapeError, f"conv_tbc: shapes {input.shape} and {weight.shape} have not 3 dimensions"
        )
    result = conv1d(
        moveaxis(input, 0, 2), moveaxis(weight, (0, 1, 2), (2, 1, 0)), bias, padding=pad
    )
    return moveaxis(result, 2, 0)


# Distances and losses ------------------------------------------------------------------------


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances by the norm of order p of all pairs of the rows [N, M]: [N (N - 1) / 2], those
    of the first row to the others, then of the second to those behind it, ...

    Raises:
        ShapeError: the input is no matrix.
    """
    x = asarray(input)
    if x.ndim != 2:
        raise _fail(ShapeError, f"pdist: the input has shape {x.shape}, but has to be [N, M]")
    first, second = (
        constant(each, x) for each in np.triu_indices(known_sizes(x, 2, "pdist")[0], 1)
    )
    difference = pick(x, first, 0) - pick(x, second, 0)
    return distance(difference, p)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Tensor:
    """`cross_entropy` of the input times a weight: input [N, K] or [K], weight [C, ..., K].

    Args:
        target, weight, reduction, label_smoothing: those of `cross_entropy`.
        linear_bias: [C, ...]; None: zeros.
        ignore_index: a class that does not count; None is -100.
        options: PyTorch's ways to compute it in parts; only None.

    Raises:
        ShapeError: the shapes do not fit. UnsupportedError: options are given.
    """
    if options is not None:
        raise _fail(
            UnsupportedError,
            "linear_cross_entropy: options say how PyTorch divides the work; give None, and "
            "weft.checkpoint the function where memory is short",
        )
    flat = reshape(linear_weight, (-1, linear_weight.shape[-1]))
    logits = matmul(input, transpose(flat, 0, 1))
    shape = linear_weight.shape[:-1]
    logits = reshape(logits, (*input.shape[:-1], *shape))
    if linear_bias is not None:
        logits = logits + reshape(linear_bias, shape)
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
