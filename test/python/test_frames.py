"""Frames around what kernels compute: results are stored in them, in random shapes and frames."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits

SIZES = (0, 1, 1, 2, 3, 5, 8, 17, 33)
VALUES = (0, 0, 1, -1, 3)
DTYPES = ("float32", "float32", "float64", "float16", "bfloat16", "int32", "int8", "int64")


@pytest.fixture
def threads():
    before = weft.get_num_threads()
    yield weft.set_num_threads
    weft.set_num_threads(before)


def _frame(draw: random.Random, rank: int) -> list[tuple[int, int]]:
    """Sizes before and after each dimension; rows are mostly left as they are."""
    sizes = [(draw.choice([0, 1, 1, 2, 7]), draw.choice([0, 1, 1, 3])) for _ in range(rank)]
    if draw.random() < 0.8:
        sizes[-1] = (0, 0)
    return sizes


def _elements(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> weft.Tensor:
    return weft.asarray(generator.integers(-9, 9, size=shape)).astype(getattr(weft, dtype))


def _element_by_element(draw, x, other):
    """Arithmetic, parts one behind the other, and parts that are turned."""
    if draw.random() < 0.4:
        axis = draw.randrange(x.ndim)
        return weft.concatenate([x, other, x], axis=axis)
    if draw.random() < 0.2:
        return weft.swapaxes(x, 0, 1)
    return weft.where(x == other, x, other) if draw.random() < 0.3 else x * other + x


def computed(program: Callable, threads: Callable[[int], None], *tensors: weft.Tensor) -> Any:
    """What the program gives, which has the same bits when compiled, with one thread and three."""
    threads(1)
    eager = program(*tensors)
    compiled = weft.jit(program)
    assert_same_bits(eager, compiled(*tensors))
    threads(3)
    assert_same_bits(eager, compiled(*tensors))
    return eager


@pytest.mark.parametrize("seed", range(100))
def test_what_is_around_elements_is_numpys(seed: int, threads: Callable[[int], None]) -> None:
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    rank = draw.randint(2, 4)
    shape = tuple(draw.choice(SIZES) for _ in range(rank))
    dtype = draw.choice(DTYPES)
    x, other = (_elements(generator, shape, dtype) for _ in range(2))
    state = draw.getstate()
    frame, value = _frame(draw, rank), draw.choice(VALUES)

    def program(x, other):
        draw.setstate(state)
        _frame(draw, rank), draw.choice(VALUES)
        return weft.pad(_element_by_element(draw, x, other), frame, value)

    eager = computed(program, threads, x, other)
    draw.setstate(state)
    _frame(draw, rank), draw.choice(VALUES)
    inside = np.asarray(_element_by_element(draw, x, other).astype(weft.float64))
    inside_the_frame = np.pad(inside, frame, constant_values=value)
    np.testing.assert_array_equal(np.asarray(eager.astype(weft.float64)), inside_the_frame)


@pytest.mark.parametrize("seed", range(50))
def test_products_in_frames_are_those_beside_them(
    seed: int, threads: Callable[[int], None]
) -> None:
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    batch = tuple(draw.choice([0, 1, 2, 3]) for _ in range(draw.randint(0, 2)))
    rows, depth, columns = (draw.choice(SIZES) for _ in range(3))
    dtype = getattr(weft, draw.choice(["float32", "float64", "bfloat16"]))
    x = weft.asarray(generator.normal(size=(*batch, rows, depth))).astype(dtype)
    w = weft.asarray(generator.normal(size=(*batch, depth, columns))).astype(dtype)
    bias = weft.asarray(generator.normal(size=columns)).astype(dtype)
    frame, value = _frame(draw, len(batch) + 2), draw.choice(VALUES)

    def product(x, w, bias):
        return weft.maximum(weft.matmul(x, w) + bias, 0)

    def program(x, w, bias):
        return weft.pad(product(x, w, bias), frame, value)

    inside = product(x, w, bias)
    expected = np.pad(np.asarray(inside.astype(weft.float64)), frame, constant_values=value)
    compiled = weft.jit(program)
    for count in (1, 3):
        threads(count)
        result = compiled(x, w, bias)
        np.testing.assert_array_equal(np.asarray(result.astype(weft.float64)), expected)


def _split(draw: random.Random, size: int) -> list[int]:
    """Sizes that multiply to `size`, in a random order, with dimensions of 1 between."""
    parts = [1] * draw.choice([0, 0, 1])
    for factor in (2, 3, 5, 7):
        while size > 0 and size % factor == 0 and draw.random() < 0.7:
            parts.append(factor)
            size //= factor
    parts.append(size)
    draw.shuffle(parts)
    return parts


@pytest.mark.parametrize("seed", range(120))
def test_what_is_reshaped_before_it_is_framed(seed: int, threads: Callable[[int], None]) -> None:
    """Products, arithmetic and what is repeated, with dimensions split or joined, joined to others
    and in frames of any number: as NumPy has them."""
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    rows, columns = draw.choice([0, 1, 2, 6, 12, 30, 42, 70]), draw.choice([1, 3, 8, 16, 33])
    dtype = draw.choice(["float32", "float32", "float64", "bfloat16", "int32"])
    kind = draw.choice(["product", "product", "elements", "repeated", "repeated"])
    value = draw.choice([0, 0, 1, -1] + ([np.inf, -np.inf, np.nan] if "float" in dtype else []))
    first = _split(draw, rows)
    if kind == "repeated":
        axis, count = draw.randrange(len(first)), draw.choice([1, 2, 3])
        repeated = [*first[: axis + 1], count, *first[axis + 1 :], columns]
        joined = [n * count if i == axis else n for i, n in enumerate(first)]
        shape = [*joined, columns] if draw.random() < 0.7 else [rows * count, columns]
    else:
        shape = [*_split(draw, rows), columns]
    frame = _frame(draw, len(shape))
    joins = draw.random() < 0.5
    x, other = (_elements(generator, (rows, columns), dtype) for _ in range(2))
    w, beside = _elements(generator, (columns, columns), dtype), _elements(generator, shape, dtype)

    def program(x, other, w, beside):
        if kind == "product":
            y = weft.maximum(weft.matmul(x, w) + other, 0)
        elif kind == "elements":
            y = x * other
        else:
            y = weft.reshape(x, [*first, columns])
            y = weft.broadcast_to(weft.expand_dims(y, axis + 1), repeated)
        y = weft.reshape(y, shape)
        if joins:
            y = weft.concatenate([beside, y, beside], axis=draw_axis)
        return weft.pad(y, frame, value)

    draw_axis = draw.randrange(len(shape))
    tensors = (x, other, w, beside)
    eager = computed(program, threads, *tensors)
    x, other, w, beside = (np.asarray(t.astype(weft.float64)) for t in tensors)

    def rounded(y: np.ndarray) -> np.ndarray:
        return np.asarray(weft.asarray(y).astype(getattr(weft, dtype)).astype(weft.float64))

    y = {
        "product": lambda: np.maximum(rounded(x @ w) + other, 0),
        "elements": lambda: x * other,
        "repeated": lambda: np.broadcast_to(
            np.expand_dims(x.reshape(*first, columns), axis + 1), repeated
        ),
    }[kind]().reshape(shape)
    y = rounded(y)
    if joins:
        y = np.concatenate([beside, y, beside], axis=draw_axis)
    expected = np.pad(y, frame, constant_values=value)
    np.testing.assert_array_equal(np.asarray(eager.astype(weft.float64)), expected)


@pytest.mark.parametrize("seed", range(30))
def test_images_that_are_enlarged_and_joined(seed: int, threads: Callable[[int], None]) -> None:
    """The way up of a U-Net: an image as large as a part of it was, beside that, in a border."""
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    images, height, width = draw.choice([1, 1, 2]), draw.randint(1, 17), draw.randint(1, 17)
    channels, skipped, out = (draw.choice([1, 3, 8, 16, 33]) for _ in range(3))
    scale, window = draw.choice([2, 2, 3]), draw.choice([1, 3, 3])
    x = generator.normal(size=(images, channels, height, width)).astype(np.float32)
    skip = generator.normal(size=(images, skipped, scale * height, scale * width))
    weight = generator.normal(size=(out, channels + skipped, 3, 3)).astype(np.float32)
    before = generator.normal(size=(channels, channels, window, window)).astype(np.float32)

    def program(functional, concatenate, x, skip, before, weight):
        y = functional.conv2d(x, before, padding=window // 2)
        y = functional.interpolate(y, scale_factor=scale, mode="nearest")
        y = functional.conv2d(concatenate([skip, y], 1), weight, padding=1)
        return functional.relu(y)

    def layers(*arguments):
        return program(weft.nn.functional, weft.concatenate, *arguments)

    arrays = (x, skip.astype(np.float32), before, weight)
    tensors = [weft.asarray(array) for array in arrays]
    eager = computed(layers, threads, *tensors)
    wide = [torch.asarray(array).double() for array in arrays]
    expected = program(torch.nn.functional, torch.concatenate, *wide)
    magnitudes = program(torch.nn.functional, torch.concatenate, *map(torch.abs, wide))
    steps = (9 * (channels + skipped) + channels * window**2 + 20) * UNIT_ROUNDOFF["float32"]
    assert (abs(np.asarray(eager) - expected.numpy()) <= steps * magnitudes.numpy()).all()


@pytest.mark.parametrize("seed", range(40))
def test_layers_of_images_in_frames(seed: int, threads: Callable[[int], None]) -> None:
    """A convolution that the border of the next one, or of a pooling, is around."""
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    channels, hidden, out = (draw.choice([1, 2, 5, 16, 19]) for _ in range(3))
    images, height, width = draw.choice([1, 1, 2, 3]), *(draw.randint(4, 23) for _ in range(2))
    window, padding = draw.choice([1, 3, 3, 5]), [draw.randint(0, 2) for _ in range(2)]
    x = generator.normal(size=(images, channels, height, width)).astype(np.float32)
    first = generator.normal(size=(hidden, channels, window, window)).astype(np.float32)
    second = generator.normal(size=(out, hidden, 3, 3)).astype(np.float32)
    bias = generator.normal(size=hidden).astype(np.float32)
    pools, stride = draw.random() < 0.3, draw.choice([1, 1, 2])

    def program(functional, maximum, x, first, bias, second):
        y = maximum(functional.conv2d(x, first, bias, padding=window // 2, stride=stride))
        if pools:
            y = functional.max_pool2d(y, 3, 2, 1)
        return functional.conv2d(y, second, padding=padding)

    def layers(*arguments):
        return program(weft.nn.functional, lambda y: weft.maximum(y, 0), *arguments)

    tensors = [weft.asarray(array) for array in (x, first, bias, second)]
    eager = computed(layers, threads, *tensors)
    wide = [torch.asarray(array).double() for array in (x, first, bias, second)]
    expected = program(torch.nn.functional, torch.relu, *wide)
    magnitudes = program(torch.nn.functional, torch.relu, *map(torch.abs, wide))
    steps = (channels * window**2 + hidden * 9 + 4) * UNIT_ROUNDOFF["float32"]
    assert eager.shape == tuple(expected.shape)
    assert (abs(np.asarray(eager) - expected.numpy()) <= steps * magnitudes.numpy()).all()


@pytest.mark.parametrize("seed", range(60))
def test_lines_of_zeros_count_where_a_weight_is_not_finite(
    seed: int, threads: Callable[[int], None]
) -> None:
    """What multiplies a border is left out only while the weight, which may change, is finite."""
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    groups = draw.choice([1, 1, 1, 2])
    channels, out = (groups * draw.choice([1, 2, 8, 16, 19]) for _ in range(2))
    window, stride, dilation = draw.choice([1, 2, 3, 3, 5]), draw.choice([1, 1, 2, 3]), [1, 2, 3]
    dilation, padding = draw.choice(dilation), [draw.randint(0, 7) for _ in range(2)]
    reach = dilation * (window - 1) + 1
    height, width = (max(draw.randint(1, 33), reach - 2 * around) for around in padding)
    dtype = getattr(weft, draw.choice(["float32", "float32", "float64", "float16", "bfloat16"]))
    layer = weft.nn.Conv2d(
        channels, out, window, stride, tuple(padding), dilation, groups, bias=False
    ).to(dtype)
    x = weft.asarray(generator.normal(size=(draw.choice([1, 2]), channels, height, width)))
    x = x.astype(dtype)
    compiled = weft.jit(lambda x: weft.maximum(layer(x), -2))
    for value in (None, draw.choice([np.inf, -np.inf, np.nan]), None):
        weight = generator.normal(size=layer.weight.shape)
        if value is not None:
            weight.flat[generator.integers(weight.size)] = value
        layer.weight = weft.nn.Parameter(weft.asarray(weight).astype(dtype))
        expected = weft.maximum(layer(x), -2)
        for count in (1, 3):
            threads(count)
            assert_same_bits(expected, compiled(x))
