"""What ``profile()`` returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KernelTime:
    """One launch of a kernel."""

    name: str
    lines: list[str]
    """"file.py:12": the user's lines in it."""
    schedule: str
    microseconds: float
    bytes: int
    """Of its inputs and outputs, each counted once."""
    operations: int
    """Floating-point; a fused multiply-add counts as two."""

    @property
    def gigabytes_per_second(self) -> float:
        return self.bytes / max(self.microseconds, 1e-3) * 1e-3

    @property
    def gigaflops(self) -> float:
        """10^9 operations per second."""
        return self.operations / max(self.microseconds, 1e-3) * 1e-3


class Profile:
    """The kernels of one call in the order in which they run, each with its smallest time."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.kernels = [
            KernelTime(
                name=row["name"],
                lines=row["lines"],
                schedule=row["schedule"],
                microseconds=row["nanoseconds"] / 1e3,
                bytes=row["bytes"],
                operations=row["operations"],
            )
            for row in rows
        ]

    @property
    def microseconds(self) -> float:
        """All kernels together."""
        return sum(kernel.microseconds for kernel in self.kernels)

    def __len__(self) -> int:
        return len(self.kernels)

    def __iter__(self) -> Iterator[KernelTime]:
        return iter(self.kernels)

    def __str__(self) -> str:
        """A table, the slowest kernel first."""
        total = self.microseconds or 1.0
        lines = [f"{len(self)} kernels, {self.microseconds:.1f} us"]
        lines.append("        us      %     GB/s  GFLOP/s  kernel (lines)")
        for kernel in sorted(self.kernels, key=lambda kernel: -kernel.microseconds):
            places = ", ".join(line.rpartition("/")[2] for line in kernel.lines)
            lines.append(
                f"{kernel.microseconds:10.1f} {100 * kernel.microseconds / total:6.1f} "
                f"{kernel.gigabytes_per_second:8.1f} {kernel.gigaflops:8.1f}  "
                f"{kernel.name} ({places})"
            )
        return "\n".join(lines)

    __repr__ = __str__
