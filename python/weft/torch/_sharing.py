"""Tensors that go over without a copy, either way."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import torch

from .. import _core


def to_weft(tensor: torch.Tensor, constant: bool = False) -> _core.Tensor:
    """A tensor of weft over PyTorch's memory; memory with gaps is copied once.

    What depends on a constant alone is computed once for as long as the result lives.
    """
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    return _core.from_dlpack(torch._C._to_dlpack(tensor), constant)


def to_torch(tensor: _core.Tensor) -> torch.Tensor:
    """A tensor of PyTorch over weft's memory."""
    return torch._C._from_dlpack(_core.to_dlpack(tensor, False, False))


def shared_memory(values: Sequence[Any], written: Container[int]) -> list[tuple]:
    """The tensors that share memory of which one at least is written to, and how they lie there.

    `written` has the places in `values` of those that are. Empty if there are none.
    """
    groups: dict[int, list[int]] = {}
    for i, x in enumerate(values):
        if isinstance(x, torch.Tensor) and x.layout == torch.strided:
            groups.setdefault(x.untyped_storage()._cdata, []).append(i)
    return [
        tuple((i, _base_among(group, i, values), *_place(values[i])) for i in group)
        for group in groups.values()
        if len(group) > 1 and any(i in written for i in group)
    ]


def _base_among(group: Sequence[int], place: int, values: Sequence[Any]) -> int:
    """The first of the tensors that is a view of the same one as that at `place`."""
    base = values[place]._base
    return next(i for i in group if values[i]._base is base)


def _place(tensor: torch.Tensor) -> tuple:
    """Where the tensor begins in its memory, and what it is a view of."""
    where = (_hint(tensor.storage_offset()), tensor.untyped_storage().nbytes())
    base = tensor._base
    return where if base is None else (*where, *map(_hint, (*base.shape, *base.stride())))


def is_dense(tensor: torch.Tensor) -> bool:
    """Whether the tensor's memory has no gaps, in whatever order its dimensions lie."""
    strides, sizes = (list(map(_hint, values)) for values in (tensor.stride(), tensor.shape))
    in_order = all(stride == step for stride, step in zip(strides, _steps(sizes)))
    return in_order or dense_order(tensor) is not None


def _steps(sizes: Sequence[int]) -> list[int]:
    """The strides of memory in the order of the dimensions."""
    found = [1]
    for size in reversed(sizes[1:]):
        found.append(found[-1] * max(size, 1))
    return found[::-1]


def dense_order(tensor: torch.Tensor) -> tuple[int, ...] | None:
    """The order of dimensions in which the tensor's memory is dense; None if it is so already."""
    strides = [_hint(stride) for stride in tensor.stride()]
    sizes = [_hint(size) for size in tensor.shape]
    if tensor.layout != torch.strided or any(stride == 0 for stride in strides):
        return None
    order = sorted(range(len(strides)), key=lambda axis: (-strides[axis], sizes[axis] == 1, axis))
    step = 1
    for axis in reversed(order):
        if sizes[axis] != 1 and strides[axis] != step:
            return None
        step *= sizes[axis]
    wanted = [axis for axis in order if sizes[axis] != 1]
    return None if wanted == sorted(wanted) else tuple(order)


def _hint(size: Any) -> int:
    return size if isinstance(size, int) else int(size.node.hint or 1)


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The order that undoes this one."""
    return tuple(sorted(range(len(order)), key=lambda place: order[place]))


class KeptInput:
    """A parameter or buffer that mostly is the same memory at the next call: it is wrapped once.

    The wrapper holds the memory, so that its address is that of no other; what is in it is read at
    each call. Its shape and strides are those that the graph was compiled for.
    """

    def __init__(self) -> None:
        self._address = -1
        self._wrapped: Any = None

    def __call__(self, tensor: torch.Tensor) -> _core.Tensor:
        address = tensor.data_ptr()
        if address != self._address:
            self._wrapped = to_weft(tensor)
            self._address = address
        return self._wrapped


class FrozenInput:
    """A parameter or buffer that is written through PyTorch alone, which counts that.

    It is a constant for as long as memory and count are the same.
    """

    def __init__(self) -> None:
        self._state = (-1, -1)
        self._wrapped: Any = None

    def __call__(self, tensor: torch.Tensor) -> _core.Tensor:
        if tensor.is_inference():
            return to_weft(tensor)  # PyTorch counts no writes of these
        state = (tensor.data_ptr(), tensor._version)
        if state != self._state:
            self._wrapped = to_weft(tensor, constant=True)
            self._state = state
        return self._wrapped
