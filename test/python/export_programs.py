"""Functions that the tests of export share, with the inputs for given sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import weft
from weft import nn
from weft.nn import functional as F


@dataclass
class Program:
    """A function, its specs, and inputs for the sizes of its symbols."""

    function: Callable
    specs: tuple
    inputs: Callable[..., tuple]
    #: Sizes that inputs() takes; the first were not special in any way.
    sizes: list[tuple[int, ...]]


def _normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def perceptron() -> Program:
    """Two dense layers; the batch is symbolic."""
    weft.manual_seed(1)
    network = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5), nn.Softmax(-1))
    return Program(
        network,
        (weft.spec(("n", 20)),),
        lambda n: (_normal(n, n, 20),),
        [(4,), (7,), (1,), (0,)],
    )


def along_axes() -> Program:
    """Scans and sorting along a symbolic axis, and across it."""
    return Program(
        lambda x: (
            weft.sort(x, axis=0),
            weft.argsort(x, descending=True),
            weft.cumulative_sum(x, axis=0) + 1.0,
            weft.cumulative_prod(x, axis=1),
        ),
        (weft.spec(("n", 6)),),
        lambda n: (_normal(n, n, 6),),
        [(5,), (2100,), (1,), (0,)],
    )


def convolutions() -> Program:
    """The network of examples/train_fashion_mnist.py; the batch is symbolic."""
    weft.manual_seed(2)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    return Program(
        network,
        (weft.spec(("n", 1, 28, 28)),),
        lambda n: (_normal(n, n, 1, 28, 28),),
        [(3,), (5,), (1,), (0,)],
    )


class Block(nn.Module):
    """A layer of a transformer, normalized before each part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projections, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        """x [batch, length, width] to the same shape."""
        batch, length, width = x.shape
        parts = self.projections(self.first_norm(x)).chunk(3, dim=-1)
        query, key, value = (
            part.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in parts
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.joined(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.narrow(F.gelu(self.wide(self.second_norm(x))))


class Transformer(nn.Module):
    """Tokens [batch, length] to the scores of the next token [batch, length, words]."""

    def __init__(self, layers: int = 12, width: int = 32, heads: int = 4, words: int = 50) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(words, width), nn.Embedding(64, width)
        self.layers = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.scores = nn.LayerNorm(width), nn.Linear(width, words)

    def forward(self, tokens: weft.Tensor) -> weft.Tensor:
        """The scores."""
        x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
        return self.scores(self.norm(self.layers(x)))


def transformer() -> Program:
    """Twelve layers; batch and length are symbolic."""
    weft.manual_seed(3)

    def tokens(batch: int, length: int) -> tuple[Any, ...]:
        return (np.random.default_rng(batch).integers(0, 50, (batch, length)),)

    return Program(
        Transformer(),
        (weft.spec(("batch", "length"), "int64"),),
        tokens,
        [(2, 9), (3, 17), (1, 1), (0, 5)],
    )


PROGRAMS: dict[str, Callable[[], Program]] = {
    "perceptron": perceptron,
    "convolutions": convolutions,
    "along axes": along_axes,
    "transformer": transformer,
}
