"""Figures that need a process of their own: imports, first results, peak memory.

Run as ``probes.py PROBE FRAMEWORK [PROGRAM]``; prints one number: seconds, bytes or kernels. The
program is one of programs.py, or a figure of together.py.
"""

from __future__ import annotations

import importlib
import mmap
import sys
import time
from collections.abc import Callable
from pathlib import Path

from artifact import program_bytes, program_peak_bytes, program_start_seconds
from together import together_seconds

MODULES = {"weft": "weft", "torch": "torch", "torch.compile": "torch", "jax": "jax.numpy"}
TOUCHED_BYTES, PAGE_BYTES = 1 << 30, 1 << 12
LOOP_STEPS = 50
FIRST_BATCH, NEW_BATCH, LATER_CALLS = 2, 3, 5


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


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _kernels(call: Callable[[], object]) -> float:
    """How many kernels Weft compiles in the call; none that come from the disk cache."""
    import weft

    before = weft.stats()["kernels_compiled"]
    call()
    return weft.stats()["kernels_compiled"] - before


def _touch_memory() -> None:
    """A virtual machine gets memory from its host when it is first touched, and keeps it for a
    while: what a program takes then is a second for each gigabyte, or nothing."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, TOUCHED_BYTES, flags=flags) as memory:
        # In large pages, as tensors are: what was touched in small ones is in other places.
        memory.madvise(mmap.MADV_HUGEPAGE)
        for place in range(0, TOUCHED_BYTES, PAGE_BYTES):
            memory[place] = 1


def first_call_seconds(framework: str, program: str) -> float:
    """Tracing, compiling and running a program for the first time, on a machine with memory."""
    from programs import PROGRAMS

    call = PROGRAMS[program](framework)
    _touch_memory()
    return _seconds(call)


def first_call_kernels(framework: str, program: str) -> float:
    from programs import PROGRAMS

    return _kernels(PROGRAMS[program](framework))


def _new_batch(framework: str, program: str) -> Callable[[], object]:
    """The first call with another batch size of a model that has been called with one."""
    from programs import of_batch

    call_of = of_batch(program, framework)
    call_of(FIRST_BATCH)()
    return call_of(NEW_BATCH)


def new_batch_seconds(framework: str, program: str) -> float:
    """How much longer that call takes than the quickest of some after it."""
    call = _new_batch(framework, program)
    _touch_memory()
    first = _seconds(call)
    return first - min(_seconds(call) for _ in range(LATER_CALLS))


def new_batch_kernels(framework: str, program: str) -> float:
    return _kernels(_new_batch(framework, program))


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
        first_call_seconds,
        first_call_kernels,
        new_batch_seconds,
        new_batch_kernels,
        peak_bytes,
        loop_bytes,
        program_bytes,
        program_start_seconds,
        program_peak_bytes,
        together_seconds,
    )
}

if __name__ == "__main__":
    print(PROBES[sys.argv[1]](*sys.argv[2:]))
