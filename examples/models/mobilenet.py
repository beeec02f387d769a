"""MobileNetV2 (Sandler et al., 2018, "Inverted residuals and linear bottlenecks"), on
Fashion-MNIST.

    python -m examples.models.mobilenet

The names of the weights are torchvision's.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import FASHION, accuracy, command_line, fashion, train, training_step


@dataclass(frozen=True)
class Config:
    """The network for ImageNet. A stage is expansion, channels, blocks, stride of the first."""

    stages: tuple[tuple[int, int, int, int], ...] = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    stem: int = 32
    head: int = 1280
    channels: int = 3
    classes: int = 1000
    dropout: float = 0.2


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> list:
    """One that keeps the size of an image, but for its stride, and its normalization."""
    options = {"stride": stride, "padding": size // 2, "groups": groups, "bias": False}
    return [nn.Conv2d(inputs, outputs, size, **options), nn.BatchNorm2d(outputs)]


def activated(*sizes: int, **options: int) -> nn.Sequential:
    return nn.Sequential(*convolution(*sizes, **options), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Widens, convolves each channel by itself, and narrows."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int):
        super().__init__()
        wide = inputs * expansion
        self.conv = nn.Sequential(
            *([activated(inputs, wide, 1)] if expansion > 1 else []),
            activated(wide, wide, 3, stride=stride, groups=wide),
            *convolution(wide, outputs, 1),
        )
        self.residual = inputs == outputs and stride == 1

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """Images [N, channels, H, W] to scores [N, classes]."""

    def __init__(self, config: Config):
        super().__init__()
        layers, inputs = [activated(config.channels, config.stem, 3, stride=2)], config.stem
        for expansion, outputs, count, stride in config.stages:
            for number in range(count):
                step = stride if number == 0 else 1
                layers.append(InvertedResidual(inputs, outputs, expansion, step))
                inputs = outputs
        self.features = nn.Sequential(*layers, activated(inputs, config.head, 1))
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.head, config.classes)
        )

    def forward(self, images):
        return self.classifier(self.features(images).mean((2, 3)))


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=300, batch=64, rate=2e-3, data=FASHION)
    stages = ((1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 2, 2), (6, 24, 2, 1))
    model = MobileNetV2(Config(stages, stem=16, head=96, channels=1, classes=10))
    optimizer = weft.optim.AdamW(model.parameters(), lr=options.rate)
    step = training_step(lambda x, labels: F.cross_entropy(model(x), labels), optimizer)
    loss = train("MobileNetV2", step, fashion(options), options.steps)
    print(f"MobileNetV2: loss {loss:.3f}, accuracy {accuracy(model, options):.3f} on test pictures")


if __name__ == "__main__":
    main()
