"""Checkpoints in parts, which any number of processes can load.

A folder has a file of the safetensors format from each process, with its part of each tensor, and
``index.json``, which is written last: a checkpoint without it is none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail
from .._errors import FileError
from .._files import load_safetensors, save_safetensors
from .._manipulation import concat
from ..optim import Optimizer
from ._fully_sharded import FullyShardedDataParallel, part_of, require_parts
from ._groups import Group, barrier
from ._objects import broadcast_object

_INDEX = "index.json"


def _file_of(member: int, members: int) -> str:
    return f"part-{member:05d}-of-{members:05d}.safetensors"


def _divided(
    module: FullyShardedDataParallel, optimizer: Optimizer | None
) -> dict[str, tuple[Tensor, int]]:
    """The parts of this process, with the numbers of elements of the whole; -1: not divided."""
    found: dict[str, tuple[Tensor, int]] = {}
    for piece, own in module.parts():
        name = piece.names[0]
        found[f"parameter.{name}"] = (own, piece.count)
        kept = {} if optimizer is None else optimizer.state.get(own, {})
        for key, tensor in kept.items():
            if isinstance(tensor, Tensor):
                count = piece.count if tensor.shape == own.shape else -1
                found[f"optimizer.{name}.{key}"] = (tensor, count)
    for name, buffer in module.module.named_buffers():
        found[f"buffer.{name}"] = (buffer, -1)
    return found


def save_checkpoint(
    folder: str | os.PathLike,
    module: FullyShardedDataParallel,
    optimizer: Optimizer | None = None,
    *,
    extra: Any = None,
) -> None:
    """Writes a divided module, and what its optimizer keeps, to a folder; all members call this.

    Args:
        folder: one that all processes see; it has no checkpoint yet.
        extra: what `json` takes, as the number of the step: that of member 0 is written.

    Raises:
        FileError: there is a checkpoint, or a file can't be written. UnsupportedError: the module
            is not divided. CommunicationError: a member does not come.
    """
    group = require_parts(module, "save_checkpoint").process_group
    place = Path(folder)
    problem = _guarded(lambda: _write_part(place, module, optimizer, group))
    _agree(problem, group)
    index = {
        "members": group.size,
        "extra": extra,
        "sizes": {name: count for name, (_, count) in _divided(module, optimizer).items()},
    }
    _agree(_guarded(lambda: _write_index(place, index)) if group.rank == 0 else "", group)


def _guarded(write: Any) -> str:
    try:
        write()
    except (OSError, TypeError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def _agree(problem: str, group: Group) -> None:
    """Raises the first member's problem in all of them."""
    from ._objects import all_gather_object

    problems = [text for text in all_gather_object(problem, group) if text]
    if problems:
        raise _fail(FileError, f"save_checkpoint: {problems[0]}")


def _write_part(
    place: Path, module: FullyShardedDataParallel, optimizer: Optimizer | None, group: Group
) -> None:
    if (place / _INDEX).exists():
        raise FileExistsError(f"{place} has a checkpoint already")
    place.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach()
        for name, (tensor, count) in _divided(module, optimizer).items()
        if count >= 0 or group.rank == 0
    }
    save_safetensors(tensors, place / _file_of(group.rank, group.size))


def _write_index(place: Path, index: dict[str, Any]) -> None:
    unfinished = place / (_INDEX + ".unfinished")
    unfinished.write_text(json.dumps(index))
    os.replace(unfinished, place / _INDEX)


def load_checkpoint(
    folder: str | os.PathLike,
    module: FullyShardedDataParallel,
    optimizer: Optimizer | None = None,
) -> Any:
    """Takes what any number of processes have written; all members call this.

    Args:
        folder: of `save_checkpoint`.
        module: divided as many processes as there are now.
        optimizer: of the same kind as the one that was written, made of this module's parameters.

    Returns:
        What was given as ``extra``.

    Raises:
        FileError: there is no whole checkpoint, or it is one of another module or optimizer;
            nothing is changed then.
    """
    group = require_parts(module, "load_checkpoint").process_group
    place = Path(folder)
    index = _read_index(place)
    files = _read_files(place, index)
    wanted = _divided(module, optimizer)
    parts = {
        name: _part(name, tensor, count, index, files, group)
        for name, (tensor, count) in wanted.items()
    }
    with no_grad():
        for name, (tensor, _) in wanted.items():
            tensor.assign(parts[name])
    barrier(group)
    return broadcast_object(index["extra"], 0, group)


def _read_index(place: Path) -> dict[str, Any]:
    try:
        index = json.loads((place / _INDEX).read_text())
        members, sizes = index["members"], index["sizes"]
        if not isinstance(members, int) or not isinstance(sizes, dict) or "extra" not in index:
            raise ValueError("it is no index of parts")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _fail(
            FileError, f"load_checkpoint: {place} has no whole checkpoint: {error}"
        ) from None
    return index


def _read_files(place: Path, index: dict[str, Any]) -> list[dict[str, Tensor]]:
    members = index["members"]
    return [load_safetensors(place / _file_of(i, members)) for i in range(members)]


def _part(
    name: str,
    like: Tensor,
    count: int,
    index: dict[str, Any],
    files: list[dict[str, Tensor]],
    group: Group,
) -> Tensor:
    """What this process keeps of one tensor."""
    if index["sizes"].get(name) != count:
        raise _fail(
            FileError,
            f"load_checkpoint: {name} has {index['sizes'].get(name)} elements in the checkpoint, "
            f"but {count} here (-1: it is not divided)",
        )
    holders = files if count >= 0 else files[:1]
    if any(name not in file for file in holders):
        raise _fail(FileError, f"load_checkpoint: a file has no {name}")
    if count < 0:
        found = holders[0][name]
    else:
        flat = concat([file[name] for file in holders])[:count]
        found = part_of(flat, group.rank, group.size)
    if found.shape != like.shape or found.dtype is not like.dtype:
        raise _fail(
            FileError,
            f"load_checkpoint: {name} is {found.dtype.name}{list(found.shape)}, but "
            f"{like.dtype.name}{list(like.shape)} is needed",
        )
    return found.clone()
