"""Kernels on devices beside the processor: each family, under many schedules of the emulator."""

from __future__ import annotations

import device_cases
import numpy as np
import pytest
import weft
from device_cases import Case, normal, u, whole
from devices import DEVICES, moved, schedules
from numerics import assert_same_bits, to_numpy


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> weft.device:
    return weft.device(request.param)


def _assert_close(actual: weft.Tensor, expected: weft.Tensor, bound: object, name: str) -> None:
    assert actual.dtype is expected.dtype
    assert actual.shape == expected.shape
    difference = np.abs(to_numpy(actual).astype(np.float64) - to_numpy(expected))
    excess = difference - np.asarray(bound)
    assert (excess <= 0).all(), f"{name}: beyond the bound by {excess.max()}"


def _check(case: Case, device: weft.device, name: str) -> None:
    tensors = [weft.asarray(argument, copy=True) for argument in case.arguments]
    there = moved(tensors, device)
    expected = case.function(*tensors)
    first = None
    for seed in schedules(device):
        result = case.function(*there)
        assert result.device == device
        actual = result.cpu()
        if case.bound is None:
            assert_same_bits(actual, expected, f"{name}, seed {seed}")
        else:
            _assert_close(actual, expected, case.bound(*case.arguments), f"{name}, seed {seed}")
        first = actual if first is None else first
        assert_same_bits(actual, first, f"{name}: seed {seed} gives other bits than the first")


@pytest.mark.parametrize("name", device_cases.KERNELS)
def test_a_kernel_computes_what_the_processor_does(name: str, device: weft.device) -> None:
    _check(device_cases.KERNELS[name], device, name)


@pytest.mark.parametrize("name", device_cases.CONTRACTIONS)
def test_contractions_for_a_later_gpu_compute_the_same(name: str) -> None:
    """Tensor cores differ from GPU to GPU; all other kernels are the same code."""
    _check(device_cases.CONTRACTIONS[name], weft.device("emulator:sm_90a"), name)


def _gradients(function, arrays, device):
    """The gradients for all arguments of a weighted sum of the result."""
    tensors = [weft.tensor(array, requires_grad=True, device=device) for array in arrays]
    result = function(*tensors)
    weight = np.linspace(-1.0, 1.0, result.numel(), dtype=np.float32).reshape(result.shape)
    (result * weft.asarray(weight, device=device)).sum().backward()
    return [tensor.grad.cpu() for tensor in tensors]


GRADIENTS = {
    "conv2d": (
        lambda x, w, b: weft.nn.functional.conv2d(x, w, b, padding=1),
        (normal(2, 3, 5, 6), normal(4, 3, 3, 3, seed=1), normal(4, seed=2)),
        60,
    ),
    "max_pool": (lambda x: weft.nn.functional.max_pool2d(x, 2), (normal(2, 2, 4, 6),), 1),
    "embedding": (
        lambda w: weft.nn.functional.embedding(weft.asarray(whole(12, below=5)).to(w.device), w),
        (normal(5, 7),),
        12,
    ),
    "layer_norm": (
        lambda x, w: weft.nn.functional.layer_norm(x, (33,), w),
        (normal(4, 33), normal(33, seed=1)),
        33,
    ),
    "matmul": (lambda x, y: x @ y, (normal(7, 9), normal(9, 5, seed=1)), 9),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_the_processor(name: str, device: weft.device) -> None:
    """Each is a few sums, one after the other, of at most `terms` terms of moderate size."""
    function, arrays, terms = GRADIENTS[name]
    expected = _gradients(function, arrays, "cpu")
    for seed in schedules(device):
        for actual, wanted in zip(_gradients(function, arrays, device), expected, strict=True):
            largest = float(np.abs(wanted.numpy()).max()) + 1
            bound = 16 * terms * u * largest
            _assert_close(actual, wanted, bound, f"gradient of {name}, seed {seed}")
