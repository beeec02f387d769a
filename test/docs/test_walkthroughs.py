"""The walk-throughs work: their steps are taken in a copy of the tree, then compiled and tested.

A step is a block of code behind a line "In `file`:" or "In `file`, before `text`:". Of the compiler
only what the steps touch is compiled; the rest is linked as it lies in the build folder.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLVM = Path("/usr/lib/llvm-22")
# All code that TableGen makes of the op records, and able to do without the precompiled header.
LONG_TO_OPTIMIZE = ("dialects/Weft/IR/WeftDialect.cpp",)
STEP = re.compile(
    r"^In `([^`]+)`(?:, before `([^`]+)`)?:\n\n```\w+\n(.*?)^```\n", re.DOTALL | re.MULTILINE
)


def run(*command: object, folder: Path | None = None) -> str:
    """The output of a command that must succeed."""
    words = [str(word) for word in command]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, shlex.join(words) + "\n" + result.stdout + result.stderr
    return result.stdout


def take_steps(document: Path, tree: Path) -> list[str]:
    """Copies the tree, takes the steps of `document` in the copy, and returns their files."""
    for room in ("dialects", "passes", "codegen", "lib", "include"):
        shutil.copytree(ROOT / room, tree / room)
    files = []
    for name, anchor, code in STEP.findall(document.read_text()):
        path = tree / name
        if anchor:
            text = path.read_text()
            assert text.count(anchor) == 1, (
                f"{name}: {anchor!r} is there {text.count(anchor)} times"
            )
            separator = "" if code.startswith(" ") or code.count("\n") == 1 else "\n"
            path.write_text(text.replace(anchor, code + separator + anchor))
        else:
            assert not (ROOT / name).exists(), f"{name} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        files.append(name)
    return files


def table_gen(tree: Path, records: str, generator: str, output: str, *options: str) -> None:
    """Writes `output`, of the records in `records`, into the copy's own build folder.

    It runs in the copy: TableGen looks for included files in the current folder first.
    """
    path = tree / "build" / output
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [LLVM / "bin" / "mlir-tblgen", generator, *options, records, "-o", path]
    run(*command, "-I", LLVM / "include", folder=tree)


def without_optimization(words: list[str]) -> list[str]:
    """A compiler's command line made fast; the precompiled header fits -O3 only, so it goes."""
    result = ["-O0" if word == "-O3" else word for word in words]
    while "-include-pch" in result:
        position = result.index("-include-pch") - 1
        del result[position : position + 4]
    while "-include" in result:
        position = result.index("-include") - 1
        del result[position : position + 4]
    return result


@dataclass
class Builder:
    """Compiles files of a copied tree and links them with the rest of weft-opt."""

    build_folder: Path
    tree: Path

    def compile(self, name: str, like: str) -> Path:
        """The object of file `name`, compiled with the flags of file `like` of the source tree."""
        database = json.loads((self.build_folder / "compile_commands.json").read_text())
        command = next(row["command"] for row in database if row["file"] == str(ROOT / like))
        words = shlex.split(command)
        if name in LONG_TO_OPTIMIZE:
            words = without_optimization(words)
        output = self.tree / "build" / (Path(name).name + ".o")
        words[words.index("-o") + 1] = str(output)
        words[words.index("-c") + 1] = str(self.tree / name)
        own = [f"-I{self.tree}", f"-I{self.tree / 'build'}"]
        run(words[0], *own, *words[1:], folder=self.build_folder)
        return output

    def link(self, objects: list[Path]) -> Path:
        """weft-opt, with `objects` in place of those of the same name."""
        commands = run("ninja", "-t", "commands", "weft-opt", folder=self.build_folder)
        command = commands.strip().splitlines()[-1].removeprefix(": && ").removesuffix(" && :")
        words = [word for word in shlex.split(command) if "--dependency-file" not in word]
        words = [word for word in words if word != "-Xlinker"]
        output = self.tree / "build" / "bin" / "weft-opt"
        output.parent.mkdir(parents=True, exist_ok=True)
        words[words.index("-o") + 1] = str(output)
        first = next(number for number, word in enumerate(words) if word.endswith("weft-opt.cpp.o"))
        words[first + 1 : first + 1] = [str(path) for path in objects]
        run(*words, folder=self.build_folder)
        return output

    def build(self, names: dict[str, str]) -> Path:
        """weft-opt with the files `names`, each compiled as the file that it is mapped to."""
        with ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(self.compile, names.keys(), names.values()))
        return self.link(objects)


def run_lines(test: Path, weft_opt: Path) -> None:
    """Runs the RUN lines of a test with the given weft-opt."""
    lines = re.findall(r"^// RUN: (.*)$", test.read_text(), re.MULTILINE)
    assert lines, f"{test} has no RUN line"
    for line in lines:
        command = line.replace("%s", str(test)).replace("weft-opt ", f"{weft_opt} ")
        command = re.sub(r"\b(FileCheck|not) ", rf"{LLVM / 'bin'}/\1 ", command)
        run("bash", "-o", "pipefail", "-c", command)


def test_add_an_op(tmp_path: Path, build_folder: Path) -> None:
    files = take_steps(ROOT / "docs" / "add-an-op.md", tmp_path)
    _record, body, gradient, test = files
    records = "dialects/Weft/IR/WeftOps.td"
    command = [build_folder / "bin" / "weft-tblgen", "-gen-python", records]
    python = run(*command, "-I", LLVM / "include", folder=tmp_path)
    assert "def triple(x: Operand, /) -> Tensor:" in python
    table_gen(tmp_path, records, "-gen-op-decls", "dialects/Weft/IR/WeftOps.h.inc")
    table_gen(tmp_path, records, "-gen-op-defs", "dialects/Weft/IR/WeftOps.cpp.inc")
    touched = ["dialects/Weft/IR/WeftDialect.cpp", body, gradient]
    weft_opt = Builder(build_folder, tmp_path).build({name: name for name in touched})
    run_lines(tmp_path / test, weft_opt)


def test_add_a_pass(tmp_path: Path, build_folder: Path) -> None:
    records, file, pipeline, test = take_steps(ROOT / "docs" / "add-a-pass.md", tmp_path)
    table_gen(tmp_path, records, "-gen-pass-decls", "passes/Passes.h.inc", "-name", "Weft")
    names = {file: "passes/simplify/Decompose.cpp", pipeline: pipeline}
    weft_opt = Builder(build_folder, tmp_path).build(names)
    run_lines(tmp_path / test, weft_opt)
    assert "weft-remove-double-negatives  " in run(weft_opt, "--help")


def test_add_a_template(tmp_path: Path, build_folder: Path) -> None:
    _record, _schedule, file, table, _entry, test = take_steps(
        ROOT / "docs" / "add-a-template.md", tmp_path
    )
    records = "dialects/Weft/IR/WeftOps.td"
    table_gen(tmp_path, records, "-gen-op-decls", "dialects/Weft/IR/WeftOps.h.inc")
    table_gen(tmp_path, records, "-gen-op-defs", "dialects/Weft/IR/WeftOps.cpp.inc")
    for kind, suffix in (("decls", "h"), ("defs", "cpp")):
        output = f"dialects/Weft/IR/WeftAttributes.{suffix}.inc"
        table_gen(tmp_path, records, f"-gen-attrdef-{kind}", output, "-attrdefs-dialect=weft")
    dialect = "dialects/Weft/IR/WeftDialect.cpp"
    names = {dialect: dialect, table: table, file: "codegen/Templates/Sort.cpp"}
    run_lines(tmp_path / test, Builder(build_folder, tmp_path).build(names))
