"""Rules for sort and top_k: a comparator is looked at for the keys by which it compares."""

from __future__ import annotations

from dataclasses import dataclass

from .._core import SymbolicSize, Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ._bodies import elementwise
from ._elementwise import ordered
from ._graph import Op, Region
from ._program import Frame, tensor
from ._rules import Call, rule
from ._weft import weft

# Of a comparator that no one can read, each element is compared with each.
_MOST_COMPARED = 4096


@dataclass(frozen=True)
class _Key:
    """One comparison of a function of the left element with that of the right one."""

    value: int
    is_descending: bool
    is_total: bool
    terms: tuple


class _Comparator:
    """A region that says whether the left element comes before the right one."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._makers = {number: op for op in region.ops for number in op.outputs}

    def keys(self) -> list[_Key] | None:
        """The keys, the first decides first; None if it is something else."""
        return self._keys_of(self._region.results[0])

    def _maker(self, number: int) -> Op | None:
        return self._makers.get(number)

    def _keys_of(self, number: int) -> list[_Key] | None:
        op = self._maker(number)
        if op is None:
            return None
        if op.name == "stablehlo.compare":
            key = self._key(op, {"LT": False, "GT": True})
            return [key] if key else None
        if op.name != "stablehlo.or":
            return None
        # k0 < l0 or (k0 == l0 and ...)
        first, both = self._keys_of(op.inputs[0]), self._maker(op.inputs[1])
        if first is None or len(first) != 1 or both is None or both.name != "stablehlo.and":
            return None
        same, rest = self._maker(both.inputs[0]), self._keys_of(both.inputs[1])
        equal = (
            self._key(same, {"EQ": False}) if same and same.name == "stablehlo.compare" else None
        )
        if rest is None or equal is None or equal.terms != first[0].terms:
            return None
        return [*first, *rest]

    def _key(self, op: Op, directions: dict[str, bool]) -> _Key | None:
        descending = directions.get(op.attributes["comparison_direction"])
        left, right = (self._terms(number) for number in op.inputs)
        if descending is None or left[0] != right[0]:
            return None
        is_total = op.attributes.get("compare_type") == "TOTALORDER"
        if (left[1], right[1]) == ({0}, {1}):
            return _Key(op.inputs[0], descending, is_total, left[0])
        if (left[1], right[1]) == ({1}, {0}):
            return _Key(op.inputs[0], not descending, is_total, left[0])
        return None

    def _terms(self, number: int) -> tuple[tuple, set[int]]:
        """How a value is computed of the operands' elements, and of which side these are."""
        if number in self._region.arguments:
            place = self._region.arguments.index(number)
            return ("operand", place // 2), {place % 2}
        op = self._maker(number)
        if op is None:
            return ("outside", number), set()
        inner = [self._terms(one) for one in op.inputs]
        attributes = str(sorted((k, str(v)) for k, v in op.attributes.items()))
        sides: set[int] = set().union(*(side for _, side in inner))
        return (op.name, attributes, *(terms for terms, _ in inner)), sides


@rule("stablehlo.sort")
def sort(call: Call, *values: Tensor) -> tuple:
    axis = call.get("dimension", -1)
    if values[0].ndim == 0:
        return values
    size = values[0].shape[axis]
    if not isinstance(size, SymbolicSize) and size < 2:
        return values
    keys = _Comparator(call.op.regions[0]).keys()
    if keys is None:
        order = _by_all_pairs(call, values, axis)
    else:
        order = _by_keys(call, values, keys, axis)
    return tuple(weft.take_along_axis(value, order, axis=axis) for value in values)


def _by_keys(call: Call, values: tuple, keys: list[_Key], axis: int) -> Tensor:
    """The last key first, as sorts are stable."""
    inner = Frame(call.frame.program, call.frame)
    inner.run(call.op.regions[0], [value for value in values for _ in range(2)])
    order: Tensor | None = None
    for key in reversed(keys):
        column = weft.broadcast_to(tensor(inner.value(key.value)), values[0].shape)
        if column.dtype.kind == "floating" and key.is_total:
            column = ordered(column)
        if column.dtype.kind == "bool":
            column = column.astype("uint8")
        if order is not None:
            column = weft.take_along_axis(column, order, axis=axis)
        following = weft.argsort(column, axis=axis, descending=key.is_descending, stable=True)
        order = following if order is None else weft.take_along_axis(order, following, axis=axis)
    assert order is not None
    return order


def _by_all_pairs(call: Call, values: tuple, axis: int) -> Tensor:
    """An element's place is how many come before it, equal ones in their order."""
    size = values[0].shape[axis]
    if isinstance(size, SymbolicSize) or size > _MOST_COMPARED:
        raise _fail(
            UnsupportedError,
            f"the comparator of this sort compares no keys; such are taken for up to "
            f"{_MOST_COMPARED} elements, but there are {size}",
        )
    rows = [weft.moveaxis(value, axis, -1) for value in values]
    shape = (*rows[0].shape, size)
    first = [weft.broadcast_to(weft.expand_dims(row, axis=-1), shape) for row in rows]
    second = [weft.broadcast_to(weft.expand_dims(row, axis=-2), shape) for row in rows]
    (before,) = elementwise(call, [part for pair in zip(second, first) for part in pair])
    (after,) = elementwise(call, [part for pair in zip(first, second) for part in pair])
    numbers = weft.arange(size, dtype="int64")
    earlier = numbers[None, :] < numbers[:, None]
    counts = before | (~after & earlier)
    places = weft.sum(counts.astype("int64"), axis=-1)
    return weft.moveaxis(weft.argsort(places, axis=-1), -1, axis)


@rule("chlo.top_k", "stablehlo.custom_call @mhlo.topk")
def top_k(call: Call, x: Tensor) -> tuple:
    """The largest along the last dimension, NaN first, equal ones in their order."""
    # The second name is how JAX 0.6 writes it.
    options = call.get("mhlo.attributes") or call.op.attributes
    if options.get("largest", True) is not True:
        raise _fail(UnsupportedError, "top_k of the smallest elements")
    column = ordered(x) if x.dtype.kind == "floating" else x
    order = weft.argsort(column, axis=-1, descending=True, stable=True)[..., : options["k"]]
    return weft.take_along_axis(x, order, axis=-1), order.astype(call.op.types[1].dtype)
