"""T5 (Raffel et al., 2020, "Exploring the limits of transfer learning"): encoder and decoder.

    python -m examples.models.t5

Learns to sort digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, train, training_step


@dataclass(frozen=True)
class Config:
    """T5-small."""

    vocabulary: int = 32128
    width: int = 512
    heads: int = 8
    head_width: int = 64
    hidden: int = 2048
    layers: int = 6
    buckets: int = 32
    farthest: int = 128
    epsilon: float = 1e-6


def bucket(distance, two_sided: bool, buckets: int, farthest: int):
    """The numbers of the buckets of distances from a query to keys, integers of any shape.

    Half of the buckets are for one distance each, the others grow up to `farthest`. Keys behind the
    query have buckets of their own, or else the first one.
    """
    if two_sided:
        buckets //= 2
        first, distance = (distance > 0) * buckets, distance.abs()
    else:
        first, distance = 0, (-distance).clamp(min=0)
    exact = buckets // 2
    grown = weft.log(distance.clamp(min=1) / exact) / math.log(farthest / exact)
    far = (exact + (grown * (buckets - exact)).long()).clamp(max=buckets - 1)
    return first + weft.where(distance < exact, distance, far)


class PositionBias(nn.Module):
    """What each head adds to its scores [heads, L, S], by the distance of the two tokens."""

    def __init__(self, config: Config, causal: bool):
        super().__init__()
        self.config, self.causal = config, causal
        self.table = nn.Embedding(config.buckets, config.heads)

    def forward(self, length: int):
        places = weft.arange(length)
        distance = places - places[:, None]
        numbers = bucket(distance, not self.causal, self.config.buckets, self.config.farthest)
        bias = self.table(numbers).permute(2, 0, 1)
        return bias.masked_fill(distance > 0, -weft.inf) if self.causal else bias


class Attention(nn.Module):
    """x [N, L, W] looks at y [N, S, W], with scores that are not scaled."""

    def __init__(self, config: Config):
        super().__init__()
        inner = config.heads * config.head_width
        self.heads = config.heads
        self.q, self.k, self.v = (nn.Linear(config.width, inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, config.width, bias=False)

    def forward(self, x, y, bias=None):
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.q(x), self.k(y), self.v(y))
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
        return self.o(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention among the tokens, that to another text if it is a decoder's, and dense layers."""

    def __init__(self, config: Config, decoder: bool):
        super().__init__()
        self.norms = nn.ModuleList(
            [nn.RMSNorm(config.width, eps=config.epsilon) for _ in range(3 if decoder else 2)]
        )
        self.attention = Attention(config)
        self.other = Attention(config) if decoder else None
        self.wi = nn.Linear(config.width, config.hidden, bias=False)
        self.wo = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x, bias, read=None):
        y = self.norms[0](x)
        x = x + self.attention(y, y, bias)
        if read is not None:
            x = x + self.other(self.norms[1](x), read)
        return x + self.wo(F.relu(self.wi(self.norms[-1](x))))


class Stack(nn.Module):
    def __init__(self, config: Config, decoder: bool):
        super().__init__()
        self.bias = PositionBias(config, causal=decoder)
        self.layers = nn.ModuleList([Layer(config, decoder) for _ in range(config.layers)])
        self.norm = nn.RMSNorm(config.width, eps=config.epsilon)

    def forward(self, x, read=None):
        bias = self.bias(x.shape[1])
        for layer in self.layers:
            x = layer(x, bias, read)
        return self.norm(x)


class T5(nn.Module):
    """A text [N, S] and the beginning of its answer [N, L] to the scores of each next token
    [N, L, vocabulary]. An answer begins with token 0."""

    def __init__(self, config: Config):
        super().__init__()
        self.shared = nn.Embedding(config.vocabulary, config.width)
        self.encoder, self.decoder = Stack(config, False), Stack(config, True)
        self.scale = config.width**-0.5
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                # As published: of queries the scale of the scores is in the weights.
                variance = weight.shape[1] * (config.head_width if name.endswith("q.weight") else 1)
                std = 1.0 if name == "shared.weight" else variance**-0.5
                nn.init.normal_(weight, std=std)

    def decode(self, read, answers):
        return F.linear(self.decoder(self.shared(answers), read) * self.scale, self.shared.weight)

    def forward(self, texts, answers):
        return self.decode(self.encoder(self.shared(texts)), answers)

    def answer(self, texts, length: int):
        """The likeliest tokens [N, length], one after the other."""
        answers = weft.zeros(texts.shape[0], length + 1, dtype=weft.int64)
        with weft.no_grad():
            read = self.encoder(self.shared(texts))
            for place in range(length):
                scores = next_scores(self, read, answers)
                answers[:, place + 1] = scores[:, place].argmax(-1)
        return answers[:, 1:]


@weft.jit
def next_scores(model, read, answers):
    """Those of answers whose end is not written yet."""
    with weft.no_grad():
        return model.decode(read, answers)


def digits(batch: int, length: int, seed: int) -> Iterator[tuple[weft.Tensor, weft.Tensor]]:
    """Digits [N, length] as tokens from 1 on, and the same in their order."""
    random = np.random.default_rng(seed)
    while True:
        drawn = random.integers(1, 11, (batch, length))
        yield weft.asarray(drawn), weft.asarray(np.sort(drawn, 1))


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=600, batch=64, rate=2e-3, digits=8)
    model = T5(Config(11, width=64, heads=4, head_width=16, hidden=128, layers=2))
    optimizer = weft.optim.Adam(model.parameters(), lr=options.rate)

    def loss(texts, answers):
        begun = F.pad(answers[:, :-1], (1, 0))
        return F.cross_entropy(model(texts, begun).flatten(0, 1), answers.flatten())

    batches = digits(options.batch, options.digits, options.seed)
    last = train("T5", training_step(loss, optimizer), batches, options.steps)
    texts, answers = next(digits(200, options.digits, options.seed + 1))
    found = model.answer(texts, options.digits)
    right = (found == answers).all(1).float().mean().item()
    print(f"{(texts[0] - 1).tolist()} sorted: {(found[0] - 1).tolist()}")
    print(f"T5: loss {last:.3f}, {100 * right:.1f} % of the answers right")


if __name__ == "__main__":
    main()
