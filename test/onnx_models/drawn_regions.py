"""The rules by which sequences, branches, loops and scans of ONNX models are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from drawn_models import FLOATS, Drawer, NotDrawnError, rule, step
from onnx import helper


@rule(2)
def sequences(d: Drawer) -> None:
    if d.opset < 11:
        raise NotDrawnError
    x = d.of(("float32", "int64", "bool", "float64"), 1)
    a = d.values[x]
    axis = d.axis(a)
    if not a.shape[axis]:
        raise NotDrawnError
    if d.chance(0.5):
        length = d.pick(1, 2)
        parts = "" if d.chance(0.3) else d.number(length)
        options = {"keepdims": d.pick(0, 1)} if not parts else {}
        (seq,) = d.node("SplitToSequence", [x, parts], axis=axis, **options)
    else:
        (seq,) = d.node("SequenceConstruct", [x, x, d.fresh(a.dtype.name, a.shape)])
    count = len(d.values[seq])
    if d.chance(0.4):
        where = [d.number(int(d.random.integers(-count, count)))] if d.chance(0.6) else []
        (seq,) = d.node("SequenceErase", [seq, *where])
        count -= 1
    if d.chance(0.4) and count:
        where = [d.number(int(d.random.integers(-count, count + 1)))] if d.chance(0.6) else []
        (seq,) = d.node(
            "SequenceInsert", [seq, d.fresh(a.dtype.name, d.values[seq][0].shape), *where]
        )
        count += 1
    d.node("SequenceLength", [seq])
    if not count:
        raise NotDrawnError
    if d.chance(0.5):
        d.node("SequenceAt", [seq, d.number(int(d.random.integers(-count, count)))])
    else:
        d.node("ConcatFromSequence", [seq], axis=d.pick(0, -1), new_axis=d.pick(0, 1))


# Graphs within nodes --------------------------------------------------------------------------


def inner(d: Drawer, given: dict[str, Any]) -> Drawer:
    """A graph that sees what surrounds it, and inputs of its own."""
    d.counter += 1
    made = Drawer(
        d.random, d.opset, d.references, prefix=f"{d.prefix}g{d.counter}_", depth=d.depth + 1
    )
    made.values = {name: x for name, x in d.values.items() if isinstance(x, np.ndarray)} | given
    for _ in range(int(d.random.integers(1, 4))):
        step(made)
    return made


def graph_of(d: Drawer, inputs: dict[str, Any], outputs: list[str]) -> onnx.GraphProto:
    """The graph that was drawn."""
    rows = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for n, x in inputs.items()
    ]
    results = [
        helper.make_tensor_value_info(
            n, helper.np_dtype_to_tensor_dtype(d.values[n].dtype), d.values[n].shape
        )
        for n in outputs
    ]
    constants = [onnx.numpy_helper.from_array(x, n) for n, x in d.initializers.items()]
    return helper.make_graph(d.nodes, "inner", rows, results, constants)


def last(d: Drawer) -> str:
    """The last tensor that was drawn within."""
    found = [
        name
        for node in d.nodes
        for name in node.output
        if isinstance(d.values.get(name), np.ndarray)
    ]
    if not found:
        raise NotDrawnError
    return found[-1]


@rule(3)
def branches(d: Drawer) -> None:
    if d.depth > 1:
        raise NotDrawnError
    first = inner(d, {})
    name = last(first)
    x = first.values[name]
    second = inner(d, {})
    other = second.fresh(x.dtype.name, x.shape)
    (other,) = second.node("Identity", [other])
    condition = d.add(np.asarray(d.chance(0.5)))
    graphs = [graph_of(first, {}, [name]), graph_of(second, {}, [other])]
    if d.chance(0.5):
        graphs.reverse()
    d.node("If", [condition], then_branch=graphs[0], else_branch=graphs[1])


@rule(3)
def loops(d: Drawer) -> None:
    if d.depth > 1 or d.opset < 11:
        raise NotDrawnError
    state = d.of((*FLOATS[:4], "int64", "int32"))
    x = d.values[state]
    d.counter += 1
    names = [f"{d.prefix}l{d.counter}_{part}" for part in ("i", "c", "x", "go", "row")]
    given = {names[0]: np.asarray(0), names[1]: np.asarray(True), names[2]: x}
    body = inner(d, given)
    row = last(body)
    # The state keeps its shape: a sum with what does not grow.
    (half,) = body.node("Mul", [names[2], body.add(np.asarray(1, x.dtype))])
    (after,) = body.node("Sub", [half, body.fresh(x.dtype.name, x.shape)])
    if d.chance(0.5):
        (go,) = body.node("Identity", [names[1]])
    else:
        (go,) = body.node("Less", [names[0], body.add(np.asarray(d.pick(1, 2, 9)))])
    most = d.add(np.asarray(d.pick(0, 1, 2, 3, 10)))
    begin = d.add(np.asarray(d.chance(0.85))) if d.chance(0.5) else ""
    d.node("Loop", [most, begin, state], 2, body=graph_of(body, given, [go, after, row]))


@rule(3)
def scans(d: Drawer) -> None:
    if d.depth > 1 or d.opset < 9:
        raise NotDrawnError
    x = d.of((*FLOATS[:4], "int64", "int32"), 1)
    a = d.values[x]
    axis = d.axis(a) if d.opset >= 11 else 0
    if not a.shape[axis]:
        raise NotDrawnError
    part = np.take(a, 0, axis)
    d.counter += 1
    names = [f"{d.prefix}s{d.counter}_{part}" for part in ("s", "x")]
    state = d.fresh(a.dtype.name, part.shape)
    given = {names[0]: d.values[state], names[1]: part}
    body = inner(d, given)
    row = last(body)
    (after,) = body.node("Add", [names[0], names[1]])
    options: dict[str, Any] = {"num_scan_inputs": 1, "scan_input_axes": [axis]}
    if d.chance(0.5):
        options["scan_input_directions"] = [d.pick(0, 1)]
    if d.chance(0.5):
        rank = body.values[row].ndim + 1
        low = -rank if d.opset >= 11 else 0
        options["scan_output_axes"] = [int(d.random.integers(low, rank))]
        options["scan_output_directions"] = [d.pick(0, 1)]
    d.node("Scan", [state, x], 2, body=graph_of(body, given, [after, row]), **options)
