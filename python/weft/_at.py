"""``x.at[key].add(v)`` and its kin: a new tensor with some elements changed, as JAX has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _indexing, _ops
from ._core import Tensor
from ._creation import _fail, _iota, asarray
from ._dtypes import KIND_ORDER, int64
from ._errors import DTypeError, ShapeError, UnsupportedError
from ._manipulation import broadcast_to, in_dtype_of, reshape
from ._sorting import argsort


class _Place:
    """Some elements of a tensor, to be changed in a copy of it.

    Where several indices name one element, `add`, `subtract`, `min` and `max` count them all, and
    `set` the last one. The others need ``unique_indices=True``, which says that none does; values
    are then undefined if one does. Values are converted to the tensor's dtype, and errors are those
    of ``x[key]``.
    """

    def __init__(self, x: Tensor, key: object) -> None:
        self._x, self._key = x, key

    def get(self) -> Tensor:
        """``x[key]``."""
        return self._x[self._key].clone()

    def set(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the values at the key, as after ``x[key] = values``."""
        return self._written(values)

    def add(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the values added at the key, in the order of the indices."""
        if not unique_indices and _indexing.has_integer_arrays(self._x, self._key):
            return self._written(values, "weft.scatter_add")
        return self._changed("add", values)

    def subtract(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the values subtracted at the key."""
        negative = _ops.negative(in_dtype_of(self._x, values))
        return self.add(negative, unique_indices=unique_indices)

    def multiply(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the elements at the key times the values. Raises UnsupportedError for arrays of
        integers, unless their indices are said to be unique."""
        self._check_unique("multiply", unique_indices)
        return self._changed("multiply", values)

    def divide(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the elements at the key over the values. Raises as `multiply`."""
        self._check_unique("divide", unique_indices)
        return self._changed("divide", values)

    def power(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the elements at the key to the power of the values. Raises as `multiply`."""
        self._check_unique("power", unique_indices)
        return self._changed("pow", values)

    def min(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the smaller of both at the key; NaN where one is NaN."""
        return self._extreme("minimum", values, unique_indices, descending=True)

    def max(self, values: Any, *, unique_indices: bool = False) -> Tensor:
        """x with the larger of both at the key; NaN where one is NaN."""
        return self._extreme("maximum", values, unique_indices, descending=False)

    def apply(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """x with what a function makes of ``x[key]``, once also where several indices name one
        element.

        Raises:
            ShapeError: the function's result has another shape.
        """
        before = self._x[self._key]
        after = function(before)
        if after.shape != before.shape:
            raise _fail(
                ShapeError,
                f"at[...].apply: the function makes shape {after.shape} of {before.shape}",
            )
        return self._written(after)

    def _written(self, values: Any, name: str = "weft.scatter") -> Tensor:
        copy = self._x.clone()
        _indexing.set_item(copy, self._key, values, name)
        return copy

    def _changed(self, name: str, values: Any) -> Tensor:
        before = self._x[self._key]
        values = _fitting(asarray(values, device=self._x.device), before)
        if values.dtype.kind in ("integer", "bool") or before.dtype.is_inexact:
            values = in_dtype_of(self._x, values)
        after = getattr(_ops, name)(before, values)
        if KIND_ORDER.index(after.dtype.kind) > KIND_ORDER.index(before.dtype.kind):
            raise _fail(
                DTypeError,
                f"at[...].{name}: the result is {after.dtype.name}, which does not become "
                f"{before.dtype.name}; convert the tensor by astype before",
            )
        return self._written(after)

    def _check_unique(self, name: str, unique_indices: bool) -> None:
        if not unique_indices and _indexing.has_integer_arrays(self._x, self._key):
            raise _fail(
                UnsupportedError,
                f"at[...].{name}: several indices of an array may name one element; say "
                "unique_indices=True if none do",
            )

    def _extreme(self, name: str, values: Any, unique_indices: bool, *, descending: bool) -> Tensor:
        """The values are put in the order in which the last one is the one that counts."""
        x = self._x
        if unique_indices or not _indexing.has_integer_arrays(x, self._key):
            return self._changed(name, values)
        # From 1 on: an index that is out of range in a compiled function gives 0.
        grid = reshape(_iota((x._size,), 0, int64, x.device) + 1, x.shape)
        places = grid[self._key]
        fitted = broadcast_to(_fitting(in_dtype_of(x, values), places), places.shape)
        places = reshape(_ops.where(places == 0, x._size, places - 1), -1)
        flat = reshape(x, -1)
        either = getattr(_ops, name)(flat[places], reshape(fitted, -1))
        order = argsort(either, descending=descending)
        if descending and either.dtype.kind == "floating":
            order = _nan_last(either, order)
        return reshape(flat.at[places[order]].set(either[order]), x.shape)


def _nan_last(values: Tensor, order: Tensor) -> Tensor:
    return order[argsort(_ops.isnan(values[order]))]


def _fitting(values: Tensor, place: Tensor) -> Tensor:
    """Values that broadcast to the place. Raises ShapeError."""
    return broadcast_to(values, place.shape) if values.ndim else values


class _At:
    """``x.at[key]``."""

    def __init__(self, x: Tensor) -> None:
        self._x = x

    def __getitem__(self, key: object) -> _Place:
        return _Place(self._x, key)


Tensor.at = property(
    _At, doc="``x.at[key].set(v)``, `add`, `multiply`, `min`, `max`, `get`, `apply`: new tensors."
)
