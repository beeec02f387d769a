"""The C interface: headers, symbols, errors, several models in one program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import weft
from aot_cases import cases
from aot_models import CC, CXX, ROOT, STRICT, compile_text, run, tool
from test_symbolic import DENSE

HERE = Path(__file__).parent
# What a single-threaded object may take from the C library, and from its mathematics.
ALLOWED = {"malloc", "free", "memcpy", "memset", "memmove", "fmod", "fmodf"}


def compile_dense(folder: Path, *flags: str) -> Path:
    """The model of check_calls.c."""
    return compile_text(DENSE, folder / "dense.o", *flags)


def map_of(op: str, count: int) -> str:
    """A program that applies one op to so many numbers."""
    kind = f"tensor<{count}xf32>"
    return (
        f"func.func @main(%x: {kind}) -> {kind} {{\n"
        f"  %0 = weft.{op} %x : {kind}\n  return %0 : {kind}\n}}\n"
    )


def undefined_symbols(path: Path) -> set[str]:
    """What `nm -u` prints."""
    return {line.split()[-1] for line in run(["nm", "-u", path]).splitlines()}


@pytest.mark.parametrize("threads", ["none", "hook", "pool"])
@pytest.mark.parametrize("sanitizer", ["", "-fsanitize=address,undefined"])
def test_wrong_calls_give_errors(threads: str, sanitizer: str, tmp_path: Path) -> None:
    model = compile_dense(tmp_path, f"--threads={threads}")
    program = tmp_path / "check"
    flags = [sanitizer, "-fno-sanitize-recover=all"] if sanitizer else []
    compiler = tool("gcc") if sanitizer else CC  # which comes with its sanitizers
    sources = [HERE / "check_calls.c", "-I", tmp_path, model]
    run([compiler, "-std=c99", *STRICT, *flags, *sources, "-lm", "-o", program])
    run([program])


def test_parallel_for_needs_a_model_with_threads(tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text("""
#include "dense.h"
static void parallel_for(void *context, int64_t tasks, int64_t threads, weft_range range,
                         void *job) {
  (void)context, (void)threads;
  range(job, 0, tasks);
}
int main(void) {
  static float x[5 * 24], w[24 * 10], y[5 * 10], sums[5];
  dense_options options = {sizeof(dense_options), 0, 0, parallel_for, 0, 0, 0};
  return dense_run(5, x, w, y, sums, &options);
}
""")
    for threads, status in [("none", 6), ("hook", 0), ("pool", 0)]:
        model = compile_dense(tmp_path, f"--threads={threads}")
        program = tmp_path / "main"
        run([CC, *STRICT, "-std=c99", source, model, "-lm", "-o", program])
        run(["sh", "-c", f"{program}; test $? = {status}"])


@pytest.mark.parametrize("name", ["network", "elementwise", "bool", "float16", "bfloat16", "int8"])
def test_object_needs_the_c_library_alone(name: str, tmp_path: Path) -> None:
    for target in ("native", "x86-64-v3", "aarch64"):
        path = compile_text(cases()[name].text(), tmp_path / "model.o", f"--target={target}")
        assert undefined_symbols(path) <= ALLOWED


def test_symbolic_object_needs_the_c_library_alone(tmp_path: Path) -> None:
    assert undefined_symbols(compile_dense(tmp_path)) <= ALLOWED
    assert undefined_symbols(compile_dense(tmp_path, "--threads=hook")) <= ALLOWED


def test_object_shows_only_its_functions(tmp_path: Path) -> None:
    for threads in ("none", "pool"):
        path = compile_dense(tmp_path, f"--threads={threads}")
        shown = {
            line.split()[-1] for line in run(["nm", "-g", "--defined-only", path]).splitlines()
        }
        suffixes = ("run", "invoke", "workspace_bytes", "error_text")
        assert shown == {f"dense_{suffix}" for suffix in suffixes}


@pytest.mark.parametrize("compiler", [CC, "gcc"])
@pytest.mark.parametrize("standard", ["c99", "c11", "c++98", "c++20"])
def test_header_in_all_languages(compiler: str, standard: str, tmp_path: Path) -> None:
    tool(compiler)
    compile_dense(tmp_path)
    main = tmp_path / ("main.cpp" if "++" in standard else "main.c")
    main.write_text(
        '#include "dense.h"\n#include "dense.h"\n'
        "int main(void) { return dense_ABI_VERSION - 1 + dense_run(0, 0, 0, 0, 0, 0) * 0; }\n"
    )
    flags = ["-std=" + standard, *STRICT, "-Wno-long-long", "-fsyntax-only"]
    run(
        [compiler.replace("gcc", "g++") if "++" in standard and compiler == "gcc" else compiler]
        + flags
        + [main]
    )


def test_header_describes_each_argument(tmp_path: Path) -> None:
    header = compile_dense(tmp_path).with_suffix(".h").read_text()
    assert "x: input, float32[n, 24], strides [24, 1], aligned to 4 bytes" in header
    assert "y: output, float32[n, 10], strides [10, 1], aligned to 4 bytes" in header
    assert "output1: output, float32[n], strides [1], aligned to 4 bytes" in header
    assert re.search(
        r"int dense_run\(int64_t n, const float \*x, const float \*w, float \*y, float \*output1,",
        header,
    )
    assert str(tmp_path) not in header


def test_header_carries_the_shared_part(tmp_path: Path) -> None:
    shared = (ROOT / "include" / "weft" / "model.h").read_text()
    assert shared in compile_dense(tmp_path).with_suffix(".h").read_text()


@pytest.mark.parametrize("language", ["c99", "c++17"])
def test_two_models_in_one_program(language: str, tmp_path: Path) -> None:
    objects = [
        compile_text(map_of(op, 4), tmp_path / f"{name}.o", "--threads=pool")
        for name, op in [("first", "negative"), ("second", "abs")]
    ]
    main = tmp_path / ("main.cpp" if "++" in language else "main.c")
    main.write_text("""
