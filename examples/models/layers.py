"""What several models share: normalized convolutions, self-attention, the blocks around it."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def normalized_convolution(
    framework: ModuleType, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
) -> list:
    """A convolution that keeps the size of an image (but for its stride), and its normalization."""
    nn = framework.nn
    convolution = nn.Conv2d(
        inputs, outputs, size, stride=stride, padding=size // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(outputs)]


def self_attention(framework: ModuleType) -> Any:
    """The class of attention among the positions of x [N, L, W] (Vaswani et al., 2017)."""
    nn = framework.nn

    class SelfAttention(nn.Module):
        def __init__(self, width: int, heads: int, dropout: float, causal: bool = False):
            super().__init__()
            self.heads, self.dropout, self.causal = heads, dropout, causal
            self.queries_keys_values = nn.Linear(width, 3 * width)
            self.joined = nn.Linear(width, width)

        def forward(self, x):
            batch, length, width = x.shape
            query, key, value = (
                part.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
                for part in self.queries_keys_values(x).chunk(3, -1)
            )
            mixed = nn.functional.scaled_dot_product_attention(
                query,
                key,
                value,
                dropout_p=self.dropout if self.training else 0.0,
                is_causal=self.causal,
            )
            return self.joined(mixed.transpose(1, 2).reshape(batch, length, width))

    return SelfAttention


def feed_forward(framework: ModuleType, width: int, hidden: int, approximate: str = "none") -> Any:
    """Two linear layers with a gelu between them: x [..., W] to [..., W]."""
    nn = framework.nn
    return nn.Sequential(
        nn.Linear(width, hidden), nn.GELU(approximate=approximate), nn.Linear(hidden, width)
    )


def pre_norm_block(framework: ModuleType) -> Any:
    """The class of a block whose branches begin with a normalization: x [N, L, W] to the same."""
    nn = framework.nn
    attention = self_attention(framework)

    class PreNormBlock(nn.Module):
        def __init__(
            self,
            width: int,
            heads: int,
            dropout: float,
            *,
            epsilon: float,
            causal: bool = False,
            approximate: str = "none",
        ):
            super().__init__()
            self.norm_before = nn.LayerNorm(width, eps=epsilon)
            self.attention = attention(width, heads, dropout, causal)
            self.norm_after = nn.LayerNorm(width, eps=epsilon)
            self.feed_forward = feed_forward(framework, width, 4 * width, approximate)
            self.dropout = nn.Dropout(dropout)

        def forward(self, x):
            x = x + self.dropout(self.attention(self.norm_before(x)))
            return x + self.dropout(self.feed_forward(self.norm_after(x)))

    return PreNormBlock
