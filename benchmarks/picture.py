"""The results as a picture: for each case, how the best peer stands to Weft."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import Row

BAR_HEIGHT, WIDTH = 0.22, 11.0
"""Inches."""
FASTER, NEARLY, SLOWER = "#2c7fb8", "#c7a33a", "#c0504d"
NEAR = 0.9
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def _colour(ratio: float) -> str:
    return FASTER if ratio >= 1 else NEARLY if ratio >= NEAR else SLOWER


def _lines(rows: Sequence[Row]) -> list[tuple[str, float | None]]:
    """Labels and ratios from top to bottom; a line without a ratio is the heading of a group."""
    lines: list[tuple[str, float | None]] = []
    heading = None
    for row in rows:
        if (ratio := row.ratio()) is None:
            continue
        group = f"{row.group}, {row.threads} thread{'s' * (row.threads > 1)}"
        if group != heading:
            lines += [("", None)] * bool(lines) + [(group, None)]
            heading = group
        lines.append((row.name, ratio))
    return lines


def _limits(ratios: Sequence[float]) -> tuple[float, float]:
    """A little more than all ratios and 1."""
    return min(0.8, *ratios) / 1.3, max(1.25, *ratios) * 1.3


def _axis(axis: Any, lines: Sequence[tuple[str, float | None]]) -> None:
    low, high = _limits([ratio for _, ratio in lines if ratio is not None])
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.tick_params(axis="x", top=True, labeltop=True)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(lines) - 0.4, -0.6)
    axis.set_yticks(range(len(lines)), [label for label, _ in lines], fontsize=8)
    for text, (_, ratio) in zip(axis.get_yticklabels(), lines):
        text.set_fontweight("bold" if ratio is None else "normal")
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("left", "right", "top"):
        axis.spines[side].set_visible(False)


def draw(rows: Sequence[Row], path: Path, machine: str) -> None:
    """Writes bars on a logarithmic scale that begin at 1, where both take the same.

    Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    lines = _lines(rows)
    figure = Figure(figsize=(WIDTH, BAR_HEIGHT * len(lines) + 1.4), layout="constrained")
    axis = figure.add_subplot()
    if lines:
        _axis(axis, lines)
    for place, (_, ratio) in enumerate(lines):
        if ratio is None:
            continue
        axis.hlines(place, 1, ratio, color=_colour(ratio), linewidth=9)
        side = 1 if ratio >= 1 else -1
        axis.annotate(
            f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}",
            (ratio, place),
            xytext=(4 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=7,
        )
    axis.axvline(1.0, color="black", linewidth=1)
    figure.suptitle(f"Time (or memory) of the best peer / that of Weft\n{machine}", fontsize=10)
    figure.savefig(path)
