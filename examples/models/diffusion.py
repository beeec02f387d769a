"""Denoising diffusion (Ho, Jain and Abbeel, 2020, "Denoising diffusion probabilistic models").

    python -m examples.models.diffusion

A U-Net learns which noise was added to a picture of Fashion-MNIST; taking it away bit by bit makes
pictures of noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import FASHION, command_line, fashion, progress, save_pictures, train, training_step


@dataclass(frozen=True)
class Config:
    """For CIFAR-10. There is one block at each level, and attention at the lowest."""

    channels: int = 3
    widths: tuple[int, ...] = (128, 256, 256, 256)
    groups: int = 32
    times: int = 1000


def embedded(times, width: int):
    """Times [N] as sines and cosines [N, width] of different frequencies."""
    speeds = weft.exp(weft.arange(width // 2) * (-math.log(10000.0) / (width // 2)))
    angles = times[:, None] * speeds
    return weft.cat([weft.sin(angles), weft.cos(angles)], -1)


class Residual(nn.Module):
    """Two convolutions, between which the time is added to the channels."""

    def __init__(self, inputs: int, outputs: int, time: int, groups: int):
        super().__init__()
        self.norm_before = nn.GroupNorm(groups, inputs)
        self.convolution_before = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(time, outputs)
        self.norm_after = nn.GroupNorm(groups, outputs)
        self.convolution_after = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, time):
        y = self.convolution_before(F.silu(self.norm_before(x)))
        y = y + self.time(F.silu(time))[:, :, None, None]
        y = self.convolution_after(F.silu(self.norm_after(y)))
        return y + self.skip(x)


class Attention(nn.Module):
    """Each place of an image looks at all."""

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width)
        self.queries_keys_values = nn.Conv2d(width, 3 * width, 1)
        self.joined = nn.Conv2d(width, width, 1)

    def forward(self, x):
        parts = self.queries_keys_values(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, -1)
        mixed = F.scaled_dot_product_attention(*parts)
        return x + self.joined(mixed.transpose(1, 2).reshape(x.shape))


class Denoiser(nn.Module):
    """Noisy images [N, channels, H, W] and times [N] to the noise in them.

    2 ** (levels - 1) has to divide H and W.
    """

    def __init__(self, config: Config):
        super().__init__()
        widths, groups, time = config.widths, config.groups, 4 * config.widths[0]
        self.width = widths[0]
        self.time = nn.Sequential(nn.Linear(widths[0], time), nn.SiLU(), nn.Linear(time, time))
        self.first = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        pairs = list(zip((widths[0], *widths[:-1]), widths))
        self.down = nn.ModuleList([Residual(*pair, time, groups) for pair in pairs])
        self.middle = Residual(widths[-1], widths[-1], time, groups)
        self.attention = Attention(widths[-1], groups)
        self.up = nn.ModuleList(
            [Residual(2 * outputs, inputs, time, groups) for inputs, outputs in reversed(pairs)]
        )
        self.norm = nn.GroupNorm(groups, widths[0])
        self.last = nn.Conv2d(widths[0], config.channels, 3, padding=1)

    def forward(self, images, times):
        time = self.time(embedded(times, self.width).to(images.dtype))
        x, beside = self.first(images), []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.avg_pool2d(x, 2), time)
            beside.append(x)
        x = self.attention(self.middle(x, time))
        for level, block in enumerate(self.up):
            x = x if level == 0 else F.interpolate(x, scale_factor=2)
            x = block(weft.cat([x, beside.pop()], 1), time)
        return self.last(F.silu(self.norm(x)))


class Diffusion:
    """How pictures become noise within so many times, and back.

    The variance of the noise that each time adds grows from 1e-4 to 0.02 for 1000 times, and is
    larger for fewer.
    """

    def __init__(self, times: int):
        self.times = times
        self.added = weft.linspace(0.1 / times, min(20.0 / times, 0.999), times)
        self.kept = weft.cumprod(1 - self.added, 0)

    def noisy(self, images, noise, times):
        """The images [N, C, H, W] at the times [N]."""
        kept = self.kept[times][:, None, None, None]
        return weft.sqrt(kept) * images + weft.sqrt(1 - kept) * noise

    def loss(self, model, images, noise, times):
        return F.mse_loss(model(self.noisy(images, noise, times), times), noise)

    def earlier(self, model, images, noise, time):
        """The images at the time before, drawn with the noise given."""
        added, kept = self.added[time], self.kept[time]
        found = model(images, time.expand(images.shape[0]))
        mean = (images - added / weft.sqrt(1 - kept) * found) / weft.sqrt(1 - added)
        return mean + weft.where(time > 0, weft.sqrt(added), 0.0) * noise

    def sample(self, model, shape: tuple[int, ...]):
        """New images, drawn from noise."""

        @weft.jit
        def step(images, time):
            with weft.no_grad():
                return self.earlier(model, images, weft.randn(shape), time)

        images = weft.randn(shape)
        with progress("sampling", self.times) as report:
            for time in reversed(range(self.times)):
                images = step(images, weft.tensor(time))
                report()
        return images


def main(arguments: list[str] | None = None) -> None:
    defaults = {"steps": 400, "batch": 32, "rate": 1e-3, "data": FASHION, "times": 100}
    options = command_line(__doc__, arguments, **defaults)
    config = Config(channels=1, widths=(16, 32, 48), groups=8, times=options.times)
    model, diffusion = Denoiser(config), Diffusion(config.times)
    optimizer = weft.optim.Adam(model.parameters(), lr=options.rate)

    def loss(pictures, _):
        times = weft.randint(0, config.times, (options.batch,))
        return diffusion.loss(model, 2 * pictures - 1, weft.randn(pictures.shape), times)

    last = train("diffusion", training_step(loss, optimizer), fashion(options), options.steps)
    drawn = diffusion.sample(model, (16, 1, 28, 28))
    path = options.output / "diffusion.png"
    save_pictures(drawn.clip(-1, 1) / 2 + 0.5, path)
    print(f"diffusion: squared error {last:.3f} of the noise; new pictures in {path}")


if __name__ == "__main__":
    main()
