"""What goes along axes, as ONNX nodes: reductions, orders, running sums."""

from __future__ import annotations

import numpy as np

from ._writer import INT32, Op, Type, form


def _reduced(op: Op, name: str, x: str, keepdims: int = 0) -> str:
    axes = op.options["axes"]
    nothing = {} if axes else {"noop_with_empty_axes": 1}
    return op.node(name, x, op.writer.whole(np.array(axes)), keepdims=keepdims, **nothing)


@form("sum")
def _sum(op: Op) -> str:
    return _reduced(op, "ReduceSum", op.inputs[0])


@form("prod")
def _prod(op: Op) -> str:
    return _reduced(op, "ReduceProd", op.inputs[0])


@form("mean")
def _mean(op: Op) -> str:
    return _reduced(op, "ReduceMean", op.inputs[0])


def _where_nan(op: Op) -> str:
    """Where x is NaN, as numbers of its dtype: ONNX says nothing of NaN in what compares."""
    return op.writer.cast(op.node("IsNaN", op.inputs[0]), op.writer.elements[op.inputs[0]])


@form("max", "min")
def _extreme(op: Op) -> str:
    (x,) = op.inputs
    made = _reduced(op, "ReduceMax" if op.name == "weft.max" else "ReduceMin", x)
    if not op.is_float:
        return made
    none = op.node("Equal", _reduced(op, "ReduceMax", _where_nan(op)), op.writer.like(x, 0))
    return op.node("Where", none, made, op.writer.like(x, np.nan))


@form("argmax", "argmin")
def _place(op: Op) -> str:
    (x,), (axis,) = op.inputs, op.options["axes"]
    largest = op.name == "weft.argmax"
    if op.is_float:
        nan = _where_nan(op)
        none = op.node("Equal", _reduced(op, "ReduceMax", nan, 1), op.writer.like(x, 0))
        x = op.node("Where", none, x, nan if largest else op.node("Neg", nan))
    return op.node("ArgMax" if largest else "ArgMin", x, axis=axis, keepdims=0)


@form("sort")
def _sort(op: Op) -> list[str]:
    """TopK keeps the order of equal elements. NaN goes behind the others in a sort of its own."""
    (x,), axis = op.inputs, op.options["axis"]
    w, count = op.writer, op.writer.size(op.types[0].shape[axis])
    largest = int(bool(op.options.get("descending")))
    if not op.is_float:
        return w.several("TopK", 2, x, count, axis=axis, largest=largest)
    nan = op.node("IsNaN", x)
    keys = op.node("Where", nan, w.like(x, 0), x)
    _, order = w.several("TopK", 2, keys, count, axis=axis, largest=largest)
    last = w.cast(op.node("GatherElements", nan, order, axis=axis), INT32)
    _, second = w.several("TopK", 2, last, count, axis=axis, largest=0)
    order = op.node("GatherElements", order, second, axis=axis)
    return [op.node("GatherElements", x, order, axis=axis), order]


@form("cumulative_sum")
def _cumulative_sum(op: Op) -> str:
    axis = op.writer.whole(op.options["axis"])
    reverse = int(bool(op.options.get("reversed")))
    return op.node("CumSum", op.inputs[0], axis, reverse=reverse)


@form("cumulative_prod")
def _cumulative_prod(op: Op) -> str:
    """ONNX has none: a Scan that carries the product along."""
    w, axis, shape = op.writer, op.options["axis"], op.types[0].shape
    others = Type(op.result.dtype, (*shape[:axis], *shape[axis + 1 :]))
    if shape[axis] == 0:
        return op.node("Identity", op.inputs[0])
    carried, part, made, row = (w.fresh() for _ in range(4))
    infos = [w.info(name, others) for name in (carried, part, made, row)]
    with w.inside([]) as nodes:
        product = w.node("Mul", carried, part)
        nodes += [w.helper.make_node("Identity", [product], [name]) for name in (made, row)]
    body = w.helper.make_graph(nodes, "product", infos[:2], infos[2:])
    turned = [int(bool(op.options.get("reversed")))]
    ones = w.node("Expand", w.like(op.inputs[0], 1), w.sizes(others.shape))
    options = {
        "scan_input_axes": [axis],
        "scan_output_axes": [axis],
        "scan_input_directions": turned,
        "scan_output_directions": turned,
    }
    names = [w.fresh(), w.fresh()]
    inputs = [ones, op.inputs[0]]
    node = w.helper.make_node("Scan", inputs, names, body=body, num_scan_inputs=1, **options)
    w.nodes.append(node)
    w.elements[names[1]] = w.elements[op.inputs[0]]
    return names[1]
