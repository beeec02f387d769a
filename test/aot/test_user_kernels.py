"""Programs with kernels of weft.kernel as objects: jit's bits, and what goes wrong inside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_models import (
    CC,
    STRICT,
    Case,
    Library,
    assert_same_bits,
    compile_text,
    options,
    run,
)
from test_aarch64 import run_on_arm
from test_controllers import run_on_board
from test_same_bits import three_threads
from web_models import arrays_of, call, error_of, given, module_of
from weft import blocks


@weft.kernel
def softmax(x, out, block: weft.constexpr):
    row, columns = blocks.program_id(0), blocks.arange(block)
    mask = columns < x.shape[1]
    values = blocks.load(x, (row, columns), mask, other=-weft.inf)
    powers = weft.exp(values - weft.max(values))
    blocks.store(out, (row, columns), powers / weft.sum(powers), mask)


@weft.kernel
def picked(x, index, out, block: weft.constexpr):
    place = blocks.program_id(0) * block + blocks.arange(block)
    there = place < index.shape[0]
    blocks.store(out, place, blocks.load(x, blocks.load(index, place, there), there), there)


@weft.kernel
def counted(values, sums, counts, block: weft.constexpr):
    place = blocks.program_id(0) * block + blocks.arange(block)
    there = place < values.shape[0]
    key = blocks.load(values, place, there)
    blocks.atomic_add(counts, key, 1, there)
    blocks.atomic_add(sums, key, 1.0 / (1 + place).astype("float32"), there)


@weft.kernel
def first_above(x, out, limit):
    row = blocks.program_id(0)
    for column in range(x.shape[1]):
        if blocks.load(x, (row, column)) > limit:
            blocks.store(out, row, column)
            return
    blocks.store(out, row, -1)


def pick(x: weft.Tensor, index: weft.Tensor) -> weft.Tensor:
    """The elements of x + 1 that are wanted, doubled."""
    count = index.shape[0]
    size = blocks.cdiv(count, 16)
    return picked[size](x + 1, index, weft.spec(count), block=16) * 2


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def count(values: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
    """How often each number is there, and a sum of floats for each."""
    size = blocks.cdiv(values.shape[0], 16)
    results = weft.spec(10), weft.spec(10, "int64")
    return counted[size](values, *results, block=16)


def cases() -> dict[str, Case]:
    """Programs with kernels."""
    rng = np.random.default_rng(0)

    def normalized(x: weft.Tensor) -> weft.Tensor:
        return softmax[x.shape[0]](x * 2, weft.spec(x.shape), block=128) + 1

    def above(x: weft.Tensor) -> weft.Tensor:
        return first_above[x.shape[0]](x, weft.spec(x.shape[0], "int64"), 1.0)

    return {
        "softmax": Case(normalized, [numbers(40, 100)]),
        "one row": Case(normalized, [numbers(1, 1)]),
        "no rows": Case(normalized, [numbers(0, 5)]),
        "picked": Case(pick, [numbers(50), rng.integers(0, 50, 37)]),
        "counted": Case(count, [rng.integers(0, 10, 300)]),
        "exits": Case(above, [numbers(30, 7)]),
    }


@pytest.mark.parametrize("threads", ["none", "hook", "pool"])
@pytest.mark.parametrize("name", cases())
def test_bits_are_those_of_jit(name: str, threads: str, tmp_path: Path) -> None:
    case = cases()[name]
    expected = case.expected()
    flags = ["--emit=shared", "--name=case", f"--threads={threads}"]
    library = Library(compile_text(case.text(), tmp_path / "libcase.so", *flags), "case")
    assert_same_bits(library(case.inputs, expected), expected)
    if threads != "none":
        hook = three_threads([])
        assert_same_bits(library(case.inputs, expected, given=options(parallel_for=hook)), expected)


def fault(function: Callable, *inputs: np.ndarray) -> str:
    """What jit says of a call that fails, with the line of the kernel."""
    with pytest.raises(weft.OutOfBoundsError) as caught:
        weft.jit(function)(*inputs)
    assert str(caught.value).startswith(__file__)
    return str(caught.value)


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    """The object gives a status, whose text is that of jit; the next call is as good as any."""
    case = cases()["picked"]
    text = fault(pick, case.inputs[0], np.full(37, 61))
    assert "index 61 of dimension 0, which has 50 elements" in text
    flags = ["--emit=shared", "--name=case", "--threads=pool"]
    library = Library(compile_text(case.text(), tmp_path / "libcase.so", *flags), "case")
    expected, out = case.expected(), np.zeros(37, np.float32)
    for _ in range(2):
        status = library.status([], [case.inputs[0], np.full(37, 61), out])
        assert status == 19
        assert library.error_text(status).decode() == text
        assert_same_bits(library(case.inputs, expected), expected)
    assert library.error_text(0) == b"no error"


def test_each_thread_has_its_own_text(tmp_path: Path) -> None:
    case = cases()["picked"]
    flags = ["--emit=shared", "--name=case", "--threads=pool"]
    library = Library(compile_text(case.text(), tmp_path / "libcase.so", *flags), "case")
    wrong: list[str] = []

    def fail(index: int) -> None:
        for _ in range(50):
            out = np.zeros(37, np.float32)
            status = library.status([], [case.inputs[0], np.full(37, index), out])
            text = library.error_text(status).decode()
            if status != 19 or f"index {index} of" not in text:
                wrong.append(text)

    callers = [threading.Thread(target=fail, args=(60 + n,)) for n in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def test_a_failure_ends_a_loop(tmp_path: Path) -> None:
    """Its condition is computed of an element that is not there, and holds for ever."""

    @weft.kernel
    def next_of(x, place, out):
        blocks.store(out, 0, blocks.load(x, blocks.load(place, 0)))

    def walk(x: weft.Tensor) -> weft.Tensor:
        return weft.while_loop(
            lambda p: weft.all(p >= 0),
            lambda p: next_of[1](x, p, weft.spec(1, "int64")),
            weft.zeros(1, dtype="int64"),
        )

    case = Case(walk, [np.array([2, -1, 1])])
    expected = case.expected()
    path = compile_text(case.text(), tmp_path / "libwalk.so", "--emit=shared", "--name=walk")
    library = Library(path, "walk")
    assert_same_bits(library(case.inputs, expected), expected)
    status = library.status([], [np.array([7, 0, 0]), np.zeros(1, np.int64)])
    assert library.error_text(status).decode() == fault(walk, np.array([7, 0, 0]))


MAIN = """
#include "pick.h"
#include <stdio.h>
#include <string.h>

