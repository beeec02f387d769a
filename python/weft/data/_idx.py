"""Reading arrays from IDX files, the format of MNIST and its relatives."""

from __future__ import annotations

import gzip
import math
import os
import sys
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .._errors import WeftError

#: Type codes, and the dtypes they mean: all numbers are big-endian.
_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 24


class CorruptFileError(WeftError, ValueError):
    """A data file that is not what its format says: the file, the offset and what was expected."""


class _Reader:
    """Reads a file, gzip or not, and says where it is when it fails."""

    def __init__(self, path: Path, stream: BinaryIO, compressed: bool) -> None:
        self.path, self.stream, self.compressed = path, stream, compressed
        self.offset = 0

    def fail(self, message: str) -> CorruptFileError:
        where = "uncompressed data" if self.compressed else "file"
        return CorruptFileError(f"{self.path}: at byte {self.offset} of the {where}: {message}")

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; less only at the end of the file."""
        parts: list[bytes] = []
        remaining = count
        while remaining:
            try:
                part = self.stream.read(min(remaining, _CHUNK))
            except EOFError:
                raise self.fail(
                    "the gzip stream ends before its end mark: the file is truncated"
                ) from None
            except (gzip.BadGzipFile, zlib.error) as error:
                raise self.fail(f"the gzip stream is damaged ({error})") from None
            if not part:
                break
            parts.append(part)
            self.offset += len(part)
            remaining -= len(part)
        return b"".join(parts)

    def expect(self, count: int, what: str) -> bytes:
        start = self.offset
        data = self.read(count)
        if len(data) != count:
            self.offset = start
            raise self.fail(f"{what} needs {count} bytes, but only {len(data)} are left")
        return data


def _header(reader: _Reader) -> tuple[np.dtype, tuple[int, ...]]:
    magic = reader.expect(4, "the magic number")
    reader.offset = 0
    if magic[:2] != b"\0\0":
        raise reader.fail(f"an IDX file starts with two zero bytes, not {magic[:2].hex(' ')}")
    if magic[2] not in _DTYPES:
        known = ", ".join(f"{code:#04x}" for code in _DTYPES)
        raise reader.fail(f"the type code has to be one of {known}, not {magic[2]:#04x}")
    if magic[3] == 0:
        raise reader.fail("the number of dimensions has to be at least 1, not 0")
    reader.offset = 4
    sizes = np.frombuffer(reader.expect(4 * magic[3], f"the sizes of {magic[3]} dimensions"), ">u4")
    return np.dtype(_DTYPES[magic[2]]), tuple(int(size) for size in sizes)


def _array(reader: _Reader) -> np.ndarray:
    dtype, shape = _header(reader)
    needed = math.prod(shape) * dtype.itemsize
    text = " x ".join(map(str, shape))
    if needed > sys.maxsize:
        raise reader.fail(f"an array of {text} elements is larger than memory can be")
    if not reader.compressed:
        left = os.fstat(reader.stream.fileno()).st_size - reader.offset
        if left < needed:
            raise reader.fail(f"{text} elements need {needed} bytes, but only {left} are left")
    data = reader.expect(needed, f"the data of {text} elements")
    if reader.read(1):
        reader.offset -= 1
        raise reader.fail(f"the file should end after its {text} elements, but goes on")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array in an IDX file, gzip-compressed or not.

    Returns:
        An array of the file's shape and dtype (uint8, int8, int16, int32, float32 or float64).

    Raises:
        CorruptFileError: the file is no IDX file, truncated or damaged; the message names the file,
            the offset and what was expected. OSError: it can't be read.
    """
    path = Path(path)
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            return _array(_Reader(path, raw, False))
        with gzip.GzipFile(fileobj=raw) as stream:
            return _array(_Reader(path, stream, True))  # type: ignore[arg-type]
