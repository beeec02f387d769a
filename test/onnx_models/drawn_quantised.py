"""Random modules that are quantised with random options, for all ways in which they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import weft
from weft import nn

WIDTHS = (1, 2, 3, 4, 6, 7, 8, 12, 13, 16, 24, 30, 33, 48, 64)
#: Of which most groups fit.
EVEN_WIDTHS = (2, 4, 8, 12, 16, 24, 48, 64)
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
    """A convolution along the rows of [n, length, width], of one dimension or two."""

    def __init__(self, width: int, made: int, size: int, groups: int, is_plane: bool) -> None:
        super().__init__()
        self.is_plane = is_plane
        kind, middle = (nn.Conv2d, (size // 2, 0)) if is_plane else (nn.Conv1d, size // 2)
        window = (size, 1) if is_plane else size
        self.convolution = kind(width, made, window, padding=middle, groups=groups)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        x = x.swapaxes(1, 2)
        made = self.convolution(x[..., None])[..., 0] if self.is_plane else self.convolution(x)
        return made.swapaxes(1, 2)


class Recurrent(nn.Module):
    """The states of an LSTM or a GRU, whose weights are no layers."""

    def __init__(self, kind: type[nn.Module], width: int, made: int) -> None:
        super().__init__()
        self.cells = kind(width, made, batch_first=True)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        return self.cells(x)[0]


def drawn_linear(
    generator: np.random.Generator, width: int, widths: tuple[int, ...]
) -> tuple[nn.Module, int]:
    """A product, pruned at times, and how many numbers it makes of a row."""
    made = int(generator.choice(widths))
    layer = nn.Linear(width, made, bias=bool(generator.integers(2)))
    kind = generator.integers(8)
    if kind == 0:
        nn.utils.prune.l1_unstructured(layer, "weight", 0.5)
    elif kind == 1:
        layer.weight = nn.Parameter(weft.abs(layer.weight.detach()))
    elif kind == 2:
        # Rows of zeros, and of one number.
        rows = weft.asarray(generator.integers(-1, 2, (made, 1)).astype(np.float32))
        layer.weight = nn.Parameter(rows * weft.ones((made, width)))
    return layer, made


def drawn_step(
    generator: np.random.Generator, width: int, widths: tuple[int, ...]
) -> tuple[nn.Module, int]:
    """Some module for [n, length, width], and the width of what it makes."""
    kind = int(generator.integers(10))
    if kind <= 2:
        return drawn_linear(generator, width, widths)
    if kind == 3:
        layer, made = drawn_linear(generator, width, widths)
        back = nn.Linear(made, width)
        return Residual(nn.Sequential(layer, nn.GELU(), back)), width
    if kind == 4:
        heads = int(generator.choice([n for n in (1, 2, 3, 4) if width % n == 0]))
        return Attention(width, heads, bool(generator.integers(2))), width
    if kind == 5:
        made, size = int(generator.choice(widths)), int(generator.choice([1, 3]))
        groups = int(generator.choice([n for n in (1, 2, 3) if width % n == 0 and made % n == 0]))
        return Turned(width, made, size, groups, bool(generator.integers(2))), made
    if kind == 6:
        return (nn.LayerNorm if generator.integers(2) else nn.RMSNorm)(width), width
    if kind == 7:
        made = int(generator.choice([1, 5] if widths is WIDTHS else [2, 8]))
        return Recurrent(nn.LSTM if generator.integers(2) else nn.GRU, width, made), made
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
    widths = EVEN_WIDTHS if generator.integers(4) else WIDTHS
    width, steps = int(generator.choice(widths)), list[nn.Module]()
    rows, length = int(generator.choice([0, 1, 2, 3])), int(generator.choice([1, 2, 5]))
    if generator.integers(3) == 0:
        table = int(generator.choice([1, 5, 40]))
        steps.append(nn.Embedding(table, width))
        x = generator.integers(0, table, (rows, length))
    else:
        x = generator.standard_normal((rows, length, width)).astype(np.float32)
    for _ in range(int(generator.integers(1, 6))):
        shared = [step for step in steps if getattr(step, "in_features", None) == width]
        if shared and generator.integers(2):
            steps.append(shared[0])
            width = shared[0].out_features
            continue
        step, width = drawn_step(generator, width, widths)
        steps.append(step)
    if isinstance(steps[0], nn.Embedding) and generator.integers(2):
        # As language models end: the products are those by the table.
        steps.append(nn.Linear(width, steps[0].embedding_dim))
        steps.append(nn.Linear(steps[0].embedding_dim, table, bias=False))
        steps[-1].weight = steps[0].weight
    else:
        steps.append(nn.Linear(width, int(generator.choice(widths))))
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
