"""A new size is a new trace, never a new compile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import weft
from numerics import assert_same_bits
from weft.nn import functional as F

# 50 sizes from 1 to 200, more odd ones than even.
SIZES = [1, 2, *range(3, 52, 3), *range(57, 199, 5), 199, 200]
# Products of few rows have kernels of their own: one row, at most 4, at most 16, one block, many.
KINDS = [1, 2, 6, 18, 57, 199]


def _kernels_made() -> int:
    """Kernels compiled, or found compiled on disk."""
    statistics = weft.stats()
    return statistics["kernels_compiled"] + statistics["disk_cache_hits"]


def _random(*shape: int) -> weft.Tensor:
    return weft.asarray(np.random.default_rng(1).standard_normal(shape).astype(np.float32))


_WEIGHTS = (_random(20, 31), _random(31), _random(31, 10))


def _perceptron(x: weft.Tensor) -> weft.Tensor:
    first, bias, second = _WEIGHTS
    return weft.softmax(weft.relu(x @ first + bias) @ second)


def _normalised(x: weft.Tensor) -> weft.Tensor:
    return weft.softmax(F.layer_norm(x, (20,)) * 2.0) + weft.mean(x, axis=0)


def _loss(x: weft.Tensor) -> weft.Tensor:
    return weft.mean(weft.log(_perceptron(x)) ** 2)


def _image(x: weft.Tensor) -> weft.Tensor:
    images = weft.reshape(x, (x.shape[0], 1, 4, 5))
    kernel = weft.reshape(_WEIGHTS[1][:27], (3, 1, 3, 3))
    return F.max_pool2d(weft.tanh(F.conv2d(images, kernel, padding=1)), 2)


_FUNCTIONS: dict[str, Callable] = {
    "perceptron": _perceptron,
    "softmax_and_layer_norm": _normalised,
    "gradient": weft.grad(_loss),
    "convolution": _image,
}


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_fifty_batch_sizes_compile_no_more_than_their_kinds(name: str) -> None:
    assert len(SIZES) >= 50
    function = weft.jit(_FUNCTIONS[name])
    for size in KINDS:
        function(_random(size, 20))
    after_all_kinds = _kernels_made()
    for size in SIZES:
        function(_random(size, 20))
    assert _kernels_made() == after_all_kinds
    assert function.stats()["traces"] == len(SIZES)


def test_eager_calls_of_new_sizes_compile_nothing() -> None:
    for size in KINDS:
        _perceptron(_random(size, 20))
    after_all_kinds = _kernels_made()
    for size in SIZES:
        _perceptron(_random(size, 20))
    assert _kernels_made() == after_all_kinds


def test_batches_of_images_share_a_kernel() -> None:
    """Weights beyond the cache: the rows that share them are those of one image. The 49 of a single
    image of 7x7 are few for the widest vectors, which may have a kernel of their own for them."""
    weight = _random(256, 40, 3, 3)
    function = weft.jit(lambda x, w: F.conv2d(x, w, padding=1))
    function(_random(2, 40, 7, 7), weight)
    after_two = _kernels_made()
    for batch in (3, 8, 17):
        function(_random(batch, 40, 7, 7), weight)
    assert _kernels_made() == after_two


def _row_set(x: weft.Tensor, i: int) -> weft.Tensor:
    x = x * 2.0
    x[i] = 1.0
    return x


def _rows_spread(x: weft.Tensor, i: int) -> weft.Tensor:
    x = x * 2.0
    x[i :: i + 3, 3:9] = x[:1, 3:9]
    return x


# The size of the result differs as well: neither is part of a kernel.
_PLACES: dict[str, Callable[[weft.Tensor, int], weft.Tensor]] = {
    "slice": lambda x, i: x[i * 8 : (i + 1) * 8] * 2.0,
    "row": lambda x, i: x[i] * 2.0,
    "columns": lambda x, i: x[:, i : i + 2] * 2.0,
    "reversed": lambda x, i: x[i + 3 :: -1] * 2.0,
    "steps": lambda x, i: x[:: i + 2] * 2.0,
    "flip": lambda x, i: weft.flip(x[: i + 4], axis=0),
    "pad": lambda x, i: weft.pad(x, [(i, 1), (0, i)]),
    "gradient": lambda x, i: weft.grad(lambda t: weft.sum(t[i :: i + 3] * t[i : i + 1]))(x),
    "row_set": _row_set,
    "rows_spread": _rows_spread,
    "several": lambda x, i: x[i : i + 4] + x[i + 1 : i + 5, ::-1] - x[2 * i : 2 * i + 4],
}


@pytest.mark.parametrize("name", _PLACES)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_places_steps_and_paddings_compile_once(name: str, compiled: bool) -> None:
    place = _PLACES[name]
    function = weft.jit(place, static_argnums=1) if compiled else place
    x = _random(200, 20)
    function(x, 1)
    after_one = _kernels_made()
    for i in range(2, 12):
        assert_same_bits(function(x, i), place(x, i))
    assert _kernels_made() == after_one


def test_an_unrolled_recurrence_compiles_no_kernel_for_each_step() -> None:
    weights = _random(20, 20)

    def recurrence(x: weft.Tensor, steps: int) -> weft.Tensor:
        state = x[0]
        for i in range(1, steps):
            state = weft.tanh(state @ weights + x[i])
        return state

    function = weft.jit(recurrence, static_argnums=1)
    x = _random(60, 4, 20)
    function(x, 6)
    after_six = _kernels_made()
    function(x, 50)
    assert _kernels_made() == after_six


def test_a_layer_that_is_repeated_is_compiled_once() -> None:
    def layers(x: weft.Tensor, count: int) -> weft.Tensor:
        for _ in range(count):
            x = weft.tanh(x @ _WEIGHTS[0][:, :20] + 1.0)
        return x

    compiled = weft.jit(layers, static_argnums=1)
    compiled(_random(4, 20), 3)
    after_three = _kernels_made()
    compiled(_random(4, 20), 12)
    assert _kernels_made() == after_three
