"""A variational autoencoder (Kingma and Welling, 2014, "Auto-encoding variational Bayes").

    python -m examples.models.vae

Learns a code of a few numbers for the pictures of Fashion-MNIST, and draws new ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import weft
from weft import nn
from weft.nn import functional as F

from ..common import FASHION, command_line, fashion, save_pictures, train, training_step


@dataclass(frozen=True)
class Config:
    pixels: int = 784
    width: int = 400
    code: int = 20


class VAE(nn.Module):
    """Pictures [N, pixels] to scores of their pixels, and means and log variances of the code."""

    def __init__(self, config: Config):
        super().__init__()
        pixels, width, code = config.pixels, config.width, config.code
        self.encoder = nn.Sequential(nn.Linear(pixels, width), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(width, code), nn.Linear(width, code)
        self.decoder = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, pixels))

    def forward(self, pictures, noise):
        x = self.encoder(pictures)
        mean, log_variance = self.mean(x), self.log_variance(x)
        code = mean + weft.exp(log_variance / 2) * noise
        return self.decoder(code), mean, log_variance

    def loss(self, pictures, noise):
        """What a picture costs, in nats: its pixels, and the divergence of its code from normal."""
        scores, mean, log_variance = self(pictures, noise)
        pixels = F.binary_cross_entropy_with_logits(scores, pictures, reduction="sum")
        divergence = (mean**2 + weft.exp(log_variance) - 1 - log_variance).sum() / 2
        return (pixels + divergence) / pictures.shape[0]


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=2000, batch=128, rate=1e-3, data=FASHION)
    config = Config()
    model = VAE(config)
    optimizer = weft.optim.Adam(model.parameters(), lr=options.rate)

    def loss(pictures, _):
        return model.loss(pictures.flatten(1), weft.randn(options.batch, config.code))

    last = train("VAE", training_step(loss, optimizer), fashion(options), options.steps)
    drawn = weft.sigmoid(model.decoder(weft.randn(64, config.code)))
    path = options.output / "vae.png"
    save_pictures(drawn.reshape(-1, 1, 28, 28), path)
    print(f"VAE: {last:.1f} nats for a picture; new ones in {path}")


if __name__ == "__main__":
    main()
