"""Complex numbers and their parts.

A complex tensor holds pairs of real and imaginary parts. Gradients of complex tensors are as
PyTorch has them: the derivative by the real part, plus i times that by the imaginary part.
"""

from __future__ import annotations

import builtins
import math

from . import _core, _ops
from ._core import Tensor
from ._creation import _fail, asarray, zeros
from ._errors import DTypeError, ShapeError
from ._manipulation import broadcast_arrays, broadcast_to, common_operands
from ._ops import Operand


def real(x: Tensor, /) -> Tensor:
    """The real parts, of the dtype of these; x itself, if it is not complex.

    A view: what is written there is the real part of x.
    """
    x = asarray(x)
    return _core.view("weft.real", x) if x.dtype.is_complex else x


def imag(x: Tensor, /) -> Tensor:
    """The imaginary parts, of the dtype of these; zeros, if x is not complex.

    A view: what is written there is the imaginary part of x. The zeros can't be written, as x has
    no place for what would be.
    """
    x = asarray(x)
    if x.dtype.is_complex:
        return _core.view("weft.imag", x)
    return broadcast_to(zeros((), dtype=x.dtype, device=x.device), x.shape)


def set_real(x: Tensor, value: Operand) -> None:
    """Writes the real parts, broadcast, in place."""
    real(x)[...] = value


def set_imag(x: Tensor, value: Operand) -> None:
    """Writes the imaginary parts, broadcast, in place. Raises DTypeError if x is not complex."""
    if not x.dtype.is_complex:
        raise _fail(DTypeError, f"imag: {x.dtype.name} has no imaginary part to write")
    imag(x)[...] = value


def conj(x: Tensor, /) -> Tensor:
    """x with its imaginary parts negated; x itself, if it is not complex.

    A view: what is written there, x gets with its imaginary parts negated.
    """
    x = asarray(x)
    return _core.view("weft.conj", x) if x.dtype.is_complex else x


def complex(real: Operand, imag: Operand, /) -> Tensor:
    """The complex numbers with these parts, float32 or float64, in their common shape.

    Raises:
        DTypeError: the parts are neither. ShapeError: the shapes do not broadcast.
    """
    parts = common_operands(real, imag)
    if parts[0].dtype.name not in ("float32", "float64"):
        raise _fail(
            DTypeError,
            f"complex: the parts have to be float32 or float64, not {parts[0].dtype.name}",
        )
    return _core.apply("weft.complex", broadcast_arrays(*parts))


def polar(abs: Operand, angle: Operand, /) -> Tensor:
    """The complex numbers at these distances from 0 and angles (radians), float32 or float64.

    Raises:
        DTypeError: the operands are neither. ShapeError: the shapes do not broadcast.
    """
    distance, turn = common_operands(abs, angle)
    return complex(distance * _ops.cos(turn), distance * _ops.sin(turn))


def abs(x: Operand, /) -> Tensor:
    """The absolute value of x, exact; of complex numbers their distance from 0, as a real tensor.

    At 0 the derivative is 0.

    Raises:
        DTypeError: x is of bools.
    """
    if isinstance(x, (Tensor, bool, int, float)):
        is_complex = isinstance(x, Tensor) and x.dtype.is_complex
    else:
        x = asarray(x)
        is_complex = x.dtype.is_complex
    return _core.apply("weft.magnitude", (x,)) if is_complex else _ops.abs(x)


def angle(x: Tensor, /) -> Tensor:
    """The angle of each number in the complex plane, in radians; of real ones 0 or pi.

    Raises:
        DTypeError: x is of bools.
    """
    x = asarray(x)
    if x.dtype.is_complex:
        return _ops.atan2(imag(x), real(x))
    turned = _ops.where(x < 0, math.pi, 0.0)
    return _ops.where(_ops.isnan(x), x, turned) if x.dtype.is_floating_point else turned


def sign(x: Operand, /) -> Tensor:
    """-1, 0 or 1 with the sign of x; NaN stays NaN. Of complex numbers x / abs(x), and 0 of 0.

    Not differentiable for real x: the function is constant between its jumps.

    Raises:
        DTypeError: x is of bools.
    """
    if not isinstance(x, builtins.complex) and not (isinstance(x, Tensor) and x.dtype.is_complex):
        return _ops.sign(x)
    x = asarray(x)
    distance = abs(x)
    is_zero = distance == 0
    return _ops.where(is_zero, 0, x / _ops.where(is_zero, 1, distance))


def view_as_real(input: Tensor) -> Tensor:
    """The parts of complex numbers along a new last dimension: [...] to [..., 2]. A view.

    Raises:
        DTypeError: input is not complex.
    """
    if not input.dtype.is_complex:
        raise _fail(DTypeError, f"view_as_real: the input is {input.dtype.name}, not complex")
    return _core.pairs_view(input)


def view_as_complex(input: Tensor) -> Tensor:
    """The complex numbers whose parts are along the last dimension: [..., 2] to [...]. A view.

    Raises:
        ShapeError: the last dimension is not of size 2. DTypeError: input is neither float32 nor
            float64.
    """
    if input.ndim == 0 or input.shape[-1] != 2:
        raise _fail(
            ShapeError,
            f"view_as_complex: the input has shape {input.shape}, but its last dimension has to "
            "be 2, for two parts",
        )
    if input.dtype.name not in ("float32", "float64"):
        raise _fail(
            DTypeError,
            f"view_as_complex: the parts have to be float32 or float64, not {input.dtype.name}",
        )
    return _core.numbers_view(input)
