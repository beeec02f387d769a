"""Batches of a dataset, shuffled by a seed and made ahead by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import random
from .._creation import _fail, from_numpy
from .._errors import ShapeError

_END = object()


def collate(samples: list[Any]) -> Any:
    """One batch of samples: tuples and dicts stay, tensors, arrays and numbers are stacked.

    Raises:
        ShapeError: samples differ in shape.
    """
    first = samples[0]
    if isinstance(first, (tuple, list)):
        return tuple(collate(list(parts)) for parts in zip(*samples, strict=True))
    if isinstance(first, dict):
        return {name: collate([sample[name] for sample in samples]) for name in first}
    if isinstance(first, str):
        return samples
    if isinstance(first, float):
        return np.array(samples, np.float32)
    arrays = [np.asarray(sample) for sample in samples]
    if len({array.shape for array in arrays}) != 1:
        shapes = sorted({array.shape for array in arrays})
        raise _fail(ShapeError, f"DataLoader: samples of a batch need one shape, not {shapes}")
    return np.stack(arrays)


def _tensors(batch: Any) -> Any:
    """The batch with its arrays as tensors."""
    if isinstance(batch, np.ndarray):
        return from_numpy(batch)
    if isinstance(batch, (tuple, list)) and not all(isinstance(item, str) for item in batch):
        return [_tensors(item) for item in batch]
    if isinstance(batch, dict):
        return {name: _tensors(item) for name, item in batch.items()}
    return batch


class _Prefetcher:
    """Runs an iterator in a thread, some items ahead. `close` ends the thread."""

    def __init__(self, source: Iterator[Any], ahead: int) -> None:
        self._items: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(ahead)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(source,), daemon=True, name="weft-data-loader"
        )
        self._thread.start()

    def _put(self, item: Any, error: BaseException | None = None) -> None:
        while not self._stopped.is_set():
            try:
                self._items.put((item, error), timeout=0.05)
                return
            except queue.Full:
                continue

    def _run(self, source: Iterator[Any]) -> None:
        try:
            for item in source:
                self._put(item)
                if self._stopped.is_set():
                    return
            self._put(_END)
        except BaseException as error:
            self._put(_END, error)

    def __iter__(self) -> Iterator[Any]:
        while True:
            item, error = self._items.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()


class DataLoader:
    """Batches of a dataset; each iteration is one epoch.

    Batches are lists of tensors (dicts where samples are dicts), each with a new first dimension.

    Args:
        dataset: has ``__len__`` and ``__getitem__``, or ``batch`` (see `Dataset`).
        batch_size: samples in a batch; the last one may have less.
        shuffle: in another order in each epoch.
        drop_last: leaves the last batch out if it has less samples.
        seed: decides the orders; None draws it by `weft.random`.
        prefetch: how many batches one background thread makes ahead; 0 makes them when asked for.
        collate_fn: makes a batch of a list of samples.
        num_workers: PyTorch's option; None leaves the choice to ``prefetch``, 0 means no thread.

    Raises:
        ShapeError: batch_size or prefetch is out of range.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | None = None,
        prefetch: int = 2,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int | None = None,
    ) -> None:
        if batch_size < 1 or prefetch < 0:
            raise _fail(
                ShapeError,
                f"DataLoader: batch_size has to be at least 1 and prefetch at "
                f"least 0, not {batch_size} and {prefetch}",
            )
        self.dataset, self.batch_size, self.shuffle = dataset, batch_size, shuffle
        self.drop_last, self.collate_fn = drop_last, collate_fn
        self.prefetch = 0 if num_workers == 0 else prefetch
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        count = len(self.dataset)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def _order(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self.dataset))
        if self.seed is None:
            self.seed = int(random.randint(1 << 31))
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.dataset))

    def _batch(self, indices: np.ndarray) -> Any:
        if self.collate_fn is None and hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices)
        samples = [self.dataset[int(index)] for index in indices]
        return (self.collate_fn or collate)(samples)

    def _batches(self, order: np.ndarray) -> Iterator[Any]:
        for number in range(len(self)):
            yield self._batch(order[number * self.batch_size : (number + 1) * self.batch_size])

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        self.epoch += 1
        return self._iterate(order)

    def _iterate(self, order: np.ndarray) -> Iterator[Any]:
        if self.prefetch == 0:
            yield from map(_tensors, self._batches(order))
            return
        ahead = _Prefetcher(self._batches(order), self.prefetch)
        try:
            yield from map(_tensors, ahead)
        finally:
            ahead.close()
