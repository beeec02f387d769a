"""Checkpoints in parts, which any number of processes can load.

A folder has a file of the safetensors format from each process, with its part of each tensor that
is divided, and ``index.json``, which is written last: a checkpoint without it is none. What all
processes have is in the first one's file. Whether a tensor is divided may differ between the
program that writes and the one that reads.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail
from .._errors import FileError, WeftError
from .._files import load_safetensors, save_safetensors
from .._manipulation import concat, reshape
from ..nn import Module
from ..optim import Optimizer
from ._data_parallel import DistributedDataParallel
from ._fully_sharded import FullyShardedDataParallel, part_of
from ._groups import Group, require_group
from ._objects import all_gather_object, broadcast_object
from ._sharded_optimizer import ZeroRedundancyOptimizer

_INDEX = "index.json"
_Result = TypeVar("_Result")


def _file_of(member: int, members: int) -> str:
    return f"part-{member:05d}-of-{members:05d}.safetensors"


def _group_of(module: Module, name: str) -> Group:
    """The processes that have a module together."""
    if isinstance(module, (FullyShardedDataParallel, DistributedDataParallel)):
        return require_group(module.process_group, name)
    return require_group(None, name)


def _kept(optimizer: Optimizer | None, parameter: Tensor) -> tuple[dict[str, Any], Tensor]:
    """What an optimizer keeps for a parameter, and the tensor that it is like."""
    if isinstance(optimizer, ZeroRedundancyOptimizer):
        part = optimizer.part(parameter)
        return optimizer.state.get(part, {}), part
    return ({} if optimizer is None else optimizer.state.get(parameter, {})), parameter


def _parameters(module: Module) -> list[tuple[str, Tensor, int, bool]]:
    """Names, tensors, their numbers of elements in the whole, and whether they are divided."""
    if isinstance(module, FullyShardedDataParallel):
        return [(piece.names[0], own, piece.count, True) for piece, own in module.parts()]
    return [
        (name, parameter, math.prod(parameter.shape), False)
        for name, parameter in module.named_parameters()
    ]


def _contents(module: Module, optimizer: Optimizer | None) -> dict[str, tuple[Tensor, int]]:
    """What this process has, with the numbers of elements of the whole; -1: it is not divided."""
    inner = module.module if isinstance(module, DistributedDataParallel) else module
    found: dict[str, tuple[Tensor, int]] = {}
    for name, own, count, is_divided in _parameters(inner):
        found[f"parameter.{name}"] = (own, count if is_divided else -1)
        kept, like = _kept(optimizer, own)
        is_part = is_divided or like is not own
        for key, tensor in kept.items():
            if isinstance(tensor, Tensor):
                has_elements = is_part and tensor.shape == like.shape
                found[f"optimizer.{name}.{key}"] = (tensor, count if has_elements else -1)
    whole = inner.module if isinstance(inner, FullyShardedDataParallel) else inner
    for name, buffer in whole.named_buffers():
        found[f"buffer.{name}"] = (buffer, -1)
    return found


def save_checkpoint(
    folder: str | os.PathLike,
    module: Module,
    optimizer: Optimizer | None = None,
    *,
    extra: Any = None,
) -> None:
    """Writes a module, and what its optimizer keeps, to a folder; all members call this.

    Args:
        folder: one that all processes see; it has no checkpoint yet.
        module: divided, or one that all processes have, `DistributedDataParallel` or not.
        extra: what `json` takes, as the number of the step: that of member 0 is written.

    Raises:
        FileError: there is a checkpoint, or a file can't be written. CommunicationError: a member
            does not come.
    """
    group = _group_of(module, "save_checkpoint")
    place = Path(folder)
    _together(lambda: _write_part(place, module, optimizer, group), group, "save_checkpoint")
    index = {
        "members": group.size,
        "extra": extra,
        "sizes": {name: count for name, (_, count) in _contents(module, optimizer).items()},
    }
    last = (lambda: _write_index(place, index)) if group.rank == 0 else (lambda: None)
    _together(last, group, "save_checkpoint")


def _together(action: Callable[[], _Result], group: Group, name: str) -> _Result:
    """What an action of each member gives; its error in one is one in all, before they go on."""
    result: Any = None
    problem: Exception | None = None
    try:
        result = action()
    except Exception as error:
        problem = error
    said = "" if problem is None else str(problem) or type(problem).__name__
    texts = all_gather_object(said, group)
    if isinstance(problem, WeftError):
        raise problem
    if problem is not None:
        raise _fail(FileError, f"{name}: {said}") from problem
    for member, text in enumerate(texts):
        if text:
            raise _fail(FileError, f"{name}: member {member} says: {text}")
    return result


def _write_part(place: Path, module: Module, optimizer: Optimizer | None, group: Group) -> None:
    if (place / _INDEX).exists():
        raise FileExistsError(f"{place} has a checkpoint already")
    place.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach()
        for name, (tensor, count) in _contents(module, optimizer).items()
        if count >= 0 or group.rank == 0
    }
    save_safetensors(tensors, place / _file_of(group.rank, group.size))


def _write_index(place: Path, index: dict[str, Any]) -> None:
    unfinished = place / (_INDEX + ".unfinished")
    unfinished.write_text(json.dumps(index))
    os.replace(unfinished, place / _INDEX)


def load_checkpoint(
    folder: str | os.PathLike,
    module: Module,
    optimizer: Optimizer | None = None,
) -> Any:
    """Takes what any number of processes have written; all members call this.

    Args:
        folder: of `save_checkpoint`.
        module: of the same parameters as the one that was written, divided or not.
        optimizer: of the same kind as the one that was written, made of this module's parameters,
            divided or not.

    Returns:
        What was given as ``extra``.

    Raises:
        FileError: for one of the members there is no whole checkpoint, or it is one of another
            module or optimizer; nothing is changed then, in any of them.
    """
    group = _group_of(module, "load_checkpoint")
    place = Path(folder)
    wanted = _contents(module, optimizer)

    def read() -> tuple[dict[str, Any], dict[str, Tensor]]:
        index = _read_index(place)
        files = _read_files(place, index)
        return index, {
            name: _part(name, tensor, count, index, files, group)
            for name, (tensor, count) in wanted.items()
        }

    index, parts = _together(read, group, "load_checkpoint")
    with no_grad():
        for name, (tensor, _) in wanted.items():
            tensor.assign(parts[name])
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
    stored = index["sizes"].get(name)
    holders = files if stored is not None and stored >= 0 else files[:1]
    if stored is None or any(name not in file for file in holders):
        raise _fail(FileError, f"load_checkpoint: the checkpoint has no {name}")
    found = concat([file[name] for file in holders])[:stored] if stored >= 0 else holders[0][name]
    elements = math.prod(found.shape)
    if count < 0 and stored >= 0 and elements == math.prod(like.shape):
        found = reshape(found, like.shape)
    if count >= 0 and elements == count:
        found = part_of(reshape(found, (-1,)), group.rank, group.size)
    if found.shape != like.shape or found.dtype is not like.dtype:
        raise _fail(
            FileError,
            f"load_checkpoint: {name} is {found.dtype.name}{list(found.shape)} in the checkpoint, "
            f"but {like.dtype.name}{list(like.shape)} is needed",
        )
    return found.clone()


def last_checkpoint(folder: str | os.PathLike, group: Group | None = None) -> str | None:
    """The checkpoint to go on from: of the folders in ``folder`` that have a whole one, that with
    the largest number at the end of its name, as ``step-300``. All members call this, and get the
    same: what member 0 sees.

    Returns:
        Its path; None if there is none.

    Raises:
        CommunicationError: a member does not come.
    """
    chosen = require_group(group, "last_checkpoint")
    return broadcast_object(_last_in(Path(folder)) if chosen.rank == 0 else None, 0, chosen)


def _last_in(folder: Path) -> str | None:
    numbered = [
        (int(number[0]), str(index.parent))
        for index in folder.glob(f"*/{_INDEX}")
        if (number := re.search(r"\d+$", index.parent.name))
    ]
    return max(numbered)[1] if numbered else None
