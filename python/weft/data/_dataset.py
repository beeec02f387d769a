"""Datasets: samples by number, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail, from_numpy
from .._errors import ShapeError, UnsupportedError
from ._idx import CorruptFileError, read_idx


class Dataset:
    """Samples by number: subclasses define ``__len__`` and ``__getitem__``.

    A subclass may define ``batch(indices)``, which returns the arrays of many samples at once; else
    samples are stacked.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__()")


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

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        place = _checked_index(index, len(self), "TensorDataset")
        return tuple(tensor[place] for tensor in self.tensors)

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        """The rows at ``indices`` of each tensor."""
        return tuple(array[indices] for array in self.arrays)


class Subset(Dataset):
    """Those samples of a dataset that ``indices`` names."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, np.int64)
        if hasattr(dataset, "batch"):
            self.batch = lambda chosen: dataset.batch(self.indices[chosen])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[_checked_index(index, len(self), "Subset")])]


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
