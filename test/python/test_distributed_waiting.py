"""Processes that wait for each other in different groups; waiting_programs.py is what they run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launched import run_by_torch, run_processes

PROGRAMS = str(Path(__file__).with_name("waiting_programs.py"))
STARTS = [run_processes, run_by_torch]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_circle_is_told(seed: int, start: Callable[..., subprocess.CompletedProcess]) -> None:
    """The timeout is far behind; who has heard of it may end the others before they have."""
    done = start(2 + seed, PROGRAMS, "circle", str(seed), seconds=80)
    assert "told: " in done.stdout, done.stdout + done.stderr
    assert "AssertionError" not in done.stderr, done.stderr


@pytest.mark.parametrize("start", STARTS)
def test_waiting_for_one_that_is_late_is_none(
    start: Callable[..., subprocess.CompletedProcess],
) -> None:
    done = start(3, PROGRAMS, "chain", "2", seconds=80)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("told: nothing") == 3, done.stdout + done.stderr


@pytest.mark.parametrize("start", STARTS)
def test_who_has_not_come_is_named(start: Callable[..., subprocess.CompletedProcess]) -> None:
    """One waits elsewhere for one that computes: no circle, and the timeout names both."""
    done = start(3, PROGRAMS, "late", "8", seconds=80)
    lines = [line for line in done.stdout.splitlines() if line.startswith("  process ")][:3]
    starts = [
        "  process 0 waits in all_gather of float32[3] of processes 0, 1, 2, at ",
        "  process 1 waits in all_reduce of int64[] with 0 of processes 1, 2, at ",
        "  process 2 has not said that it waits",
    ]
    assert len(lines) == 3, done.stdout + done.stderr
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True)), lines
    assert all("waiting_programs.py:" in line for line in lines[:2]), lines
