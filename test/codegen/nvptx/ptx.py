"""PTX of functions, and what ptxas says of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import weft

CHIPS = ("sm_80", "sm_90a")
HAS_PTXAS = shutil.which("ptxas") is not None


def ptx_of(function: Callable, *arguments: Any, chip: str = "sm_80") -> str:
    """The PTX of all kernels of `function`."""
    return weft.jit(function).lower(*arguments, target=f"cuda:{chip}").ir("ptx")


@dataclass(frozen=True)
class Report:
    """What ptxas says of a module."""

    text: str
    # By entry.
    registers: dict[str, int]
    # Bytes that all entries write to and read from local memory in place of registers.
    spills: int

    @property
    def stalls(self) -> list[str]:
        """Messages C75xx: a tensor core's accumulator is read too early, or waited for."""
        return re.findall(r".*C75\d\d.*", self.text)


def assemble(text: str, chip: str) -> Report:
    """Assembles PTX; raises AssertionError with what ptxas says against it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernels.ptx"
        source.write_text(text)
        command = ["ptxas", f"-arch={chip}", "-v", str(source), "-o", str(source) + ".cubin"]
        result = subprocess.run(command, capture_output=True, text=True)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    entries = re.findall(r"Compiling entry function '(\w+)'", said)
    registers = [int(number) for number in re.findall(r"Used (\d+) registers", said)]
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", said)
    return Report(
        said,
        dict(zip(entries, registers, strict=True)),
        sum(int(number) for pair in spills for number in pair),
    )
