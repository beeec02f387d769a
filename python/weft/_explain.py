"""The text of ``explain()``."""

from __future__ import annotations

from typing import Any


def _kernel_lines(kernels: list[dict[str, Any]]) -> list[str]:
    lines = []
    for number, kernel in enumerate(kernels):
        lines.append(f"  {number}: {kernel['name']}")
        for field, value in kernel.items():
            if field != "name" and value not in (None, "", [], ()):
                text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
                lines.append(f"       {field.replace('_', ' ')}: {text}")
    return lines


def explain_text(
    kernels: list[dict[str, Any]], prepared: list[dict[str, Any]], statistics: dict[str, Any]
) -> str:
    """A table of the kernels, those that run once for tensors from outside, reasons of traces."""
    lines = [f"{len(kernels)} kernels, {statistics['traces']} traces", *_kernel_lines(kernels)]
    if prepared:
        lines.append(f"prepared when tensors from outside are first seen: {len(prepared)} kernels")
        lines.extend(_kernel_lines(prepared))
    lines.extend(f"  traced again: {reason}" for reason in statistics["retraces"])
    lines.extend(f"  not watched: {note}" for note in statistics["not_watched"])
    return "\n".join(lines)
