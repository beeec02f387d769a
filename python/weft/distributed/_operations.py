"""What processes compute together: operations of tensors, with gradients.

In a compiled function each is part of the program. All processes run the same ones in the same
order; where one does something else, all get a `CommunicationError` that says what each was about
to do, and at which line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from .._autodiff import no_grad, tree_leaves, tree_map
from .._complex import view_as_complex, view_as_real
from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from .._manipulation import astype, moveaxis, normalize_axis, reshape
from .._modes import REGION, has_begun
from ._groups import Group, require_group, state, tells_refusals

_REDUCTIONS = {"sum": 0, "max": 1, "min": 2}


def _traced(name: str, x: Tensor, attributes: dict[str, Any]) -> Tensor:
    """One operation of the dialect, behind the last one."""
    _require_straight_line(name)
    result, following = _core.apply(name, (x, state.token.detach()), attributes)
    with no_grad():
        state.token.assign(following)
    return result


def _require_straight_line(name: str) -> None:
    """Raises an error in a compiled body, which has no place for the next operation's turn."""
    if has_begun(REGION, -1):
        raise _fail(
            UnsupportedError,
            f"{name.removeprefix('weft.')}: what processes compute together can't be part of a "
            "compiled loop or branch, a checkpoint, or a function with a derivative of its own; "
            "write the loop in Python",
        )


@functools.lru_cache(maxsize=512)
def _compiled(name: str, attributes: tuple, line: tuple) -> Callable[[Tensor], Tensor]:
    """The operation as a function of its own, for a line of the user's: messages name it."""
    from .._jit import jit

    return jit(lambda x: _traced(name, x, dict(attributes)))


def _apply(name: str, x: Tensor, group: Group, **more: Any) -> Tensor:
    attributes = {"group": group.number, "members": group.size, **more}
    if _core.is_tracing():
        return _traced(name, x, attributes)
    return _compiled(name, tuple(attributes.items()), _core.user_line())(x)


def _moved(name: str, x: Tensor, group: Group, **more: Any) -> Tensor:
    """An operation that changes no element, of any dtype."""
    if x.dtype.kind == "complex":
        return view_as_complex(_apply(name, view_as_real(x), group, **more))
    return _apply(name, x, group, **more)


def _summed(name: str, shown: str, x: Tensor, group: Group, **more: Any) -> Tensor:
    """An operation that adds: halves are added as float32, and rounded once."""
    if x.dtype.kind == "complex":
        return view_as_complex(_apply(name, view_as_real(x), group, **more))
    _require_numbers(shown, x)
    if x.dtype.name in ("float16", "bfloat16"):
        return astype(_apply(name, astype(x, "float32"), group, **more), x.dtype)
    return _apply(name, x, group, **more)


def _require_numbers(name: str, x: Tensor) -> None:
    if x.dtype.name == "bool" or x.dtype.name.startswith("float8"):
        raise _fail(DTypeError, f"{name}: elements of dtype {x.dtype.name} are not added")


def _leaves(function: Callable[[Tensor], Tensor], x: Any) -> Any:
    if not isinstance(x, (tuple, list, dict, type(None))) and not tree_leaves(x):
        asarray(x)  # raises: it is nothing that could be sent
    return tree_map(lambda leaf: function(asarray(leaf)), x)


@tells_refusals
def all_reduce(x: Any, op: str = "sum", group: Group | None = None) -> Any:
    """What ``op`` makes of the members' x, element by element; the same bits for all.

    Args:
        x: a tensor or number, or a nested container of these, of the same shapes and dtypes in all
            members.
        op: "sum", "mean", "max", "min" or "product". Members are taken in the order of their
            numbers, float16 and bfloat16 as float32.
        group: None: all processes.

    The gradient of a sum is the sum of the members' cotangents, as if their losses were added. That
    of a largest element is shared by all elements that are as large.

    Raises:
        CommunicationError: a member does something else, or does not come. OptionError: there is no
            such ``op``. DTypeError: a sum of bools, a mean of integers, an order of complex
            numbers.
    """
    chosen = require_group(group, "all_reduce")
    if op not in ("sum", "mean", "max", "min", "product"):
        raise _fail(OptionError, f"all_reduce: op is sum, mean, max, min or product, not {op!r}")

    def leaf(part: Tensor) -> Tensor:
        if op == "mean":
            if part.dtype.kind == "integer":
                raise _fail(DTypeError, "all_reduce: a mean is of floats; use astype before")
            half = part.dtype.name in ("float16", "bfloat16")
            wide = astype(part, "float32") if half else part
            return astype(leaf_sum(wide) / chosen.size, part.dtype)
        if op == "sum":
            return leaf_sum(part)
        return _product(part, chosen) if op == "product" else _extreme(part, op, chosen)

    def leaf_sum(part: Tensor) -> Tensor:
        return _summed("weft.all_reduce", "all_reduce", part, chosen, reduction=0)

    return _leaves(leaf, x)


