"""Rules for ops that run graphs: branches and loops of PyTorch's are those of weft.

PyTorch's own derivatives of them are such ops again, in the backward graph; those of a module of
`weft.from_torch` are weft's. A loop that keeps what each iteration gave, for as many iterations as
there happen to be, is not here: its results have no shape before it ran.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import weft

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE


def _tensors(values: Sequence[Any], what: str) -> tuple:
    """Values that are carried along, which have to be tensors."""
    for value in values:
        if not isinstance(value, weft.Tensor):
            raise _fail(UnsupportedError, f"{what} is a {type(value).__name__}, not a tensor")
    return tuple(values)


def _flag(value: Any) -> Any:
    return weft.reshape(value, ()) if isinstance(value, weft.Tensor) else value


@TABLE.rule("higher_order.cond")
def cond(pred: Any, true: Callable, false: Callable, operands: Sequence[Any] = ()) -> tuple:
    if not isinstance(pred, weft.Tensor):
        return tuple((true if pred else false)(*operands))
    return tuple(weft.cond(_flag(pred), lambda: true(*operands), lambda: false(*operands)))


@TABLE.rule("higher_order.while_loop")
def while_loop(
    condition: Callable, body: Callable, carried: Sequence[Any], additional: Sequence[Any] = ()
) -> tuple:
    return tuple(
        weft.while_loop(
            lambda state: _flag(condition(*state, *additional)[0]),
            lambda state: body(*state, *additional),
            _tensors(carried, "what the loop carries"),
        )
    )


@TABLE.rule("higher_order.scan")
def scan(
    combine: Callable, init: Sequence[Any], xs: Sequence[Any], additional: Sequence[Any] = ()
) -> tuple:
    count = len(init)

    def step(carry: tuple, parts: tuple) -> tuple:
        made = combine(*carry, *parts, *additional)
        return made[:count], made[count:]

    last, rows = weft.scan(step, _tensors(init, "what the scan carries"), tuple(xs))
    return (*last, *rows)


@TABLE.rule("higher_order.map_impl")
def map_impl(body: Callable, xs: Sequence[Any], additional: Sequence[Any] = ()) -> tuple:
    return tuple(weft.map(lambda parts: body(*parts, *additional), tuple(xs)))


@TABLE.rule("higher_order.associative_scan")
def associative_scan(combine: Callable, xs: Sequence[Any], additional: Sequence[Any] = ()) -> tuple:
    """The function takes single elements: it is mapped over those that weft combines at once."""

    def both(left: tuple, right: tuple) -> tuple:
        return weft.vmap(lambda a, b: combine(*a, *b, *additional))(left, right)

    return tuple(weft.associative_scan(both, tuple(xs)))
