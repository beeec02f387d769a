"""The text of ``explain()``."""

from __future__ import annotations

import itertools
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


def _path_lines(runs: int, cuts: list[tuple[str, str, str]]) -> list[str]:
    lines = [f"  a path of {len(cuts) + 1} pieces, run {runs} times:"]
    for (line, action, answer), same in itertools.groupby(cuts):
        count = len(list(same))
        text = f"       {line}: {action}" + (f" is {answer}" if answer else "")
        lines.append(text + (f", {count} times" if count > 1 else ""))
    return lines


def _reason_lines(statistics: dict[str, Any]) -> list[str]:
    return [
        *(f"  traced again: {reason}" for reason in statistics["retraces"]),
        *(f"  not watched: {note}" for note in statistics["not_watched"]),
        *(f"  run as it is: {reason}" for reason in statistics["uncompiled"]),
    ]


def explain_paths(
    paths: list[tuple[int, list]], kernels: list[dict[str, Any]], statistics: dict[str, Any]
) -> str:
    """The paths through a function that asks for values, and the kernels of the last of them."""
    lines = [f"{len(paths)} paths, {statistics['traces']} traces: values are asked for"]
    for runs, cuts in paths:
        lines += _path_lines(runs, cuts)
    lines.append(f"{len(kernels)} kernels in the pieces of the last path")
    return "\n".join([*lines, *_kernel_lines(kernels), *_reason_lines(statistics)])


def explain_text(
    kernels: list[dict[str, Any]], prepared: list[dict[str, Any]], statistics: dict[str, Any]
) -> str:
    """A table of the kernels, those that run once for tensors from outside, reasons of traces."""
    lines = [f"{len(kernels)} kernels, {statistics['traces']} traces", *_kernel_lines(kernels)]
    if prepared:
        lines.append(f"prepared when tensors from outside are first seen: {len(prepared)} kernels")
        lines.extend(_kernel_lines(prepared))
    return "\n".join([*lines, *_reason_lines(statistics)])
