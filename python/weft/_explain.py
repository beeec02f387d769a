"""The text of ``explain()``."""

from __future__ import annotations

from typing import Any


def explain_text(kernels: list[dict[str, Any]], statistics: dict[str, Any]) -> str:
    """A table of the kernels, then the reasons of traces."""
    lines = [f"{len(kernels)} kernels, {statistics['traces']} traces"]
    for number, kernel in enumerate(kernels):
        lines.append(f"  {number}: {kernel['name']}")
        for field, value in kernel.items():
            if field != "name" and value not in (None, "", [], ()):
                text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
                lines.append(f"       {field.replace('_', ' ')}: {text}")
    lines.extend(f"  traced again: {reason}" for reason in statistics["retraces"])
    lines.extend(f"  not watched: {note}" for note in statistics["not_watched"])
    return "\n".join(lines)
