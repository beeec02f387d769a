"""The table of results."""

from __future__ import annotations

from collections.abc import Iterable

from harness import WEFT, Row
from rich.markup import escape
from rich.table import Table

PEERS = ("torch", "torch.compile", "numpy", "jax")


def _quantity(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 2**20:.1f} MiB"
    factor, name = next(
        (scale for scale in ((1.0, "s"), (1e-3, "ms")) if value >= scale[0]), (1e-6, "us")
    )
    return f"{value / factor:.3g} {name}"


def _peer(row: Row, name: str) -> str:
    """Minimum, median, and how many times as fast (or small) Weft is."""
    values = row.samples.get(name)
    if not values:
        return ""
    ratio = row.minima()[name] / row.minima()[WEFT]
    colour = "green" if ratio >= 1 else "yellow" if ratio >= 0.9 else "red"
    return f"{_both(row, name)} [{colour}]{ratio:.2f}x[/]"


def _both(row: Row, name: str) -> str:
    low, middle = row.minima()[name], row.medians()[name]
    return f"{_quantity(low, row.unit)} ({_quantity(middle, row.unit)})"


def verdict(row: Row) -> str:
    """ "pass", "miss" or "" (no bar, or nothing to compare with)."""
    met = row.bar.met(row.minima()) if row.bar else None
    return "" if met is None else "pass" if met else "miss"


def table(rows: Iterable[Row]) -> Table:
    rows = list(rows)
    peers = [name for name in PEERS if any(name in row.samples for row in rows)]
    result = Table(
        title="min (median); 1.20x: Weft takes 1 / 1.20 of the peer's minimum", title_justify="left"
    )
    result.add_column("case")
    result.add_column("threads", justify="right")
    for name in (WEFT, *peers):
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("GFLOP/s", justify="right")
    result.add_column("bar", no_wrap=True)
    for row in rows:
        speed = f"{row.operations / row.minima()[WEFT] * 1e-9:.0f}" if row.operations else ""
        outcome = verdict(row)
        colour = {"pass": "green", "miss": "red"}.get(outcome, "default")
        bar = f"{escape(row.bar.text)} [{colour}]{outcome}[/]" if row.bar else ""
        cells = [_peer(row, name) for name in peers]
        result.add_row(row.name, str(row.threads), _both(row, WEFT), *cells, speed, bar)
    return result
