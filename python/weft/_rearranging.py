"""Elements of images between channels, windows and places, with PyTorch's arguments."""

from __future__ import annotations

import math

import numpy as np

from . import _core
from ._core import Tensor
from ._creation import _fail, asarray, zeros
from ._errors import ShapeError
from ._manipulation import astype, permute_dims, reshape, slice_
from ._manipulation import pad as _pad_with
from ._windows import (
    Sizes,
    Windows,
    batched,
    check_least,
    constant,
    flat_places,
    floating,
    known_sizes,
    pick,
    sizes_of,
    unbatched,
    widened,
)


def _factor(value: int, name: str, option: str) -> int:
    (factor,) = sizes_of(value, 1, f"{name}: {option}")
    check_least([factor], 1, f"{name}: {option}")
    return factor


def _check_image(x: Tensor, name: str, dividing: tuple[int, ...], factor: int) -> None:
    """Raises ShapeError unless x is [..., C, H, W], and the factor divides these dimensions."""
    if x.ndim < 3:
        raise _fail(
            ShapeError, f"{name}: the input has shape {x.shape}, but has to be [..., C, H, W]"
        )
    if any(x.shape[axis] % factor for axis in dividing):
        raise _fail(
            ShapeError,
            f"{name}: shape {x.shape} has a dimension {', '.join(map(str, dividing))} that "
            f"{factor} does not divide",
        )


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """[..., C r r, H, W] to [..., C, H r, W r]: channels become the pixels of squares of r by r.

    Raises:
        ShapeError: r * r does not divide the channels.
    """
    x, r = asarray(input), _factor(upscale_factor, "pixel_shuffle", "upscale_factor")
    _check_image(x, "pixel_shuffle", (-3,), r * r)
    *outer, channels, height, width = x.shape
    apart = reshape(x, (*outer, channels // (r * r), r, r, height, width))
    k = len(outer)
    moved = permute_dims(apart, (*range(k + 1), k + 3, k + 1, k + 4, k + 2))
    return reshape(moved, (*outer, channels // (r * r), height * r, width * r)).clone()


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """[..., C, H r, W r] to [..., C r r, H, W]: the inverse of `pixel_shuffle`.

    Raises:
        ShapeError: r does not divide the height and the width.
    """
    x, r = asarray(input), _factor(downscale_factor, "pixel_unshuffle", "downscale_factor")
    _check_image(x, "pixel_unshuffle", (-2, -1), r)
    *outer, channels, height, width = x.shape
    apart = reshape(x, (*outer, channels, height // r, r, width // r, r))
    k = len(outer)
    moved = permute_dims(apart, (*range(k + 1), k + 2, k + 4, k + 1, k + 3))
    return reshape(moved, (*outer, channels * r * r, height // r, width // r)).clone()


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """[N, C, ...] with the channels of the groups taken in turn (Zhang et al., 2018).

    Raises:
        ShapeError: the groups do not divide the channels, or the input has less than 3 dimensions.
    """
    x, count = asarray(input), _factor(groups, "channel_shuffle", "groups")
    if x.ndim < 3:
        raise _fail(
            ShapeError, f"channel_shuffle: the input has shape {x.shape}, but has to be [N, C, ...]"
        )
    if x.shape[1] % count:
        raise _fail(
            ShapeError, f"channel_shuffle: {count} groups do not divide the channels of {x.shape}"
        )
    apart = reshape(x, (x.shape[0], count, x.shape[1] // count, *x.shape[2:]))
    return reshape(permute_dims(apart, (0, 2, 1, *range(3, apart.ndim))), x.shape).clone()


def _blocks(
    name: str,
    padded: tuple[int, ...],
    kernel_size: Sizes,
    dilation: Sizes,
    stride: Sizes,
) -> np.ndarray:
    """Where in a padded image of these sizes the elements of each block are: [elements, blocks]."""
    given = {"kernel_size": kernel_size, "dilation": dilation, "stride": stride}
    checked = {key: sizes_of(value, 2, f"{name}: {key}") for key, value in given.items()}
    for key, values in checked.items():
        check_least(values, 1, f"{name}: {key}")
    window = checked["kernel_size"]
    windows = []
    for size, k, d, s in zip(padded, *checked.values(), strict=True):
        count = (size - d * (k - 1) - 1) // s + 1
        if count < 1:
            raise _fail(
                ShapeError,
                f"{name}: the block {window} is larger than the padded image of sizes {padded}",
            )
        windows.append(Windows.sliding(size, count, k, s, 0, d))
    return flat_places(windows, padded)[0].T


def unfold(
    input: Tensor,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """The blocks of an image as columns: [N, C, H, W] or [C, H, W] to [..., C KH KW, blocks].

    Args:
        input: floating.
        kernel_size: the size of a block.
        dilation: how far apart the elements of a block are.
        padding: how many zeros are around the image.
        stride: how far apart the blocks are.

    Raises:
        ShapeError: the input has other dimensions, or the block is larger. UnsupportedError: the
            sizes are not known while exporting. DTypeError: the input is not floating.
    """
    x, single = batched(floating(input, "unfold"), 2, "unfold")
    borders = sizes_of(padding, 2, "unfold: padding")
    check_least(borders, 0, "unfold: padding")
    sizes = known_sizes(x, 2, "unfold")
    padded = tuple(size + 2 * p for size, p in zip(sizes, borders, strict=True))
    table = _blocks("unfold", padded, kernel_size, dilation, stride)
    if any(borders):
        x = _pad_with(x, [(0, 0), (0, 0), *((p, p) for p in borders)])
    n, channels = x.shape[:2]
    columns = pick(reshape(x, (n, channels, math.prod(padded))), constant(table, x), 2)
    return unbatched(reshape(columns, (n, channels * table.shape[0], table.shape[1])), single)


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Blocks added up where `unfold` takes them: [N, C KH KW, blocks] or without N, to
    [..., C, *output_size].

    Args:
        input: floating.
        output_size: height and width of the image.
        kernel_size: the size of a block.
        dilation: how far apart the elements of a block are.
        padding: by how much the first blocks begin before the image.
        stride: how far apart the blocks are.

    Raises:
        ShapeError: the input does not fit the options. DTypeError: the input is not floating.
    """
    given, single = batched(floating(input, "fold"), 1, "fold")
    x = widened(given)
    sizes = sizes_of(output_size, 2, "fold: output_size")
    borders = sizes_of(padding, 2, "fold: padding")
    check_least(sizes, 1, "fold: output_size")
    check_least(borders, 0, "fold: padding")
    padded = tuple(size + 2 * p for size, p in zip(sizes, borders, strict=True))
    table = _blocks("fold", padded, kernel_size, dilation, stride)
    elements, blocks = table.shape
    n, rows, columns = x.shape
    if rows % elements or columns != blocks:
        raise _fail(
            ShapeError,
            f"fold: the input has shape {x.shape}, but for {blocks} blocks of {elements} elements "
            f"has to be [N, C * {elements}, {blocks}]",
        )
    channels = rows // elements
    image = zeros(n, channels, math.prod(padded), dtype=x.dtype, device=x.device)
    updates = reshape(x, (n, channels, elements, blocks))
    image = _core.apply("weft.scatter_add", (image, constant(table, x), updates), {"axis": 2})
    image = reshape(image, (n, channels, *padded))
    image = slice_(image, (0, 0, *borders), (1, 1, 1, 1), (n, channels, *sizes))
    return unbatched(astype(image, given.dtype, copy=False), single)