#include "first.h"
#include "second.h"
int main(void) {
  float x[4] = {1, -2, 3, -4}, y[4], z[4];
  if (first_run(x, y, 0) || second_run(y, z, 0)) return 1;
  return !(y[0] == -1 && y[1] == 2 && z[0] == 1 && z[3] == 4);
}
""")
    compiler = CXX if "++" in language else CC
    program = tmp_path / "main"
    run([compiler, f"-std={language}", *STRICT, main, *objects, "-o", program])
    run([program])


def test_no_memory_for_the_workspace(tmp_path: Path) -> None:
    """An error as any other: nothing was computed, and the next call that fits runs."""

    def products(x: weft.Tensor) -> weft.Tensor:
        return weft.sum(x.reshape((-1, 1)) @ x.reshape((1, -1)), axis=0)

    exported = weft.export(products, weft.spec("n"))
    exported.compile_object(tmp_path / "products.o", header=tmp_path / "products.h")
    (tmp_path / "main.c").write_text("""
#include "products.h"
#include <sys/resource.h>
enum { large = 30000, small = 3 };
static float x[large], y[large];
int main(void) {
  struct rlimit limit = {1 << 30, 1 << 30};
  x[0] = 1, x[1] = 2, x[2] = 3, y[0] = 7;
  if (products_workspace_bytes(large) < (uint64_t)4 * large * large) return 1;
  if (setrlimit(RLIMIT_AS, &limit)) return 2;
  if (products_run(large, x, y, NULL) != WEFT_ERROR_MEMORY || y[0] != 7) return 3;
  if (products_run(small, x, y, NULL) != WEFT_OK) return 4;
  return !(y[0] == 6 && y[1] == 12 && y[2] == 18);
}
""")
    flags = ["-D_GNU_SOURCE", "-std=c99", *STRICT]
    program = tmp_path / "main"
    run([CC, *flags, tmp_path / "main.c", tmp_path / "products.o", "-o", program])
    run([program])


def test_static_library(tmp_path: Path) -> None:
    library = compile_text(DENSE, tmp_path / "libdense.a", "--emit=static")
    program = tmp_path / "check"
    (tmp_path / "dense.h").write_bytes((tmp_path / "libdense.h").read_bytes())
    run([CC, "-std=c99", HERE / "check_calls.c", "-I", tmp_path, library, "-lm", "-o", program])
    run([program])


def test_pool_after_fork(tmp_path: Path) -> None:
    """Parent and child both compute after the pool has started."""
    model = compile_text(map_of("exp", 1000000), tmp_path / "big.o", "--threads=pool")
    (tmp_path / "main.c").write_text("""
#include "big.h"
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static float x[1000000], y[1000000], z[1000000];
int main(void) {
  int status = 1;
  if (big_run(x, y, 0)) return 1;
  for (int round = 0; round < 20; ++round) {
    pid_t child = fork();
    memset(z, 7, sizeof(z));
    if (big_run(x, z, 0) || memcmp(y, z, sizeof(y))) return 2;
    if (child == 0) _exit(0);
    if (waitpid(child, &status, 0) != child || status != 0) return 3;
  }
  return 0;
}
""")
    program = tmp_path / "main"
    run(
        [CC, "-D_GNU_SOURCE", "-std=c11", *STRICT, tmp_path / "main.c", model, "-lm", "-o", program]
    )
    for threads in ("1", "2", "7", "nonsense"):
        run([program], env={"WEFT_NUM_THREADS": threads}, timeout=60)
