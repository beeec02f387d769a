"""Random programs of PyTorch by weft's backend: numbers, gradients, and what shares memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

import weft.torch  # noqa: E402, F401
from random_programs import count_of_examples  # noqa: E402
from torch_generated import Outcome, Program, difference, generated, outcome  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")
LENGTHS = (5, 10, 20, 40, 80)


def _compared(seed: int) -> Iterator[tuple[Program, Outcome, Outcome]]:
    """The program of this number, what PyTorch makes of it, and the true results."""
    program = generated(seed, LENGTHS[seed % len(LENGTHS)])
    try:
        expected = outcome(program, program.function())
        yield program, expected, outcome(program, program.function(twin=True), True, expected)
    except RuntimeError:
        return  # as a tensor that a gradient reads was written to


def _problem(program: Program, backend: str, expected: Outcome, true: Outcome) -> str:
    torch.compiler.reset()
    try:
        call = torch.compile(program.function(), backend=backend)
        return difference(outcome(program, call, like=expected), expected, true)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:500]}"


def test_generated_programs() -> None:
    """What AOTAutograd alone does not compile as eager mode runs it is none of weft's."""
    compared, refused, wrong = 0, 0, []
    for seed in range(count_of_examples(50)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for program, expected, true in _compared(seed):
                problem = _problem(program, "weft", expected, true)
                if problem and _problem(program, "aot_eager_decomp_partition", expected, true):
                    refused += 1
                elif problem:
                    wrong.append(f"seed {seed}: {problem}\n{program.inputs}\n{program.text}")
                compared += 1
    assert not wrong, "\n\n".join(wrong)
    assert refused <= compared // 3
