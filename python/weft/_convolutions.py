"""Convolutions over one to three dimensions, and their transposes, with PyTorch's arguments.

There is one operation, over two dimensions. One dimension is two of which the first has one
element. Of three the first becomes channels: a window over several planes is one over a plane of so
many times the channels.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import _core
from ._core import Tensor
from ._creation import _fail, full
from ._errors import OptionError, ShapeError
from ._manipulation import flip, permute_dims, reshape, slice_, stack
from ._manipulation import pad as _pad_with
from ._windows import (
    Sizes,
    batched,
    check_least,
    floating,
    sizes_of,
    unbatched,
)

_KERNELS = {1: "K", 2: "KH, KW", 3: "KD, KH, KW"}


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution: input [N, C, L] or [C, L], weight [O, C / groups, K], bias [O].

    As `conv2d` otherwise.
    """
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution: input [N, C, H, W] or [C, H, W], weight [O, C / groups, KH, KW], bias [O].

    ``padding`` may be "valid" or (with stride 1) "same", which for an even window pads one more
    behind than in front.

    Raises:
        ShapeError: the channels, groups or window do not fit. OptionError: the padding is neither
            numbers nor one of these.
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution: input [N, C, D, H, W] or [C, D, H, W], weight [O, C / groups, KD, KH, KW],
    bias [O].

    As `conv2d` otherwise. The input is held KD times over.
    """
    return _convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv1d`: input [N, C, L] or [C, L], weight [C, O / groups, K], bias [O].

    As `conv_transpose2d` otherwise.
    """
    options = (stride, padding, output_padding, dilation)
    return _transposed("conv_transpose1d", 1, input, weight, bias, options, groups)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv2d`, which is its derivative by its input: input [N, C, H, W] or
    [C, H, W], weight [C, O / groups, KH, KW], bias [O].

    Each dimension becomes (size - 1) stride - 2 padding + dilation (window - 1) + output_padding
    + 1 long. It is a convolution with the turned weight of the input with zeros between its
    elements and around them (Dumoulin and Visin, 2016).

    Args:
        input: the input.
        weight: the weight.
        bias: is added to the channels.
        stride: how far apart the elements of the input are in the result.
        padding: how much is left out at the ends of each dimension.
        output_padding: how much longer the result is; less than stride or dilation.
        groups: how many parts the channels fall into.
        dilation: how far apart the elements of the window are.

    Raises:
        ShapeError: the shapes, groups or options do not fit.
    """
    options = (stride, padding, output_padding, dilation)
    return _transposed("conv_transpose2d", 2, input, weight, bias, options, groups)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv3d`: input [N, C, D, H, W] or [C, D, H, W], weight
    [C, O / groups, KD, KH, KW], bias [O].

    As `conv_transpose2d` otherwise.
    """
    options = (stride, padding, output_padding, dilation)
    return _transposed("conv_transpose3d", 3, input, weight, bias, options, groups)


def _checked(
    name: str, count: int, input: Tensor, weight: Tensor, kernel: str, groups: int
) -> tuple[Tensor, Tensor, bool]:
    """The input with N, the weight, and whether the input came without N."""
    x, weight = floating(input, name), floating(weight, f"{name} (weight)")
    x, single = batched(x, count, name)
    if weight.ndim != count + 2:
        raise _fail(
            ShapeError,
            f"{name} (weight): the input has shape {weight.shape}, but has to be "
            f"[{kernel}, {_KERNELS[count]}]",
        )
    if groups < 1:
        raise _fail(OptionError, f"{name}: groups is {groups}, but has to be at least 1")
    return x, weight, single


def border_of_same(window: Sequence[int], dilations: Sequence[int]) -> list[tuple[int, int]]:
    """What "same" pads before and behind each dimension."""
    totals = [d * (k - 1) for d, k in zip(dilations, window, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def _convolution(
    name: str,
    count: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    x, weight, single = _checked(name, count, input, weight, "O, C / groups", groups)
    strides = sizes_of(stride, count, f"{name}: stride")
    dilations = sizes_of(dilation, count, f"{name}: dilation")
    behind = [0] * count
    if padding == "same":
        if any(step != 1 for step in strides):
            raise _fail(OptionError, f'{name}: padding "same" needs stride 1')
        pairs = border_of_same(weight.shape[2:], dilations)
        borders, behind = [low for low, _ in pairs], [high - low for low, high in pairs]
    elif isinstance(padding, str) and padding != "valid":
        raise _fail(
            OptionError, f'{name}: padding is {padding!r}, but has to be numbers, "valid" or "same"'
        )
    else:
        borders = sizes_of(0 if padding == "valid" else padding, count, f"{name}: padding")
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        needed = (
            f"the weight needs a multiple of {groups} filters, not {weight.shape[0]}"
            if weight.shape[0] % groups
            else f"the input needs {weight.shape[1] * groups} channels"
        )
        raise _fail(
            ShapeError,
            f"{name}: an input of shape {x.shape} and a weight of shape "
            f"{weight.shape} do not fit with {groups} groups: {needed}",
        )
    if any(behind):
        x = _pad_with(x, [(0, 0), (0, 0), *((0, more) for more in behind)])
    return unbatched(_convolved(x, weight, bias, strides, borders, dilations, groups), single)


def _convolved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: Sequence[int],
    borders: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> Tensor:
    if len(strides) == 1:
        x, weight = (reshape(part, (*part.shape[:2], 1, part.shape[2])) for part in (x, weight))
        options = ([1, *strides], [0, *borders], [1, *dilations])
        result = _convolved(x, weight, bias, *options, groups)
        return reshape(result, (*result.shape[:2], result.shape[3]))
    if len(strides) == 3:
        return _over_planes(x, weight, bias, strides, borders, dilations, groups)
    return _core.apply(
        "weft.conv2d",
        (x, weight) if bias is None else (x, weight, bias),
        {
            "strides": list(strides),
            "padding": list(borders),
            "dilations": list(dilations),
            "groups": groups,
        },
    )


def _over_planes(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: Sequence[int],
    borders: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> Tensor:
    """The convolution of x [N, C, D, H, W] as one of [N * D', C * KD, H, W]."""
    for values, least, what in ((strides, 1, "stride"), (dilations, 1, "dilation")):
        check_least(values, least, f"conv3d: {what}")
    check_least(borders, 0, "conv3d: padding")
    if borders[0]:
        x = _pad_with(x, [(0, 0), (0, 0), (borders[0], borders[0]), (0, 0), (0, 0)])
    n, channels, depth, height, width = x.shape
    filters, inner, window, *plane = weight.shape
    count = (depth - dilations[0] * (window - 1) - 1) // strides[0] + 1
    if isinstance(count, int) and count < 1:
        raise _fail(
            ShapeError,
            f"conv3d: the kernel {weight.shape} is larger than the padded input {x.shape}",
        )
    planes = permute_dims(x, (0, 2, 1, 3, 4))
    shape = (n, count, channels, height, width)
    seen = [
        slice_(planes, (0, place * dilations[0], 0, 0, 0), (1, strides[0], 1, 1, 1), shape)
        for place in range(window)
    ]
    result = _convolved(
        reshape(stack(seen, axis=3), (n * count, channels * window, height, width)),
        reshape(weight, (filters, inner * window, *plane)),
        bias,
        strides[1:],
        borders[1:],
        dilations[1:],
        groups,
    )
    return permute_dims(reshape(result, (n, count, *result.shape[1:])), (0, 2, 1, 3, 4))


def _transposed(
    name: str,
    count: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    options: tuple[Sizes, Sizes, Sizes, Sizes],
    groups: int,
) -> Tensor:
    x, weight, single = _checked(name, count, input, weight, "C, O / groups", groups)
    names = ("stride", "padding", "output_padding", "dilation")
    strides, borders, longer, dilations = (
        sizes_of(value, count, f"{name}: {option}")
        for value, option in zip(options, names, strict=True)
    )
    for values, least, option in zip((strides, borders, longer, dilations), (1, 0, 0, 1), names):
        check_least(values, least, f"{name}: {option}")
    if any(more >= max(s, d) for more, s, d in zip(longer, strides, dilations, strict=True)):
        raise _fail(
            ShapeError,
            f"{name}: output_padding is {tuple(longer)}, but has to be less than stride "
            f"{tuple(strides)} or dilation {tuple(dilations)}",
        )
    if x.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise _fail(
            ShapeError,
            f"{name}: an input of shape {x.shape} and a weight of shape {weight.shape} do not fit "
            f"with {groups} groups",
        )
    if any(size == 0 for size in x.shape[2:]):
        raise _fail(ShapeError, f"{name}: the input of shape {x.shape} has no element to spread")
    window = weight.shape[2:]
    low = [d * (k - 1) - p for d, k, p in zip(dilations, window, borders, strict=True)]
    high = [before + more for before, more in zip(low, longer, strict=True)]
    ones = [1] * count
    turned = _turned(weight, groups)
    if strides == ones and low == high and min(low) >= 0:
        result = _convolved(x, turned, bias, ones, low, dilations, groups)
    else:
        spread = _spread(x, strides, low, high, name)
        result = _convolved(spread, turned, bias, ones, [0] * count, dilations, groups)
    return unbatched(result, single)


def _turned(weight: Tensor, groups: int) -> Tensor:
    """weight [C, O / groups, ...] as the [O, C / groups, ...] of a convolution, read backwards."""
    channels, filters, *window = weight.shape
    apart = reshape(weight, (groups, channels // groups, filters, *window))
    apart = permute_dims(apart, (0, 2, 1, *range(3, apart.ndim)))
    joined = reshape(apart, (groups * filters, channels // groups, *window))
    return flip(joined, axis=list(range(2, joined.ndim)))


def _spread(
    x: Tensor, strides: Sequence[int], low: Sequence[int], high: Sequence[int], name: str
) -> Tensor:
    """x [N, C, ...] with stride - 1 zeros between its elements, and ``low`` and ``high`` around
    them; below 0 so many are left out."""
    before, behind = ([max(size, 0) for size in sizes] for sizes in (low, high))
    sizes = [(size - 1) * step + 1 for size, step in zip(x.shape[2:], strides, strict=True)]
    padded = [sum(parts) for parts in zip(before, sizes, behind, strict=True)]
    kept = [sum(parts) for parts in zip(low, sizes, high, strict=True)]
    if any(isinstance(size, int) and size < 1 for size in kept):
        raise _fail(
            ShapeError,
            f"{name}: the padding leaves nothing of an input of shape {x.shape}",
        )
    filler = full((), 0, dtype=x.dtype, device=x.device)
    attributes = {"low": [0, 0, *before], "interior": [0, 0, *(step - 1 for step in strides)]}
    spread = _core.apply("weft.pad", (x, filler), attributes, (*x.shape[:2], *padded), x.dtype)
    starts = [0, 0, *(max(-size, 0) for size in low)]
    return slice_(spread, starts, [1] * x.ndim, (*x.shape[:2], *kept))
