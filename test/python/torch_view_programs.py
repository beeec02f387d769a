"""Random programs of PyTorch's views and in-place methods, by weft and by PyTorch.

A program is a list of steps over numbered tensors, of which the first is given: a step adds a view
of one of them, or writes to one. Where PyTorch's own result depends on the order in which a copy
goes through elements that overlap, it gets a copy of the source.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import weft


@dataclass(frozen=True)
class Step:
    """An operation of VIEWS or WRITES on tensors, with parameters."""

    name: str
    tensors: tuple[int, ...]
    parameters: tuple[Any, ...] = ()


def _axis(draw: random.Random, x: torch.Tensor) -> int:
    return draw.randrange(-x.ndim, x.ndim)


def _index(draw: random.Random, x: torch.Tensor) -> tuple[Any, ...]:
    key: list[Any] = []
    for size in x.shape:
        start = draw.randrange(size + 1)
        kinds: list[Any] = [slice(None), slice(start, size, draw.choice([None, 1, 2]))]
        if size:
            kinds += [draw.randrange(-size, size), slice(-1, None)]
        key.append(draw.choice(kinds))
    key = key[: draw.randrange(len(key) + 1)]
    return (*key, ...) if draw.random() < 0.3 else tuple(key)


def _part(draw: random.Random, x: torch.Tensor) -> tuple[int, int, int]:
    axis = _axis(draw, x)
    start = draw.randrange(x.shape[axis] + 1)
    return axis, start, draw.randrange(x.shape[axis] - start + 1)


def _windows(draw: random.Random, x: torch.Tensor) -> tuple[int, int, int] | None:
    """Those that do not overlap, and fill the axis."""
    axis = _axis(draw, x)
    size = x.shape[axis]
    steps = [step for step in range(1, size + 1) if size % step == 0]
    if not steps:
        return None
    step = draw.choice(steps)
    return axis, draw.randrange(1, step + 1), step


def _pieces(name: str) -> Callable[..., Any]:
    def piece(x: Any, count: int, axis: int, which: float) -> Any:
        parts = getattr(x, name)(*([axis] if name == "unbind" else [count, axis]))
        return parts[int(which * len(parts))]

    return piece


def _cut(draw: random.Random, x: torch.Tensor) -> tuple[int, int, float] | None:
    axis = _axis(draw, x)
    size = x.shape[axis]
    return (draw.randrange(1, size + 1), axis, draw.random()) if size else None


def _turned(draw: random.Random, x: torch.Tensor) -> tuple[int, ...]:
    return tuple(draw.sample(range(x.ndim), x.ndim))


def _halves(draw: random.Random, x: torch.Tensor) -> tuple[Any, ...] | None:
    return (-1, (-1, 2)) if x.shape[-1] and x.shape[-1] % 2 == 0 else None


Draw = Callable[[random.Random, torch.Tensor], "tuple[Any, ...] | None"]

#: Views: the least number of dimensions, what draws parameters, and what makes the view.
VIEWS: dict[str, tuple[int, Draw, Callable[..., Any] | None]] = {
    "index": (0, lambda d, x: (_index(d, x),), lambda x, key: x[key]),
    "unsqueeze": (0, lambda d, x: (d.randrange(-x.ndim - 1, x.ndim + 1),), None),
    "squeeze": (1, lambda d, x: (_axis(d, x),), None),
    "flatten": (0, lambda d, x: (), None),
    "ravel": (0, lambda d, x: (), None),
    "reshape": (0, lambda d, x: (-1,), None),
    "detach": (0, lambda d, x: (), None),
    "T": (2, lambda d, x: (), lambda x: x.mT if x.ndim > 2 else x.T),
    "movedim": (1, lambda d, x: (_axis(d, x), _axis(d, x)), None),
    "swapaxes": (1, lambda d, x: (_axis(d, x), _axis(d, x)), None),
    "permute": (1, _turned, None),
    "narrow": (1, _part, None),
    "unfold": (1, _windows, None),
    "chunk": (1, _cut, _pieces("chunk")),
    "split": (1, _cut, _pieces("split")),
    "tensor_split": (1, _cut, _pieces("tensor_split")),
    "unbind": (1, _cut, _pieces("unbind")),
    "unflatten": (1, _halves, None),
    "view_as": (0, lambda d, x: (), lambda x: x.view_as(x)),
    "real": (0, lambda d, x: (), lambda x: x.real),
    "imag": (0, lambda d, x: () if x.is_complex() else None, lambda x: x.imag),
}


def _matrix(draw: random.Random, x: torch.Tensor) -> tuple[Any, ...] | None:
    return () if x.ndim == 2 and x.shape[0] == x.shape[1] else None


def _places(draw: random.Random, x: torch.Tensor) -> tuple[int, list[int], int] | None:
    if not x.ndim:
        return None
    axis = draw.randrange(x.ndim)
    size = x.shape[axis]
    return (
        (axis, draw.sample(range(size), draw.randrange(1, size + 1)), draw.randrange(99))
        if size
        else None
    )


def _numbers(x: Any, shape: tuple[int, ...], seed: int) -> Any:
    package = torch if isinstance(x, torch.Tensor) else weft
    drawn = np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float64)
    return package.tensor(drawn).to(x.dtype)


def _mask(x: Any, seed: int) -> Any:
    return _numbers(x.real, tuple(x.shape), seed) > 0


def _indexed(name: str) -> Callable[..., Any]:
    def run(x: Any, axis: int, places: list[int], seed: int) -> None:
        shape = list(x.shape)
        shape[axis] = len(places)
        package = torch if isinstance(x, torch.Tensor) else weft
        source = 4.0 if name == "index_fill_" else _numbers(x, tuple(shape), seed)
        getattr(x, name)(axis, package.tensor(places), source)

    return run


def _set(x: Any, key: Any, value: Any) -> None:
    x[key] = value


def _exchange(x: Any) -> None:
    x[0], x[-1] = x[-1].clone(), x[0].clone()


def _apart(y: Any) -> Any:
    """Of PyTorch's a copy."""
    return y.clone() if isinstance(y, torch.Tensor) else y


