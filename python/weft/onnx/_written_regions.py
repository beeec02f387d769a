"""Control flow as ONNX's If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._dtypes import bool_, int64
from ._values import number_of
from ._writer import Op, Type, form
from ._written_movement import cut

#: Of what says which iteration it is, and whether to go on.
_NUMBER, _FLAG = Type(int64, ()), Type(bool_, ())


def _graph(op: Op, nodes: list[Any], inputs: list[Any], made: Sequence[str], types: Any) -> Any:
    """A graph of these nodes, whose outputs have names that no other value has."""
    w = op.writer
    infos = []
    for name, type in zip(made, types, strict=True):
        output = w.fresh()
        nodes.append(w.helper.make_node("Identity", [name], [output]))
        infos.append(w.info(output, type))
    return w.helper.make_graph(nodes, op.name.replace(".", "_"), inputs, infos)


def _arguments(op: Op, types: Sequence[Type]) -> tuple[list[str], list[Any]]:
    """New names for what a graph is given."""
    names = [op.writer.fresh() for _ in types]
    return names, [op.writer.info(name, type) for name, type in zip(names, types, strict=True)]


def _add(
    op: Op, name: str, inputs: Sequence[str], types: Sequence[Type], **options: Any
) -> list[str]:
    """A node with graphs; the names of its outputs."""
    names = [op.writer.fresh() for _ in types]
    op.writer.nodes.append(op.writer.helper.make_node(name, list(inputs), names, **options))
    for made, type in zip(names, types, strict=True):
        op.writer.elements[made] = number_of(type.dtype)
    return names


@form("case")
def _case(op: Op) -> list[str]:
    return _branches(op, op.regions, 0)


def _branches(op: Op, regions: Sequence[Any], number: int) -> list[str]:
    """The branches from one number on: an If, whose other side has those behind it."""
    index, *captured = op.inputs
    if len(regions) == 1:
        return op.write(regions[0], captured)
    w = op.writer
    chosen = w.node("LessOrEqual", index, w.whole(number))
    with w.inside([]) as first:
        here = op.write(regions[0], captured)
    with w.inside([]) as others:
        there = _branches(op, regions[1:], number + 1)
    graphs = [
        _graph(op, nodes, [], made, op.results) for nodes, made in ((first, here), (others, there))
    ]
    return _add(op, "If", [chosen], op.results, then_branch=graphs[0], else_branch=graphs[1])


@form("while")
def _while(op: Op) -> list[str]:
    w, (condition, body) = op.writer, op.regions
    count = op.options["operandSegmentSizes"][0]
    init, captured = op.inputs[:count], op.inputs[count:]
    names, inputs = _arguments(op, [_NUMBER, _FLAG, *op.results])
    (begin,) = op.write(condition, [*init, *captured])
    with w.inside([]) as nodes:
        made = op.write(body, [*names[2:], *captured])
        (more,) = op.write(condition, [*made, *captured])
    graph = _graph(op, nodes, inputs, [more, *made], [_FLAG, *op.results])
    return _add(op, "Loop", ["", begin, *init], op.results, body=graph)


@form("scan")
def _scan(op: Op) -> list[str]:
    w = op.writer
    carried, scanned, _ = op.options["operandSegmentSizes"]
    (count,) = op.options["count"]
    if count == 0:
        rows = op.results[carried:]
        return op.inputs[:carried] + [
            w.node("Expand", w.zero(type.dtype), w.sizes(type.shape)) for type in rows
        ]
    return _over_slices(op, carried, scanned) if scanned else _counted(op, carried, count)


def _slices(op: Op, carried: int) -> list[Type]:
    return [Type(type.dtype, type.shape[1:]) for type in op.results[carried:]]


def _over_slices(op: Op, carried: int, scanned: int) -> list[str]:
    """ONNX's Scan, which goes along something."""
    w, given = op.writer, op.inputs[: carried + scanned]
    parts = [Type(type.dtype, type.shape[1:]) for type in op.types[carried : carried + scanned]]
    names, inputs = _arguments(op, [*op.types[:carried], *parts])
    with w.inside([]) as nodes:
        made = op.write(op.regions[0], [*names, *op.inputs[carried + scanned :]])
    types = [*op.results[:carried], *_slices(op, carried)]
    options = {}
    if "reverse" in op.options:
        options = {
            "scan_input_directions": [1] * scanned,
            "scan_output_directions": [1] * (len(types) - carried),
        }
    graph = _graph(op, nodes, inputs, made, types)
    options = {name: turned for name, turned in options.items() if turned}
    return _add(op, "Scan", given, op.results, body=graph, num_scan_inputs=scanned, **options)


def _counted(op: Op, carried: int, count: Any) -> list[str]:
    """A Loop that counts, where there is nothing to go along."""
    w, init, captured = op.writer, op.inputs[:carried], op.inputs[carried:]
    names, inputs = _arguments(op, [_NUMBER, _FLAG, *op.results[:carried]])
    with w.inside([]) as nodes:
        made = op.write(op.regions[0], [*names[2:], *captured])
    types = [_FLAG, *op.results[:carried], *_slices(op, carried)]
    graph = _graph(op, nodes, inputs, [names[1], *made], types)
    given = [w.scalar(count), w.array(np.array(True)), *init]
    outputs = _add(op, "Loop", given, op.results, body=graph)
    if "reverse" in op.options:
        outputs[carried:] = [cut(w, row, 0, -1, -(2**62), -1) for row in outputs[carried:]]
    return outputs
