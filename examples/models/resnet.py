"""ResNet (He et al., 2016, "Deep residual learning for image recognition"), on Fashion-MNIST.

    python -m examples.models.resnet

The stride of a bottleneck is in its 3x3 windows, and weights have the names that torchvision gives
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import FASHION, accuracy, command_line, fashion, train, training_step


@dataclass(frozen=True)
class Config:
    """ResNet-50. Blocks (2, 2, 2, 2) that are no bottlenecks make ResNet-18, (3, 4, 6, 3) -34."""

    bottleneck: bool = True
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    channels: int = 3
    classes: int = 1000


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """One that keeps the size of an image, but for its stride."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The identity, or a projection where a block changes the shape."""
    if inputs == outputs and stride == 1:
        return nn.Sequential()
    return nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = convolution(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(inputs, 4 * width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Images [N, channels, H, W] to scores [N, classes]."""

    def __init__(self, config: Config):
        super().__init__()
        block, inputs = Bottleneck if config.bottleneck else BasicBlock, config.width
        self.conv1 = convolution(config.channels, inputs, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(inputs)
        for number, count in enumerate(config.blocks):
            layer, width = nn.Sequential(), config.width << number
            for place in range(count):
                stride = 2 if number > 0 and place == 0 else 1
                layer.append(block(inputs, width, stride))
                inputs = width * block.expansion
            self.add_module(f"layer{number + 1}", layer)
        self.layers = len(config.blocks)
        self.fc = nn.Linear(inputs, config.classes)

    def forward(self, images):
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for number in range(1, self.layers + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.mean((2, 3)))


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=300, batch=64, rate=2e-3, data=FASHION)
    config = Config(bottleneck=False, blocks=(2, 2, 2, 2), width=16, channels=1, classes=10)
    model = ResNet(config)
    optimizer = weft.optim.AdamW(model.parameters(), lr=options.rate)
    step = training_step(lambda x, labels: F.cross_entropy(model(x), labels), optimizer)
    loss = train("ResNet-18", step, fashion(options), options.steps)
    print(f"ResNet-18: loss {loss:.3f}, accuracy {accuracy(model, options):.3f} on test pictures")


if __name__ == "__main__":
    main()
