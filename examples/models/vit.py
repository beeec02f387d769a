"""ViT-B/16 (Dosovitskiy et al., 2021, "An image is worth 16x16 words"): images
[N, 3, size, size] to scores [N, classes]."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .layers import pre_norm_block

EPSILON = 1e-6


def build(
    framework: ModuleType,
    *,
    size: int = 224,
    patch: int = 16,
    width: int = 768,
    heads: int = 12,
    layers: int = 12,
    classes: int = 1000,
    dropout: float = 0.1,
) -> Any:
    """The patches of an image and a token for its class, in blocks where all see each other."""
    nn = framework.nn
    block = pre_norm_block(framework)

    class ViT(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, width, patch, stride=patch)
            self.class_token = nn.Parameter(framework.zeros(1, 1, width))
            self.positions = nn.Parameter(framework.zeros(1, (size // patch) ** 2 + 1, width))
            nn.init.normal_(self.positions, std=0.02)
            self.dropout = nn.Dropout(dropout)
            self.blocks = nn.Sequential(
                *[block(width, heads, dropout, epsilon=EPSILON) for _ in range(layers)]
            )
            self.norm = nn.LayerNorm(width, eps=EPSILON)
            self.head = nn.Linear(width, classes)

        def forward(self, images):
            patches = self.patches(images).flatten(2).transpose(1, 2)
            token = self.class_token.expand(images.shape[0], 1, width)
            x = framework.concat([token, patches], axis=1) + self.positions
            x = self.blocks(self.dropout(x))
            return self.head(self.norm(x[:, 0]))

    return ViT()
