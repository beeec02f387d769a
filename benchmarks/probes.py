"""Figures that need a process of their own: imports, first results, peak memory.

Run as ``probes.py PROBE FRAMEWORK``; prints one number, in seconds or bytes.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from artifact import program_bytes, program_peak_bytes, program_start_seconds

MODULES = {"weft": "weft", "torch": "torch", "torch.compile": "torch", "jax": "jax.numpy"}
LOOP_STEPS = 50


def import_seconds(framework: str) -> float:
    import numpy as np  # noqa: F401  All frameworks load it.

    start = time.perf_counter()
    importlib.import_module(MODULES[framework])
    return time.perf_counter() - start


def _first_eager(framework: str, function: Callable) -> float:
    """Seconds of the first op after the import."""
    import numpy as np

    module = importlib.import_module(MODULES[framework])
    operands = [module.asarray(np.ones((64, 64), np.float32)) for _ in range(2)]
    start = time.perf_counter()
    np.asarray(function(*operands))
    return time.perf_counter() - start


def first_add(framework: str) -> float:
    return _first_eager(framework, lambda x, y: x + y)


def first_matmul(framework: str) -> float:
    return _first_eager(framework, lambda x, y: x @ y)


def first_step_seconds(framework: str) -> float:
    """Tracing, compiling and running the first training step."""
    import network

    step = network.steps()[framework]()
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _memory(field: str) -> int:
    """VmRSS or VmHWM (the peak) of this process; bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def peak_bytes(framework: str) -> float:
    """The whole process after a training loop."""
    import network

    step = network.steps()[framework]()
    for _ in range(LOOP_STEPS):
        step()
    return _memory("VmHWM")


def loop_bytes(framework: str) -> float:
    """The same without what importing the framework takes."""
    import network

    importlib.import_module(MODULES[framework])
    network.batch()
    before = _memory("VmRSS")
    return peak_bytes(framework) - before


PROBES = {
    function.__name__: function
    for function in (
        import_seconds,
        first_add,
        first_matmul,
        first_step_seconds,
        peak_bytes,
        loop_bytes,
        program_bytes,
        program_start_seconds,
        program_peak_bytes,
    )
}

if __name__ == "__main__":
    print(PROBES[sys.argv[1]](sys.argv[2]))
