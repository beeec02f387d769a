"""The order in which samples are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from .. import random
from .._core import Tensor
from .._creation import _fail
from .._errors import DTypeError, OptionError


def drawn_seed() -> int:
    """A seed from the global generator of `weft.random`."""
    return int(random.randint(1 << 31))


def as_generator(generator: Any) -> np.random.Generator:
    """NumPy's generator for what an option ``generator`` may be.

    Args:
        generator: an integer (a seed), a key of `weft.random`, a generator of NumPy, which is used
            as it is, or None, which draws a seed by `weft.random`.

    Raises:
        DTypeError: it is anything else.
    """
    if generator is None:
        return np.random.default_rng(drawn_seed())
    if isinstance(generator, np.random.Generator):
        return generator
    if isinstance(generator, (int, np.integer)) and generator >= 0:
        return np.random.default_rng(int(generator))
    if isinstance(generator, Tensor) and generator.dtype.kind == "integer":
        return np.random.default_rng([int(word) & 0xFFFFFFFF for word in generator.tolist()])
    raise _fail(
        DTypeError,
        "generator has to be a seed of at least 0, a key of weft.random, a numpy.random.Generator "
        f"or None, not {generator!r}",
    )


def _check_count(owner: object, name: str, value: Any) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value <= 0:
        raise _fail(
            OptionError,
            f"{type(owner).__name__}: {name} has to be an integer of at least 1, not {value!r}",
        )


def _check_flag(owner: object, name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise _fail(OptionError, f"{type(owner).__name__}: {name} has to be a bool, not {value!r}")


class Sampler:
    """The numbers of samples in some order: subclasses define ``__iter__``, and may ``__len__``."""

    def __init__(self, data_source: Sized | None = None) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")


class SequentialSampler(Sampler):
    """All samples in their order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class _Random(Sampler):
    """Samplers that draw: an order of its own for each iteration."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator
        # A seed or key begins one sequence of orders, not each of them.
        self._numbers = None if generator is None else as_generator(generator)

    def _generator(self) -> np.random.Generator:
        return as_generator(None) if self._numbers is None else self._numbers


class RandomSampler(_Random):
    """Samples in random order.

    Args:
        data_source: how many there are.
        replacement: draws each anew from all samples, so that some come again.
        num_samples: how many are drawn; None: as many as there are. Without replacement all come
            once before one comes again.
        generator: a seed, a key of `weft.random`, a generator of NumPy, or None to draw a seed by
            `weft.random` in each iteration.

    Raises:
        OptionError: replacement is no bool, or num_samples no integer of at least 1. DTypeError:
            there is no such generator.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        super().__init__(generator)
        _check_flag(self, "replacement", replacement)
        if num_samples is not None:
            _check_count(self, "num_samples", num_samples)
        self.data_source, self.replacement = data_source, replacement
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many samples are drawn."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        count, wanted, numbers = len(self.data_source), self.num_samples, self._generator()
        if count == 0 and wanted:
            raise _fail(OptionError, f"{type(self).__name__}: there are no samples to draw from")
        if self.replacement:
            yield from numbers.integers(count, size=wanted).tolist()
            return
        while wanted > 0:
            yield from numbers.permutation(count)[:wanted].tolist()
            wanted -= count

    def __len__(self) -> int:
        return self.num_samples


class EpochSampler(RandomSampler):
    """All samples in random order, which a seed and the number of the iteration decide."""

    def __init__(self, data_source: Sized, seed: int | None) -> None:
        super().__init__(data_source)
        self.seed, self.epoch = seed, 0

    def _generator(self) -> np.random.Generator:
        if self.seed is None:
            self.seed = drawn_seed()
        self.epoch += 1
        return np.random.default_rng([self.seed, self.epoch - 1])


class SubsetRandomSampler(_Random):
    """Those samples that ``indices`` names, in random order.

    Args:
        indices: the numbers of samples.
        generator: see `RandomSampler`.

    Raises:
        DTypeError: there is no such generator.
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        super().__init__(generator)
        self.indices = indices

    def __iter__(self) -> Iterator[int]:
        for place in self._generator().permutation(len(self.indices)).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_Random):
    """Samples drawn with probabilities in proportion to weights.

    Args:
        weights: one for each sample, at least 0, 1-D.
        num_samples: how many are drawn.
        replacement: draws each from all samples; else from those that were not drawn yet.
        generator: see `RandomSampler`.

    Raises:
        OptionError: an option is out of range, the weights are not 1-D or all zero, one is negative
            or not finite, or more samples are wanted than have a weight. DTypeError: there is no
            such generator.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        super().__init__(generator)
        _check_count(self, "num_samples", num_samples)
        _check_flag(self, "replacement", replacement)
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1:
            raise _fail(
                OptionError,
                f"WeightedRandomSampler: weights have shape {self.weights.shape}, but have to be "
                "1-D",
            )
        usable = np.isfinite(self.weights).all() and (self.weights >= 0).all()
        if not usable or not self.weights.any():
            raise _fail(
                OptionError,
                "WeightedRandomSampler: weights have to be finite, at least 0 and not all 0",
            )
        if not replacement and np.count_nonzero(self.weights) < num_samples:
            raise _fail(
                OptionError,
                f"WeightedRandomSampler: {num_samples} samples can't be drawn without replacement "
                f"from {np.count_nonzero(self.weights)} that have a weight",
            )
        self.num_samples, self.replacement = num_samples, replacement

    def __iter__(self) -> Iterator[int]:
        drawn = self._generator().choice(
            len(self.weights),
            self.num_samples,
            self.replacement,
            self.weights / self.weights.sum(),
        )
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """The numbers that another sampler gives, in lists.

    Args:
        sampler: gives numbers of samples.
        batch_size: how many are in a list; the last one may have less.
        drop_last: leaves the last list out if it has less.

    Raises:
        OptionError: batch_size is no integer of at least 1, or drop_last no bool.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count(self, "batch_size", batch_size)
        _check_flag(self, "drop_last", drop_last)
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        while batch := list(itertools.islice(numbers, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


class DistributedSampler(Sampler):
    """One process's share of the samples: every ``num_replicas``-th of an order that all agree on.

    The order is drawn by the seed plus the number of the epoch, which `set_epoch` sets before each
    one; other numbers than PyTorch's. `weft.distributed` says how many processes there are.

    Args:
        dataset: how many samples there are.
        num_replicas: how many processes share them.
        rank: which of them this is, from 0.
        shuffle: draws the order; else it is that of the samples.
        seed: the same in all processes.
        drop_last: leaves out the last samples if they can't be shared evenly; else the first come
            again.

    Raises:
        OptionError: num_replicas is no integer of at least 1, the rank none below it, or the seed
            none of at least 0; or a flag is no bool.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int,
        rank: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        _check_count(self, "num_replicas", num_replicas)
        _check_flag(self, "shuffle", shuffle)
        _check_flag(self, "drop_last", drop_last)
        for name, value, most in (("rank", rank, num_replicas - 1), ("seed", seed, None)):
            is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not is_whole or value < 0 or (most is not None and value > most):
                limit = "at least 0" if most is None else f"0 to {most}"
                raise _fail(
                    OptionError,
                    f"DistributedSampler: {name} has to be an integer of {limit}, not {value!r}",
                )
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0

    @property
    def num_samples(self) -> int:
        """How many samples a process gets: all as many."""
        count = len(self.dataset)
        return count // self.num_replicas if self.drop_last else -(-count // self.num_replicas)

    @property
    def total_size(self) -> int:
        """How many samples all processes get together."""
        return self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        order = np.arange(count)
        if self.shuffle:
            order = np.random.default_rng(self.seed + self.epoch).permutation(count)
        mine = np.arange(self.rank, self.total_size, self.num_replicas) % max(count, 1)
        return iter(order[mine].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Sets the number of the epoch, which the order depends on."""
        self.epoch = epoch
