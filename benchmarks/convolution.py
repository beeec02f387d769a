"""Forward convolutions, NCHW, that keep the size of an image."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np
import peers
import weft
from harness import WEFT, Case

SHAPES = [(8, 64, 56, 64, 1), (8, 128, 28, 128, 1), (8, 256, 14, 256, 1), (8, 512, 7, 512, 1)]
SHAPES += [(8, 64, 56, 128, 2), (64, 1, 28, 32, 1), (64, 32, 26, 64, 1)]
"""Batch, input channels, height and width, output channels, stride, of 3x3 windows."""
SINGLE = [(1, 64, 56, 64, 3, 1), (1, 128, 28, 128, 3, 1), (1, 256, 14, 256, 3, 1)]
SINGLE += [(1, 512, 7, 512, 3, 1), (1, 3, 224, 64, 7, 2), (1, 256, 56, 64, 1, 1)]
SINGLE += [(1, 2048, 7, 512, 1, 1), (1, 512, 28, 1024, 1, 2)]
"""The same with the size of the window before the stride: those of ResNet-50, one image."""
DEPTHWISE = [(1, 96, 112, 2), (1, 192, 28, 1), (1, 576, 14, 1), (1, 960, 7, 1)]
"""Batch, channels, height and width, stride of 3x3 windows, each channel for itself."""


def cases() -> Iterator[Case]:
    import weft.nn.functional as F

    generator = np.random.default_rng(0)
    for batch, channels, size, filters, stride in SHAPES:
        yield _case(F, generator, batch, channels, size, filters, 3, stride)
    for batch, channels, size, filters, window, stride in SINGLE:
        yield _case(F, generator, batch, channels, size, filters, window, stride)
    for batch, channels, size, stride in DEPTHWISE:
        yield _case(F, generator, batch, channels, size, channels, 3, stride, groups=channels)


def _case(
    functional: ModuleType,
    generator: np.random.Generator,
    batch: int,
    channels: int,
    size: int,
    filters: int,
    window: int,
    stride: int,
    groups: int = 1,
) -> Case:
    options = {"stride": stride, "padding": window // 2, "groups": groups}
    depth = channels // groups
    x = generator.standard_normal((batch, channels, size, size), np.float32)
    w = generator.standard_normal((filters, depth, window, window), np.float32)
    compiled = weft.jit(lambda x, w: functional.conv2d(x, w, **options))
    contenders = {WEFT: _bind(compiled, weft.asarray(x), weft.asarray(w))}
    if torch := peers.torch():
        convolve = torch.nn.functional.conv2d
        call = lambda x, w: convolve(x, w, **options)  # noqa: E731
        contenders["torch"] = _bind(call, torch.from_numpy(x), torch.from_numpy(w))
    pixels = batch * ((size - 1) // stride + 1) ** 2
    text = "each channel for itself" if groups > 1 else f"{filters} filters"
    return Case(
        f"conv2d {window}x{window} of {batch}x{channels}x{size}x{size}, {text}, stride {stride}",
        contenders,
        operations=2.0 * pixels * filters * depth * window**2,
    )


def _bind(function, *args):
    return lambda: function(*args)
