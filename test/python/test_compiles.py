"""A new size is a new trace, never a new compile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import weft
from weft.nn import functional as F

# 50 sizes from 1 to 200, more odd ones than even.
SIZES = [1, 2, *range(3, 52, 3), *range(57, 199, 5), 199, 200]


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
def test_fifty_batch_sizes_compile_no_more_than_two(name: str) -> None:
    assert len(SIZES) >= 50
    function = weft.jit(_FUNCTIONS[name])
    for size in SIZES[:2]:
        function(_random(size, 20))
    after_two = _kernels_made()
    for size in SIZES[2:]:
        function(_random(size, 20))
    assert _kernels_made() == after_two
    assert function.stats()["traces"] == len(SIZES)


def test_eager_calls_of_new_sizes_compile_nothing() -> None:
    for size in SIZES[:2]:
        _perceptron(_random(size, 20))
    after_two = _kernels_made()
    for size in SIZES[2:]:
        _perceptron(_random(size, 20))
    assert _kernels_made() == after_two


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
