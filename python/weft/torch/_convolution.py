"""Rules for convolutions, pooling and resampling, with their backward ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import weft
from weft.nn import functional

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, gradient

Sizes = Sequence[int]
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def _spread(sizes: Sizes, count: int) -> tuple[int, ...]:
    """ATen lets one number stand for all dimensions."""
    return tuple(sizes) * count if len(sizes) == 1 else tuple(sizes)


@TABLE.rule("aten.convolution.default")
def _convolution(
    x: weft.Tensor,
    weight: weft.Tensor,
    bias: weft.Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> weft.Tensor:
    count = weight.ndim - 2
    steps, widths = _spread(stride, count), _spread(padding, count)
    spaces = _spread(dilation, count)
    if transposed:
        more = _spread(output_padding, count)
        return _TRANSPOSED[count](x, weight, bias, steps, widths, more, groups, spaces)
    return _CONVOLUTIONS[count](x, weight, bias, steps, widths, spaces, groups)


@TABLE.rule("aten.convolution_backward.default")
def _convolution_backward(
    grad: weft.Tensor,
    x: weft.Tensor,
    weight: weft.Tensor,
    bias_sizes: Sizes | None,
    *options: Any,
) -> tuple:
    *sizes, mask = options
    wanted = [operand for operand, asked in zip((x, weight), mask) if asked]

    def forward(*operands: weft.Tensor) -> weft.Tensor:
        rest = list(operands)
        left = rest.pop(0) if mask[0] else x
        return _convolution(left, rest.pop(0) if mask[1] else weight, None, *sizes)

    found = list(gradient(forward, wanted, grad)) if wanted else []
    results = [found.pop(0) if asked else None for asked in mask[:2]]
    axes = (0, *range(2, grad.ndim)) if grad.ndim == x.ndim else tuple(range(1, grad.ndim))
    return (*results, weft.sum(grad, axis=axes) if mask[2] else None)


# Pooling -------------------------------------------------------------------------------------


def _pooled(function: Callable, count: int) -> Callable:
    """A pooling function with ATen's lists: an empty stride is the window, one number is all."""

    def pool(x: weft.Tensor, window: Sizes, stride: Sizes, padding: Sizes, *rest: Any) -> Any:
        size = _spread(window, count)
        steps = _spread(stride, count) if stride else size
        return function(x, size, steps, _spread(padding, count), *rest)

    return pool


def _average(count: int) -> Callable:
    pool = _pooled(getattr(functional, f"avg_pool{count}d"), count)

    def rule(
        x: weft.Tensor,
        window: Sizes,
        stride: Sizes = (),
        padding: Sizes = (0,),
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor: int | None = None,
    ) -> weft.Tensor:
        others = () if divisor is None else (divisor,)  # one dimension has none
        return pool(x, window, stride, padding, ceil_mode, count_include_pad, *others)

    def backward(grad: weft.Tensor, x: weft.Tensor, *options: Any) -> weft.Tensor:
        return gradient(lambda operand: rule(operand, *options), (x,), grad)[0]

    TABLE.rule(f"aten.avg_pool{count}d_backward.default")(backward)
    return TABLE.rule(f"aten.avg_pool{count}d.default")(rule)


def _largest(count: int) -> Callable:
    function = getattr(functional, f"max_pool{count}d")
    pool = _pooled(function, count)

    def rule(
        x: weft.Tensor,
        window: Sizes,
        stride: Sizes = (),
        padding: Sizes = (0,),
        dilation: Sizes = (1,),
        ceil_mode: bool = False,
    ) -> tuple[weft.Tensor, weft.Tensor]:
        spaces = _spread(dilation, count)
        values, places = pool(x, window, stride, padding, spaces, ceil_mode, True)
        return values, places

    def backward(
        grad: weft.Tensor,
        x: weft.Tensor,
        window: Sizes,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        ceil_mode: bool,
        places: weft.Tensor,
    ) -> weft.Tensor:
        def forward(operand: weft.Tensor) -> weft.Tensor:
            spaces = _spread(dilation, count)
            return pool(operand, window, stride, padding, spaces, ceil_mode, False)

        return gradient(forward, (x,), grad)[0]

    TABLE.rule(f"aten.max_pool{count}d_with_indices_backward.default")(backward)
    return TABLE.rule(f"aten.max_pool{count}d_with_indices.default")(rule)


for _count in (2, 3):
    _average(_count)
    _largest(_count)
_average(1)


def _adaptive(count: int) -> None:
    function = getattr(functional, f"adaptive_avg_pool{count}d")

    def rule(x: weft.Tensor, size: Sizes) -> weft.Tensor:
        return function(x, tuple(size))

    def backward(grad: weft.Tensor, x: weft.Tensor) -> weft.Tensor:
        return gradient(lambda operand: rule(operand, grad.shape[-count:]), (x,), grad)[0]

    TABLE.rule(f"aten._adaptive_avg_pool{count}d.default")(rule)
    TABLE.rule(f"aten._adaptive_avg_pool{count}d_backward.default")(backward)


