"""Contractions by TMA and wgmma compute what the processor does, under many schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import weft
from devices import schedules
from numerics import assert_same_bits, to_numpy


class Case(NamedTuple):
    """A product of two arrays of these shapes, and what is computed from it."""

    function: Callable[..., weft.Tensor]
    left: tuple[int, ...]
    right: tuple[int, ...]
    bias: int = 0
    dtype: str = "bfloat16"
    # The same on arrays of float64.
    reference: Callable[..., np.ndarray] = np.matmul


def _heads(a: weft.Tensor, b: weft.Tensor) -> weft.Tensor:
    return weft.permute_dims(a, (0, 2, 1, 3)) @ weft.permute_dims(b, (0, 2, 3, 1))


def _relu(a: weft.Tensor, b: weft.Tensor, c: weft.Tensor) -> weft.Tensor:
    return weft.relu(a @ b + c)


# Which operand lies in memory along the depth.
_LAYOUTS = {
    "nn": Case(lambda a, b: a @ b, (640, 136), (136, 1000)),
    "nt": Case(lambda a, b: a @ b.T, (640, 136), (1000, 136), reference=lambda a, b: a @ b.T),
    "tn": Case(lambda a, b: a.T @ b, (136, 640), (136, 1000), reference=lambda a, b: a.T @ b),
    "tt": Case(lambda a, b: a.T @ b.T, (136, 640), (1000, 136), reference=lambda a, b: a.T @ b.T),
}

CASES = {
    **_LAYOUTS,
    **{f"{name}_float16": case._replace(dtype="float16") for name, case in _LAYOUTS.items()},
    "whole_tiles": Case(lambda a, b: a @ b, (768, 256), (256, 768)),
    "odd_rows": Case(lambda a, b: a @ b, (701, 72), (72, 904)),
    "odd_rows_and_columns": _LAYOUTS["nt"]._replace(left=(701, 200), right=(903, 200)),
    "depth_of_8": _LAYOUTS["nt"]._replace(left=(701, 8), right=(903, 8)),
    "odd_depth": _LAYOUTS["tn"]._replace(left=(71, 640), right=(71, 904)),
    "batches": Case(lambda a, b: a @ b, (9, 200, 72), (9, 72, 136)),
    "one_right_for_batches": Case(lambda a, b: a @ b, (6, 3, 200, 64), (3, 64, 136)),
    "heads": Case(
        _heads,
        (3, 200, 4, 64),
        (3, 136, 4, 64),
        reference=lambda a, b: np.einsum("bmhk,bnhk->bhmn", a, b),
    ),
    "relu": Case(
        _relu, (701, 72), (72, 904), 904, reference=lambda a, b, c: np.maximum(a @ b + c, 0)
    ),
    "relu_wide": Case(
        _relu, (1500, 72), (72, 2888), 2888, reference=lambda a, b, c: np.maximum(a @ b + c, 0)
    ),
    # What tensor maps can't describe.
    "odd_sizes": Case(lambda a, b: a @ b, (701, 71), (71, 903)),
    "no_depth": Case(lambda a, b: a @ b, (640, 0), (0, 904)),
}


@pytest.fixture(params=["emulator:sm_90a", pytest.param("cuda", marks=pytest.mark.device)])
def device(request: pytest.FixtureRequest) -> weft.device:
    return weft.device(request.param)


@pytest.mark.parametrize("name", CASES)
def test_products(name: str, device: weft.device) -> None:
    case = CASES[name]
    numbers = np.random.default_rng(len(name))
    shapes = [case.left, case.right] + ([(case.bias,)] if case.bias else [])
    tensors = [weft.asarray(numbers.standard_normal(s)).astype(case.dtype) for s in shapes]
    kernels = weft.jit(case.function).lower(*tensors, target="cuda:sm_90a").ir("kernels")
    assert f"warpgroup_contraction<columns = {256 if name == 'relu_wide' else 128}>" in kernels
    arrays = [to_numpy(tensor).astype(np.float64) for tensor in tensors]
    expected = case.reference(*arrays)
    # Sums are off by their own rounding and by that of up to two results of the dtype.
    sums = case.reference(*map(np.abs, arrays))
    rounding = {"bfloat16": 2.0**-8, "float16": 2.0**-11}[case.dtype]
    largest = np.abs(expected).max(initial=0) if case.bias else np.abs(expected)
    bound = 1.01 * rounding * (largest + np.abs(expected)) + 2.0**-20 * sums
    there = [tensor.to(device) for tensor in tensors]
    function = weft.jit(case.function)
    first = None
    for seed in schedules(device):
        actual = function(*there).cpu()
        assert actual.shape == expected.shape
        excess = np.abs(to_numpy(actual).astype(np.float64) - expected) - bound
        assert (excess <= 0).all(), f"seed {seed}: beyond the bound by {excess.max()}"
        first = actual if first is None else first
        assert_same_bits(actual, first, f"seed {seed} gives other bits than the first")
