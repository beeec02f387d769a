"""MobileNetV2 (Sandler et al., 2018, "Inverted residuals and linear bottlenecks"): images
[N, 3, H, W] to scores [N, classes]."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .layers import normalized_convolution

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride of the first."""


def build(
    framework: ModuleType,
    *,
    stages: Sequence[tuple[int, int, int, int]] = STAGES,
    stem: int = 32,
    head: int = 1280,
    classes: int = 1000,
) -> Any:
    """Stages of blocks that widen, convolve each channel by itself, and narrow."""
    nn = framework.nn

    class ReLU6(nn.Module):
        def forward(self, x):
            return framework.clip(x, 0.0, 6.0)

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, expansion: int, stride: int):
            super().__init__()
            wide = inputs * expansion
            first = [*normalized_convolution(framework, inputs, wide, 1), ReLU6()]
            self.body = nn.Sequential(
                *(first if expansion > 1 else []),
                *normalized_convolution(framework, wide, wide, 3, stride, groups=wide),
                ReLU6(),
                *normalized_convolution(framework, wide, outputs, 1),
            )
            self.residual = inputs == outputs and stride == 1

        def forward(self, x):
            return x + self.body(x) if self.residual else self.body(x)

    layers, channels = [*normalized_convolution(framework, 3, stem, 3, 2), ReLU6()], stem
    for expansion, width, count, stride in stages:
        for number in range(count):
            layers.append(Block(channels, width, expansion, stride if number == 0 else 1))
            channels = width
    return nn.Sequential(
        *layers,
        *normalized_convolution(framework, channels, head, 1),
        ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(head, classes),
    )
