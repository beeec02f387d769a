"""Named tensors in files of the safetensors format, which other libraries read and write too."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import _core
from ._core import Tensor
from ._creation import _fail, asarray
from ._errors import DTypeError, FileError
from ._paths import file_path


def load_safetensors(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a file, for `Module.load_state_dict` or any other use.

    Their memory is that of the file, which must not be changed while they are in use; replacing it
    by another file does no harm.

    Raises:
        FileError: there is no such file, it is damaged, or has a dtype that weft does not have.
        OutOfMemoryError: a size overflows.
    """
    return _core.load_safetensors(file_path(path))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def save_safetensors(tensors: Mapping[str, Tensor], path: str | os.PathLike) -> None:
    """Writes tensors, such as those of `Module.state_dict`, to a file, whole or not at all.

    Raises:
        FileError: the file can't be written, or a name is "__metadata__", which is the file's own.
        DTypeError: a name is no string.
    """
    for name in tensors:
        if not isinstance(name, str):
            raise _fail(DTypeError, f"save_safetensors: the name {name!r} is no string")
        if not _is_text(name):
            raise _fail(FileError, f"save_safetensors: the name {name!r} can't be written as UTF-8")
    arrays = {name: asarray(value) for name, value in tensors.items()}
    _core.save_safetensors(arrays, file_path(path))
