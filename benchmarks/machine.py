"""The machine that measures, as a line and as a record."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CORES = len(os.sched_getaffinity(0))
INSTRUCTION_SETS = {"avx512f": "AVX-512", "avx2": "AVX2", "sve": "SVE", "asimd": "NEON"}
"""By their names in /proc/cpuinfo, the widest first."""


def _fact(*names: str) -> str:
    """What /proc/cpuinfo tells under the first of the names that it has; "" if it has none."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def _instruction_set() -> str:
    flags = _fact("flags", "Features").split()
    return next((text for flag, text in INSTRUCTION_SETS.items() if flag in flags), "no vectors")


def record() -> dict[str, str | int | float]:
    """What a file of samples says of the machine."""
    return {
        "processor": _fact("model name") or platform.machine(),
        "instruction_set": _instruction_set(),
        "target": os.environ.get("WEFT_TARGET", ""),
        "cores": CORES,
        "load": os.getloadavg()[0],
    }


def line(facts: dict[str, str | int | float]) -> str:
    target = f", WEFT_TARGET={facts['target']}" if facts["target"] else ""
    return (
        f"{facts['processor']}, {facts['instruction_set']}{target}, "
        f"{facts['cores']} cores, load {facts['load']:.1f}"
    )
