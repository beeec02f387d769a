"""What all distributions share: the shape, dtype and key of a draw, and its uniform numbers."""

from __future__ import annotations

import math
from typing import Any

from .._core import Tensor
from .._creation import Shape, _fail, _shape, asarray
from .._dtypes import DType, as_dtype, finfo, float32, float64, int32, int64, result_type
from .._errors import DTypeError, OptionError, ShapeError
from .._manipulation import astype, broadcast_shapes, broadcast_to, is_number
from ._keys import bits, checked, next_key, split


def whole_digits(key: Tensor, shape: tuple[int, ...], dtype: DType, digits: int) -> Tensor:
    """Integers in [0, 2**digits) as numbers of float32, or of float64 if that is the dtype."""
    if dtype is float64:
        drawn = bits(key, shape, int64)
        return astype((drawn >> (64 - digits)) & ((1 << digits) - 1), float64)
    drawn = bits(key, shape, int32)
    return astype((drawn >> (32 - digits)) & ((1 << digits) - 1), float32)


def unit(key: Tensor, shape: tuple[int, ...], dtype: DType) -> Tensor:
    """Uniform in [0, 1): multiples of 2**-n, with n the digits of the dtype's numbers below 1."""
    if dtype.kind != "floating":
        raise _fail(DTypeError, f"random numbers need a floating dtype, not {dtype.name}")
    digits = 1 - round(math.log2(finfo(dtype).eps))
    return astype(whole_digits(key, shape, dtype, digits) * 2.0**-digits, dtype)


def open_unit(key: Tensor, shape: tuple[int, ...], dtype: DType) -> Tensor:
    """Uniform in (0, 1): the odd multiples of 2**-n, which lie evenly about 1/2."""
    digits = 52 if dtype is float64 else 23
    odd = whole_digits(key, shape, dtype, digits) * 2.0 + 1.0
    return odd * 2.0 ** -(digits + 1)


def pair_normal(key: Tensor, shape: tuple[int, ...], dtype: DType) -> Tensor:
    """Normally distributed float32 or float64 (Box and Muller, 1958)."""
    from .._ops import cos, log, sqrt

    pairs = unit(key, (2, *shape), dtype)
    radius = sqrt(log(1.0 - pairs[0]) * -2.0)
    return radius * cos(pairs[1] * (2.0 * math.pi))


class Draw:
    """One draw of a distribution: what its function was given, brought to one form.

    Parameters become numbers or tensors of the dtype that is computed in: float64, or float32 also
    for narrower results, which are rounded once, at the end.
    """

    def __init__(
        self, name: str, shape: Shape | None, parameters: tuple, key: Any, dtype: Any, device: Any
    ) -> None:
        self.name = name
        tensors = [x if is_number(x) else asarray(x) for x in parameters]
        given = [x for x in tensors if not is_number(x)]
        floating = [x for x in given if x.dtype.kind == "floating"]
        if dtype is None:
            dtype = result_type(*floating) if floating else float32
        self.dtype = as_dtype(dtype)
        if self.dtype.kind != "floating":
            raise _fail(
                DTypeError, f"{name}: random numbers need a floating dtype, not {self.dtype.name}"
            )
        self.wide = float64 if self.dtype is float64 else float32
        self.shape = self._common_shape(shape, [x.shape for x in given])
        if key is None and device is None and given:
            device = given[0].device
        self.key = next_key(device) if key is None else checked(key, name)
        self._tensors = tensors

    @property
    def parameters(self) -> list[Any]:
        return [
            astype(x, self.wide) if isinstance(x, Tensor) and not is_number(x) else x
            for x in self._tensors
        ]

    def _common_shape(self, shape: Shape | None, shapes: list) -> tuple[int, ...]:
        natural = broadcast_shapes(*shapes)
        if shape is None:
            return natural
        wanted = _shape(shape)
        fits = len(natural) <= len(wanted) and all(
            have in (1, want) for have, want in zip(natural[::-1], wanted[::-1], strict=False)
        )
        if not fits:
            raise _fail(
                ShapeError,
                f"{self.name}: parameters of shape {natural} do not broadcast to the shape "
                f"{wanted} that is asked for",
            )
        return wanted

    def keys(self, count: int) -> list[Tensor]:
        """Keys for numbers that have to be independent of each other."""
        made = split(self.key, count)
        return [made[i] for i in range(count)]

    def unit(self) -> Tensor:
        return unit(self.key, self.shape, self.wide)

    def open_unit(self) -> Tensor:
        return open_unit(self.key, self.shape, self.wide)

    def exponential(self, key: Tensor | None = None) -> Tensor:
        """-log(1 - u), by inversion."""
        from .._ops import log

        return -log(1.0 - unit(self.key if key is None else key, self.shape, self.wide))

    def normal(self, key: Tensor | None = None) -> Tensor:
        return pair_normal(self.key if key is None else key, self.shape, self.wide)

    def result(self, values: Tensor) -> Tensor:
        """The numbers in the dtype that the user gets."""
        return astype(broadcast_to(values, self.shape), self.dtype, copy=False)


def positive(name: str, what: str, value: Any) -> None:
    """Raises OptionError for a number of Python's that is not above 0; no tensor is looked at."""
    if isinstance(value, (int, float)) and not value > 0:
        raise _fail(OptionError, f"{name}: {what} has to be above 0, not {value}")


def probability(name: str, value: Any) -> None:
    """Raises OptionError for a number of Python's that is not in [0, 1]."""
    if isinstance(value, (int, float)) and not 0 <= value <= 1:
        raise _fail(OptionError, f"{name}: the probability has to be in [0, 1], not {value}")
