"""weftc and weft-opt read ONNX, PyTorch's and StableHLO files: as the importers' commands do."""

from __future__ import annotations

import io
import os
import re
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


@pytest.mark.parametrize(("status", "python"), [(1, "false"), (0, "true"), (7, "exit 7")])
def test_what_is_no_python_is_named(
    status: int, python: str, tmp_path: Path, scratch: Path
) -> None:
    """It ends with some status and tells nothing: the tool does."""
    stand_in, model = tmp_path / "python", write("stablehlo text", tmp_path)
    stand_in.write_text(f"#!/bin/sh\n{python}\n")
    stand_in.chmod(0o755)
    env = environment(scratch, WEFT_PYTHON=str(stand_in))
    for command in ([WEFTC, model, "-o", tmp_path / "net.o"], [WEFT_OPT, model]):
        message = error_of(*command, env=env)
        assert f"WEFT_PYTHON={stand_in} is no Python that can import weft" in message
        assert f"ended with status {status} before it read the model" in message
        assert f"python -m weft.stablehlo {model} -o model.weft" in message
        assert message.count("\n") == 1
    assert list(scratch.iterdir()) == []


def test_a_weft_that_can_not_be_imported_is_named(tmp_path: Path, scratch: Path) -> None:
    package, model = tmp_path / "modules" / "weft", tmp_path / "net.onnx"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('a half of an installation')\n")
    model.write_bytes(b"")
    env = environment(scratch, PYTHONPATH=str(package.parent))
    done = call(WEFTC, model, "-o", tmp_path / "net.o", env=env)
    assert done.returncode == 1
    assert "RuntimeError: a half of an installation" in done.stderr
    assert "before it read the model. Set WEFT_PYTHON" in done.stderr.splitlines()[-1]


def torch_of_any_batch() -> bytes:
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(8, 4).eval()
    shapes = ({0: torch.export.Dim("batch")},)
    file = io.BytesIO()
    torch.export.save(torch.export.export(model, (torch.ones(2, 8),), dynamic_shapes=shapes), file)
    return file.getvalue()


def sized(kind: str, folder: Path) -> tuple[Path, str]:
    """A model with one open size, and what the importer calls it."""
    if kind == "pt2":
        path = folder / "net.pt2"
        path.write_bytes(torch_of_any_batch())
        ((name, _),) = [(str(size), 0) for size in weft.from_torch(path).specs[0].shape[:1]]
        return path, name
    return write(kind, folder), "batch" if kind == "onnx" else "n0"


SIZED = ["onnx", "pt2", "portable artifact"]


@pytest.mark.parametrize("kind", SIZED)
def test_numbers_for_open_sizes(kind: str, tmp_path: Path, scratch: Path) -> None:
    (path, name), env = sized(kind, tmp_path), environment(scratch)
    headers = []
    for number, option in enumerate(([], ["--size", f"{name}=3"], [f"--size={name}=5"])):
        header = tmp_path / f"net{number}.h"
        words = [WEFTC, path, "-o", tmp_path / "net.o", "--header", header, "--name=net", *option]
        done = call(*words, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        headers.append(header.read_text())
    run_lines = [re.search(r"int net_run\(([^)]*)\)", text)[1] for text in headers]
    assert "int64_t" in run_lines[0]
    assert "int64_t" not in run_lines[1]
    assert "[3, " in headers[1]
    assert "[5, " in headers[2]


@pytest.mark.parametrize("kind", SIZED)
def test_wrong_sizes_are_refused_by_name(kind: str, tmp_path: Path, scratch: Path) -> None:
    (path, name), env = sized(kind, tmp_path), environment(scratch)
    cases: dict[str, tuple[str, ...]] = {"bath=3": ("bath", name)}
    if kind == "onnx":  # how options are read is the same for all
        cases |= malformed(name)
    for given, texts in cases.items():
        words = [WEFTC, path, "-o", tmp_path / "net.o", "--size", given]
        message = error_of(*words, env=env)
        assert all(text in message for text in texts), message
        assert message.count("\n") == 1
    assert not (tmp_path / "net.o").exists()


def malformed(name: str) -> dict[str, tuple[str, ...]]:
    """What --size can't be, and what is said of it."""
    return {
        f"{name}=three": (f"--size {name}=three: three is no number",),
        f"{name}=-1": ("-1 is no number",),
        f"{name}=1e3": ("1e3 is no number",),
        f"{name}=99999999999999999999": ("is no number",),
        name: (f"--size {name}: write a name, =, and a value",),
        f"{name}=": ("write a name, =, and a value",),
    }


def test_a_size_that_is_given_twice(tmp_path: Path, scratch: Path) -> None:
    sizes = ["--size=batch=2", "--size=batch=3"]
    message = error_of(
        *(WEFTC, write("onnx", tmp_path), "-o", tmp_path / "net.o", *sizes),
        env=environment(scratch),
    )
    assert "batch is 2 already" in message


def test_options_of_other_importers_are_refused(tmp_path: Path, scratch: Path) -> None:
    out, env = ["-o", tmp_path / "net.o"], environment(scratch)
    message = error_of(WEFTC, write("onnx", tmp_path), *out, "--function=f", env=env)
    assert "weft.onnx: error: unrecognized arguments: --function=f" in message
    message = error_of(WEFTC, write("pt2", tmp_path), *out, "--known=x=y.npy", env=env)
    assert "weft.torch: error: unrecognized arguments: --known=x=y.npy" in message
    text = write("stablehlo text", tmp_path)
    message = error_of(WEFTC, text, *out, "--function", "other", env=env)
    assert "other" in message
    message = error_of(WEFTC, text, *out, "--shape", "nobody=3,3", env=env)
    assert "--shape nobody=3,3: the arguments are" in message
    program = tmp_path / "own.mlir"
    program.write_text(IDENTITY)
    message = error_of(WEFTC, program, *out, "--size=batch=3", env=env)
    assert "--size=batch=3: is for models of other systems" in message


def test_shapes_that_are_named(tmp_path: Path, scratch: Path) -> None:
    path, env = write("portable artifact", tmp_path), environment(scratch)
    header = tmp_path / "net.h"
    words = [WEFTC, path, "-o", tmp_path / "net.o", "--header", header, "--name=net"]
    assert call(*words, "--shape", "1=rows,3", env=env).returncode == 0
    assert "net_run(int64_t rows" in header.read_text()
    done = call(*words, "--shape", "1=rows,3", "--size", "rows=4", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "int64_t" not in re.search(r"int net_run\(([^)]*)\)", header.read_text())[1]


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
