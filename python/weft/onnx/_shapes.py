"""Ops on shapes: what moves elements without looking at them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._core import SymbolicSize, Tensor
from .._creation import _fail
from .._errors import ShapeError, UnsupportedError
from ._rules import rule, shape_rule, weft
from ._values import (
    Narrow,
    as_tensor,
    as_value,
    dtype_of,
    is_symbolic,
    number,
    numbers,
    sizes,
)


@rule("Constant", raw=True)
def _constant(
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: Any = None,
    value_int: int | None = None,
    value_ints: Any = None,
) -> Any:
    if isinstance(value, tuple):
        return as_value(weft.asarray(value[0]), value[1])
    if value is not None:
        return value
    floats = value_float if value_floats is None else value_floats
    if floats is not None:
        return np.asarray(floats, np.float32)
    return np.asarray(value_int if value_ints is None else value_ints, np.int64)


@rule("Identity", raw=True)
def _identity(x: Any) -> Any:
    return x


@rule("Shape", raw=True)
def _shape(x: Any, *, start: int = 0, end: int | None = None) -> np.ndarray:
    held = x.tensor if isinstance(x, Narrow) else x
    return sizes(tuple(held.shape)[start:end])


@rule("Size", raw=True)
def _size(x: Any) -> np.ndarray:
    held = x.tensor if isinstance(x, Narrow) else x
    return sizes([math.prod(held.shape)]).reshape(())


def _new_shape(have: Sequence[Any], wanted: Sequence[Any], allow_zero: bool) -> list[Any]:
    """The sizes that Reshape asks for: 0 keeps one, -1 takes what is left."""
    shape = [
        have[axis] if not allow_zero and not isinstance(size, SymbolicSize) and size == 0 else size
        for axis, size in enumerate(wanted)
    ]
    open_places = [i for i, size in enumerate(shape) if not _is_symbol(size) and size == -1]
    if len(open_places) > 1:
        raise _fail(ShapeError, f"Reshape: {list(wanted)} leaves more than one size open")
    if open_places:
        rest = math.prod(size for i, size in enumerate(shape) if i != open_places[0])
        if not _is_symbol(rest) and rest == 0:
            raise _fail(ShapeError, f"Reshape: {list(wanted)} leaves a size open beside zeros")
        shape[open_places[0]] = math.prod(have) // rest
    return shape


def _is_symbol(size: Any) -> bool:
    return isinstance(size, SymbolicSize)


@rule("Reshape", known=(1,), raw=True)
def _reshape(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    held = x.tensor if isinstance(x, Narrow) else as_tensor(x)
    made = weft.reshape(held, _new_shape(held.shape, numbers(shape), bool(allowzero)))
    return Narrow(x.type, made) if isinstance(x, Narrow) else made


@rule("Flatten")
def _flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    place = axis + x.ndim if axis < 0 else axis
    return weft.reshape(x, (math.prod(x.shape[:place]), math.prod(x.shape[place:])))


@rule("Transpose", raw=True)
def _transpose(x: Any, *, perm: Any = None) -> Any:
    held = x.tensor if isinstance(x, Narrow) else as_tensor(x)
    made = weft.permute_dims(held, perm if perm is not None else range(held.ndim)[::-1])
    return Narrow(x.type, made) if isinstance(x, Narrow) else made


def _squeezed(x: Tensor, axes: Any) -> Tensor:
    if axes is None:
        axes = [i for i, size in enumerate(x.shape) if not _is_symbol(size) and size == 1]
    return weft.squeeze(x, axis=tuple(axes)) if len(axes) else x


def _unsqueezed_shape(shape: Sequence[Any], axes: Sequence[int]) -> list[Any]:
    total = len(shape) + len(axes)
    places = {axis % total for axis in axes}
    if len(places) < len(axes) or any(not -total <= axis < total for axis in axes):
        raise _fail(ShapeError, f"Unsqueeze: the axes {list(axes)} do not fit {total} dimensions")
    remaining = iter(shape)
    return [1 if i in places else next(remaining) for i in range(total)]


@rule("Squeeze")
def _squeeze_by_attribute(x: Tensor, *, axes: Any = None) -> Tensor:
    return _squeezed(x, axes)


@rule("Squeeze", since=13, known=(1,))
def _squeeze(x: Tensor, axes: Any = None) -> Tensor:
    return _squeezed(x, None if axes is None else numbers(axes))


@rule("Unsqueeze")
def _unsqueeze_by_attribute(x: Tensor, *, axes: Any) -> Tensor:
    return weft.reshape(x, _unsqueezed_shape(x.shape, axes))


@rule("Unsqueeze", since=13, known=(1,))
def _unsqueeze(x: Tensor, axes: Any) -> Tensor:
    return weft.reshape(x, _unsqueezed_shape(x.shape, numbers(axes)))


@rule("Concat")
def _concat(*parts: Tensor, axis: int) -> Tensor:
    return weft.concat(list(parts), axis=axis)


def _split_sizes(size: Any, lengths: Any, count: int) -> list[Any]:
    if lengths is not None and len(lengths):
        return list(lengths)
    chunk = -(-size // count)
    return [chunk] * (count - 1) + [size - chunk * (count - 1)]


def _parts(x: Tensor, axis: int, lengths: Sequence[Any]) -> tuple[Tensor, ...]:
    begin: Any = 0
    parts = []
    place = axis % x.ndim
    if not any(map(_is_symbol, [*lengths, x.shape[place]])) and sum(lengths) != x.shape[place]:
        raise _fail(ShapeError, f"Split: {list(lengths)} is not all of {x.shape[place]}")
    for length in lengths:
        parts.append(x[(slice(None),) * place + (slice(begin, begin + length),)])
        begin = begin + length
    return tuple(parts)


@rule("Split")
def _split_by_attribute(x: Tensor, *, axis: int = 0, split: Any = None, node: Any) -> Any:
    return _parts(x, axis, _split_sizes(x.shape[axis], split, len(node.outputs)))


@rule("Split", since=13, known=(1,))
def _split(
    x: Tensor, lengths: Any = None, *, axis: int = 0, num_outputs: int = 0, node: Any
) -> Any:
    given = None if lengths is None else numbers(lengths)
    return _parts(x, axis, _split_sizes(x.shape[axis], given, num_outputs or len(node.outputs)))


# Slices --------------------------------------------------------------------------------------


def _slice_of(start: Any, end: Any, step: Any, size: Any) -> slice:
    """A slice as Python takes it, which clamps a start before the first element otherwise."""
    if any(map(_is_symbol, (start, end, size))):
        # Ends that mean all the rest are the largest numbers there are.
        return slice(start, None if not _is_symbol(end) and end >= 2**31 - 1 else end, step)
    start, end = (place + size if place < 0 else place for place in (start, end))
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    start, end = min(max(start, 0), size - 1), min(max(end, -1), size - 1)
    return slice(start, None if end < 0 else end, step) if size else slice(0, 0)


def _slices(
    shape: Sequence[Any], starts: Any, ends: Any, axes: Any, steps: Any
) -> tuple[slice, ...]:
    chosen = [slice(None)] * len(shape)
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        chosen[axis] = _slice_of(start, end, step, shape[axis])
    return tuple(chosen)


@rule("Slice")
def _slice_by_attribute(x: Tensor, *, starts: Any, ends: Any, axes: Any = None) -> Tensor:
    return x[_slices(x.shape, starts, ends, axes, None)]


@rule("Slice", since=10, known=(1, 2, 3, 4))
def _slice(x: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Tensor:
    given = [None if each is None else numbers(each) for each in (axes, steps)]
    return x[_slices(x.shape, numbers(starts), numbers(ends), *given)]


@rule("Expand", known=(1,))
def _expand(x: Tensor, shape: Any) -> Tensor:
    wanted = tuple(numbers(shape))
    ones = (1,) * max(len(wanted) - x.ndim, 0)
    have = weft.reshape(x, (*ones, *x.shape)) if ones else x
    padded = (1,) * (have.ndim - len(wanted)) + wanted
    shapes = [
        old if not _is_symbol(new) and new == 1 else new
        for old, new in zip(have.shape, padded, strict=True)
    ]
    return weft.broadcast_to(have, tuple(shapes))


@rule("Tile", known=(1,))
def _tile(x: Tensor, repeats: Any) -> Tensor:
    return weft.tile(x, tuple(numbers(repeats)))


@rule("ConstantOfShape", known=(0,), raw=True)
def _constant_of_shape(shape: Any, *, value: Any = None) -> Any:
    if isinstance(value, tuple):
        fill = weft.asarray(value[0])
        made = weft.broadcast_to(weft.reshape(fill, (1,)), (1,))
        return as_value(weft.broadcast_to(made, tuple(numbers(shape))), value[1])
    array = np.zeros(1, np.float32) if value is None else value
    return weft.broadcast_to(weft.asarray(array.reshape(())), tuple(numbers(shape)))


@rule("Range", known=(0, 1, 2))
def _range(start: Any, limit: Any, delta: Any) -> Tensor:
    first, end, step = map(number, (start, limit, delta))
    dtype = "int64" if is_symbolic(start) or is_symbolic(limit) else str(start.dtype)
    if _is_symbol(first) or _is_symbol(end) or _is_symbol(step):
        return weft.arange(first, end, step, dtype=dtype)
    count = max(math.ceil((end - first) / step), 0)
    kind = "float32" if dtype in ("float16", "bfloat16") else dtype
    places = weft.arange(count, dtype=kind)
    # Element by element, so that its elements are those of the op's definition.
    return (places * weft.asarray(np.asarray(step, kind)) + np.asarray(first, kind)).astype(dtype)


# Padding -------------------------------------------------------------------------------------

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _padded(x: Tensor, pads: Sequence[Any], mode: str, value: Any, axes: Any) -> Tensor:
    if mode not in _PAD_MODES:
        raise _fail(UnsupportedError, f"Pad: the mode {mode!r} is not known")
    chosen = range(x.ndim) if axes is None else [axis % x.ndim for axis in axes]
    pairs: list[tuple[Any, Any]] = [(0, 0)] * x.ndim
    for place, axis in enumerate(chosen):
        pairs[axis] = (pads[place], pads[place + len(pads) // 2])
    flat = [size for pair in reversed(pairs) for size in pair]
    if mode != "constant":
        return weft.nn.functional.pad(x, flat, mode=_PAD_MODES[mode])
    return weft.nn.functional.pad(x, flat, value=value)


@rule("Pad")
def _pad_by_attribute(
    x: Tensor, *, pads: Any, mode: str = "constant", value: float = 0.0
) -> Tensor:
    return _padded(x, pads, mode, value, None)


@rule("Pad", since=11, known=(1, 2, 3))
def _pad(
    x: Tensor, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant"
) -> Any:
    fill = 0 if value is None or not np.size(value) else number(value)
    return _padded(x, numbers(pads), mode, fill, None if axes is None else numbers(axes))


@rule("CenterCropPad", known=(1,))
def _center_crop_pad(x: Tensor, shape: Any, *, axes: Any = None) -> Tensor:
    wanted = numbers(shape)
    pairs: list[tuple[Any, Any]] = [(0, 0)] * x.ndim
    for axis, size in zip(range(x.ndim) if axes is None else axes, wanted, strict=True):
        have = x.shape[axis]
        more = (size - have) // 2 if size >= have else -((have - size) // 2)
        pairs[axis] = (more, size - have - more)
    return weft.nn.functional.pad(x, [size for pair in reversed(pairs) for size in pair])


@rule("DepthToSpace")
def _depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    n, channels, height, width = x.shape
    b, c = blocksize, channels // blocksize**2
    if mode == "CRD":
        apart = weft.reshape(x, (n, c, b, b, height, width))
        moved = weft.permute_dims(apart, (0, 1, 4, 2, 5, 3))
    else:
        apart = weft.reshape(x, (n, b, b, c, height, width))
        moved = weft.permute_dims(apart, (0, 3, 4, 1, 5, 2))
    return weft.reshape(moved, (n, c, height * b, width * b))


@rule("SpaceToDepth")
def _space_to_depth(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    n, c, height, width = x.shape
    b = blocksize
    apart = weft.reshape(x, (n, c, height // b, b, width // b, b))
    order = (0, 1, 3, 5, 2, 4) if mode == "CRD" else (0, 3, 5, 1, 2, 4)
    return weft.reshape(weft.permute_dims(apart, order), (n, c * b * b, height // b, width // b))


@rule("EyeLike")
def _eye_like(x: Tensor, *, dtype: int | None = None, k: int = 0) -> Tensor:
    kind = x.dtype if dtype is None else dtype_of(dtype)
    return weft.eye(x.shape[0], x.shape[1], k=k, dtype="float32").astype(kind)


@rule("Trilu", known=(1,))
def _trilu(x: Tensor, k: Any = None, *, upper: int = 1) -> Tensor:
    return (weft.triu if upper else weft.tril)(x, k=0 if k is None else int(number(k)))


# Shape arithmetic ----------------------------------------------------------------------------


@shape_rule("Gather")
def _known_gather(x: np.ndarray, indices: np.ndarray, *, axis: int = 0) -> np.ndarray:
    return np.take(x, indices, axis=axis)


@shape_rule("Concat")
def _known_concat(*parts: np.ndarray, axis: int) -> np.ndarray:
    return np.concatenate(parts, axis=axis)


@shape_rule("Slice")
def _known_slice_by_attribute(x: np.ndarray, *, starts: Any, ends: Any, axes: Any = None) -> Any:
    return x[_slices(x.shape, starts, ends, axes, None)]


@shape_rule("Slice", since=10)
def _known_slice(x: np.ndarray, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    given = [None if each is None else numbers(each) for each in (axes, steps)]
    return x[_slices(x.shape, numbers(starts), numbers(ends), *given)]


def _known_squeezed(x: np.ndarray, axes: Any) -> np.ndarray:
    return np.squeeze(x, axis=None if axes is None else tuple(axes))


shape_rule("Squeeze")(lambda x, *, axes=None: _known_squeezed(x, axes))
shape_rule("Squeeze", since=13)(
    lambda x, axes=None: _known_squeezed(x, None if axes is None else numbers(axes))
)
shape_rule("Unsqueeze")(lambda x, *, axes: x.reshape(_unsqueezed_shape(x.shape, axes)))
shape_rule("Unsqueeze", since=13)(
    lambda x, axes: x.reshape(_unsqueezed_shape(x.shape, numbers(axes)))
)
shape_rule("Transpose")(lambda x, *, perm=None: np.transpose(x, perm))


@shape_rule("Reshape")
def _known_reshape(x: np.ndarray, shape: Any, *, allowzero: int = 0) -> Any:
    return x.reshape(_new_shape(x.shape, numbers(shape), bool(allowzero)))


@shape_rule("Expand")
def _known_expand(x: np.ndarray, shape: Any) -> Any:
    if is_symbolic(shape):
        return None
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(numbers(shape))))


@shape_rule("ConstantOfShape")
def _known_constant_of_shape(shape: Any, *, value: Any = None) -> Any:
    if is_symbolic(shape) or isinstance(value, tuple):
        return None
    array = np.zeros(1, np.float32) if value is None else value
    return np.full(tuple(numbers(shape)), array.reshape(()))


@shape_rule("Range")
def _known_range(start: Any, limit: Any, delta: Any) -> Any:
    if any(map(is_symbolic, (start, limit, delta))):
        return None
    return np.arange(number(start), number(limit), number(delta), dtype=start.dtype)


@shape_rule("Tile")
def _known_tile(x: np.ndarray, repeats: Any) -> Any:
    return np.tile(x, numbers(repeats))


@shape_rule("Split")
def _known_split_by_attribute(x: np.ndarray, *, axis: int = 0, split: Any = None) -> Any:
    return None if split is None else np.split(x, np.cumsum(split)[:-1], axis)


@shape_rule("Split", since=13)
def _known_split(x: np.ndarray, lengths: Any = None, *, axis: int = 0, num_outputs: int = 0) -> Any:
    if lengths is None and not num_outputs:
        return None
    given = None if lengths is None else numbers(lengths)
    parts = _split_sizes(x.shape[axis], given, num_outputs)
    return np.split(x, np.cumsum(parts)[:-1], axis)