int main(void) {
  float x[4] = {1, 2, 3, 4}, out[2];
  int64_t index[2] = {3, 1};
  if (pick_run(x, index, out, NULL) != WEFT_OK || out[0] != 10 || out[1] != 6)
    return 1;
  index[1] = 4;
  int status = pick_run(x, index, out, NULL);
  if (status != WEFT_ERROR_KERNEL)
    return 2;
  puts(pick_error_text(status));
  return strcmp(pick_error_text(WEFT_OK), "no error") == 0 ? 0 : 3;
}
"""


def test_a_program_in_c(tmp_path: Path) -> None:
    exported = weft.export(pick, weft.spec(4), weft.spec(2, "int64"))
    exported.compile_object(tmp_path / "pick.o", header=tmp_path / "pick.h")
    (tmp_path / "main.c").write_text(MAIN)
    main, model = tmp_path / "main.c", tmp_path / "pick.o"
    run([CC, *STRICT, "-std=c99", main, model, "-lm", "-o", tmp_path / "main"])
    inputs = np.array([1, 2, 3, 4], np.float32), np.array([3, 4])
    assert run([tmp_path / "main"]).rstrip("\n") == fault(pick, *inputs)
    assert "WEFT_ERROR_KERNEL" in (tmp_path / "pick.h").read_text()


def test_models_without_kernels_keep_no_text(tmp_path: Path) -> None:
    case = Case(lambda x: x + 1, [numbers(3)])
    compile_text(case.text(), tmp_path / "plain.o")
    compile_text(cases()["picked"].text(), tmp_path / "picked.o")
    assert "kept" not in run(["nm", tmp_path / "plain.o"])
    assert "kept" in run(["nm", tmp_path / "picked.o"])
    assert "case nothing was computed.\n" in (tmp_path / "plain.h").read_text()


@pytest.mark.parametrize("name", cases())
def test_webassembly(name: str, tmp_path: Path) -> None:
    case = cases()[name]
    script = module_of(case.text(), tmp_path)
    [answer] = call(script, [given(x) for x in case.inputs])
    assert_same_bits(arrays_of(answer, case.expected()), case.expected())


def test_an_index_that_is_not_there_in_webassembly(tmp_path: Path) -> None:
    case = cases()["picked"]
    script = module_of(case.text(), tmp_path)
    wrong = case.inputs[0], np.full(37, 61)
    [answer] = call(script, [given(x) for x in wrong])
    assert fault(pick, *wrong) in error_of(answer)


@pytest.mark.parametrize("name", ["picked", "counted", "exits"])
def test_other_processors(name: str, tmp_path: Path) -> None:
    """Sums of floats in an order of their own, whole numbers, and comparisons: the same bits."""
    case = cases()[name]
    assert_same_bits(run_on_arm(case, tmp_path), case.expected())
    assert_same_bits(run_on_board(case, tmp_path, "cortex-m4"), case.expected())
