"""Elements at indices along one axis, read and written."""

from __future__ import annotations

from . import _core, _ops
from ._core import Tensor
from ._creation import _fail, _iota, _number, _size, asarray
from ._dtypes import int64
from ._errors import OptionError, ShapeError
from ._manipulation import (
    astype,
    broadcast_shapes,
    broadcast_to,
    check_indices,
    concat,
    in_dtype_of,
    integer_indices,
    nan_beside_unknown,
    narrow,
    normalize_axis,
    reshape,
    signed_indices,
    take,
)
from ._ops import Operand


def _positions(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Where in the flattened x the elements are that have ``indices`` for their place along
    ``axis``, and the places of the indices along the others. Behind its end if one is out of range.
    """
    size = x.shape[axis]
    wide = signed_indices(indices)
    linear: Tensor | int = 0
    for d, length in enumerate(x.shape):
        if d == axis:
            place = _ops.where(wide < 0, wide + size, wide)
        else:
            place = _iota(indices.shape, d, int64, indices.device)
        linear = linear * length + place
    inside = (wide >= -size) & (wide < size)
    return _ops.where(inside, linear, x._size)


def _checked(name: str, x: Tensor, dim: int, index: Tensor) -> tuple[Tensor, int]:
    """The indices of a gather or scatter, and its axis: nowhere longer than x but along it."""
    indices, place = integer_indices(index, name), normalize_axis(dim, x.ndim, name)
    fits = indices.ndim == x.ndim and all(
        d == place or not isinstance(size, int) or not isinstance(length, int) or size <= length
        for d, (size, length) in enumerate(zip(indices.shape, x.shape, strict=True))
    )
    if not fits:
        raise _fail(
            ShapeError,
            f"{name}: indices of shape {indices.shape} do not fit shape {x.shape} in the "
            f"dimensions other than {dim}",
        )
    check_indices(indices, x.shape[place], name, from_end=True)
    return indices, place


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """The elements of x whose places along ``axis`` are ``indices``; negative ones count from the
    end. In the other dimensions x and the indices are broadcast.

    Raises:
        OutOfBoundsError: an index is out of range. In a compiled function it gives NaN, among
            integers 0. ShapeError: the shapes do not broadcast. DTypeError: the indices are no
            integers.
    """
    x, indices = asarray(x), integer_indices(indices, "take_along_axis")
    place = normalize_axis(axis, x.ndim, "take_along_axis")
    if indices.ndim != x.ndim:
        raise _fail(
            ShapeError,
            f"take_along_axis: shapes {x.shape} and {indices.shape} differ in their numbers of "
            "dimensions",
        )
    others = [(*shape[:place], 1, *shape[place + 1 :]) for shape in (x.shape, indices.shape)]
    common = broadcast_shapes(*others)

    def spread(part: Tensor) -> Tensor:
        size = part.shape[place]
        return broadcast_to(part, (*common[:place], size, *common[place + 1 :]))

    return gather(spread(x), place, spread(indices))


def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The elements of x whose places along ``dim`` are ``index``, and along the others those of the
    indices, as PyTorch's function of that name: of the shape of ``index``.

    Raises:
        OutOfBoundsError: an index is out of range. In a compiled function it gives NaN, among
            integers 0. ShapeError: the indices are longer than x in another dimension. DTypeError:
            the indices are no integers.
    """
    x = asarray(x)
    if x.ndim == 0:
        return reshape(take(reshape(x, -1), index), asarray(index).shape)
    indices, place = _checked("gather", x, dim, index)
    return take(reshape(x, -1), _positions(x, indices, place))


def scatter(
    x: Tensor, dim: int, index: Tensor, src: Operand, *, reduce: str | None = None
) -> Tensor:
    """x with the elements of ``src`` where `gather` would read them, as PyTorch's function.

    Args:
        x: of any shape.
        dim: the dimension along which the indices are places.
        index: of x's rank; negative ones count from the end.
        src: of index's shape or larger, of which the first are taken; or a number.
        reduce: None: of equal places the last one counts; "add": they are added to x.

    Raises:
        OutOfBoundsError: an index is out of range. In a compiled function all that is written is
            NaN then; among integers that element is left out. OptionError: ``reduce`` is another.
        ShapeError: the shapes do not fit. DTypeError: the indices are no integers.
    """
    x = asarray(x)
    if reduce not in (None, "add"):
        raise _fail(OptionError, f"scatter: reduce is {reduce!r}, but has to be None or 'add'")
    indices, place = _checked("scatter", x, dim, index)
    source = in_dtype_of(x, src)
    if source.ndim == 0:
        source = broadcast_to(source, indices.shape)
    for d, size in enumerate(indices.shape):
        if source.ndim != indices.ndim or source.shape[d] < size:
            raise _fail(
                ShapeError,
                f"scatter: a source of shape {source.shape} has too few elements for indices of "
                f"shape {indices.shape}",
            )
        source = narrow(source, d, 0, size)
    positions, updates = nan_beside_unknown(
        reshape(_positions(x, indices, place), -1), reshape(source, -1), x._size
    )
    name = "weft.scatter" if reduce is None else "weft.scatter_add"
    result = _core.apply(name, (reshape(x, -1), positions, updates), {"axis": 0})
    return reshape(result, x.shape)


def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """x with ``alpha`` times the slices of ``source`` along ``dim`` added at ``index`` [n].

    Raises as `scatter_add`.
    """
    from ._manipulation import scatter_add

    factor = _number(alpha, "index_add: alpha")
    updates = source if factor == 1 else source * factor
    return scatter_add(x, index, updates, axis=dim)


def index_copy(x: Tensor, dim: int, index: Tensor, source: Operand) -> Tensor:
    """x with its slices along ``dim`` at ``index`` [n] replaced by those of ``source``.

    Raises as `scatter`.
    """
    x = asarray(x)
    place, indices = normalize_axis(dim, x.ndim, "index_copy"), integer_indices(index, "index_copy")
    check_indices(indices, x.shape[place], "index_copy", from_end=True)
    shape = (*x.shape[:place], *indices.shape, *x.shape[place + 1 :])
    updates = broadcast_to(in_dtype_of(x, source), shape)
    indices, updates = nan_beside_unknown(indices, updates, x.shape[place])
    return _core.apply("weft.scatter", (x, indices, updates), {"axis": place})


def index_fill(x: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """x with ``value`` in its slices along ``dim`` at ``index`` [n]. Raises as `scatter`."""
    return index_copy(x, dim, index, value)


def diff(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The differences of neighbours along ``axis``, ``n`` times over; of bools whether they differ.

    Args:
        x: of one dimension or more.
        axis: along which.
        n: how many times; 0 gives x itself.
        prepend: comes before x along ``axis`` first.
        append: comes after x.

    Raises:
        OutOfBoundsError: x has no such axis. OptionError: n is negative.
    """
    x = asarray(x)
    place = normalize_axis(axis, x.ndim, "diff")
    n = _size(n, "diff: n")
    if n < 0:
        raise _fail(OptionError, f"diff: n is {n}, but must not be negative")
    parts = [part for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        x = concat(parts, axis=place)
    for _ in range(n):
        size = x.shape[place]
        length = size - 1 if not isinstance(size, int) or size else 0
        later = narrow(x, place, 1 if length else 0, length)
        earlier = narrow(x, place, 0, length)
        x = later != earlier if x.dtype.kind == "bool" else later - earlier
    return x


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """The elements of x where the mask is true, in row-major order: [count].

    Raises:
        UnsupportedError: in a compiled function, where their number is not known.
    """
    shape = broadcast_shapes(x.shape, mask.shape)
    return broadcast_to(x, shape)[broadcast_to(mask, shape)]


def masked_fill(x: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """``value`` where the mask is true, else the element."""
    return astype(_ops.where(mask, value, x), x.dtype)
