"""Processes of which one does something else; mismatched_programs.py is what they run."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from launched import needs_mpi, run_by_torch, run_processes

PROGRAMS = str(Path(__file__).with_name("mismatched_programs.py"))
ROUNDS = 25
"""Random programs of one job."""
SOON = 40.0
"""Seconds of a job of which a process ends, imports and compiling included; the timeout is 100."""
STACK = 4 << 30
"""Bytes of the stack of a thread of which there is to be none."""


@pytest.mark.parametrize("count", [2, 3, 4])
def test_all_have_the_same_error_soon(count: int) -> None:
    done = run_processes(count, PROGRAMS, "mismatches", str(100 * count), str(ROUNDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == count, done.stdout + done.stderr


def test_all_have_the_same_error_soon_by_torchrun() -> None:
    done = run_by_torch(2, PROGRAMS, "mismatches", "0", str(ROUNDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == 2, done.stdout + done.stderr


@needs_mpi  # by torchrun: the test below, as it ends the others by itself
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["exits", "exits with 3", "raises", "leaves", "is killed"])
def test_a_process_that_ends_amid_a_program(how: str, seed: int) -> None:
    begin = time.monotonic()
    done = run_processes(2 + seed % 3, PROGRAMS, "ends", str(seed), how)
    assert time.monotonic() - begin < SOON
    assert done.returncode != 0, done.stdout
    assert "is done" not in done.stdout, done.stdout
    if how.startswith("exits"):
        assert "has ended its program" in done.stderr, done.stderr
    if how == "raises":
        assert "this one fails" in done.stderr, done.stderr


@pytest.mark.parametrize("how", ["exits", "is killed"])
def test_a_process_of_torchrun_that_ends_amid_a_program(how: str) -> None:
    begin = time.monotonic()
    done = run_by_torch(3, PROGRAMS, "ends", "1", how)
    assert time.monotonic() - begin < SOON
    assert done.returncode != 0, done.stdout
    assert "is done" not in done.stdout, done.stdout
    if how != "is killed":  # for which torchrun itself ends the others
        assert "has ended its program, or is lost" in done.stderr, done.stderr


def test_a_thread_that_can_not_be_started_is_an_error_in_all() -> None:
    """Stacks of threads are as large as the limit says that a process begins with."""
    limits = resource.getrlimit(resource.RLIMIT_STACK)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < STACK:
        pytest.skip("stacks can't be so large here")
    try:
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, limits[1]))
        done = run_processes(3, PROGRAMS, "starved", str(STACK // 2), "")
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, limits)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == 3, done.stdout + done.stderr
