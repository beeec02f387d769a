"""Vision transformer (Dosovitskiy et al., 2021, "An image is worth 16x16 words"), on Fashion-MNIST.

    python -m examples.models.vit

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
    """ViT-B/16."""

    size: int = 224
    patch: int = 16
    channels: int = 3
    width: int = 768
    heads: int = 12
    hidden: int = 3072
    layers: int = 12
    classes: int = 1000
    dropout: float = 0.0
    epsilon: float = 1e-6


class Block(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        width, dropout = config.width, config.dropout
        self.ln_1 = nn.LayerNorm(width, eps=config.epsilon)
        self.self_attention = nn.MultiheadAttention(width, config.heads, dropout, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=config.epsilon)
        self.mlp = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(config.hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        tokens = (config.size // config.patch) ** 2 + 1
        self.pos_embedding = nn.Parameter(weft.zeros(1, tokens, config.width))
        nn.init.normal_(self.pos_embedding, std=0.02)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.Sequential()
        for number in range(config.layers):
            self.layers.add_module(f"encoder_layer_{number}", Block(config))
        self.ln = nn.LayerNorm(config.width, eps=config.epsilon)

    def forward(self, x):
        return self.ln(self.layers(self.dropout(x + self.pos_embedding)))


class ViT(nn.Module):
    """Images [N, channels, size, size] to scores [N, classes]: their patches and a token for the
    class look at each other."""

    def __init__(self, config: Config):
        super().__init__()
        self.conv_proj = nn.Conv2d(config.channels, config.width, config.patch, config.patch)
        self.class_token = nn.Parameter(weft.zeros(1, 1, config.width))
        self.encoder = Encoder(config)
        self.heads = nn.ModuleDict({"head": nn.Linear(config.width, config.classes)})

    def forward(self, images):
        patches = self.conv_proj(images).flatten(2).transpose(1, 2)
        tokens = weft.cat([self.class_token.expand(images.shape[0], -1, -1), patches], 1)
        return self.heads["head"](self.encoder(tokens)[:, 0])


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=400, batch=64, rate=1e-3, data=FASHION)
    size = {"size": 28, "patch": 7, "channels": 1, "width": 96, "heads": 4, "hidden": 192}
    model = ViT(Config(**size, layers=4, classes=10))
    optimizer = weft.optim.AdamW(model.parameters(), lr=options.rate)
    step = training_step(lambda x, labels: F.cross_entropy(model(x), labels), optimizer)
    loss = train("ViT", step, fashion(options), options.steps)
    print(f"ViT: loss {loss:.3f}, accuracy {accuracy(model, options):.3f} on test pictures")


if __name__ == "__main__":
    main()
