"""U-Net (Ronneberger et al., 2015, "Convolutional networks for biomedical image segmentation").

With batch normalization, padded windows and upsampling by repetition: images [N, inputs, H, W] to
scores [N, classes, H, W] of each pixel. 2 ** (len(widths) - 1) has to divide H and W.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .layers import normalized_convolution


def build(
    framework: ModuleType,
    *,
    inputs: int = 3,
    classes: int = 2,
    widths: Sequence[int] = (32, 64, 128, 256),
) -> Any:
    """Levels of two convolutions each, down to the smallest image and back beside the way down."""
    nn = framework.nn

    def level(inputs: int, outputs: int) -> Any:
        return nn.Sequential(
            *normalized_convolution(framework, inputs, outputs, 3),
            nn.ReLU(),
            *normalized_convolution(framework, outputs, outputs, 3),
            nn.ReLU(),
        )

    def doubled(x):
        count, channels, height, width = x.shape
        wide = x.reshape(count, channels, height, 1, width, 1)
        wide = wide.expand(count, channels, height, 2, width, 2)
        return wide.reshape(count, channels, 2 * height, 2 * width)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList(
                [level(*pair) for pair in zip((inputs, *widths[:-1]), widths, strict=True)]
            )
            self.pool = nn.MaxPool2d(2)
            self.up = nn.ModuleList(
                [level(below + own, own) for own, below in zip(widths[-2::-1], widths[:0:-1])]
            )
            self.scores = nn.Conv2d(widths[0], classes, 1)

        def forward(self, x):
            skipped = []
            for number, block in enumerate(self.down):
                x = block(x if number == 0 else self.pool(x))
                skipped.append(x)
            for block, beside in zip(self.up, skipped[-2::-1]):
                x = block(framework.concat([beside, doubled(x)], axis=1))
            return self.scores(x)

    return UNet()
