"""What of a model weft computes, and what stays in PyTorch and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ._backend import make_backend
from ._graph import op_name
from ._lines import place
from ._runner import Compiled
from ._split import is_draw


@dataclass(frozen=True)
class Left:
    """An op that stays in PyTorch: how often it occurs, where it stands first, and why."""

    name: str
    count: int
    place: str
    reason: str


@dataclass
class Explanation:
    """What `explain` found; prints as text."""

    graphs: list[Compiled] = field(default_factory=list)

    @property
    def fallbacks(self) -> list[Left]:
        """The ops that weft could not compute."""
        return self._left(draws=False)

    @property
    def draws(self) -> list[Left]:
        """The draws of random numbers, which are PyTorch's own."""
        return self._left(draws=True)

    @property
    def captured(self) -> int:
        """How many graphs TorchDynamo captured; more than one where the model breaks the graph."""
        return sum(graph.kind != "backward" for graph in self.graphs)

    def _left(self, draws: bool) -> list[Left]:
        found: dict[tuple[str, str], list[str]] = {}
        for graph in self.graphs:
            for node, reason in graph.split.reasons.items():
                if is_draw(node) == draws:
                    found.setdefault((op_name(node), reason), []).append(place(node))
        return [Left(name, len(at), at[0], why) for (name, why), at in sorted(found.items())]

    def __str__(self) -> str:
        lines = [f"{self.captured} graph{'' if self.captured == 1 else 's'} captured"]
        for graph in self.graphs:
            ops = sum(len(piece.nodes) for piece in graph.pieces)
            count = len(graph.pieces)
            lines.append(
                f"  {graph.kind}: {ops} ops in {count} piece{'' if count == 1 else 's'} of weft"
            )
            lines += [
                f"    a program for each shape: {piece.specialised}"
                for piece in graph.pieces
                if piece.specialised
            ]
        for title, left in (
            ("in PyTorch, as weft can't compute them:", self.fallbacks),
            ("drawn by PyTorch:", self.draws),
        ):
            if left:
                lines.append(title)
                lines += [
                    f"  {item.name}: {_times(item)} {item.place}: {item.reason}" for item in left
                ]
        return "\n".join(lines)

    __repr__ = __str__


def explain(model: Callable, /, *args: Any, **kwargs: Any) -> Explanation:
    """Compiles a model anew for these arguments, calls it once, and tells what runs where.

    Args:
        model: a module or a function of PyTorch. args, kwargs: its arguments. The backward graph
            is seen as well if a result requires a gradient; no gradient of the model changes.

    Buffers that the call changes are changed, as by any call.
    """
    found = Explanation()
    compiled = torch.compile(model, backend=make_backend(found.graphs.append))
    result = compiled(*args, **kwargs)
    roots = [leaf for leaf in _tensors(result) if leaf.requires_grad]
    leaves = [leaf for leaf in _tensors((args, kwargs)) if leaf.requires_grad and leaf.is_leaf]
    if isinstance(model, torch.nn.Module):
        leaves += [p for p in model.parameters() if p.requires_grad]
    if roots and leaves:
        ones = [torch.ones_like(root) for root in roots]
        torch.autograd.grad(roots, leaves, ones, allow_unused=True)
    return found


def _times(item: Left) -> str:
    return "once, at" if item.count == 1 else f"{item.count} times, first at"


def _tensors(value: Any) -> list[torch.Tensor]:
    return [x for x in torch.utils._pytree.tree_leaves(value) if isinstance(x, torch.Tensor)]
