"""Compiled functions and Python's state: random programs give what the plain function gives."""

from __future__ import annotations

import os

import pytest
from state_programs import Program, random_program, run

_FEATURES = frozenset({"effects"})
#: More of them under tools/test --full.
_PROGRAMS = int(os.environ.get("WEFT_TEST_EXAMPLES", "300"))
_CHUNKS = 10


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_programs_keep_the_state_of_the_plain_function(chunk: int) -> None:
    calls = refused = 0
    seeds = range(chunk, _PROGRAMS, _CHUNKS)
    for seed in seeds:
        program = random_program(seed, _FEATURES)
        outcome = run(program)
        assert outcome.difference is None, f"program {seed}:\n{program}\n{outcome.difference}"
        calls += outcome.calls
        refused += outcome.refused is not None
    # The programs do something, and little of it is refused.
    assert calls >= len(seeds)
    assert refused <= len(seeds) // 10


def test_a_difference_is_found() -> None:
    """The comparison itself: a function that hides what it reads."""
    program = Program(
        "import ctypes\n"
        "def step(x, y):\n"
        "    return x * ctypes.cast(id(NUMBERS), ctypes.py_object).value[0]\n"
        "NUMBERS = [2.0]",
        ["results.append(step(A, B))", "NUMBERS[0] = 3.0", "results.append(step(A, B))"],
    )
    program.function = program.function.replace("id(NUMBERS)", "ADDRESS")
    program.function += "\nADDRESS = id(NUMBERS)"
    difference = run(program).difference
    assert difference is not None
    assert "results is" in difference
