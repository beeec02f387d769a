"""Random programs of views and writes through them, by weft and by PyTorch: no write is lost."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import to_numpy

SIZES = (0, 1, 2, 3, 4)
DTYPES = ("float32", "complex64", "int32")
Steps = list[tuple[int, Callable]]
#: The first tensor, the steps, and PyTorch's tensors at the end.
Program = tuple[np.ndarray, Steps, list[torch.Tensor]]


def _axes(draw: random.Random, x: Any) -> tuple[int, int]:
    first, second = draw.sample(range(x.ndim), 2)
    return first, second - x.ndim if draw.random() < 0.5 else second


def _diagonal(draw: random.Random, x: Any) -> Callable | None:
    if x.ndim < 2:
        return None
    first, second = _axes(draw, x)
    offset = draw.randrange(-2, 3)
    return lambda m, x: x.diagonal(offset, first, second)


def _windows(draw: random.Random, x: Any) -> Callable | None:
    axis = draw.randrange(x.ndim) if x.ndim else 0
    if not x.ndim or not x.shape[axis]:
        return None
    size, step = draw.randrange(1, x.shape[axis] + 1), draw.randrange(1, 4)
    return lambda m, x: x.unfold(axis, size, step)


def _slice(draw: random.Random, x: Any) -> Callable | None:
    if not x.ndim:
        return None
    start, step = draw.randrange(3), draw.randrange(1, 3)
    return lambda m, x: x[..., start::step]


def _swapped(draw: random.Random, x: Any) -> Callable | None:
    if x.ndim < 2:
        return None
    first, second = _axes(draw, x)
    return lambda m, x: x.transpose(first, second)


def _narrow(draw: random.Random, x: Any) -> Callable | None:
    axis = draw.randrange(x.ndim) if x.ndim else 0
    if not x.ndim or not x.shape[axis]:
        return None
    start = draw.randrange(x.shape[axis])
    length = draw.randrange(x.shape[axis] - start + 1)
    return lambda m, x: x.narrow(axis, start, length)


def _expand(draw: random.Random, x: Any) -> Callable | None:
    shape = [draw.choice((1, 2, 3)) if size == 1 else size for size in x.shape]
    return lambda m, x: x.expand(*shape) if shape else x.expand(2)


def _view(call: Callable, fits: Callable = lambda x: True) -> Callable:
    return lambda draw, x: call if fits(x) else None


def _is_complex(x: Any) -> bool:
    return x.is_complex()


VIEWS: list[Callable] = [
    _diagonal,
    _diagonal,
    _windows,
    _slice,
    _swapped,
    _narrow,
    _expand,
    _view(lambda m, x: x.conj(), _is_complex),
    _view(lambda m, x: x.real, _is_complex),
    _view(lambda m, x: x.imag, _is_complex),
    _view(lambda m, x: x.mH, lambda x: x.ndim >= 2),
    _view(lambda m, x: x.adjoint(), lambda x: x.ndim >= 2),
    _view(lambda m, x: m.view_as_real(x), lambda x: x.is_complex() and not x.is_conj()),
    _view(lambda m, x: m.view_as_complex(x), lambda x: x.dtype == torch.float32),
    _view(lambda m, x: x.unsqueeze(0)),
    _view(lambda m, x: x.view(-1)),
    _view(lambda m, x: m.einsum("...ij->...ji", x), lambda x: x.ndim >= 2),
    _view(
        lambda m, x: m.einsum("...ii->...i", x),
        lambda x: x.ndim >= 2 and x.shape[-1] == x.shape[-2],
    ),
]
#: Those without gradients.
VALUES: list[Callable] = [
    _view(lambda m, x: x.view(m.int32), lambda x: x.dtype == torch.float32 and not x.is_neg()),
    _view(lambda m, x: x.detach()),
]


def _fill(m: Any, x: Any, value: int) -> None:
    x.fill_(value)


def _zero(m: Any, x: Any, value: int) -> None:
    x.zero_()


def _add(m: Any, x: Any, value: int) -> None:
    x += value


def _multiply(m: Any, x: Any, value: int) -> None:
    x.mul_(value)


def _set(m: Any, x: Any, value: int) -> None:
    x[..., :1] = value


def _copy(m: Any, x: Any, value: int) -> None:
    x.copy_(m.full(tuple(x.shape), float(value)).to(x.dtype))


WRITES = [_fill, _zero, _add, _multiply, _set, _copy]


def start(seed: int) -> tuple[random.Random, str, np.ndarray]:
    """The draws of a program, and what its first tensor holds: small whole numbers."""
    draw = random.Random(seed)
    dtype = draw.choice(DTYPES)
    shape = [draw.choice(SIZES) for _ in range(draw.randrange(5))]
    numbers = np.random.default_rng(seed)
    array = numbers.integers(-4, 5, shape).astype(dtype)
    if dtype == "complex64":
        array += (1j * numbers.integers(-4, 5, shape)).astype(dtype)
    return draw, dtype, array


def program(seed: int, views: list[Callable], length: int = 14) -> Program:
    """A program that PyTorch runs without an error: steps of (which tensor, what), and its values.

    A step gives a view, or writes to a tensor and gives None. What PyTorch writes to elements that
    are one is left out, but for filling: weft refuses it.
    """
    draw, _, array = start(seed)
    tensors = [torch.from_numpy(array.copy())]
    steps: Steps = []
    for _ in range(length):
        place = draw.randrange(len(tensors)) if draw.random() < 0.5 else len(tensors) - 1
        x = tensors[place]
        if draw.random() < 0.65:
            made = draw.choice(views)(draw, x)
        else:
            write, value = draw.choice(WRITES), draw.randrange(-3, 4)
            made = None if _overlaps(x) and write not in (_fill, _zero) else _writing(write, value)
        if made is None:
            continue
        try:
            result = made(torch, x)
        except (RuntimeError, IndexError, TypeError):
            continue
        steps.append((place, made))
        if result is not None:
            tensors.append(result)
    return array, steps, [x.resolve_conj().resolve_neg() for x in tensors]


def _writing(write: Callable, value: int) -> Callable:
    return lambda m, x: write(m, x, value)


def _overlaps(x: torch.Tensor) -> bool:
    """Whether several elements of a tensor of PyTorch may be one."""
    reach = 0
    for stride, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size > 1:
            if stride <= reach:
                return True
            reach += stride * (size - 1)
    return False


def run(array: weft.Tensor, steps: Steps) -> list[weft.Tensor] | None:
    """What weft has in the place of all tensors; None if it refused a write by name."""
    tensors = [array]
    for place, step in steps:
        try:
            result = step(weft, tensors[place])
        except weft.UnsupportedError as error:
            if "several elements are one" not in str(error):
                raise
            return None
        if result is not None:
            tensors.append(result)
    return tensors


def assert_same(ours: list[weft.Tensor], theirs: list[torch.Tensor]) -> None:
    assert len(ours) == len(theirs)
    for number, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        assert tuple(x.shape) == tuple(y.shape), number
        np.testing.assert_array_equal(to_numpy(x), y.numpy(), err_msg=f"tensor {number}")


@pytest.mark.parametrize("block", range(8))
def test_programs_of_views(block: int) -> None:
    ran = 0
    for seed in range(block * 40, block * 40 + 40):
        array, steps, theirs = program(seed, VIEWS + VALUES)
        ours = run(weft.asarray(array, copy=True), steps)
        if ours is None:
            continue
        assert_same(ours, theirs)
        ran += 1
    assert ran > 25


@pytest.mark.parametrize("block", range(4))
def test_compiled_programs_of_views(block: int) -> None:
    """The argument is changed as outside of compiled functions, and so are views of it."""
    ran = 0
    for seed in range(1000 + block * 10, 1010 + block * 10):
        array, steps, theirs = program(seed, VIEWS + VALUES)
        x = weft.asarray(array, copy=True)
        whole = x[...]
        ours = weft.jit(lambda x, steps=steps: run(x, steps))(x)
        if ours is None:
            continue
        assert_same(ours, theirs)
        assert_same([x, whole], [theirs[0]] * 2)
        ran += 1
    assert ran > 5


def loss(tensors: list[Any]) -> Any:
    """Of all tensors something, in which their elements have different weights."""
    total = 0.0
    for number, x in enumerate(tensors):
        part = (x.real - 2 * x.imag) if x.is_complex() else x
        total = total + (part * part * (1 + number)).sum()
    return total


def _differentiable(seed: int) -> tuple[np.ndarray, Steps] | None:
    """A program of floating numbers in which PyTorch has gradients of all that it reads."""
    array, steps, theirs = program(seed, VIEWS)
    if array.dtype == np.int32:
        return None
    if len(theirs) < 4 or theirs[0].numel() == 0:
        return None
    return array, steps


def _torch_gradient(array: np.ndarray, steps: Steps) -> torch.Tensor:
    leaf = torch.from_numpy(array.copy()).requires_grad_()
    tensors = [leaf * 1]
    for place, step in steps:
        result = step(torch, tensors[place])
        if result is not None:
            tensors.append(result)
    loss(tensors).backward()
    return leaf.grad.resolve_conj()


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_of_programs_of_views(compiled: bool) -> None:
    def ours(x: weft.Tensor, steps: Steps) -> weft.Tensor | None:
        tensors = run(x * 1, steps)
        if tensors is None:
            return None
        # What was written over as a whole depends on nothing.
        total = loss(tensors) + 0 * x.real.sum()
        total.backward()
        return x.grad

    ran = 0
    for seed in range(2000, 2060 if compiled else 2160):
        drawn = _differentiable(seed)
        if drawn is None:
            continue
        array, steps = drawn
        try:
            expected = _torch_gradient(array, steps)
        except RuntimeError:
            continue
        x = weft.asarray(array, copy=True)
        x.requires_grad = True
        call = functools.partial(ours, steps=steps)
        gradient = (weft.jit(lambda x, call=call: call(x)) if compiled else call)(x)
        if gradient is None:
            continue
        np.testing.assert_allclose(to_numpy(gradient), expected.numpy(), rtol=1e-5, atol=1e-4)
        ran += 1
    assert ran > (10 if compiled else 30)
