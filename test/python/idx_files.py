"""Writing the files that weft.data reads, for tests."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def idx(array: np.ndarray, code: int) -> bytes:
    """The bytes of an IDX file with the array's elements, of the type that ``code`` stands for."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_fashion(
    folder: Path, pictures: np.ndarray, labels: np.ndarray, part: str = "train"
) -> None:
    """The two files of one part of a data set like Fashion-MNIST: uint8 [N, 28, 28] and [N]."""
    (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(pictures, 8))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels, 8))
