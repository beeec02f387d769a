"""Language models that write several texts at once, token by token (continuous batching).

The prompt of a text is read in pieces, one in each turn; then the text takes a row of one cache of
keys and values, and each turn writes one token of every text. A text joins in the midst of the
others, and one that ends leaves them. What is in a row does not depend on other rows.
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
    ending_of,
    likeliest,
    pieces_of,
    power_of_two,
    read,
    write,
)
from ..models._rules import Rules
from ..models._writer import Wanted
from ._refusals import ClosedError, Kind, RefusedError, invalid, refusal_of
from ._rows import Rows
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
        wanted: what else is wanted of them.
        deadline: the time by `time.monotonic` after which nobody waits any more.
        tell: takes each token, then how the text ended, "end" or "length", or an error. It is
            called by the thread that computes.
    """

    prompt: list[int]
    count: int
    drawing: Drawing
    deadline: float
    tell: Callable[[int | str | BaseException], Any]
    wanted: Wanted = field(default_factory=Wanted)
    cancelled: bool = False
    arrived: float = field(default_factory=time.monotonic)


class _Writing:
    """A text that is being written: where it is, and what it needs to go on."""

    def __init__(self, model: Decoder, text: Text) -> None:
        self.text = text
        self.tokens = checked_prompt(model, text.prompt, text.count)
        ending = ending_of(model, None, None)
        rules = model.rules(self.tokens, text.wanted, ending)
        rule = Rules(rules) if rules else None
        self.choose = Chooser(text.drawing, model.device, model.texts.hidden, rule)
        self.ends = ending.ends
        pieces = list(pieces_of(self.tokens.shape[1]))
        self.pieces: Iterator[tuple[int, int, int]] = iter(pieces)
        self.place, self.last, self.written = self.tokens.shape[1], 0, 0
        #: As many as `generate` alone has for it.
        self.length = max(self.place + text.count, pieces[-1][0] + pieces[-1][2])
        #: What its prompt is read with; None once it has a row among the others.
        self.own: Cache | None = model.cache(1, power_of_two(SHORTEST_CACHE, self.length))


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
        # What several texts have read stands in one cache, and is not read anew.
        most = model.config.positions if model.longest is None else model.longest
        positions = min(most, settings.max_length or _LONGEST)
        self.longest = positions
        self._texts: list[_Writing] = []
        self._rows = Rows(model)
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
                # Nothing is known of the rows any more, so that all texts end with the error.
                new = 0
                for each in list(self._texts):
                    self._end(each, refusal_of(error))
                self._rows.clear()
            self._watch(len(self._texts), new)

    def _wait(self) -> bool:
        """Waits until there is something to do; False: there will be nothing."""
        with self._changed:
            while not self._waiting and not self._texts:
                if not self._open:
                    return False
                self._changed.wait()
        return True

    def _admit(self) -> None:
        """Begins texts that wait, and ends those that nobody waits for."""
        now = time.monotonic()
        for each in list(self._texts):
            if self._stopped:
                self._end(each, RefusedError(Kind.UNAVAILABLE, "the server stops"))
            elif each.text.cancelled or each.text.deadline < now:
                self._end(each, _late())
        while self._waiting and len(self._texts) < self._settings.max_sequences:
            with self._changed:
                text = self._waiting.popleft()
            self._begin(text, now)

    def _begin(self, text: Text, now: float) -> None:
        if self._stopped:
            text.tell(RefusedError(Kind.UNAVAILABLE, "the server stops"))
        elif text.cancelled or text.deadline < now:
            text.tell(_late())
        elif text.count == 0:
            text.tell("length")
        else:
            try:
                self._texts.append(_Writing(self._model, text))
            except Exception as error:
                text.tell(refusal_of(error))

    def _read_prompts(self) -> int:
        """Reads the next piece of each prompt that is not read yet; how many tokens came of it."""
        new = 0
        for each in list(self._texts):
            if each.own is None:
                continue
            first, end, size = next(each.pieces)
            filled = np.pad(each.tokens[:, first:end], ((0, 0), (0, size - (end - first))))
            scores = read(
                self._model,
                self._there(filled),
                each.own,
                self._there(first),
                self._there(end - first - 1),
            )
            if end == each.tokens.shape[1]:
                self._rows.join(each, each.own)
                each.own = None
                new += 1
                self._tell(each, int(each.choose(scores, 0)[0]))
        return new

    def _write_tokens(self) -> int:
        """Writes a token of each text that has a row; how many came."""
        self._rows.fit()
        rows = [(n, each) for n, each in enumerate(self._rows.texts) if isinstance(each, _Writing)]
        if not rows:
            return 0
        tokens, places = np.zeros((2, len(self._rows.texts)), np.int64)
        for number, each in rows:
            tokens[number], places[number] = each.last, each.place
            each.place += 1
        scores = write(self._model, self._there(tokens), self._rows.cache, self._there(places))
        chosen = None
        if any(each.choose.is_plain for _, each in rows):
            chosen = np.asarray(likeliest(scores).to("cpu"))
        for number, each in rows:
            if each.choose.is_plain:
                assert chosen is not None
                token = chosen[number]
            else:
                token = each.choose(scores[number : number + 1], each.written)[0]
            self._tell(each, int(token))
        return len(rows)

    def _tell(self, each: _Writing, token: int) -> None:
        each.last = token
        each.written += 1
        each.text.tell(token)
        if token in each.ends:
            self._end(each, "end")
        elif each.written == each.text.count:
            self._end(each, "length")

    def _end(self, each: _Writing, how: str | BaseException) -> None:
        self._texts.remove(each)
        self._rows.leave(each)
        each.text.tell(how)

    def _there(self, numbers: Any) -> weft.Tensor:
        return weft.asarray(numbers, dtype=weft.int64, device=self._model.device)


def _late() -> RefusedError:
    return RefusedError(Kind.LATE, "the text took longer than it may")


class TokenStream:
    """The tokens of a text for an event loop, from the thread that writes them.

    There are no more of them than the text has, which bounds what a slow reader leaves here.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Queue[int | str | BaseException] = asyncio.Queue()
        self.how = ""

    def listen(self) -> None:
        """Gives what comes to the event loop that runs."""
        self._loop = asyncio.get_running_loop()

    def tell(self, item: int | str | BaseException) -> None:
        """Takes what `Text.tell` is told."""
        assert self._loop is not None
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
