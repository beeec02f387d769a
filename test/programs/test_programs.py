"""Random programs in all modes, the ones that once differed, and whether a difference is found.

More of them: tools/fuzz_programs. This page runs a fixed few; tools/test --full runs many.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import weft
from drawing import draw_program
from hunts import TensorHunt
from modes import MODES, STEPS, differences, first_difference, run_object
from names import public_calls
from program import Program, Statement, reproducer
from shrinking import shrink

KEPT = sorted((Path(__file__).parent / "kept").glob("*.py"))
CHUNKS = 5
PROGRAMS = int(os.environ.get("WEFT_TEST_EXAMPLES", "100"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_programs_are_the_same_in_all_modes(chunk: int, tmp_path: Path) -> None:
    modes = tuple(mode for mode in MODES if mode != "object")
    hunt = TensorHunt(modes, tmp_path, calls=public_calls())
    found = [each for _, _, finds in hunt(range(chunk, PROGRAMS, CHUNKS)) for each in finds]
    assert not found


def test_random_programs_are_the_same_in_an_object(tmp_path: Path) -> None:
    hunt = TensorHunt(("object",), tmp_path)
    assert not [each for _, _, finds in hunt(range(0, PROGRAMS, 2)) for each in finds]


def _kept(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_programs_that_differed_once_are_the_same(path: Path) -> None:
    kept = _kept(path)
    assert not list(differences(kept.program, kept.arrays(), MODES))


# ---- The fuzzer itself --------------------------------------------------------------------------


def test_a_number_is_one_program() -> None:
    assert draw_program(7).text() == draw_program(7).text()
    assert len({draw_program(seed).text() for seed in range(20)}) == 20


def _differs_with_tanh(program: Program) -> bool:
    """A failure of a kind that every program with the function has."""
    return "tanh" in program.text() and first_difference(program, ("jit",)) is None


def test_a_failing_program_becomes_small() -> None:
    seed = next(s for s in range(500) if _differs_with_tanh(draw_program(s)))
    small = shrink(draw_program(seed), _differs_with_tanh)
    assert _differs_with_tanh(small)
    assert len(small.statements) == 1
    assert first_difference(small, ("jit",)) is None
    for step in (None, *STEPS.values()):
        text = reproducer(small, "A test", step)
        exec(compile(text, "reproducer", "exec", dont_inherit=True), {"__name__": "__main__"})


def test_a_result_that_is_not_numpys_is_found() -> None:
    program = next(
        p
        for p in map(draw_program, range(500))
        for s in p.statements
        if s.check and "flip" in s.check.code
    )
    wrong = [
        Statement((s.lines[0].replace("weft.flip", "weft.sort"),), s.check)
        if s.check and "flip" in s.check.code
        else s
        for s in program.statements
    ]
    found = first_difference(replace(program, statements=wrong), ("reference",))
    assert found is not None
    assert found.mode == "reference"


def test_a_compiled_function_that_differs_is_found() -> None:
    calls: list[int] = []

    def program(x: weft.Tensor) -> tuple[weft.Tensor]:
        calls.append(1)
        return (x + float(len(calls)),)

    (first, *_) = differences(program, [np.ones(3, np.float32)], ("jit",))
    assert first.mode == "jit"
    assert "is not" in first.message


def test_several_programs_are_one_object() -> None:
    x = np.arange(6, dtype=np.float32)
    results = run_object([(lambda t: (t + 1.0, t * 2.0), [x]), (lambda t: (weft.sum(t),), [x])])
    assert [len(values) for values in results] == [2, 1]
    np.testing.assert_array_equal(results[0][1], x * 2)
