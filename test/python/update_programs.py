"""Random programs that change tensors in place, for Weft and for NumPy alike.

A program works on a state of some tensors. Its steps assign by index, slice, mask and index arrays,
through views, read values before and after, keep old ones, and hand out several results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

DTYPES = ("float32", "float64", "int32", "int64", "bool")


class Program(NamedTuple):
    """Steps that take (state, kept values, argument) of either library and change the first two."""

    steps: list[Callable[[list, list, Any], None]]
    shapes: list[tuple[int, ...]]
    dtype: str


def values(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Small integers, which all dtypes hold exactly."""
    numbers = generator.integers(-8, 8, shape)
    return np.asarray(numbers > 0 if dtype == "bool" else numbers).astype(dtype)


def _shape(generator: np.random.Generator) -> tuple[int, ...]:
    sizes = (0, 1, 2, 3, 5, 8, 17, 33)
    rank = int(generator.integers(1, 4))
    return tuple(
        int(sizes[i])
        for i in generator.integers(1 if generator.random() < 0.9 else 0, len(sizes), rank)
    )


def _entry(generator: np.random.Generator, size: int) -> Any:
    """An integer or a slice for a dimension."""
    if size and generator.random() < 0.4:
        return int(generator.integers(-size, size))
    start, stop = sorted(int(i) for i in generator.integers(0, size + 1, 2))
    step = int(generator.choice([1, 1, 1, 2, 3, -1, -2]))
    return slice(start, stop, step) if step > 0 else slice(stop - 1 if stop else None, None, step)


def _key(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """A basic key, an index array or a mask along some dimensions."""
    kind = generator.random()
    if kind < 0.5:
        count = int(generator.integers(1, len(shape) + 1))
        return tuple(_entry(generator, size) for size in shape[:count])
    place = int(generator.integers(0, len(shape)))
    front = tuple(slice(None) for _ in shape[:place])
    if kind < 0.75:
        size = shape[place]
        count = int(generator.integers(0, 6)) if size else 0
        return (*front, generator.integers(-size, size, count) if size else np.zeros(0, np.int64))
    last = int(generator.integers(place, len(shape))) + 1
    return (*front, generator.random(shape[place:last]) < 0.5)


def _changed(old: Any, dtype: str, number: int) -> Any:
    """Another value of the same elements, exact in all dtypes."""
    return old if dtype == "bool" else old * 2 - number


def _computed(old: Any, dtype: str) -> Any:
    """A value of its own, which no write changes."""
    return ~old if dtype == "bool" else old * 2 - 1


def _step(generator: np.random.Generator, shapes: list[tuple[int, ...]], dtype: str) -> Callable:
    place = int(generator.integers(0, len(shapes)))
    shape, kind = shapes[place], int(generator.integers(0, 9))
    key, number = _key(generator, shape), int(generator.integers(0, 3))
    scalar = bool(number) if dtype == "bool" else number

    def assign(state: list, kept: list, argument: Any) -> None:
        state[place][key] = scalar

    def assign_own(state: list, kept: list, argument: Any) -> None:
        state[place][key] = _changed(state[place][key], dtype, number)

    def assign_from_argument(state: list, kept: list, argument: Any) -> None:
        state[place][key] = argument[0]

    def keep_then_assign(state: list, kept: list, argument: Any) -> None:
        kept.append(_computed(state[place], dtype))
        kept.append(_computed(state[place][key], dtype))
        state[place][key] = scalar

    def through_view(state: list, kept: list, argument: Any) -> None:
        view = state[place].reshape(-1)
        view[: view.shape[0] // 2] = scalar

    def through_transpose(state: list, kept: list, argument: Any) -> None:
        axes = tuple(reversed(range(len(shape))))
        view = (
            state[place].transpose(*axes)
            if hasattr(state[place], "flags")
            else (_permuted(state[place], axes))
        )
        view[: shape[-1] // 2] = scalar

    def rows_in_turn(state: list, kept: list, argument: Any) -> None:
        for row in range(min(shape[0], 4)):
            state[place][row] = _changed(state[place][row - 1], dtype, row)

    def part_of_row(state: list, kept: list, argument: Any) -> None:
        if shape[0] and len(shape) > 1:
            row = state[place][0]
            row[...] = scalar

    def accumulate(state: list, kept: list, argument: Any) -> None:
        state[place][...] = _changed(state[place], dtype, 1)

    return (
        assign,
        assign_own,
        assign_from_argument,
        keep_then_assign,
        through_view,
        through_transpose,
        rows_in_turn,
        part_of_row,
        accumulate,
    )[kind]


def _permuted(tensor: Any, axes: tuple[int, ...]) -> Any:
    import weft

    return weft.permute_dims(tensor, axes)


def program(seed: int) -> Program:
    """The program of a seed."""
    generator = np.random.default_rng(seed)
    dtype = str(generator.choice(DTYPES))
    shapes = [_shape(generator) for _ in range(int(generator.integers(1, 3)))]
    steps = [_step(generator, shapes, dtype) for _ in range(int(generator.integers(1, 7)))]
    return Program(steps, shapes, dtype)
