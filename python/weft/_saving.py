"""Containers of tensors in files, and files read by what is in them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._core import Tensor
from ._creation import _fail, asarray
from ._errors import DTypeError, FileError
from ._export import Exported, load_program
from ._files import load_safetensors, save_safetensors
from ._paths import file_path

#: The tensor of bytes that says how the others are nested, where they are.
_STRUCTURE = "weft.structure"

#: How files of other kinds begin, and what to do with them.
_OTHER_FILES = {
    b"PK\x03\x04": "is a file of PyTorch's (or another archive); read it by torch.load and give "
    "its tensors to load_state_dict, which takes them",
    b"\x80": "is a pickle; read it by pickle.load, if you trust whom it comes from",
}


class _Nest:
    """A nested container taken apart: its tensors by names, and JSON of the rest."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def taken(self, value: Any, path: str) -> Any:
        """What stands for a value in the structure."""
        if isinstance(value, (Tensor, np.ndarray, np.generic)):
            name = path or "tensor"
            while name in self.tensors or name == _STRUCTURE:
                name += "_"
            self.tensors[name] = asarray(value)
            return {"tensor": name}
        if value is None or isinstance(value, (bool, int, float, str)):
            return {"value": value}
        if isinstance(value, Mapping):
            if not all(isinstance(key, (str, int)) for key in value):
                raise _fail(
                    DTypeError, f"save: the keys of {path!r} are not all strings or integers"
                )
            items = [[key, self.taken(item, _joined(path, key))] for key, item in value.items()]
            return {"dict": items}
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [self.taken(item, _joined(path, i)) for i, item in enumerate(value)]}
        raise _fail(
            DTypeError,
            f"save: {path!r} is a {type(value).__name__}, but files hold tensors, numbers, "
            "strings, None, and dicts, lists and tuples of them; of a module or an optimizer save "
            "its state_dict(), and anything else by pickle.dump, which takes tensors",
        )


def _joined(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def save(obj: Any, f: str | os.PathLike) -> None:
    """Writes tensors to a file, whole or not at all: `weft.load` reads them.

    The file is of the safetensors format. Of a dict of names and tensors, as `Module.state_dict`
    gives it, it holds just these, as `weft.save_safetensors` writes them; of nested containers also
    how they are nested.

    Args:
        obj: dicts, lists and tuples of tensors, numbers, strings and None.
        f: the path of the file.

    Raises:
        DTypeError: there is something else in it. FileError: the file can't be written.
    """
    is_plain = isinstance(obj, Mapping) and all(
        isinstance(k, str) and k != _STRUCTURE and isinstance(v, Tensor) for k, v in obj.items()
    )
    if is_plain and obj:
        save_safetensors(obj, f)
        return
    nest = _Nest()
    structure = json.dumps(nest.taken(obj, ""), separators=(",", ":"))
    text = np.frombuffer(structure.encode("utf-8", "surrogatepass"), np.uint8)
    save_safetensors({**nest.tensors, _STRUCTURE: asarray(text, copy=True)}, f)


def _made(structure: Any, tensors: dict[str, Tensor]) -> Any:
    ((kind, content),) = structure.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _made(item, tensors) for key, item in content}
    if kind in ("list", "tuple"):
        items = [_made(item, tensors) for item in content]
        return items if kind == "list" else tuple(items)
    if kind == "value":
        return content
    raise ValueError


def _load_tensors(path: str | os.PathLike, map_location: object) -> Any:
    tensors = load_safetensors(path)
    structure = tensors.pop(_STRUCTURE, None)
    if map_location is not None:
        tensors = {name: tensor.to(map_location) for name, tensor in tensors.items()}
    if structure is None:
        return tensors
    try:
        return _made(json.loads(bytes(structure.numpy()).decode("utf-8", "surrogatepass")), tensors)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _fail(
            FileError, f"{os.fspath(path)!r}: the file does not say properly how it is nested"
        ) from None


def load(f: str | os.PathLike, map_location: object = None, *, weights_only: bool = True) -> Any:
    """What a file holds, told by its content: a program that `Exported.save` wrote, as `Exported`;
    or tensors, in the containers that `weft.save` was given, or in a dict by their names.

    Weights and tensors are mapped, not copied: the file must not be changed while they are in use,
    but may be replaced.

    Args:
        f: the path of the file.
        map_location: the device that tensors are moved to; None: they stay on the host.
        weights_only: changes nothing: reading a file runs nothing that is in it.

    Raises:
        FileError: there is no such file, it is damaged, of another version of the format, or of
            another kind. UnsupportedError: there is no such device.
    """
    path = file_path(f)
    try:
        # A pipe would wait for who writes it.
        with open(
            path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)
        ) as file:
            status = os.fstat(file.fileno())
            start, size = file.read(9) if stat.S_ISREG(status.st_mode) else b"", status.st_size
    except OSError:
        start, size = b"", 0
    for beginning, advice in _OTHER_FILES.items():
        if start.startswith(beginning):
            raise _fail(FileError, f"{os.fsdecode(path)} {advice}")
    # Of safetensors: how long the header of JSON is, and where that begins.
    if len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= size:
        return _load_tensors(f, map_location)
    program: Exported = load_program(path)
    return program


__all__ = ["load", "save"]
