"""Rules for ops that only arrange elements: reshapes, transposes, slices, joins, padding."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import torch

import weft
from weft.nn import functional

from ._rules import TABLE, as_dtype, common_dtype, gradient, method, weft_dtype

method("permute", "aten.permute.default")
method("diagonal", "aten.diagonal.default")
method("flip", "aten.flip.default")
method("diagonal_scatter", "aten.diagonal_scatter.default")
method("unsqueeze", "aten.unsqueeze.default")
method("squeeze", "aten.squeeze.default")
method("roll", "aten.roll.default")
TABLE.rule("aten.t.default")(lambda x: x.T if x.ndim == 2 else x)


@TABLE.rule("aten.view.default", "aten._unsafe_view.default", "aten.reshape.default")
def _view(x: weft.Tensor, shape: Sequence[int]) -> weft.Tensor:
    return weft.reshape(x, tuple(shape))


@TABLE.rule("aten.view.dtype")
def _view_dtype(x: weft.Tensor, dtype: torch.dtype) -> weft.Tensor:
    return x.view(weft_dtype(dtype))


@TABLE.rule("aten.transpose.int")
def _transpose(x: weft.Tensor, first: int, second: int) -> weft.Tensor:
    return x.transpose(first, second) if x.ndim else x


@TABLE.rule("aten.squeeze.dim", "aten.squeeze.dims")
def _squeeze(x: weft.Tensor, axes: int | Sequence[int]) -> weft.Tensor:
    wanted = [axes] if isinstance(axes, int) else list(axes)
    ones = [axis % x.ndim for axis in wanted if x.ndim and x.shape[axis] == 1]
    return weft.squeeze(x, axis=tuple(ones)) if ones else x


@TABLE.rule("aten.expand.default")
def _expand(x: weft.Tensor, shape: Sequence[int], **_: Any) -> weft.Tensor:
    lead = len(shape) - x.ndim
    sizes = [
        x.shape[i - lead] if i >= lead and isinstance(size, int) and size == -1 else size
        for i, size in enumerate(shape)
    ]
    return weft.broadcast_to(x, tuple(sizes))


@TABLE.rule("aten.repeat.default")
def _repeat(x: weft.Tensor, times: Sequence[int]) -> weft.Tensor:
    return x.repeat(*times) if len(times) else x


@TABLE.rule("aten.narrow_copy.default")
def _narrow_copy(x: weft.Tensor, axis: int, start: Any, length: Any) -> weft.Tensor:
    return _slice(x, axis, start, start + length)


@TABLE.rule("aten.select.int")
def _select(x: weft.Tensor, axis: int, index: int) -> weft.Tensor:
    return x[(builtins.slice(None),) * (axis % x.ndim) + (index,)]


def _part(x: weft.Tensor, axis: int, start: Any, end: Any, step: int) -> tuple:
    end = None if isinstance(end, int) and end >= 2**62 else end
    return (builtins.slice(None),) * (axis % x.ndim) + (builtins.slice(start, end, step),)


@TABLE.rule("aten.slice.Tensor")
def _slice(
    x: weft.Tensor, axis: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> weft.Tensor:
    return x[_part(x, axis, start, end, step)]


@TABLE.rule("aten.slice_scatter.default")
def _slice_scatter(
    x: weft.Tensor,
    source: weft.Tensor,
    axis: int = 0,
    start: Any = None,
    end: Any = None,
    step: int = 1,
) -> weft.Tensor:
    return x.at[_part(x, axis, start, end, step)].set(as_dtype(source, x.dtype))


@TABLE.rule("aten.select_scatter.default")
def _select_scatter(x: weft.Tensor, source: weft.Tensor, axis: int, index: int) -> weft.Tensor:
    place = (builtins.slice(None),) * (axis % x.ndim) + (index,)
    return x.at[place].set(as_dtype(source, x.dtype))


@TABLE.rule("aten.split_with_sizes.default")
def _split_with_sizes(x: weft.Tensor, sizes: Sequence[int], axis: int = 0) -> list[weft.Tensor]:
    parts, start = [], 0
    for size in sizes:
        parts.append(_slice(x, axis, start, start + size))
        start = start + size
    return parts


@TABLE.rule("aten.split.Tensor")
def _split(x: weft.Tensor, size: int, axis: int = 0) -> list[weft.Tensor]:
    return list(x.split(size, axis))


@TABLE.rule("aten.unbind.int")
def _unbind(x: weft.Tensor, axis: int = 0) -> list[weft.Tensor]:
    return list(x.unbind(axis))


@TABLE.rule("aten.unfold.default")
def _unfold(x: weft.Tensor, axis: int, size: int, step: int) -> weft.Tensor:
    # A scalar is a row of one element to ATen.
    return x.unfold(axis, size, step) if x.ndim else weft.reshape(x, (1,))[:size]


def _is_legacy_empty(x: weft.Tensor) -> bool:
    return x.ndim == 1 and isinstance(x.shape[0], int) and x.shape[0] == 0


@TABLE.rule("aten.cat.default")
def _cat(tensors: Sequence[weft.Tensor], axis: int = 0) -> weft.Tensor:
    dtype = common_dtype(*tensors)
    # ATen leaves out tensors of shape [0], whatever the rank of the others.
    kept = [x for x in tensors if not _is_legacy_empty(x)] or list(tensors)
    return weft.concat([as_dtype(x, dtype) for x in kept], axis=axis)


@TABLE.rule("aten.stack.default")
def _stack(tensors: Sequence[weft.Tensor], axis: int = 0) -> weft.Tensor:
    dtype = common_dtype(*tensors)
    return weft.stack([as_dtype(x, dtype) for x in tensors], axis=axis)


@TABLE.rule("aten.constant_pad_nd.default")
def _constant_pad(x: weft.Tensor, widths: Sequence[int], value: Any = 0) -> weft.Tensor:
    return functional.pad(x, list(widths), value=value)


def _edges(mode: str) -> Any:
    def rule(x: weft.Tensor, widths: Sequence[int]) -> weft.Tensor:
        return functional.pad(x, list(widths), mode=mode)

    return rule


def _edges_backward(mode: str) -> Any:
    forward = _edges(mode)

    def rule(grad: weft.Tensor, x: weft.Tensor, widths: Sequence[int]) -> weft.Tensor:
        return gradient(lambda operand: forward(operand, widths), (x,), grad)[0]

    return rule


for _dimensions in ("1d", "2d", "3d"):
    TABLE.rule(f"aten.reflection_pad{_dimensions}_backward.default")(_edges_backward("reflect"))
    TABLE.rule(f"aten.replication_pad{_dimensions}_backward.default")(_edges_backward("replicate"))
    TABLE.rule(f"aten.reflection_pad{_dimensions}.default")(_edges("reflect"))
    TABLE.rule(f"aten.replication_pad{_dimensions}.default")(_edges("replicate"))


@TABLE.rule("aten.tril.default")
def _tril(x: weft.Tensor, diagonal: int = 0) -> weft.Tensor:
    return weft.tril(x, k=diagonal)


@TABLE.rule("aten.triu.default")
def _triu(x: weft.Tensor, diagonal: int = 0) -> weft.Tensor:
    return weft.triu(x, k=diagonal)


TABLE.rule("aten.view_as_real.default")(weft.view_as_real)
TABLE.rule("aten.view_as_complex.default")(weft.view_as_complex)
TABLE.rule("aten.real.default")(weft.real)
TABLE.rule("aten.imag.default")(weft.imag)
TABLE.rule("aten.complex.default")(weft.complex)
TABLE.rule("aten._conj.default", "aten._conj_physical.default", "aten.conj_physical.default")(
    weft.conj
)
