"""Small networks whose weights are hidden inputs of a compiled function, and their launches."""

from __future__ import annotations

import re
from typing import Any

import weft
from weft import nn
from weft.nn import functional as F


class Block(nn.Module):
    """Two convolutions with batch norms, and the way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.around = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        y = weft.relu(self.first_norm(self.first(x)))
        return weft.relu(self.second_norm(self.second(y)) + self.around(x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(Block(8, 16, 2), Block(16, 16, 1))
        self.head = nn.Linear(16, 5)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        y = self.blocks(self.stem(x))
        return self.head(weft.mean(y, axis=(2, 3)))

    @staticmethod
    def example() -> weft.Tensor:
        return weft.random.normal((2, 3, 12, 12))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, rotary: bool) -> None:
        super().__init__()
        self.heads, self.rotary = heads, rotary
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=not rotary) for _ in range(4)
        )

    def turned(self, x: weft.Tensor) -> weft.Tensor:
        """Pairs of numbers, turned by angles that grow with the position."""
        length, half = x.shape[-2], x.shape[-1] // 2
        frequency = 1.0 / 10000.0 ** (weft.arange(half, dtype=weft.float32) / half)
        angle = weft.arange(length, dtype=weft.float32)[:, None] * frequency[None, :]
        cosine, sine = weft.cos(angle), weft.sin(angle)
        a, b = x[..., :half], x[..., half:]
        return weft.concat([a * cosine - b * sine, b * cosine + a * sine], axis=-1)

    def forward(self, x: weft.Tensor, causal: bool) -> weft.Tensor:
        batch, length, width = x.shape

        def split(y: weft.Tensor) -> weft.Tensor:
            return y.reshape(batch, length, self.heads, -1).permute(0, 2, 1, 3)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        if self.rotary:
            q, k = self.turned(q), self.turned(k)
        scores = q @ k.permute(0, 1, 3, 2) * (1.0 / q.shape[-1] ** 0.5)
        if causal:
            place = weft.arange(length)
            scores = weft.where(place[:, None] >= place[None, :], scores, -1e30)
        mixed = weft.softmax(scores, dim=-1) @ v
        return self.out(mixed.permute(0, 2, 1, 3).reshape(batch, length, width))


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = 16
        self.tokens, self.places = nn.Embedding(20, width), nn.Embedding(12, width)
        self.attention = nn.ModuleList([Attention(width, 2, False) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(4)])
        self.up = nn.ModuleList([nn.Linear(width, 4 * width) for _ in range(2)])
        self.down = nn.ModuleList([nn.Linear(4 * width, width) for _ in range(2)])

    def forward(self, ids: weft.Tensor) -> weft.Tensor:
        x = self.tokens(ids) + self.places(weft.arange(ids.shape[1]))
        for layer in range(2):
            x = self.norms[2 * layer](x + self.attention[layer](x, False))
            x = self.norms[2 * layer + 1](x + self.down[layer](F.gelu(self.up[layer](x))))
        return x

    @staticmethod
    def example() -> weft.Tensor:
        return weft.array([[1, 5, 3, 7, 2], [0, 19, 4, 4, 8]])


class RmsNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(weft.ones((width,)))

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        return x * weft.rsqrt(weft.mean(x * x, axis=-1, keepdims=True) + 1e-5) * self.weight


class Llama(nn.Module):
    """With its last projection tied to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        width = 16
        self.tokens = nn.Embedding(20, width)
        self.attention = nn.ModuleList([Attention(width, 2, True) for _ in range(2)])
        self.norms = nn.ModuleList([RmsNorm(width) for _ in range(5)])
        self.gate, self.up, self.down = (
            nn.ModuleList([nn.Linear(*sizes, bias=False) for _ in range(2)])
            for sizes in ((width, 3 * width), (width, 3 * width), (3 * width, width))
        )

    def forward(self, ids: weft.Tensor) -> weft.Tensor:
        x = self.tokens(ids)
        for layer in range(2):
            x = x + self.attention[layer](self.norms[2 * layer](x), True)
            y = self.norms[2 * layer + 1](x)
            x = x + self.down[layer](weft.silu(self.gate[layer](y)) * self.up[layer](y))
        return self.norms[4](x) @ self.tokens.weight.T

    example = staticmethod(Bert.example)


MODELS: list[Any] = [ResNet, Bert, Llama]


def repeated_launches(text: str) -> list[str]:
    """The launches of @main, in the IR of kernels, that depend on hidden inputs alone."""
    main = text[text.index("func.func @main(") :].split("\n  }")[0]
    known = set(re.findall(r"(%\w+): tensor<[^>]*> \{[^}]*weft\.hidden", main.splitlines()[0]))
    repeated = []
    for line in main.splitlines()[1:]:
        match = re.match(r"\s*(%\w+)(?::\d+)? = (\S+) (.*)", line)
        if not match:
            continue
        name, op, rest = match.groups()
        operands = re.findall(r"%\w+", rest.split(" : ")[0])
        if op == "weft.prepare" or all(operand in known for operand in operands):
            known.add(name)
            if op == "weft.launch":
                repeated.append(line.strip())
    return repeated
