"""Tensors that go over without a copy, either way."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch

from .. import _core


def to_weft(tensor: torch.Tensor) -> _core.Tensor:
    """A tensor of weft over PyTorch's memory; memory with gaps is copied once."""
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    return _core.from_dlpack(torch._C._to_dlpack(tensor))


def to_torch(tensor: _core.Tensor) -> torch.Tensor:
    """A tensor of PyTorch over weft's memory."""
    return torch._C._from_dlpack(_core.to_dlpack(tensor, False, False))


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
    """A parameter or buffer that mostly is the same tensor at the next call: it is wrapped once.

    Its memory is read at each call. Another tensor, or other memory of the same one, is seen.
    """

    def __init__(self) -> None:
        self._tensor: Any = None
        self._place = 0
        self._wrapped: Any = None

    def __call__(self, tensor: torch.Tensor) -> _core.Tensor:
        if self._tensor is not None and self._tensor() is tensor:
            if tensor.data_ptr() == self._place:
                return self._wrapped
        self._wrapped = to_weft(tensor)
        self._place = tensor.data_ptr()
        self._tensor = weakref.ref(tensor, self._forget)
        return self._wrapped

    def _forget(self, gone: Any) -> None:
        if gone is self._tensor:
            self._tensor = self._wrapped = None
