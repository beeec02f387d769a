"""The tools when their streams are closed or full: a message and exit status 1, no crash."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

MODULE = """func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exp %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.mlir"
    path.write_text(MODULE)
    return path


def commands(build_folder: Path, module: Path) -> list[list[Path | str]]:
    """Each prints what has to be somewhere."""
    compiled = module.with_suffix(".o")
    programs = build_folder / "bin"
    subprocess.run([programs / "weftc", module, "-o", compiled], check=True)
    return [
        [programs / "weft-opt", module],
        [programs / "weft-opt", module, "--weft-pipeline=cpu"],
        [programs / "weft-opt", module, "-o", "/dev/full"],
        [programs / "weftc", "--inspect", compiled],
        [programs / "weftc", "--inspect", "--json", compiled],
        [programs / "weft-opt", "--help"],
        [programs / "weftc", "--help"],
        [programs / "weft-reduce", module, "--test=true", "-o", "/dev/full"],
    ]


def test_a_full_disk_is_told(build_folder: Path, module: Path) -> None:
    for command in commands(build_folder, module):
        with open("/dev/full", "wb") as full:
            run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert run.returncode == 1, command
        assert "No space left on device" in run.stderr, command
        assert "PLEASE" not in run.stderr


def test_devices_stay_devices(build_folder: Path, module: Path) -> None:
    """An output is written into them, and never takes their place."""
    pipe = module.with_name("pipe")
    os.mkfifo(pipe)
    for tool, more in (("weft-opt", []), ("weft-reduce", ["--test=true"])):
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
            subprocess.run([build_folder / "bin" / tool, module, *more, "-o", pipe], check=True)
            assert reader.stdout is not None
            assert b"module" in reader.stdout.read()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("closed", [(1,), (0, 1), (0, 1, 2)])
def test_a_closed_output_is_told(build_folder: Path, module: Path, closed: tuple[int, ...]) -> None:
    for command in commands(build_folder, module)[:5]:
        run = subprocess.run(
            command,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: [os.close(stream) for stream in closed],
        )
        assert run.returncode == 1, command
        if 2 not in closed:
            assert "PLEASE" not in run.stderr
            assert len(run.stderr.splitlines()) == 1, run.stderr


@pytest.mark.parametrize("closed", [(0,), (2,), (0, 1, 2)])
def test_files_do_not_take_the_place_of_closed_streams(
    build_folder: Path, module: Path, closed: tuple[int, ...]
) -> None:
    output = module.with_name("out.mlir")
    expected = subprocess.check_output([build_folder / "bin" / "weft-opt", module])
    subprocess.run(
        [build_folder / "bin" / "weft-opt", module, "-o", output],
        check=True,
        preexec_fn=lambda: [os.close(stream) for stream in closed],
    )
    assert output.read_bytes() == expected


def test_a_folder_that_cannot_be_written(build_folder: Path, module: Path, tmp_path: Path) -> None:
    """/proc takes no files of anyone, root included."""
    for tool, more in (("weft-opt", []), ("weftc", ["--header", str(tmp_path / "module.h")])):
        run = subprocess.run(
            [build_folder / "bin" / tool, module, "-o", "output.o", *more],
            cwd="/proc",
            capture_output=True,
            text=True,
        )
        assert run.returncode == 1
        assert "output.o" in run.stderr
        assert "PLEASE" not in run.stderr
    assert not (tmp_path / "module.h").exists()


def test_children_that_are_ignored_are_no_trouble(build_folder: Path, module: Path) -> None:
    """weft-opt reads its input in a child process first."""
    run = subprocess.run(
        ["bash", "-c", 'trap "" CHLD; "$0" "$1"', build_folder / "bin" / "weft-opt", module],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "weft.exp" in run.stdout


@pytest.mark.parametrize("tool", [("weft-opt",), ("weftc", "-o", "x.o"), ("weftc", "--inspect")])
def test_devices_are_no_input(tool: tuple[str, ...], build_folder: Path, tmp_path: Path) -> None:
    program = build_folder / "bin" / tool[0]
    result = subprocess.run(
        [program, *tool[1:], "/dev/zero"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert result.returncode == 1
    assert "it is a device" in result.stderr
