"""If, Loop and Scan: weft's cond, while_loop and scan, or Python's where all is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from .._core import Tensor
from .._creation import _fail
from .._errors import DTypeError, ShapeError, UnsupportedError
from ._graph import Call, Graph
from ._rules import rule, weft
from ._values import as_tensor, dtype_of, known, number, require_known


@rule("If", wanted=(0,), raw=True)
def _if(condition: Any, *, then_branch: Graph, else_branch: Graph, node: Call) -> tuple:
    chosen = _flag(condition)
    tensors = all(x.kind == "tensor" for x in then_branch.outputs)
    if chosen is None and tensors:
        flag = weft.reshape(as_tensor(condition), ())
        try:
            return tuple(
                weft.cond(
                    flag,
                    lambda: _tensors(node.run(then_branch, ())),
                    lambda: _tensors(node.run(else_branch, ())),
                )
            )
        except (ShapeError, DTypeError):
            # Branches of different shapes can't be compiled both: which one has to be known.
            if known(condition) is None:
                raise
    if chosen is None:
        chosen = _known_flag(condition)
    return tuple(node.run(then_branch if chosen else else_branch, ()))


def _known_flag(condition: Any) -> bool:
    return bool(number(require_known(condition, "the condition of what is no branch of tensors")))


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
def _loop(most: Any, condition: Any, *init: Any, body: Graph, node: Call) -> tuple:
    limit = None if most is None else _count(most)
    begin = True if condition is None else _flag(condition)
    simple = all(isinstance(value, (Tensor, np.ndarray)) for value in init)
    plain = simple and all(x.kind == "tensor" for x in body.outputs)
    if begin is True and isinstance(limit, int) and _always_holds(body) and plain:
        if not _core.is_tracing() or limit <= _MOST_UNROLLED:
            return _in_python(limit, init, body, node)
        return _as_scan(limit, tuple(map(as_tensor, init)), body, node)
    compiled = _core.is_tracing() and (
        begin is None or limit is _UNKNOWN or not _always_holds(body)
    )
    if begin is not False and compiled and plain and len(body.outputs) == 1 + len(init):
        return _as_while(most, condition, tuple(map(as_tensor, init)), body, node)
    if begin is None:
        begin = _known_flag(condition)
    if limit is _UNKNOWN:
        limit = int(number(require_known(most, "the number of iterations of this loop")))
    return _in_python(limit if begin else 0, init, body, node)


#: In the place of a number of iterations that is known at run time only.
_UNKNOWN = object()


def _count(most: Any) -> Any:
    """The number of iterations; _UNKNOWN if it is known at run time only."""
    if isinstance(most, np.ndarray):
        return int(number(most))
    if isinstance(most, Tensor) and not (_core.is_tracing() or most._is_tracer):
        return int(most.item())
    return _UNKNOWN


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


def _in_python(limit: int | None, init: tuple, body: Graph, node: Call) -> tuple:
    """The loop, iteration by iteration."""
    state, rows, place = list(init), [], 0
    condition: Any = np.asarray(True)
    count = len(init)
    while limit is None or place < limit:
        holds = _flag(condition)
        if not (_known_flag(condition) if holds is None else holds):
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
    outputs = body.outputs[1 + count :]
    if any(x.shape is None or not x.element for x in outputs):
        raise _fail(UnsupportedError, "a Loop without iterations, whose outputs have no shape")
    sizes = [[s if isinstance(s, int) else 0 for s in x.shape or ()] for x in outputs]
    return [
        weft.zeros((0, *size), dtype=dtype_of(x.element))
        for size, x in zip(sizes, outputs, strict=True)
    ]


def _as_scan(limit: int, state: tuple, body: Graph, node: Call) -> tuple:
    count = len(state)
    holds = np.asarray(True)

    def step(carry: tuple, place: Tensor) -> tuple:
        made = _tensors(node.run(body, (place, holds, *carry))[1:])
        return made[:count], made[count:]

    last, rows = weft.scan(step, state, weft.arange(limit, dtype="int64"))
    return (*last, *rows)


def _as_while(most: Any, condition: Any, state: tuple, body: Graph, node: Call) -> tuple:
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
def _scan_of_batches(
    *inputs: Any, body: Graph, num_scan_inputs: int, directions: Any = None, node: Call
) -> tuple:
    """Scan as it was in opset 8: example by example, along the second dimension."""
    lengths, *given = inputs
    if lengths is not None:
        raise _fail(UnsupportedError, "Scan before opset 9 with sequences of several lengths")
    made = [
        _scan(
            *(x[example] for x in given),
            body=body,
            num_scan_inputs=num_scan_inputs,
            scan_input_directions=directions,
            node=node,
        )
        for example in range(given[0].shape[0])
    ]
    return tuple(weft.stack(list(column), axis=0) for column in zip(*made, strict=True))


@rule("Scan", since=9)
def _scan(
    *inputs: Tensor,
    body: Graph,
    num_scan_inputs: int,
    scan_input_axes: Any = None,
    scan_input_directions: Any = None,
    scan_output_axes: Any = None,
    scan_output_directions: Any = None,
    node: Call,
) -> tuple:
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
