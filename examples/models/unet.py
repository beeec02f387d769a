"""U-Net (Ronneberger et al., 2015, "Convolutional networks for biomedical image segmentation").

    python -m examples.models.unet

With batch normalization, padded windows and upsampling by repetition. Learns to tell discs from
the noise and the squares around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, save_pictures, train, training_step


@dataclass(frozen=True)
class Config:
    inputs: int = 3
    classes: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256)


def level(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each with a normalization and an activation."""
    layers = []
    for width in (inputs, outputs):
        convolution = nn.Conv2d(width, outputs, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Images [N, inputs, H, W] to scores [N, classes, H, W] of each pixel.

    2 ** (levels - 1) has to divide H and W.
    """

    def __init__(self, config: Config):
        super().__init__()
        widths = config.widths
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([level(*pair) for pair in [(config.inputs, widths[0]), *pairs]])
        self.up = nn.ModuleList([level(own + below, own) for own, below in reversed(pairs)])
        self.scores = nn.Conv2d(widths[0], config.classes, 1)

    def forward(self, images):
        x, beside = self.down[0](images), []
        for block in self.down[1:]:
            beside.append(x)
            x = block(F.max_pool2d(x, 2))
        for block in self.up:
            x = block(weft.cat([beside.pop(), F.interpolate(x, scale_factor=2)], 1))
        return self.scores(x)


def shapes(batch: int, size: int, seed: int) -> Iterator[tuple[weft.Tensor, weft.Tensor]]:
    """Images [N, 1, size, size] of a disc and a square in noise, and whether a pixel is of the
    disc."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]

    def distances(reach: float) -> list[np.ndarray]:
        places = random.uniform(reach, size - reach, (2, batch, 1, 1))
        return [rows - places[0], columns - places[1]]

    while True:
        disc = np.hypot(*distances(size / 5)) < size / 6
        square = np.max(np.abs(distances(size / 5)), axis=0) < size / 7
        images = (disc | square) + random.normal(0, 0.5, disc.shape)
        yield weft.asarray(images[:, None].astype(np.float32)), weft.asarray(disc.astype(np.int64))


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=300, batch=16, rate=2e-3)
    model = UNet(Config(inputs=1, widths=(8, 16, 32)))
    optimizer = weft.optim.Adam(model.parameters(), lr=options.rate)
    step = training_step(lambda x, classes: F.cross_entropy(model(x), classes), optimizer)
    loss = train("U-Net", step, shapes(options.batch, 48, options.seed), options.steps)
    images, classes = next(shapes(8, 48, options.seed + 1))
    with weft.no_grad():
        found = model.eval()(images).argmax(1)
    shared, either = ((found & classes).sum(), (found | classes).sum())
    path = options.output / "unet.png"
    walls = [(images.clip(-0.5, 1.5) + 0.5) / 2, found[:, None].float(), classes[:, None].float()]
    save_pictures(weft.cat(walls), path)
    print(f"U-Net: loss {loss:.3f}, overlap {(shared / either).item():.3f}; pictures in {path}")


if __name__ == "__main__":
    main()
