"""Texts by decoders: token after token, with a cache of keys and values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import weft

from .._creation import _fail
from .._errors import DTypeError, OptionError, OutOfBoundsError, ShapeError
from ..random._keys import next_key
from ._layers import Cache, StretchedCache, resized

if TYPE_CHECKING:
    from ._stops import Stops
    from ._writer import Writer

#: Prompts are read in pieces of at most so many tokens, each filled up to a power of two that is
#: no smaller than the second: so there are a few programs for all prompts.
_MOST_AT_ONCE, _LEAST_AT_ONCE = 256, 16
#: No cache is shorter.
SHORTEST_CACHE = 64
#: So many new tokens a cache has room for at once; for more it grows, when they come.
_ROOM = 1024


@dataclass(frozen=True)
class Drawing:
    """How a token is drawn by the scores.

    Attributes:
        temperature: what scores are divided by; 0: the likeliest is taken.
        top_k: of how many of the likeliest; None: of all.
        top_p: of as few of the likeliest as have this probability together; None: of all.
        min_p: of those with this share of the likeliest one's probability; None: of all.
        seed: of the random numbers; None: they are drawn of weft's generator.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    min_p: float | None = None

    def __post_init__(self) -> None:
        _require(
            is_number(self.temperature) and 0 <= self.temperature < math.inf, self, "temperature"
        )
        _require(self.top_k is None or (is_integer(self.top_k) and self.top_k >= 1), self, "top_k")
        in_range = self.top_p is None or (is_number(self.top_p) and 0 < self.top_p <= 1)
        _require(in_range, self, "top_p")
        in_range = self.min_p is None or (is_number(self.min_p) and 0 <= self.min_p <= 1)
        _require(in_range, self, "min_p")
        _require(self.seed is None or is_integer(self.seed), self, "seed")
        names = ("top_k", "top_p", "min_p", "seed")
        given = [name for name in names if getattr(self, name) is not None]
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
    "min_p": "a number from 0 to 1, or None",
    "seed": "an integer, or None",
}


def _require(holds: bool, drawing: Drawing, name: str) -> None:
    if not holds:
        value = getattr(drawing, name)
        raise _fail(OptionError, f"generate: {name} has to be {_WANTED[name]}, not {value!r}")


def is_number(value: Any) -> bool:
    """Whether a value is a number, as an option has it."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether a value is a whole number, as an option has it."""
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class Hidden:
    """Tokens that no text has.

    Attributes:
        always: nowhere among the new ones.
        first: besides these, not as the first new one.
    """

    always: tuple[int, ...] = ()
    first: tuple[int, ...] = ()


