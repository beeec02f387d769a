"""Batches of samples: containers stay, arrays and numbers are stacked and become tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail, from_numpy
from .._errors import DTypeError, ShapeError


def _is_array(value: Any) -> bool:
    """Whether it is an array of numbers, a tensor of this or another library, or NumPy's number."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind not in "SUO"
    return isinstance(value, Tensor) or (
        hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "dtype")
    )


def _host_array(value: Any) -> np.ndarray:
    """The array of a tensor, array or number; what is recorded for gradients is left behind."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def _rebuilt(container: Any, change: Callable[[Any], Any]) -> Any:
    """A mapping or sequence like this one, whose items ``change`` makes of their keys or places.

    Named tuples and other types keep their class, tuples become lists.
    """
    mapping = isinstance(container, Mapping)
    keys = list(container) if mapping else list(range(len(container)))
    items = [change(key) for key in keys]
    if isinstance(container, tuple):
        return type(container)(*items) if hasattr(container, "_fields") else items
    try:
        if isinstance(container, (MutableMapping, MutableSequence)):
            result: Any = copy.copy(container)
            for key, item in zip(keys, items, strict=True):
                result[key] = item
            return result
        return type(container)(dict(zip(keys, items, strict=True)) if mapping else items)
    except TypeError:
        # Classes with other constructors, and those whose items can't be set.
        return dict(zip(keys, items, strict=True)) if mapping else items


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def collate(samples: Sequence[Any]) -> Any:
    """One batch of samples, with NumPy's arrays: see `default_collate`."""
    first = samples[0]
    if isinstance(first, (str, bytes)):
        return samples
    if _is_array(first) or isinstance(first, (bool, int, float, complex)):
        arrays = [_host_array(sample) for sample in samples]
        if len({array.shape for array in arrays}) != 1:
            shapes = sorted({array.shape for array in arrays})
            raise _fail(ShapeError, f"DataLoader: samples of a batch need one shape, not {shapes}")
        return np.stack(arrays)
    if isinstance(first, Mapping):
        return _rebuilt(first, lambda key: collate([sample[key] for sample in samples]))
    if _is_sequence(first):
        sizes = {len(sample) for sample in samples}
        if len(sizes) != 1:
            raise _fail(
                ShapeError, f"DataLoader: samples of a batch need one length, not {sorted(sizes)}"
            )
        return _rebuilt(first, lambda place: collate(tuple(sample[place] for sample in samples)))
    raise _fail(
        DTypeError,
        "DataLoader: samples have to be tensors, arrays, numbers, strings, mappings or sequences "
        f"of these, not a {type(first).__name__}; give a collate_fn for others",
    )


def default_convert(data: Any) -> Any:
    """The same with tensors in the place of arrays and of NumPy's numbers, in containers too."""
    return _converted(data, default_convert)


def with_tensors(batch: Any) -> Any:
    """What `collate` returns, with tensors in the place of arrays."""
    texts = isinstance(batch, tuple) and all(isinstance(item, (str, bytes)) for item in batch)
    return batch if texts else _converted(batch, with_tensors)


def _converted(data: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(data, Tensor):
        return data
    if _is_array(data):
        return from_numpy(_host_array(data))
    if isinstance(data, Mapping):
        return _rebuilt(data, lambda key: convert(data[key]))
    if _is_sequence(data):
        return _rebuilt(data, lambda place: convert(data[place]))
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch of samples that have the structure of the first one.

    Tensors, arrays and numbers are stacked: tensors with a new first dimension, of floats float64
    (as in PyTorch), of ints int64. Strings and bytes stay, one for each sample. Mappings, sequences
    and named tuples keep their types, and have batches of their items; tuples become lists.

    Raises:
        ShapeError: samples differ in shape or length. DTypeError: samples are of another type.
    """
    return with_tensors(collate(batch))
