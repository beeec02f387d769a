"""Real and imaginary parts as views: what is written there, against NumPy's views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_same_bits, to_numpy

#: Ways from a complex array [a, b] to a part of it, for NumPy and for Weft.
WAYS: dict[str, Callable[[Any], Any]] = {
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "rows": lambda x: x.imag[1:],
    "of rows": lambda x: x[::2].real,
    "turned": lambda x: x.T.imag,
    "then turned": lambda x: x.real.T,
    "backwards": lambda x: x.real[:, ::-1],
    "then flat": lambda x: x.imag.reshape(-1),
    "of flat": lambda x: x.reshape(-1).real[1::3],
    "twice": lambda x: x.imag.real[:1].T,
    "of a block": lambda x: x[1:, :2].T.imag[::-1],
}


def written(x: Any, way: str, kind: str, value: Any) -> None:
    part = WAYS[way](x)
    if kind == "set":
        part[...] = value
    elif kind == "add":
        part += value
    else:
        part *= value


@st.composite
def programs(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[str, str, Any]]]:
    shape = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = (random.integers(-3, 4, shape) + 1j * random.integers(-3, 4, shape)).astype(
        draw(st.sampled_from(["complex64", "complex128"]))
    )
    steps = []
    for _ in range(draw(st.integers(1, 5))):
        way, kind = draw(st.sampled_from(list(WAYS))), draw(st.sampled_from(["set", "add", "mul"]))
        part = WAYS[way](x)
        value = random.integers(-2, 3, part.shape).astype(part.dtype)
        steps.append((way, kind, value if draw(st.booleans()) else float(random.integers(-2, 3))))
    return x, steps


@settings(max_examples=60, deadline=None)
@given(programs())
def test_writes_change_the_complex_tensor(case: tuple[np.ndarray, list]) -> None:
    x, steps = case
    expected = x.copy()
    ours = weft.asarray(x)
    parts = WAYS["turned"](ours)
    for way, kind, value in steps:
        written(expected, way, kind, value)
        written(ours, way, kind, value if isinstance(value, float) else weft.asarray(value))
    np.testing.assert_array_equal(to_numpy(ours), expected)
    np.testing.assert_array_equal(to_numpy(parts), expected.T.imag)


@settings(max_examples=15, deadline=None)
@given(programs())
def test_compiled_writes_are_the_same(case: tuple[np.ndarray, list]) -> None:
    x, steps = case
    values = [value for _, _, value in steps]

    @weft.jit
    def run(x: weft.Tensor, values: list) -> weft.Tensor:
        seen = x.imag
        for (way, kind, _), value in zip(steps, values, strict=True):
            written(x, way, kind, value)
        return seen.clone()

    expected = x.copy()
    for way, kind, value in steps:
        written(expected, way, kind, value)
    ours = weft.asarray(x)
    seen = run(ours, [v if isinstance(v, float) else weft.asarray(v) for v in values])
    np.testing.assert_array_equal(to_numpy(ours), expected)
    np.testing.assert_array_equal(to_numpy(seen), expected.imag)


def test_assigned_as_attributes() -> None:
    def run(x: Any, row: Any) -> Any:
        x.real = row
        x.imag += 1
        x[0].imag = 5
        x.real *= 2
        return x

    start, row = np.arange(6).reshape(2, 3) * (1 - 2j), np.array([4.0, 5.0, 6.0])
    expected = run(start.copy(), row)
    assert_same_bits(run(weft.asarray(start), weft.asarray(row)), expected)
    assert_same_bits(weft.jit(run)(weft.asarray(start), weft.asarray(row)), expected)
    real = weft.asarray(row)
    real.real = 2
    assert_same_bits(real, np.full(3, 2.0))
    with pytest.raises(weft.DTypeError, match="float64 has no imaginary part to write"):
        real.imag = 1


def test_parts_lie_two_apart() -> None:
    x = weft.asarray(np.ones((4, 3)) * 1j)
    assert not x.real.is_contiguous()
    assert x.real.view(-1).shape == (12,)
    with pytest.raises(weft.ShapeError, match="do not lie evenly"):
        x.T.imag.view(-1)
    copy = x.T.imag.reshape(-1)
    copy += 1
    assert x.imag.tolist() == np.ones((4, 3)).tolist()


def test_gradients_go_through_what_is_written() -> None:
    start, change = np.arange(1, 7).reshape(2, 3) * (1 + 1j), np.array([0.5, -1.0, 2.0])

    def loss(x: Any, change: Any) -> Any:
        y = x * x
        y.real[1] = change * change
        y.imag *= 3
        return (y.real * y.imag).sum()

    found = weft.grad(loss, argnums=(0, 1))(weft.asarray(start), weft.asarray(change))
    leaves = [torch.from_numpy(part).requires_grad_() for part in (start, change)]
    loss(*leaves).backward()
    for ours, leaf in zip(found, leaves, strict=True):
        np.testing.assert_allclose(to_numpy(ours), leaf.grad.numpy(), rtol=1e-14)
    leaf = weft.asarray(start)
    leaf.requires_grad_()
    with pytest.raises(weft.GradientError, match="view of a leaf"):
        leaf.real[0] = 1.0
