"""Processes that compute together on devices; device_programs.py is what they run."""

from __future__ import annotations

from pathlib import Path

import pytest
from launched import run_processes

PROGRAMS = str(Path(__file__).with_name("device_programs.py"))


@pytest.mark.parametrize("name", ["operations", "gradients", "training", "mixed", "refusals"])
def test_processes_on_emulated_devices(name: str) -> None:
    count = 3 if name in ("operations", "mixed") else 2
    done = run_processes(count, PROGRAMS, name, "emulator")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == count, done.stdout + done.stderr


@pytest.mark.device
def test_processes_on_one_gpu() -> None:
    for name in ("operations", "gradients", "training", "mixed", "refusals"):
        done = run_processes(2, PROGRAMS, name, "cuda:0")
        assert done.returncode == 0, done.stdout + done.stderr
