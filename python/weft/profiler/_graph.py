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


class _Nodes:
    """The nodes of a graph, as operations become them. Those of a region have the name of its
    operation before theirs: TensorBoard shows them in a box, which is opened."""

    def __init__(self, graph: Any, proto: Any) -> None:
        self.graph, self.proto = graph, proto
        #: Of each value, by its number in the program.
        self.names: dict[int, str] = {}
        self.used: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """The name, or one like it that no node has."""
        self.used[name] = self.used.get(name, 0) + 1
        return name if self.used[name] == 1 else self.unique(f"{name}_{self.used[name] - 1}")

    def argument(self, name: str, number: int, found: Any, inputs: Sequence[str] = ()) -> None:
        """A value that operations are given."""
        self.names[number] = name = self.unique(name)
        self.graph.node.append(_node(self.proto, name, "input", inputs, [found]))

    def operations(self, operations: Sequence[Any], scope: str) -> list[str]:
        """A node for each; the name of the last."""
        name = ""
        for op, operands, results, attributes, regions, _ in operations:
            name = self.unique(scope + op.removeprefix("weft.").replace("func.return", "result"))
            inputs = [self.names[number] for number in operands]
            for place, (arguments, inner) in enumerate(regions):
                box = f"{name}/{_region_name(op, place, len(regions))}/"
                # The last operands are those that a region is given.
                given = inputs[len(operands) - len(arguments) : len(operands)]
                for each, (source, (number, found)) in enumerate(
                    zip(given, arguments, strict=True)
                ):
                    self.argument(f"{box}input_{each}", number, found, [source])
                inputs += self.operations(inner, box)
            node = _node(self.proto, name, op, inputs, [found for _, found in results])
            for key, value in _attributes(attributes).items():
                node.attr[key].s = value
            if results:
                node.attr["dtype"].s = ", ".join(_dtype_name(t) for _, t in results).encode()
            self.graph.node.append(node)
            for place, (number, _) in enumerate(results):
                self.names[number] = f"{name}:{place}" if place else name
        return [name] if name else []


def _region_name(op: str, place: int, count: int) -> str:
    if op == "weft.while":
        return ("condition", "body")[place]
    return "body" if count == 1 else f"branch_{place}"


def graph_of(model: Any, args: tuple) -> Any:
    """A GraphDef: a node for each argument and each operation of the program as it was traced."""
    program = model if isinstance(model, Exported) else export(model, *args)
    what = "SummaryWriter.add_graph"
    proto = needed("tensorboard.compat.proto.node_def_pb2", what)
    graphs = needed("tensorboard.compat.proto.graph_pb2", what)
    versions = needed("tensorboard.compat.proto.versions_pb2", what)
    graph = graphs.GraphDef(versions=versions.VersionDef(producer=22))
    nodes = _Nodes(graph, proto)
    for number, spec in enumerate(program.inputs):
        nodes.argument(spec.name or f"input_{number}", number, (spec.dtype, spec.shape))
    nodes.operations(program._program.operations(), "")
    return graph
