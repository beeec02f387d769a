"""How far a loop is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .._creation import _fail
from .._errors import DTypeError, WeftError
from ._needs import needed


def _columns() -> list:
    of = needed("rich.progress", "a progress bar")
    return [
        of.TextColumn("{task.description}"),
        of.BarColumn(),
        of.MofNCompleteColumn(),
        of.TimeRemainingColumn(),
        of.TextColumn("{task.fields[numbers]}"),
    ]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Steps:
    """How many steps were made, and how fast. The first ones, which are mostly compiling, are no
    part of the rate."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done, self._first = steps, 0, 0
        self._start = time.perf_counter()

    def advance(self, steps: int) -> None:
        self.done += steps
        if self.done == steps:
            self._start, self._first = time.perf_counter(), steps

    @property
    def rate(self) -> float:
        """Steps per second; 0 before the second report."""
        elapsed = time.perf_counter() - self._start
        return (self.done - self._first) / elapsed if self.done > self._first and elapsed else 0.0

    def left(self) -> list[str]:
        if not self.rate or self.done >= self.steps:
            return []
        return [f"{_duration((self.steps - self.done) / self.rate)} left"]


def _check(texts: dict[str, Any], counts: dict[str, Any], console: Any) -> None:
    """Raises DTypeError."""
    for name, text in texts.items():
        if not isinstance(text, str):
            kind = type(text).__name__
            raise _fail(DTypeError, f"progress: {name} has to be a string, not a {kind}")
    for name, count in counts.items():
        try:
            operator.index(count)
        except (TypeError, WeftError):
            message = f"progress: {name} has to be an integer, not a {type(count).__name__}"
            raise _fail(DTypeError, message) from None
    if console is not None and not hasattr(console, "is_terminal"):
        kind = type(console).__name__
        raise _fail(DTypeError, f"progress: console has to be one of rich, not a {kind}")


@contextmanager
def progress(
    title: str,
    steps: int,
    unit: str = "steps",
    *,
    per_step: float = 1,
    lines: int = 10,
    console: Any = None,
) -> Iterator[Callable[..., None]]:
    """Gives ``report(loss=0.1)``, to call after each step; it shows the rate, the numbers that it
    is given, and the time that is left.

    On a terminal it is a bar; elsewhere some ``lines`` lines are printed in all, so that a log
    stays short. ``report(advance=3)`` is three steps at once, and ``report(title="epoch 2")``
    changes the title.

    Args:
        title: what goes on.
        steps: how many there will be.
        unit: what is counted by the second, and ``per_step`` how many of them a step has.
        console: a console of rich, on which others print too; by default the standard output.

    Raises:
        UnsupportedError: the package rich is missing. DTypeError: an argument of another kind.
    """
    _check({"title": title, "unit": unit}, {"steps": steps, "lines": lines}, console)
    if console is None:
        console = needed("rich.console", "a progress bar").Console()
    terminal, made, shown = console.is_terminal, _Steps(steps), 0
    bar = needed("rich.progress", "a progress bar").Progress
    with bar(*_columns(), console=console, disable=not terminal) as bars:
        task = bars.add_task(title, total=steps, numbers="compiling")

        def report(*, advance: int = 1, title: str | None = None, **numbers: float) -> None:
            nonlocal shown
            made.advance(advance)
            parts = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in numbers.items()]
            if made.rate:
                parts.append(f"{made.rate * per_step:,.3g} {unit}/s")
            if title is not None:
                bars.update(task, description=title)
            bars.update(task, advance=advance, numbers=", ".join(parts))
            due = made.done * lines // max(steps, 1)
            if terminal or due <= shown:
                return
            shown = due
            text = ", ".join([f"{made.done}/{steps}", *parts, *made.left()])
            # One line, however narrow the console is.
            print(f"{bars.tasks[0].description}: {text}", file=console.file, flush=True)

        yield report
