"""ONNX graphs as Python objects, made once, and run by the rules of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._creation import _fail
from .._errors import DTypeError, FileError, ShapeError, UnsupportedError, WeftError
from .._foreign import ForeignUse
from ._rules import SHAPE_ARITHMETIC, TABLE, OnnxRule
from ._values import NARROW, Narrow, as_tensor, as_value, is_symbolic, plain, require_known


@dataclass(frozen=True)
class ValueType:
    """What is said of an input or output: its name, its kind, element type and sizes.

    ``kind`` is "tensor", "sequence" or "optional"; sizes are numbers, names, or None; ``shape`` is
    None where not even their number is known.
    """

    name: str
    kind: str = "tensor"
    element: int = 0
    shape: tuple[int | str | None, ...] | None = None


@dataclass(eq=False)
class Node:
    """One op of a graph: its rule, the names of its values, and its attributes by keyword."""

    name: str
    version: int
    place: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, Any]
    #: The values that are read for the last time here.
    last: tuple[str, ...] = ()
    #: Whether a shape follows from an output, which then is computed while tracing.
    for_shapes: bool = False
    rule: Any = None

    @property
    def what(self) -> str:
        """The node, as errors call it."""
        return f"ONNX op {self.name} (opset {self.version}) at {self.place}"


@dataclass(eq=False)
class Graph:
    """The nodes of a graph in their order, its inputs and outputs, and its own constants."""

    inputs: list[ValueType]
    outputs: list[ValueType]
    nodes: list[Node]
    constants: dict[str, Any] = field(default_factory=dict)

    def run(self, inputs: Sequence[Any], outer: Scope | None = None) -> list[Any]:
        """The outputs, of values for the inputs."""
        scope = Scope(outer)
        scope.values.update(self.constants)
        scope.values.update((x.name, value) for x, value in zip(self.inputs, inputs, strict=True))
        for node in self.nodes:
            _run_node(node, scope)
        return [scope[x.name] for x in self.outputs]

    def walk(self) -> Iterator[Node]:
        """All nodes, those of graphs within nodes behind their node."""
        for node in self.nodes:
            yield node
            for graph in node.options.values():
                if isinstance(graph, Graph):
                    yield from graph.walk()


class Scope:
    """The values of one run of a graph, and those around it."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer
        self.values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        raise KeyError(name)


