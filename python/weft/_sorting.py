"""Putting elements in order."""

from __future__ import annotations

from typing import NamedTuple

from . import _core, _ops
from ._complex import imag, real
from ._core import Tensor
from ._creation import asarray
from ._gathering import take_along_axis
from ._manipulation import astype, normalize_axis


class Sorted(NamedTuple):
    """Elements in an order, and where each was."""

    values: Tensor
    indices: Tensor


def sort_with_indices(x: Tensor, axis: int, descending: bool = False) -> Sorted:
    """What `sort` and `argsort` give, of one run."""
    if x.dtype.is_complex:
        order = _complex_order(x, axis, descending)
        return Sorted(take_along_axis(x, order, axis=axis), order)
    attributes = {"axis": axis, "descending": bool(descending)}
    return Sorted(*_core.apply("weft.sort", (x,), attributes))


def _complex_order(x: Tensor, axis: int, descending: bool) -> Tensor:
    """By the real parts, where these are equal by the others, and behind them, as NumPy has it,
    what has NaN for its imaginary part, for its real one, and for both."""
    parts = real(x), imag(x)
    is_late, is_last = _ops.isnan(parts[1]), _ops.isnan(parts[0])
    lateness = _ops.where(is_last, 2, astype(is_late, "int8"))
    order = _order(parts[1], axis, descending)
    for key, is_descending in ((parts[0], descending), (lateness, False)):
        later = _order(take_along_axis(key, order, axis=axis), axis, is_descending)
        order = take_along_axis(order, later, axis=axis)
    return order


def _order(x: Tensor, axis: int, descending: bool) -> Tensor:
    attributes = {"axis": axis, "descending": bool(descending)}
    return _core.apply_one("weft.sort", (x,), 1, attributes)


def _sorted(name: str, x: Tensor, axis: int, descending: bool, result: int) -> Tensor:
    x = asarray(x)
    place = normalize_axis(axis, x.ndim, name)
    if x.dtype.is_complex:
        order = _complex_order(x, place, descending)
        return order if result else take_along_axis(x, order, axis=place)
    attributes = {"axis": place, "descending": bool(descending)}
    return _core.apply_one("weft.sort", (x,), result, attributes)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements of x in order along ``axis``.

    NaN comes last in both directions. The order is always stable: ``stable=False`` allows another
    one, which is not made use of. Complex numbers are in the order of their real parts, and where
    these are equal of their imaginary ones, as NumPy has it.

    Raises:
        OutOfBoundsError: x has no such axis.
    """
    return _sorted("sort", x, axis, descending, 0)


def argsort(
    x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """Where the elements that `sort` gives are in x along ``axis``, as int64.

    Raises:
        OutOfBoundsError: x has no such axis.
    """
    return _sorted("argsort", x, axis, descending, 1)
