"""Beam search: of each text the likeliest beginnings are kept, and go on side by side.

The search is that of transformers' ``generate``, with its scores: a beam's is the sum of its
tokens' logarithms of chances, over its length to the power of ``length_penalty`` where it has
ended (Wu et al., 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft

from .._creation import _fail
from .._errors import OptionError
from ._generation import Chooser, Drawing, Ending, Reading, is_integer, is_number

#: What beams have that are not there, in float32: it is below all sums of logarithms of chances.
_NOTHING = np.float32(-1e9)


@dataclass(frozen=True)
class Search:
    """How many texts are tried, and which come out.

    Attributes:
        num_beams: how many beginnings of each text go on; 1: there is no search.
        length_penalty: a text's score is over its length to this power: above 0 for longer ones.
        early_stopping: True: a search ends with ``num_beams`` texts that have ended; False: when
            no beginning is better than the worst of these at its own length; "never": when none
            can get better, at any length.
        num_return_sequences: how many texts come out for each prompt, the best first.
    """

    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    num_return_sequences: int = 1

    def __post_init__(self) -> None:
        for name in ("num_beams", "num_return_sequences"):
            value = getattr(self, name)
            if not is_integer(value) or value < 1:
                raise _wrong(name, "an integer from 1 on", value)
        if not is_number(self.length_penalty) or not math.isfinite(self.length_penalty):
            raise _wrong("length_penalty", "a number", self.length_penalty)
        if not isinstance(self.early_stopping, bool) and self.early_stopping != "never":
            raise _wrong("early_stopping", 'True, False or "never"', self.early_stopping)
        if self.num_beams == 1 and (self.early_stopping is not False or self.length_penalty != 1):
            raise _fail(
                OptionError,
                "generate: length_penalty and early_stopping are for a search: give num_beams, too",
            )

    def check(self, drawing: Drawing) -> None:
        """Raises OptionError: tokens are not chosen so, or there are fewer texts."""
        if drawing.temperature:
            if self.num_beams > 1:
                raise _fail(
                    OptionError,
                    "generate: num_beams looks for the likeliest text, and a temperature draws "
                    "one: give one of both",
                )
        elif self.num_return_sequences > self.num_beams:
            raise _fail(
                OptionError,
                f"generate: num_return_sequences is {self.num_return_sequences}, but there are "
                f"{self.num_beams} likeliest texts: give num_beams, or a temperature to draw some",
            )


def _wrong(name: str, wanted: str, value: Any) -> Exception:
    return _fail(OptionError, f"generate: {name} has to be {wanted}, not {value!r}")


@weft.jit
def _chances(scores: weft.Tensor) -> weft.Tensor:
    """The logarithms of the chances of each token [N, vocabulary], float32."""
    return weft.log_softmax(weft.astype(scores, weft.float32, copy=False), -1)


def _best(
    chances: weft.Tensor, sums: weft.Tensor, hidden: weft.Tensor | None, count: int
) -> tuple[weft.Tensor, weft.Tensor]:
    """So many largest sums [N, count] of each text's beams, and where they are."""
    if hidden is not None:
        chances = weft.where(hidden, -math.inf, chances)
    found = weft.reshape(chances, (*sums.shape, -1)) + weft.expand_dims(sums, axis=-1)
    flat = weft.reshape(found, (sums.shape[0], -1))
    values, places = flat.topk(min(count, flat.shape[1]))
    return values, places


best = weft.jit(_best, static_argnames=("count",))


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Where so many largest are in each row, the largest first."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def _taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, places.reshape(*places.shape, *(1,) * (values.ndim - 2)), 1)


