"""Reading the samples of a batch: in a loader's own process, in its thread and in its workers."""

from __future__ import annotations

import enum
import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ._collate import collate, default_collate, default_convert, with_tensors
from ._dataset import IterableDataset, batch_function


class End(enum.Enum):
    """What is there instead of a batch when a dataset has no more samples."""

    END = "end"


def is_iterable(dataset: Any) -> bool:
    """Whether samples come by iteration: an `IterableDataset`, of PyTorch too."""
    return isinstance(dataset, IterableDataset) or any(
        base.__name__ == "IterableDataset" for base in type(dataset).__mro__
    )


class Fetcher:
    """Reads batches of a dataset; `finish` makes tensors of them, in the loader's own process.

    Args:
        dataset: the samples.
        collate_fn: makes a batch of them, or converts single ones.
        batched: whether tasks are lists of numbers, and not single ones.
        batch_size: how many samples of a dataset that is iterated are in a batch.
        drop_last: leaves its last batch out if it has less samples.
    """

    def __init__(
        self,
        dataset: Any,
        collate_fn: Callable[[Any], Any],
        batched: bool,
        batch_size: int | None,
        drop_last: bool,
    ) -> None:
        self.dataset, self.collate_fn = dataset, collate_fn
        self.batched, self.batch_size, self.drop_last = batched, batch_size, drop_last
        self.iterable = is_iterable(dataset)
        self._samples: Iterator[Any] = iter(())

    def restart(self) -> None:
        """Begins an epoch."""
        if self.iterable:
            self._samples = iter(self.dataset)

    def tasks(self, order: Iterable[Any]) -> Iterator[Any]:
        """What `fetch` is to be called with, one after the other."""
        return itertools.repeat(None) if self.iterable else iter(order)

    def fetch(self, task: Any) -> Any:
        """A batch, or a sample where there are no batches; `End.END` where there are no more."""
        if self.iterable:
            samples = self._next()
        elif not self.batched:
            samples = self.dataset[task]
        else:
            whole = batch_function(self.dataset) if self.collate_fn is default_collate else None
            if whole is not None:
                return whole(np.asarray(task))
            samples = self._items(task)
        if samples is End.END or self.collate_fn is default_convert:
            return samples
        return (collate if self.collate_fn is default_collate else self.collate_fn)(samples)

    def _items(self, numbers: list[Any]) -> list[Any]:
        many = getattr(self.dataset, "__getitems__", None)
        return many(numbers) if callable(many) else [self.dataset[number] for number in numbers]

    def _next(self) -> Any:
        """The next sample or samples of a dataset that is iterated."""
        if not self.batched:
            return next(self._samples, End.END)
        samples = list(itertools.islice(self._samples, self.batch_size))
        missing = len(samples) < (self.batch_size or 0)
        return End.END if not samples or (self.drop_last and missing) else samples

    def finish(self, batch: Any) -> Any:
        """The batch with tensors for arrays, unless a function of the user's has made it."""
        if self.collate_fn is default_convert:
            return default_convert(batch)
        return with_tensors(batch) if self.collate_fn is default_collate else batch


class BackgroundThread:
    """Fetches in a thread what it is given, in order. `close` ends the thread."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._tasks: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="weft-data-loader")
        self._thread.start()

    def give(self, task: Any) -> None:
        """Adds a task."""
        self._tasks.put((True, task))

    def take(self) -> Any:
        """The result of the next task. Raises what the task raised."""
        result, error = self._results.get()
        if error is not None:
            raise error
        return result

    def _run(self) -> None:
        while not self._stopped:
            goes_on, task = self._tasks.get()
            if not goes_on:
                return
            try:
                self._results.put((self._fetcher.fetch(task), None))
            except BaseException as error:
                self._results.put((None, error))

    def close(self) -> None:
        """Ends the thread, after the task that it is at."""
        self._stopped = True
        self._tasks.put((False, None))
        self._thread.join()
