"""Random modules that are quantised with random options, for all ways in which they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import weft
from weft import nn

WIDTHS = (1, 2, 3, 4, 6, 7, 8, 12, 13, 16, 24, 30, 33, 48, 64)
GROUPS = (None, 1, 2, 3, 4, 6, 8, 16, 32, 128)
WEIGHTS = ("int8", "int4", "int4", "float8_e4m3fn", "float8_e5m2")


class Residual(nn.Module):
    """x + inner(x)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        return x + self.inner(x)


class Attention(nn.Module):
    """Self-attention, whose four products are layers of their own, or nn.MultiheadAttention."""

    def __init__(self, width: int, heads: int, is_own: bool) -> None:
        super().__init__()
        self.heads = heads
        self.whole = None if is_own else nn.MultiheadAttention(width, heads, batch_first=True)
        self.parts = nn.ModuleList([nn.Linear(width, width) for _ in range(4 * is_own)])

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        if self.whole is not None:
            return self.whole(x, x, x, need_weights=False)[0]
        rows, length, width = x.shape
        query, key, value = (
            part(x).reshape(rows, length, self.heads, width // self.heads).swapaxes(1, 2)
            for part in self.parts[:3]
        )
        made = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.parts[3](made.swapaxes(1, 2).reshape(rows, length, width))


class Turned(nn.Module):
    """A convolution along the rows of [n, length, width]."""

    def __init__(self, width: int, made: int, size: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, made, size, padding=size // 2)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        return self.convolution(x.swapaxes(1, 2)).swapaxes(1, 2)


def drawn_linear(generator: np.random.Generator, width: int) -> tuple[nn.Module, int]:
    """A product, pruned at times, and how many numbers it makes of a row."""
    made = int(generator.choice(WIDTHS))
    layer = nn.Linear(width, made, bias=bool(generator.integers(2)))
    kind = generator.integers(8)
    if kind == 0:
        nn.utils.prune.l1_unstructured(layer, "weight", 0.5)
    elif kind == 1:
        layer.weight = nn.Parameter(weft.abs(layer.weight.detach()))
    return layer, made


def drawn_step(generator: np.random.Generator, width: int) -> tuple[nn.Module, int]:
    """Some module for [n, length, width], and the width of what it makes."""
    kind = int(generator.integers(9))
    if kind <= 2:
        return drawn_linear(generator, width)
    if kind == 3:
        layer, made = drawn_linear(generator, width)
        back = nn.Linear(made, width)
        return Residual(nn.Sequential(layer, nn.GELU(), back)), width
    if kind == 4:
        heads = int(generator.choice([n for n in (1, 2, 3, 4) if width % n == 0]))
        return Attention(width, heads, bool(generator.integers(2))), width
    if kind == 5:
        made = int(generator.choice(WIDTHS))
        return Turned(width, made, int(generator.choice([1, 3]))), made
    if kind == 6:
        return (nn.LayerNorm if generator.integers(2) else nn.RMSNorm)(width), width
    return [nn.ReLU(), nn.SiLU(), nn.Tanh(), nn.Dropout(0.5)][int(generator.integers(4))], width


@dataclass
class Drawn:
    """A module, an input for it, and options of `weft.quantize`."""

    module: nn.Module
    x: np.ndarray
    options: dict[str, Any]


def drawn(seed: int) -> Drawn:
    """The same for the same seed."""
    generator = np.random.default_rng(seed)
    weft.manual_seed(seed)
    width, steps = int(generator.choice(WIDTHS)), list[nn.Module]()
    rows, length = int(generator.choice([0, 1, 2, 3])), int(generator.choice([1, 2, 5]))
    if generator.integers(3) == 0:
        table = int(generator.choice([1, 5, 40]))
        steps.append(nn.Embedding(table, width))
        x = generator.integers(0, table, (rows, length))
    else:
        x = generator.standard_normal((rows, length, width)).astype(np.float32)
    for _ in range(int(generator.integers(1, 6))):
        step, width = drawn_step(generator, width)
        steps.append(step)
    steps.append(nn.Linear(width, int(generator.choice(WIDTHS))))
    weights = str(generator.choice(WEIGHTS))
    options: dict[str, Any] = {"weights": weights, "group": generator.choice(GROUPS)}
    if "float" not in weights:
        options["symmetric"] = bool(generator.integers(2))
        options["activations"] = [None, None, "int8", "int8_static"][int(generator.integers(4))]
    if options.get("activations") or generator.integers(4) == 0:
        shape = (2, *x.shape[1:])
        batch = generator.standard_normal(shape).astype(np.float32)
        if x.dtype == np.int64:
            batch = generator.integers(0, table, shape)
        options["calibration"] = [weft.asarray(batch)]
    if options.get("activations") == "int8_static" and generator.integers(2):
        options["percentile"] = float(generator.choice([50.0, 99.9]))
    return Drawn(nn.Sequential(*steps).eval(), x, options)
