"""Fourier transforms: the array API's extension of that name.

float32 and complex64 are transformed in float32, float64 and complex128 in float64; integers become
float32. Transforms run on the host, compiled or not, and have gradients. They are those of the
library ducc (Reinecke), whose errors grow with the logarithm of the size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import _core
from ._complex import complex, conj
from ._core import Tensor
from ._creation import _fail, arange, asarray, zeros_like
from ._dtypes import as_dtype, float32
from ._errors import DTypeError, OptionError, ShapeError
from ._manipulation import (
    astype,
    moveaxis,
    narrow,
    normalize_axes,
    normalize_axis,
    pad,
    roll,
)
from ._refused import refusing as _refusing

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

#: The factor of a forward transform by its ``norm``, as a power of the size; an inverse one has the
#: rest.
_POWERS = {"backward": 0.0, "ortho": -0.5, "forward": -1.0}


def _inexact(x: Tensor, name: str) -> Tensor:
    x = asarray(x)
    if x.dtype.name in ("float16", "bfloat16"):
        raise _fail(DTypeError, f"{name}: there is no transform of {x.dtype.name}; use astype")
    return x if x.dtype.is_inexact else astype(x, float32)


def _as_complex(x: Tensor) -> Tensor:
    return x if x.dtype.is_complex else complex(x, zeros_like(x))


def _factor(size: int, norm: str, inverse: bool, name: str) -> float:
    if norm not in _POWERS:
        raise _fail(
            OptionError,
            f'{name}: norm is {norm!r}, but has to be "backward", "ortho" or "forward"',
        )
    power = _POWERS[norm]
    return float(size) ** (-1.0 - power if inverse else power)


def _resized(x: Tensor, size: int | None, axis: int, name: str) -> Tensor:
    """x with ``size`` elements along an axis: without its last ones, or with zeros behind."""
    length = x.shape[axis]
    if size is None:
        size = length
    if size < 1:
        raise _fail(ShapeError, f"{name}: there can't be {size} elements along axis {axis}")
    if size < length:
        return narrow(x, axis, 0, size)
    return pad(x, [(0, size - length if d == axis else 0) for d in range(x.ndim)])


def _transformed(
    x: Tensor, size: int | None, axis: int, norm: str, inverse: bool, name: str
) -> Tensor:
    """The transform of complex x along one axis."""
    place = normalize_axis(axis, x.ndim, name)
    x = _resized(x, size, place, name)
    factor = _factor(x.shape[place], norm, inverse, name)
    return _along(x, place, "weft.fourier", {"inverse": inverse}, factor)


def _along(x: Tensor, place: int, op: str, attributes: dict[str, bool], factor: float) -> Tensor:
    """What an op makes of the elements along one axis, times a factor."""
    result = moveaxis(_core.apply(op, (moveaxis(x, place, -1),), attributes), -1, place)
    return result if factor == 1.0 else result * factor


def fft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The Fourier transform along an axis: sums of x[j] exp(-2 pi i j k / n).

    Args:
        x: of any inexact or integer dtype but halves.
        n: x is cut or padded with zeros to so many elements; None: as many as there are.
        axis: along which.
        norm: where the factor 1 / n is: "backward": at `ifft`; "forward": here; "ortho": its root
            at both.

    Raises:
        OptionError: there is no such norm. ShapeError: n is not positive. OutOfBoundsError: x has
            no such axis. DTypeError: x is of halves.
    """
    return _transformed(_as_complex(_inexact(x, "fft")), n, axis, norm, False, "fft")


def ifft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `fft`, with the same arguments and errors."""
    return _transformed(_as_complex(_inexact(x, "ifft")), n, axis, norm, True, "ifft")


def _axes_and_sizes(
    x: Tensor, s: Sequence[int] | None, axes: Sequence[int] | None, name: str
) -> list[tuple[int, int | None]]:
    """Each axis to transform along, and the size that it is to have."""
    if axes is None:
        count = x.ndim if s is None else len(s)
        axes = range(x.ndim - count, x.ndim)
    places = [normalize_axis(axis, x.ndim, name) for axis in axes]
    normalize_axes(places, x.ndim, name)
    if s is not None and len(s) != len(places):
        raise _fail(ShapeError, f"{name}: s has {len(s)} sizes, but there are {len(places)} axes")
    return [(place, None if s is None else s[i]) for i, place in enumerate(places)]


def fftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """`fft` along several axes (None: all, or the last ones that ``s`` has sizes for).

    Raises:
        OptionError: there is no such norm. ShapeError: s does not fit the axes. OutOfBoundsError: x
            has no such axis. DTypeError: x is of halves.
    """
    return _along_all(x, s, axes, norm, False, "fftn")


def ifftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The inverse of `fftn`, with the same arguments and errors."""
    return _along_all(x, s, axes, norm, True, "ifftn")


def _along_all(
    x: Tensor,
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: str,
    inverse: bool,
    name: str,
) -> Tensor:
    result = _as_complex(_inexact(x, name))
    for axis, size in _axes_and_sizes(result, s, axes, name):
        result = _transformed(result, size, axis, norm, inverse, name)
    return result


def _require_real(x: Tensor, name: str) -> Tensor:
    x = _inexact(x, name)
    if x.dtype.is_complex:
        raise _fail(DTypeError, f"{name}: x has to be real, not {x.dtype.name}; use fft")
    return x


def rfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """`fft` of real numbers: the first n // 2 + 1 sums, of which the others are the conjugates.

    Raises:
        DTypeError: x is complex, or of halves. OptionError, ShapeError, OutOfBoundsError: as `fft`.
    """
    x = _require_real(x, "rfft")
    place = normalize_axis(axis, x.ndim, "rfft")
    x = _resized(x, n, place, "rfft")
    return _along(x, place, "weft.real_fourier", {}, _factor(x.shape[place], norm, False, "rfft"))


def irfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `rfft`: n real numbers (None: 2 (m - 1), of m elements).

    Raises:
        As `fft`.
    """
    x = _as_complex(_inexact(x, "irfft"))
    place = normalize_axis(axis, x.ndim, "irfft")
    size = 2 * (x.shape[place] - 1) if n is None else n
    if size < 1:
        raise _fail(ShapeError, f"irfft: there can't be {size} elements along axis {axis}")
    first = _resized(x, size // 2 + 1, place, "irfft")
    factor = _factor(size, norm, True, "irfft")
    return _along(first, place, "weft.inverse_real_fourier", {"odd": size % 2 == 1}, factor)


def rfftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """`rfft` along the last of the axes, and `fft` along the others.

    Raises:
        DTypeError: x is complex, or of halves. Others as `fftn`.
    """
    x = _require_real(x, "rfftn")
    *others, (axis, size) = _axes_and_sizes(x, s, axes, "rfftn")
    result = rfft(x, n=size, axis=axis, norm=norm)
    for place, length in reversed(others):
        result = fft(result, n=length, axis=place, norm=norm)
    return result


def irfftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The inverse of `rfftn`; ``s`` has the sizes of the result.

    Raises:
        As `fftn`.
    """
    result = _as_complex(_inexact(x, "irfftn"))
    *others, (axis, size) = _axes_and_sizes(result, s, axes, "irfftn")
    for place, length in others:
        result = ifft(result, n=length, axis=place, norm=norm)
    return irfft(result, n=size, axis=axis, norm=norm)


def _in_two(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def transform(
        x: Tensor,
        /,
        *,
        s: Sequence[int] | None = None,
        axes: Sequence[int] = (-2, -1),
        norm: str = "backward",
    ) -> Tensor:
        return function(x, s=s, axes=axes, norm=norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"`{function.__name__}` along two axes, the last ones by default."
    return transform


fft2, ifft2 = _in_two("fft2", fftn), _in_two("ifft2", ifftn)
rfft2, irfft2 = _in_two("rfft2", rfftn), _in_two("irfft2", irfftn)

_OPPOSITE = {"backward": "forward", "forward": "backward"}


def hfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The transform of a signal whose second half is the conjugate of its first one: real numbers.

    Raises:
        As `fft`.
    """
    return irfft(conj(_inexact(x, "hfft")), n=n, axis=axis, norm=_OPPOSITE.get(norm, norm))


def ihfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `hfft`, of real x.

    Raises:
        DTypeError: x is complex, or of halves. Others as `fft`.
    """
    return conj(rfft(_require_real(x, "ihfft"), n=n, axis=axis, norm=_OPPOSITE.get(norm, norm)))


def hfftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """`fft` along all axes but the last one, and `hfft` along that; ``s`` has the result's sizes.

    Raises:
        As `fftn`.
    """
    result = _as_complex(_inexact(x, "hfftn"))
    *others, (axis, size) = _axes_and_sizes(result, s, axes, "hfftn")
    for place, length in others:
        result = fft(result, n=length, axis=place, norm=norm)
    return hfft(result, n=size, axis=axis, norm=norm)


def ihfftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The inverse of `hfftn`, of real x.

    Raises:
        DTypeError: x is complex, or of halves. Others as `fftn`.
    """
    x = _require_real(x, "ihfftn")
    *others, (axis, size) = _axes_and_sizes(x, s, axes, "ihfftn")
    result = ihfft(x, n=size, axis=axis, norm=norm)
    for place, length in reversed(others):
        result = ifft(result, n=length, axis=place, norm=norm)
    return result


hfft2, ihfft2 = _in_two("hfft2", hfftn), _in_two("ihfft2", ihfftn)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: object = None, device: object = None) -> Tensor:
    """The frequencies of `fft` of n samples, d apart: 0, 1, ..., -2, -1 over n d.

    Raises:
        ShapeError: n is not positive.
    """
    return _frequencies(n, -(n // 2), d, dtype, device, lambda x: roll(x, -(n // 2)), "fftfreq")


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: object = None, device: object = None) -> Tensor:
    """The frequencies of `rfft` of n samples, d apart: 0, 1, ..., n // 2 over n d.

    Raises:
        ShapeError: n is not positive.
    """
    return _frequencies(n, 0, d, dtype, device, lambda x: x, "rfftfreq")


def _frequencies(
    n: int,
    first: int,
    d: float,
    dtype: object,
    device: object,
    arranged: Callable[[Tensor], Tensor],
    name: str,
) -> Tensor:
    if n < 1:
        raise _fail(ShapeError, f"{name}: n is {n}, but has to be positive")
    wanted = as_dtype(float32 if dtype is None else dtype)
    last = n // 2 + 1 if first == 0 else first + n
    numbers = arranged(arange(first, last, device=device))
    return astype(astype(numbers, "float64") / (n * d), wanted)


def fftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """x with frequency 0 in the middle of the axes (None: all).

    Raises:
        OutOfBoundsError: x has no such axis.
    """
    return _shifted(x, axes, lambda size: size // 2, "fftshift")


def ifftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """The inverse of `fftshift`.

    Raises:
        OutOfBoundsError: x has no such axis.
    """
    return _shifted(x, axes, lambda size: -(size // 2), "ifftshift")


def _shifted(
    x: Tensor, axes: int | Sequence[int] | None, shift: Callable[[int], int], name: str
) -> Tensor:
    x = asarray(x)
    places = normalize_axes(axes, x.ndim, name)
    return roll(x, tuple(shift(x.shape[d]) for d in places), axis=tuple(places))


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("fft")
