"""The command line: errors are one line, outputs are whole or absent; metadata is read back."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest
from aot_models import CC, ROOT, WEFTC, compile_text, run
from test_symbolic import DENSE

IDENTITY = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n return %x : tensor<4xf32>\n}\n"


def weftc(*arguments: str | Path, **keywords: object) -> subprocess.CompletedProcess:
    """Runs weftc."""
    return subprocess.run(
        [str(WEFTC), *(str(word) for word in arguments)], capture_output=True, text=True, **keywords
    )


def error_of(*arguments: str | Path, **keywords: object) -> str:
    """The message of a run that has to fail, as one error should: status 1 and one line."""
    result = weftc(*arguments, **keywords)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("weftc: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A small program."""
    path = tmp_path / "net.mlir"
    path.write_text(IDENTITY)
    return path


def test_help_teaches() -> None:
    text = weftc("--help").stdout
    for words in ("--target", "x86-64-v4", "aarch64", "--emit", "shared", "EXAMPLE", "--inspect"):
        assert words in text
    for words in ("ptx", "cubin", "cuda:sm_80", "cuda:sm_90a"):
        assert words in text
    for words in ("--debug", "--help-list", "--color"):  # nothing of LLVM's own options
        assert words not in text
    assert len(text.splitlines()) < 70  # two screens


def test_errors_of_the_command_line(program: Path) -> None:
    assert "no input" in error_of()
    assert "-o" in error_of(program)
    out = ["-o", program.with_suffix(".o")]
    assert "x86-64-v3" in error_of(program, *out, "--target=z80")
    assert "obj, static, shared" in error_of(program, *out, "--emit=zip")
    assert "none, hook, pool" in error_of(program, *out, "--threads=many")
    assert "identifier" in error_of(program, *out, "--name=a b")
    assert "absent.mlir" in error_of(program.with_name("absent.mlir"), *out)
    assert not program.with_suffix(".o").exists()


def test_errors_of_programs_name_the_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mlir"
    out = ["-o", tmp_path / "broken.o"]
    broken.write_text("func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n  return %y\n}")
    assert "broken.mlir:2" in error_of(broken, *out)
    broken.write_text("func.func @other() {\n  return\n}")
    assert "@main" in error_of(broken, *out)
    broken.write_bytes(bytes(range(256)))
    error_of(broken, *out)
    broken.write_text("")
    error_of(broken, *out)
    assert list(tmp_path.iterdir()) == [broken]


def test_outputs_are_whole_or_absent(program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "taken").mkdir()
    message = error_of(program, "-o", folder / "net.o", "--header", folder / "taken")
    assert "folder" in message
    assert [path.name for path in folder.iterdir()] == ["taken"]
    error_of(program, "-o", folder / "net.o", "--header", folder / "absent" / "net.h")
    error_of(program, "-o", folder / "absent" / "net.o", "--header", folder / "net.h")
    assert [path.name for path in folder.iterdir()] == ["taken"]
    # An old output stays as it is.
    (folder / "net.o").write_text("old")
    error_of(program, "-o", folder / "net.o", "--header", folder / "absent" / "net.h")
    assert (folder / "net.o").read_text() == "old"


def test_output_to_a_device(program: Path) -> None:
    result = weftc(program, "-o", "/dev/stdout", "--emit=llvm", "--name=net")
    assert result.returncode == 0
    assert "define i32 @net_run" in result.stdout
    assert weftc(program, "-o", "/dev/null").returncode == 0
    assert not Path("/dev/null").is_file()


def test_text_outputs(program: Path) -> None:
    run([WEFTC, program, "-o", program.with_suffix(".ll"), "--emit=llvm"])
    run([CC, "-c", "-x", "ir", program.with_suffix(".ll"), "-o", program.with_suffix(".o")])
    run([WEFTC, program, "-o", program.with_suffix(".s"), "--emit=asm", "--target=aarch64"])
    assert "net_run:" in program.with_suffix(".s").read_text()


def test_linker_is_found_without_a_path(program: Path) -> None:
    """It is looked for beside the LLVM that Weft was built with first."""
    out = program.with_suffix(".so")
    assert weftc(program, "-o", out, "--emit=shared", env={"PATH": ""}).returncode == 0


def test_without_a_linker(program: Path) -> None:
    """LLVM is somewhere else, and not on the path either."""
    out, elsewhere = program.with_suffix(".so"), {"WEFT_LLVM_TOOLS": str(program.parent)}
    message = error_of(program, "-o", out, "--emit=shared", env=elsewhere | {"PATH": ""})
    assert "ld.lld" in message
    assert "lld-22" in message
    assert not out.exists()
    # Objects and archives need none.
    flags = ["-o", program.with_suffix(".a"), "--emit=static"]
    assert weftc(program, *flags, env=elsewhere | {"PATH": ""}).returncode == 0


