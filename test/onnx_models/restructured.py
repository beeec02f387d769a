"""Writes a model as other exporters would: the same nodes in functions, branches, other places.

Each way to write it keeps what the model computes, so that no reference is needed: the results have
to be those of the model as it was, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from drawn_models import Drawn
from node_reference import described, names_read
from onnx import helper, numpy_helper

#: Names that are no names in Python, or that a module has already.
STRANGE = ("a/b:0", "1", "x.y", "class", "self", "forward", "training", "_parameters", "ÿ", "a b")


@dataclass
class Rewriting:
    """A model that is being written another way, and what its inputs are given."""

    random: np.random.Generator
    model: onnx.ModelProto
    inputs: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]
    #: What outputs are called now, by what they were called.
    renamed: dict[str, str] = field(default_factory=dict)

    @property
    def graph(self) -> onnx.GraphProto:
        """The main graph."""
        return self.model.graph

    def some(self, values: Sequence[Any]) -> list[Any]:
        """About half of them."""
        return [value for value in values if self.random.random() < 0.5]

    def put(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """These nodes instead of those that were there."""
        kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del self.graph.node[:]
        self.graph.node.extend(kept)

    def piece(self) -> tuple[int, int, list[str], list[str]]:
        """Some nodes behind each other, what they read of others, and what others read of them."""
        nodes = list(self.graph.node)
        first = int(self.random.integers(0, len(nodes)))
        last = int(self.random.integers(first, min(first + 6, len(nodes)))) + 1
        made = [name for node in nodes[first:last] for name in node.output if name]
        read = [name for name in names_read(nodes[first:last]) if name and name not in made]
        outside = set(names_read([*nodes[:first], *nodes[last:]]))
        outside |= {x.name for x in self.graph.output}
        given = {name for node in nodes[:first] for name in node.output}
        given |= {x.name for x in self.graph.input} | {x.name for x in self.graph.initializer}
        reads = [name for name in dict.fromkeys(read) if name in given]
        return first, last, reads, [name for name in made if name in outside]


def in_function(r: Rewriting) -> None:
    """Some nodes become a function of the model's own; twice, the one within the other."""
    first, last, read, made = r.piece()
    nodes = list(r.graph.node)
    if not made:
        return
    name = f"Piece{len(r.model.functions)}"
    if not any(row.domain == "pieces" for row in r.model.opset_import):
        r.model.opset_import.append(helper.make_opsetid("pieces", 1))
    imports = list(r.model.opset_import)
    body = helper.make_function("pieces", name, read, made, nodes[first:last], imports)
    r.model.functions.append(body)
    call = helper.make_node(name, read, made, domain="pieces")
    r.put([*nodes[:first], call, *nodes[last:]])


def in_branch(r: Rewriting) -> None:
    """Some nodes become a branch, whose condition is known; the other one is the same nodes."""
    first, last, _, made = r.piece()
    nodes = list(r.graph.node)
    if not made:
        return
    condition = f"condition{r.random.integers(1 << 40)}"
    value = np.asarray(bool(r.random.integers(2)))
    types = {x.name: x for x in (*r.graph.output, *r.graph.value_info)}
    branches = [
        helper.make_graph(nodes[first:last], key, [], [types[name] for name in made])
        for key in ("then_branch", "else_branch")
    ]
    branch = helper.make_node(
        "If", [condition], made, then_branch=branches[0], else_branch=branches[1]
    )
    r.graph.initializer.append(numpy_helper.from_array(value, condition))
    r.graph.value_info.append(described(condition, value))
    r.put([*nodes[:first], branch, *nodes[last:]])


def listed_arrays(r: Rewriting) -> None:
    """Initializers are inputs too, as old models have it."""
    have = {x.name for x in r.graph.input}
    for tensor in r.some(list(r.graph.initializer)):
        if tensor.name not in have:
            row = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            r.graph.input.append(row)


def unused_inputs(r: Rewriting) -> None:
    """An input that nobody reads."""
    if "nobody" not in r.inputs:
        r.inputs["nobody"] = np.zeros((2, 0), np.int64)
        r.graph.input.append(described("nobody", r.inputs["nobody"]))


def passed_through(r: Rewriting) -> None:
    """Outputs that are inputs, or initializers."""
    have = {x.name for x in r.graph.output}
    for name, array in r.some([*r.inputs.items(), *r.arrays.items()]):
        if name not in have:
            r.graph.output.append(described(name, array))


def other_places(r: Rewriting) -> None:
    """Initializers become nodes of constants."""
    nodes, kept = [], []
    inputs = {x.name for x in r.graph.input}
    outputs = {x.name for x in r.graph.output}
    moved = {x.name for x in r.some(list(r.graph.initializer))} - inputs - outputs
    for tensor in r.graph.initializer:
        if tensor.name in moved:
            nodes.append(helper.make_node("Constant", [], [tensor.name], value=tensor))
            r.arrays.pop(tensor.name, None)
        else:
            kept.append(type(tensor).FromString(tensor.SerializeToString()))
    del r.graph.initializer[:]
    r.graph.initializer.extend(kept)
    r.put([*nodes, *r.graph.node])


def open_sizes(r: Rewriting) -> None:
    """Sizes of inputs are names or not told at all."""
    for row in r.some(list(r.graph.input)):
        shape = row.type.tensor_type.shape
        for size in r.some(list(shape.dim)):
            number = size.dim_value
            size.Clear()
            if r.random.random() < 0.5:
                size.dim_param = f"n{number}"


def strange_names(r: Rewriting) -> None:
    """Inputs, initializers and outputs have names that Python has not."""
    rows = [*r.graph.input, *r.graph.output, *r.graph.initializer]
    names = list(dict.fromkeys(x.name for x in rows))
    chosen = r.random.permutation(names)[: len(STRANGE)]
    new = {str(old): name for old, name in zip(chosen, STRANGE, strict=False)}
    _rename(r.graph, new)
    for held in (r.inputs, r.arrays):
        renamed = {new.get(name, name): array for name, array in held.items()}
        held.clear()
        held.update(renamed)
    r.renamed |= new


def _rename(graph: onnx.GraphProto, new: dict[str, str]) -> None:
    for row in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        row.name = new.get(row.name, row.name)
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = new.get(name, name)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, new)


REWRITES: tuple[Callable[[Rewriting], None], ...] = (
    *(in_function, in_branch, listed_arrays, unused_inputs, passed_through, other_places),
    *(open_sizes, in_function, in_branch),
)


def restructured(drawn: Drawn, random: np.random.Generator) -> Rewriting:
    """The model written another way."""
    model = onnx.ModelProto()
    model.CopyFrom(drawn.model)
    arrays = {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}
    model.graph.value_info.extend(described(name, x) for name, x in drawn.values.items())
    r = Rewriting(random, model, dict(drawn.inputs), arrays)
    for place in random.permutation(len(REWRITES)):
        if random.random() < 0.5:
            REWRITES[place](r)
    if random.random() < 0.3:
        strange_names(r)
    del model.graph.value_info[:]
    return r


def with_data_apart(model: onnx.ModelProto, folder: Path) -> Path:
    """The model in a file, its initializers in another one beside it."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    path = folder / "apart.onnx"
    onnx.save(copied, path, save_as_external_data=True, location="apart.data", size_threshold=0)
    return path
