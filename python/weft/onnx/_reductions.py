"""Ops that make one element of many, and running sums."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .._core import Tensor
from .._reductions import logsumexp
from ._rules import rule, shape_rule, weft
from ._values import is_symbolic, number, numbers

Reduction = Callable[..., Tensor]


def _extreme(function: Reduction, of_nothing: Callable[[Any], Any]) -> Reduction:
    """A maximum or minimum, which of nothing is the dtype's least or largest number."""

    def reduce(x: Tensor, axis: Any, keepdims: bool) -> Tensor:
        if x.dtype.name == "bool":
            return reduce(x.astype("uint8"), axis, keepdims) != 0
        axes = range(x.ndim) if axis is None else axis
        if any(isinstance(x.shape[each], int) and x.shape[each] == 0 for each in axes):
            kept = weft.sum(x, axis=axis, keepdims=keepdims)
            return weft.full(kept.shape, of_nothing(x.dtype), dtype=x.dtype)
        return function(x, axis=axis, keepdims=keepdims)

    return reduce


def _least(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "floating" else weft.iinfo(dtype).min


def _most(dtype: Any) -> Any:
    return np.inf if dtype.kind == "floating" else weft.iinfo(dtype).max


def _of_dtype(function: Reduction) -> Reduction:
    """In the dtype of the operand; means and roots of integers are made of floats."""

    def reduce(x: Tensor, axis: Any, keepdims: bool) -> Tensor:
        return function(x, axis=axis, keepdims=keepdims).astype(x.dtype)

    return reduce


def _floats(x: Tensor) -> Tensor:
    return x if x.dtype.kind == "floating" else x.astype("float64")


_REDUCTIONS: dict[str, Reduction] = {
    "ReduceSum": _of_dtype(weft.sum),
    "ReduceMean": _of_dtype(lambda x, **o: weft.mean(_floats(x), **o)),
    "ReduceProd": _of_dtype(weft.prod),
    "ReduceMax": _extreme(weft.max, _least),
    "ReduceMin": _extreme(weft.min, _most),
    "ReduceL1": _of_dtype(lambda x, **o: weft.sum(weft.abs(x), **o)),
    "ReduceL2": _of_dtype(lambda x, **o: weft.sqrt(weft.sum(weft.square(_floats(x)), **o))),
    "ReduceLogSum": _of_dtype(lambda x, **o: weft.log(weft.sum(_floats(x), **o))),
    "ReduceLogSumExp": _of_dtype(lambda x, **o: logsumexp(_floats(x), **o)),
    "ReduceSumSquare": _of_dtype(lambda x, **o: weft.sum(weft.square(x), **o)),
}


def _reduced(function: Reduction, x: Tensor, axes: Any, keepdims: int, noop: int = 0) -> Tensor:
    if axes is not None and not len(axes):
        axes = None
    if axes is None and noop:
        # Each element is reduced by itself.
        return function(weft.expand_dims(x, axis=0), (0,), False)
    return function(x, None if axes is None else tuple(axes), bool(keepdims))


def _add_reduction(name: str, function: Reduction) -> None:
    def by_attribute(x: Tensor, *, axes: Any = None, keepdims: int = 1) -> Tensor:
        return _reduced(function, x, axes, keepdims)

    def by_operand(
        x: Tensor, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:
        given = None if axes is None else numbers(axes)
        return _reduced(function, x, given, keepdims, noop_with_empty_axes)

    rule(name)(by_attribute)
    rule(name, since=13 if name == "ReduceSum" else 18, known=(1,))(by_operand)


for _name, _function in _REDUCTIONS.items():
    _add_reduction(_name, _function)


def _add_place(name: str, function: Callable[..., Tensor]) -> None:
    @rule(name)
    def place(x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
        if not select_last_index:
            return function(x, axis=axis, keepdims=bool(keepdims))
        found = function(weft.flip(x, axis=axis), axis=axis, keepdims=bool(keepdims))
        return x.shape[axis] - 1 - found


_add_place("ArgMax", weft.argmax)
_add_place("ArgMin", weft.argmin)


@rule("CumSum", known=(1,))
def _cum_sum(x: Tensor, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _running(weft.cumulative_sum, x, axis, exclusive, reverse)


@rule("CumProd", known=(1,))
def _cum_prod(x: Tensor, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _running(weft.cumulative_prod, x, axis, exclusive, reverse)


def _running(function: Any, x: Tensor, axis: Any, exclusive: int, reverse: int) -> Tensor:
    place = int(number(axis)) % x.ndim
    x = weft.flip(x, axis=place) if reverse else x
    made = function(x, axis=place, dtype=x.dtype, include_initial=bool(exclusive))
    if exclusive:
        made = made[(slice(None),) * place + (slice(0, x.shape[place]),)]
    return weft.flip(made, axis=place) if reverse else made


# Softmax and what is alike -------------------------------------------------------------------


def _add_softmax(name: str, function: Callable[..., Tensor]) -> None:
    @rule(name)
    def of_rows(x: Tensor, *, axis: int = 1) -> Tensor:
        return weft.reshape(function(_merged(x, axis), -1), x.shape)

    @rule(name, since=13)
    def along(x: Tensor, *, axis: int = -1) -> Tensor:
        return function(x, axis)


def _merged(x: Tensor, axis: int) -> Tensor:
    place = axis % x.ndim
    halves = (x.shape[:place], x.shape[place:])
    # Both are said: of no elements a -1 would stand for any number.
    return weft.reshape(x, [functools.reduce(operator.mul, sizes, 1) for sizes in halves])


def _hardmax(x: Tensor, axis: int) -> Tensor:
    if any(isinstance(size, int) and size == 0 for size in x.shape):
        return x
    place = axis % x.ndim
    first = weft.argmax(x, axis=place, keepdims=True)
    numbers_of = weft.arange(x.shape[place])
    shape = [1] * x.ndim
    shape[place] = x.shape[place]
    return (weft.reshape(numbers_of, shape) == first).astype(x.dtype)


_add_softmax("Softmax", lambda x, axis: weft.softmax(x, dim=axis))
_add_softmax("LogSoftmax", lambda x, axis: weft.log_softmax(x, dim=axis))
_add_softmax("Hardmax", _hardmax)


# Shape arithmetic ----------------------------------------------------------------------------


def _known_reduction(name: str, function: Callable[..., Any], symbolic: bool) -> None:
    @shape_rule(name)
    def reduce(
        x: np.ndarray, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Any:
        if (is_symbolic(x) and not symbolic) or noop_with_empty_axes:
            return None
        chosen = None if axes is None or not len(axes) else tuple(numbers(axes))
        return function(x, axis=chosen, keepdims=bool(keepdims))


_known_reduction("ReduceProd", np.prod, True)
_known_reduction("ReduceSum", np.sum, True)
_known_reduction("ReduceMax", np.max, False)
_known_reduction("ReduceMin", np.min, False)
