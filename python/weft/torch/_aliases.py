"""Results that look into one memory: in eager mode a write to one is seen in the others."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.fx

from ._graph import meta
from ._sharing import is_dense


def _source(node: torch.fx.Node) -> torch.fx.Node | None:
    """What a view looks into; None if the node is no view."""
    target: Any = node.target
    if target is operator.getitem and isinstance(node.args[0], torch.fx.Node):
        return node.args[0] if getattr(node.args[0].target, "is_view", False) else None
    source = node.args[0] if node.args and getattr(target, "is_view", False) else None
    return source if isinstance(source, torch.fx.Node) else None


def _root(node: torch.fx.Node) -> torch.fx.Node:
    while (source := _source(node)) is not None:
        node = source
    return node


def _is_dense_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and is_dense(value)


def views_among(
    results: Sequence[Any], home: Mapping[torch.fx.Node, int]
) -> dict[torch.fx.Node, torch.fx.Node]:
    """The results that look into an argument, or share the memory of a value, with what they share.

    `home` has the nodes that weft computes. One result that alone looks into a value is no view
    here: weft computes it at once, without that value.
    """
    groups: dict[torch.fx.Node, list[torch.fx.Node]] = defaultdict(list)
    for node in dict.fromkeys(x for x in results if isinstance(x, torch.fx.Node)):
        if node in home and isinstance(meta(node), torch.Tensor):
            groups[_root(node)].append(node)
    return {
        node: root
        for root, group in groups.items()
        if root.op == "placeholder"
        or (len(group) > 1 and root in home and _is_dense_tensor(meta(root)))
        for node in group
        if node is not root
    }


def chain(node: torch.fx.Node, root: torch.fx.Node) -> list[torch.fx.Node]:
    """The views that lead from the root to the node, in their order."""
    found: list[torch.fx.Node] = []
    while node is not root:
        found.append(node)
        source = _source(node)
        assert source is not None
        node = source
    return found[::-1]
