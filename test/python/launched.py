"""Programs in several processes, as mpirun starts them."""

from __future__ import annotations

import os
import subprocess
import sys


def run_processes(count: int, *command: str, seconds: float = 240) -> subprocess.CompletedProcess:
    """Runs a program in several processes, which are ended after some time at the latest."""
    launcher = ["mpirun", "-n", str(count), "--oversubscribe", "--allow-run-as-root", "--bind-to"]
    return subprocess.run(
        [*launcher, "none", sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, "WEFT_NUM_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1"},
        check=False,
    )
