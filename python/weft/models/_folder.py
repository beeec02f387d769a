"""Checkpoints in folders: config.json, and weights in safetensors files, one or several."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import weft

from .. import _core
from .._creation import _fail
from .._errors import FileError
from .._paths import file_path

#: More than any file of settings or any list of weights has.
_MOST_BYTES = 1 << 26
_CONFIG, _WEIGHTS, _INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"

#: Weights in forms that are not read, and why.
_OTHER_FORMS = {
    "pytorch_model.bin": "is a pickle, and reading one runs the code that is in it",
    "pytorch_model.bin.index.json": "names pickles, and reading one runs the code that is in it",
    "tf_model.h5": "is TensorFlow's",
    "flax_model.msgpack": "is Flax's",
}


def as_folder(folder: str | os.PathLike) -> Path:
    """The folder. Raises FileError if there is none: nothing is downloaded."""
    path = Path(os.fsdecode(file_path(folder)))
    if not path.is_dir():
        raise _fail(
            FileError,
            f"{str(path)!r} is no folder: weft.models reads local folders and downloads nothing; "
            "put the checkpoint's files (config.json, model.safetensors) there",
        )
    return path


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises FileError if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        found = json.loads(content)
    except FileNotFoundError:
        raise _fail(FileError, f"{path.parent} has no {path.name}") from None
    except OSError as error:
        raise _fail(FileError, f"{path}: {error.strerror}") from None
    except RecursionError:
        raise _fail(FileError, f"{path} is no JSON: it is nested too deeply") from None
    except ValueError as error:
        raise _fail(FileError, f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise _fail(FileError, f"{path} has to be a JSON object, not a {type(found).__name__}")
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint."""
    return read_json(folder / _CONFIG)


def read_tensors(folder: Path) -> dict[str, weft.Tensor]:
    """All weights by their names, whose memory is that of the files.

    Raises:
        FileError: there are none, or only such that are not read; a file is damaged; the index
        names a file outside of the folder, or a tensor that its file does not have.
    """
    if (folder / _WEIGHTS).is_file():
        return _core.load_safetensors(file_path(folder / _WEIGHTS))
    if (folder / _INDEX).is_file():
        return _shards(folder)
    raise no_weights(folder)


def require_weights(folder: Path) -> None:
    """Raises FileError unless there are weights in safetensors files, whole ones."""
    read_tensors(folder)


def no_weights(folder: Path) -> Exception:
    """The error for a folder without safetensors files."""
    for name, reason in _OTHER_FORMS.items():
        if (folder / name).exists():
            return _fail(
                FileError,
                f"{folder / name} {reason}; where you trust it, write the weights anew: "
                f"transformers.AutoModel.from_pretrained(folder).save_pretrained(another)",
            )
    return _fail(FileError, f"{folder} has neither {_WEIGHTS} nor {_INDEX}")


def _shards(folder: Path) -> dict[str, weft.Tensor]:
    index = folder / _INDEX
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise _fail(FileError, f"{index} has no weight_map")
    files: dict[str, dict[str, weft.Tensor]] = {}
    result = {}
    for name, file in places.items():
        if not _is_plain_name(file):
            raise _fail(
                FileError,
                f"{index}: the file of {name} has to be the name of a .safetensors file beside it, "
                f"not {file!r}",
            )
        if file not in files:
            files[file] = _core.load_safetensors(file_path(folder / file))
        if name not in files[file]:
            raise _fail(FileError, f"{folder / file} has no {name}, which {_INDEX} says it has")
        result[name] = files[file][name]
    return result


def _is_plain_name(file: Any) -> bool:
    return (
        isinstance(file, str)
        and file.endswith(".safetensors")
        and "\\" not in file
        and "\0" not in file
        and Path(file).name == file
    )
