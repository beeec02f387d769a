"""The times that Whisper writes among its tokens (Radford et al., 2022)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import weft


@weft.jit
def _timed(
    scores: weft.Tensor,
    hidden: weft.Tensor | None,
    text_from: weft.Tensor,
    times_from: weft.Tensor,
    times_to: weft.Tensor,
    first: weft.Tensor,
) -> weft.Tensor:
    """Scores [N, vocabulary] of which those of tokens that can't come are the least.

    Tokens from ``first`` on are times. For each text [N] the words from ``text_from`` on can come,
    and the times from ``times_from`` to before ``times_to``; words only where none is less likely
    than all times together.
    """
    if hidden is not None:
        scores = weft.where(hidden, -math.inf, scores)
    token = weft.arange(scores.shape[-1], device=scores.device)
    is_time = token >= first
    least, lowest, highest = (
        weft.expand_dims(x, axis=1) for x in (text_from, times_from, times_to)
    )
    # The token before the first time says that none are wanted.
    words = (token >= least) & (token != first - 1)
    scores = weft.where(
        weft.where(is_time, (token >= lowest) & (token < highest), words), scores, -math.inf
    )
    times = weft.logsumexp(weft.where(is_time, scores, -math.inf), axis=-1, keepdims=True)
    text = weft.max(weft.where(is_time, -math.inf, scores), axis=-1, keepdims=True)
    return weft.where((times > text) & ~is_time, -math.inf, scores)


class Times:
    """What can come where times are written: one, a text, two, a text, and so on to the last one.

    They never decrease, and the first token is one. The rules are those of Whisper's own program
    (its ``ApplyTimestampRules``).
    """

    def __init__(self, first: int, end: int, latest: int | None, device: Any) -> None:
        """Takes the tokens that the rules name.

        Args:
            first: the first of the times, from where on all are times.
            end: that of the end of a text; what is below are words.
            latest: how far behind ``first`` the first token is at most; None: anywhere.
            device: where the scores are.
        """
        self.first, self.end, self.most, self.device = first, end, latest, device
        # Of each text [N], once there are tokens: whether the last ones were times, the latest.
        self._timed: np.ndarray | None = None
        self._timed_before, self._latest = np.ones(1, bool), np.array([first - 1])

    def __call__(self, scores: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
        """Scores [N, vocabulary] of which those of tokens that can't come are the least."""
        limits = [
            weft.asarray(limit, dtype=weft.int64, device=self.device)
            for limit in (*self._limits(*scores.shape), self.first)
        ]
        return _timed(scores, hidden, *limits)

    def took(self, chosen: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Takes note of the tokens [N] that were chosen, of texts that go on as those in ``rows``
        [N] did; None: as they did themselves.
        """
        if self._timed is not None:
            self._timed_before = self._timed if rows is None else self._timed[rows]
            self._latest = self._latest if rows is None else self._latest[rows]
        self._timed = chosen >= self.first
        self._latest = np.where(self._timed, chosen, self._latest)

    def _limits(self, texts: int, vocabulary: int) -> tuple[np.ndarray, ...]:
        """The arguments of `_timed` for so many texts."""
        if self._timed is None:
            last = vocabulary if self.most is None else self.first + self.most + 1
            return tuple(np.full(texts, number) for number in (self.first, self.first, last))
        # The time that ends a text may come twice: it begins the next text, too.
        ended = self._timed & ~self._timed_before
        return (
            np.where(ended, self.end, 0),
            np.where(ended, self._latest, self._latest + 1),
            np.where(self._timed & self._timed_before, self.first, vocabulary),
        )
