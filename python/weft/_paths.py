"""Paths of files, as the compiler takes them."""

from __future__ import annotations

import os

from ._creation import _fail
from ._errors import FileError


def file_path(path: str | bytes | os.PathLike) -> bytes:
    """The path as the system has it: names of files need not be UTF-8.

    Raises:
        FileError: it has a zero byte, where a name would end. TypeError: it is no path.
    """
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise _fail(FileError, f"{path!r}: a path has no zero byte in it")
    return encoded
