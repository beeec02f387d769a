"""Objects for RISC-V with vectors, run by an emulator with registers of several lengths."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from aot_cases import cases
from aot_models import Case, assert_same_bits, compile_text, run
from test_aarch64 import run_emulated
from test_same_bits import large_case

CASES = cases()


def processor(bits: int) -> tuple[str, ...]:
    """Options of the emulator: vectors, with registers of so many bits, and nothing else."""
    return ("-cpu", f"rv64,v=true,vlen={bits},elen=64,vext_spec=v1.0")


def run_on_riscv(case: Case, folder: Path) -> list[np.ndarray]:
    """The outputs of the program, as an emulated RISC-V computes them."""
    try:
        return run_emulated(case, folder, "riscv64", options=processor(128))
    except subprocess.CalledProcessError as error:
        if b"decode_save_opc: Assertion" in error.stderr:
            pytest.skip("QEMU before 8 (its issue 1441) fails at vector conversions with .rtz")
        raise


@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_jit(name: str, tmp_path: Path) -> None:
    assert_same_bits(run_on_riscv(CASES[name], tmp_path), CASES[name].expected())


@pytest.mark.parametrize("bits", [256, 1024])
def test_longer_registers_give_the_same(bits: int, tmp_path: Path) -> None:
    case = CASES["network"]
    outputs = run_emulated(case, tmp_path, "riscv64", options=processor(bits))
    assert_same_bits(outputs, case.expected())


def test_pool_on_riscv(tmp_path: Path) -> None:
    case = large_case()
    flags = {"options": processor(128)}
    for output, expected in zip(
        run_emulated(case, tmp_path, "riscv64", "--threads=pool", **flags),
        case.expected(),
        strict=True,
    ):
        np.testing.assert_array_equal(output, expected)


def test_objects_use_vectors(tmp_path: Path) -> None:
    path = compile_text(CASES["softmax"].text(), tmp_path / "net.o", "--target=riscv64")
    assert "elf64-littleriscv" in run(["/usr/lib/llvm-22/bin/llvm-objdump", "-f", path])
    code = run(["/usr/lib/llvm-22/bin/llvm-objdump", "-d", "--mattr=+v", path])
    assert "vfadd" in code
    assert "vle32.v" in code
