"""Other sizes, and elements between channels, windows and places, as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._windows import Sizes
from ._function_layer import FunctionLayer


class Upsample(FunctionLayer):
    """[N, C, L], [N, C, H, W] or [N, C, D, H, W] brought to other sizes; see
    `functional.interpolate`.

    Args:
        size: the sizes behind [N, C], or one for all.
        scale_factor: by what they are multiplied instead.
        mode: "nearest", "linear", "bilinear", "bicubic", "trilinear", "nearest-exact" or "area".
        align_corners: whether the centres of the outermost elements stay where they are.
        recompute_scale_factor: whether the sizes alone decide where elements are read.
    """

    _function = "interpolate"
    _settings = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size: Any = tuple(size) if isinstance(size, (list, tuple)) else size
        factors: Any = scale_factor
        if isinstance(factors, (list, tuple)):
            factors = tuple(float(factor) for factor in factors)
        elif factors is not None:
            factors = float(factors)
        self.scale_factor = factors
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        which = "size" if self.scale_factor is None else "scale_factor"
        return f"{which}={getattr(self, which)!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """[N, C, H, W] brought to another size, or multiplied, by the nearest elements."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """[N, C, H, W] brought to another size, or multiplied, between elements; corners stay."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(FunctionLayer):
    """[..., C r r, H, W] to [..., C, H r, W r]: channels become the pixels of squares."""

    _function, _settings = "pixel_shuffle", ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor


class PixelUnshuffle(FunctionLayer):
    """[..., C, H r, W r] to [..., C r r, H, W]: the inverse of `PixelShuffle`."""

    _function, _settings = "pixel_unshuffle", ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor


class ChannelShuffle(FunctionLayer):
    """[N, C, ...] with the channels of the groups taken in turn."""

    _function, _settings = "channel_shuffle", ("groups",)

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups


class Unfold(FunctionLayer):
    """The blocks of an image as columns; see `functional.unfold`.

    Args:
        kernel_size: the size of a block: one number, or one for H and one for W, as the others.
        dilation: how far apart the elements of a block are.
        padding: how many zeros are around the image.
        stride: how far apart the blocks are.
    """

    _function, _settings = "unfold", ("kernel_size", "dilation", "padding", "stride")

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride


class Fold(FunctionLayer):
    """Blocks added up where `Unfold` takes them; see `functional.fold`.

    Args:
        output_size: height and width of the image.
        kernel_size: the size of a block.
        dilation: how far apart the elements of a block are.
        padding: by how much the first blocks begin before the image.
        stride: how far apart the blocks are.
    """

    _function = "fold"
    _settings = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride
