"""Rules for Fourier transforms: ATen's three kinds, with its numbers for the scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import weft

from ._rules import TABLE

#: What ATen's number for the normalisation means for a forward transform, and for a backward one.
_FORWARD = ("backward", "ortho", "forward")
_BACKWARD = ("forward", "ortho", "backward")


@TABLE.rule("aten._fft_r2c.default")
def _real_to_complex(
    x: weft.Tensor, axes: Sequence[int], scale: int, onesided: bool
) -> weft.Tensor:
    if onesided:
        return weft.fft.rfftn(x, axes=tuple(axes), norm=_FORWARD[scale])
    return weft.fft.fftn(
        weft.complex(x, weft.zeros_like(x)), axes=tuple(axes), norm=_FORWARD[scale]
    )


@TABLE.rule("aten._fft_c2c.default")
def _complex_to_complex(
    x: weft.Tensor, axes: Sequence[int], scale: int, forward: bool
) -> weft.Tensor:
    if forward:
        return weft.fft.fftn(x, axes=tuple(axes), norm=_FORWARD[scale])
    return weft.fft.ifftn(x, axes=tuple(axes), norm=_BACKWARD[scale])


@TABLE.rule("aten._fft_c2r.default")
def _complex_to_real(x: weft.Tensor, axes: Sequence[int], scale: int, last: Any) -> weft.Tensor:
    sizes = [*(x.shape[axis] for axis in axes[:-1]), last]
    return weft.fft.irfftn(x, s=sizes, axes=tuple(axes), norm=_BACKWARD[scale])
