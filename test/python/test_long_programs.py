"""Programs of any length: what is compiled is bounded, and linear in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from hypothesis import HealthCheck, given, seed, settings
from numerics import UNIT_ROUNDOFF, assert_same_bits, to_numpy
from random_programs import Program, assert_within, count_of_examples, long_programs

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "benchmarks"))
import long_programs as shapes

# Lines of the loops of one kernel: its largest body, whole and masked, and for each pass over rows
# or block of columns.
LARGEST_KERNEL = 20_000


ENDLESS = """import weft


@weft.jit
def f(x):
    while True:
        x = x + 1.0


f(weft.ones(3))
"""


class Compiled:
    """What a program of some shape and length is compiled to."""

    def __init__(self, shape: str, length: int) -> None:
        program = shapes.SHAPES[shape](length)
        arguments = [weft.asarray(array) for array in program.arguments]
        lowered = weft.jit(program.function).lower(*arguments)
        kernels = lowered.ir("kernels")
        self.launches = kernels.count("weft.launch @")
        self.kernels = kernels.count("weft.kernel @")
        # Without those between launches, which cost nothing.
        self.operations = len(re.findall(r"= weft\.(?!launch|reshape)", kernels))
        loops = lowered.ir("loops")
        self.largest = max(part.count("\n") for part in loops.split("func.func @"))
        self.lines = loops.count("\n")


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_what_is_compiled_is_bounded(shape: str) -> None:
    """Twice the length: twice the launches, but hardly more kernels and code."""
    once, twice = Compiled(shape, 400), Compiled(shape, 800)
    assert twice.launches <= 2.2 * once.launches + 4
    # One for each step, and one before.
    assert twice.launches <= 801
    assert twice.kernels <= once.kernels + 4
    assert twice.kernels <= 40
    assert twice.operations <= 1.5 * once.operations + 100
    assert max(once.largest, twice.largest) <= LARGEST_KERNEL


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_eager_and_compiled_give_the_same_bits(shape: str) -> None:
    program = shapes.SHAPES[shape](90)
    arguments = [weft.asarray(array) for array in program.arguments]
    results = [program.function(*arguments), weft.jit(program.function)(*arguments)]
    assert np.isfinite(to_numpy(results[0])).all()
    assert_same_bits([results[0]], [results[1]], shape)


def test_backward_over_a_long_tape_ends() -> None:
    """And gives what the traced function's gradient gives."""
    length = 4000
    program = shapes.chain(length)
    x, a, b = (weft.asarray(array) for array in program.arguments)
    x.requires_grad = True
    weft.sum(program.function(x, a, b)).backward()
    expected = weft.jit(weft.grad(lambda *v: weft.sum(program.function(*v))))(x.detach(), a, b)
    assert_same_bits([x.grad], [expected], "tape and trace")


def test_a_long_tape_is_released_without_recursion() -> None:
    x = weft.ones(2)
    x.requires_grad = True
    for _ in range(200_000):
        x = x + 1.0
    del x


def test_two_losses_of_one_compiled_function_have_gradients_of_their_own() -> None:
    x = weft.asarray(np.array([1.0, 2.0], np.float32))
    x.requires_grad = True

    @weft.jit
    def losses(x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        return weft.sum(x * 3.0), weft.sum(x * x)

    first, second = losses(x)
    first.backward(retain_graph=True)
    np.testing.assert_array_equal(to_numpy(x.grad), [3.0, 3.0])
    x.grad = None
    second.backward()
    np.testing.assert_array_equal(to_numpy(x.grad), [2.0, 4.0])


def test_more_results_than_a_byte_counts() -> None:
    x = weft.asarray(np.array([1.0, 2.0], np.float32))
    x.requires_grad = True
    parts = weft.jit(lambda x: tuple(x * float(i) for i in range(300)))(x)
    weft.sum(parts[290] + parts[34] * 2.0).backward()
    np.testing.assert_array_equal(to_numpy(x.grad), [358.0, 358.0])


def test_a_program_without_end_names_the_line(tmp_path: Path) -> None:
    """Instead of asking for all memory."""
    program = tmp_path / "endless.py"
    program.write_text(ENDLESS)
    environment = os.environ | {"WEFT_MAX_OPERATIONS": "5000"}
    result = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("weft._errors.UnsupportedError: ")
    assert f"{program}:7: " in last
    assert "more than 5000 operations" in last


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_random_long_programs(dtype: str) -> None:
    """Eager and compiled to the bit, and within the bounds of rounding errors around NumPy."""

    @seed(20261125)
    @settings(
        max_examples=count_of_examples(20),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(long_programs())
    def check(program: Program) -> None:
        tensors = [weft.asarray(x).astype(dtype) for x in program.inputs("float32")]
        eager = program.run(*tensors)
        assert_same_bits(eager, weft.jit(program.run)(*tensors), "eager and jit")
        if dtype == "float32":
            exact = program.reference([to_numpy(x) for x in tensors], UNIT_ROUNDOFF[dtype])
            assert_within(eager, exact)

    check()
