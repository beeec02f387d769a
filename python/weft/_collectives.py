"""What mapped functions ask of all examples: sums over a named axis, and their kin."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from . import _core, _reductions
from ._autodiff import tree_map
from ._batching import _Level
from ._core import Tensor
from ._creation import _fail, asarray
from ._errors import NameUseError
from ._manipulation import broadcast_to, moveaxis, normalize_axis, reshape
from ._modes import DIFFERENTIATION, REGION, has_begun, nesting


def _level_of(axis_name: Hashable, name: str) -> int:
    """The number of the innermost mapped function with a name."""
    for number in reversed(range(len(nesting.levels))):
        known = nesting.levels[number].axis_name
        if known is not None and known == axis_name:
            return number
    names = [repr(level.axis_name) for level in nesting.levels if level.axis_name is not None]
    there = f"there are {', '.join(names)}" if names else "no axis has a name"
    raise _fail(
        NameUseError,
        f"{name}: no function is being mapped along an axis named {axis_name!r} ({there}); say "
        "vmap(..., axis_name=...)",
    )


def _is_at_hand(x: Tensor, number: int) -> bool:
    """Whether the values of all examples of a level can be made where this is called: not in the
    body of a loop or branch, which is for one example, nor where they would be no part of what is
    differentiated for one."""
    return not (
        has_begun(REGION, number) or (x.requires_grad and has_begun(DIFFERENTIATION, number))
    )


def _over_examples(x: Tensor, number: int, combine: Callable[[Tensor, int], Tensor]) -> Tensor:
    """What ``combine`` makes of the values of all examples of a level: [count, inner..., shape...],
    with the number of inner dimensions, to [inner..., result...].

    These are the examples of functions that are mapped within, which give their batches, each by
    its turn, and get them back.
    """
    inner: list[_Level] = []
    for level in reversed(nesting.levels[number + 1 :]):
        (batch,) = level.examples.all([x])
        if batch is not None:
            inner.append(level)
            x = batch
    own = nesting.levels[number]
    (batch,) = own.examples.all([x])
    result = combine(broadcast_to(x, (own.count, *x.shape)) if batch is None else batch, len(inner))
    for level in reversed(inner):
        result = level.examples.example_of(result)
    return result


def _names(axis_name: Any) -> tuple[Hashable, ...]:
    return axis_name if isinstance(axis_name, tuple) else (axis_name,)


def _reduced(name: str, x: Any, axis_name: Any, reduce: Callable[..., Tensor]) -> Any:
    """Each leaf of x reduced over one named axis after the other."""

    def over(part: Tensor, own: Hashable) -> Tensor:
        number = _level_of(own, name)
        if _is_at_hand(part, number):
            return _over_examples(part, number, lambda whole, _: reduce(whole, axis=0))
        level = nesting.levels[number]
        # Of the dtype that sums of it have.
        wide = reduce(part[None], axis=0)
        if reduce is _reductions.sum:
            return _core.across_examples(wide, level.index, -1)
        if reduce is _reductions.mean:
            return _core.across_examples(wide, level.index, -1) / level.count
        return reduce(_core.across_examples(wide, level.index, level.count), axis=0)

    def leaf(part: Any) -> Tensor:
        part = asarray(part)
        for own in _names(axis_name):
            part = over(part, own)
        return part

    return tree_map(leaf, x)


def psum(x: Any, axis_name: Any) -> Any:
    """The sum over all examples of the axis that `vmap` has given a name; the same for each.

    Args:
        x: a tensor or number, or a nested container of these.
        axis_name: a name, or a tuple of several, outermost or innermost first alike.

    In the body of a loop or branch, and in what is differentiated for one example, all examples
    take part too; the gradient of a sum is the sum of the cotangents of all examples.

    Raises:
        NameUseError: no function is being mapped along such an axis.
    """
    return _reduced("psum", x, axis_name, _reductions.sum)


def pmean(x: Any, axis_name: Any) -> Any:
    """The mean over all examples of a named axis; see `psum`."""
    return _reduced("pmean", x, axis_name, _reductions.mean)


def pmax(x: Any, axis_name: Any) -> Any:
    """The largest of all examples of a named axis, element by element; see `psum`."""
    return _reduced("pmax", x, axis_name, _reductions.max)


def pmin(x: Any, axis_name: Any) -> Any:
    """The smallest of all examples of a named axis, element by element; see `psum`."""
    return _reduced("pmin", x, axis_name, _reductions.min)


def axis_index(axis_name: Hashable) -> Tensor:
    """Which example of a named axis this one is: from 0, int64.

    Raises:
        NameUseError: no function is being mapped along such an axis.
    """
    return nesting.levels[_level_of(axis_name, "axis_index")].index


def all_gather(x: Any, axis_name: Hashable, *, axis: int = 0, tiled: bool = False) -> Any:
    """The values of all examples of a named axis, for each the same.

    Args:
        x: a tensor or number, or a nested container of these.
        axis_name: the name.
        axis: where the dimension of the examples is in the result.
        tiled: they are put one after the other along ``axis``, which x has, in its place.

    Raises:
        NameUseError: see `psum`. OutOfBoundsError: there is no such axis.
    """

    def gather(whole: Tensor, inner: int) -> Tensor:
        rank = whole.ndim - inner - (1 if tiled else 0)
        place = inner + normalize_axis(axis, rank, "all_gather")
        stacked = moveaxis(whole, 0, place)
        if not tiled:
            return stacked
        shape = stacked.shape
        return reshape(
            stacked, (*shape[:place], shape[place] * shape[place + 1], *shape[place + 2 :])
        )

    def leaf(part: Any) -> Tensor:
        tensor = asarray(part)
        number = _level_of(axis_name, "all_gather")
        if _is_at_hand(tensor, number):
            return _over_examples(tensor, number, gather)
        level = nesting.levels[number]
        return gather(_core.across_examples(tensor, level.index, level.count), 0)

    return tree_map(leaf, x)
