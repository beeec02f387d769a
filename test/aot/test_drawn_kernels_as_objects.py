"""Random kernels of every dtype as objects: the bits of jit, on every processor there is here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import weft
from aot_models import Case, Library, assert_same_bits, compile_text
from drawn_kernels import DrawnKernel
from kernel_programs import loaded
from test_aarch64 import run_on_arm
from test_controllers import run_on_board
from test_riscv64 import run_on_riscv
from web_models import arrays_of, call, given, module_of


def case_of(seed: int, folder: Path) -> Case:
    """A random kernel with its arrays."""
    drawn = DrawnKernel(seed)
    kernel = weft.kernel(loaded(folder, drawn.source))
    return Case(lambda *tensors: drawn.call(kernel, *tensors), drawn.tensors())


@pytest.mark.parametrize("threads", ["none", "pool"])
@pytest.mark.parametrize("seed", range(6))
def test_bits_are_those_of_jit(seed: int, threads: str, tmp_path: Path) -> None:
    case = case_of(seed, tmp_path)
    expected = case.expected()
    flags = ["--emit=shared", "--name=case", f"--threads={threads}"]
    library = Library(compile_text(case.text(), tmp_path / "libcase.so", *flags), "case")
    assert_same_bits(library(case.inputs, expected), expected)


def run_on_web(case: Case, folder: Path) -> list[np.ndarray]:
    """The outputs of the program, as Node.js computes them."""
    [answer] = call(module_of(case.text(), folder), [given(x) for x in case.inputs])
    return arrays_of(answer, case.expected())


TARGETS = {
    "aarch64": run_on_arm,
    "riscv64": run_on_riscv,
    "wasm32": run_on_web,
    "cortex-m4": lambda case, folder: run_on_board(case, folder, "cortex-m4"),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("seed", range(20, 26))
def test_other_processors(seed: int, target: str, tmp_path: Path) -> None:
    """Every NaN is the same: WebAssembly has its own."""
    case = case_of(seed, tmp_path)
    for got, want in zip(TARGETS[target](case, tmp_path), case.expected(), strict=True):
        assert got.dtype == want.dtype
        if want.dtype.kind in "fV":
            got, want = got.astype(np.float64), want.astype(np.float64)
        np.testing.assert_array_equal(got, want)
