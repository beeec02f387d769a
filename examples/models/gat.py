"""A graph attention network (Veličković et al., 2018, "Graph attention networks").

    python -m examples.models.gat

Learns what the graph convolutional network learns. Scores are those of edges, so that time and
memory grow with their number, and not with that of all pairs of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line
from .gcn import classify_nodes, communities, with_weights


@dataclass(frozen=True)
class Config:
    """The network for Cora."""

    inputs: int = 1433
    width: int = 8
    heads: int = 8
    classes: int = 7
    dropout: float = 0.6


def softmax_of_edges(scores, target, nodes: int):
    """The softmax of scores [E, heads] among the edges to the same target [E]."""
    zeros = weft.zeros(nodes, *scores.shape[1:], dtype=scores.dtype)
    largest = zeros.index_reduce(0, target, scores.detach(), "amax", include_self=False)
    powers = weft.exp(scores - largest[target])
    return powers / zeros.index_add(0, target, powers)[target]


class GraphAttention(nn.Module):
    """Each node looks at itself and at the nodes before it: [N, inputs] to [N, heads, outputs]."""

    def __init__(self, inputs: int, outputs: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, heads * outputs, bias=False)
        self.of_source = nn.Parameter(weft.empty(heads, outputs))
        self.of_target = nn.Parameter(weft.empty(heads, outputs))
        self.bias = nn.Parameter(weft.zeros(heads, outputs))
        for weight in (self.linear.weight, self.of_source, self.of_target):
            nn.init.xavier_uniform_(weight)

    def forward(self, x, source, target):
        x = self.linear(self.dropout(x)).unflatten(-1, (self.heads, -1))
        of_source, of_target = (x * self.of_source).sum(-1), (x * self.of_target).sum(-1)
        scores = F.leaky_relu(of_target[target] + of_source[source], 0.2)
        weights = self.dropout(softmax_of_edges(scores, target, len(x)))
        seen = x[source] * weights[..., None]
        return weft.zeros_like(x).index_add(0, target, seen) + self.bias


class GAT(nn.Module):
    """Features of nodes [N, inputs], and the sources and targets [E] of edges, to scores
    [N, classes]; an edge from each node to itself is one of them."""

    def __init__(self, config: Config):
        super().__init__()
        wide = config.heads * config.width
        self.first = GraphAttention(config.inputs, config.width, config.heads, config.dropout)
        self.second = GraphAttention(wide, config.classes, 1, config.dropout)

    def forward(self, x, source, target):
        hidden = F.elu(self.first(x, source, target).flatten(1))
        return self.second(hidden, source, target).mean(1)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=200, rate=1e-2)
    edges, classes = communities(options.seed)
    source, target, _ = with_weights(edges, len(classes))
    model = GAT(Config(inputs=len(classes), classes=4))
    classify_nodes("GAT", model, (source, target, classes), options)


if __name__ == "__main__":
    main()
