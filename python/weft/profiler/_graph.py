"""Programs as TensorBoard's graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core import SymbolicSize
from .._dtypes import DType
from .._export import Exported, export
from ._needs import needed


def _attributes(row: dict[str, Any]) -> dict[str, bytes]:
    """What is short enough to be read, as text."""
    return {
        name.removeprefix("weft."): str(value)[:200].encode()
        for name, value in row.items()
        if value is not None and not isinstance(value, bytes)
    }


def _node(proto: Any, name: str, op: str, inputs: Sequence[str], types: Sequence[Any]) -> Any:
    node = proto.NodeDef(name=name, op=op, input=inputs)
    shapes = node.attr["_output_shapes"].list.shape
    for found in types:
        shape = shapes.add()
        for size in () if found is None else found[1]:
            # A size that is not known yet is -1 in TensorBoard.
            shape.dim.add().size = -1 if isinstance(size, SymbolicSize) else size
    return node


def _dtype_name(found: tuple[DType, Any] | None) -> str:
    return "" if found is None else found[0].name


def graph_of(model: Any, args: tuple) -> Any:
    """A GraphDef: a node for each argument and each operation of the program as it was traced."""
    program = model if isinstance(model, Exported) else export(model, *args)
    what = "SummaryWriter.add_graph"
    proto = needed("tensorboard.compat.proto.node_def_pb2", what)
    graphs = needed("tensorboard.compat.proto.graph_pb2", what)
    versions = needed("tensorboard.compat.proto.versions_pb2", what)
    graph = graphs.GraphDef(versions=versions.VersionDef(producer=22))
    names: dict[int, str] = {}
    used: dict[str, int] = {}

    def unique(name: str) -> str:
        used[name] = used.get(name, 0) + 1
        return name if used[name] == 1 else unique(f"{name}_{used[name] - 1}")

    for number, spec in enumerate(program.inputs):
        names[number] = unique(spec.name or f"input_{number}")
        graph.node.append(_node(proto, names[number], "input", [], [(spec.dtype, spec.shape)]))
    for op, operands, results, attributes, _, _ in program._program.operations():
        name = unique(op.removeprefix("weft.").replace("func.return", "result"))
        node = _node(proto, name, op, [names[n] for n in operands], [t for _, t in results])
        for key, value in _attributes(attributes).items():
            node.attr[key].s = value
        if results:
            node.attr["dtype"].s = ", ".join(_dtype_name(t) for _, t in results).encode()
        graph.node.append(node)
        for place, (number, _) in enumerate(results):
            names[number] = f"{name}:{place}" if place else name
    return graph
