"""A compiled object computes the bits that jit computes, with and without threads."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path

import numpy as np
import pytest
from aot_cases import cases, normal
from aot_models import (
    PARALLEL_FOR,
    Case,
    Library,
    assert_same_bits,
    compile_text,
    options,
)

CASES = cases()


def three_threads(calls: list[int]) -> ctypes._FuncPointer:
    """A parallel_for in Python, which notes for how many tasks it was called."""

    def parallel_for(context, tasks, threads, body, job):
        calls.append(tasks)
        cuts = [tasks * i // 3 for i in range(4)]
        workers = [
            threading.Thread(target=body, args=(job, cuts[i], cuts[i + 1])) for i in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return PARALLEL_FOR(parallel_for)


@pytest.mark.parametrize("name", CASES)
def test_bits_are_those_of_jit(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    expected = case.expected()
    path = compile_text(case.text(), tmp_path / "libcase.so", "--emit=shared", "--name=case")
    outputs = Library(path, "case")(case.inputs, expected)
    assert_same_bits(outputs, expected)


def large_case() -> Case:
    """Enough work for several threads in each kind of kernel."""
    return Case(
        lambda a, b, w: ((a * b).exp() + a, a @ w, a.sum(axis=0), a.sum(axis=1)),
        [normal(512, 700) / 3, normal(512, 700, seed=1), normal(700, 256, seed=2)],
    )


@pytest.mark.parametrize("threads", ["none", "hook", "pool"])
def test_bits_do_not_depend_on_threads(threads: str, tmp_path: Path) -> None:
    case = large_case()
    expected = case.expected()
    flags = ["--emit=shared", "--name=large", f"--threads={threads}"]
    library = Library(compile_text(case.text(), tmp_path / "liblarge.so", *flags), "large")
    assert_same_bits(library(case.inputs, expected), expected)
    if threads != "none":
        calls: list[int] = []
        hook = three_threads(calls)
        given = options(parallel_for=hook)
        assert_same_bits(library(case.inputs, expected, given=given), expected)
        assert len(calls) >= 4
        assert max(calls) > 1


def test_small_work_is_not_split(tmp_path: Path) -> None:
    case = CASES["softmax"]
    path = compile_text(
        case.text(), tmp_path / "libsmall.so", "--emit=shared", "--name=small", "--threads=hook"
    )
    calls: list[int] = []
    hook = three_threads(calls)
    expected = case.expected()
    outputs = Library(path, "small")(case.inputs, expected, given=options(parallel_for=hook))
    assert_same_bits(outputs, expected)
    assert calls == []


def test_pool_serves_several_callers(tmp_path: Path) -> None:
    case = large_case()
    expected = case.expected()
    flags = ["--emit=shared", "--name=large", "--threads=pool"]
    library = Library(compile_text(case.text(), tmp_path / "liblarge.so", *flags), "large")
    results: list[list[np.ndarray]] = []

    def call() -> None:
        for _ in range(5):
            results.append(library(case.inputs, expected))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 20
    for outputs in results:
        assert_same_bits(outputs, expected)


def test_workspace_of_the_caller(tmp_path: Path) -> None:
    case = CASES["network"]
    expected = case.expected()
    path = compile_text(case.text(), tmp_path / "libnet.so", "--emit=shared", "--name=net")
    library = Library(path, "net")
    size = library.workspace_bytes()
    assert size > 0
    memory = np.full(size + 128, 255, np.uint8)
    start = -memory.ctypes.data % 64
    given = options(workspace=memory.ctypes.data + start, workspace_bytes=size)
    for _ in range(2):  # what the first call leaves there does not matter
        assert_same_bits(library(case.inputs, expected, given=given), expected)
    assert (memory[:start] == 255).all()
    assert (memory[start + size :] == 255).all()
