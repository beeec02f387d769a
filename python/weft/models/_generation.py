"""Texts by decoders: token after token, with a cache of keys and values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import weft

from .._creation import _fail
from .._errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from ..random._keys import next_key

if TYPE_CHECKING:
    from ._decoder import Cache, Decoder

#: Prompts are read in pieces of at most so many tokens, each filled up to a power of two that is
#: no smaller than the second: so there are a few programs for all prompts.
_MOST_AT_ONCE, _LEAST_AT_ONCE = 256, 16
#: No cache is shorter.
SHORTEST_CACHE = 64


@dataclass(frozen=True)
class Drawing:
    """How a token is drawn by the scores.

    Attributes:
        temperature: what scores are divided by; 0: the likeliest is taken.
        top_k: of how many of the likeliest; None: of all.
        top_p: of as few of the likeliest as have this probability together; None: of all.
        seed: of the random numbers; None: they are drawn of weft's generator.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        _require(
            _is_number(self.temperature) and 0 <= self.temperature < math.inf, self, "temperature"
        )
        _require(self.top_k is None or (_is_integer(self.top_k) and self.top_k >= 1), self, "top_k")
        in_range = self.top_p is None or (_is_number(self.top_p) and 0 < self.top_p <= 1)
        _require(in_range, self, "top_p")
        _require(self.seed is None or _is_integer(self.seed), self, "seed")
        given = [name for name in ("top_k", "top_p", "seed") if getattr(self, name) is not None]
        if self.temperature == 0 and given:
            raise _fail(
                OptionError,
                f"generate: {given[0]} is for drawing, but temperature 0 takes the likeliest "
                "token: give a temperature above 0",
            )


_WANTED = {
    "temperature": "a number from 0 on",
    "top_k": "an integer from 1 on, or None",
    "top_p": "a number above 0, up to 1, or None",
    "seed": "an integer, or None",
}


