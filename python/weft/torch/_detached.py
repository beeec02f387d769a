"""Where a program of PyTorch lets no gradient through, which its decomposition would forget."""

from __future__ import annotations

import copy
import functools
import operator

import torch
import torch.export
import torch.fx

_DETACH = torch.ops.aten.detach.default


def with_detached(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program with a `detach` after each `no_grad` and for each `detach_`."""
    if not any(map(_is_stop, _nodes(program.graph_module))):
        return program
    result = copy.copy(program)
    result._graph_module = copy.deepcopy(program.graph_module)
    for node in list(filter(_is_stop, _nodes(result.graph_module))):
        if node.target is torch.ops.aten.detach_.default:
            _detach_from_here(node)
        else:
            _detach_results(node)
    for module in result.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            module.recompile()
    return result


def _nodes(module: torch.fx.GraphModule) -> list[torch.fx.Node]:
    graphs = [part.graph for part in module.modules() if isinstance(part, torch.fx.GraphModule)]
    return [node for graph in graphs for node in graph.nodes]


def _is_stop(node: torch.fx.Node) -> bool:
    if str(node.target) == "wrap_with_set_grad_enabled":
        return node.args[0] is False
    return node.target is torch.ops.aten.detach_.default


def _detach_from_here(node: torch.fx.Node) -> None:
    """What is detached in place is so for all that read it later."""
    source = node.args[0]
    assert isinstance(source, torch.fx.Node)
    node.target = _DETACH
    places = {other: place for place, other in enumerate(node.graph.nodes)}
    source.replace_all_uses_with(node, lambda user: places[user] > places[node])


def _detach_results(node: torch.fx.Node) -> None:
    for part in list(node.users):
        if part.target is operator.getitem and isinstance(part.meta.get("val"), torch.Tensor):
            with part.graph.inserting_after(part):
                still = part.graph.call_function(_DETACH, (part,))
            still.meta = dict(part.meta)
            part.replace_all_uses_with(still, functools.partial(operator.is_not, still))