@tells_refusals
def merge(x: Any, group: Group | None = None) -> Any:
    """The sum of the members' x, which they go on with as one: `all_reduce` whose gradient is the
    cotangent itself, not the sum of those of all.

    For layers that are divided among the members, where each computes the same loss of the sum;
    `replicate` is its counterpart.
    """
    chosen = require_group(group, "merge")
    return _leaves(
        lambda part: _summed("weft.all_reduce", "merge", part, chosen, reduction=0, shared=True), x
    )


@tells_refusals
def replicate(x: Any, *, mean: bool = False, group: Group | None = None) -> Any:
    """x itself, of which each member makes something else: its gradient is the sum of theirs.

    Nothing is sent but by the gradient, where all tensors of one dtype are one message.

    Args:
        x: a tensor, or a nested container, the same in all members.
        mean: the gradient is the mean of the members' gradients.

    Raises:
        CommunicationError: in the gradient, a member does something else.
    """
    chosen = require_group(group, "replicate")
    attributes = {"group": chosen.number, "members": chosen.size, "mean": bool(mean)}
    tensors = [asarray(leaf) for leaf in tree_leaves(x)]
    made = iter(_replicated(tensors, attributes))
    return tree_map(lambda _: next(made), x)


def _replicated(tensors: list[Tensor], attributes: dict[str, Any]) -> list[Tensor]:
    if not tensors:
        return []
    if not _core.is_tracing():
        names = tuple(attributes.items())
        return list(_compiled_replicate(names, len(tensors), _core.user_line())(*tensors))
    _require_straight_line("replicate")
    *results, following = _core.apply(
        "weft.replicate", (*tensors, state.token.detach()), attributes
    )
    with no_grad():
        state.token.assign(following)
    return results


@functools.lru_cache(maxsize=256)
def _compiled_replicate(attributes: tuple, count: int, line: tuple) -> Callable[..., tuple]:
    from .._jit import jit

    return jit(lambda *tensors: tuple(_replicated(list(tensors), dict(attributes))))


def _product(x: Tensor, group: Group) -> Tensor:
    from .._reductions import prod

    _require_numbers("all_reduce", x)
    return astype(prod(_moved("weft.all_gather", x, group), axis=0), x.dtype)


def _extreme(x: Tensor, op: str, group: Group) -> Tensor:
    """The largest or smallest elements; halves are those of the same order in float32."""
    if x.dtype.kind == "complex" or x.dtype.name.startswith("float8"):
        raise _fail(DTypeError, f"all_reduce: elements of dtype {x.dtype.name} have no order")
    wide = {"float16": "float32", "bfloat16": "float32", "bool": "uint8"}.get(x.dtype.name)
    given = astype(x, wide) if wide else x
    return astype(_apply("weft.all_reduce", given, group, reduction=_REDUCTIONS[op]), x.dtype)


@tells_refusals
def reduce(x: Any, root: int = 0, group: Group | None = None) -> Any:
    """The sum of the members' x for member ``root``, zeros for the others; see `all_reduce`."""
    chosen = require_group(group, "reduce")
    number = _member(root, chosen, "reduce")
    return _leaves(lambda part: _summed("weft.reduce", "reduce", part, chosen, root=number), x)


def _member(number: Any, group: Group, name: str) -> int:
    if not isinstance(number, int) or not 0 <= number < group.size:
        raise _fail(OptionError, f"{name}: there is no member {number!r} of {group.size}")
    return number


@tells_refusals
def broadcast(x: Any, root: int = 0, group: Group | None = None) -> Any:
    """The x of member ``root``, for all. Its gradient is the sum of the members' cotangents there.

    Args:
        x: of the same shapes and dtypes in all members.

    Raises:
        CommunicationError: a member does something else. OptionError: there is no such member.
    """
    chosen = require_group(group, "broadcast")
    number = _member(root, chosen, "broadcast")
    return _leaves(lambda part: _moved("weft.collective_broadcast", part, chosen, root=number), x)


