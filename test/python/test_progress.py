"""Progress bars: what they tell, on a terminal and in a log."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pytest
import weft
from rich.console import Console
from weft.profiler import _progress, progress


class Clock:
    """A time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(_progress.time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_lines_of_a_log(clock: Clock) -> None:
    file = io.StringIO()
    with progress("training", 20, "images", per_step=32, lines=4, console=Console(file=file)) as it:
        for step in range(20):
            # The first step compiles.
            clock.now += 50 if step == 0 else 0.5
            it(loss=1 / (step + 1), grad_norm=2.0)
    lines = file.getvalue().splitlines()
    assert lines == [
        "training: 5/20, loss 0.2, grad norm 2, 64 images/s, 0:08 left",
        "training: 10/20, loss 0.1, grad norm 2, 64 images/s, 0:05 left",
        "training: 15/20, loss 0.06667, grad norm 2, 64 images/s, 0:02 left",
        "training: 20/20, loss 0.05, grad norm 2, 64 images/s",
    ]


def test_many_steps_at_once_titles_and_hours(clock: Clock) -> None:
    file = io.StringIO()
    with progress("first", 1000, lines=1000, console=Console(file=file)) as report:
        for _ in range(4):
            clock.now += 100
            report(advance=5, title="second")
    lines = file.getvalue().splitlines()
    assert lines[0] == "second: 5/1000"
    assert lines[-1] == "second: 20/1000, 0.05 steps/s, 5:26:40 left"


def test_a_bar_on_a_terminal() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120, color_system=None)
    with progress("training", 3, console=console) as report:
        for step in range(3):
            report(loss=0.25 * step)
            console.print("beside it")
    text = file.getvalue()
    last = text.rpartition("beside it")[2]
    assert "training" in last
    assert "3/3" in last
    assert re.search(r"loss 0\.5, .*steps/s", last)
    assert text.count("beside it") == 3


def test_no_steps_and_errors_inside() -> None:
    file = io.StringIO()
    with progress("nothing", 0, console=Console(file=file)):
        pass
    assert file.getvalue() == ""
    with progress("twice", 1, console=Console(file=file)) as report:
        report()
        report(advance=0)
    assert file.getvalue() == "twice: 1/1\n"

    def failing() -> None:
        with progress("failing", 2, console=Console(file=file)) as report:
            report()
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        failing()
    assert "failing: 1/2" in file.getvalue()


def test_rich_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    with pytest.raises(weft.UnsupportedError, match="pip install rich"), progress("x", 1):
        pass


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"title": 3}, "title has to be a string, not a int"),
        ({"unit": None}, "unit has to be a string, not a NoneType"),
        ({"steps": 1.5}, "steps has to be an integer, not a float"),
        ({"steps": [3]}, "steps has to be an integer, not a list"),
        ({"lines": "ten"}, "lines has to be an integer, not a str"),
        ({"lines": np.ones(2)}, "lines has to be an integer, not a ndarray"),
        ({"console": sys.stdout}, "console has to be one of rich"),
    ],
)
def test_wrong_arguments(given: dict, message: str) -> None:
    with (
        pytest.raises(weft.DTypeError, match=f"progress: {message}"),
        progress(**({"title": "a", "steps": 3} | given)),
    ):
        pass
