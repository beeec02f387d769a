"""Objects for controllers without a system, run by an emulator of whole boards."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_cases import cases
from aot_models import WEFTC, Case, assert_same_bits, compile_text, run, tool
from test_aarch64 import arrays_like, bytes_of, declarations_of, names_of
from test_browser import error_of_weftc

CASES = cases()
START = Path(__file__).with_name("controller")


@dataclass
class Board:
    """What a program for one processor is linked for."""

    machine: str
    flags: tuple[str, ...]
    code: int
    memory: int


BOARDS = {
    "cortex-m4": Board("mps2-an386", ("-mfpu=fpv4-sp-d16",), 0, 0x20000000),
    "cortex-m7": Board("mps2-an500", ("-mfpu=fpv5-d16",), 0, 0x20000000),
    "cortex-m33": Board("mps2-an505", ("-mfpu=fpv5-sp-d16",), 0x10000000, 0x38000000),
}


def program_for(case: Case, outputs: list[np.ndarray]) -> str:
    """A C program that reads all inputs, and writes all outputs: 92 if it can't. 91: a call without
    a workspace did not say that it needs one."""
    inputs, needed = case.inputs, f"net_workspace_bytes({', '.join(map(str, case.sizes))})"
    lines = ['#include "net.h"', '#include "start.h"', *declarations_of(inputs, outputs)]
    lines.append("int main(void) {")
    for number, array in enumerate(inputs):
        lines.append(f"  if (!readInput(in{number}, {array.nbytes})) return 92;")
    lines += [
        f"  int status = net_run({names_of(case, outputs)}, NULL);",
        "  uint64_t bytes = (uint64_t)(workspaceEnd - workspace);",
        f"  if ({needed} > bytes) return 93;",
        f"  if (status != ({needed} ? WEFT_ERROR_MEMORY : WEFT_OK)) return 91;",
        "  weft_options options = {sizeof(options), workspace, bytes, NULL, NULL, NULL, 0};",
        f"  status = net_run({names_of(case, outputs)}, &options);",
    ]
    for number, array in enumerate(outputs):
        lines.append(f"  if (!writeOutput(out{number}, {array.nbytes})) return 92;")
    return "\n".join([*lines, "  return status;", "}", ""])


def linked(folder: Path, target: str) -> Path:
    """main.c and net.o in the folder as a program for a board."""
    board = BOARDS[target]
    places = f"-Wl,--defsym=code={board.code:#x},--defsym=memory={board.memory:#x}"
    processor = [f"-mcpu={target}", "-mthumb", "-mfloat-abi=hard", *board.flags]
    strict = ["-Wall", "-Wextra", "-Werror", "-Wl,--fatal-warnings,-z,noexecstack,--gc-sections"]
    sources = [START / "start.c", folder / "main.c", folder / "net.o"]
    command = [tool("arm-none-eabi-gcc"), *processor, *strict, "-nostartfiles", f"-I{START}"]
    script = ["-T", START / "memory.ld", places, "-lm", "-o", folder / "main.elf"]
    run([*command, *sources, *script])
    return folder / "main.elf"


def run_on_board(case: Case, folder: Path, target: str) -> list[np.ndarray]:
    """The outputs of the program, as an emulated board with the processor computes them."""
    emulator, expected = tool("qemu-system-arm"), case.expected()
    compile_text(case.text(), folder / "net.o", f"--target={target}")
    (folder / "main.c").write_text(program_for(case, expected))
    program = linked(folder, target)
    (folder / "input.bin").write_bytes(bytes_of(case.inputs))
    host = ["-semihosting-config", "enable=on,target=native"]
    quiet = ["-nographic", "-monitor", "none", "-serial", "none"]
    command = [emulator, "-machine", BOARDS[target].machine, *host, *quiet, "-kernel", program]
    result = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    return arrays_like(expected, (folder / "output.bin").read_bytes())


@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_jit(name: str, tmp_path: Path) -> None:
    assert_same_bits(run_on_board(CASES[name], tmp_path, "cortex-m4"), CASES[name].expected())


@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m33"])
@pytest.mark.parametrize("name", ["network", "softmax", "loops", "places", "float16"])
def test_other_controllers(name: str, target: str, tmp_path: Path) -> None:
    """They share all but their instructions with the first."""
    assert_same_bits(run_on_board(CASES[name], tmp_path, target), CASES[name].expected())


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m7"])
def test_doubles_are_rounded_once(target: str, tmp_path: Path) -> None:
    """The first of these has no instruction for it, and libraries round the product, too. Factors
    of all sizes."""
    generator = np.random.default_rng(7)
    scales = 2.0 ** generator.integers(-530, 500, (6, 40))
    left = generator.standard_normal((6, 40)) * scales
    right = generator.standard_normal((40, 5)) / scales[0][:, None]
    left[0, :2], left[1, 0] = [1e300, -1e300], np.inf
    case = Case(weft.matmul, [left, right])
    assert_same_bits(run_on_board(case, tmp_path, target), case.expected())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_functions_of_numbers(dtype: str, tmp_path: Path) -> None:
    """What the unit for floats has no instruction for, a library computes or an expansion."""

    def every(x: weft.Tensor, y: weft.Tensor) -> tuple[weft.Tensor, ...]:
        rounded = weft.round(x), weft.floor(x), weft.ceil(x), weft.trunc(x)
        divided = weft.floor_divide(x, y), weft.remainder(x, y), weft.fmod(x, y)
        functions = (
            weft.sqrt(abs(x)),
            weft.exp(x / 64),
            weft.sin(x),
            weft.erf(x),
            weft.pow(abs(y), x),
        )
        return (*rounded, *divided, *functions, weft.astype(x, weft.int64), weft.sign(x) == y)

    generator = np.random.default_rng(3)
    x, y = generator.uniform(-40, 40, (2, 37)).astype(dtype)
    x[:6], y[:6] = [0.5, -0.5, 1.5, -2.5, -0.0, 2.5], [1, -1, 0.5, 7, 3, -0.25]
    case = Case(every, [x, y])
    assert_same_bits(run_on_board(case, tmp_path, "cortex-m4"), case.expected())


@pytest.mark.parametrize("seed", range(8))
def test_products_of_any_sizes(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(seed)
    rows, depth, columns = (int(each) for each in generator.choice([1, 2, 4, 8, 16, 33], 3))
    left = generator.standard_normal((rows, depth))
    right = generator.standard_normal((columns, depth))
    bias = generator.standard_normal(columns).astype(np.float32)
    case = Case(
        lambda x, w, b: weft.maximum(x @ w.mT + b, 0),
        [left.astype(np.float32), right.astype(np.float32), bias],
    )
    assert_same_bits(run_on_board(case, tmp_path, "cortex-m4"), case.expected())


def test_code_is_not_as_long_as_that_for_vectors(tmp_path: Path) -> None:
    """Of 16 elements at a time it was 65 KiB."""
    path = compile_text(CASES["elementwise"].text(), tmp_path / "net.o", "--target=cortex-m4")
    lines = run(["/usr/lib/llvm-22/bin/llvm-size", "-A", path]).splitlines()
    sizes = [int(line.split()[1]) for line in lines if line.startswith(".text")]
    assert 0 < sum(sizes) < 16 << 10


def test_objects_need_no_more_than_the_compilers_own_library(tmp_path: Path) -> None:
    path = compile_text(CASES["network"].text(), tmp_path / "net.o", "--target=cortex-m4")
    needed = run(
        ["/usr/lib/llvm-22/bin/llvm-nm", "--undefined-only", "--format=just-symbols", path]
    )
    assert {name for name in needed.split() if not name.startswith("__aeabi_")} == set()
    assert "unwind" not in needed
    assert "cortex-m4" in run([WEFTC, "--inspect", path])


def test_the_description_takes_no_memory_of_the_controller(tmp_path: Path) -> None:
    case = CASES["network"]
    compile_text(case.text(), tmp_path / "net.o", "--target=cortex-m4")
    (tmp_path / "main.c").write_text(program_for(case, case.expected()))
    sections = run(["/usr/lib/llvm-22/bin/llvm-readelf", "-S", linked(tmp_path, "cortex-m4")])
    assert ".text" in sections
    assert ".weft" not in sections


def test_the_header_says_who_allocates(tmp_path: Path) -> None:
    flags = ["--target=cortex-m33", f"--weights={tmp_path / 'net.safetensors'}"]
    compile_text(CASES["network"].text(), tmp_path / "net.o", *flags)
    header = (tmp_path / "net.h").read_text()
    assert "without, a call that needs some returns WEFT_ERROR_MEMORY" in header
    # There are no files to map.
    assert "net_check_weights(" in header
    assert "net_map_weights(" not in header


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--threads=pool",), "models for cortex-m7 run on the caller's thread"),
        (("--emit=shared",), "there are no shared libraries for cortex-m7"),
        (("--javascript", "net.js"), "--target=wasm32"),
    ],
)
def test_what_needs_a_system_is_refused(flags: tuple[str, ...], words: str, tmp_path: Path) -> None:
    program = tmp_path / "net.weft"
    weft.export(weft.exp, weft.spec((4,))).save(program)
    message = error_of_weftc(program, "-o", tmp_path / "net.o", "--target=cortex-m7", *flags)
    assert words in message
    assert list(tmp_path.iterdir()) == [program]