def _require(holds: bool, drawing: Drawing, name: str) -> None:
    if not holds:
        value = getattr(drawing, name)
        raise _fail(OptionError, f"generate: {name} has to be {_WANTED[name]}, not {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@weft.jit
def read(
    model: Decoder, tokens: weft.Tensor, cache: Cache, first: weft.Tensor, last: weft.Tensor
) -> weft.Tensor:
    """The scores [N, vocabulary] behind token ``last`` of these, which begin at ``first``."""
    with weft.no_grad():
        states = model.states(tokens, cache, first)
        return model.scores(weft.take(states, weft.reshape(last, (1,)), axis=1))[:, 0]


@weft.jit
def write(model: Decoder, tokens: weft.Tensor, cache: Cache, places: weft.Tensor) -> weft.Tensor:
    """The scores [N, vocabulary] behind a token of each text [N], each at its own place [N]."""
    with weft.no_grad():
        states = model.states(weft.expand_dims(tokens, axis=1), cache, places)
        return model.scores(states)[:, 0]


@weft.jit
def moved(cache: Cache, row: weft.Tensor, own: Cache) -> None:
    """Puts the cache of one text at a row of one for several, in place."""
    with weft.no_grad():
        place = weft.reshape(row, (1,))
        for several, single in zip(cache.keys + cache.values, own.keys + own.values):
            several.index_copy_(0, place, single)


@weft.jit
def likeliest(scores: weft.Tensor) -> weft.Tensor:
    """The token [N] with the largest score; the first of several."""
    return weft.argmax(scores, axis=-1)


def _drawn(
    scores: weft.Tensor,
    key: weft.Tensor,
    number: weft.Tensor,
    temperature: weft.Tensor,
    top_p: weft.Tensor,
    top_k: int | None,
    has_top_p: bool,
) -> weft.Tensor:
    """A token [N] drawn of the likeliest by exp(scores / temperature)."""
    logits = weft.astype(scores, temperature.dtype, copy=False) / temperature
    names = None
    if top_k is not None:
        logits, names = logits.topk(min(top_k, logits.shape[-1]))
    if has_top_p:
        if names is None:
            names = weft.argsort(logits, axis=-1, descending=True)
            logits = weft.take_along_axis(logits, names, axis=-1)
        chances = weft.softmax(logits, -1)
        # The first one always stays: nothing is before it.
        before = weft.cumulative_sum(chances, axis=-1) - chances
        logits = weft.where(before < top_p, logits, -math.inf)
    chosen = weft.random.categorical(logits, key=weft.random.fold_in(key, number))
    if names is None:
        return chosen
    return weft.reshape(weft.take_along_axis(names, weft.reshape(chosen, (-1, 1)), axis=-1), (-1,))


drawn = weft.jit(_drawn, static_argnames=("top_k", "has_top_p"))


class Chooser:
    """Chooses token after token."""

    def __init__(self, drawing: Drawing, device: Any = None) -> None:
        self.drawing, self.device = drawing, device
        if drawing.temperature:
            seed = drawing.seed
            self.key = next_key(device) if seed is None else weft.random.key(seed, device=device)
            place = {"dtype": weft.float32, "device": device}
            self.temperature = weft.asarray(drawing.temperature, **place)
            self.top_p = weft.asarray(drawing.top_p or 1.0, **place)

    def __call__(self, scores: weft.Tensor, number: int) -> np.ndarray:
        """The token [N] with this number that follows; the first has number 0."""
        drawing = self.drawing
        if not drawing.temperature:
            return np.asarray(likeliest(scores).to("cpu"))
        place = weft.asarray(number, dtype=weft.int64, device=self.device)
        chosen = drawn(
            scores,
            self.key,
            place,
            self.temperature,
            self.top_p,
            drawing.top_k,
            drawing.top_p is not None,
        )
        return np.asarray(chosen.to("cpu"))


def power_of_two(least: int, size: int) -> int:
    """The smallest power of two that is no smaller than either."""
    return max(least, 1 << max(size - 1, 0).bit_length())


def pieces_of(length: int) -> Iterator[tuple[int, int, int]]:
    """Where pieces of a prompt begin and end, and to what they are filled up."""
    for first in range(0, length, _MOST_AT_ONCE):
        end = min(length, first + _MOST_AT_ONCE)
        yield first, end, power_of_two(_LEAST_AT_ONCE, end - first)


def checked_prompt(model: Decoder, prompt: Any, count: int) -> np.ndarray:
    """The tokens of a prompt [N, L], behind which so many have room. Raises for what is none."""
    if isinstance(prompt, weft.Tensor) and prompt._is_tracer:
        raise _fail(
            DTypeError, "generate can't be compiled by itself: what it calls for each token is"
        )
    tokens = np.asarray(prompt)
    if tokens.dtype.kind not in "iu" and tokens.size:
        raise _fail(DTypeError, f"generate: the prompt has to be of integers, not {tokens.dtype}")
    if tokens.ndim not in (1, 2) or not tokens.size:
        raise _fail(
            ShapeError,
            "generate: the prompt has to be tokens [L], or texts of one length [N, L], of at "
            f"least one token, not of shape {list(tokens.shape)}",
        )
    config = model.config
    if tokens.min() < 0 or tokens.max() >= config.vocabulary:
        raise _fail(
            OutOfBoundsError,
            f"generate: the tokens of the prompt go from {tokens.min()} to {tokens.max()}, but the "
            f"vocabulary has {config.vocabulary}",
        )
    if not _is_integer(count) or count < 0:
        raise _fail(
            OptionError, f"generate: max_new_tokens has to be an integer from 0 on, not {count!r}"
        )
    if tokens.shape[-1] + count > config.positions:
        raise _fail(
            OptionError,
            f"generate: {tokens.shape[-1]} tokens of the prompt and {count} new ones are more than "
            f"the {config.positions} that the model has positions for",
        )
    return tokens.reshape(-1, tokens.shape[-1]).astype(np.int64)


def ends_of(model: Decoder, eos: int | Sequence[int] | None) -> tuple[int, ...]:
    """The tokens that end a text. Raises OptionError."""
    if eos is None:
        return model.eos
    ends = (eos,) if isinstance(eos, int) else tuple(eos)
    if not all(_is_integer(end) for end in ends):
        raise _fail(OptionError, f"generate: eos has to be tokens, not {eos!r}")
    return ends


def rows(
    model: Decoder,
    prompt: Any,
    count: int,
    drawing: Drawing,
    eos: int | Sequence[int] | None,
) -> Iterator[np.ndarray]:
    """The new tokens [N], one after the other; of texts that have ended the first of ``eos``.

    Everything is checked at once, before the first is asked for.
    """
    tokens, ends = checked_prompt(model, prompt, count), ends_of(model, eos)
    return _rows(model, tokens, count, Chooser(drawing, model.device), ends)


def _rows(
    model: Decoder, tokens: np.ndarray, count: int, choose: Chooser, ends: tuple[int, ...]
) -> Iterator[np.ndarray]:
    if not count:
        return

    def there(numbers: Any) -> weft.Tensor:
        return weft.asarray(numbers, dtype=weft.int64, device=model.device)

    texts, length = tokens.shape
    pieces = list(pieces_of(length))
    furthest = max(length + count, pieces[-1][0] + pieces[-1][2])
    cache = model.cache(texts, power_of_two(SHORTEST_CACHE, furthest))
    for first, end, size in pieces:
        filled = np.pad(tokens[:, first:end], ((0, 0), (0, size - (end - first))))
        scores = read(model, there(filled), cache, there(first), there(end - first - 1))
    done, start = np.zeros(texts, bool), there(0)
    for number in range(count):
        chosen = choose(scores, number)
        if ends:
            chosen = np.where(done, ends[0], chosen)
            done |= np.isin(chosen, ends)
        yield chosen
        if number + 1 == count or done.all():
            return
        column = there(chosen.reshape(texts, 1))
        scores = read(model, column, cache, there(length + number), start)