def test_a_linker_that_fails(program: Path) -> None:
    out, fake = program.with_suffix(".so"), program.with_name("ld.lld")
    fake.write_text("#!/bin/sh\necho disk of lead\nexit 1\n")
    fake.chmod(0o755)
    message = error_of(
        program, "-o", out, "--emit=shared", env={"WEFT_LLVM_TOOLS": str(program.parent)}
    )
    assert "disk of lead" in message
    assert not out.exists()


def test_one_path_for_two_outputs(program: Path) -> None:
    out = program.with_suffix(".o")
    message = error_of(
        program, "-o", out, "--header", out.parent / "." / ".." / out.parent.name / out.name
    )
    assert "two outputs" in message
    assert not out.exists()


def test_the_program_is_not_written_over(program: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.o"
    link.symlink_to(program)
    for path in (program, link):
        for option in (["-o"], ["-o", tmp_path / "net.o", "--header"]):
            assert "would replace the program" in error_of(program, *option, path)
    assert program.read_text() == IDENTITY
    assert not (tmp_path / "net.o").exists()


def test_same_input_same_output(program: Path, tmp_path: Path) -> None:
    contents = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "net.o"
        run([WEFTC, program, "-o", path, "--header", path.with_suffix(".h")])
        contents.add((path.read_bytes(), path.with_suffix(".h").read_bytes()))
    assert len(contents) == 1


#
# Metadata
#


def models_in(path: Path) -> list[dict]:
    """What `weftc --inspect --json` prints."""
    return json.loads(run([WEFTC, "--inspect", "--json", path]))


@pytest.mark.parametrize("kind", ["obj", "static", "shared"])
def test_metadata_is_read_back(kind: str, tmp_path: Path) -> None:
    path = compile_text(
        DENSE,
        tmp_path / "out",
        f"--emit={kind}",
        "--name=dense",
        "--threads=hook",
        "--target=aarch64",
    )
    (model,) = models_in(path)
    assert model["name"] == "dense"
    assert model["target"] == "aarch64"
    assert model["threads"] == "hook"
    assert model["symbols"] == ["n"]
    assert model["inputs"][0] == {
        "name": "x",
        "dtype": "float32",
        "shape": ["n", 24],
        "alignment": 4,
    }
    assert model["outputs"][0]["shape"] == ["n", 10]
    assert any("out.mlir:6" in kernel["lines"][0] for kernel in model["kernels"])
    text = run([WEFTC, "--inspect", path])
    assert "x: float32[n, 24]" in text
    assert "aarch64" in text


def test_metadata_of_a_program(tmp_path: Path) -> None:
    """Linking keeps the metadata of every model, even where unused sections are dropped."""
    objects = [compile_text(IDENTITY, tmp_path / f"{name}.o") for name in ("first", "second")]
    main = tmp_path / "main.c"
    main.write_text(
        '#include "first.h"\n#include "second.h"\n'
        "int main(void) { float x[4], y[4]; return first_run(x, y, 0) + second_run(x, y, 0); }\n"
    )
    run([CC, main, *objects, "-Wl,--gc-sections", "-fuse-ld=lld", "-o", tmp_path / "main"])
    assert [model["name"] for model in models_in(tmp_path / "main")] == ["first", "second"]


def test_files_without_metadata(tmp_path: Path, program: Path) -> None:
    assert "no object file" in error_of("--inspect", program)
    assert "cannot be read" in error_of("--inspect", tmp_path / "absent")
    (tmp_path / "empty").write_bytes(b"")
    error_of("--inspect", tmp_path / "empty")
    assert "has no model" in error_of("--inspect", "/bin/sh")


@pytest.mark.parametrize("kind", ["obj", "static"])
def test_damaged_objects(kind: str, tmp_path: Path) -> None:
    """Cut off or with flipped bits: read well or one error, never a crash."""
    content = compile_text(IDENTITY, tmp_path / "net.o", f"--emit={kind}").read_bytes()
    generator = random.Random(7)
    path = tmp_path / "damaged"
    for number in range(150):
        damaged = bytearray(content)
        if number % 3 == 0:
            del damaged[generator.randrange(len(damaged)) :]
        else:
            for _ in range(generator.choice([1, 1, 8, 64])):
                # Mostly where the headers are.
                end = len(damaged) if generator.random() < 0.5 else min(256, len(damaged))
                damaged[generator.randrange(end)] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        result = weftc("--inspect", path, timeout=20)
        assert result.returncode in (0, 1), (number, result.returncode, result.stderr)
        assert result.returncode == 0 or result.stderr.count("\n") == 1


def test_flipped_metadata_is_noticed(tmp_path: Path) -> None:
    path = compile_text(IDENTITY, tmp_path / "net.o")
    content = bytearray(path.read_bytes())
    content[content.index(b'"float32"') + 2] ^= 1
    path.write_bytes(content)
    assert "checksum" in error_of("--inspect", path)


def test_no_path_of_the_build_in_outputs(tmp_path: Path) -> None:
    path = compile_text(IDENTITY, tmp_path / "net.o")
    assert str(ROOT / "lib").encode() not in path.read_bytes()
