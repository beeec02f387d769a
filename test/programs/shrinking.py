"""Makes a failing program small: fewer statements, lines and results, as long as it still fails.

Delta debugging (Zeller and Hildebrandt, 2002): halves of the statements are left out, then
quarters, down to single ones, then single lines of nested functions, until nothing more can go.
What read a name that lost its definition reads an input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from program import Program, Statement

Fails = Callable[[Program], bool]
#: Programs that are tried; a shrunk program that could be smaller is better than none.
TRIES = 400


class _SpentError(Exception):
    """All tries were made."""


def _counted(fails: Fails, tries: int) -> Fails:
    left = tries

    def counted(program: Program) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            raise _SpentError
        return fails(program)

    return counted


def _without_statements(program: Program) -> Iterator[Program]:
    count = len(program.statements)
    size = max(count // 2, 1)
    while size:
        for start in range(0, count, size):
            kept = program.statements[:start] + program.statements[start + size :]
            if kept:
                yield program.with_statements(kept)
        size //= 2


def _without_lines(program: Program) -> Iterator[Program]:
    for number, statement in enumerate(program.statements):
        for line in range(len(statement.lines)):
            lines = statement.lines[:line] + statement.lines[line + 1 :]
            if lines:
                changed = Statement(lines, None)
                kept = [*program.statements[:number], changed, *program.statements[number + 1 :]]
                yield program.with_statements(kept)


def _without_results(program: Program) -> Iterator[Program]:
    if len(program.results) > 1:
        for name in program.results:
            yield replace(program, results=[n for n in program.results if n != name])


def _plainer_inputs(program: Program) -> Iterator[Program]:
    for name, given in program.inputs.items():
        if given.layout != "dense":
            yield replace(program, inputs={**program.inputs, name: replace(given, layout="dense")})


def shrink(program: Program, fails: Fails, tries: int = TRIES) -> Program:
    """A smallest program for which ``fails`` holds, as it does for the given one."""
    fails = _counted(fails, tries)
    ways = (_without_statements, _without_lines, _without_results, _plainer_inputs)
    try:
        smaller = True
        while smaller:
            smaller = False
            for way in ways:
                found = next((p for p in way(program) if fails(p)), None)
                while found is not None:
                    program, smaller = found, True
                    found = next((p for p in way(program) if fails(p)), None)
    except _SpentError:
        pass
    return program
