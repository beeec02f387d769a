"""Generative adversarial networks (Goodfellow et al., 2014; of convolutions: Radford, Metz and
Chintala, 2016).

    python -m examples.models.gan

One network draws pictures like those of Fashion-MNIST, one tells them from real ones; both learn in
one compiled step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import FASHION, command_line, fashion, progress, save_pictures


@dataclass(frozen=True)
class Config:
    noise: int = 64
    width: int = 32
    channels: int = 1


class Generator(nn.Sequential):
    """Noise [N, noise] to pictures [N, channels, 28, 28] in [-1, 1]."""

    def __init__(self, config: Config):
        width = config.width
        super().__init__(
            nn.Linear(config.noise, 2 * width * 7 * 7, bias=False),
            nn.Unflatten(1, (2 * width, 7, 7)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, config.channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.apply(initialize)


class Discriminator(nn.Sequential):
    """Pictures [N, channels, 28, 28] to scores [N] of being real."""

    def __init__(self, config: Config):
        width = config.width
        super().__init__(
            nn.Conv2d(config.channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * 7 * 7, 1),
            nn.Flatten(0),
        )
        self.apply(initialize)


def initialize(module: nn.Module) -> None:
    """Weights as the paper has them."""
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=0.02)


def adversarial_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizers: tuple[weft.optim.Optimizer, weft.optim.Optimizer],
) -> Callable:
    """The step: real pictures and noise to both losses. The generator's gradients go through the
    discriminator as it is after its own step."""

    def against(scores, real: bool):
        return F.binary_cross_entropy_with_logits(scores, weft.full_like(scores, float(real)))

    def step(pictures, noise):
        drawn = generator(noise)
        optimizers[1].zero_grad()
        telling = against(discriminator(pictures), True)
        telling = telling + against(discriminator(drawn.detach()), False)
        telling.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        drawing = against(discriminator(drawn), True)
        drawing.backward()
        optimizers[0].step()
        return drawing, telling

    return step


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=500, batch=64, rate=3e-4, data=FASHION)
    config = Config()
    networks = (Generator(config), Discriminator(config))
    optimizers = tuple(
        weft.optim.Adam(network.parameters(), lr=options.rate, betas=(0.5, 0.999))
        for network in networks
    )
    step = weft.jit(adversarial_step(*networks, optimizers))
    with progress("GAN", options.steps) as report:
        for _, (pictures, _) in zip(range(options.steps), fashion(options)):
            drawing, telling = step(2 * pictures - 1, weft.randn(options.batch, config.noise))
            report(drawing=drawing.item(), telling=telling.item())
    with weft.no_grad():
        drawn = networks[0](weft.randn(64, config.noise))
    path = options.output / "gan.png"
    save_pictures(drawn / 2 + 0.5, path)
    print(f"GAN: losses {drawing.item():.3f} and {telling.item():.3f}; pictures in {path}")


if __name__ == "__main__":
    main()
