"""ResNet-50 (He et al., 2016, "Deep residual learning for image recognition"), with the strides in
the 3x3 windows: images [N, 3, H, W] to scores [N, classes]."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .layers import normalized_convolution

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Channels within the blocks, blocks, stride of the first."""


def build(
    framework: ModuleType,
    *,
    stages: Sequence[tuple[int, int, int]] = STAGES,
    stem: int = 64,
    classes: int = 1000,
) -> Any:
    """Stages of blocks of 1x1, 3x3 and 1x1 windows, after a stem of 7x7 windows and a pooling."""
    nn = framework.nn

    class Block(nn.Module):
        def __init__(self, inputs: int, width: int, stride: int):
            super().__init__()
            outputs = 4 * width
            self.body = nn.Sequential(
                *normalized_convolution(framework, inputs, width, 1),
                nn.ReLU(),
                *normalized_convolution(framework, width, width, 3, stride),
                nn.ReLU(),
                *normalized_convolution(framework, width, outputs, 1),
            )
            same = inputs == outputs and stride == 1
            self.shortcut = nn.Sequential(
                *([] if same else normalized_convolution(framework, inputs, outputs, 1, stride))
            )

        def forward(self, x):
            return framework.relu(self.body(x) + self.shortcut(x))

    blocks, channels = [], stem
    for width, count, stride in stages:
        for number in range(count):
            blocks.append(Block(channels, width, stride if number == 0 else 1))
            channels = 4 * width
    return nn.Sequential(
        *normalized_convolution(framework, 3, stem, 7, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )
