"""Datasets: samples by number, and batches of them."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail, from_numpy
from .._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from ._idx import CorruptFileError, read_idx
from ._samplers import as_generator


class Dataset:
    """Samples by number: subclasses define ``__getitem__``, and ``__len__``.

    A subclass may define ``batch(indices)``, which returns the arrays of many samples at once, or
    ``__getitems__(indices)``, which returns a list of many samples; else samples are read one by
    one, and stacked. ``first + second`` has the samples of both.
    """

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__()")

    def __add__(self, other: Any) -> Any:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Samples one after the other: subclasses define ``__iter__``, and may ``__len__``.

    Each worker of a `DataLoader` iterates a copy of its own: by `get_worker_info` they share the
    samples out. ``first + second`` has the samples of one after those of the other.
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")

    def __add__(self, other: Any) -> Any:
        return ChainDataset([self, other])


def batch_function(dataset: Any) -> Callable[[np.ndarray], Any] | None:
    """The function that reads many samples of a dataset of Weft at once, if it has one."""
    return getattr(dataset, "batch", None) if isinstance(dataset, Dataset) else None


def _checked_index(index: int, count: int, name: str) -> int:
    if not -count <= index < count:
        raise IndexError(f"{name}: sample {index} is out of range for {count} samples")
    return index % count


class TensorDataset(Dataset):
    """The rows of tensors or arrays with one first dimension.

    Raises:
        ShapeError: there are no tensors, or their first dimensions differ.
    """

    def __init__(self, *tensors: Tensor | np.ndarray) -> None:
        self.arrays = [np.asarray(tensor) for tensor in tensors]
        sizes = {array.shape[:1] for array in self.arrays}
        if len(sizes) != 1 or sizes == {()}:
            shapes = ", ".join(str(array.shape) for array in self.arrays)
            raise _fail(
                ShapeError,
                f"TensorDataset: tensors with one first dimension are needed, "
                f"not of shapes {shapes or '(none)'}",
            )
        self.tensors = tuple(from_numpy(array) for array in self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        place = index
        if isinstance(index, (int, np.integer)):
            place = _checked_index(int(index), len(self), "TensorDataset")
        return tuple(tensor[place] for tensor in self.tensors)

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        """The rows at ``indices`` of each tensor."""
        return tuple(array[indices] for array in self.arrays)


class Subset(Dataset):
    """Those samples of a dataset that ``indices`` names."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[place] for place in index]]
        return self.dataset[self.indices[_checked_index(index, len(self), "Subset")]]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        places = [self.indices[_checked_index(index, len(self), "Subset")] for index in indices]
        many = getattr(self.dataset, "__getitems__", None)
        return many(places) if callable(many) else [self.dataset[place] for place in places]

    @property
    def batch(self) -> Callable[[np.ndarray], Any]:
        """Reads many samples at once, if the dataset can; else there is no such attribute."""
        whole = batch_function(self.dataset)
        if whole is None:
            raise AttributeError("the dataset has no batch()")
        return lambda chosen: whole(np.asarray(self.indices)[chosen])


class ConcatDataset(Dataset):
    """The samples of several datasets, those of one after those of the other.

    Raises:
        OptionError: there are no datasets. DTypeError: one is iterated, and has no samples by
            number.
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise _fail(OptionError, "ConcatDataset: there are no datasets")
        for number, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise _fail(
                    DTypeError,
                    f"ConcatDataset: number {number} is iterated, and has no samples by number; "
                    "use ChainDataset",
                )
        #: How many samples there are up to the end of each dataset.
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        place = _checked_index(index, len(self), "ConcatDataset")
        number = bisect.bisect_right(self.cumulative_sizes, place)
        before = self.cumulative_sizes[number - 1] if number else 0
        return self.datasets[number][place - before]


class ChainDataset(IterableDataset):
    """The samples of several datasets that are iterated, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _each(self) -> Iterator[Any]:
        for number, dataset in enumerate(self.datasets):
            if not hasattr(dataset, "__iter__"):
                raise _fail(
                    DTypeError,
                    f"ChainDataset: number {number} can't be iterated; use ConcatDataset",
                )
            yield dataset

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._each():
            yield from dataset

    def __len__(self) -> int:
        return sum(map(len, self._each()))


class StackDataset(Dataset):
    """Samples that are tuples, or dicts, of those of several datasets at the same place.

    Args:
        args: the datasets, for tuples; or
        kwargs: the datasets by name, for dicts.

    Raises:
        OptionError: there are no datasets, or both kinds. ShapeError: their lengths differ.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise _fail(
                OptionError, "StackDataset: give datasets, by position or by name but not both"
            )
        self.datasets: Any = args or kwargs
        sizes = [len(dataset) for dataset in (args or kwargs.values())]
        if len(set(sizes)) != 1:
            raise _fail(ShapeError, f"StackDataset: datasets have different lengths, {sizes}")
        self._length = sizes[0]

    def __len__(self) -> int:
        return self._length

    def _joined(self, parts: Iterable[Any]) -> Any:
        named = isinstance(self.datasets, dict)
        return dict(zip(self.datasets, parts, strict=True)) if named else tuple(parts)

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def __getitem__(self, index: Any) -> Any:
        return self._joined(dataset[index] for dataset in self._parts())

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        columns = []
        for number, dataset in enumerate(self._parts()):
            many = getattr(dataset, "__getitems__", None)
            items = many(indices) if callable(many) else [dataset[index] for index in indices]
            if len(items) != len(indices):
                raise _fail(
                    ShapeError,
                    f"StackDataset: number {number} gave {len(items)} samples for "
                    f"{len(indices)} places",
                )
            columns.append(items)
        return [self._joined(parts) for parts in zip(*columns, strict=True)]


def _split_sizes(count: int, lengths: Sequence[float]) -> list[int]:
    """The sizes of the parts of a split; of fractions what is left over goes one by one."""
    total = sum(lengths)
    if not (math.isclose(total, 1) and total <= 1):
        return [int(length) for length in lengths]
    if any(not 0 <= fraction <= 1 for fraction in lengths):
        raise _fail(OptionError, f"random_split: fractions have to be in [0, 1], not {lengths}")
    sizes = [math.floor(count * fraction) for fraction in lengths]
    for place in range(count - sum(sizes)):
        sizes[place % len(sizes)] += 1
    return sizes


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Parts of a dataset with random samples, each in one of them.

    Args:
        dataset: has ``__len__`` and ``__getitem__``.
        lengths: the sizes of the parts, or fractions whose sum is 1.
        generator: a seed, a key of `weft.random`, a generator of NumPy, or None to draw a seed by
            `weft.random`.

    Raises:
        OptionError: the sizes are not those of all samples, or a fraction is out of range.
    """
    sizes = _split_sizes(len(dataset), lengths)
    if sum(sizes) != len(dataset) or min(sizes, default=0) < 0:
        raise _fail(
            OptionError,
            f"random_split: sizes {sizes} make {sum(sizes)}, but there are {len(dataset)} samples",
        )
    order = as_generator(generator).permutation(len(dataset)).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


class FashionMNIST(Dataset):
    """Zalando's pictures of clothes (Xiao et al., 2017): 60,000 to train, 10,000 to test.

    Samples are pairs of a picture, float32 [1, 28, 28] in [0, 1], and a class number (int64).

    Args:
        root: the folder of the four IDX files, as Debian's package dataset-fashion-mnist puts them.
        train: the training pictures, else those to test.
        transform: called with each picture, or with those of a batch [N, 1, 28, 28] (NumPy arrays).
        download: must not be True: nothing is downloaded.

    Attributes:
        data: the pictures, uint8 [N, 28, 28]. targets: the class numbers, int64 [N].
        classes: the names of the ten classes.

    Raises:
        FileNotFoundError: there are no such files. CorruptFileError: they are damaged.
    """

    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )

    def __init__(
        self,
        root: str | Path = "/usr/share/datasets/fashion-mnist",
        train: bool = True,
        transform: Callable[[np.ndarray], Any] | None = None,
        download: bool = False,
    ) -> None:
        if download:
            raise _fail(
                UnsupportedError,
                "FashionMNIST: nothing is downloaded; install the Debian "
                "package dataset-fashion-mnist",
            )
        self.transform = transform
        part = "train" if train else "t10k"
        pictures = self._find(Path(root), f"{part}-images-idx3-ubyte")
        labels = self._find(Path(root), f"{part}-labels-idx1-ubyte")
        self._pictures, classes = read_idx(pictures), read_idx(labels)
        self._check(pictures, self._pictures, (28, 28))
        self._check(labels, classes, ())
        if len(self._pictures) != len(classes):
            raise CorruptFileError(
                f"{labels}: has {len(classes)} labels, but {pictures.name} has "
                f"{len(self._pictures)} pictures"
            )
        if len(classes) and classes.max() >= len(self.classes):
            raise CorruptFileError(
                f"{labels}: label {classes.argmax()} is {classes.max()}, but "
                f"classes are below {len(self.classes)}"
            )
        self._labels = classes.astype(np.int64)
        self.data, self.targets = from_numpy(self._pictures), from_numpy(self._labels)

    @staticmethod
    def _find(root: Path, name: str) -> Path:
        for path in (root / f"{name}.gz", root / name):
            if path.exists():
                return path
        raise FileNotFoundError(
            f"{root / name}.gz is missing: install the Debian package "
            "dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or "
            "give the folder of the files as root"
        )

    @staticmethod
    def _check(path: Path, array: np.ndarray, shape: tuple[int, ...]) -> None:
        if array.dtype != np.uint8 or array.shape[1:] != shape or array.ndim != 1 + len(shape):
            wanted = " x ".join(["N", *map(str, shape)])
            raise CorruptFileError(
                f"{path}: an array of {wanted} bytes was expected, but the file "
                f"has {array.dtype} of shape {array.shape}"
            )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        place = _checked_index(index, len(self), "FashionMNIST")
        pictures, labels = self.batch(np.array([place]))
        return (pictures[0] if self.transform else from_numpy(pictures[0])), int(labels[0])

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures, float32 [n, 1, 28, 28], and class numbers, int64 [n]."""
        pictures = self._pictures[indices][:, None].astype(np.float32) / np.float32(255)
        if self.transform:
            pictures = self.transform(pictures)
        return pictures, self._labels[indices]
