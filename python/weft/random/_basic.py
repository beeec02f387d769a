"""Uniform and normal numbers, integers and coins."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from .._creation import Shape, _fail, _shape, _size
from .._dtypes import as_dtype, finfo, iinfo, int64
from .._errors import OutOfRangeError, ShapeError
from .._manipulation import astype, is_number
from ._draw import Draw, probability, unit
from ._keys import bits, checked, next_key


def uniform(
    shape: Shape | None = None,
    low: Any = 0.0,
    high: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Numbers uniform in [low, high).

    Raises:
        DTypeError: the dtype is not floating. OutOfRangeError: high - low is beyond it. ShapeError:
            the bounds do not broadcast to the shape.
    """
    from .._ops import where

    if dtype is not None and is_number(low) and is_number(high):
        _check_span(low, high, dtype)
    draw = Draw("uniform", shape, (low, high), key, dtype, device)
    values = unit(draw.key, draw.shape, draw.dtype)
    low, high = draw.parameters
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return draw.result(values * (high - low) + low)
    _check_span(low, high, draw.dtype)
    if (low, high) == (0.0, 1.0):
        return values
    scaled = values * (high - low) + low
    # The sum may be rounded up to the bound, which is left out.
    return where(scaled < high, scaled, low) if low < high else scaled


def _check_span(low: Any, high: Any, dtype: object) -> None:
    wanted = as_dtype(dtype)
    known = wanted.kind == "floating" and not any(isinstance(x, Tensor) for x in (low, high))
    if known and not abs(high - low) <= finfo(wanted).max:
        raise _fail(
            OutOfRangeError,
            f"uniform: from {low} to {high} is further than the largest {wanted.name}",
        )


def normal(
    shape: Shape | None = None,
    mean: Any = 0.0,
    std: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Normally distributed numbers (Box and Muller, 1958).

    Raises:
        DTypeError: the dtype is not floating. ShapeError: mean and std do not broadcast to the
            shape.
    """
    draw = Draw("normal", shape, (mean, std), key, dtype, device)
    mean, std = draw.parameters
    values = draw.normal()
    if isinstance(mean, Tensor) or isinstance(std, Tensor) or (mean, std) != (0.0, 1.0):
        values = values * std + mean
    return draw.result(values)


def randint(
    low: int,
    high: int | None = None,
    shape: Shape = (),
    *,
    key: Tensor | None = None,
    dtype: object = int64,
    device: object = None,
) -> Tensor:
    """Integers in [low, high); with one bound in [0, low).

    Raises:
        ShapeError: the range is empty. OutOfRangeError: the dtype can't hold all of it.
    """
    if high is None:
        low, high = 0, low
    low, high, wanted = _size(low, "randint: low"), _size(high, "randint: high"), as_dtype(dtype)
    if high <= low:
        raise _fail(ShapeError, f"randint: the range [{low}, {high}) is empty")
    limits = iinfo(wanted if wanted.kind == "integer" else int64)
    if low < limits.min or high - 1 > limits.max or high - low >= 1 << 62:
        raise _fail(
            OutOfRangeError, f"randint: the range [{low}, {high}) does not fit into {wanted.name}"
        )
    drawn = bits(next_key(device) if key is None else checked(key, "randint"), _shape(shape), int64)
    return astype(((drawn >> 1) & ((1 << 62) - 1)) % (high - low) + low, wanted)


def bernoulli(
    p: Any = 0.5,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    device: object = None,
) -> Tensor:
    """True with the probability given, else False.

    Raises:
        OptionError: it is one of Python's numbers, and not in [0, 1]. ShapeError: probabilities do
            not broadcast to the shape.
    """
    probability("bernoulli", p)
    draw = Draw("bernoulli", shape, (p,), key, None, device)
    return unit(draw.key, draw.shape, draw.wide) < draw.parameters[0]


def rand(*shape: int | Shape, dtype: object = None, device: object = None) -> Tensor:
    """`uniform` in [0, 1), with PyTorch's arguments."""
    return uniform(_shape(shape), dtype=dtype, device=device)


def randn(*shape: int | Shape, dtype: object = None, device: object = None) -> Tensor:
    """`normal`, with PyTorch's arguments."""
    return normal(_shape(shape), dtype=dtype, device=device)
