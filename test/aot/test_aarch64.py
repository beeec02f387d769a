"""Objects for ARM: cross-compiled, linked with its C library, run by an emulator of its processor.

Bits may differ from this machine's where LLVM expands an operation otherwise, but not by more than
rounding: the bound is in units in the last place of the largest terms that were added.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from aot_cases import cases
from aot_models import Case, compile_text, run, tool
from test_same_bits import large_case

CASES = cases()
C_TYPES = {
    "bool": "uint8_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
    "float16": "uint16_t",
    "bfloat16": "uint16_t",
    "float8_e4m3fn": "uint8_t",
    "float8_e5m2": "uint8_t",
    "float32": "float",
    "float64": "double",
}


def declarations_of(inputs: list[np.ndarray], outputs: list[np.ndarray]) -> list[str]:
    """Lines of C: an array for each input and output, in0, in1, ..., out0, ..."""
    lines = []
    for role, arrays in (("in", inputs), ("out", outputs)):
        for number, array in enumerate(arrays):
            # Complex numbers are pairs of numbers in C.
            dtype, size = (
                (array.real.dtype, 2 * array.size)
                if array.dtype.kind == "c"
                else (array.dtype, array.size)
            )
            lines.append(f"static {C_TYPES[str(dtype)]} {role}{number}[{max(1, size)}];")
    return lines


def names_of(case: Case, outputs: list[np.ndarray]) -> str:
    """The arguments of a call: sizes, in0, in1, ..., out0, ..."""
    names = [f"in{number}" for number in range(len(case.inputs))]
    names += [f"out{number}" for number in range(len(outputs))]
    return ", ".join([*map(str, case.sizes), *names])


def program_for(case: Case, outputs: list[np.ndarray]) -> str:
    """A C program that reads all inputs from its standard input, and writes all outputs."""
    inputs = case.inputs
    lines = ['#include "net.h"', "#include <stdio.h>", *declarations_of(inputs, outputs)]
    lines.append("int main(void) {")
    for number, array in enumerate(inputs):
        lines.append(
            f"  if (fread(in{number}, 1, {array.nbytes}, stdin) != {array.nbytes}) return 100;"
        )
    lines.append(f"  int status = net_run({names_of(case, outputs)}, NULL);")
    for number, array in enumerate(outputs):
        lines.append(f"  fwrite(out{number}, 1, {array.nbytes}, stdout);")
    return "\n".join([*lines, "  return status;", "}", ""])


def run_emulated(
    case: Case, folder: Path, target: str, *flags: str, options: tuple[str, ...] = ()
) -> list[np.ndarray]:
    """The outputs of the program, as an emulator of the target, told options, computes them."""
    compiler, emulator = tool(f"{target}-linux-gnu-gcc"), tool(f"qemu-{target}")
    expected = case.expected()
    model = compile_text(case.text(), folder / "net.o", f"--target={target}", *flags)
    (folder / "main.c").write_text(program_for(case, expected))
    program = folder / "main"
    run([compiler, "-Wall", "-Werror", "-static", folder / "main.c", model, "-lm", "-o", program])

    command = [emulator, *options, str(program)]
    result = subprocess.run(command, input=bytes_of(case.inputs), capture_output=True, check=True)
    return arrays_like(expected, result.stdout)


def bytes_of(arrays: list[np.ndarray]) -> bytes:
    """The elements of arrays, one array after the other."""
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def arrays_like(expected: list[np.ndarray], rest: bytes) -> list[np.ndarray]:
    """Arrays of the same dtypes and shapes, of these bytes, which have to be all."""
    outputs = []
    for like in expected:
        outputs.append(np.frombuffer(rest[: like.nbytes], like.dtype).reshape(like.shape))
        rest = rest[like.nbytes :]
    assert rest == b""
    return outputs


def run_on_arm(case: Case, folder: Path, *flags: str) -> list[np.ndarray]:
    """The outputs of the program, as an emulated ARM computes them."""
    return run_emulated(case, folder, "aarch64", *flags)


@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_jit(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for output, expected in zip(run_on_arm(case, tmp_path), case.expected(), strict=True):
        np.testing.assert_array_equal(
            np.ascontiguousarray(output).view(np.uint8),
            np.ascontiguousarray(expected).view(np.uint8),
        )


def test_pool_on_arm(tmp_path: Path) -> None:
    case = large_case()
    for output, expected in zip(
        run_on_arm(case, tmp_path, "--threads=pool"), case.expected(), strict=True
    ):
        np.testing.assert_array_equal(output, expected)


def test_arm_objects_are_for_arm(tmp_path: Path) -> None:
    path = compile_text(CASES["softmax"].text(), tmp_path / "net.o", "--target=aarch64")
    assert "elf64-littleaarch64" in run(["/usr/lib/llvm-22/bin/llvm-objdump", "-f", path])
