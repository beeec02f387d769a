"""The keys and values of several texts in one cache, which is as large as these texts need."""

from __future__ import annotations

from typing import Protocol

import numpy as np

import weft

from ..models import Cache, Decoder
from ..models._generation import SHORTEST_CACHE, moved, power_of_two
from ..models._layers import resized


class HasLength(Protocol):
    """What takes a row."""

    @property
    def length(self) -> int:
        """How many places it needs."""
        ...


class Rows:
    """Texts in the rows of a cache.

    The numbers of rows and of places are powers of two, so that there are few programs. They follow
    the texts, as each token of each text is compared with all places of its row: a cache for the
    longest text that may come would cost its time for the shortest, too.

    Attributes:
        texts: the text in each row; None: the row is free.
    """

    def __init__(self, model: Decoder) -> None:
        self._model = model
        self._cache: Cache | None = None
        self._length = 0
        self.texts: list[HasLength | None] = []

    @property
    def cache(self) -> Cache:
        """The cache of the rows, where there are texts."""
        assert self._cache is not None
        return self._cache

    def join(self, text: HasLength, own: Cache) -> None:
        """Gives a text a row, with the keys and values that it has so far."""
        self._fit([*self._present(), text])
        number = self.texts.index(None)
        single = Cache(*([resized(x, self._length) for x in xs] for xs in (own.keys, own.values)))
        moved(self.cache, weft.asarray(number, device=self._model.device), single)
        self.texts[number] = text

    def leave(self, text: HasLength) -> None:
        """Takes a text out of its row, if it has one."""
        if text in self.texts:
            self.texts[self.texts.index(text)] = None

    def fit(self) -> None:
        """Gives memory back that the texts do not need."""
        self._fit(self._present())

    def clear(self) -> None:
        """Takes all texts out of their rows."""
        self.texts, self._cache, self._length = [], None, 0

    def _present(self) -> list[HasLength]:
        return [text for text in self.texts if text is not None]

    def _fit(self, texts: list[HasLength]) -> None:
        """Makes room for texts, of which those in rows come first, in the order of their rows."""
        if not texts:
            self.clear()
            return
        count = power_of_two(1, len(texts))
        length = power_of_two(SHORTEST_CACHE, max(text.length for text in texts))
        if (count, length) == (len(self.texts), self._length):
            return
        kept = [number for number, text in enumerate(self.texts) if text is not None]
        if self._cache is None or not kept:
            self._cache = self._model.cache(count, length)
        else:
            # What is in free rows does not matter.
            rows = weft.asarray(
                np.array(kept + kept[:1] * (count - len(kept)), np.int64),
                device=self._model.device,
            )
            for tensors in (self._cache.keys, self._cache.values):
                for number, tensor in enumerate(tensors):
                    tensors[number] = resized(weft.take(tensor, rows, axis=0), length)
        present = [self.texts[number] for number in kept]
        self.texts = present + [None] * (count - len(kept))
        self._length = length
