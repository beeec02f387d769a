"""BERT-base (Devlin et al., 2019, "Pre-training of deep bidirectional transformers"): numbers of
tokens [N, L] and of their segments [N, L] to hidden states [N, L, width]."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .layers import feed_forward, self_attention

EPSILON = 1e-12


def build(
    framework: ModuleType,
    *,
    vocabulary: int = 30522,
    positions: int = 512,
    segments: int = 2,
    width: int = 768,
    heads: int = 12,
    hidden: int = 3072,
    layers: int = 12,
    dropout: float = 0.1,
) -> Any:
    """The sum of three embeddings, and layers whose branches end with a normalization.

    All tokens see each other: a batch has texts of one length.
    """
    nn = framework.nn
    attention = self_attention(framework)

    class Embeddings(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(positions, width)
            self.segments = nn.Embedding(segments, width)
            self.norm = nn.LayerNorm(width, eps=EPSILON)
            self.dropout = nn.Dropout(dropout)

        def forward(self, tokens, segments):
            places = self.positions.weight[: tokens.shape[1]]
            return self.dropout(self.norm(self.tokens(tokens) + places + self.segments(segments)))

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention(width, heads, dropout)
            self.norm_between = nn.LayerNorm(width, eps=EPSILON)
            self.feed_forward = feed_forward(framework, width, hidden)
            self.norm = nn.LayerNorm(width, eps=EPSILON)
            self.dropout = nn.Dropout(dropout)

        def forward(self, x):
            x = self.norm_between(x + self.dropout(self.attention(x)))
            return self.norm(x + self.dropout(self.feed_forward(x)))

    class Bert(nn.Module):
        def __init__(self):
            super().__init__()
            self.embeddings = Embeddings()
            self.layers = nn.Sequential(*[Layer() for _ in range(layers)])

        def forward(self, tokens, segments):
            return self.layers(self.embeddings(tokens, segments))

    return Bert()
