"""Padding as layers."""

from __future__ import annotations

from .._core import Tensor
from .._creation import _fail
from .._errors import ShapeError
from .._windows import Sizes, sizes_of
from . import functional
from ._module import Module


class _Pad(Module):
    """Elements around the last dimensions: sizes before and after the last one, the one before...

    One size means all. A negative one takes elements away; see `functional.pad`.
    """

    dimensions = 0
    mode = "constant"

    def __init__(self, padding: Sizes) -> None:
        super().__init__()
        name, count = type(self).__name__, 2 * self.dimensions
        if isinstance(padding, (list, tuple)) and len(padding) != count:
            raise _fail(
                ShapeError, f"{name}: padding has to be one integer or {count}, not {padding}"
            )
        self.padding = tuple(
            size
            for part in (padding if isinstance(padding, (list, tuple)) else [padding] * count)
            for size in sizes_of(part, 1, f"{name}: padding")
        )

    def _check(self, input: Tensor) -> None:
        if input.ndim not in (self.dimensions + 1, self.dimensions + 2):
            raise _fail(
                ShapeError,
                f"{type(self).__name__}: the input has shape {input.shape}, but needs "
                f"{self.dimensions + 1} or {self.dimensions + 2} dimensions",
            )

    def forward(self, input: Tensor) -> Tensor:
        """The input with elements around it. Raises ShapeError for other dimensions."""
        self._check(input)
        return functional.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Sizes, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def _check(self, input: Tensor) -> None:
        """As in PyTorch, there may be any number of dimensions before."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with the value around it."""
        return functional.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """``value`` before and after the last dimension."""

    dimensions = 1


class ConstantPad2d(_ConstantPad):
    """``value`` around the last two dimensions: (left, right, top, bottom)."""

    dimensions = 2


class ConstantPad3d(_ConstantPad):
    """``value`` around the last three dimensions: (left, right, top, bottom, front, back)."""

    dimensions = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The layer's settings, as its line shows them."""
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Zeros before and after the last dimension."""

    dimensions = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around the last two dimensions: (left, right, top, bottom)."""

    dimensions = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around the last three dimensions: (left, right, top, bottom, front, back)."""

    dimensions = 3


class _ReflectionPad(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """The mirrored input, without its outermost element, around [N, C, L] or [C, L]."""

    dimensions = 1


class ReflectionPad2d(_ReflectionPad):
    """The mirrored input, without its outermost elements, around [N, C, H, W] or [C, H, W]: (left,
    right, top, bottom)."""

    dimensions = 2


class ReflectionPad3d(_ReflectionPad):
    """The mirrored input, without its outermost elements, around [N, C, D, H, W] or [C, D, H, W]:
    (left, right, top, bottom, front, back)."""

    dimensions = 3


class _ReplicationPad(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """The outermost elements, repeated, around [N, C, L] or [C, L]."""

    dimensions = 1


class ReplicationPad2d(_ReplicationPad):
    """The outermost elements, repeated, around [N, C, H, W] or [C, H, W]: (left, right, top,
    bottom)."""

    dimensions = 2


class ReplicationPad3d(_ReplicationPad):
    """The outermost elements, repeated, around [N, C, D, H, W] or [C, D, H, W]: (left, right, top,
    bottom, front, back)."""

    dimensions = 3


class _CircularPad(_Pad):
    mode = "circular"


class CircularPad1d(_CircularPad):
    """The elements of the other end around [N, C, L] or [C, L]."""

    dimensions = 1


class CircularPad2d(_CircularPad):
    """The elements of the other ends around [N, C, H, W] or [C, H, W]: (left, right, top,
    bottom)."""

    dimensions = 2


class CircularPad3d(_CircularPad):
    """The elements of the other ends around [N, C, D, H, W] or [C, D, H, W]: (left, right, top,
    bottom, front, back)."""

    dimensions = 3
