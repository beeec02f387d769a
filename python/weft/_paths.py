"""Paths of files, as the compiler takes them, and files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

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


@contextmanager
def written(
    path: str | os.PathLike, what: str, mode: str = "w", folders: bool = False
) -> Iterator[IO[Any]]:
    """A file to write to, which takes the path's place once all is written.

    Args:
        path: links are followed; a device or a pipe is written to itself.
        what: what is written, in errors.
        mode: of `open`.
        folders: whether folders that are not there are made.

    Raises:
        FileError: it can't be written; what was there before is as it was.
    """
    encoding = None if "b" in mode else "utf-8"
    temporary = None
    try:
        target = Path(os.path.realpath(os.fsdecode(file_path(path))))
        if folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            with open(target, mode, encoding=encoding) as file:
                yield file
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
        before = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, before)
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _fail(FileError, f"{what} can't be written to {path!s}: {reason}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _umask() -> int:
    """What a new file's permissions leave out, read where no other thread is disturbed."""
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Umask")).split()[1], 8)
    return 0o022
