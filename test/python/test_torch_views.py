"""Views by PyTorch's methods and writes through them: what each tensor has then is PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import to_numpy
from random_programs import count_of_examples
from torch_view_programs import VIEWS, WRITES, drawn_program, run


def _results(first: Any, steps: list[Any]) -> list[Any]:
    tensors = [first]
    for step in steps:
        run(step, tensors)
    return tensors


def test_drawn_programs() -> None:
    """Eager, and compiled with the tensor that all views look into as argument."""
    seen: set[str] = set()
    for seed in range(count_of_examples(250)):
        first, steps = drawn_program(seed)
        seen |= {step.name for step in steps}
        wanted = [x.resolve_conj().numpy() for x in _results(torch.tensor(first), steps)]
        given = weft.asarray(first.copy())
        compiled = weft.jit(lambda x, steps=steps: _results(x, steps))
        for found in (_results(weft.asarray(first.copy()), steps), compiled(given)):
            for number, (have, want) in enumerate(zip(found, wanted, strict=True)):
                text = f"seed {seed}, tensor {number}: {steps}"
                assert have.shape == want.shape, text
                np.testing.assert_allclose(
                    to_numpy(have), want, rtol=1e-12, atol=1e-12, err_msg=text
                )
        np.testing.assert_allclose(to_numpy(given), wanted[0], rtol=1e-12, atol=1e-12)
    assert seen == {*VIEWS, *WRITES}


@pytest.mark.parametrize(("size", "step"), [(1, 1), (2, 2), (2, 3), (3, 3)])
def test_windows_apart_are_views(size: int, step: int) -> None:
    for package in (weft, torch):
        x = package.zeros(2, 6)
        x.unfold(1, size, step)[:, 1] = 4.0
        assert x[:, step : step + size].tolist() == [[4.0] * size] * 2
        assert x.sum().item() == 8.0 * size


def test_ravel_is_a_copy_of_what_is_not_dense() -> None:
    for package in (weft, torch):
        x = package.zeros(3, 2)
        x[:, 0].ravel().fill_(1.0)
        x.T.ravel().fill_(1.0)
        assert x.sum().item() == 0.0
        x.ravel().fill_(1.0)
        assert x.sum().item() == 6.0


def test_diagonals_are_views() -> None:
    for package in (weft, torch):
        x = package.zeros(3, 4)
        for matrix in (x, x.T, x[:2], x[None][0]):
            for offset in (-1, 0, 1):
                matrix.diagonal(offset)[:] += 1.0
                matrix.diagonal(offset, 1, 0)[:] += 1.0
        if package is weft:
            ours = x.tolist()
    assert ours == x.tolist()
