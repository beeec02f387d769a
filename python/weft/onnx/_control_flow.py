"""If, Loop and Scan: weft's cond, while_loop and scan, or Python's where all is known."""

from __future__ import annotations

from typing import Any

import numpy as np

import weft

from .. import _core
from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ._graph import Graph, Node
from ._rules import rule
from ._values import as_tensor, number


@rule("If", wanted=(0,), raw=True)
def _if(condition: Any, *, then_branch: Graph, else_branch: Graph, node: Node) -> tuple:
    chosen = _flag(condition)
    if chosen is not None:
        return tuple(node.run(then_branch if chosen else else_branch, ()))
    flag = weft.reshape(as_tensor(condition), ())

    def branch(graph: Graph) -> Any:
        return lambda: _tensors(node.run(graph, ()))

    return tuple(weft.cond(flag, branch(then_branch), branch(else_branch)))


def _flag(condition: Any) -> bool | None:
    """A condition that is known, or that is computed at once, as Python decides it."""
    if isinstance(condition, np.ndarray):
        return bool(number(condition))
    if isinstance(condition, Tensor) and not (_core.is_tracing() or condition._is_tracer):
        return bool(condition.item())
    return None


def _tensors(values: Any) -> tuple:
    for value in values:
        if value is None or isinstance(value, list):
            raise _fail(
                UnsupportedError,
                "sequences and optionals out of a branch or loop that is decided by values",
            )
    return tuple(map(as_tensor, values))


#: A loop whose number of iterations is known is written out up to so many.
_MOST_UNROLLED = 8


@rule("Loop", wanted=(0, 1), raw=True)
def _loop(most: Any, condition: Any, *init: Any, body: Graph, node: Node) -> tuple:
    limit = None if most is None else _count(most)
    begin = True if condition is None else _flag(condition)
    endless = _always_holds(body)
    eager = not _core.is_tracing() and limit is not False and begin is not None
    simple = all(isinstance(value, (Tensor, np.ndarray)) for value in init)
    known = limit is not None and limit is not False and begin is True and endless
    if begin is False or eager or (known and (not simple or limit <= _MOST_UNROLLED)):
        return _in_python(None if limit is None else int(limit), begin, init, body, node)
    state = tuple(map(as_tensor, _checked_state(init)))
    if known:
        return _as_scan(int(limit), state, body, node)
    if len(body.outputs) > 1 + len(state):
        raise _fail(
            UnsupportedError, "a Loop whose number of iterations is not known, with scan outputs"
        )
    return _as_while(most, condition, state, body, node)


def _checked_state(init: tuple) -> tuple:
    if any(value is None or isinstance(value, list) for value in init):
        raise _fail(UnsupportedError, "a Loop of sequences whose number of iterations is not known")
    return init


def _count(most: Any) -> Any:
    """The number of iterations; False if it is known at run time only."""
    if isinstance(most, np.ndarray):
        return int(number(most))
    if isinstance(most, Tensor) and not (_core.is_tracing() or most._is_tracer):
        return int(most.item())
    return False


def _always_holds(body: Graph) -> bool:
    """Whether the body hands its condition on, or gives a constant that holds."""
    name = body.outputs[0].name
    for node in reversed(body.nodes):
        if name in node.outputs:
            if node.name == "Constant":
                value = node.options.get("value")
                return isinstance(value, np.ndarray) and bool(value.reshape(-1)[0])
            if node.name != "Identity":
                return False
            name = node.inputs[0]
    if name in body.constants:
        return bool(np.asarray(body.constants[name]).reshape(-1)[0])
    return name == body.inputs[1].name


def _in_python(limit: int | None, begin: Any, init: tuple, body: Graph, node: Node) -> tuple:
    """The loop, iteration by iteration."""
    state, rows, place = list(init), [], 0
    condition: Any = np.asarray(bool(begin))
    count = len(init)
    while limit is None or place < limit:
        holds = _flag(condition)
        if holds is None:
            raise _fail(UnsupportedError, "a Loop whose condition is not known while tracing")
        if not holds:
            break
        condition, *made = node.run(body, (np.asarray(place, np.int64), condition, *state))
        state = list(made[:count])
        rows.append([as_tensor(x) for x in made[count:]])
        place += 1
    if rows:
        columns = [weft.stack(list(column), axis=0) for column in zip(*rows, strict=True)]
    else:
        columns = _nothing(body, count)
    return (*state, *columns)


def _nothing(body: Graph, count: int) -> list[Tensor]:
    """Scan outputs of no iteration."""
    from ._values import dtype_of

    outputs = body.outputs[1 + count :]
    if any(x.shape is None or not x.element for x in outputs):
        raise _fail(UnsupportedError, "a Loop without iterations, whose outputs have no shape")
    sizes = [[s if isinstance(s, int) else 0 for s in x.shape or ()] for x in outputs]
    return [
        weft.zeros((0, *size), dtype=dtype_of(x.element))
        for size, x in zip(sizes, outputs, strict=True)
    ]


def _as_scan(limit: int, state: tuple, body: Graph, node: Node) -> tuple:
    count = len(state)
    holds = np.asarray(True)

    def step(carry: tuple, place: Tensor) -> tuple:
        made = _tensors(node.run(body, (place, holds, *carry))[1:])
        return made[:count], made[count:]

    last, rows = weft.scan(step, state, weft.arange(limit, dtype="int64"))
    return (*last, *rows)


def _as_while(most: Any, condition: Any, state: tuple, body: Graph, node: Node) -> tuple:
    limit = None if most is None else weft.reshape(as_tensor(most), ())
    begin = True if condition is None else weft.reshape(as_tensor(condition), ())
    first = (weft.asarray(np.int64(0)), weft.asarray(begin), state)

    def holds(carry: tuple) -> Tensor:
        place, flag, _ = carry
        return flag if limit is None else flag & (place < limit)

    def step(carry: tuple) -> tuple:
        place, flag, values = carry
        flag, *made = _tensors(node.run(body, (place, flag, *values)))
        return place + 1, weft.reshape(flag, ()), tuple(made)

    return tuple(weft.while_loop(holds, step, first)[2])


@rule("Scan")
def _scan(
    *inputs: Tensor,
    body: Graph,
    num_scan_inputs: int,
    scan_input_axes: Any = None,
    scan_input_directions: Any = None,
    scan_output_axes: Any = None,
    scan_output_directions: Any = None,
    directions: Any = None,
    node: Node,
) -> tuple:
    if node.version < 9:
        raise _fail(UnsupportedError, "Scan before opset 9, which has a dimension for batches")
    count = len(inputs) - num_scan_inputs
    state, given = inputs[:count], inputs[count:]
    axes = scan_input_axes or [0] * len(given)
    turned = scan_input_directions or [0] * len(given)
    rows = []
    for x, axis, turn in zip(given, axes, turned, strict=True):
        row = weft.moveaxis(x, axis, 0)
        rows.append(weft.flip(row, axis=0) if turn else row)

    def step(carry: tuple, parts: tuple) -> tuple:
        made = _tensors(node.run(body, (*carry, *parts)))
        return made[:count], made[count:]

    last, made = weft.scan(step, tuple(state), tuple(rows))
    out_axes = scan_output_axes or [0] * len(made)
    out_turned = scan_output_directions or [0] * len(made)
    results = []
    for row, axis, turn in zip(made, out_axes, out_turned, strict=True):
        row = weft.flip(row, axis=0) if turn else row
        results.append(weft.moveaxis(row, 0, axis))
    return (*last, *results)
