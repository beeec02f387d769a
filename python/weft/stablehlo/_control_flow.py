"""Rules for loops, branches and calls: regions become bodies of weft's own."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from ._graph import Region
from ._known import Known, known_of
from ._program import tensor
from ._rules import Call, raw_rule, rule
from ._weft import weft


@raw_rule("stablehlo.while")
def while_(call: Call, *init: Any) -> tuple:
    """A loop that counts to a known number is a scan, which has gradients."""
    condition, body = call.region(0), call.region(1)
    carried = tuple(tensor(value) for value in init)
    length = _iterations(call, init)
    if length is not None:
        return weft.scan(lambda value, _: (body(*value), None), carried, None, length=length)[0]
    return tuple(
        weft.while_loop(lambda value: condition(*value)[0], lambda value: body(*value), carried)
    )


def _iterations(call: Call, init: tuple) -> Any:
    """How often a loop runs whose counter goes up by one to a known bound; None if unknown."""
    condition, body = call.op.regions
    if not condition.ops or condition.results != condition.ops[-1].outputs:
        return None
    test = condition.ops[-1]
    if test.name != "stablehlo.compare" or test.attributes["comparison_direction"] != "LT":
        return None
    if test.inputs[0] not in condition.arguments:
        return None
    place = condition.arguments.index(test.inputs[0])
    first, last = init[place], _known(call, condition, body, test.inputs[1], init)
    if not isinstance(first, Known) or last is None or not _counts(call, body, place):
        return None
    length = last.values.item() - first.values.item()
    try:
        return max(length, 0)
    except weft.WeftError:
        return None


def _known(call: Call, condition: Region, body: Region, number: int, init: tuple) -> Known | None:
    """A value of the condition that is the same in all iterations, if it is known."""
    if number in condition.arguments:
        place = condition.arguments.index(number)
        if body.results[place] != body.arguments[place]:
            return None
        value = init[place]
    else:
        maker = call.op.producers.get(number)
        known = known_of(maker)
        value = known if known is not None else call.frame.value(number)
        if maker in condition.ops and known is None:
            return None
    return value if isinstance(value, Known) else None


def _counts(call: Call, body: Region, place: int) -> bool:
    """Whether the body adds one to a carried value."""
    maker = call.op.producers.get(body.results[place])
    if maker is None or maker.name != "stablehlo.add" or maker not in body.ops:
        return False
    own = body.arguments[place]
    if own not in maker.inputs:
        return False
    (other,) = [n for n in maker.inputs if n != own] or [own]
    step = call.op.producers.get(other)
    known = known_of(step)
    return known is not None and known.values.shape == () and known.values.item() == 1


@rule("stablehlo.if")
def if_(call: Call, flag: Tensor) -> tuple:
    return tuple(weft.cond(flag, call.region(0), call.region(1)))


@rule("stablehlo.case")
def case(call: Call, index: Tensor) -> tuple:
    """An index of no branch means the last one."""
    count = len(call.op.regions)
    last = weft.asarray(count - 1, dtype=index.dtype)
    zero = weft.asarray(0, dtype=index.dtype)
    index = weft.where((index < zero) | (index > last), last, index)
    return tuple(weft.switch(index, [call.region(i) for i in range(count)]))


@raw_rule("func.call")
def call_(call: Call, *values: Any) -> tuple:
    return call.function(call["callee"].lstrip("@"))(*values)


@raw_rule("stablehlo.composite")
def composite(call: Call, *values: Any) -> tuple:
    return call.function(call["decomposition"].lstrip("@"))(*values)
