"""Random programs on devices: eager and compiled alike, and within derived bounds of the truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import weft
from devices import DEVICES, moved
from hypothesis import HealthCheck, given, settings
from numerics import UNIT_ROUNDOFF, assert_same_bits, to_numpy
from random_programs import Program, programs


def _check(program: Program, dtype: str, device: weft.device) -> None:
    tensors = [weft.asarray(x).astype(dtype) for x in program.inputs("float32")]
    there = moved(tensors, device)
    eager = [result.cpu() for result in program.run(*there)]
    compiled = [result.cpu() for result in weft.jit(program.run)(*there)]
    assert_same_bits(eager, compiled, "eager and jit")
    if dtype != "float32":
        return  # Half precision overflows, and loses what is small, in too many ways.
    exact = program.reference([to_numpy(x) for x in tensors], UNIT_ROUNDOFF[dtype])
    for result, bounded in zip(eager, exact, strict=True):
        checked = np.isfinite(bounded.error)
        off = np.abs(to_numpy(result).astype(np.float64) - bounded.value)[checked]
        # Not <= is true for NaN, too.
        assert not (~(off <= bounded.error[checked])).any()


@pytest.mark.parametrize("place", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_random_programs(dtype: str, place: str) -> None:
    device = weft.device(place)
    seeds = itertools.count(1)

    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def check(program: Program) -> None:
        if device.type == "emulator":
            weft._core.set_emulator_seed(device, next(seeds))
        _check(program, dtype, device)

    check()
