"""Rules for what several processes do together: the examples of a function that `vmap` maps.

A program is one of all processes. Under ``weft.vmap(program, axis_name=name)`` with
``load(..., processes=(name, replicas, partitions))`` each example is a process, and what they give
each other goes along the axis; else there is one process, and each group is itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ._bodies import combination, folded
from ._rules import Call, rule
from ._weft import weft


def _groups(call: Call, name: str = "replica_groups") -> list[list[int]]:
    table = call[name]
    if isinstance(table, str):
        raise _fail(UnsupportedError, f"groups of processes by axes of a mesh: {table}")
    rows = np.asarray(table).reshape(-1, np.shape(table)[-1] if np.ndim(table) else 1)
    return [[number for number in row if number >= 0] for row in rows.tolist()]


def _channel(call: Call) -> int:
    handle = call.get("channel_handle") or {}
    return int(handle.get("handle", 0)) if isinstance(handle, dict) else 0


def _members(call: Call, *, to_all: bool) -> list[list[int]]:
    """The processes of each group; process r * partitions + q is partition q of replica r."""
    replicas, partitions = call.frame.program.processes[1:]
    groups = _groups(call) or [list(range(replicas))]
    if _channel(call) <= 0:
        return [[r * partitions + q for r in g] for g in groups for q in range(partitions)]
    if call.get("use_global_device_ids"):
        return groups
    if to_all:
        return [[r * partitions + q for q in g] for g in groups for r in range(replicas)]
    return [[r * partitions + q for q in range(partitions) for r in g] for g in groups]


def _own(call: Call) -> Tensor:
    name, replicas, partitions = call.frame.program.processes
    if replicas * partitions == 1:
        return weft.asarray(0)
    return weft.axis_index(name).astype("int64")


def _of_all(call: Call, x: Tensor) -> Tensor:
    name, replicas, partitions = call.frame.program.processes
    if replicas * partitions == 1:
        return weft.expand_dims(x, axis=0)
    gathered: Tensor = weft.all_gather(x, name)
    return gathered


def _table(call: Call, row: Callable[[int], Any]) -> Tensor:
    """What ``row`` says of the process that runs."""
    count = call.frame.program.processes[1] * call.frame.program.processes[2]
    rows = np.array([row(process) for process in range(count)], np.int64)
    return weft.take(weft.asarray(rows), weft.reshape(_own(call), (1,)), axis=0)[0]


def _group_of(groups: list[list[int]], process: int) -> list[int]:
    return next((group for group in groups if process in group), [process] * len(groups[0]))


def _place(groups: list[list[int]], process: int) -> int:
    group = _group_of(groups, process)
    return group.index(process)


def _of_group(call: Call, x: Tensor, groups: list[list[int]]) -> Tensor:
    """The values of the processes of the own group, in its order."""
    if len({len(group) for group in groups}) != 1:
        raise _fail(UnsupportedError, "groups of processes of different sizes")
    return weft.take(_of_all(call, x), _table(call, lambda p: _group_of(groups, p)), axis=0)


def _joined(rows: Tensor, axis: int) -> Tensor:
    return weft.concat([rows[i] for i in range(rows.shape[0])], axis=axis)


@rule("stablehlo.all_gather")
def all_gather(call: Call, *values: Tensor) -> tuple:
    groups = _members(call, to_all=False)
    return tuple(_joined(_of_group(call, x, groups), call["all_gather_dim"]) for x in values)


def _reduced(call: Call, x: Tensor, groups: list[list[int]]) -> Tensor:
    most = max(len(group) for group in groups)
    if all(len(group) == most for group in groups):
        return folded(combination(call), [_of_group(call, x, groups)], 0)[0]
    # What a smaller group has less is left out.
    filled = [group + group[:1] * (most - len(group)) for group in groups]
    rows = _of_group(call, x, filled)
    count = _table(call, lambda process: [len(_group_of(groups, process))])
    made = rows[0]
    for i in range(1, most):
        (longer,) = combination(call)([made], [rows[i]])
        made = weft.where(count[0] > i, longer, made)
    return made


@rule("stablehlo.all_reduce")
def all_reduce(call: Call, *values: Tensor) -> tuple:
    groups = _members(call, to_all=False)
    return tuple(_reduced(call, x, groups) for x in values)


@rule("stablehlo.reduce_scatter")
def reduce_scatter(call: Call, x: Tensor) -> Tensor:
    groups, axis = _members(call, to_all=False), call["scatter_dimension"]
    whole = _reduced(call, x, groups)
    return _part(call, whole, groups, axis, len(groups[0]))


def _part(call: Call, x: Tensor, groups: list[list[int]], axis: int, count: int) -> Tensor:
    """The part along an axis whose number is the own place in the group."""
    parts = weft.stack(weft.split(x, x.shape[axis] // count, axis), axis=0)
    place = _table(call, lambda process: [_place(groups, process)])
    return weft.take(parts, place, axis=0)[0]


@rule("stablehlo.all_to_all")
def all_to_all(call: Call, *values: Tensor) -> tuple:
    groups = _members(call, to_all=True)
    made = []
    for x in values:
        rows, axis, count = _of_group(call, x, groups), call["split_dimension"], call["split_count"]
        parts = _part(call, rows, groups, axis + 1, count)
        made.append(_joined(parts, call["concat_dimension"]))
    return tuple(made)


@rule("stablehlo.collective_broadcast")
def collective_broadcast(call: Call, *values: Tensor) -> tuple:
    """The value of the first process of the group; zeros where there is no group."""
    groups = _members(call, to_all=True)
    first = {process: group[0] for group in groups for process in group}
    return _from(call, values, first)


@rule("stablehlo.collective_permute")
def collective_permute(call: Call, *values: Tensor) -> tuple:
    """The value of the process that a pair names as the source; zeros where no pair does."""
    replicas, partitions = call.frame.program.processes[1:]
    pairs = _groups(call, "source_target_pairs")
    if _channel(call) <= 0:
        pairs = [[i * partitions + q for i in pair] for pair in pairs for q in range(partitions)]
    else:
        pairs = [[r * partitions + i for i in pair] for pair in pairs for r in range(replicas)]
    return _from(call, values, {target: source for source, target in pairs})


def _from(call: Call, values: tuple, sources: dict[int, int]) -> tuple:
    source = _table(call, lambda process: [sources.get(process, -1)])
    made = []
    for x in values:
        row = weft.take(_of_all(call, x), weft.maximum(source, weft.asarray(0)), axis=0)[0]
        made.append(weft.where(source[0] >= 0, row, weft.zeros_like(row)))
    return tuple(made)


@rule("stablehlo.replica_id", "stablehlo.partition_id")
def process_id(call: Call) -> Tensor:
    """The number of the replica, or of the partition in it."""
    partitions = weft.asarray(call.frame.program.processes[2])
    own = _own(call)
    made = own // partitions if call.op.name.endswith("replica_id") else own % partitions
    return made.astype(call.dtype)
