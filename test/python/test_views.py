"""Views: what looks into what, and what writes through it change; eager and compiled."""

from __future__ import annotations

from typing import ClassVar

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


@pytest.mark.parametrize("compiled", [lambda function: function, weft.jit], ids=["eager", "jit"])
class TestViewsInFunctions:
    """Views whose place, values or layout come from outside of the function."""

    WRITES: ClassVar = {
        "row": lambda k, p: k[p].add_(1),
        "column": lambda k, p: k[:, p].add_(1),
        "element": lambda k, p: k[p, p].fill_(5),
        "of a view": lambda k, p: k[p][p:].mul_(3),
        "computed": lambda k, p: k[p - 1].copy_(weft.ones(3)),
        "new axis": lambda k, p: k[:, None, p].add_(2),
    }

    @pytest.mark.parametrize("name", WRITES)
    def test_an_integer_argument_is_a_place(self, compiled, name: str) -> None:  # type: ignore[no-untyped-def]
        write = self.WRITES[name]

        def function(k: weft.Tensor, p: int) -> weft.Tensor:
            write(k, p)
            return k * 1

        for place in (1, 2, 1):
            tensor, plain = weft.full((3, 3), 2.0), weft.full((3, 3), 2.0)
            function(plain, place)
            assert compiled(function)(tensor, place).tolist() == plain.tolist()
            assert tensor.tolist() == plain.tolist()

    def test_a_view_that_is_out_of_date(self, compiled) -> None:  # type: ignore[no-untyped-def]
        base = weft.zeros(4)
        row, pair, detached = base[:2], base.view(2, 2), base.detach()
        read = compiled(lambda: (row * 1, pair.sum(), detached + 0))
        write = compiled(lambda: base.add_(1))
        for count in (1, 2, 3):
            write()
            first, second, third = read()
            assert first.tolist() == [count] * 2
            assert second.item() == 4 * count
            assert third.tolist() == [count] * 4
            assert row.tolist() == [count] * 2
        derivative = weft.grad(lambda x: (x * row).sum())
        base.add_(1)
        assert derivative(weft.ones(2)).tolist() == [4.0, 4.0]
        assert row.tolist() == [4.0, 4.0]

    def test_the_layout_of_an_argument_counts(self, compiled) -> None:  # type: ignore[no-untyped-def]
        def flatten(x: weft.Tensor) -> weft.Tensor:
            y = x[1:3].reshape(-1)
            y[0] = 7
            return x.sum()

        function = compiled(flatten)
        for make in (lambda: weft.zeros((3, 4)).T, lambda: weft.zeros((4, 6))[:, :3]):
            assert function(weft.zeros((4, 3))).item() == 7
            assert function(make()).item() == 0
        with pytest.raises(weft.ShapeError, match="do not lie evenly"):
            compiled(lambda x: x.view(-1))(weft.zeros((3, 2)).T)
        with pytest.raises(weft.UnsupportedError, match="expanded view"):
            compiled(lambda x: x.add_(1))(weft.broadcast_to(weft.zeros(1), (3,)))

    def test_parts_of_expanded_views_are_written(self, compiled) -> None:  # type: ignore[no-untyped-def]
        def write(x: weft.Tensor) -> None:
            rows = weft.broadcast_to(x, (5, 4))
            rows[3] += 1
            rows.T[::2, :1] = -7
            rows[2][1:].mul_(2)
            rows[0:0] += 1

        x = weft.arange(4.0)
        compiled(write)(x)
        assert x.tolist() == [-7, 4, -14, 8]
        with pytest.raises(weft.UnsupportedError, match="part of a view in which several"):
            compiled(lambda x: weft.broadcast_to(x, (3, 2, 4))[0][1].add_(1))(x)
