"""Pooling as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._adaptive_pooling import AdaptiveSizes
from .._core import Tensor
from .._creation import _fail
from .._errors import OptionError
from .._windows import Sizes, sizes_of
from . import functional
from ._fractional_pooling import Ratios
from ._function_layer import FunctionLayer
from ._module import Module


class _MaxPool(FunctionLayer):
    """What the layers for each number of dimensions share: see `MaxPool2d`."""

    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    _settings = (*_shown, "return_indices")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode


class MaxPool1d(_MaxPool):
    """The largest element of each window of [N, C, L] or [C, L]; as `MaxPool2d`."""

    _function = "max_pool1d"


class MaxPool2d(_MaxPool):
    """The largest element of each window of [N, C, H, W] or [C, H, W].

    Args:
        kernel_size: the window: one number, or one for H and one for W, as for the others.
        stride: how far apart windows are; by default the size of the window.
        padding: how far the first windows begin before the input.
        dilation: how far apart the elements of a window are.
        return_indices: whether where they are, is returned too, as `MaxUnpool2d` takes it.
        ceil_mode: with windows that reach beyond the end.
    """

    _function = "max_pool2d"


class MaxPool3d(_MaxPool):
    """The largest element of each window of [N, C, D, H, W] or [C, D, H, W]; as `MaxPool2d`."""

    _function = "max_pool3d"


class _AvgPool(FunctionLayer):
    """What the layers for two and three dimensions share: see `AvgPool2d`."""

    _shown = ("kernel_size", "stride", "padding")
    _settings = (*_shown, "ceil_mode", "count_include_pad", "divisor_override")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class AvgPool1d(FunctionLayer):
    """The mean of each window of [N, C, L] or [C, L]; as `AvgPool2d`."""

    _function = "avg_pool1d"
    _shown = ("kernel_size", "stride", "padding")
    _settings = (*_shown, "ceil_mode", "count_include_pad")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        stride = kernel_size if stride is None else stride
        self.kernel_size = tuple(sizes_of(kernel_size, 1, "AvgPool1d: kernel_size"))
        self.stride = tuple(sizes_of(stride, 1, "AvgPool1d: stride"))
        self.padding = tuple(sizes_of(padding, 1, "AvgPool1d: padding"))
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class AvgPool2d(_AvgPool):
    """The mean of each window of [N, C, H, W] or [C, H, W].

    Args:
        kernel_size: the window: one number, or one for H and one for W, as for the others.
        stride: how far apart windows are; by default the size of the window.
        padding: how many zeros are around the input.
        ceil_mode: with windows that reach beyond the end.
        count_include_pad: whether the zeros are counted.
        divisor_override: by what sums are divided instead of the number of elements.
    """

    _function = "avg_pool2d"


class AvgPool3d(_AvgPool):
    """The mean of each window of [N, C, D, H, W] or [C, D, H, W]; as `AvgPool2d`."""

    _function = "avg_pool3d"


class _LPPool(FunctionLayer):
    """What the layers for each number of dimensions share: see `LPPool2d`."""

    _settings = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode


class LPPool1d(_LPPool):
    """The norm of each window of [N, C, L] or [C, L]; as `LPPool2d`."""

    _function = "lp_pool1d"


class LPPool2d(_LPPool):
    """The norm of order ``norm_type`` of each window of [N, C, H, W] or [C, H, W]; see
    `functional.lp_pool2d`."""

    _function = "lp_pool2d"


class LPPool3d(_LPPool):
    """The norm of each window of [N, C, D, H, W] or [C, D, H, W]; as `LPPool2d`."""

    _function = "lp_pool3d"


class _AdaptiveAvgPool(FunctionLayer):
    """What the layers for each number of dimensions share: see `AdaptiveAvgPool2d`."""

    _settings = ("output_size",)

    def __init__(self, output_size: AdaptiveSizes) -> None:
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of windows: [N, C, L] or [C, L] to [..., C, output_size]; as `AdaptiveAvgPool2d`."""

    _function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of windows: [N, C, H, W] or [C, H, W] to [..., C, *output_size].

    One size means both; None keeps that of the input.
    """

    _function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of windows: [N, C, D, H, W] or [C, D, H, W] to [..., C, *output_size]; as
    `AdaptiveAvgPool2d`."""

    _function = "adaptive_avg_pool3d"


class _AdaptiveMaxPool(FunctionLayer):
    """What the layers for each number of dimensions share: see `AdaptiveMaxPool2d`."""

    _shown = ("output_size",)
    _settings = (*_shown, "return_indices")

    def __init__(self, output_size: AdaptiveSizes, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of the windows of `AdaptiveAvgPool1d`; as `AdaptiveMaxPool2d`."""

    _function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of the windows of `AdaptiveAvgPool2d`; with ``return_indices`` also
    where they are in the flattened H and W."""

    _function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of the windows of `AdaptiveAvgPool3d`; as `AdaptiveMaxPool2d`."""

    _function = "adaptive_max_pool3d"


class _MaxUnpool(Module):
    """What the layers for each number of dimensions share: see `MaxUnpool2d`."""

    dimensions = 0

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        name, count = type(self).__name__, self.dimensions
        stride = kernel_size if stride is None else stride
        self.kernel_size = tuple(sizes_of(kernel_size, count, f"{name}: kernel_size"))
        self.stride = tuple(sizes_of(stride, count, f"{name}: stride"))
        self.padding = tuple(sizes_of(padding, count, f"{name}: padding"))

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """The input at the indices of a pooling, among zeros; see `functional.max_unpool2d`."""
        function = getattr(functional, f"max_unpool{self.dimensions}d")
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The inverse of `MaxPool1d` as far as there is one; as `MaxUnpool2d`."""

    dimensions = 1


class MaxUnpool2d(_MaxUnpool):
    """Elements back where `MaxPool2d`, whose options it takes, found them; zeros elsewhere."""

    dimensions = 2


class MaxUnpool3d(_MaxUnpool):
    """The inverse of `MaxPool3d` as far as there is one; as `MaxUnpool2d`."""

    dimensions = 3


class _FractionalMaxPool(Module):
    """What the layers for two and three dimensions share: see `FractionalMaxPool2d`."""

    dimensions = 0

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            name = type(self).__name__
            raise _fail(OptionError, f"{name}: give one of output_size and output_ratio")
        self.kernel_size, self.return_indices = kernel_size, return_indices
        self.output_size, self.output_ratio = output_size, output_ratio
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        """The largest elements; see `functional.fractional_max_pool2d`."""
        pool = getattr(functional, f"fractional_max_pool{self.dimensions}d")
        options = (self.output_size, self.output_ratio, self.return_indices)
        return pool(input, self.kernel_size, *options, self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest element of each window of [N, C, H, W] or [C, H, W], where windows lie at random
    distances, other ones at each call; see `functional.fractional_max_pool2d`.

    Raises:
        OptionError: neither a size nor a ratio is given, or both.
    """

    dimensions = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest element of each window of [N, C, D, H, W] or [C, D, H, W]; as
    `FractionalMaxPool2d`."""

    dimensions = 3
