"""Programs in several processes, as mpirun starts them."""

from __future__ import annotations

import os
import subprocess
import sys


def run_processes(count: int, *command: str, seconds: float = 240) -> subprocess.CompletedProcess:
    """Runs a program in several processes, which are ended after some time at the latest."""
    launcher = ["mpirun", "-n", str(count), "--oversubscribe", "--allow-run-as-root", "--bind-to"]
    return _run([*launcher, "none", sys.executable, *command], seconds)


def run_by_torch(count: int, *command: str, seconds: float = 240) -> subprocess.CompletedProcess:
    """The same by torchrun, on a port of its own choice."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return _run([*launcher, f"--nproc-per-node={count}", *command], seconds)


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess:
    more = {"WEFT_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, **more},
        check=False,
    )
