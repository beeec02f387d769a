"""Biases of attention by distance (Press et al., 2021, "Train Short, Test Long"; ALiBi)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import weft


@dataclass(frozen=True)
class Slopes:
    """How much less a key counts for each token that it is further away.

    Attributes:
        values: of each head, float32.
        narrow: None: biases are exact. Else, as Falcon was trained: slopes, positions of keys and
            their product are bfloat16, and then multiplied by this.
    """

    values: tuple[float, ...]
    narrow: float | None = None

    def biases(self, keys: weft.Tensor, queries: weft.Tensor, dtype: weft.DType) -> weft.Tensor:
        """What is added to scores [N, heads, L, S] or [heads, L, S], for the positions of keys
        [N, S] or [S] and of queries [N, L] or [L].
        """
        values = np.array(self.values, np.float32)
        slopes = weft.reshape(weft.asarray(values, device=keys.device), (-1, 1, 1))
        keys = _wide(keys, -2)
        if self.narrow is None:
            away = keys - _wide(queries, -1)
            return weft.astype(slopes, dtype) * weft.astype(away, dtype)
        # A constant for all keys of a query changes no attention: its own position is left out.
        product = weft.astype(slopes, weft.bfloat16) * weft.astype(keys, weft.bfloat16)
        return weft.astype(product, dtype) * self.narrow


def _wide(positions: weft.Tensor, axis: int) -> weft.Tensor:
    """Positions [S] as [1, S] or [S, 1], and [N, S] with a dimension of heads, too."""
    made = weft.expand_dims(positions, axis=axis)
    return weft.expand_dims(made, axis=1) if positions.ndim == 2 else made


def geometric(heads: int) -> tuple[float, ...]:
    """Slopes of BLOOM and Falcon: powers of one base for as many heads as a power of two has, and
    every second power of the base of twice as many for the others.
    """
    even = 1 << (heads.bit_length() - 1)
    first = _powers(2.0 ** (-8 / even), np.arange(1, even + 1))
    return (*first, *_powers(2.0 ** (-4 / even), np.arange(1, 2 * (heads - even), 2)))


def interleaved(heads: int) -> tuple[float, ...]:
    """Slopes of MPT: of the next power of two, every second one first."""
    even = 1 << (heads - 1).bit_length()
    slopes = [float(np.float32(2.0 ** (-8 * number / even))) for number in range(1, even + 1)]
    return tuple(slopes if even == heads else (slopes[1::2] + slopes[::2])[:heads])


def _powers(base: float, exponents: np.ndarray) -> tuple[float, ...]:
    # The base was rounded before it was raised.
    return tuple((np.float64(np.float32(base)) ** exponents).astype(np.float32).tolist())