class Beams:
    """The beams of several texts: those that go on, and the best of those that have ended.

    Attributes:
        sums: the logarithms of the chances of those that go on [texts, beams].
    """

    def __init__(self, texts: int, count: int, search: Search, ends: tuple[int, ...]) -> None:
        """Takes how many tokens a text has at most, and which end one."""
        shape = texts, search.num_beams
        self.search, self.ends, self.count = search, ends, count
        self.sums = np.full(shape, _NOTHING)
        # All beams are alike at first: one of them goes on.
        self.sums[:, 0] = 0
        self.length, self.tokens = 0, np.zeros((*shape, count), np.int64)
        self._open = np.ones(texts, bool)
        self._scores, self._ended = np.full(shape, _NOTHING), np.zeros(shape, bool)
        self._texts, self._lengths = self.tokens.copy(), np.zeros(shape, np.int64)

    @property
    def width(self) -> int:
        """How many are looked at, so that as many go on as there are beams, whatever ends."""
        return max(2, 1 + len(self.ends)) * self.search.num_beams

    def took(self, sums: np.ndarray, beams: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Takes what may follow [texts, width], the best first; which beams [texts, beams] do."""
        self.length += 1
        new = _taken(self.tokens, beams)
        new[:, :, self.length - 1] = tokens
        ends = np.isin(tokens, self.ends) | (self.length == self.count)
        self._finish(sums, new, ends)
        going = sums + np.where(ends, _NOTHING, np.float32(0))
        kept = _largest(going, self.search.num_beams)
        self.tokens, self.sums = _taken(new, kept), _taken(going, kept)
        self._close()
        return _taken(beams, kept)

    @property
    def over(self) -> bool:
        """Whether all texts are found."""
        return self.length == self.count or not self._open.any()

    def _finish(self, sums: np.ndarray, new: np.ndarray, ends: np.ndarray) -> None:
        """Puts those that end now among the best of those that have ended."""
        beams, search = self.search.num_beams, self.search
        # Those behind the first ones are looked at only so that enough go on.
        found = ends & (np.arange(ends.shape[1]) < beams) & self._open[:, None]
        scores = sums / np.float32(self.length**search.length_penalty)
        scores = np.where(found, scores, _NOTHING)
        lengths = np.full(ends.shape, self.length)
        kept = _largest(np.concatenate([self._scores, scores], 1), beams)

        def merged(old: np.ndarray, more: np.ndarray) -> np.ndarray:
            return _taken(np.concatenate([old, more], 1), kept)

        self._texts, self._lengths = merged(self._texts, new), merged(self._lengths, lengths)
        self._scores, self._ended = merged(self._scores, scores), merged(self._ended, found)

    def _close(self) -> None:
        """Closes texts of which nothing better is to come."""
        search, full = self.search, self._ended.all(axis=1)
        furthest = search.early_stopping == "never" and search.length_penalty > 0
        length = self.count if furthest else self.length
        hoped = self.sums[:, 0] / np.float32(length**search.length_penalty)
        better = hoped > np.where(full, self._scores.min(axis=1), _NOTHING)
        self._open &= better & ~(full & (search.early_stopping is True))

    def found(self, fill: int) -> np.ndarray:
        """The best texts [texts * returned, L], filled up behind their ends."""
        count = self.search.num_return_sequences
        lengths = self._lengths[:, :count].reshape(-1, 1)
        texts = self._texts[:, :count].reshape(len(lengths), self.count)
        filled = np.where(np.arange(self.count) < lengths, texts, fill)
        return filled[:, : lengths.max(initial=0)]


def rows(
    reading: Reading,
    tokens: np.ndarray,
    count: int,
    choose: Chooser,
    ending: Ending,
    search: Search,
    skipped: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """The tokens [N * num_return_sequences] of the best texts behind prompts [N, L], in order.

    None comes before all texts are found. The arguments are those of `_generation.rows`.
    """
    if not count:
        return
    texts, number = len(tokens), search.num_beams
    beams = Beams(texts, count, search, ending.ends)
    scores = reading.prompt(tokens, count, number, skipped)
    while True:
        hidden, chances = choose.mask(beams.length, scores.shape[-1]), _chances(scores)
        if choose.rule is not None:
            hidden, chances = None, choose.rule(chances, hidden)
        sums = weft.asarray(beams.sums, device=choose.device)
        values, places = (np.asarray(x.to("cpu")) for x in best(chances, sums, hidden, beams.width))
        kept = beams.took(values, *np.divmod(places, scores.shape[-1]))
        if beams.over:
            break
        numbers = (kept + np.arange(texts)[:, None] * number).reshape(-1)
        new = beams.tokens[:, :, beams.length - 1].reshape(-1)
        if choose.rule is not None:
            choose.rule.took(new, numbers)
        scores = reading.token(new, numbers)
    yield from beams.found(ending.fill).T
