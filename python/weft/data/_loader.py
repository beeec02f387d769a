"""Batches of a dataset, in an order of samplers, made ahead by a thread or by processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._creation import _fail
from .._errors import OptionError, ShapeError
from ._collate import default_collate, default_convert
from ._fetching import BackgroundThread, End, Fetcher, is_iterable
from ._samplers import (
    BatchSampler,
    EpochSampler,
    RandomSampler,
    SequentialSampler,
    as_generator,
    drawn_seed,
)
from ._worker_info import SupersededError

if TYPE_CHECKING:
    from ._workers import WorkerPool


class DataLoader:
    """Batches of a dataset; each iteration is one epoch.

    Batches have the structure of the samples, with tensors that have a new first dimension: see
    `default_collate`.

    Args:
        dataset: a `Dataset`, an `IterableDataset`, or anything that has ``__len__`` and
            ``__getitem__``, as PyTorch's datasets.
        batch_size: samples in a batch; the last one may have less. None: samples come one by one,
            as the dataset gives them, with tensors for arrays.
        shuffle: in another order in each epoch.
        sampler: gives the numbers of the samples, in place of shuffle.
        batch_sampler: gives a list of such numbers for each batch, in place of batch_size, shuffle,
            sampler and drop_last.
        num_workers: how many processes read batches. None: a thread does, ``prefetch`` batches
            ahead; 0: batches are read when they are asked for.
        collate_fn: makes a batch of a list of samples (of one sample where batch_size is None);
            what it returns stays as it is.
        pin_memory: taken, as programs for PyTorch give it, and without effect: batches are in
            memory that the system may move, from which a copy to a GPU has ended when it returns.
        drop_last: leaves the last batch out if it has less samples.
        timeout: how many seconds to wait for a batch of the workers; 0: for ever.
        worker_init_fn: called in each worker with its number.
        multiprocessing_context: how processes are made: "fork", "spawn", "forkserver", or what
            ``multiprocessing.get_context`` returns.
        generator: decides the orders, and the seeds of workers: a seed, a key of `weft.random`, a
            generator of NumPy; None draws seeds by `weft.random`.
        prefetch_factor: for how many batches each worker has tasks; None: 2.
        persistent_workers: workers stay from epoch to epoch.
        pin_memory_device: as pin_memory, without effect.
        in_order: batches of workers come in the order of their tasks, else as they are ready.
        seed: as generator; the order of an epoch depends on the seed and its number alone.
        prefetch: how many batches the thread makes ahead; 0 makes them when asked for.

    In each worker the generators of Python, NumPy and Weft begin from a seed of its own, another
    one in each epoch; `get_worker_info` tells it. An error in a worker is raised here, with the
    worker's traceback in its text.

    Raises:
        ShapeError: batch_size or prefetch is out of range. OptionError: options exclude each other,
            or are out of range. DTypeError: there is no such generator.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int | None = None,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0.0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        seed: int | None = None,
        prefetch: int = 2,
    ) -> None:
        self.dataset, self.num_workers = dataset, num_workers
        self.prefetch, self.prefetch_factor = prefetch, prefetch_factor
        self.timeout, self.worker_init_fn = timeout, worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self._check_orders(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        self._check_workers()
        self.generator, self.seed, self.epoch = generator, seed, 0
        # Orders and the seeds of workers are drawn from one sequence.
        self._numbers = None if generator is None else as_generator(generator)
        if sampler is None and not is_iterable(dataset):
            sampler = self._default_sampler(bool(shuffle))
        self._batched = batch_sampler is not None or batch_size is not None
        self.batch_size = batch_size if batch_sampler is None else None
        if self.batch_size is not None and sampler is not None:
            batch_sampler = BatchSampler(sampler, self.batch_size, drop_last)
        self.drop_last, self.sampler, self.batch_sampler = drop_last, sampler, batch_sampler
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self._pool: WorkerPool | None = None

    def _check_orders(
        self, batch_size: int | None, shuffle: bool, sampler: Any, batch_sampler: Any, drop: bool
    ) -> None:
        """Raises an error for options of the order that are out of range or exclude each other."""
        if (batch_size is not None and batch_size < 1) or self.prefetch < 0:
            raise _fail(
                ShapeError,
                f"DataLoader: batch_size has to be at least 1 and prefetch at "
                f"least 0, not {batch_size} and {self.prefetch}",
            )
        if is_iterable(self.dataset) and (
            shuffle or sampler is not None or batch_sampler is not None
        ):
            raise _fail(
                OptionError,
                "DataLoader: a dataset that is iterated decides its order itself; leave shuffle, "
                "sampler and batch_sampler out",
            )
        if sampler is not None and shuffle:
            raise _fail(OptionError, "DataLoader: give shuffle or sampler, not both")
        if batch_sampler is not None and (
            batch_size != 1 or shuffle or sampler is not None or drop
        ):
            raise _fail(
                OptionError,
                "DataLoader: a batch_sampler takes the place of batch_size, shuffle, sampler and "
                "drop_last",
            )
        if batch_size is None and drop:
            raise _fail(OptionError, "DataLoader: without batches there is no last one to drop")

    def _check_workers(self) -> None:
        """Raises OptionError for options of the workers that are out of range, or have no use."""
        count, working = self.num_workers, bool(self.num_workers)
        if (count is not None and count < 0) or self.timeout < 0:
            raise _fail(
                OptionError,
                f"DataLoader: num_workers and timeout have to be at least 0, not {count} and "
                f"{self.timeout}",
            )
        if self.prefetch_factor is not None and self.prefetch_factor < 1:
            raise _fail(
                OptionError,
                f"DataLoader: prefetch_factor has to be at least 1, not {self.prefetch_factor}",
            )
        given = {
            "prefetch_factor": self.prefetch_factor is not None,
            "persistent_workers": self.persistent_workers,
            "multiprocessing_context": self.multiprocessing_context is not None,
            "timeout": self.timeout > 0,
        }
        useless = [name for name, is_given in given.items() if is_given]
        if useless and not working:
            raise _fail(
                OptionError,
                f"DataLoader: {' and '.join(useless)} need workers: num_workers of at least 1",
            )

    def _default_sampler(self, shuffle: bool) -> Iterable[int]:
        if self._numbers is not None and self.seed is not None:
            raise _fail(OptionError, "DataLoader: give seed or generator, not both")
        if not shuffle:
            return SequentialSampler(self.dataset)
        if self._numbers is not None:
            return RandomSampler(self.dataset, generator=self._numbers)
        return EpochSampler(self.dataset, self.seed)

    def __len__(self) -> int:
        if not is_iterable(self.dataset):
            return len(self.batch_sampler if self._batched else self.sampler)  # type: ignore
        count = len(self.dataset)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def _worker_seed(self) -> int:
        """What the seeds of the workers of this epoch begin from."""
        if self._numbers is not None:
            return int(self._numbers.integers(1 << 62))
        if self.seed is None:
            return drawn_seed()
        words = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)
        return int(words[0]) >> 2

    def __iter__(self) -> Iterator[Any]:
        fetcher = Fetcher(
            self.dataset, self.collate_fn, self._batched, self.batch_size, self.drop_last
        )
        order = self.batch_sampler if self._batched else self.sampler
        tasks = fetcher.tasks(() if order is None else order)
        seed = self._worker_seed() if self.num_workers else 0
        self.epoch += 1
        if self.num_workers:
            return self._from_workers(fetcher, tasks, seed)
        fetcher.restart()
        if self.num_workers == 0 or self.prefetch == 0:
            return self._one_by_one(fetcher, tasks)
        # What the order draws is drawn now, and not when the first batch is asked for.
        first = list(itertools.islice(tasks, self.prefetch))
        return self._from_thread(fetcher, first, tasks)

    def _one_by_one(self, fetcher: Fetcher, tasks: Iterator[Any]) -> Iterator[Any]:
        for task in tasks:
            batch = fetcher.fetch(task)
            if batch is End.END:
                return
            yield fetcher.finish(batch)

    def _from_thread(
        self, fetcher: Fetcher, first: list[Any], tasks: Iterator[Any]
    ) -> Iterator[Any]:
        thread, waiting = BackgroundThread(fetcher), len(first)
        try:
            for task in first:
                thread.give(task)
            while waiting:
                batch = thread.take()
                waiting -= 1
                if batch is End.END:
                    return
                for task in itertools.islice(tasks, 1):
                    thread.give(task)
                    waiting += 1
                yield fetcher.finish(batch)
        finally:
            thread.close()

    def _from_workers(self, fetcher: Fetcher, tasks: Iterator[Any], seed: int) -> Iterator[Any]:
        pool, ended = self._pool or self._new_pool(fetcher), not self.persistent_workers
        self._pool = None if ended else pool
        try:
            yield from pool.batches(tasks, seed)
        except (GeneratorExit, SupersededError):
            raise
        except BaseException:
            # Workers that failed are not used again.
            self._pool, ended = None, True
            raise
        finally:
            if ended:
                pool.close()

    def _new_pool(self, fetcher: Fetcher) -> WorkerPool:
        # Programs without workers need not wait for what these import.
        import multiprocessing

        from ._workers import WorkerPool

        context = self.multiprocessing_context
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context)
        return WorkerPool(
            fetcher,
            self.num_workers or 0,
            context,
            self.worker_init_fn,
            self.timeout,
            self.prefetch_factor or 2,
            self.in_order,
        )
