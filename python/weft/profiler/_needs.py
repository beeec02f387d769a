"""Packages that only some functions here need, and files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import IO, Any

from .._creation import _fail
from .._errors import FileError, UnsupportedError
from .._paths import file_path


def needed(module: str, what: str) -> Any:
    """A module of another package.

    Raises:
        UnsupportedError: the package is not there; says what needs it, and how to get it.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise _fail(
            UnsupportedError, f"{what} needs the package {package}: pip install {package} ({error})"
        ) from error


def printed(what: Any, width: int = 130) -> str:
    """What rich prints of a table, as text without colours."""
    console = needed("rich.console", "a table")
    text = StringIO()
    console.Console(file=text, width=width, color_system=None).print(what)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def plain(text: str) -> Any:
    """Text as rich prints it, brackets and backslashes too, which it may take for a style."""
    return needed("rich.text", "a table").Text(text)


@contextmanager
def written(path: str | os.PathLike, what: str, mode: str = "w") -> Iterator[IO[Any]]:
    """A file to write to, which takes the path's place once all is written.

    Raises:
        FileError: it can't be written; what was there before is as it was.
    """
    target = Path(os.fsdecode(file_path(path)))
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise _fail(FileError, f"{what} can't be written to {target}: {error}") from error
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
