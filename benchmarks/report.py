"""The table of results."""

from __future__ import annotations

from collections.abc import Iterable

from harness import WEFT, Row
from rich.markup import escape
from rich.table import Table


def _quantity(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 2**20:.1f} MiB"
    factor, name = next(
        (scale for scale in ((1.0, "s"), (1e-3, "ms")) if value >= scale[0]), (1e-6, "us")
    )
    return f"{value / factor:.3g} {name}"


def verdict(row: Row) -> str:
    """ "pass", "miss" or "" (no bar, or nothing to compare with)."""
    met = row.bar.met(row.minima()) if row.bar else None
    return "" if met is None else "pass" if met else "miss"


def _cells(row: Row, name: str) -> list[str]:
    """A line of the table: the contender's minimum and median, and how it stands to Weft."""
    low, middle = row.minima()[name], row.medians()[name]
    speed = f"{row.operations / low * 1e-9:.0f}" if row.operations else ""
    cells = [name, _quantity(low, row.unit), _quantity(middle, row.unit)]
    if name == WEFT:
        outcome = verdict(row)
        colour = {"pass": "green", "miss": "red"}.get(outcome, "default")
        bar = f"{escape(row.bar.text)}: [{colour}]{outcome or 'no peer'}[/]" if row.bar else ""
        return [*cells, "", speed, bar]
    ratio = low / row.minima()[WEFT]
    colour = "green" if ratio >= 1 else "yellow" if ratio >= 0.9 else "red"
    return [*cells, f"[{colour}]{ratio:.2f}[/]", speed, ""]


def table(rows: Iterable[Row]) -> Table:
    """A section for each case: Weft, then its peers."""
    result = Table(
        title="peer / weft: above 1, Weft takes less than the peer", title_justify="left"
    )
    for label in ("case", "threads", "framework"):
        result.add_column(label, no_wrap=True)
    for label in ("min", "median", "peer / weft", "GFLOP/s"):
        result.add_column(label, justify="right", no_wrap=True)
    result.add_column("bar", no_wrap=True)
    for row in rows:
        heading = (row.name, str(row.threads))
        for name in row.samples:
            result.add_row(*heading, *_cells(row, name))
            heading = ("", "")
        result.add_section()
    return result
