"""What weftc makes for GPUs: PTX text and machine code of all kernels of a program."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import weft
from aot_models import WEFTC, run, tool
from test_symbolic import DENSE
from test_weftc import error_of
from weft import nn

TARGETS = ["cuda:sm_80", "cuda:sm_90a"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program with a symbolic size, of three kernels."""
    path = tmp_path / "dense.mlir"
    path.write_text(DENSE)
    return path


def launched(path: Path) -> set[str]:
    """The kernels that the metadata of an object says it runs."""
    run([WEFTC, path, "-o", path.with_suffix(".o")])
    text = run([WEFTC, "--inspect", path.with_suffix(".o")])
    return {line.split(":")[0].strip() for line in text.partition("  kernels\n")[2].splitlines()}


def entries(ptx: str) -> set[str]:
    """The kernels whose entries are in a PTX text, without the numbers of their stages."""
    return {name.rpartition("_")[0] for name in re.findall(r"\.visible \.entry (\w+)\(", ptx)}


@pytest.mark.parametrize("target", TARGETS)
def test_ptx_has_all_kernels(target: str, program: Path) -> None:
    output = program.with_suffix(".ptx")
    run([WEFTC, program, "-o", output, "--emit=ptx", f"--target={target}"])
    ptx = output.read_text()
    assert f".target {target.removeprefix('cuda:')}" in ptx
    # Names are of what is computed and its hash; the schedule, which is the GPU's, is hashed too.
    kinds = {name.rpartition("_")[0] for name in launched(program)}
    assert {name.rpartition("_")[0] for name in entries(ptx)} == kinds
    assert len(kinds) >= 2


def test_stages_are_entries(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 676, 10))
    exported = weft.export(network, weft.spec(("n", 1, 28, 28)))
    exported.compile_object(tmp_path / "a.ptx", target="cuda:sm_80", emit="ptx")
    exported.save(tmp_path / "a.weft")
    run([WEFTC, tmp_path / "a.weft", "-o", tmp_path / "b.ptx", "--emit=ptx", "--target=cuda:sm_80"])
    assert (tmp_path / "a.ptx").read_bytes() == (tmp_path / "b.ptx").read_bytes()
    assert len(entries((tmp_path / "a.ptx").read_text())) >= 2


@pytest.mark.parametrize("target", TARGETS)
def test_cubin_is_machine_code(target: str, program: Path) -> None:
    tool("ptxas")
    output, ptx = program.with_suffix(".cubin"), program.with_suffix(".ptx")
    run([WEFTC, program, "-o", output, "--emit=cubin", f"--target={target}"])
    run([WEFTC, program, "-o", ptx, "--emit=ptx", f"--target={target}"])
    content = output.read_bytes()
    assert content.startswith(b"\x7fELF")
    for name in entries(ptx.read_text()):
        assert name.encode() in content


def test_cubin_needs_ptxas(program: Path) -> None:
    message = error_of(
        program,
        *("-o", program.with_suffix(".cubin"), "--emit=cubin", "--target=cuda:sm_80"),
        env={"PATH": str(program.parent)},
    )
    assert "ptxas" in message
    assert "PTX" in message
    assert not program.with_suffix(".cubin").exists()


def test_ptxas_that_fails(program: Path) -> None:
    """What it says is part of the one error."""
    fake = program.parent / "ptxas"
    fake.write_text(f"#!{shutil.which('sh')}\necho no register is left >&2\nexit 3\n")
    fake.chmod(0o755)
    message = error_of(
        program,
        *("-o", program.with_suffix(".cubin"), "--emit=cubin", "--target=cuda:sm_80"),
        env={"PATH": str(program.parent)},
    )
    assert "no register is left" in message


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--emit=ptx"], ["native", "cuda:sm_80, cuda:sm_90a"]),
        (["--emit=cubin", "--target=aarch64"], ["aarch64", "cuda:sm_90a"]),
        (["--emit=obj", "--target=cuda:sm_80"], ["obj", "cuda:sm_80", "ptx and cubin"]),
        (["--emit=shared", "--target=cuda:sm_90a"], ["shared", "ptx and cubin"]),
        (["--emit=ptx", "--target=cuda:sm_70"], ["cuda:sm_70", "cuda:sm_80"]),
        (["--emit=ptx", "--target=cuda:sm_80", "--header=net.h"], ["header"]),
        (["--emit=ptx", "--target=cuda:sm_80", "--weights=w"], ["weights"]),
        (["--emit=ptx", "--target=cuda:sm_80", "--threads=pool"], ["threads"]),
        (["--emit=ptx", "--target=cuda:sm_80", "--name=net"], ["name"]),
    ],
)
def test_options_that_do_not_fit(flags: list[str], words: list[str], program: Path) -> None:
    message = error_of(program, "-o", program.with_suffix(".out"), *flags, cwd=program.parent)
    for word in words:
        assert word in message
    assert list(program.parent.iterdir()) == [program]


def test_errors_name_the_line(tmp_path: Path) -> None:
    """What a GPU can't compute is refused with the user's line."""
    path = tmp_path / "angles.mlir"
    path.write_text(
        "func.func @main(%x: tensor<8xf64>) -> tensor<8xf64> {\n"
        "  %0 = weft.sin %x : tensor<8xf64>\n  return %0 : tensor<8xf64>\n}\n"
    )
    flags = ["--emit=ptx", "--target=cuda:sm_80"]
    message = error_of(path, "-o", tmp_path / "angles.ptx", *flags)
    assert "angles.mlir:2" in message
    assert "float64" in message