def _none(draw: random.Random, x: torch.Tensor) -> tuple[Any, ...]:
    return ()


#: Writes: how many other tensors of the same shape, or that broadcast, they take, and the rest.
WRITES: dict[str, tuple[int, Draw, Callable[..., Any]]] = {
    "fill_": (0, _none, lambda x: x.fill_(3.5)),
    "neg_": (0, _none, lambda x: x.neg_()),
    "mul_": (0, _none, lambda x: x.mul_(2.0)),
    "iadd": (1, _none, lambda x, y: x.__iadd__(_apart(y))),
    "imul": (1, _none, lambda x, y: x.__imul__(_apart(y))),
    "copy_": (1, _none, lambda x, y: x.copy_(_apart(y))),
    "setitem": (0, lambda d, x: (_index(d, x),), lambda x, key: _set(x, key, 1.5)),
    "augmented": (0, lambda d, x: (_index(d, x),), lambda x, key: _set(x, key, x[key] * 2.0)),
    "set all": (1, _none, lambda x, y: _set(x, ..., _apart(y))),
    "addcmul_": (1, _none, lambda x, y: x.addcmul_(_apart(y), _apart(y), value=2.0)),
    "masked_fill_": (
        0,
        lambda d, x: (d.randrange(99),),
        lambda x, s: x.masked_fill_(_mask(x, s), 9),
    ),
    "mask": (0, lambda d, x: (d.randrange(99),), lambda x, s: _set(x, _mask(x, s), 7.0)),
    "exchange": (0, lambda d, x: () if x.ndim and x.shape[0] else None, _exchange),
    "index_add_": (0, _places, _indexed("index_add_")),
    "index_copy_": (0, _places, _indexed("index_copy_")),
    "index_fill_": (0, _places, _indexed("index_fill_")),
    "list": (
        0,
        _places,
        lambda x, axis, places, _: _set(x, (slice(None),) * axis + (places,), 5.0),
    ),
    "cumsum_": (0, lambda d, x: (_axis(d, x),) if x.ndim else None, lambda x, a: x.cumsum_(a)),
    "flip": (0, lambda d, x: (_axis(d, x),) if x.ndim else None, lambda x, a: x.copy_(x.flip(a))),
    "copy_ of T": (0, _matrix, lambda x: x.copy_(_apart(x.T))),
    "iadd of T": (0, _matrix, lambda x: x.__iadd__(_apart(x.T))),
    "triu_": (0, _matrix, lambda x: x.triu_()),
    "diagonal": (0, _matrix, lambda x: x.diagonal().mul_(3.0)),
    "other diagonal": (0, _matrix, lambda x: x.diagonal(1, 1, 0).add_(1.0)),
}


def run(step: Step, tensors: list[Any]) -> None:
    """Takes a step."""
    given = [tensors[number] for number in step.tensors]
    if step.name in WRITES:
        WRITES[step.name][2](*given, *step.parameters)
        return
    make = VIEWS[step.name][2] or (lambda x, *rest: getattr(x, step.name)(*rest))
    tensors.append(make(*given, *step.parameters))


def _drawn(draw: random.Random, tensors: list[torch.Tensor]) -> Step | None:
    number = draw.randrange(len(tensors))
    x = tensors[number]
    if draw.random() < 0.55 and len(tensors) < 9:
        name = draw.choice(list(VIEWS))
        least, parameters = VIEWS[name][:2]
        found = parameters(draw, x) if x.ndim >= least else None
        return None if found is None else Step(name, (number,), found)
    name = draw.choice(list(WRITES))
    others, parameters = WRITES[name][:2]
    fitting = [
        n
        for n, y in enumerate(tensors)
        if y.dtype == x.dtype and _broadcasts(tuple(y.shape), tuple(x.shape))
    ]
    found = parameters(draw, x)
    more = tuple(draw.choice(fitting) for _ in range(others))
    return None if found is None else Step(name, (number, *more), found)


def _broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        return False


def drawn_program(seed: int) -> tuple[np.ndarray, list[Step]]:
    """The first tensor of a program, and its steps."""
    draw = random.Random(seed)
    shape = tuple(draw.choice([0, 1, 2, 3, 4, 4]) for _ in range(draw.choice([0, 1, 2, 3])))
    shape = (draw.randrange(1, 5),) * 2 if draw.random() < 0.4 else shape
    first = np.arange(1.0, math.prod(shape) + 1).reshape(shape)
    if draw.random() < 0.3:
        first = first + 1j * first[::-1] if first.ndim else first + 2j
    tensors, steps = [torch.tensor(first)], []
    for _ in range(draw.randrange(3, 16)):
        step = _drawn(draw, tensors)
        if step is not None:
            run(step, tensors)
            steps.append(step)
    return first, steps
