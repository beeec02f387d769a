"""Convolutions and their transposes as layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .._convolutions import border_of_same
from .._core import Tensor
from .._creation import _fail, _size, empty
from .._errors import OptionError, ShapeError
from .._windows import Sizes, sizes_of
from . import functional, init
from ._layers import uniform_bias
from ._module import Module
from ._parameter import Parameter

#: What surrounds the input of a convolution, and the mode of `functional.pad` that does it.
_PADDING_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


class _ConvolutionLayer(Module):
    """What convolutions and their transposes share: weight [*channels, *kernel_size] and bias."""

    #: How many dimensions are behind the channels, and whether it is a transpose.
    dimensions = 0
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes | str,
        dilation: Sizes,
        output_padding: Sizes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: object,
        dtype: object,
    ) -> None:
        super().__init__()
        name, count = type(self).__name__, self.dimensions
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise _fail(
                ShapeError,
                f"{name}: {groups} groups do not divide {in_channels} input "
                f"and {out_channels} output channels",
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = tuple(sizes_of(kernel_size, count, f"{name}: kernel_size"))
        self.stride = tuple(sizes_of(stride, count, f"{name}: stride"))
        self.dilation = tuple(sizes_of(dilation, count, f"{name}: dilation"))
        self.output_padding = tuple(sizes_of(output_padding, count, f"{name}: output_padding"))
        self.padding: tuple[int, ...] | str = (
            padding
            if isinstance(padding, str)
            else tuple(sizes_of(padding, count, f"{name}: padding"))
        )
        self._check_padding(padding_mode)
        self.padding_mode = padding_mode
        first, second = (
            (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        )
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, dtype=dtype, device=device))
        self.register_parameter(
            "bias", Parameter(empty(out_channels, dtype=dtype, device=device)) if bias else None
        )
        self.reset_parameters()

    def _check_padding(self, mode: str) -> None:
        name = type(self).__name__
        if isinstance(self.padding, str):
            known = () if self.transposed else ("valid", "same")
            if self.padding not in known:
                raise _fail(
                    OptionError,
                    f"{name}: padding is {self.padding!r}, but has to be "
                    + " or ".join(["numbers", *map(repr, known)]),
                )
            if self.padding == "same" and any(step != 1 for step in self.stride):
                raise _fail(OptionError, f'{name}: padding "same" needs stride 1')
        modes = ("zeros",) if self.transposed else tuple(_PADDING_MODES)
        if mode not in modes:
            raise _fail(
                OptionError, f"{name}: padding_mode is {mode!r}, but has to be one of {[*modes]}"
            )

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            uniform_bias(self.bias, math.prod(self.weight.shape[1:]))

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        zeros, ones = (0,) * self.dimensions, (1,) * self.dimensions
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Convolution(_ConvolutionLayer):
    """What the layers for each number of dimensions share: see `Conv2d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: object = None,
    ) -> None:
        options = (stride, padding, dilation, 0, groups, bias, padding_mode, device, dtype)
        super().__init__(in_channels, out_channels, kernel_size, *options)

    def _border(self) -> list[int]:
        """The sizes of `functional.pad` for what surrounds the input."""
        if self.padding == "same":
            pairs = border_of_same(self.kernel_size, self.dilation)
        elif isinstance(self.padding, str):
            pairs = [(0, 0)] * self.dimensions
        else:
            pairs = [(size, size) for size in self.padding]
        return [size for pair in reversed(pairs) for size in pair]

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...] or [C, ...] to [..., out_channels, ...]. Raises ShapeError for other C."""
        padding: tuple[int, ...] | str = self.padding
        if self.padding_mode != "zeros":
            input = functional.pad(input, self._border(), _PADDING_MODES[self.padding_mode])
            padding = "valid"
        function = getattr(functional, f"conv{self.dimensions}d")
        options = (self.stride, padding, self.dilation, self.groups)
        return function(input, self.weight, self.bias, *options)


class Conv1d(_Convolution):
    """A convolution of [N, C, L] or [C, L]; as `Conv2d`."""

    dimensions = 1


class Conv2d(_Convolution):
    """A convolution of [N, C, H, W] or [C, H, W].

    Args:
        in_channels, out_channels: C, and the channels of the result.
        kernel_size, stride, padding, dilation: one number, or one for H and one for W; padding may
            be "valid" or (with stride 1) "same".
        groups: how many parts the channels fall into, each convolved by itself.
        bias: whether one number is added to each channel.
        padding_mode: what surrounds the input: "zeros", or as `functional.pad` has it, "reflect",
            "replicate" or "circular".
        device, dtype: of weight and bias.

    Attributes:
        weight: [out_channels, in_channels / groups, *kernel_size], uniform in ±1 / sqrt(fan in).
        bias: [out_channels], of the same distribution; None without.

    Raises:
        ShapeError: the groups do not divide the channels. OptionError: there is no such padding.
    """

    dimensions = 2


class Conv3d(_Convolution):
    """A convolution of [N, C, D, H, W] or [C, D, H, W]; as `Conv2d`."""

    dimensions = 3


class _TransposedConvolution(_ConvolutionLayer):
    """What the layers for each number of dimensions share: see `ConvTranspose2d`."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: object = None,
    ) -> None:
        options = (stride, padding, dilation, output_padding, groups, bias)
        super().__init__(
            in_channels, out_channels, kernel_size, *options, padding_mode, device, dtype
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """By how much the result is longer than the least one, to be of a size."""
        if output_size is None:
            return self.output_padding
        name, count = type(self).__name__, self.dimensions
        wanted = [_size(size, f"{name}: output_size") for size in output_size]
        wanted = wanted[-count:] if len(wanted) in (count, input.ndim) else []
        border = self.padding if isinstance(self.padding, tuple) else ()
        options = (input.shape[-count:], self.stride, border, self.kernel_size, self.dilation)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, k, d in zip(*options)]
        more = [size - start for size, start in zip(wanted, least)]
        if len(more) != count or not all(0 <= m < s for m, s in zip(more, self.stride)):
            most = [size + s - 1 for size, s in zip(least, self.stride)]
            raise _fail(
                ShapeError,
                f"{name}: output_size {tuple(output_size)} has to be from {tuple(least)} to "
                f"{tuple(most)} for an input of shape {input.shape}",
            )
        return tuple(more)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """[N, C, ...] or [C, ...] to [..., out_channels, ...], of ``output_size`` where given.

        Raises:
            ShapeError: C differs, or the result can't be of that size.
        """
        function = getattr(functional, f"conv_transpose{self.dimensions}d")
        longer = self._output_padding(input, output_size)
        options = (self.stride, self.padding, longer, self.groups, self.dilation)
        return function(input, self.weight, self.bias, *options)


class ConvTranspose1d(_TransposedConvolution):
    """The transpose of `Conv1d`: of [N, C, L] or [C, L]; as `ConvTranspose2d`."""

    dimensions = 1


class ConvTranspose2d(_TransposedConvolution):
    """The transpose of `Conv2d`: of [N, C, H, W] or [C, H, W]; see `functional.conv_transpose2d`.

    Args:
        in_channels, out_channels: C, and the channels of the result.
        kernel_size, stride, padding, output_padding, dilation: one number, or one for H and one
            for W.
        groups: how many parts the channels fall into.
        bias: whether one number is added to each channel.
        padding_mode: "zeros" alone.
        device, dtype: of weight and bias.

    Attributes:
        weight: [in_channels, out_channels / groups, *kernel_size], uniform in ±1 / sqrt(the
            elements of one of its in_channels).
        bias: [out_channels], of the same distribution; None without.

    Raises:
        ShapeError: the groups do not divide the channels. OptionError: there is no such padding.
    """

    dimensions = 2


class ConvTranspose3d(_TransposedConvolution):
    """The transpose of `Conv3d`: of [N, C, D, H, W] or [C, D, H, W]; as `ConvTranspose2d`."""

    dimensions = 3