def _adaptive_largest(count: int) -> None:
    function = getattr(functional, f"adaptive_max_pool{count}d")

    def rule(x: weft.Tensor, size: Sizes) -> tuple:
        return tuple(function(x, tuple(size), return_indices=True))

    def backward(grad: weft.Tensor, x: weft.Tensor, _: weft.Tensor) -> weft.Tensor:
        return gradient(lambda operand: function(operand, grad.shape[-count:]), (x,), grad)[0]

    TABLE.rule(f"aten.adaptive_max_pool{count}d.default")(rule)
    TABLE.rule(f"aten.adaptive_max_pool{count}d_backward.default")(backward)


for _count in (2, 3):
    _adaptive(_count)
    _adaptive_largest(_count)


def _fractional(count: int) -> None:
    function = getattr(functional, f"fractional_max_pool{count}d")

    def rule(x: weft.Tensor, window: Sizes, size: Sizes, samples: weft.Tensor) -> tuple:
        return tuple(function(x, tuple(window), tuple(size), None, True, samples))

    def backward(
        grad: weft.Tensor, x: weft.Tensor, window: Sizes, size: Sizes, places: weft.Tensor
    ) -> weft.Tensor:
        flat = weft.reshape(weft.zeros_like(x), (*x.shape[:-count], -1))
        rows = (weft.reshape(y, (*y.shape[:-count], -1)) for y in (places, grad))
        return weft.reshape(flat.scatter_add(-1, *rows), x.shape)

    TABLE.rule(f"aten.fractional_max_pool{count}d.default")(rule)
    TABLE.rule(f"aten.fractional_max_pool{count}d_backward.default")(backward)


_fractional(2)
_fractional(3)


# Windows and resampling ----------------------------------------------------------------------


@TABLE.rule("aten.im2col.default")
def _im2col(
    x: weft.Tensor, window: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> weft.Tensor:
    return functional.unfold(x, tuple(window), tuple(dilation), tuple(padding), tuple(stride))


@TABLE.rule("aten.col2im.default")
def _col2im(
    x: weft.Tensor, size: Sizes, window: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> weft.Tensor:
    return functional.fold(
        x, tuple(size), tuple(window), tuple(dilation), tuple(padding), tuple(stride)
    )


@TABLE.rule("aten.upsample_nearest1d.vec", "aten.upsample_nearest2d.vec")
@TABLE.rule("aten.upsample_nearest3d.vec")
def _nearest(x: weft.Tensor, size: Sizes | None, scales: Sequence[float] | None) -> weft.Tensor:
    wanted = None if size is None else tuple(size)
    return functional.interpolate(x, wanted, None if wanted else tuple(scales or ()))


def _smooth(name: str, mode: str, antialias: bool) -> None:
    """Upsampling in two dimensions, and, where ATen has no decomposition, its backward op."""

    def rule(
        x: weft.Tensor, size: Sizes | None, align: bool, scales: Sequence[float] | None
    ) -> weft.Tensor:
        wanted = None if size is None else tuple(size)
        factors = None if wanted else tuple(scales or ())
        return functional.interpolate(x, wanted, factors, mode, align, antialias=antialias)

    def resized(x: weft.Tensor, size: Sizes, align: bool, *scales: float | None) -> weft.Tensor:
        if any(scale is not None for scale in scales):
            found = rule(x, None, align, [scale or 1.0 for scale in scales])
            if found.shape[2:] == tuple(size):
                return found
            raise _fail(UnsupportedError, "scales that make other sizes than those asked for")
        return rule(x, size, align, None)

    def backward(
        grad: weft.Tensor, size: Sizes, before: Sizes, align: bool, *scales: float | None
    ) -> weft.Tensor:
        like = weft.zeros(tuple(before), dtype=grad.dtype)
        return gradient(lambda x: resized(x, size, align, *scales), (like,), grad)[0]

    TABLE.rule(f"aten.{name}.vec")(rule)
    if antialias:
        TABLE.rule(f"aten.{name}.default")(resized)
        TABLE.rule(f"aten.{name}_backward.default")(backward)


_smooth("upsample_bilinear2d", "bilinear", antialias=False)
_smooth("_upsample_bilinear2d_aa", "bilinear", antialias=True)
_smooth("_upsample_bicubic2d_aa", "bicubic", antialias=True)


@TABLE.rule("aten.grid_sampler_2d.default", "aten.grid_sampler_3d.default")
def _grid_sampler(
    x: weft.Tensor, grid: weft.Tensor, mode: int, padding: int, align: bool
) -> weft.Tensor:
    return functional.grid_sample(
        x,
        grid,
        mode=("bilinear", "nearest", "bicubic")[mode],
        padding_mode=("zeros", "border", "reflection")[padding],
        align_corners=align,
    )


@TABLE.rule("aten.grid_sampler_2d_backward.default", "aten.grid_sampler_3d_backward.default")
def _grid_sampler_backward(
    grad: weft.Tensor,
    x: weft.Tensor,
    grid: weft.Tensor,
    mode: int,
    padding: int,
    align: bool,
    mask: Sequence[bool],
) -> tuple:
    def forward(*operands: weft.Tensor) -> weft.Tensor:
        return _grid_sampler(*operands, mode, padding, align)

    found = gradient(forward, (x, grid), grad)
    return tuple(result if asked else None for result, asked in zip(found, mask))
