"""LLaMA (Touvron et al., 2023, "Open and efficient foundation language models") with 110 million
weights, those of the tokens' table used twice: numbers of tokens [N, L] to the scores of what comes
after the last one [N, vocabulary], and the tokens' keys and values."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def root_mean_square_norm(framework: ModuleType) -> Any:
    """The class that divides x [..., W] by the root of the mean of its squares."""
    nn = framework.nn

    class RootMeanSquareNorm(nn.Module):
        def __init__(self, width: int, epsilon: float = 1e-5):
            super().__init__()
            self.epsilon = epsilon
            self.weight = nn.Parameter(framework.ones(width))

        def forward(self, x):
            square = (x * x).mean(axis=-1, keepdims=True)
            return x * framework.rsqrt(square + self.epsilon) * self.weight

    return RootMeanSquareNorm


def layer(framework: ModuleType) -> Any:
    """The class of a layer: x [N, L, W], cosines and sines [L, D] of the angles of its positions,
    and the keys and values [2, N, H, S, D] of the S tokens before, or None, to [N, L, W] and the
    keys and values [2, N, H, L, D] of x. Several tokens at once have none before them."""
    nn = framework.nn
    norm = root_mean_square_norm(framework)

    def rotated(x, cosines, sines):
        left, right = x.chunk(2, -1)
        return x * cosines + framework.concat([-right, left], axis=-1) * sines

    class Layer(nn.Module):
        def __init__(self, width: int, heads: int, hidden: int):
            super().__init__()
            self.heads = heads
            self.norm_before, self.norm_after = norm(width), norm(width)
            self.queries, self.keys, self.values, self.joined = (
                nn.Linear(width, width, bias=False) for _ in range(4)
            )
            self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
            self.down = nn.Linear(hidden, width, bias=False)

        def attention(self, x, cosines, sines, past):
            batch, length, width = x.shape

            def split(y):
                return y.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)

            query = rotated(split(self.queries(x)), cosines, sines)
            key = rotated(split(self.keys(x)), cosines, sines)
            value = split(self.values(x))
            own = framework.stack([key, value])
            if past is not None:
                key = framework.concat([past[0], key], axis=2)
                value = framework.concat([past[1], value], axis=2)
            mixed = nn.functional.scaled_dot_product_attention(
                query, key, value, is_causal=past is None
            )
            return self.joined(mixed.transpose(1, 2).reshape(batch, length, width)), own

        def forward(self, x, cosines, sines, past):
            mixed, own = self.attention(self.norm_before(x), cosines, sines, past)
            x = x + mixed
            y = self.norm_after(x)
            return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y)), own

    return Layer


def build(
    framework: ModuleType,
    *,
    vocabulary: int = 32000,
    positions: int = 1024,
    width: int = 768,
    heads: int = 12,
    hidden: int = 2048,
    layers: int = 12,
) -> Any:
    """`model(tokens)` reads a text, `model(token, past)` goes on by one token [N, 1].

    `past` are the keys and values [layers, 2, N, heads, S, width / heads] of all tokens before;
    both calls give those of their own tokens, for the caller to append.
    """
    nn = framework.nn
    kind = layer(framework)

    class Llama(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.layers = nn.ModuleList([kind(width, heads, hidden) for _ in range(layers)])
            self.norm = root_mean_square_norm(framework)(width)
            half = width // heads // 2
            speeds = framework.tensor([10000.0 ** (-number / half) for number in range(half)] * 2)
            angles = framework.arange(positions).reshape(-1, 1) * speeds
            self.register_buffer("cosines", framework.cos(angles))
            self.register_buffer("sines", framework.sin(angles))

        def forward(self, tokens, past=None):
            first = 0 if past is None else past.shape[-2]
            rows = slice(first, first + tokens.shape[1])
            cosines, sines = self.cosines[rows], self.sines[rows]
            x, kept = self.tokens(tokens), []
            for number, block in enumerate(self.layers):
                before = None if past is None else past[number]
                x, own = block(x, cosines, sines, before)
                kept.append(own)
            scores = nn.functional.linear(self.norm(x[:, -1]), self.tokens.weight)
            return scores, framework.stack(kept)

    return Llama()
