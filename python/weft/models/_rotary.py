"""The angles by which positions turn queries and keys (Su et al., 2021, "RoFormer")."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import weft

from .._creation import _fail
from .._errors import UnsupportedError
from ._settings import Settings

#: Ways in which positions turn heads.
_KINDS = ("default", "linear", "llama3")


@dataclass(frozen=True)
class Rotary:
    """How fast each pair of a head's elements turns.

    Attributes:
        width: how many elements of a head are turned; the others stay.
        base: the slowest pair turns once in about so many positions.
        factor: by how much slower the turning is, for longer texts than those of the training.
        bounds: None: all are slower by the factor. Else as in LLaMA 3: the positions of the
            training, and how many turns in these are few and many. Pairs with more turns are not
            slowed down, those with fewer are, those between partly.
    """

    width: int
    base: float
    factor: float = 1.0
    bounds: tuple[int, float, float] | None = None

    def speeds(self) -> np.ndarray:
        """The angles of one position, float32 [width / 2]."""
        powers = np.arange(0, self.width, 2, dtype=np.float32) / np.float32(self.width)
        speeds = (1.0 / np.float32(self.base) ** powers).astype(np.float32)
        slow = speeds / np.float32(self.factor)
        if self.bounds is None:
            return slow
        positions, few, many = self.bounds
        turns = positions * speeds / np.float32(2 * math.pi)
        share = np.clip((turns - np.float32(few)) / np.float32(many - few), 0, 1)
        return ((1 - share) * slow + share * speeds).astype(np.float32)


def read_rotary(settings: Settings, head_width: int, partial: bool = False) -> Rotary:
    """What config.json says, in the form of any version of transformers.

    Args:
        settings: config.json.
        head_width: the elements of a head.
        partial: whether the family knows heads of which only some elements are turned.

    Raises:
        FileError: a number is none. UnsupportedError: a way to slow down that is not known.
    """
    # The older setting holds where there are both.
    older = settings.values.get("rope_scaling") not in (None, {})
    part = settings.part("rope_scaling" if older else "rope_parameters")
    base = part.number("rope_theta", settings.number("rope_theta", 10000.0))
    width = head_width
    if partial:
        share = settings.number("partial_rotary_factor", 1.0)
        width = int(head_width * min(part.number("partial_rotary_factor", share), 1.0))
    if width % 2:
        raise _fail(
            UnsupportedError,
            f"{settings.path}: {width} of a head's {head_width} elements are turned: they have to "
            "be pairs",
        )
    kind = part.choice("type", _KINDS, "default")
    kind = part.choice("rope_type", _KINDS, kind)
    positions = part.count(
        "original_max_position_embeddings", settings.count("max_position_embeddings")
    )
    positions = settings.count("original_max_position_embeddings", positions)
    if kind == "default":
        return Rotary(width, base)
    factor = part.number("factor")
    if kind == "linear":
        return Rotary(width, base, factor)
    few = part.number("low_freq_factor")
    many = part.number("high_freq_factor", least=few)
    return Rotary(width, base, factor, (positions, few, many))


def angles(places: weft.Tensor, speeds: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
    """Cosines and sines [L, D] for positions [L] and speeds [D / 2]; [N, 1, L, D] for [N, L]."""
    turned = weft.expand_dims(weft.astype(places, speeds.dtype), axis=-1) * speeds
    turned = weft.concat([turned, turned], axis=-1)
    if places.ndim == 2:
        turned = weft.expand_dims(turned, axis=1)
    return weft.cos(turned), weft.sin(turned)


def rotated(x: weft.Tensor, cosines: weft.Tensor, sines: weft.Tensor) -> weft.Tensor:
    """The first D elements of x [..., L, W] turned by angles: i with i + D / 2."""
    width = cosines.shape[-1]
    if width == 0:
        return x
    left, right = x[..., : width // 2], x[..., width // 2 : width]
    turned = x[..., :width] * cosines + weft.concat([-right, left], axis=-1) * sines
    return turned if width == x.shape[-1] else weft.concat([turned, x[..., width:]], axis=-1)
