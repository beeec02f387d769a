"""Dense layers of which each token takes a few (Shazeer et al., 2017, "Outrageously Large")."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import weft
from weft import nn

from ._layers import FeedForward, HasDense
from ._weights import Weights, linear


@dataclass(frozen=True)
class Experts:
    """What a mixture is made of.

    Attributes:
        count: how many experts there are.
        taken: how many a token takes.
        hidden: the wider states of each.
        normalized: whether the shares of those that are taken add up to 1.
        shared: the wider states of one more that all tokens take; None: there is none.
        layers: which layers have them; the others have dense layers alone.
    """

    count: int
    taken: int
    hidden: int
    normalized: bool
    shared: int | None
    layers: tuple[bool, ...]


class Mixture(nn.Module):
    """Experts, and what chooses among them by their scores for a token.

    An expert that no token takes is neither read nor computed.
    """

    def __init__(self, config: HasDense, experts: Experts, weights: Weights, name: str) -> None:
        super().__init__()
        self.taken, self.normalized = experts.taken, experts.normalized
        self.gate = linear(weights, f"{name}.gate", experts.count, config.width, False)
        self.experts = nn.ModuleList(
            [
                FeedForward(config, weights, f"{name}.experts.{number}", experts.hidden)
                for number in range(experts.count)
            ]
        )
        self.shared_expert: nn.Module | None = None
        self.shared_expert_gate: nn.Module | None = None
        if experts.shared is not None:
            shared = f"{name}.shared_expert"
            self.shared_expert = FeedForward(config, weights, shared, experts.shared)
            self.shared_expert_gate = linear(weights, f"{shared}_gate", 1, config.width, False)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        """States [N, L, width] to what is added to them."""
        shares, chosen = weft.softmax(self.gate(x), -1).topk(self.taken)
        if self.normalized:
            shares = shares / weft.sum(shares, axis=-1, keepdims=True)
        mixed = weft.zeros_like(x)
        for number, expert in enumerate(self.experts):
            takes = chosen == number
            share = weft.sum(weft.where(takes, shares, 0.0), axis=-1, keepdims=True)
            taken = weft.any(takes, axis=-1, keepdims=True)
            added = functools.partial(_added, expert)
            mixed = weft.cond(weft.any(taken), added, _kept, mixed, x, taken, share)
        if self.shared_expert is not None and self.shared_expert_gate is not None:
            mixed = mixed + weft.sigmoid(self.shared_expert_gate(x)) * self.shared_expert(x)
        return mixed


def _added(
    expert: nn.Module, mixed: weft.Tensor, x: weft.Tensor, taken: weft.Tensor, share: weft.Tensor
) -> weft.Tensor:
    return weft.where(taken, mixed + share * expert(x), mixed)


def _kept(mixed: weft.Tensor, *_: weft.Tensor) -> weft.Tensor:
    return mixed
