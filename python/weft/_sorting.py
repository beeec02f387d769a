"""Putting elements in order."""

from __future__ import annotations

from typing import NamedTuple

from . import _core
from ._core import Tensor
from ._creation import asarray
from ._manipulation import normalize_axis


class Sorted(NamedTuple):
    """Elements in an order, and where each was."""

    values: Tensor
    indices: Tensor


def sort_with_indices(x: Tensor, axis: int, descending: bool = False) -> Sorted:
    """What `sort` and `argsort` give, of one run."""
    attributes = {"axis": axis, "descending": bool(descending)}
    return Sorted(*_core.apply("weft.sort", (x,), attributes))


def _sorted(name: str, x: Tensor, axis: int, descending: bool, result: int) -> Tensor:
    x = asarray(x)
    place = normalize_axis(axis, x.ndim, name)
    attributes = {"axis": place, "descending": bool(descending)}
    return _core.apply_one("weft.sort", (x,), result, attributes)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements of x in order along ``axis``.

    NaN comes last in both directions. The order is always stable: ``stable=False`` allows another
    one, which is not made use of.

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
