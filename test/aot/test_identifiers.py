"""Names of arguments, results and sizes, whatever they are, in headers that compilers take."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path

import pytest
from aot_models import STRICT, WEFTC, run, tool

# All headers of C's standard library, so that their macros are there.
_INCLUDES = "".join(
    f"#include <{name}.h>\n"
    for name in (
        *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits"),
        *("locale", "math", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio"),
        *("stdlib", "string", "tgmath", "time", "wchar", "wctype", "unistd", "pthread"),
    )
)


def _words(text: str) -> list[str]:
    return text.split()


KEYWORDS = _words("""
auto break case char const continue default do double else enum extern float for goto if inline int
long register restrict return short signed sizeof static struct switch typedef union unsigned void
volatile while class namespace template new delete this virtual operator private public protected
friend using try catch throw typename explicit export mutable nullptr constexpr decltype alignas
alignof static_assert thread_local noexcept concept requires co_await co_return co_yield and or not
xor bitand bitor compl and_eq or_eq xor_eq not_eq bool true false wchar_t char8_t char16_t char32_t
asm typeof typeof_unqual consteval constinit
""")
MACROS = _words("""
NULL EOF errno stdin stdout stderr assert offsetof INT_MAX SIZE_MAX NAN INFINITY HUGE_VAL M_PI I
complex imaginary linux unix i386 BUFSIZ RAND_MAX SIGINT SEEK_SET EXIT_FAILURE CHAR_BIT FLT_MAX
WEFT_OK WEFT_MODEL_ABI TRUE FALSE math_errhandling va_start setjmp isnan noreturn
""")
TYPES = _words("""
size_t int64_t uint8_t ptrdiff_t weft_array weft_options weft_weights weft_range weft_parallel_for
net_options net_weights net_run FILE div_t
""")
UNUSUAL = [
    *(
        "",
        " ",
        "_",
        "__",
        "__x",
        "_X",
        "x__y",
        "9",
        "9x",
        "a-b",
        "a.b",
        "a b",
        "größe",
        "重み",
        "é",
    ),
    *('quo"te', "back\\slash", "*/", "//", "new\nline", "??/", "options", "inputs", "outputs"),
    *("input_count", "output_count", "data", "x", "X", "x_", "x_2", "x" * 300),
]
NAMES = [*KEYWORDS, *MACROS, *TYPES, *UNUSUAL]
SIZES = [name for name in NAMES if name.isidentifier() and name.isascii()]


def _attribute(name: str) -> str:
    escaped = "".join(
        character if character.isascii() and character.isalnum() else f"\\{byte:02X}"
        for character in name
        for byte in character.encode()
    )
    return f'{{weft.name = "{escaped}"}}' if name else '{weft.name = ""}'


def _module(names: list[str], sizes: list[str]) -> str:
    """Adds arrays in pairs; all are arguments, and all results have the names again."""
    types = [
        f'tensor<?xf32, #weft.shape<["{size}"]>>'
        for _, size in zip(names, itertools.cycle(sizes), strict=False)
    ]
    arguments = ", ".join(
        f"%a{i}: {kind} {_attribute(name)}"
        for i, (name, kind) in enumerate(zip(names, types, strict=True))
    )
    results = ", ".join(
        f"{kind} {_attribute(name)}" for name, kind in zip(names, types, strict=True)
    )
    body = "".join(f"  %r{i} = weft.exp %a{i} : {kind}\n" for i, kind in enumerate(types))
    values = ", ".join(f"%r{i}" for i in range(len(names)))
    returned = f"  return {values} : {', '.join(types)}\n"
    return f"func.func @main({arguments}) -> ({results}) {{\n{body}{returned}}}\n"


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A header for each ten names and ten sizes."""
    folder = tmp_path_factory.mktemp("names")
    made = []
    for number, start in enumerate(range(0, len(NAMES), 10)):
        sizes = SIZES[start % len(SIZES) :][:10]
        module = folder / f"net{number}.mlir"
        module.write_text(_module(NAMES[start : start + 10], sizes))
        header = folder / f"net{number}.h"
        run([WEFTC, module, "-o", folder / f"net{number}.o", "--header", header, "--name=net"])
        made.append(header)
    return made


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
@pytest.mark.parametrize("standard", ["c99", "gnu17", "c++98", "c++20", "gnu++20"])
def test_headers_compile(headers: list[Path], compiler: str, standard: str) -> None:
    if ("++" in compiler) != ("++" in standard):
        pytest.skip("another language")
    tool(compiler)
    language = "c++" if "++" in standard else "c"
    flags = [f"-std={standard}", f"-x{language}", *STRICT, "-Wno-long-long", "-fsyntax-only"]
    # tgmath.h and complex.h of C say nothing to an old C++.
    includes = _INCLUDES if language == "c" else _INCLUDES.replace("#include <tgmath.h>\n", "")
    includes = includes.replace("#include <complex.h>\n", "") if "98" in standard else includes
    for header in headers:
        source = f'{includes}#include "{header}"\nint main(void) {{ return 0; }}\n'
        result = subprocess.run(
            [compiler, *flags, "-"], input=source, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr


def test_names_differ_and_stay_where_they_can(tmp_path: Path) -> None:
    module = tmp_path / "net.mlir"
    module.write_text(_module(["x", "x", "größe", "class", "images"], ["n", "batch"]))
    run([WEFTC, module, "-o", tmp_path / "net.o", "--header", tmp_path / "net.h"])
    (model,) = json.loads(run([WEFTC, "--inspect", "--json", tmp_path / "net.o"]))
    names = [row["name"] for row in (*model["inputs"], *model["outputs"])]
    assert len(set(names)) == len(names)
    assert names[:5] == ["x", "x_2", "gr_e", "class_", "images"]
    assert "int net_run(int64_t n, int64_t batch, const float *x," in (
        tmp_path / "net.h"
    ).read_text().replace("\n", " ")


@pytest.mark.parametrize("name", ["_net", "__net", "net__x", "weft", "weft_model", "9net", "a-b"])
def test_reserved_names_of_models_are_refused(tmp_path: Path, name: str) -> None:
    module = tmp_path / "net.mlir"
    module.write_text(_module(["x"], ["n"]))
    command = [WEFTC, module, "-o", tmp_path / "net.o", f"--name={name}"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert f'the name "{name}" can\'t begin names of C' in result.stderr
    assert not (tmp_path / "net.o").exists()


@pytest.mark.parametrize("file", ["_net.o", "__net.o", "a__b.o", "weft.o", "weft_model.o", "9.o"])
def test_names_made_of_files_are_good(tmp_path: Path, file: str) -> None:
    module = tmp_path / "net.mlir"
    module.write_text(_module(["x"], ["n"]))
    run([WEFTC, module, "-o", tmp_path / file, "--header", tmp_path / "net.h"])


def test_headers_of_models_that_differ_in_case_meet(tmp_path: Path) -> None:
    module = tmp_path / "net.mlir"
    module.write_text(_module(["x"], ["n"]))
    for name in ("net", "Net"):
        header = tmp_path / f"{name}.h"
        run([WEFTC, module, "-o", tmp_path / f"{name}.o", "--header", header, f"--name={name}"])
    main = tmp_path / "main.c"
    main.write_text(
        '#include "net.h"\n#include "Net.h"\n'
        "int main(void) { return (net_run == 0) + (Net_run == 0); }\n"
    )
    run(
        [
            "gcc",
            "-Wno-address",
            main,
            tmp_path / "net.o",
            tmp_path / "Net.o",
            "-lm",
            "-o",
            main.with_suffix(""),
        ]
    )
