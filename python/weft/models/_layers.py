"""What the layers of decoders and encoders have in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import weft
from weft import nn

from ..nn import functional as F
from ._weights import Weights, linear

#: By the words of transformers.
ACTIVATIONS: dict[str, Callable[[weft.Tensor], weft.Tensor]] = {
    **dict.fromkeys(("silu", "swish"), F.silu),
    **dict.fromkeys(("gelu", "gelu_python"), F.gelu),
    **dict.fromkeys(
        ("gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate"),
        lambda x: F.gelu(x, approximate="tanh"),
    ),
    "quick_gelu": lambda x: x * weft.sigmoid(1.702 * x),
    "relu": F.relu,
    "relu2": lambda x: weft.square(F.relu(x)),
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "linear": lambda x: x,
}


@dataclass
class Cache:
    """Keys and values [N, key_heads, S, head_width] of each layer, written in place."""

    keys: list[weft.Tensor]
    values: list[weft.Tensor]


@dataclass
class StretchedCache(Cache):
    """One of a model whose positions turn otherwise in longer texts: which texts are, bool [N]."""

    far: weft.Tensor


def resized(tensor: weft.Tensor, length: int) -> weft.Tensor:
    """Keys or values [N, heads, S, width] with so many places, by cutting off or zeros."""
    missing = length - tensor.shape[2]
    if missing <= 0:
        return tensor[:, :, :length]
    shape = (*tensor.shape[:2], missing, tensor.shape[3])
    return weft.concat(
        [tensor, weft.zeros(shape, dtype=tensor.dtype, device=tensor.device)], axis=2
    )


def written(cached: weft.Tensor, places: weft.Tensor, new: weft.Tensor) -> weft.Tensor:
    """Keys or values with new ones [N, heads, L, width] in their places, in place."""
    if places.ndim == 1:
        return cached.index_copy_(2, places, new)
    texts, heads = (
        weft.expand_dims(weft.arange(size, device=places.device), axis=axes)
        for size, axes in zip(new.shape[:2], ((1, 2), (0, 2)))
    )
    cached[texts, heads, weft.expand_dims(places, axis=1)] = new
    return cached


def places_of(tokens: weft.Tensor, first: Any) -> weft.Tensor:
    """The positions of tokens [N, L], of which the first have these: [L], or [N, L] for [N]."""
    places = weft.arange(tokens.shape[1], dtype=weft.int64, device=tokens.device)
    several = isinstance(first, weft.Tensor) and first.ndim == 1
    return places + (weft.expand_dims(first, axis=1) if several else first)


def distances(places: weft.Tensor, length: int) -> weft.Tensor:
    """How far behind each token so many keys are: [L, length] or [N, 1, L, length]."""
    own = weft.expand_dims(places, axis=-1)
    if places.ndim == 2:
        own = weft.expand_dims(own, axis=1)
    return weft.arange(length, device=places.device) - own


def heads_of(states: weft.Tensor, width: int) -> weft.Tensor:
    """States [N, L, heads * width] as [N, heads, L, width]."""
    return weft.transpose(states.unflatten(-1, (-1, width)), 1, 2)


def states_of(heads: weft.Tensor) -> weft.Tensor:
    """Heads [N, heads, L, width] as states [N, L, heads * width]."""
    return weft.flatten(weft.transpose(heads, 1, 2), 2)


def capped(x: weft.Tensor, most: float) -> weft.Tensor:
    """Numbers brought between -most and most, smoothly."""
    return weft.tanh(x / most) * most


def capped_attention(
    query: weft.Tensor,
    key: weft.Tensor,
    value: weft.Tensor,
    seen: weft.Tensor,
    scale: float,
    most: float,
) -> weft.Tensor:
    """Attention as with ``enable_gqa``, whose scores are capped before what is hidden is left out.

    Args:
        query, key, value: [N, heads, L, width] and [N, key_heads, S, width].
        seen: which keys a token sees, bool, which broadcasts to [N, heads, L, S].
        scale: what scores are multiplied by.
        most: their bound.
    """
    texts, heads, length, width = query.shape
    grouped = weft.reshape(query, (texts, key.shape[1], -1, width))
    scores = capped((grouped @ weft.transpose(key, -2, -1)) * scale, most)
    scores = weft.reshape(scores, (texts, heads, length, key.shape[2]))
    shares = weft.softmax(weft.where(seen, scores, -math.inf), -1)
    mixed = weft.reshape(shares, (*grouped.shape[:3], key.shape[2])) @ value
    return weft.reshape(mixed, query.shape)


class HasDense(Protocol):
    """What says how the dense layers are made."""

    @property
    def width(self) -> int:
        """Of the states."""
        ...

    @property
    def hidden(self) -> int:
        """Of the wider states."""
        ...

    @property
    def activation(self) -> str:
        """A name of transformers."""
        ...

    @property
    def gated(self) -> bool:
        """Whether one product scales the other."""
        ...

    @property
    def hidden_bias(self) -> bool:
        """Whether the products have a bias."""
        ...


class FeedForward(nn.Module):
    """The dense layers: a product, an activation, perhaps another product as factor, a product."""

    def __init__(
        self, config: HasDense, weights: Weights, name: str, hidden: int | None = None
    ) -> None:
        """Takes how wide the wider states are, if that is not what the settings say."""
        super().__init__()
        width, bias = config.width, config.hidden_bias
        hidden = config.hidden if hidden is None else hidden
        self.activation = config.activation
        self.gate_proj = None
        if config.gated:
            self.gate_proj = linear(weights, f"{name}.gate_proj", hidden, width, bias)
        self.up_proj = linear(weights, f"{name}.up_proj", hidden, width, bias)
        self.down_proj = linear(weights, f"{name}.down_proj", width, hidden, bias)

    def forward(self, x: weft.Tensor) -> weft.Tensor:
        """States to what is added to them."""
        activation = ACTIVATIONS[self.activation]
        if self.gate_proj is None:
            return self.down_proj(activation(self.up_proj(x)))
        return self.down_proj(activation(self.gate_proj(x)) * self.up_proj(x))