class Rule(Protocol):
    """What can come next by what has come."""

    def __call__(self, scores: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
        """Scores [N, vocabulary] of which those of hidden tokens, or such that can't come, are
        the least.
        """
        ...

    def took(self, chosen: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Takes note of the tokens [N] that were chosen, of texts that go on as the ones at their
        numbers in ``rows`` [N] did; None: as they did themselves.
        """
        ...


@dataclass(frozen=True)
class Ending:
    """Where texts end.

    Attributes:
        ends: the tokens that end one.
        fill: what is behind the end.
        stops: the strings that end one, too; None: none do.
    """

    ends: tuple[int, ...] = ()
    fill: int = 0
    stops: Stops | None = None


@weft.jit
def read(
    model: Writer, tokens: weft.Tensor, cache: Cache, first: weft.Tensor, last: weft.Tensor
) -> weft.Tensor:
    """The scores [N, vocabulary] behind token ``last`` of these, which begin at ``first``."""
    with weft.no_grad():
        states = model.states(tokens, cache, first)
        return model.scores(weft.take(states, weft.reshape(last, (1,)), axis=1))[:, 0]


@weft.jit
def read_each(
    model: Writer, tokens: weft.Tensor, cache: Cache, first: weft.Tensor, last: weft.Tensor
) -> weft.Tensor:
    """The scores [N, vocabulary] behind one token of each text, ``last`` [N], as `read` does."""
    with weft.no_grad():
        states = model.states(tokens, cache, first)
        places = weft.expand_dims(last, axis=(1, 2))
        places = weft.broadcast_to(places, (states.shape[0], 1, states.shape[2]))
        return model.scores(weft.take_along_axis(states, places, axis=1))[:, 0]


@weft.jit
def write(model: Writer, tokens: weft.Tensor, cache: Cache, places: weft.Tensor) -> weft.Tensor:
    """The scores [N, vocabulary] behind a token of each text [N], each at its own place [N]."""
    with weft.no_grad():
        states = model.states(weft.expand_dims(tokens, axis=1), cache, places)
        return model.scores(states)[:, 0]


@weft.jit
def follow(
    model: Writer, tokens: weft.Tensor, cache: Cache, place: weft.Tensor, rows: weft.Tensor
) -> weft.Tensor:
    """The scores [N, vocabulary] behind a token of each text [N], at one place or at its own [N].

    In the cache each text gets what the one at its number in ``rows`` [N] had, in place.
    """
    with weft.no_grad():
        for kept in cache.keys + cache.values:
            kept.copy_(weft.take(kept, rows, axis=0))
        states = model.states(weft.expand_dims(tokens, axis=1), cache, place)
        return model.scores(states)[:, 0]


@weft.jit
def moved(cache: Cache, row: weft.Tensor, own: Cache) -> None:
    """Puts the cache of one text at a row of one for several, in place."""
    with weft.no_grad():
        place = weft.reshape(row, (1,))
        for several, single in zip(cache.keys + cache.values, own.keys + own.values):
            several.index_copy_(0, place, single)


def _shown(scores: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
    """Scores of which those of hidden tokens [vocabulary] are the least."""
    return scores if hidden is None else weft.where(hidden, -math.inf, scores)


@weft.jit
def likeliest(scores: weft.Tensor, hidden: weft.Tensor | None = None) -> weft.Tensor:
    """The token [N] with the largest score, of those not hidden; the first of several."""
    return weft.argmax(_shown(scores, hidden), axis=-1)


def _drawn(
    scores: weft.Tensor,
    key: weft.Tensor,
    number: weft.Tensor,
    temperature: weft.Tensor,
    top_p: weft.Tensor,
    min_p: weft.Tensor,
    hidden: weft.Tensor | None,
    top_k: int | None,
    has_top_p: bool,
    has_min_p: bool,
) -> weft.Tensor:
    """A token [N] drawn of the likeliest by exp(scores / temperature)."""
    scores = _shown(scores, hidden)
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
    if has_min_p:
        # By the chances of those that are left.
        chances = weft.softmax(logits, -1)
        least = min_p * weft.max(chances, axis=-1, keepdims=True)
        logits = weft.where(chances < least, -math.inf, logits)
    chosen = weft.random.categorical(logits, key=weft.random.fold_in(key, number))
    if names is None:
        return chosen
    return weft.reshape(weft.take_along_axis(names, weft.reshape(chosen, (-1, 1)), axis=-1), (-1,))


drawn = weft.jit(_drawn, static_argnames=("top_k", "has_top_p", "has_min_p"))


class Chooser:
    """Chooses token after token."""

    def __init__(
        self,
        drawing: Drawing,
        device: Any = None,
        hidden: Hidden = Hidden(),
        rule: Rule | None = None,
    ) -> None:
        self.drawing, self.device, self.hidden, self.rule = drawing, device, hidden, rule
        self._masks: dict[tuple[int, ...], weft.Tensor | None] = {(): None}
        if drawing.temperature:
            seed = drawing.seed
            self.key = next_key(device) if seed is None else weft.random.key(seed, device=device)
            place = {"dtype": weft.float32, "device": device}
            self.temperature = weft.asarray(drawing.temperature, **place)
            self.top_p = weft.asarray(drawing.top_p or 1.0, **place)
            self.min_p = weft.asarray(drawing.min_p or 0.0, **place)

    @property
    def is_plain(self) -> bool:
        """Whether it takes the tokens with the largest scores, whatever came before."""
        return not self.drawing.temperature and self.rule is None and self.hidden == Hidden()

    def __call__(self, scores: weft.Tensor, number: int) -> np.ndarray:
        """The token [N] with this number that follows; the first has number 0."""
        hidden = self.mask(number, scores.shape[-1])
        if self.rule is None:
            return self._chosen(scores, hidden, number)
        chosen = self._chosen(self.rule(scores, hidden), None, number)
        self.rule.took(chosen)
        return chosen

    def _chosen(self, scores: weft.Tensor, hidden: weft.Tensor | None, number: int) -> np.ndarray:
        drawing = self.drawing
        if not drawing.temperature:
            return np.asarray(likeliest(scores, hidden).to("cpu"))
        place = weft.asarray(number, dtype=weft.int64, device=self.device)
        chosen = drawn(
            scores,
            self.key,
            place,
            self.temperature,
            self.top_p,
            self.min_p,
            hidden,
            drawing.top_k,
            drawing.top_p is not None,
            bool(drawing.min_p),
        )
        return np.asarray(chosen.to("cpu"))

    def mask(self, number: int, vocabulary: int) -> weft.Tensor | None:
        """Which tokens [vocabulary] are hidden, or None."""
        tokens = self.hidden.always + (self.hidden.first if number == 0 else ())
        if tokens not in self._masks:
            mask = np.isin(np.arange(vocabulary), tokens)
            self._masks[tokens] = weft.asarray(mask, device=self.device)
        return self._masks[tokens]


def power_of_two(least: int, size: int) -> int:
    """The smallest power of two that is no smaller than either."""
    return max(least, 1 << max(size - 1, 0).bit_length())


def filled_length(length: int) -> int:
    """To what so many tokens are filled up."""
    return power_of_two(_LEAST_AT_ONCE, length)


def pieces_of(length: int) -> Iterator[tuple[int, int, int]]:
    """Where pieces of a prompt begin and end, and to what they are filled up."""
    for first in range(0, length, _MOST_AT_ONCE):
        end = min(length, first + _MOST_AT_ONCE)
        yield first, end, filled_length(end - first)


def require_no_tracer(inputs: Any) -> None:
    """Raises DTypeError while a program is traced."""
    if isinstance(inputs, weft.Tensor) and inputs._is_tracer:
        raise _fail(
            DTypeError, "generate can't be compiled by itself: what it calls for each token is"
        )


def checked_tokens(tokens: Any, vocabulary: int, name: str = "prompt") -> np.ndarray:
    """Tokens [N, L]. Raises for what is none."""
    require_no_tracer(tokens)
    try:
        found = np.asarray(tokens)
    except ValueError:
        raise _fail(
            ShapeError,
            f"generate: the {name} has to be tokens [L], or texts of one length [N, L]: these are "
            "lists of several lengths",
        ) from None
    if found.dtype.kind not in "iu" and found.size:
        raise _fail(DTypeError, f"generate: the {name} has to be of integers, not {found.dtype}")
    if found.ndim not in (1, 2) or not found.size:
        raise _fail(
            ShapeError,
            f"generate: the {name} has to be tokens [L], or texts of one length [N, L], of at "
            f"least one token, not of shape {list(found.shape)}",
        )
    if found.min() < 0 or found.max() >= vocabulary:
        raise _fail(
            OutOfBoundsError,
            f"generate: the tokens of the {name} go from {found.min()} to {found.max()}, but the "
            f"vocabulary has {vocabulary}",
        )
    return found.reshape(-1, found.shape[-1]).astype(np.int64)


def checked_prompt(model: Writer, prompt: Any, count: int) -> np.ndarray:
    """The tokens of a prompt [N, L], behind which so many have room. Raises for what is none."""
    tokens = checked_tokens(prompt, model.vocabulary)
    if not is_integer(count) or count < 0:
        raise _fail(
            OptionError, f"generate: max_new_tokens has to be an integer from 0 on, not {count!r}"
        )
    if tokens.shape[1] + count > model.positions:
        raise _fail(
            OptionError,
            f"generate: {tokens.shape[1]} tokens of the prompt and {count} new ones are more than "
            f"the {model.positions} that the model has positions for",
        )
    return tokens


def ends_of(model: Writer, eos: int | Sequence[int] | None) -> tuple[int, ...]:
    """The tokens that end a text. Raises OptionError."""
    if eos is None:
        return model.eos
    ends = (eos,) if isinstance(eos, int) else tuple(eos)
    if not all(is_integer(end) for end in ends):
        raise _fail(OptionError, f"generate: eos has to be tokens, not {eos!r}")
    return ends


def checked_skips(mask: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """How many of the first tokens are none of each text [N], by a mask of tokens of this shape.

    None: all are. Raises for a mask that is none, or of texts that are filled up elsewhere.
    """
    if mask is None:
        return None
    found = np.asarray(mask)
    if found.shape != shape:
        raise _fail(
            ShapeError,
            f"generate: attention_mask is of shape {list(found.shape)}, the tokens are of "
            f"{list(shape)}",
        )
    if found.dtype.kind not in "iub" or not np.isin(found, (0, 1)).all():
        raise _fail(DTypeError, "generate: attention_mask has to be 1 for tokens, and 0 elsewhere")
    found = found.reshape(-1, shape[-1]).astype(np.int64)
    if not found[:, -1].all() or (np.diff(found, axis=1) < 0).any():
        raise _fail(
            OptionError,
            "generate: a text goes on behind its last token, so that attention_mask has to be 0 "
            "for the first ones alone: fill shorter texts up on the left, as load_tokenizer's "
            'tokens(texts, side="left") does',
        )
    skipped = (found == 0).sum(axis=1)
    return skipped if skipped.any() else None


def ending_of(model: Writer, eos: int | Sequence[int] | None, fill: int | None) -> Ending:
    """Where texts end, filled up with the first of the ends, if nothing is said. As `ends_of`."""
    ends = ends_of(model, eos)
    return Ending(ends, (*ends, 0)[0] if fill is None else fill)


class Reading:
    """What a model has read and written so far of several texts.

    Attributes:
        cache: the keys and values of it.
    """

    cache: Cache

    def __init__(self, model: Writer, make: Callable[[int, int], Cache]) -> None:
        """Takes what gives an empty cache for so many texts of so many tokens."""
        self.model, self._make, self._room, self._count = model, make, 0, 0
        # Where the next token is: of all texts, or of each [N].
        self._place: np.ndarray = np.zeros((), np.int64)
        # All tokens of the texts [N, L], where they may have to be read anew.
        self._tokens: np.ndarray | None = None

    def prompt(
        self, tokens: np.ndarray, count: int, copies: int = 1, skipped: np.ndarray | None = None
    ) -> weft.Tensor:
        """The scores [N * copies, vocabulary] behind prompts [N, L], each so many times.

        Args:
            tokens: of the prompts, as `checked_prompt` has them.
            count: how many follow at most.
            copies: how many texts go on behind each.
            skipped: how many of the first tokens of each are none of it [N]; None: none. What is
                left goes to the first places, as if each text were alone.
        """
        longest = tokens.shape[1]
        self._place, self._count = np.array(longest), count
        if skipped is not None:
            self._place = longest - skipped
            places = (np.arange(longest) + skipped[:, None]) % longest
            tokens = np.take_along_axis(tokens, places, axis=1)
        scores = self._read(tokens)
        if copies > 1:
            if self._place.ndim:
                self._place = np.repeat(self._place, copies)
            scores, self.cache = weft.tree.map(
                lambda x: weft.repeat(x, copies, axis=0), (scores, self.cache)
            )
        if self.model.longest is not None:
            self._tokens = np.repeat(tokens, copies, axis=0)
        return scores

    def _read(self, tokens: np.ndarray) -> weft.Tensor:
        """The scores [N, vocabulary] behind texts [N, L], in a cache of their own."""
        texts, longest = tokens.shape
        pieces = list(pieces_of(longest))
        furthest = max(longest + min(self._count, _ROOM), pieces[-1][0] + pieces[-1][2])
        self._room = power_of_two(SHORTEST_CACHE, furthest)
        self.cache = self._make(texts, self._room)
        if self.model.longest is not None and isinstance(self.cache, StretchedCache):
            far = np.broadcast_to(self._place > self.model.longest, texts)
            self.cache = replace(self.cache, far=weft.asarray(far, device=self.model.device))
        return self._scores(tokens, pieces)

    def _scores(self, tokens: np.ndarray, pieces: list[tuple[int, int, int]]) -> weft.Tensor:
        """The scores behind the last token of each text, which are read in pieces."""
        scores: weft.Tensor | None = None
        for first, end, size in pieces:
            filled = np.pad(tokens[:, first:end], ((0, 0), (0, size - (end - first))))
            given = self.model, self._there(filled), self.cache, self._there(first)
            if not self._place.ndim:
                scores = read(*given, self._there(end - first - 1))
                continue
            last = self._place - 1 - first
            found = read_each(*given, self._there(np.clip(last, 0, end - first - 1)))
            here = weft.asarray((last >= 0)[:, None], device=self.model.device)
            # A text that ended in a piece before has its scores already.
            scores = found if scores is None else weft.where(here, found, scores)
        assert scores is not None
        return scores

    def token(self, chosen: np.ndarray, rows: np.ndarray | None = None) -> weft.Tensor:
        """The scores [N, vocabulary] behind the next token of each text [N].

        Args:
            chosen: the tokens.
            rows: which text each goes on from, [N], one behind the same prompt; None: from itself.
        """
        if self._tokens is not None and self._added(self._tokens, chosen, rows):
            return self._read(self._tokens)
        if self._place.max() == self._room:
            self._room *= 2
            self.cache = grown(self.cache, self._room)
        tokens, place = self._there(chosen), self._there(self._place)
        self._place = self._place + 1
        if rows is not None:
            return follow(self.model, tokens, self.cache, place, self._there(rows))
        if place.ndim:
            return write(self.model, tokens, self.cache, place)
        column = weft.expand_dims(tokens, axis=1)
        return read(self.model, column, self.cache, place, self._there(0))

    def _added(self, tokens: np.ndarray, chosen: np.ndarray, rows: np.ndarray | None) -> bool:
        """Adds a token to each of the texts so far; whether positions before it are others then,
        so that it is left to `_read`.
        """
        tokens = tokens if rows is None else tokens[rows]
        more = max(int(self._place.max()) + 1 - tokens.shape[1], 0)
        tokens = np.pad(tokens, ((0, 0), (0, more)))
        tokens[np.arange(len(tokens)), self._place] = chosen
        self._tokens = tokens
        crosses = bool((self._place == self.model.longest).any())
        if crosses:
            self._place = self._place + 1
        return crosses

    def _there(self, numbers: Any) -> weft.Tensor:
        return weft.asarray(numbers, dtype=weft.int64, device=self.model.device)


def rows(
    reading: Reading,
    tokens: np.ndarray,
    count: int,
    choose: Chooser,
    ending: Ending,
    copies: int = 1,
    skipped: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """The new tokens [N * copies] behind those of a prompt [N, L], one after the other.

    Args:
        reading: what reads them.
        tokens: of the prompt, as `checked_prompt` has them.
        count: how many follow at most.
        choose: takes each of the scores.
        ending: where texts end.
        copies: how many texts go on behind each prompt.
        skipped: how many of the first tokens of each are none of it [N]; None: none.
    """
    if not count:
        return
    scores = reading.prompt(tokens, count, copies, skipped)
    done = np.zeros(len(scores), bool)
    for number in range(count):
        chosen = choose(scores, number)
        chosen = np.where(done, ending.fill, chosen)
        done |= np.isin(chosen, ending.ends)
        if ending.stops is not None:
            done |= ending.stops.ended(chosen)
        yield chosen
        if number + 1 == count or done.all():
            return
        scores = reading.token(chosen)


def grown(cache: Cache, length: int) -> Cache:
    """A cache with what another one has, and room for so many tokens."""
    keys, values = ([resized(x, length) for x in xs] for xs in (cache.keys, cache.values))
    return replace(cache, keys=keys, values=values)
