"""Tables and folders of pictures from files, by the libraries that read them elsewhere."""

from __future__ import annotations

import csv
import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._creation import _fail
from .._errors import NameUseError, OutOfBoundsError, UnsupportedError
from ._dataset import Dataset
from ._idx import CorruptFileError


def _library(name: str, package: str, what: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise _fail(
            UnsupportedError, f"{what} needs the package {package}: pip install {package}"
        ) from None


def _column(texts: list[str]) -> np.ndarray:
    """int64 if all are integers, float64 if all are numbers (nothing is NaN), else strings."""
    for kind in (np.int64, np.float64):
        try:
            numbers = [text or "nan" for text in texts] if kind is np.float64 else texts
            return np.array(numbers).astype(kind) if texts else np.array([], kind)
        except (ValueError, OverflowError):
            continue
    return np.array(texts)


def read_csv(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    *,
    delimiter: str = ",",
    header: bool = True,
    encoding: str = "utf-8",
) -> dict[str, np.ndarray]:
    """The columns of a CSV file by their names, each an array [rows].

    Columns of integers are int64, of numbers float64 (nothing is NaN), others strings.

    Args:
        columns: which ones, in this order; None: all.
        header: whether the first line has the names; else they are "0", "1", ...

    Raises:
        CorruptFileError: a row has another number of fields than the first, or two columns one
            name. NameUseError: there is no such column. OSError: the file can't be read.
    """
    with Path(path).open(newline="", encoding=encoding) as file:
        reader = csv.reader(file, delimiter=delimiter)
        rows: list[list[str]] = []
        for row in reader:
            if rows and row and len(row) != len(rows[0]):
                raise CorruptFileError(
                    f"{path}: line {reader.line_num} has {len(row)} fields, the first "
                    f"{len(rows[0])}"
                )
            if row:
                rows.append(row)
    if not rows:
        names = []
    elif header:
        names, rows = rows[0], rows[1:]
    else:
        names = [str(i) for i in range(len(rows[0]))]
    if len(set(names)) != len(names):
        raise CorruptFileError(f"{path}: two columns have one name: {', '.join(names)}")
    for name in columns or ():
        if name not in names:
            raise _fail(NameUseError, f"read_csv: no column {name!r} among {', '.join(names)}")
    return {
        name: _column([row[names.index(name)] for row in rows])
        for name in (names if columns is None else columns)
    }


def read_parquet(
    path: str | os.PathLike, columns: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The columns of a Parquet file by their names, each an array [rows], by pyarrow.

    Raises:
        UnsupportedError: pyarrow is not installed.
    """
    parquet = _library("pyarrow.parquet", "pyarrow", "read_parquet")
    table = parquet.read_table(path, columns=None if columns is None else list(columns))
    return {name: table[name].to_numpy() for name in table.column_names}


class ImageFolder(Dataset):
    """Pictures in a folder for each class: ``root/class/name.png``, in the order of the names.

    Samples are pairs of a picture, uint8 [3, H, W], or what ``transform`` makes of it, and the
    number of its class (int64), as torchvision's, but for the picture, which is an array.

    Args:
        root: the folder. transform: called with each picture. extensions: of pictures.

    Attributes:
        classes: the names of the folders, in order. samples: pairs of a path and a class number.

    Raises:
        CorruptFileError: there is no picture; when one is read: it is damaged. UnsupportedError:
            Pillow is not installed.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable[[np.ndarray], Any] | None = None,
        extensions: Sequence[str] = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".webp"),
    ) -> None:
        self.root, self.transform = Path(root), transform
        _library("PIL.Image", "pillow", "ImageFolder")
        self.classes = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        endings = tuple(ending.lower() for ending in extensions)
        self.samples = [
            (path, number)
            for number, name in enumerate(self.classes)
            for path in sorted((self.root / name).rglob("*"))
            if path.name.lower().endswith(endings) and path.is_file()
        ]
        if not self.samples:
            raise CorruptFileError(
                f"{self.root}: no folder in it has a picture ({', '.join(endings)})"
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> tuple[Any, np.int64]:
        if not -len(self) <= index < len(self):
            raise _fail(OutOfBoundsError, f"ImageFolder: {index} of {len(self)} pictures")
        path, number = self.samples[index]
        image = _library("PIL.Image", "pillow", "ImageFolder")
        try:
            with image.open(path) as opened:
                pixels = np.asarray(opened.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise CorruptFileError(f"{path}: is no picture: {error}") from error
        picture = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
        return picture if self.transform is None else self.transform(picture), np.int64(number)


class CIFAR10(Dataset):
    """Krizhevsky's small pictures (2009): 50,000 to train, 10,000 to test, of the binary files.

    Samples are pairs of a picture, uint8 [3, 32, 32], or what ``transform`` makes of it, and a
    class number (int64).

    Args:
        root: the folder of data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the one
            that has cifar-10-batches-bin. train: the training pictures, else those to test.
        transform: called with each picture.

    Attributes:
        data: the pictures, uint8 [N, 3, 32, 32]. targets: the class numbers, int64 [N].

    Raises:
        FileNotFoundError: there are no such files. CorruptFileError: they are damaged.
    """

    classes = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )

    #: A class number and the pixels.
    _RECORD = 1 + 3 * 32 * 32

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        self.transform = transform
        inner = Path(root) / "cifar-10-batches-bin"
        folder = inner if inner.is_dir() else Path(root)
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
        records = np.concatenate([self._read(folder / name) for name in names])
        self.targets = records[:, 0].astype(np.int64)
        self.data = records[:, 1:].reshape(-1, 3, 32, 32)

    def _read(self, path: Path) -> np.ndarray:
        data = np.fromfile(path, np.uint8)
        if data.size % self._RECORD:
            raise CorruptFileError(
                f"{path}: has {data.size} bytes, which are no whole records of {self._RECORD}"
            )
        records = data.reshape(-1, self._RECORD)
        if len(records) and records[:, 0].max() >= len(self.classes):
            raise CorruptFileError(
                f"{path}: picture {records[:, 0].argmax()} has the class {records[:, 0].max()}, "
                f"but classes are below {len(self.classes)}"
            )
        return records

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: Any) -> tuple[Any, np.int64]:
        picture = self.data[index]
        return picture if self.transform is None else self.transform(picture), self.targets[index]
