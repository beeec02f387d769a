"""A graph attention network (Veličković et al., 2018, "Graph attention networks").

    python -m examples.models.gat

Learns what the graph convolutional network learns. Like the paper's program it holds the scores of
all pairs of nodes, which suits small graphs.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line
from .gcn import classify_nodes, communities


@dataclass(frozen=True)
class Config:
    """The network for Cora."""

    inputs: int = 1433
    width: int = 8
    heads: int = 8
    classes: int = 7
    dropout: float = 0.6


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

    def forward(self, x, seen):
        x = self.linear(self.dropout(x)).unflatten(-1, (self.heads, -1))
        source, target = (x * self.of_source).sum(-1), (x * self.of_target).sum(-1)
        scores = F.leaky_relu(target[:, None] + source, 0.2)
        weights = weft.softmax(scores.masked_fill(~seen[..., None], -weft.inf), 1)
        return weft.einsum("tsh,shw->thw", self.dropout(weights), x) + self.bias


class GAT(nn.Module):
    """Features of nodes [N, inputs], and of each node which ones it sees [N, N], to scores
    [N, classes]."""

    def __init__(self, config: Config):
        super().__init__()
        wide = config.heads * config.width
        self.first = GraphAttention(config.inputs, config.width, config.heads, config.dropout)
        self.second = GraphAttention(wide, config.classes, 1, config.dropout)

    def forward(self, x, seen):
        return self.second(F.elu(self.first(x, seen).flatten(1)), seen).mean(1)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=200, rate=1e-2)
    edges, classes = communities(options.seed)
    seen = weft.eye(len(classes), dtype=weft.bool)
    seen[edges[1], edges[0]] = True
    model = GAT(Config(inputs=len(classes), classes=4))
    classify_nodes("GAT", model, (seen, classes), options)


if __name__ == "__main__":
    main()
