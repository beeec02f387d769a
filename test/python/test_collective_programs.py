"""Random programs of collectives; collective_programs.py is what the processes run."""

from __future__ import annotations

from pathlib import Path

import pytest
from launched import run_by_torch, run_processes

PROGRAMS = str(Path(__file__).with_name("collective_programs.py"))
ROUNDS = 40
"""Random programs of one job."""


@pytest.mark.parametrize("count", [2, 3, 4])
def test_programs_have_the_values_of_numpy(count: int) -> None:
    done = run_processes(count, PROGRAMS, str(100 * count), str(ROUNDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == count, done.stdout + done.stderr


def test_programs_have_the_values_of_numpy_by_torchrun() -> None:
    done = run_by_torch(3, PROGRAMS, "0", str(ROUNDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == 3, done.stdout + done.stderr
