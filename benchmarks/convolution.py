"""Layers of convolution, NCHW, that keep the size of an image but for the stride."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import peers
import weft
from functions import function_case
from harness import Case

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
    generator = np.random.default_rng(0)
    for batch, channels, size, filters, stride in SHAPES:
        yield _case(generator, batch, channels, size, filters, 3, stride)
    for batch, channels, size, filters, window, stride in SINGLE:
        yield _case(generator, batch, channels, size, filters, window, stride)
    for batch, channels, size, stride in DEPTHWISE:
        yield _case(generator, batch, channels, size, channels, 3, stride, groups=channels)


def _case(
    generator: np.random.Generator,
    batch: int,
    channels: int,
    size: int,
    filters: int,
    window: int,
    stride: int,
    groups: int = 1,
) -> Case:
    """The weight is a layer's: all but JAX may keep it in a form of their own."""
    options = {"stride": stride, "padding": window // 2, "groups": groups}
    depth = channels // groups
    x = generator.standard_normal((batch, channels, size, size), np.float32)
    weight = generator.standard_normal((filters, depth, window, window), np.float32)
    ours = weft.nn.Conv2d(channels, filters, window, bias=False, **options)
    ours.load_state_dict({"weight": weft.asarray(weight)})
    theirs = None
    if torch := peers.torch():
        theirs = torch.nn.Conv2d(channels, filters, window, bias=False, **options)
        theirs.requires_grad_(False).load_state_dict({"weight": torch.from_numpy(weight)})
    pixels = batch * ((size - 1) // stride + 1) ** 2
    text = "each channel for itself" if groups > 1 else f"{filters} filters"
    return function_case(
        f"conv2d {window}x{window} of {batch}x{channels}x{size}x{size}, {text}, stride {stride}",
        lambda x: ours(x),
        lambda x: theirs(x),
        (x,),
        jax=partial(_by_jax, weight=weight, **options),
        compiled=False,  # It calls what eager mode calls.
        operations=2.0 * pixels * filters * depth * window**2,
    )


def _by_jax(x, weight: np.ndarray, stride: int, padding: int, groups: int):
    borders = [(padding, padding)] * 2
    return peers.jax().lax.conv_general_dilated(
        x, weight, (stride, stride), borders, feature_group_count=groups
    )
