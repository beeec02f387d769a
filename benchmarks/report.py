"""The table of results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness import WEFT, Row
from rich.markup import escape
from rich.table import Table

KERNELS = "kernels"
"""The unit of rows that count."""
OPERATIONS = ("matmul", "elementwise", "movement", "attention", "convolution")
MEANS = {"operations": (OPERATIONS, 1.2), "models": (("models",), 1.15)}
"""Groups taken together, and the least geometric mean of the best peer to Weft that is asked."""


def _quantity(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 2**20:.1f} MiB"
    if unit != "s":
        return f"{value:g} {unit}"
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
        for note in row.notes:
            result.add_row(note)
        result.add_section()
    return result


def drift(row: Row, former: Row) -> float | None:
    """How many times as fast the peers of both rows were now as then: what the machine, and not
    Weft, has changed. The geometric mean; None without a common peer."""
    then, now = former.minima(), row.minima()
    factors = [then[peer] / now[peer] for peer in now if peer in then and peer != WEFT]
    return math.prod(factors) ** (1 / len(factors)) if factors else None


def comparison(rows: Iterable[Row], former: Iterable[Row]) -> Table:
    """Weft now beside Weft in an earlier run, for the cases that both have."""
    result = Table(title="before / now: above 1, Weft takes less than before", title_justify="left")
    for label in ("case", "threads"):
        result.add_column(label, no_wrap=True)
    for label in ("before", "now", "before / now", "the same of the peers", "corrected"):
        result.add_column(label, justify="right", no_wrap=True)
    earlier = {(row.name, row.threads): row for row in former}
    for row in rows:
        before = earlier.get((row.name, row.threads))
        if before is None or before.unit != row.unit or row.unit == KERNELS:
            continue
        then, now = before.minima()[WEFT], row.minima()[WEFT]
        factor = drift(row, before)
        corrected = then / now / (factor or 1.0)
        colour = "green" if corrected >= 1 else "yellow" if corrected >= 0.95 else "red"
        result.add_row(
            escape(row.name),
            str(row.threads),
            _quantity(then, row.unit),
            _quantity(now, row.unit),
            f"{then / now:.2f}",
            f"{factor:.2f}" if factor else "",
            f"[{colour}]{corrected:.2f}[/]",
        )
    return result


def _ratios(rows: Iterable[Row], groups: Sequence[str], threads: int) -> list[float]:
    """The best peer to Weft, of the times of some groups."""
    times = (row for row in rows if row.unit == "s" and row.threads == threads)
    return [ratio for row in times if row.group in groups and (ratio := row.ratio()) is not None]


def means(rows: Sequence[Row]) -> Table:
    """The geometric means of the groups, and of those taken together that have a bar."""
    result = Table(title="the best peer / weft, geometric means of times", title_justify="left")
    result.add_column("group", no_wrap=True)
    for label in ("threads", "cases", "mean", "least"):
        result.add_column(label, justify="right", no_wrap=True)
    result.add_column("bar", no_wrap=True)
    sets = {group: ((group,), None) for group in dict.fromkeys(row.group for row in rows)} | MEANS
    for name, (groups, limit) in sets.items():
        for threads in sorted({row.threads for row in rows}):
            ratios = _ratios(rows, groups, threads)
            if not ratios:
                continue
            mean = math.prod(ratio ** (1 / len(ratios)) for ratio in ratios)
            outcome = "[green]pass[/]" if limit and mean >= limit else "[red]miss[/]"
            bar = f">= {limit}: {outcome}" if limit else ""
            numbers = (str(threads), str(len(ratios)), f"{mean:.2f}", f"{min(ratios):.2f}")
            result.add_row(name, *numbers, bar)
    return result
