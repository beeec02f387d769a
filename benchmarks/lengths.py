"""Compile time and memory against the length of the program, see long_programs.py."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent
LENGTHS = (100, 1_000, 10_000)
LARGEST_EXPONENT = 1.1
LARGEST_PEAK = 2**30
"""Bytes, at the last of the lengths."""
TIMEOUT = 600


def _measure(shape: str, length: int) -> dict[str, float] | None:
    """What long_programs.py prints, in a process of its own with an empty disk cache; None if it
    does not come to an end."""
    command = [sys.executable, str(FOLDER / "long_programs.py"), shape, str(length)]
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"WEFT_CACHE_DIR": cache}
        try:
            result = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            return None
    return json.loads(result.stdout) if result.returncode == 0 else None


def _exponent(first: dict[str, float], second: dict[str, float]) -> float:
    """p, where the time grows as length ** p between the last two lengths."""
    return math.log(second["seconds"] / first["seconds"]) / math.log(LENGTHS[-1] / LENGTHS[-2])


def _row(shape: str, samples: list[dict[str, float] | None]) -> tuple[list[str], bool]:
    cells = [shape, *("failed" if s is None else f"{s['seconds']:.3g} s" for s in samples)]
    first, second = samples[-2:]
    if first is None or second is None:
        return cells, False
    exponent, peak = _exponent(first, second), second["peak_bytes"]
    cells.append(f"{exponent:.2f}")
    cells.append(f"{peak / 2**20:.0f} MiB")
    cells += [f"{second[key]:.0f}" if key in second else "" for key in ("launches", "kernels")]
    return cells, exponent <= LARGEST_EXPONENT and peak <= LARGEST_PEAK


def run(console: Console, shapes: list[str] | None = None) -> bool:
    """Measures all shapes and prints a table; True if all keep the bars."""
    from long_programs import SHAPES
    from weft.profiler import progress

    columns = ("shape", *(f"{n:,}" for n in LENGTHS), "exponent", "peak", "launches", "kernels")
    table = Table(*columns)
    kept = True
    chosen = shapes or [*SHAPES, "eager tape"]
    with progress("programs", len(chosen) * len(LENGTHS), "programs", console=console) as report:
        for shape in chosen:
            samples = []
            for length in LENGTHS:
                samples.append(_measure(shape, length))
                report(title=shape, length=length)
            cells, good = _row(shape, samples)
            kept &= good
            table.add_row(*cells, style=None if good else "bold")
            console.print(*cells, "pass" if good else "miss", sep=" | ")
    console.print(table)
    return kept