class Call:
    """One run of a node, as rules see it that ask for it."""

    def __init__(self, node: Node, scope: Scope) -> None:
        self._node, self._scope = node, scope

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return self._node.outputs

    @property
    def version(self) -> int:
        """The opset."""
        return self._node.version

    def run(self, graph: Graph, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of a graph that is an attribute, with what is around the node in sight."""
        return graph.run(inputs, self._scope)


def _run_node(node: Node, scope: Scope) -> None:
    given = [scope[name] if name else None for name in node.inputs]
    try:
        results = _results(node, given, scope)
    except (ArithmeticError, LookupError, TypeError, ValueError, WeftError) as error:
        if getattr(error, "names_onnx_node", False):
            raise
        if isinstance(error, WeftError):
            named = type(error)(f"{error} [{node.what}]")
        else:
            kind = type(error).__name__
            named = ShapeError(
                f"its operands or attributes do not fit: {kind}: {error} [{node.what}]"
            )
        named.names_onnx_node = True  # type: ignore[attr-defined]
        raise named from error
    for name, value in zip(node.outputs, results, strict=False):
        if name:
            scope.values[name] = value
    for name in node.last:
        scope.values.pop(name, None)


def _results(node: Node, given: list[Any], scope: Scope) -> Sequence[Any]:
    if node.for_shapes:
        found = _of_known(node, given)
        if found is not None:
            return found
    rule: OnnxRule = node.rule
    operands = given if rule.raw else [_operand(node, value) for value in given]
    for number in rule.known:
        if number < len(given):
            what = f"operand {number} ({node.inputs[number]!r})"
            operands[number] = require_known(given[number], what)
    options = node.options
    if rule.takes_node:
        made = rule(*operands, **options, node=Call(node, scope))
    else:
        made = rule(*operands, **options)
    results = made if isinstance(made, tuple) else (made,)
    if len(results) < len(node.outputs) and any(node.outputs[len(results) :]):
        raise _fail(UnsupportedError, f"weft's rule gives {len(results)} outputs only")
    return results


def _of_known(node: Node, given: list[Any]) -> Sequence[Any] | None:
    """The outputs by shape arithmetic, if all operands are known."""
    rule = SHAPE_ARITHMETIC.find(node.name, node.version)
    if rule is None or any(not (x is None or isinstance(x, np.ndarray)) for x in given):
        return None
    with np.errstate(all="ignore"):
        made = rule(*given, **node.options)
    if made is None:
        return None
    symbolic = [x for x in given if x is not None and is_symbolic(x)]
    integers = getattr(symbolic[0], "integers", "int64") if symbolic else "int64"
    return [plain(x, integers) for x in (made if isinstance(made, (tuple, list)) else (made,))]


def _operand(node: Node, value: Any) -> Any:
    if isinstance(value, Narrow):
        raise _fail(UnsupportedError, f"weft has no rule for operands of type {value.type.name}")
    if isinstance(value, list):
        raise _fail(DTypeError, "an operand is a sequence, but has to be a tensor")
    return as_tensor(value)


# Analysis ------------------------------------------------------------------------------------


def resolve(graph: Graph, way_out: str) -> None:
    """Gives every node its rule. Raises one UnsupportedError for all ops without."""
    nodes = list(graph.walk())
    TABLE.require(
        [ForeignUse(node.name, node.version, node.place) for node in nodes],
        way_out,
    )
    for node in nodes:
        node.rule = TABLE.find(node.name, node.version)
        node.rule.check_options(list(node.options), node.what)


def find_shape_values(graph: Graph) -> set[str]:
    """The names of all values from which shapes follow; marks the nodes that compute them."""
    wanted: set[str] = set()
    nodes = list(graph.walk())
    while True:
        before = len(wanted)
        for node in reversed(nodes):
            wanted.update(_wanted_by(node, wanted))
        if len(wanted) == before:
            break
    for node in nodes:
        node.for_shapes = not wanted.isdisjoint(node.outputs)
    return wanted


def _wanted_by(node: Node, wanted: set[str]) -> Iterable[str]:
    """The values that have to be known, if possible, for what is ``wanted``."""
    names = {
        node.inputs[number]
        for number in node.rule.known | node.rule.wanted
        if number < len(node.inputs)
    }
    graphs = [graph for graph in node.options.values() if isinstance(graph, Graph)]
    if graphs:
        names |= _wanted_around(node, graphs, wanted)
    elif not wanted.isdisjoint(node.outputs) and node.name not in _ONLY_SHAPES:
        names |= set(node.inputs)
    names.discard("")
    return names


#: These look at the shape of their operand alone.
_ONLY_SHAPES = frozenset({"Shape", "Size"})


def _wanted_around(node: Node, graphs: list[Graph], wanted: set[str]) -> set[str]:
    """What becomes wanted through the borders of graphs within a node."""
    names: set[str] = set()
    for graph in graphs:
        names |= {
            inner.name
            for inner, name in zip(graph.outputs[-len(node.outputs) :], node.outputs, strict=False)
            if name in wanted
        }
        if node.name == "Loop":
            names.add(graph.outputs[0].name)
            names |= {
                outer
                for inner, outer in zip(graph.inputs, node.inputs, strict=False)
                if inner.name in wanted
            }
            names |= {
                after.name
                for inner, after in zip(graph.inputs[1:], graph.outputs, strict=False)
                if inner.name in wanted
            }
    return names


def find_last_uses(graph: Graph) -> None:
    """Notes for each node which values of its own graph nothing reads behind it."""
    own = {name for node in graph.nodes for name in node.outputs} | set(graph.constants)
    own |= {x.name for x in graph.inputs}
    kept = {x.name for x in graph.outputs}
    seen = set(kept)
    for node in reversed(graph.nodes):
        read = set(node.inputs) | set(node.outputs)
        for inner in node.options.values():
            if isinstance(inner, Graph):
                find_last_uses(inner)
                read |= names_in(inner)
        node.last = tuple(sorted((read & own) - seen))
        seen |= read


def names_in(graph: Graph) -> set[str]:
    """All names that are read within."""
    names = {x.name for x in graph.outputs}
    for node in graph.walk():
        names |= set(node.inputs)
        for inner in node.options.values():
            if isinstance(inner, Graph):
                names |= {x.name for x in inner.outputs}
    return names


def check_names(graph: Graph, outer: frozenset[str] = frozenset()) -> None:
    """Raises FileError unless every value is computed, once, before it is read."""
    have = set(outer) | set(graph.constants) | {x.name for x in graph.inputs}
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in have:
                raise _fail(FileError, f"{node.place} reads {name!r}, which nothing before gives")
        for inner in node.options.values():
            if isinstance(inner, Graph):
                check_names(inner, frozenset(have))
        have |= set(node.outputs)
    for x in graph.outputs:
        if x.name not in have:
            raise _fail(FileError, f"the output {x.name!r} is computed by nothing")


def typed_inputs(
    graph: Graph, values: Mapping[str, Any], bound: Mapping[str, np.ndarray]
) -> list[Any]:
    """The values of the graph's inputs: those of narrow types say so."""
    result = []
    for x in graph.inputs:
        value = bound[x.name] if x.name in bound else values[x.name]
        is_narrow = x.element in NARROW and value is not None and not isinstance(value, list)
        result.append(as_value(as_tensor(value), x.element) if is_narrow else value)
    return result
