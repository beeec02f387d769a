"""The angles by which positions turn queries and keys (Su et al., 2021, "RoFormer")."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import weft

from .._creation import _fail
from .._errors import UnsupportedError
from ._settings import Settings

#: Ways in which positions turn heads, by what files call them.
_KINDS = {kind: kind for kind in ("default", "linear", "dynamic", "llama3", "yarn", "longrope")}


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
        ramp: instead of that as in YaRN (Peng et al., 2023): the first pair that is slowed down at
            all, and the one from which on all are by the factor.
        factors: instead of that as in LongRoPE (Ding et al., 2024): by how much slower each pair is
            in texts of at most so many tokens, and in longer ones.
        amount: what cosines and sines are multiplied by.
        interleaved: whether neighbours are pairs; else the first half of the elements with the
            second.
    """

    width: int
    base: float
    factor: float = 1.0
    bounds: tuple[int, float, float] | None = None
    ramp: tuple[float, float] | None = None
    factors: tuple[int, tuple[float, ...], tuple[float, ...]] | None = None
    amount: float = 1.0
    interleaved: bool = False

    @property
    def longest(self) -> int | None:
        """Beyond so many tokens all positions of a text turn otherwise; None: none do."""
        return None if self.factors is None else self.factors[0]

    def speeds(self) -> np.ndarray:
        """The angles of one position, float32 [width / 2]; for both lengths, [2, width / 2]."""
        powers = np.arange(0, self.width, 2, dtype=np.float32) / np.float32(self.width)
        speeds = (1.0 / np.float32(self.base) ** powers).astype(np.float32)
        if self.factors is not None:
            return (speeds / np.array(self.factors[1:], np.float32)).astype(np.float32)
        slow = speeds / np.float32(self.factor)
        if self.ramp is not None:
            first, last = self.ramp
            # A ramp of no length is a step.
            length = np.float32(last - first if last != first else 0.001)
            pair = np.arange(self.width // 2, dtype=np.float32)
            share = 1 - np.clip((pair - np.float32(first)) / length, 0, 1)
            return ((1 - share) * slow + share * speeds).astype(np.float32)
        if self.bounds is None:
            return slow
        positions, few, many = self.bounds
        turns = positions * speeds / np.float32(2 * math.pi)
        share = np.clip((turns - np.float32(few)) / np.float32(many - few), 0, 1)
        return ((1 - share) * slow + share * speeds).astype(np.float32)


def read_rotary(
    settings: Settings,
    head_width: int,
    partial: bool = False,
    kinds: dict[str, str] = _KINDS,
    layers: str | None = None,
    base: str = "rope_theta",
) -> Rotary:
    """What config.json says, in the form of any version of transformers.

    Args:
        settings: config.json.
        head_width: the elements of a head.
        partial: whether the family knows heads of which only some elements are turned.
        kinds: the ways to turn that the family knows, by what it calls them.
        layers: the kind of layers that this is for, where others have another way.
        base: the older setting that has the base.

    Raises:
        FileError: a number is none. UnsupportedError: a way to slow down that is not known.
    """
    part = _part(settings, layers)
    speed = part.number("rope_theta", settings.number(base, 10000.0))
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
    kind = part.choice("type", kinds, "default")
    kind = kinds[part.choice("rope_type", kinds, kind)]
    most = settings.count("max_position_embeddings")
    positions = part.count("original_max_position_embeddings", most)
    positions = settings.count("original_max_position_embeddings", positions)
    return _made(part, kind, width, speed, positions, most)


def _part(settings: Settings, layers: str | None) -> Settings:
    """The settings of turning, of a kind of layers or of all."""
    older = settings.values.get("rope_scaling") not in (None, {})
    if layers is None:
        # The older setting holds where there are both.
        return settings.part("rope_scaling" if older else "rope_parameters")
    if older and layers == "full_attention":
        return settings.part("rope_scaling")
    return settings.part("rope_parameters").part(layers)


def _made(part: Settings, kind: str, width: int, base: float, positions: int, most: int) -> Rotary:
    """A way to turn, for so many positions of the training, and of the longest text."""
    if kind == "default":
        return Rotary(width, base)
    if kind == "yarn":
        return _yarn(part, width, base, positions)
    if kind == "longrope":
        return _longrope(part, width, base, positions, most)
    factor = part.number("factor")
    if kind == "dynamic":
        if width < 4:
            raise _fail(UnsupportedError, f"{part.path}: dynamic is for more than one pair")
        # Only texts beyond the model's positions are turned slower, and there are none here.
        return Rotary(width, base)
    if kind == "linear":
        return Rotary(width, base, factor)
    few = part.number("low_freq_factor")
    many = part.number("high_freq_factor", least=few)
    return Rotary(width, base, factor, (positions, few, many))


def _yarn(part: Settings, width: int, base: float, trained: int) -> Rotary:
    """YaRN (Peng et al., 2023): pairs that turn often in the training's positions stay as they are,
    those that turn seldom are slowed down.
    """
    factor = part.number("factor")
    many, few = part.number("beta_fast", 32.0), part.number("beta_slow", 1.0)

    def pair(turns: float) -> float:
        """Which pair turns so often in the positions of the training."""
        return width * math.log(trained / (turns * 2 * math.pi)) / (2 * math.log(base))

    def grown(share: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * share * math.log(factor) + 1.0

    if base == 1:
        raise _fail(UnsupportedError, f"{part.path}: rope_theta 1 turns all pairs alike")
    first, last = pair(many), pair(few)
    if part.flag("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    names = [name for name in ("mscale", "mscale_all_dim") if part.has(name)]
    shares = [part.number(name) for name in names]
    amount = grown(shares[0]) / grown(shares[1]) if len(shares) == 2 else grown(1.0)
    return Rotary(
        *(width, base, factor),
        ramp=(max(first, 0), min(last, width - 1)),
        amount=part.number("attention_factor", amount),
    )


def _longrope(part: Settings, width: int, base: float, trained: int, most: int) -> Rotary:
    """LongRoPE (Ding et al., 2024): each pair is slowed down by a factor of its own."""
    factor = part.number("factor", most / trained)
    if trained == 1:
        raise _fail(UnsupportedError, f"{part.path}: longrope is for a training of several tokens")
    grown = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(trained))
    short, long = (part.numbers(f"{kind}_factor", width // 2) for kind in ("short", "long"))
    amount = part.number("attention_factor", grown)
    return Rotary(width, base, factors=(trained, short, long), amount=amount)


def is_far(longest: int, positions: weft.Tensor) -> weft.Tensor:
    """Which whole texts of these positions, [L] or [N, L], have more tokens: [1] or [N]."""
    return weft.max(positions, axis=-1, keepdims=positions.ndim == 1) >= longest


def speeds_of(speeds: weft.Tensor, far: weft.Tensor) -> weft.Tensor:
    """Of those for both lengths [2, D / 2] the ones of each text, [N, 1, D / 2], by what is far."""
    return weft.where(weft.expand_dims(far, axis=(1, 2)), speeds[1], speeds[0])


def angles(
    places: weft.Tensor, speeds: weft.Tensor, rotary: Rotary
) -> tuple[weft.Tensor, weft.Tensor]:
    """Cosines and sines [L, D], times an amount, for positions [L] and speeds [D / 2]; [N, 1, L, D]
    for positions [N, L] or speeds [N, 1, D / 2].
    """
    turned = weft.expand_dims(weft.astype(places, speeds.dtype), axis=-1) * speeds
    if rotary.interleaved:
        turned = weft.repeat(turned, 2, axis=-1)
    else:
        turned = weft.concat([turned, turned], axis=-1)
    if turned.ndim == 3:
        turned = weft.expand_dims(turned, axis=1)
    cosines, sines, amount = weft.cos(turned), weft.sin(turned), rotary.amount
    return (cosines, sines) if amount == 1.0 else (cosines * amount, sines * amount)


def rotated(
    x: weft.Tensor, cosines: weft.Tensor, sines: weft.Tensor, interleaved: bool
) -> weft.Tensor:
    """The first D elements of x [..., L, W] turned by angles: i with i + D / 2, or neighbours."""
    width = cosines.shape[-1]
    if width == 0:
        return x
    own = x[..., :width]
    if interleaved:
        pairs = own.unflatten(-1, (-1, 2))
        other = weft.flatten(weft.stack([-pairs[..., 1], pairs[..., 0]], axis=-1), -2)
    else:
        other = weft.concat([-own[..., width // 2 :], own[..., : width // 2]], axis=-1)
    turned = own * cosines + other * sines
    return turned if width == x.shape[-1] else weft.concat([turned, x[..., width:]], axis=-1)
