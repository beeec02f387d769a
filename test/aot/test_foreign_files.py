"""weftc and weft-opt read ONNX, PyTorch's and StableHLO files: as the importers' commands do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import weft
from aot_models import ROOT, WEFTC, run
from foreign_files import FORMATS, write

WEFT_OPT = ROOT / "build" / "release" / "bin" / "weft-opt"
IDENTITY = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n return %x : tensor<4xf32>\n}\n"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the tools put what is temporary; empty again at the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def environment(scratch: Path, **names: str) -> dict[str, str]:
    """This process's, with another folder for temporary files, and the Python that runs this."""
    return os.environ | {"TMPDIR": str(scratch), "WEFT_PYTHON": sys.executable} | names


def call(
    *words: str | Path, env: dict[str, str], **keywords: object
) -> subprocess.CompletedProcess:
    """Runs a tool."""
    command = [str(word) for word in words]
    return subprocess.run(command, capture_output=True, text=True, env=env, **keywords)


def error_of(*words: str | Path, env: dict[str, str], **keywords: object) -> str:
    """The message of a tool that has to fail."""
    done = call(*words, env=env, **keywords)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("kind", FORMATS)
def test_the_object_is_that_of_the_two_steps(kind: str, tmp_path: Path, scratch: Path) -> None:
    path, env = write(kind, tmp_path), environment(scratch)
    one, two, program = tmp_path / "one.o", tmp_path / "two.o", tmp_path / "net.weft"
    done = call(WEFTC, path, "-o", one, "--header", tmp_path / "one.h", "--name=net", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    run([sys.executable, "-m", FORMATS[kind][2], path, "-o", program])
    run([WEFTC, program, "-o", two, "--header", tmp_path / "two.h", "--name=net"])
    assert one.read_bytes() == two.read_bytes()
    assert (tmp_path / "one.h").read_text() == (tmp_path / "two.h").read_text()
    # The pass driver shows what the program is.
    shown = call(WEFT_OPT, path, env=env)
    assert shown.returncode == 0, shown.stderr
    assert "weft." in shown.stdout
    assert "stablehlo." not in shown.stdout
    assert shown.stdout == call(WEFT_OPT, program, env=env).stdout
    assert weft.load(program).mlir().count("weft.matmul") == shown.stdout.count("weft.matmul")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_one_error(kind: str, tmp_path: Path, scratch: Path) -> None:
    path, env = write(kind, tmp_path), environment(scratch)
    out = ["-o", tmp_path / "net.o"]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    assert path.name in error_of(WEFTC, path, *out, env=env)
    assert path.name in error_of(WEFT_OPT, path, "-o", tmp_path / "net.txt", env=env)
    path.unlink()
    assert "No such file" in error_of(WEFTC, path, *out, env=env)
    assert "No such file" in error_of(WEFT_OPT, path, env=env)
    path.mkdir()
    assert "Is a directory" in error_of(WEFTC, path, *out, env=env)
    assert "Is a directory" in error_of(WEFT_OPT, path, env=env)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, "scratch"])
    assert list(scratch.iterdir()) == []


def test_an_importer_that_is_killed(tmp_path: Path, scratch: Path) -> None:
    python, model = tmp_path / "python", tmp_path / "net.onnx"
    python.write_text("#!/bin/sh\nkill -9 $$\n")
    python.chmod(0o755)
    model.write_bytes(b"")
    env = environment(scratch, WEFT_PYTHON=str(python))
    for command in ([WEFTC, model, "-o", tmp_path / "net.o"], [WEFT_OPT, model]):
        message = error_of(*command, env=env)
        assert "net.onnx: can't be read: the process that reads it" in message
        assert "ended by a signal" in message
        assert message.count("\n") == 1
    assert not (tmp_path / "net.o").exists()
    assert list(scratch.iterdir()) == []


def test_without_a_python_that_has_weft(tmp_path: Path, scratch: Path) -> None:
    model, bare = tmp_path / "net.onnx", tmp_path / "folder" / "python3"
    model.write_bytes(b"")
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    out = ["-o", tmp_path / "net.o"]
    cases = {
        f"WEFT_PYTHON={bare} has no package weft": {"WEFT_PYTHON": str(bare)},
        "WEFT_PYTHON=/no/python can't be run": {"WEFT_PYTHON": "/no/python"},
        "beside this tool or on the path.": {"WEFT_PYTHON": "", "PATH": ""},
        f"on the path ({bare} has no package weft)": {"WEFT_PYTHON": "", "PATH": str(bare.parent)},
    }
    for reason, names in cases.items():
        message = error_of(WEFTC, model, *out, env=environment(scratch, **names))
        assert message.startswith(f"weftc: {model}: is a model of ONNX"), message
        assert reason in message
        assert f"python -m weft.onnx {model} -o model.weft" in message
        assert message.count("\n") == 1
    assert list(scratch.iterdir()) == []


