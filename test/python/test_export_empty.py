"""A program with a symbolic size, called where that is 0, does what the function does there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import weft
from numerics import to_numpy

#: Of x [3, n].
FUNCTIONS: dict[str, Callable] = {
    "max": lambda x: weft.max(x, axis=1),
    "min": lambda x: weft.min(x, axis=1, keepdims=True),
    "max of all": weft.max,
    "argmax": lambda x: weft.argmax(x, axis=1),
    "argmin of all": weft.argmin,
    "amax": lambda x: x.amax(1),
    "aminmax": lambda x: x.aminmax(dim=1),
    "max with places": lambda x: x.max(1),
    "max of columns": lambda x: x.mT.max(0),
    "max of more": lambda x: weft.max(weft.concat([x, x], axis=1), axis=1),
    "max of enough": lambda x: weft.max(weft.pad(x, ((0, 0), (1, 0))), axis=1),
    "max of the others": lambda x: weft.max(x, axis=0),
    "sum": lambda x: weft.sum(x, axis=1),
    "prod": lambda x: weft.prod(x, axis=1),
    "mean": lambda x: x.mean(1),
    "var": lambda x: x.var(1),
    "any": lambda x: weft.any(x > 0, axis=1),
    "softmax": lambda x: weft.softmax(x, 1),
    "logsumexp": lambda x: weft.logsumexp(x, 1),
    "cumsum": lambda x: x.cumsum(1),
    "sort": lambda x: weft.sort(x, axis=1),
    "product": lambda x: x @ x.mT,
    "first column": lambda x: x[:, 0],
    "take": lambda x: weft.take(x, weft.asarray([0]), axis=1),
    "roll": lambda x: x.roll(1, 1),
    "layer_norm": lambda x: weft.nn.functional.layer_norm(x.mT, (3,)),
    "flip": lambda x: weft.flip(x, axis=1),
    "arange": lambda x: weft.arange(x.shape[1]) * 2,
}


def _outcome(call: Callable) -> object:
    """The results as arrays, or None where there is an error."""
    try:
        found = call()
    except weft.WeftError:
        return None
    return [to_numpy(x) for x in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_elements(name: str, tmp_path: Path) -> None:
    function = FUNCTIONS[name]
    program = weft.export(function, weft.spec([3, "n"]))
    program.save(tmp_path / "program.weft")
    for each in (program, weft.load(tmp_path / "program.weft")):
        for size in (2, 0, 1, 0):
            x = weft.reshape(weft.arange(3.0 * size), (3, size))
            expected, found = _outcome(lambda x=x: function(x)), _outcome(lambda x=x: each(x))
            assert (expected is None) == (found is None), size
            for ours, theirs in zip(found or [], expected or [], strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_the_error_names_the_operation_and_its_line_alone() -> None:
    def largest(x: weft.Tensor) -> weft.Tensor:
        return weft.max(x * 2, axis=1)

    program, line = weft.export(largest, weft.spec([3, "n"])), largest.__code__.co_firstlineno + 1
    with pytest.raises(weft.ShapeError) as error:
        program(weft.ones(3, 0))
    message = f"{__file__}:{line}: max: there is no element along axis 1 of shape (3, n)"
    assert str(error.value) == message


def test_a_branch_that_does_not_run_asks_for_nothing() -> None:
    def function(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        return weft.cond(weft.sum(y) > 0, lambda: weft.max(x), lambda: weft.sum(x))

    program = weft.export(function, weft.spec(["n"]), weft.spec([2]))
    assert program(weft.zeros(0), -weft.ones(2)).item() == 0
