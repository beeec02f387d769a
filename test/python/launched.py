"""Programs in several processes, as mpirun starts them, or torchrun."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from weft.distributed._mpi import LIBRARY

#: Whether weft was built with MPI, and there is something that starts its processes.
HAS_MPI = LIBRARY.exists() and shutil.which("mpirun") is not None
needs_mpi = pytest.mark.skipif(not HAS_MPI, reason="there is no MPI: libopenmpi-dev, openmpi-bin")


def run_processes(count: int, *command: str, seconds: float = 240) -> subprocess.CompletedProcess:
    """Runs a program in several processes, which are ended after some time at the latest: by MPI
    or, where there is none, by torchrun."""
    if not HAS_MPI:
        return run_by_torch(count, *command, seconds=seconds)
    launcher = ["mpirun", "-n", str(count), "--oversubscribe", "--allow-run-as-root", "--bind-to"]
    return _run([*launcher, "none", sys.executable, *command], seconds)


def run_by_torch(count: int, *command: str, seconds: float = 240) -> subprocess.CompletedProcess:
    """The same by torchrun, on a port of its own choice."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("there is no PyTorch: pip install torch")
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
