"""Starting the processes that measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import peers
from harness import Bar, Row
from report import KERNELS

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
    program: str = ""
    """One of programs.py, for those figures that are of a program."""
    others: dict[str, str] = field(default_factory=dict)
    """Programs that Weft is measured on beside it, by their names in the table."""

    def runs(self) -> dict[str, tuple[str, ...]]:
        """The arguments of probes.py for each contender that is there."""
        runs = {name: (name, self.program) for name in self.frameworks if peers.available(name)}
        runs |= {name: ("weft", program) for name, program in self.others.items()}
        return {name: (self.function, *filter(None, arguments)) for name, arguments in runs.items()}


COMPILERS = ("weft", "torch", "torch.compile")
FIRST = ("weft", "torch", "jax")
ARTIFACTS = ("weft", "onnxruntime")


def _first_call(program: str, limit: float, frameworks: tuple[str, ...] = COMPILERS) -> Probe:
    """The first call of a program, everything compiled; `limit` in seconds."""
    return Probe(
        f"first call: {program}",
        "first_call_seconds",
        frameworks,
        Bar(f"<= {limit:g} s", limit),
        cold_cache=True,
        program=program,
    )


def _together(figure: str) -> list[Probe]:
    """A figure of several processes, see together.py."""
    return [
        Probe(program, "together_seconds", ("weft", "torch"), program=program)
        for count in (1, 2, 4)
        for program in [f"{figure}, {count} process{'es' * (count > 1)}"]
    ]


def _timed_and_counted(
    row: str, function: str, program: str, limit: float, cold_cache: bool
) -> list[Probe]:
    """The seconds of a call that should find all its kernels, and how many it compiles."""
    bar = Bar(f"<= {limit * 1e3:g} ms", limit)
    return [
        Probe(
            f"{row}: {program}",
            f"{function}_seconds",
            ("weft",),
            bar,
            cold_cache=cold_cache,
            program=program,
        ),
        Probe(
            f"{row}: {program}: kernels",
            f"{function}_kernels",
            ("weft",),
            Bar("none", 0.0),
            cold_cache,
            unit=KERNELS,
            program=program,
        ),
    ]


PROBES = {
    "compile": [
        _first_call("CNN training step", 1.0, (*COMPILERS, "jax")),
        _first_call("GPT, 12 layers", 0.2),
        Probe(
            "first call: GPT, 12 layers beside 4",
            "first_call_seconds",
            ("weft",),
            Bar("<= 1.2 of 4 layers", 1.2, ("4 layers",)),
            cold_cache=True,
            program="GPT, 12 layers",
            others={"4 layers": "GPT, 4 layers"},
        ),
        _first_call("GPT training step, 12 layers", 0.6, (*COMPILERS, "jax")),
        _first_call("ResNet-50", 0.5),
        _first_call("LSTM of 50 steps", 0.3, ("weft", "torch")),  # torch.compile: minutes.
        Probe(
            "first call, warm cache: CNN training step",
            "first_call_seconds",
            ("weft",),
            program="CNN training step",
        ),
        *_timed_and_counted("first call, warm cache", "first_call", "GPT, 12 layers", 0.05, False),
        *(
            probe
            for program in ("GPT, 12 layers", "ResNet-50", "LSTM of 50 steps")
            for probe in _timed_and_counted("new batch size", "new_batch", program, 0.02, True)
        ),
    ],
    "memory": [
        Probe(
            label,
            function,
            FIRST,
            Bar("<= PyTorch", 1.0, ("torch",)),
            unit="B",
        )
        for label, function in (
            ("peak memory of training, process", "peak_bytes"),
            ("peak memory of training, less imports", "loop_bytes"),
        )
    ],
    "startup": [
        Probe("import (after NumPy)", "import_seconds", FIRST, Bar("<= 0.12 s", 0.12)),
        Probe("first eager x + y, nothing cached", "first_add", FIRST, cold_cache=True),
        Probe("first eager x + y, warm disk cache", "first_add", ("weft",)),
        Probe("first eager x @ y, nothing cached", "first_matmul", FIRST, cold_cache=True),
        Probe("first eager x @ y, warm disk cache", "first_matmul", ("weft",)),
    ],
    "distributed": [
        *(probe for figure in ("step", "step apart") for probe in _together(figure)),
        *(probe for size in ("64 B", "8 MiB") for probe in _together(f"sum of {size}")[1:]),
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
            yield replace(Row.from_json(json.loads(line)), group=group)
        if process.wait() != 0:
            errors.seek(0)
            raise MeasurementError(_last_line(errors.read(), process.returncode))


def _last_line(errors: str, status: int) -> str:
    return errors.strip().splitlines()[-1] if errors.strip() else f"exit status {status}"


def probed_row(probe: Probe, rounds: int, threads: int) -> Row:
    """A figure of `rounds` fresh processes for each framework, in turn; of one if it is slow."""
    runs = probe.runs()
    samples: dict[str, list[float]] = {name: [] for name in runs}
    if not probe.cold_cache:
        _probe(runs["weft"], threads, None)
    slow: set[str] = set()
    for name in list(runs) * rounds:
        if name in slow:
            continue
        with tempfile.TemporaryDirectory() as folder:
            cache = folder if probe.cold_cache else None
            start = time.monotonic()
            samples[name].append(_probe(runs[name], threads, cache))
            if time.monotonic() - start > SLOW_SECONDS:
                slow.add(name)
    return Row(probe.row, samples, probe.bar, unit=probe.unit, threads=threads)


def _probe(arguments: tuple[str, ...], threads: int, cache: str | None) -> float:
    environment = _environment(threads)
    if cache is not None:
        for variable in ("WEFT_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
            environment[variable] = cache
    command = [sys.executable, str(FOLDER / "probes.py"), *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise MeasurementError(f"{arguments[1]}: {_last_line(result.stderr, result.returncode)}")
    return float(result.stdout.split()[-1])
