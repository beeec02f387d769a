"""Language models that write several texts at once, token by token (continuous batching).

A text takes a row of one cache of keys and values. Its prompt is read in pieces, one in each turn;
then each turn writes one token of every text. A text that comes takes a free row in the midst of
the others, and one that ends gives its row back. What is in a row does not depend on other rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import weft

from ..models import Cache, Decoder
from ..models._generation import (
    SHORTEST_CACHE,
    Chooser,
    Drawing,
    checked_prompt,
    ends_of,
    likeliest,
    moved,
    pieces_of,
    power_of_two,
    read,
    write,
)
from ._refusals import ClosedError, Kind, RefusedError, invalid, refusal_of
from ._settings import ModelSettings

#: The longest text, in tokens, where neither the model nor its settings say less.
_LONGEST = 4096


@dataclass
class Text:
    """A text that is asked for.

    Attributes:
        prompt: the tokens that it begins with.
        count: how many are to follow at most.
        drawing: how they are drawn.
        deadline: the time by `time.monotonic` after which nobody waits any more.
        tell: takes each token, then how the text ended, "end" or "length", or an error. It is
            called by the thread that computes.
    """

    prompt: list[int]
    count: int
    drawing: Drawing
    deadline: float
    tell: Callable[[int | str | BaseException], Any]
    cancelled: bool = False
    arrived: float = field(default_factory=time.monotonic)


class _Row:
    """A text in its row: where it is, and what it needs to go on."""

    def __init__(self, model: Decoder, text: Text) -> None:
        self.text = text
        self.tokens = checked_prompt(model, text.prompt, text.count)
        self.choose = Chooser(text.drawing, model.device)
        self.ends = ends_of(model, None)
        self.pieces: Iterator[tuple[int, int, int]] = iter(list(pieces_of(self.tokens.shape[1])))
        #: What reads the prompt; nothing once the text is among the others.
        self.own: Cache | None = None
        self.place, self.last, self.written = self.tokens.shape[1], 0, 0


class TextWriter:
    """The texts that wait for a language model, and the thread that writes them."""

    def __init__(
        self, model: Decoder, settings: ModelSettings, watch: Callable[[int, int], Any]
    ) -> None:
        """Takes a model.

        Args:
            model: the one that writes.
            settings: how many texts, and how long.
            watch: called after each turn, with the texts that are there and the new tokens.
        """
        self._model, self._settings, self._watch = model, settings, watch
        positions = min(model.config.positions, settings.max_length or _LONGEST)
        self.longest = positions
        self._size = power_of_two(SHORTEST_CACHE, positions)
        self._rows: list[_Row | None] = [None] * settings.max_sequences
        self._cache: Cache | None = None
        self._waiting: deque[Text] = deque()
        self._changed = threading.Condition()
        self._open, self._stopped = True, False
        self._thread = threading.Thread(target=self._work, name="weft-serving-texts", daemon=True)
        self._thread.start()

    def submit(self, text: Text) -> None:
        """Puts a text behind those that wait.

        Raises:
            RefusedError: it can't be written, so many wait that there is no place, or the model is
            being unloaded.
        """
        if len(text.prompt) + text.count > self.longest:
            raise invalid(
                f"{len(text.prompt)} tokens of the prompt and {text.count} new ones are more than "
                f"the {self.longest} of a text"
            )
        try:
            checked_prompt(self._model, text.prompt, text.count)
        except weft.WeftError as error:
            raise refusal_of(error) from None
        with self._changed:
            if not self._open:
                raise ClosedError
            if len(self._waiting) >= self._settings.max_queue:
                self._waiting = deque(each for each in self._waiting if not each.cancelled)
            if len(self._waiting) >= self._settings.max_queue:
                raise RefusedError(
                    Kind.FULL, f"{len(self._waiting)} texts wait for the model: try again later"
                )
            self._waiting.append(text)
            self._changed.notify()

    def waiting(self) -> int:
        """How many texts wait."""
        return len(self._waiting)

    def close(self, seconds: float) -> bool:
        """Takes no more texts, and waits for those that are there.

        Returns:
            Whether all were written in this time; those that were not end with an error.
        """
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join(seconds)
        finished = not self._thread.is_alive()
        self._stopped = True
        return finished

    def _work(self) -> None:
        while self._wait():
            self._admit()
            try:
                new = self._read_prompts() + self._write_tokens()
            except BaseException as error:
                # Nothing is known of the cache any more, so that all texts end with the error.
                refused, new = refusal_of(error), 0
                for number in range(len(self._rows)):
                    self._end(number, refused)
                self._cache = None
            self._watch(sum(row is not None for row in self._rows), new)

    def _wait(self) -> bool:
        """Waits until there is something to do; False: there will be nothing."""
        with self._changed:
            while not self._waiting and not any(self._rows):
                if not self._open:
                    return False
                self._changed.wait()
        return True

    def _admit(self) -> None:
        """Gives free rows to texts that wait, and takes them from those that nobody waits for."""
        now = time.monotonic()
        for number, row in enumerate(self._rows):
            if row is not None and self._stopped:
                self._end(number, RefusedError(Kind.UNAVAILABLE, "the server stops"))
            elif row is not None and (row.text.cancelled or row.text.deadline < now):
                self._end(number, _late())
            while self._rows[number] is None and self._waiting:
                with self._changed:
                    text = self._waiting.popleft()
                self._begin(number, text, now)

    def _begin(self, number: int, text: Text, now: float) -> None:
        if self._stopped:
            text.tell(RefusedError(Kind.UNAVAILABLE, "the server stops"))
        elif text.cancelled or text.deadline < now:
            text.tell(_late())
        elif text.count == 0:
            text.tell("length")
        else:
            try:
                self._rows[number] = _Row(self._model, text)
            except Exception as error:
                text.tell(refusal_of(error))

    def _read_prompts(self) -> int:
        """Reads the next piece of each prompt that is not read yet; how many tokens came of it."""
        new = 0
        for number, row in enumerate(self._rows):
            if row is None or (row.own is None and row.written):
                continue
            if row.own is None:
                row.own = self._model.cache(1, self._size)
            first, end, size = next(row.pieces)
            filled = np.pad(row.tokens[:, first:end], ((0, 0), (0, size - (end - first))))
            scores = read(
                self._model,
                self._there(filled),
                row.own,
                self._there(first),
                self._there(end - first - 1),
            )
            if end == row.tokens.shape[1]:
                moved(self._several(), self._there(number), row.own)
                row.own = None
                new += 1
                self._tell(number, row, int(row.choose(scores, 0)[0]))
        return new

    def _write_tokens(self) -> int:
        """Writes a token of each text whose prompt is read; how many came."""
        rows = [(n, row) for n, row in enumerate(self._rows) if row is not None and row.own is None]
        if not rows:
            return 0
        tokens, places = np.zeros((2, len(self._rows)), np.int64)
        for number, row in rows:
            tokens[number], places[number] = row.last, row.place
            row.place += 1
        scores = write(self._model, self._there(tokens), self._several(), self._there(places))
        chosen = None
        if not all(row.text.drawing.temperature for _, row in rows):
            chosen = np.asarray(likeliest(scores).to("cpu"))
        for number, row in rows:
            if row.text.drawing.temperature:
                token = row.choose(scores[number : number + 1], row.written)[0]
            else:
                assert chosen is not None
                token = chosen[number]
            self._tell(number, row, int(token))
        return len(rows)

    def _tell(self, number: int, row: _Row, token: int) -> None:
        row.last = token
        row.written += 1
        row.text.tell(token)
        if token in row.ends:
            self._end(number, "end")
        elif row.written == row.text.count:
            self._end(number, "length")

    def _end(self, number: int, how: str | BaseException) -> None:
        row, self._rows[number] = self._rows[number], None
        if row is not None:
            row.text.tell(how)

    def _several(self) -> Cache:
        if self._cache is None:
            self._cache = self._model.cache(len(self._rows), self._size)
        return self._cache

    def _there(self, numbers: Any) -> weft.Tensor:
        return weft.asarray(numbers, dtype=weft.int64, device=self._model.device)


def _late() -> RefusedError:
    return RefusedError(Kind.LATE, "the text took longer than it may")


class TokenStream:
    """The tokens of a text for an event loop, from the thread that writes them.

    There are no more of them than the text has, which bounds what a slow reader leaves here.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[int | str | BaseException] = asyncio.Queue()
        self.how = ""

    def tell(self, item: int | str | BaseException) -> None:
        """Takes what `Text.tell` is told."""
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def tokens(self, deadline: float) -> AsyncIterator[int]:
        """The tokens as they come; then `how` says how the text ended.

        Args:
            deadline: of the text; one that waits for its row may not be told in time.

        Raises:
            RefusedError: the text ended with an error, or the time is over.
        """
        while True:
            left = deadline - time.monotonic()
            try:
                item = await asyncio.wait_for(self._queue.get(), max(left, 0))
            except asyncio.TimeoutError:
                raise _late() from None
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, str):
                self.how = item
                return
            yield item
