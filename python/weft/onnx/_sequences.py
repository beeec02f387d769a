"""Sequences and optionals: Python's lists and None while tracing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._creation import _fail
from .._errors import DTypeError, OutOfBoundsError
from ._rules import rule, weft
from ._values import as_tensor, number, numbers


def _list(value: Any) -> list:
    if not isinstance(value, list):
        raise _fail(DTypeError, "an operand has to be a sequence")
    return value


@rule("SequenceEmpty", raw=True)
def _empty(*, dtype: int = 1) -> list:
    return []


@rule("SequenceConstruct", raw=True)
def _construct(*items: Any) -> list:
    return list(items)


@rule("SequenceInsert", known=(2,), raw=True)
def _insert(sequence: Any, item: Any, place: Any = None) -> list:
    made = list(_list(sequence))
    index = len(made) if place is None else int(number(place))
    if not -len(made) <= index <= len(made):
        raise _fail(OutOfBoundsError, f"place {index} of a sequence of {len(made)}")
    made.insert(index, item)
    return made


def _index(sequence: list, place: Any) -> int:
    index = int(number(place))
    if not -len(sequence) <= index < len(sequence):
        raise _fail(OutOfBoundsError, f"place {index} of a sequence of {len(sequence)}")
    return index


@rule("SequenceErase", known=(1,), raw=True)
def _erase(sequence: Any, place: Any = None) -> list:
    made = list(_list(sequence))
    del made[-1 if place is None else _index(made, place)]
    return made


@rule("SequenceAt", known=(1,), raw=True)
def _at(sequence: Any, place: Any) -> Any:
    items = _list(sequence)
    return items[_index(items, place)]


@rule("SequenceLength", raw=True)
def _length(sequence: Any) -> np.ndarray:
    return np.asarray(len(_list(sequence)), np.int64)


@rule("SplitToSequence", known=(1,))
def _split(x: Any, split: Any = None, *, axis: int = 0, keepdims: int = 1) -> tuple:
    place = axis % x.ndim
    size = x.shape[place]
    if split is None:
        lengths = [1] * size
    elif np.ndim(split) == 0:
        chunk = int(number(split))
        lengths = [min(chunk, size - begin) for begin in range(0, size, chunk)]
    else:
        lengths = numbers(split)
    parts, begin = [], 0
    for length in lengths:
        part = x[(slice(None),) * place + (slice(begin, begin + length),)]
        parts.append(weft.squeeze(part, axis=place) if split is None and not keepdims else part)
        begin += length
    return (parts,)


@rule("ConcatFromSequence", raw=True)
def _concat(sequence: Any, *, axis: int, new_axis: int = 0) -> Any:
    items = [as_tensor(x) for x in _list(sequence)]
    return weft.stack(items, axis=axis) if new_axis else weft.concat(items, axis=axis)


@rule("Optional", raw=True)
def _optional(x: Any = None, *, type: Any = None) -> Any:
    return x


@rule("OptionalHasElement", raw=True)
def _has_element(x: Any = None) -> np.ndarray:
    return np.asarray(x is not None)


@rule("OptionalGetElement", raw=True)
def _get_element(x: Any) -> Any:
    if x is None:
        raise _fail(DTypeError, "OptionalGetElement: the optional is empty")
    return x
