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


def test_keys_tell_repeated_arguments_from_views() -> None:
    function = weft.jit(lambda x, y: y * 2)
    a, b = weft.ones(2), weft.full((2,), 5.0)
    for _ in range(2):
        assert function(a, a).tolist() == [2.0, 2.0]
        assert function(a, b).tolist() == [10.0, 10.0]
        assert function(a[:1], a[:1]).tolist() == [2.0]
        assert function(a[:1], b[1:]).tolist() == [10.0]


def test_an_argument_becomes_the_global_that_changes() -> None:
    w = weft.ones(2)

    @weft.jit
    def function(x: weft.Tensor) -> weft.Tensor:
        w.mul_(2)
        return x * 1

    assert function(weft.full((2,), 7.0)).tolist() == [7.0, 7.0]
    assert function(w).tolist() == [4.0, 4.0]
    assert function(w[:1]).tolist() == [8.0]
    assert function(weft.full((2,), 7.0)).tolist() == [7.0, 7.0]
    assert w.tolist() == [16.0, 16.0]


def test_a_function_with_effects_is_not_run_twice() -> None:
    base, log = weft.zeros(4), []

    @weft.jit
    def function(x: weft.Tensor) -> weft.Tensor:
        log.append(1)
        base.add_(1)
        return x * 1

    with pytest.raises(weft.UnsupportedError, match="would have to run twice"):
        function(base[1:3])
    assert base.tolist() == [0.0] * 4
    assert log == [1]
