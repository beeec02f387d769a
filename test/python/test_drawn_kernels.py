"""Random kernels of every dtype: NumPy's results to the bit, however they are run."""

from __future__ import annotations

from pathlib import Path

import devices
import numpy as np
import pytest
import weft
from drawn_kernels import DrawnKernel, assert_same
from kernel_programs import loaded


def _turned(array: weft.Tensor) -> weft.Tensor:
    return weft.permute_dims(array, tuple(range(array.ndim))[::-1])


@pytest.mark.parametrize("seed", range(30))
def test_results_are_those_of_numpy(seed: int, tmp_path: Path) -> None:
    drawn = DrawnKernel(seed)
    expected = drawn.expected(tmp_path)
    kernel = weft.kernel(loaded(tmp_path, drawn.source))
    tensors = [weft.asarray(array) for array in drawn.tensors()]
    assert_same(drawn.call(kernel, *tensors), expected, drawn.source)
    assert_same(drawn.call(kernel.checked, *tensors), expected, drawn.source)
    # Of arrays that other operations turn.
    turned = [weft.asarray(array.T.copy()) for array in drawn.tensors()]
    run = weft.jit(lambda *given: drawn.call(kernel, *map(_turned, given)))
    assert_same(run(*turned), expected, drawn.source)


@pytest.mark.parametrize("device", devices.DEVICES)
@pytest.mark.parametrize("seed", range(100, 112))
def test_devices_have_the_bits_of_the_processor(device: str, seed: int, tmp_path: Path) -> None:
    drawn = DrawnKernel(seed)
    kernel = weft.kernel(loaded(tmp_path, drawn.source))
    tensors = [weft.asarray(array) for array in drawn.tensors()]
    expected = [np.asarray(each) for each in drawn.call(kernel, *tensors)]
    given = [weft.asarray(array, device=device) for array in drawn.tensors()]
    for _ in devices.schedules(weft.device(device)):
        assert_same(drawn.call(kernel, *given), expected, drawn.source)


@pytest.mark.parametrize("seed", range(200, 212))
def test_exported_and_mapped(seed: int, tmp_path: Path) -> None:
    drawn = DrawnKernel(seed)
    kernel = weft.kernel(loaded(tmp_path, drawn.source))
    run = lambda *given: drawn.call(kernel, *given)  # noqa: E731
    expected = drawn.expected(tmp_path)
    tensors = [weft.asarray(array) for array in drawn.tensors()]
    specs = [weft.spec(each.shape, each.dtype) for each in tensors]
    weft.export(run, *specs).save(tmp_path / "drawn.weft")
    assert_same(weft.load(tmp_path / "drawn.weft")(*tensors), expected, drawn.source)
    if len(drawn.grid) < 3:
        # One that is all the same beside it, so that each lane reads its own.
        others = [weft.flip(each) for each in tensors]
        both = weft.vmap(run)(*(weft.stack(pair) for pair in zip(tensors, others, strict=True)))
        assert_same([each[0] for each in both], expected, drawn.source)
        alone = [np.asarray(each) for each in run(*others)]
        assert_same([each[1] for each in both], alone, drawn.source)
