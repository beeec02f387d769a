"""Compiled functions and Python's state: random programs give what the plain function gives."""

from __future__ import annotations

import os

import pytest
from state_programs import FEATURES, Program, random_program
from state_runs import Outcome, run

_SETS = {name: frozenset({name}) for name in FEATURES}
#: More of them under tools/test --full.
_PROGRAMS = int(os.environ.get("WEFT_TEST_EXAMPLES", "500"))
_CHUNKS = 10
#: Far more than a program takes, even on a busy machine.
_SECONDS = 60


def _outcome(seed: int, features: frozenset[str]) -> Outcome:
    program = random_program(seed, features)
    outcome = run(program)
    assert outcome.difference is None, f"program {seed}:\n{program}\n{outcome.difference}"
    assert outcome.seconds < _SECONDS, f"program {seed} takes {outcome.seconds:.1f} s:\n{program}"
    return outcome


def _check(seeds: range, features: frozenset[str], most_refused: float) -> None:
    outcomes = [_outcome(seed, features) for seed in seeds]
    # The programs do something, and little of it is refused.
    assert sum(outcome.calls for outcome in outcomes) >= len(seeds)
    refused = [outcome.refused for outcome in outcomes if outcome.refused is not None]
    assert len(refused) <= len(seeds) * most_refused, "\n".join(refused)


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_programs_of_one_kind_keep_the_state_of_the_plain_function(name: str) -> None:
    seeds = range(max(_PROGRAMS // 25, 1))
    _check(seeds, _SETS[name], 0.3)


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_programs_keep_the_state_of_the_plain_function(chunk: int) -> None:
    _check(range(chunk, _PROGRAMS, _CHUNKS), FEATURES, 0.15)


def test_a_difference_is_found() -> None:
    """The comparison itself: a function that hides what it reads."""
    program = Program(
        "import ctypes\n"
        "def step(x, y):\n"
        "    return x * ctypes.cast(ADDRESS, ctypes.py_object).value[0]\n"
        "NUMBERS = [2.0]\n"
        "ADDRESS = id(NUMBERS)",
        ["results.append(step(A, B))", "NUMBERS[0] = 3.0", "results.append(step(A, B))"],
    )
    difference = run(program).difference
    assert difference is not None
    assert "results" in difference
