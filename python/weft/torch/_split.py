"""Cuts a graph into pieces for weft and ops that stay in PyTorch, in an order that fits."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.fx

from . import _sizes
from ._graph import is_size, leaves, meta, of_sizes_alone, why_not

#: Draws that look at the shape of their first operand only.
_SHAPE_ONLY = {
    "aten.bernoulli.p",
    "aten.rand_like.default",
    "aten.randn_like.default",
    "aten.randint_like.default",
    "aten.randint_like.low_dtype",
    "aten.uniform.default",
    "aten.normal_functional.default",
    "aten.exponential.default",
}


#: Draws whose generator's state is kept, for the backward pass to draw the same numbers again.
_REPEATED_DRAWS = ("run_and_save_rng_state", "run_with_rng_state")


def is_draw(node: torch.fx.Node) -> bool:
    """Whether the op draws random numbers, which stay PyTorch's own."""
    is_seeded = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return is_seeded or str(node.target) in _REPEATED_DRAWS


def reads_shape_only(node: torch.fx.Node) -> bool:
    """Whether the elements of the first operand do not matter."""
    return str(node.target) in _SHAPE_ONLY


@dataclass
class Stage:
    """What runs together: first the piece of weft's, then ops of PyTorch that need it."""

    weft: list[torch.fx.Node] = field(default_factory=list)
    torch: list[torch.fx.Node] = field(default_factory=list)


@dataclass
class Split:
    """The stages of a graph, and why ops stay in PyTorch."""

    stages: list[Stage]
    reasons: dict[torch.fx.Node, str]


def operands(node: torch.fx.Node) -> list[torch.fx.Node]:
    """The nodes whose tensors a node reads."""
    found = [other for other in node.all_input_nodes if not is_size(other)]
    if reads_shape_only(node):
        others: list[Any] = [*node.args[1:], *node.kwargs.values()]
        kept = {leaf for leaf in leaves(others) if isinstance(leaf, torch.fx.Node)}
        return [other for other in found if other in kept]
    return found


def size_makers(graph: torch.fx.Graph) -> dict[Any, torch.fx.Node]:
    """The op of each size that only elements tell, such as the count of `nonzero`."""
    found: dict[Any, torch.fx.Node] = {}
    for node in graph.nodes:
        for value in leaves(meta(node)):
            for size in value.shape if isinstance(value, torch.Tensor) else [value]:
                for symbol in _sizes.found_late(size):
                    found.setdefault(symbol, node)
    return found


def split(graph: torch.fx.Graph, failed: Mapping[torch.fx.Node, str]) -> Split:
    """The stages: as few as the ops that stay in PyTorch allow."""
    stages: dict[torch.fx.Node, int] = {}
    in_torch: set[torch.fx.Node] = set()
    reasons: dict[torch.fx.Node, str] = {}
    found: list[Stage] = [Stage()]
    last_draw = -1
    makers = size_makers(graph)
    for node in graph.nodes:
        if node.op != "call_function" or of_sizes_alone(node):
            continue
        is_part = node.target is operator.getitem
        source = node.args[0] if is_part else None
        reason = "" if is_part else failed.get(node) or why_not(node)
        told = [makers[s] for size in node.all_input_nodes for s in _sizes.found_late(meta(size))]
        reads = [other for other in (*operands(node), *told) if other in stages]
        if (source in in_torch) if is_part else reason:
            stage = max((stages[other] for other in reads), default=-1)
            if not is_part and (is_draw(node) or node.is_impure()):
                stage = last_draw = max(stage, last_draw)
            in_torch.add(node)
            if not is_part:
                reasons[node] = "random numbers are PyTorch's own" if is_draw(node) else reason
        else:
            after = [stages[other] + (other in in_torch) for other in reads]
            stage = max([0, *after])
        stages[node] = stage
        while len(found) < stage + 2:
            found.append(Stage())
        place = found[stage + 1]
        (place.torch if node in in_torch else place.weft).append(node)
    return Split([stage for stage in found if stage.weft or stage.torch], reasons)


def tensor_results(node: torch.fx.Node) -> bool:
    """Whether the node's value is one tensor."""
    return isinstance(meta(node), torch.Tensor)
