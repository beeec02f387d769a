"""Scattered elements that are combined: sums, products, means, the largest and smallest."""

from __future__ import annotations

import math
from collections.abc import Callable

from . import _core, _ops
from ._core import Tensor
from ._creation import _fail, _iota, asarray, full
from ._dtypes import bool_, int64
from ._errors import DTypeError, OptionError, ShapeError
from ._gathering import _checked, _positions
from ._manipulation import (
    astype,
    broadcast_to,
    concat,
    expand_dims,
    flip,
    integer_indices,
    nan_beside_unknown,
    narrow,
    normalize_axis,
    reshape,
    take,
)
from ._sorting import argsort


def scatter_reduce(
    x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """x with the elements of ``src`` combined where `gather` would read them, as PyTorch's method.

    Args:
        x: of any shape.
        dim: the dimension along which the indices are places.
        index: of x's rank; negative ones count from the end.
        src: of x's dtype, and of index's shape or larger, of which the first are taken.
        reduce: "sum", "prod", "mean", "amax" or "amin". Sums are made in the order of the indices,
            products in a tree; means of integers are rounded down. NaN is the largest and the
            smallest.
        include_self: whether an element of x is one of those that are combined in its place.

    Returns:
        x's dtype. The derivative of the largest and smallest is shared by all that are equal.

    Raises:
        OutOfBoundsError: an index is out of range. In a compiled function all that is written is
            NaN then; among integers that element is left out. OptionError: ``reduce`` is another.
        ShapeError: the shapes do not fit. DTypeError: the indices are no integers, or the dtypes
            differ.
    """
    x, src = asarray(x), asarray(src)
    if reduce not in _KINDS:
        names = ", ".join(map(repr, _KINDS))
        raise _fail(OptionError, f"scatter_reduce: reduce is {reduce!r}, but has to be of {names}")
    if x.dtype is not src.dtype or x.dtype is bool_ or x.dtype.is_complex:
        raise _fail(
            DTypeError,
            f"scatter_reduce: x is {x.dtype.name} and src {src.dtype.name}; they have to be of one "
            "integer or floating dtype",
        )
    indices, place = _checked("scatter_reduce", x, dim, index)
    if src.ndim != indices.ndim or any(
        have < want for have, want in zip(src.shape, indices.shape, strict=True)
    ):
        raise _fail(
            ShapeError,
            f"scatter_reduce: a source of shape {src.shape} has too few elements for indices of "
            f"shape {indices.shape}",
        )
    for d, size in enumerate(indices.shape):
        src = narrow(src, d, 0, size)
    places, updates = nan_beside_unknown(
        reshape(_positions(x, indices, place), -1), reshape(src, -1), x._size
    )
    result = _KINDS[reduce](reshape(x, -1), places, updates, bool(include_self))
    return reshape(result, x.shape)


def index_reduce(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """x with the slices of ``source`` along ``dim`` combined at ``index`` [n], as PyTorch's method.

    See `scatter_reduce`, whose "sum" this does not have: that is `index_add`.
    """
    x, source = asarray(x), asarray(source)
    place, indices = normalize_axis(dim, x.ndim, "index_reduce"), integer_indices(index, "index")
    if reduce == "sum":
        raise _fail(OptionError, "index_reduce: reduce is 'sum', which is index_add")
    if indices.ndim != 1 or source.ndim != x.ndim:
        raise _fail(
            ShapeError,
            f"index_reduce: indices of shape {indices.shape} and a source of shape {source.shape} "
            f"do not fit x of shape {x.shape}; they have to be [n], and of x's rank",
        )
    kept = [-1 if d == place else 1 for d in range(x.ndim)]
    spread = broadcast_to(reshape(indices, kept), source.shape)
    return scatter_reduce(x, dim, spread, source, reduce, include_self=include_self)


def combined(
    kind: str, x: Tensor, places: Tensor, updates: Tensor, include_self: bool = True
) -> Tensor:
    """The rows of x [n, ...] with those of updates [m, ...] combined at places [m], which are in
    range."""
    if kind in _OF_ROWS:
        return _OF_ROWS[kind](x, places, updates, include_self)
    width = math.prod(x.shape[1:])
    columns = _iota((1, width), 1, int64, x.device)
    flat = reshape(expand_dims(places, axis=1) * width + columns, -1)
    values = (reshape(x, -1), flat, reshape(updates, -1))
    return reshape(_KINDS[kind](*values, include_self), x.shape)


# Each of flat x [n], places [m] and updates [m]; sums and products also of rows [n, ...].


def _scattered(name: str, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    return _core.apply(f"weft.{name}", (x, places, updates), {"axis": 0})


def _touched(x: Tensor, places: Tensor) -> Tensor:
    """Which elements of x something is scattered to."""
    nowhere = full(x.shape, False, dtype=bool_, device=x.device)
    shape = (places.shape[0], *x.shape[1:])
    return _scattered("scatter", nowhere, places, full(shape, True, device=x.device))


def _sum(x: Tensor, places: Tensor, updates: Tensor, include_self: bool) -> Tensor:
    start = x if include_self else _ops.where(_touched(x, places), 0, x)
    return _scattered("scatter_add", start, places, updates)


def _mean(x: Tensor, places: Tensor, updates: Tensor, include_self: bool) -> Tensor:
    total = _sum(x, places, updates, include_self)
    ones = full(places.shape, 1, dtype=int64, device=x.device)
    start = full(x.shape, int(include_self), dtype=int64, device=x.device)
    count = _ops.maximum(_scattered("scatter_add", start, places, ones), 1)
    if x.dtype.kind == "integer":
        return astype(total // astype(count, x.dtype), x.dtype)
    return total / astype(count, x.dtype)


def _prod(x: Tensor, places: Tensor, updates: Tensor, include_self: bool) -> Tensor:
    if places.shape[0] == 0:
        return x
    order = argsort(places)
    group, products = take(places, order), take(updates, order, axis=0)
    distance, count = 1, products.shape[0]
    while distance < count:
        # Each becomes the product of twice as many of its group that end with it.
        same = reshape(group[distance:] == group[:-distance], (-1, *(1 for _ in x.shape[1:])))
        longer = products[distance:] * products[:-distance]
        rest = _ops.where(same, longer, products[distance:])
        products = concat([products[:distance], rest])
        distance *= 2
    ones = full(x.shape, 1, dtype=x.dtype, device=x.device)
    # Of those with one place the last one counts, which is the product of all.
    scattered = _scattered("scatter", ones, group, products)
    if include_self:
        return x * scattered
    return _ops.where(_touched(x, places), scattered, x)


def _largest_first(updates: Tensor) -> Tensor:
    """The order from the largest down to the smallest, and then NaN."""
    order = flip(argsort(updates), axis=0)
    if updates.dtype.kind != "floating":
        return order
    return take(order, argsort(_ops.isnan(take(updates, order))))


def _extreme(
    order_of: Callable[[Tensor], Tensor], better: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Tensor, Tensor, Tensor, bool], Tensor]:
    def reduced(x: Tensor, places: Tensor, updates: Tensor, include_self: bool) -> Tensor:
        if places.shape[0] == 0:
            return x
        # Of those with one place the last one counts: the best.
        order = order_of(updates)
        best = _scattered("scatter", x, take(places, order), take(updates, order))
        result = better(x, best) if include_self else best
        if not (x.requires_grad or updates.requires_grad):
            return result
        return _shared(x, places, updates, result.detach(), include_self)

    return reduced


def _shared(
    x: Tensor, places: Tensor, updates: Tensor, result: Tensor, include_self: bool
) -> Tensor:
    """The result with the derivative of the mean of all elements that are equal to it."""
    chosen = updates == take(result, places)
    is_own = (result == x) & (_ops.logical_not(_touched(x, places)) | include_self)
    zeros = full(x.shape, 0, dtype=x.dtype, device=x.device)
    start = astype(is_own, x.dtype)
    count = _scattered("scatter_add", start, places, astype(chosen, x.dtype))
    share = _ops.where(count > 0, 1 / _ops.maximum(count, 1), 0)
    own = _ops.where(is_own, x - x.detach(), 0)
    others = _ops.where(chosen, updates - updates.detach(), 0)
    # Each difference is 0 but for its derivative, also of what is infinite.
    change = own + _scattered("scatter_add", zeros, places, others)
    return result + _ops.where(_ops.isfinite(result), change * share, 0)


_OF_ROWS: dict[str, Callable[[Tensor, Tensor, Tensor, bool], Tensor]] = {
    "sum": _sum,
    "prod": _prod,
}
_KINDS: dict[str, Callable[[Tensor, Tensor, Tensor, bool], Tensor]] = {
    **_OF_ROWS,
    "mean": _mean,
    "amax": _extreme(argsort, _ops.maximum),
    "amin": _extreme(_largest_first, _ops.minimum),
}
