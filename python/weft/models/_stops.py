"""Strings that end a text: where they come, and what of the text is before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._creation import _fail
from .._errors import OptionError

if TYPE_CHECKING:
    from ._tokenizer import Tokenizer

#: More strings, or longer ones, nobody means: each is looked for behind each token.
_MOST, _LONGEST = 64, 4096


def checked_stops(stop: Any) -> tuple[str, ...]:
    """The strings that end a text, of one or several. Raises OptionError."""
    strings = (stop,) if isinstance(stop, str) else stop
    if not isinstance(strings, (list, tuple)) or len(strings) > _MOST:
        raise _wrong(f"stop has to be a string, or at most {_MOST} of them", stop)
    for string in strings:
        if not isinstance(string, str) or not 0 < len(string) <= _LONGEST:
            raise _wrong(f"a string to stop at has to have 1 to {_LONGEST} characters", string)
    return tuple(strings)


def _wrong(what: str, value: Any) -> Exception:
    return _fail(OptionError, f"generate: {what}, not {repr(value)[:60]}")


class StoppedPieces:
    """The text of tokens that come one by one, up to the first of some strings.

    Attributes:
        stopped: whether one has come.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._pieces, self._stops, self._held = tokenizer.pieces(), stops, ""
        self.stopped = False

    def add(self, token: int) -> str:
        """The characters that are known to be the text's by the next token."""
        if self.stopped:
            return ""
        self._held += self._pieces.add(token)
        if not self._stops:
            return self._given(len(self._held))
        # A string may be whole before it is known how the text goes on.
        text = self._held + self._pieces.begun()
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.stopped, self._held = True, ""
            return text[: min(places)]
        return self._given(len(self._held) - self._open())

    def rest(self) -> str:
        """What is left of the text behind its last token."""
        if self.stopped:
            return ""
        self._held += self._pieces.rest()
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        return self._given(min(places, default=len(self._held)))

    def _given(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        return text

    def _open(self) -> int:
        """How many of the last characters may begin one of the strings."""
        longest = 0
        for stop in self._stops:
            for count in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:count]):
                    longest = count
                    break
        return longest


class Stops:
    """Which of several texts have come to a string that ends them."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        self._texts: list[StoppedPieces] = []

    def ended(self, chosen: np.ndarray) -> np.ndarray:
        """Whether each text [N] has ended, with its next token."""
        if not self._texts:
            self._texts = [StoppedPieces(self._tokenizer, self._stops) for _ in chosen]
        for text, token in zip(self._texts, chosen):
            text.add(int(token))
        return np.array([text.stopped for text in self._texts])
