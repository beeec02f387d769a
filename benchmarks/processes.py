"""Starting the processes that measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import peers
from harness import Bar, Row

FOLDER = Path(__file__).parent
SLOW_SECONDS = 5.0
"""A process that takes longer is started only once."""
THREAD_VARIABLES = (
    "WEFT_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NPROC",  # JAX
)


class MeasurementError(Exception):
    """A process that measures has failed."""


@dataclass
class Probe:
    """A figure of fresh processes, see probes.py."""

    row: str
    function: str
    frameworks: tuple[str, ...]
    bar: Bar | None = None
    cold_cache: bool = False
    unit: str = "s"


FIRST = ("weft", "torch", "jax")
ARTIFACTS = ("weft", "onnxruntime")
PROBES = {
    "compile": [
        Probe(
            "first training step, nothing cached",
            "first_step_seconds",
            ("weft", "torch", "torch.compile", "jax"),
            Bar("< 1 s", 1.0),
            cold_cache=True,
        ),
        Probe("first training step, warm disk cache", "first_step_seconds", ("weft",)),
    ],
    "memory": [
        Probe(
            label,
            function,
            FIRST,
            Bar("<= 1.1 of PyTorch", 1.1, ("torch",)),
            unit="B",
        )
        for label, function in (
            ("peak memory of training, process", "peak_bytes"),
            ("peak memory of training, less imports", "loop_bytes"),
        )
    ],
    "startup": [
        Probe("import (after NumPy)", "import_seconds", FIRST),
        Probe("first eager x + y, nothing cached", "first_add", FIRST, cold_cache=True),
        Probe("first eager x + y, warm disk cache", "first_add", ("weft",)),
        Probe("first eager x @ y, nothing cached", "first_matmul", FIRST, cold_cache=True),
        Probe("first eager x @ y, warm disk cache", "first_matmul", ("weft",)),
    ],
    "artifact": [
        Probe("stripped program with its weights", "program_bytes", ARTIFACTS, unit="B"),
        Probe("start of the program to first scores", "program_start_seconds", ARTIFACTS),
        Probe("peak memory of the program", "program_peak_bytes", ARTIFACTS, unit="B"),
    ],
}


def _environment(threads: int) -> dict[str, str]:
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))


def measured_rows(group: str, rounds: int, threads: int) -> Iterator[Row]:
    """The rows of a group of cases, each as soon as it is there."""
    command = [sys.executable, str(FOLDER / "worker.py"), group, str(rounds), str(threads)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env=_environment(threads), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        for line in process.stdout:
            yield Row.from_json(json.loads(line))
        if process.wait() != 0:
            errors.seek(0)
            raise MeasurementError(_last_line(errors.read(), process.returncode))


def _last_line(errors: str, status: int) -> str:
    return errors.strip().splitlines()[-1] if errors.strip() else f"exit status {status}"


def probed_row(probe: Probe, rounds: int, threads: int) -> Row:
    """A figure of `rounds` fresh processes for each framework, in turn; of one if it is slow."""
    names = [name for name in probe.frameworks if peers.available(name)]
    samples: dict[str, list[float]] = {name: [] for name in names}
    if not probe.cold_cache:
        _probe(probe.function, "weft", threads, None)
    slow: set[str] = set()
    for name in names * rounds:
        if name in slow:
            continue
        with tempfile.TemporaryDirectory() as folder:
            cache = folder if probe.cold_cache else None
            start = time.monotonic()
            samples[name].append(_probe(probe.function, name, threads, cache))
            if time.monotonic() - start > SLOW_SECONDS:
                slow.add(name)
    return Row(probe.row, samples, probe.bar, unit=probe.unit, threads=threads)


def _probe(function: str, framework: str, threads: int, cache: str | None) -> float:
    environment = _environment(threads)
    if cache is not None:
        for variable in ("WEFT_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
            environment[variable] = cache
    command = [sys.executable, str(FOLDER / "probes.py"), function, framework]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise MeasurementError(f"{framework}: {_last_line(result.stderr, result.returncode)}")
    return float(result.stdout.split()[-1])
