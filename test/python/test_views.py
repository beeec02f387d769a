"""Views: what looks into what, and what writes through it change; eager and compiled."""

from __future__ import annotations

import pytest
import view_programs
import weft


def _message(program: view_programs.Program, what: str) -> str:
    steps = "\n".join(map(str, program.steps))
    return f"{what}\nshapes {program.shapes}\n{steps}"


@pytest.mark.parametrize("block", range(8))
def test_random_programs_are_numpys(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        program = view_programs.draw(seed)
        arrays = program.arrays()
        tensors = [weft.array(array) for array in arrays]
        for step in program.steps:
            view_programs.run_step(step, arrays, numpy=True)
            view_programs.run_step(step, tensors, numpy=False)
            different = view_programs.difference(tensors, arrays)
            assert not different, _message(program, f"{different}, after {step}")


@pytest.mark.parametrize("seed", range(40))
def test_compiled_pieces_are_numpys(seed: int) -> None:
    """Arguments that are views of each other, results that are views of arguments and results."""
    program = view_programs.draw(seed + 1000, length=9)
    arrays = program.arrays()
    tensors = [weft.array(array) for array in arrays]
    for first in range(0, len(program.steps), 3):
        piece = program.steps[first : first + 3]
        for step in piece:
            view_programs.run_step(step, arrays, numpy=True)
        view_programs.run_compiled(piece, tensors)
        different = view_programs.difference(tensors, arrays)
        assert not different, _message(program, f"{different}, after the piece at {first}")
