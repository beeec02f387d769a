"""Makes a failing program that keeps state small: fewer events and lines, as long as it differs."""

from __future__ import annotations

from collections.abc import Iterator

import state_runs
from state_programs import Program

#: Programs that are tried.
TRIES = 200


def _smaller(program: Program) -> Iterator[Program]:
    for i in range(len(program.events)):
        yield Program(program.function, program.events[:i] + program.events[i + 1 :])
    lines = program.function.split("\n")
    for size in (3, 2, 1):
        for i in range(1, len(lines) - size):
            kept = lines[:i] + lines[i + size :]
            yield Program("\n".join(kept), program.events)


def _differs(program: Program) -> bool:
    try:
        return state_runs.run(program).difference is not None
    except SyntaxError:
        return False


def shrink_state(program: Program) -> Program:
    """A smallest program that still differs."""
    left, smaller = TRIES, True
    while smaller and left > 0:
        smaller = False
        for candidate in _smaller(program):
            left -= 1
            if left < 0:
                break
            if _differs(candidate):
                program, smaller = candidate, True
                break
    return program
