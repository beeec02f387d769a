"""A graph convolutional network (Kipf and Welling, 2017, "Semi-supervised classification with graph
convolutional networks").

    python -m examples.models.gcn

Learns of a few members of each community in a network of friends, and who knows whom, where all
others belong.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, train, training_step


@dataclass(frozen=True)
class Config:
    """The network for Cora."""

    inputs: int = 1433
    width: int = 16
    classes: int = 7
    dropout: float = 0.5


def with_weights(edges, nodes: int) -> tuple:
    """Edges [2, E] from sources to targets, and one from each node to itself, with the weights
    1 / sqrt(degree of source * degree of target)."""
    source, target = weft.cat([edges, weft.arange(nodes).expand(2, nodes)], 1)
    degree = weft.zeros(nodes).index_add(0, target, weft.ones(target.shape[0]))
    return source, target, weft.rsqrt(degree[source] * degree[target])


class GraphConvolution(nn.Module):
    """Each node gets the weighted sum of what the nodes before it have: [N, inputs] to
    [N, outputs]."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.bias = nn.Parameter(weft.zeros(outputs))
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, x, source, target, weights):
        x = self.linear(x)
        return weft.zeros_like(x).index_add(0, target, x[source] * weights[:, None]) + self.bias


class GCN(nn.Module):
    """Features of nodes [N, inputs] and `with_weights` of the edges to scores [N, classes]."""

    def __init__(self, config: Config):
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.first = GraphConvolution(config.inputs, config.width)
        self.second = GraphConvolution(config.width, config.classes)

    def forward(self, x, source, target, weights):
        x = F.relu(self.first(self.dropout(x), source, target, weights))
        return self.second(self.dropout(x), source, target, weights)


def communities(seed: int, count: int = 4, members: int = 50) -> tuple[weft.Tensor, weft.Tensor]:
    """Edges [2, E] in both directions, and of each node its community (a stochastic block model:
    two of one community know each other with probability 0.15, others with 0.01)."""
    random = np.random.default_rng(seed)
    community = np.repeat(np.arange(count), members)
    likely = np.where(community[:, None] == community, 0.15, 0.01)
    knows = np.triu(random.random(likely.shape) < likely, 1)
    edges = np.stack(np.nonzero(knows | knows.T))
    return weft.asarray(edges), weft.asarray(community)


def classify_nodes(name: str, model, graph: tuple, options: argparse.Namespace) -> None:
    """Trains on every tenth node, each of which has itself as its feature; tests on the others."""
    *rest, classes = graph
    nodes = len(classes)
    features, known = weft.eye(nodes), weft.arange(0, nodes, 10)
    optimizer = weft.optim.Adam(model.parameters(), lr=options.rate, weight_decay=5e-4)

    def loss():
        return F.cross_entropy(model(features, *rest)[known], classes[known])

    last = train(name, training_step(loss, optimizer), itertools.repeat(()), options.steps)
    with weft.no_grad():
        right = model.eval()(features, *rest).argmax(1) == classes
    others = weft.arange(nodes) % 10 != 0
    share = (right & others).sum() / others.sum()
    print(f"{name}: loss {last:.3f}, {100 * share.item():.1f} % of the other nodes right")


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=200, rate=1e-2)
    edges, classes = communities(options.seed)
    model = GCN(Config(inputs=len(classes), classes=4))
    classify_nodes("GCN", model, (*with_weights(edges, len(classes)), classes), options)


if __name__ == "__main__":
    main()
