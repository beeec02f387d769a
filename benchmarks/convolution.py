"""Forward 3x3 convolutions, NCHW, padding 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from harness import WEFT, Case

SHAPES = [(8, 64, 56, 64, 1), (8, 128, 28, 128, 1), (8, 256, 14, 256, 1), (8, 512, 7, 512, 1)]
SHAPES += [(8, 64, 56, 128, 2), (64, 1, 28, 32, 1), (64, 32, 26, 64, 1)]
"""Batch, input channels, height and width, output channels, stride."""


def cases() -> Iterator[Case]:
    import weft.nn.functional as F

    generator = np.random.default_rng(0)
    for batch, channels, size, filters, stride in SHAPES:
        x = generator.standard_normal((batch, channels, size, size), np.float32)
        w = generator.standard_normal((filters, channels, 3, 3), np.float32)
        compiled = weft.jit(lambda x, w, stride=stride: F.conv2d(x, w, stride=stride, padding=1))
        contenders = {WEFT: _bind(compiled, weft.asarray(x), weft.asarray(w))}
        if torch := peers.torch():
            contenders["torch"] = _bind(
                lambda x, w, conv=torch.nn.functional.conv2d, stride=stride: conv(
                    x, w, stride=stride, padding=1
                ),
                torch.from_numpy(x),
                torch.from_numpy(w),
            )
        pixels = batch * ((size - 1) // stride + 1) ** 2
        yield Case(
            f"conv2d {batch}x{channels}x{size}x{size}, {filters} filters, stride {stride}",
            contenders,
            operations=2.0 * pixels * filters * channels * 9,
        )


def _bind(function, *args):
    return lambda: function(*args)
