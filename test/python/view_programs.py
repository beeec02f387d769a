"""Random programs of views and writes through them, by weft and by NumPy.

NumPy's arrays are the reference of what looks into what: an operation gives a view here exactly if
it gives one there. A program is a list of steps over numbered tensors; running it in pieces, some
of them compiled, must leave each tensor with the elements of its array.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import weft

SIZES = (0, 1, 1, 2, 3, 4)


@dataclass(frozen=True)
class Step:
    """An operation of STEPS on tensor ``operand``, with parameters."""

    name: str
    operand: int
    parameters: Any = None


def _expanded(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """NumPy's broadcast_to, but parts of it in which all elements differ can be written."""
    return np.lib.stride_tricks.as_strided(x, shape, np.broadcast_to(x, shape).strides)


def _overlaps(x: np.ndarray) -> bool:
    """Whether several of the elements are one."""
    return x.size > 0 and any(
        stride == 0 and size > 1 for size, stride in zip(x.shape, x.strides, strict=True)
    )


#: Steps that give a tensor: by weft, and by NumPy. The first group are views.
VIEWS: dict[str, tuple[Callable, Callable]] = {
    # With "..." NumPy gives an array of one element too, not a scalar.
    "index": (lambda x, key: x[key], lambda x, key: x[key if ... in key else (*key, ...)]),
    "reshape": (lambda x, shape: x.reshape(shape), lambda x, shape: x.reshape(shape)),
    "permute": (weft.permute_dims, np.transpose),
    "transpose": (lambda x, _: x.T, lambda x, _: x.T),
    "expand_dims": (lambda x, a: weft.expand_dims(x, axis=a), lambda x, a: np.expand_dims(x, a)),
    "squeeze": (lambda x, _: weft.squeeze(x), lambda x, _: np.squeeze(x)),
    "broadcast": (weft.broadcast_to, _expanded),
    "detach": (lambda x, _: x.detach(), lambda x, _: x[...]),
    "data": (lambda x, _: x.data, lambda x, _: x[...]),
    "half": (
        lambda x, axis: x.split(-(-x.shape[axis] // 2) or 1, axis)[-1],
        lambda x, axis: np.array_split(x, [-(-x.shape[axis] // 2)], axis)[
            1 if x.shape[axis] > 1 else 0
        ],
    ),
}
#: Views that are reshapes, perhaps behind a slice.
RESHAPES = {"index", "reshape", "expand_dims", "squeeze"}
COPIES: dict[str, tuple[Callable, Callable]] = {
    "positive": (lambda x, _: +x, lambda x, _: x.copy()),
    "clone": (lambda x, _: x.clone(), lambda x, _: x.copy()),
    "add": (lambda x, value: x + value, lambda x, value: np.array(x + np.float32(value))),
    "astype": (lambda x, _: x.astype(weft.float32), lambda x, _: x.astype(np.float32)),
    "flip": (lambda x, _: weft.flip(x), lambda x, _: np.array(np.flip(x))),
    "array": (lambda x, _: weft.array(x), lambda x, _: np.array(x)),
    "concat": (lambda x, _: weft.concat([x], axis=None), lambda x, _: x.ravel().copy()),
    "clip": (lambda x, _: weft.clip(x), lambda x, _: x.copy()),
}


def _set(x: Any, parameters: tuple) -> None:
    key, value = parameters
    x[key] = value


def _add(x: Any, value: float) -> None:
    x += value


def _multiply(x: Any, value: float) -> None:
    x *= value


def _numpy_fill(x: np.ndarray, value: float) -> None:
    x[...] = value


WRITES: dict[str, tuple[Callable, Callable]] = {
    "set": (_set, _set),
    "add_": (_add, _add),
    "multiply_": (_multiply, _multiply),
    "fill_": (lambda x, value: x.fill_(value), _numpy_fill),
    "copy_": (lambda x, value: x.copy_(weft.full(x.shape, value)), _numpy_fill),
}


def _key(generator: random.Random, shape: tuple[int, ...]) -> tuple:
    """A basic index for this shape."""
    items: list[Any] = []
    for size in shape:
        kind = generator.randrange(4)
        if kind == 0 and size:
            items.append(generator.randrange(-size, size))
        elif kind == 1:
            items.append(slice(None))
        else:
            bounds = [generator.choice([None, *range(-size - 1, size + 2)]) for _ in range(2)]
            items.append(slice(*bounds, generator.choice([None, 1, 2, -1, -2])))
    if generator.random() < 0.2:
        items.insert(generator.randrange(len(items) + 1), None)
    if generator.random() < 0.2:
        items = [*items[: generator.randrange(len(items) + 1)], ...]
    return tuple(items)


def _other_shape(generator: random.Random, count: int) -> tuple[int, ...]:
    """A shape of ``count`` elements."""
    shape: list[int] = []
    while count > 1 and len(shape) < 3:
        divisor = generator.choice([d for d in range(1, count + 1) if count % d == 0])
        shape.append(divisor)
        count //= divisor
    return (*shape, count)


@dataclass
class Program:
    """Shapes of the first tensors, and steps; results are numbered after them."""

    shapes: list[tuple[int, ...]]
    steps: list[Step] = field(default_factory=list)

    def arrays(self) -> list[np.ndarray]:
        """The first tensors' elements, small whole numbers: all arithmetic is exact."""
        generator = np.random.default_rng(len(self.steps))
        return [generator.integers(-8, 8, shape).astype(np.float32) for shape in self.shapes]


def draw(seed: int, length: int = 12) -> Program:
    """A program, a fixed function of the seed."""
    generator = random.Random(seed)
    shapes = [
        tuple(generator.choice(SIZES) for _ in range(generator.randrange(4))) for _ in range(2)
    ]
    program = Program(shapes)
    arrays = program.arrays()
    # Views of expanded ones that were reshaped, in which a write is refused by name.
    reshaped: set[int] = set()
    for _ in range(length):
        operand = generator.randrange(len(arrays))
        step = _draw_step(generator, operand, arrays[operand])
        if step.name in WRITES:
            key = step.parameters[0] if step.name == "set" else ()
            if operand in reshaped or _overlaps(VIEWS["index"][1](arrays[operand], key)):
                continue
        program.steps.append(step)
        run_step(step, arrays, numpy=True)
        if step.name in VIEWS and (
            operand in reshaped or (step.name in RESHAPES and _overlaps(arrays[-1]))
        ):
            reshaped.add(len(arrays) - 1)
    return program


def _draw_step(generator: random.Random, operand: int, array: np.ndarray) -> Step:
    group = generator.choices([VIEWS, COPIES, WRITES], [6, 1, 5])[0]
    name = generator.choice(list(group))
    value = float(generator.randrange(-3, 4))
    parameters: Any = value
    if name == "half" and array.ndim == 0:
        name = "transpose"
    if name == "index":
        parameters = _key(generator, array.shape)
    elif name == "set":
        parameters = (_key(generator, array.shape), value)
    elif name == "reshape":
        parameters = _other_shape(generator, array.size)
    elif name == "permute":
        parameters = tuple(generator.sample(range(array.ndim), array.ndim))
    elif name == "expand_dims":
        parameters = generator.randrange(array.ndim + 1)
    elif name == "broadcast":
        parameters = (
            *([2] if generator.random() < 0.5 else []),
            *(generator.choice([1, 3]) if size == 1 else size for size in array.shape),
        )
    elif name == "half":
        parameters = generator.randrange(array.ndim)
    return Step(name, operand, parameters)


def run_step(step: Step, tensors: list, *, numpy: bool) -> None:
    """Runs one step; what it gives is appended."""
    for group in (VIEWS, COPIES, WRITES):
        if step.name in group:
            result = group[step.name][numpy](tensors[step.operand], step.parameters)
            if group is not WRITES:
                tensors.append(result)


def run_compiled(steps: list[Step], tensors: list) -> None:
    """Runs the steps in one compiled function of the tensors so far."""

    @weft.jit
    def piece(*given: weft.Tensor) -> list[weft.Tensor]:
        inside = list(given)
        for step in steps:
            run_step(step, inside, numpy=False)
        return inside[len(given) :]

    tensors.extend(piece(*tensors))


def difference(tensors: list[weft.Tensor], arrays: list[np.ndarray]) -> str:
    """The first tensor that is not its array; empty if there is none."""
    for number, (tensor, array) in enumerate(zip(tensors, arrays, strict=True)):
        have = tensor.numpy()
        if have.shape != array.shape or not np.array_equal(have, array):
            return f"tensor {number} is {have.tolist()}, but has to be {array.tolist()}"
    return ""
