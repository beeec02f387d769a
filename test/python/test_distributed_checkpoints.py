"""Random checkpoints in parts; checkpoint_programs.py is what the processes run."""

from __future__ import annotations

from pathlib import Path

import pytest
from launched import run_processes

PROGRAMS = str(Path(__file__).with_name("checkpoint_programs.py"))
ROUNDS = 15
"""Checkpoints of one job."""


@pytest.mark.parametrize("count", [2, 3, 4])
def test_any_group_goes_on_from_any_other(count: int, tmp_path: Path) -> None:
    done = run_processes(count, PROGRAMS, str(tmp_path), str(100 * count), str(ROUNDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == count, done.stdout + done.stderr
