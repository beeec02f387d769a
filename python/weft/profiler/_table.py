"""Where the time of a record went, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._creation import _fail
from .._errors import OptionError
from ._events import CALLS, KERNELS, Event, line_of, nested, plain_name
from ._needs import needed, plain, printed


@dataclass
class _Row:
    count: int = 0
    nanoseconds: int = 0
    lines: str = ""


def _grouped(events: Sequence[Event], by: str) -> dict[tuple[str, str], _Row]:
    """Kernels with their lines, lines with the kernels of each together, or calls by name."""
    tree = nested(events)
    rows: dict[tuple[str, str], _Row] = {}
    for number, (event, _, _) in enumerate(tree):
        if event.kind not in (CALLS if by == "call" else KERNELS):
            continue
        line = line_of(number, tree)
        key = (line, "") if by == "line" else (plain_name(event.name), line)
        row = rows.setdefault(key, _Row(lines=line))
        row.count += 1
        row.nanoseconds += event.duration
    return rows


def _short(lines: str) -> str:
    """Files without their folders."""
    return ", ".join(line.rpartition("/")[2] for line in lines.split(", "))


def _of_kind(events: Sequence[Event], kinds: tuple[str, ...]) -> float:
    return sum(event.duration for event in events if event.kind in kinds) / 1e6


def _compile_time(events: Sequence[Event]) -> float:
    tree = nested(events)
    return sum(own for event, _, own in tree if event.kind == "compile") / 1e6


def _title(events: Sequence[Event], dropped: int) -> str:
    begin = min((event.start for event in events), default=0)
    end = max((event.end for event in events), default=0)
    peak = max((event.bytes_in_use for event in events), default=0)
    title = (
        f"{(end - begin) / 1e6:.3f} ms, kernels {_of_kind(events, KERNELS):.3f} ms, "
        f"compiling {_compile_time(events):.3f} ms, at most {peak / 2**20:.1f} MiB of tensors, "
        f"{len(events)} events"
    )
    return title + (f", {dropped} LATER ONES DROPPED" if dropped else "")


def table(events: Sequence[Event], dropped: int, by: str, count: int) -> str:
    """A table, the longest first, below a line with the sums.

    Raises OptionError for an unknown kind of rows, and less than none.
    """
    if count < 0:
        raise _fail(OptionError, f"table: {count} rows; there are at least 0")
    if by not in ("kernel", "line", "call"):
        raise _fail(OptionError, f'table: by is "kernel", "line" or "call", not {by!r}')
    grid = needed("rich.table", "a table of the profiler")
    rows = sorted(_grouped(events, by).items(), key=lambda item: -item[1].nanoseconds)
    total = sum(row.nanoseconds for _, row in rows) or 1
    found = grid.Table()
    for heading in ("ms", "%", "times", "us each"):
        found.add_column(heading, justify="right")
    for heading in ("lines",) if by == "line" else (by, "lines"):
        found.add_column(heading, overflow="fold")
    for (name, _), row in rows[:count]:
        cells = [
            f"{row.nanoseconds / 1e6:.3f}",
            f"{100 * row.nanoseconds / total:.1f}",
            str(row.count),
            f"{row.nanoseconds / 1e3 / row.count:.1f}",
            *([] if by == "line" else [name]),
            _short(row.lines),
        ]
        found.add_row(*map(plain, cells))
    if len(rows) > count:
        left = sum(row.nanoseconds for _, row in rows[count:])
        found.add_row(
            f"{left / 1e6:.3f}", f"{100 * left / total:.1f}", "", "", f"{len(rows) - count} more"
        )
    return f"{_title(events, dropped)}\n{printed(found)}"
