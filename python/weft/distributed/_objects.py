"""Python's objects, for all processes: settings, names, shapes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from .. import _core
from .._creation import _fail, asarray
from .._errors import UnsupportedError
from ._groups import Group, require_group, tells_refusals
from ._operations import all_gather, broadcast


def _require_no_trace(name: str) -> None:
    if _core.is_tracing():
        raise _fail(
            UnsupportedError, f"{name}: objects are no part of compiled functions; call it outside"
        )


@tells_refusals
def broadcast_object(value: Any = None, root: int = 0, group: Group | None = None) -> Any:
    """The object that member ``root`` gives, for all members; what others give does not count.

    Args:
        value: anything that `pickle` takes, and all processes know the types of.

    Raises:
        CommunicationError: a member does something else.
    """
    _require_no_trace("broadcast_object")
    chosen = require_group(group, "broadcast_object")
    data = pickle.dumps(value) if chosen.rank == root else b""
    length = int(broadcast(asarray(len(data), dtype="int64"), root, chosen))
    room = np.zeros(length, np.uint8)
    if data:
        room[:] = np.frombuffer(data, np.uint8)
    return pickle.loads(np.asarray(broadcast(asarray(room), root, chosen)).tobytes())


@tells_refusals
def all_gather_object(value: Any, group: Group | None = None) -> list[Any]:
    """The objects of all members, in their order; see `broadcast_object`."""
    _require_no_trace("all_gather_object")
    chosen = require_group(group, "all_gather_object")
    data = np.frombuffer(pickle.dumps(value), np.uint8)
    lengths = all_gather(asarray(len(data), dtype="int64"), group=chosen).tolist()
    room = np.zeros(max(lengths), np.uint8)
    room[: len(data)] = data
    stacked = np.asarray(all_gather(asarray(room), group=chosen))
    return [pickle.loads(stacked[i, :length].tobytes()) for i, length in enumerate(lengths)]