def _joined(stacked: Tensor, axis: int) -> Tensor:
    """[members, ...] as parts one after the other along ``axis`` of the rest."""
    turned = moveaxis(stacked, 0, axis)
    shape = tuple(turned.shape)
    return reshape(turned, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _divided(x: Tensor, axis: int, members: int, name: str) -> Tensor:
    """Parts along ``axis``, as [members, ...]."""
    shape = tuple(x.shape)
    if shape[axis] % members:
        raise _fail(
            ShapeError,
            f"{name}: a dimension of {shape[axis]} (axis {axis}) is not divisible by {members} "
            "members",
        )
    parts = (*shape[:axis], members, shape[axis] // members, *shape[axis + 1 :])
    return moveaxis(reshape(x, parts), axis, 0)


@tells_refusals
def all_gather(
    x: Any,
    *,
    axis: int = 0,
    tiled: bool = False,
    mean: bool = False,
    group: Group | None = None,
) -> Any:
    """The x of all members, for each the same.

    Args:
        x: of the same shapes and dtypes in all members.
        axis: where the dimension of the members is in the result.
        tiled: they are put one after the other along ``axis``, which x has, in its place.
        mean: the gradient is a mean instead of a sum.

    The gradient is `reduce_scatter`: each member gets the sum of what all have for its part.

    Raises:
        CommunicationError: a member does something else. OutOfBoundsError: there is no such axis.
    """
    chosen = require_group(group, "all_gather")

    def leaf(part: Tensor) -> Tensor:
        place = normalize_axis(axis, part.ndim + (not tiled), "all_gather")
        stacked = _moved("weft.all_gather", part, chosen, mean=bool(mean))
        return _joined(stacked, place) if tiled else moveaxis(stacked, 0, place)

    return _leaves(leaf, x)


@tells_refusals
def reduce_scatter(
    x: Any, *, axis: int = 0, tiled: bool = False, group: Group | None = None
) -> Any:
    """The sum of the members' x, of which each member gets its part along ``axis``.

    Args:
        x: its dimension ``axis`` is for the members, one element each; ``tiled``: as many parts.

    The gradient is `all_gather`.

    Raises:
        ShapeError: the dimension is not for so many members. CommunicationError: a member does
            something else.
    """
    chosen = require_group(group, "reduce_scatter")

    def leaf(part: Tensor) -> Tensor:
        stacked = _of_members(part, axis, tiled, chosen, "reduce_scatter")
        return _summed("weft.reduce_scatter", "reduce_scatter", stacked, chosen)

    return _leaves(leaf, x)


def _of_members(x: Tensor, axis: int, tiled: bool, group: Group, name: str) -> Tensor:
    place = normalize_axis(axis, x.ndim, name)
    if tiled:
        return _divided(x, place, group.size, name)
    if x.shape[place] != group.size:
        raise _fail(
            ShapeError,
            f"{name}: x of shape {tuple(x.shape)} has {x.shape[place]} elements along axis {axis}, "
            f"but there are {group.size} members; tiled=True takes as many parts",
        )
    return moveaxis(x, place, 0)


@tells_refusals
def all_to_all(
    x: Any,
    *,
    split_axis: int = 0,
    concat_axis: int = 0,
    group: Group | None = None,
) -> Any:
    """Part i of x goes to member i; what comes from the members is put one after the other.

    Args:
        split_axis: along which x is divided into as many parts as there are members.
        concat_axis: along which the parts are joined.

    The gradient is the way back.

    Raises:
        ShapeError: x can't be divided so. CommunicationError: a member does something else.
    """
    chosen = require_group(group, "all_to_all")

    def leaf(part: Tensor) -> Tensor:
        split = normalize_axis(split_axis, part.ndim, "all_to_all")
        place = normalize_axis(concat_axis, part.ndim, "all_to_all")
        stacked = _divided(part, split, chosen.size, "all_to_all")
        return _joined(_moved("weft.all_to_all", stacked, chosen), place)

    return _leaves(leaf, x)


@tells_refusals
def permute(x: Any, pairs: Sequence[tuple[int, int]], group: Group | None = None) -> Any:
    """What member i has for member j, for each pair (i, j); zeros where nobody sends.

    One operation is both send and receive, so that all members run the same one.

    Args:
        x: of the same shapes and dtypes in all members.
        pairs: each member sends to at most one, and gets from at most one; JAX's ``ppermute``.

    The gradient goes the other way.

    Raises:
        OptionError: a pair names no member, or a member twice. CommunicationError: a member does
            something else.
    """
    chosen = require_group(group, "permute")
    destinations = [-1] * chosen.size
    taken: set[int] = set()
    for source, target in pairs:
        _member(source, chosen, "permute")
        _member(target, chosen, "permute")
        if destinations[source] >= 0 or target in taken:
            raise _fail(
                OptionError, f"permute: a member sends to two, or gets from two, by {list(pairs)}"
            )
        destinations[source] = target
        taken.add(target)
    places = tuple(destinations)
    return _leaves(
        lambda part: _moved("weft.permute_members", part, chosen, destinations=places), x
    )


@tells_refusals
def shift(x: Any, by: int = 1, *, wrap: bool = True, group: Group | None = None) -> Any:
    """`permute` of each member's x to the one ``by`` numbers further on.

    Args:
        wrap: whether the last ones send to the first ones.
    """
    chosen = require_group(group, "shift")
    size = chosen.size
    pairs = [(i, (i + by) % size) for i in range(size) if wrap or 0 <= i + by < size]
    return permute(x, pairs, chosen)
