"""Training by several processes; training_programs.py is what they run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from launched import run_processes

PROGRAMS = Path(__file__).with_name("training_programs.py")


def _passes(count: int, name: str, *more: str) -> None:
    done = run_processes(count, str(PROGRAMS), name, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == count, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["data_parallel", "buffers", "sharded", "accumulated"])
def test_two_processes_train_as_one_does(name: str) -> None:
    _passes(2, name)


@pytest.mark.parametrize(
    "name",
    ["data_parallel", "divided_state", "halves_in_parts", "overlapped", "overlapped_parts"],
)
def test_three_processes_train_as_one_does(name: str) -> None:
    _passes(3, name)


@pytest.mark.parametrize("count", [2, 3])
def test_batches_are_normalized_together(count: int) -> None:
    _passes(count, "normalized_together")


@pytest.mark.parametrize("name", ["tensor_parallel", "pipeline"])
def test_divided_modules_are_those_of_one_process(name: str) -> None:
    _passes(2, name)


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 1)])
def test_checkpoints_are_for_any_number(before: int, after: int, tmp_path: Path) -> None:
    _passes(before, "save", str(tmp_path))
    _passes(after, "load_whole", str(tmp_path))
    _passes(after, "load", str(tmp_path))


def test_the_example_learns() -> None:
    example = Path(__file__).parents[2] / "examples" / "train_together.py"
    done = run_processes(2, str(example), "--epochs", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"2 processes tell ([\d.]+) % of the pictures apart", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) > 80