def test_the_first_python_on_the_path_that_has_weft(tmp_path: Path, scratch: Path) -> None:
    model = write("stablehlo text", tmp_path)
    folders = [tmp_path / "bare", tmp_path / "full"]
    for folder, flags in zip(folders, ("-I -S", "")):
        folder.mkdir()
        (folder / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} {flags} "$@"\n')
        (folder / "python3").chmod(0o755)
    path = os.pathsep.join(map(str, folders))
    done = call(WEFT_OPT, model, env=environment(scratch, WEFT_PYTHON="", PATH=path))
    assert "weft.tanh" in done.stdout, done.stderr


def test_programs_of_weft_need_no_python(tmp_path: Path, scratch: Path) -> None:
    env = {"PATH": "", "WEFT_PYTHON": "/no/python", "TMPDIR": str(scratch)}
    text, program = tmp_path / "net.mlir", tmp_path / "net.weft"
    text.write_text(IDENTITY)
    weft.export(lambda x: weft.tanh(x), weft.spec((4,))).save(program)
    for path in (text, program):
        done = call(WEFTC, path, "-o", tmp_path / "net.o", env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "weft.tanh" in call(WEFT_OPT, program, env=env).stdout


WEFTS_OWN = """\
// stablehlo.add is not what this is
#loc = loc("stablehlo.py":1:1)
module attributes {weft.note = "stablehlo.add"} {
func.func @stablehlo.main(%stablehlo.x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = weft.tanh %stablehlo.x : tensor<4xf32> loc("stablehlo.add"(#loc))
  return %0 : tensor<4xf32>
}
}
"""


def test_what_only_speaks_of_stablehlo_is_wefts(tmp_path: Path, scratch: Path) -> None:
    env = environment(scratch, WEFT_PYTHON="/no/python")
    text, bytecode = tmp_path / "net.mlir", tmp_path / "net.mlirbc"
    text.write_text(WEFTS_OWN)
    assert "weft.tanh" in call(WEFT_OPT, text, env=env).stdout
    assert call(WEFT_OPT, text, "--emit-bytecode", "-o", bytecode, env=env).returncode == 0
    assert b"stablehlo.add" in bytecode.read_bytes()
    assert "weft.tanh" in call(WEFT_OPT, bytecode, env=env).stdout


@pytest.mark.parametrize(
    "line",
    [
        '%0 = "stablehlo.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>',
        '%0 = stablehlo.tanh %x {note = "weft.tanh // \\" weft.tanh"} : tensor<4xf32>',
        "%0 = chlo.erf %x : tensor<4xf32> -> tensor<4xf32>",
    ],
)
def test_every_spelling_of_stablehlo(line: str, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "program"
    path.write_text(
        "// weft.tanh\nfunc.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
        f"  {line}\n  return %0 : tensor<4xf32>\n}}\n"
    )
    done = call(WEFT_OPT, path, env=environment(scratch))
    assert "weft." in done.stdout, done.stderr


def test_the_driver_reads_its_standard_input(tmp_path: Path, scratch: Path) -> None:
    text = write("stablehlo text", tmp_path).read_text()
    phases = ["--weft-pipeline=cpu", "--until=fuse"]
    done = call(WEFT_OPT, *phases, env=environment(scratch), input=text)
    assert "weft.kernel @" in done.stdout, done.stderr
    assert list(scratch.iterdir()) == []


def test_the_model_is_not_written_over(tmp_path: Path, scratch: Path) -> None:
    path = write("stablehlo text", tmp_path)
    content = path.read_text()
    message = error_of(WEFTC, path, "-o", path, env=environment(scratch))
    assert "would replace the program" in message
    assert path.read_text() == content


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no safe path")
def test_modules_beside_the_model_are_not_imported(tmp_path: Path, scratch: Path) -> None:
    path = write("onnx", tmp_path)
    for name in ("onnx", "weft", "numpy", "runpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    done = call(WEFT_OPT, path, env=environment(scratch), cwd=tmp_path)
    assert "weft.matmul" in done.stdout, done.stderr


def test_the_importer_ends_with_the_tool(tmp_path: Path, scratch: Path) -> None:
    """A package onnx that never comes to an end stands in for a long import."""
    package, running = tmp_path / "modules" / "onnx", tmp_path / "running"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(running)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    )
    model = tmp_path / "net.onnx"
    model.write_bytes(b"")
    path = os.pathsep.join([str(package.parent), os.environ["PYTHONPATH"]])
    env = environment(scratch, PYTHONPATH=path)
    tool = subprocess.Popen([str(WEFTC), str(model), "-o", str(tmp_path / "net.o")], env=env)
    wait_until(lambda: running.exists() and running.read_text() != "")
    child = int(running.read_text())
    tool.send_signal(signal.SIGTERM)
    assert tool.wait() == -signal.SIGTERM
    wait_until(lambda: not is_running(child))
    assert list(scratch.iterdir()) == []


def is_running(process: int) -> bool:
    """Whether there is such a process, and not only what is left of it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object) -> None:
    """Waits until it holds, half a minute at most."""
    end = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)
