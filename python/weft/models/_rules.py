"""What can come next by what a text has: what repeats, what is banned, how long it is at least."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import weft

from ._generation import Rule


@weft.jit
def _penalized(
    scores: weft.Tensor, seen: weft.Tensor, penalty: weft.Tensor, hidden: weft.Tensor | None
) -> weft.Tensor:
    """Scores of which those that are ``seen`` are less (Keskar et al., 2019, "CTRL")."""
    less = weft.where(scores < 0, scores * penalty, scores / penalty)
    scores = weft.where(seen, less, scores)
    return scores if hidden is None else weft.where(hidden, -math.inf, scores)


@weft.jit
def _without(scores: weft.Tensor, left_out: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
    """Scores of which those that are left out, and hidden ones, are the least."""
    scores = weft.where(left_out, -math.inf, scores)
    return scores if hidden is None else weft.where(hidden, -math.inf, scores)


class Penalty:
    """Tokens that a text has lose: scores above 0 are divided, those below are multiplied."""

    def __init__(self, penalty: float, begun: np.ndarray, device: Any) -> None:
        """Takes the factor, and what texts begin with [N, L]; below 0 is none of it."""
        self.device, self._begun = device, begun
        self._penalty = weft.asarray(penalty, dtype=weft.float32, device=device)
        # Of each text which tokens it has [N, vocabulary], once there are scores.
        self._seen: np.ndarray | None = None

    def __call__(self, scores: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
        """Scores [N, vocabulary] of which those of tokens that came are less."""
        if self._seen is None:
            # Several texts go on behind each beginning.
            begun = np.repeat(self._begun, scores.shape[0] // len(self._begun), axis=0)
            self._seen = np.zeros(scores.shape, bool)
            text, place = np.nonzero(begun >= 0)
            self._seen[text, begun[text, place]] = True
        seen = weft.asarray(self._seen, device=self.device)
        return _penalized(scores, seen, weft.astype(self._penalty, scores.dtype), hidden)

    def took(self, chosen: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Takes note of the tokens [N] that were chosen, of texts that go on as those in ``rows``
        [N] did; None: as they did themselves.
        """
        assert self._seen is not None
        self._seen = self._seen.copy() if rows is None else self._seen[rows]
        self._seen[np.arange(len(chosen)), chosen] = True


class Banned:
    """Tokens that would end a row of tokens which the text has already, or may not have."""

    def __init__(
        self, begun: np.ndarray, repeated: int, words: Sequence[Sequence[int]], device: Any
    ) -> None:
        """Takes what texts may not have.

        Args:
            begun: what the texts begin with [N, L]; below 0 is none of it.
            repeated: no row of so many tokens comes twice; 0: any may.
            words: rows of tokens that do not come at all.
            device: where the scores are.
        """
        self._texts, self._repeated, self._device = begun, repeated, device
        self._words = [np.asarray(word, np.int64) for word in words]

    def __call__(self, scores: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
        """Scores [N, vocabulary] of which those of tokens that may not come are the least."""
        texts, vocabulary = scores.shape
        # Several texts go on behind each beginning.
        self._texts = np.repeat(self._texts, texts // len(self._texts), axis=0)
        banned = np.zeros((texts, vocabulary), bool)
        for word in self._words:
            if word[-1] < vocabulary and self._texts.shape[1] >= len(word) - 1:
                banned[:, word[-1]] |= (self._last(len(word) - 1) == word[:-1]).all(axis=1)
        if 0 < self._repeated <= self._texts.shape[1]:
            rows = np.lib.stride_tricks.sliding_window_view(self._texts, self._repeated, axis=1)
            last = self._last(self._repeated - 1)[:, None]
            again = (rows[:, :, :-1] == last).all(axis=2) & (rows[:, :, -1] >= 0)
            text, place = np.nonzero(again)
            banned[text, rows[text, place, -1]] = True
        return _without(scores, weft.asarray(banned, device=self._device), hidden)

    def took(self, chosen: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Takes note of the tokens, as `Penalty` does."""
        texts = self._texts if rows is None else self._texts[rows]
        self._texts = np.concatenate([texts, chosen.reshape(-1, 1)], axis=1)

    def _last(self, count: int) -> np.ndarray:
        return self._texts[:, self._texts.shape[1] - count :]


class Least:
    """No text ends before it has so many new tokens."""

    def __init__(self, count: int, ends: Sequence[int], device: Any) -> None:
        self.count, self.ends, self.device, self._number = count, ends, device, 0

    def __call__(self, scores: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
        """Scores [N, vocabulary] of which those of ends are the least, as long as it is early."""
        early = self._number < self.count
        left_out = np.isin(np.arange(scores.shape[-1]), self.ends if early else ())
        return _without(scores, weft.asarray(left_out, device=self.device), hidden)

    def took(self, chosen: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Counts the tokens that were chosen."""
        self._number += 1


class Rules:
    """Several rules, one after the other."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules

    def __call__(self, scores: weft.Tensor, hidden: weft.Tensor | None) -> weft.Tensor:
        """Scores [N, vocabulary] by all rules."""
        for rule in self.rules:
            scores, hidden = rule(scores, hidden), None
        return scores

    def took(self, chosen: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Takes note of the tokens [N], as each rule does."""
        for rule in self.rules:
            rule.took(chosen, rows)
