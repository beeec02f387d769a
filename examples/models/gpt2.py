"""GPT-2 small (Radford et al., 2019, "Language models are unsupervised multitask learners"):
numbers of tokens [N, L] to the scores of the next ones [N, L, vocabulary]."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .layers import pre_norm_block


def build(
    framework: ModuleType,
    *,
    vocabulary: int = 50257,
    positions: int = 1024,
    width: int = 768,
    heads: int = 12,
    layers: int = 12,
    dropout: float = 0.1,
) -> Any:
    """Blocks in which a token sees those before it; the table of tokens also gives the scores."""
    nn = framework.nn
    block = pre_norm_block(framework)

    def initialize(module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    class GPT2(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(positions, width)
            self.dropout = nn.Dropout(dropout)
            self.blocks = nn.Sequential(
                *[
                    block(width, heads, dropout, epsilon=1e-5, causal=True, approximate="tanh")
                    for _ in range(layers)
                ]
            )
            self.norm = nn.LayerNorm(width)
            self.apply(initialize)

        def forward(self, tokens):
            x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
            x = self.norm(self.blocks(self.dropout(x)))
            return nn.functional.linear(x, self.tokens.weight)

    return GPT2()
