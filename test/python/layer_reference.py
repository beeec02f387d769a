"""Functions and layers of weft against PyTorch's: values and gradients, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit


def array(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Normally distributed numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape) * scale


def rounded(x: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers that x is in a dtype, as float64."""
    return to_float64(weft.asarray(np.array(x, np.float64)).astype(dtype))


def to_float64(x: object) -> np.ndarray:
    """The elements of a tensor of weft or PyTorch as float64."""
    if isinstance(x, torch.Tensor):
        return x.detach().to(torch.float64).numpy()
    return np.array(x.detach().astype("float64"))


def assert_close(actual: object, expected: torch.Tensor, dtype: str, terms: int, name: str) -> None:
    """Both are sums of about ``terms`` numbers, ours in the dtype: each addition and the result
    are rounded, relative to the largest number there is."""
    actual, wanted = to_float64(actual), to_float64(expected)
    assert actual.shape == wanted.shape, name
    size = max(float(np.abs(wanted).max(initial=0.0)), 1.0)
    bound = 4 * (terms + 4) * UNIT_ROUNDOFF[dtype] * size
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=bound, err_msg=name)


def assert_matches(
    ours: Callable,
    theirs: Callable,
    *inputs: np.ndarray,
    dtype: str = "float32",
    terms: int = 1,
    reference: str = "float64",
) -> None:
    """The functions agree in values and gradients, and the first is the same to the bit compiled.

    PyTorch computes in the dtype ``reference`` from the same numbers. Functions may return indices
    after their values.
    """
    values = [rounded(x, dtype) for x in inputs]
    tensors = [weft.asarray(x).astype(dtype) for x in values]
    leaves = [torch.tensor(x).to(getattr(torch, reference)).requires_grad_() for x in values]
    result, expected = eager_and_jit(ours, *tensors), theirs(*leaves)
    first = ours
    if isinstance(expected, tuple):
        assert np.array_equal(result[1], expected[1].numpy())
        result, expected = result[0], expected[0]

        def first(*xs: weft.Tensor) -> weft.Tensor:
            return ours(*xs)[0]

    assert result.dtype == dtype
    assert_close(result, expected, dtype, terms, "result")
    cotangent = rounded(array(*expected.shape, seed=9), dtype)

    def pulled_back(seed: weft.Tensor, *xs: weft.Tensor) -> tuple:
        return weft.vjp(first, *xs)[1](seed)

    gradients = eager_and_jit(pulled_back, weft.asarray(cotangent).astype(dtype), *tensors)
    expected.backward(torch.tensor(cotangent).to(expected.dtype))
    for number, (gradient, leaf) in enumerate(zip(gradients, leaves, strict=True)):
        wanted = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        assert_close(gradient, wanted, dtype, 2 * terms, f"gradient of input {number}")


def copied(layer: weft.nn.Module, twin: torch.nn.Module) -> torch.nn.Module:
    """The twin with the weights of the layer, which has the same names for them."""
    twin.load_state_dict(
        {name: torch.tensor(np.array(value)) for name, value in layer.state_dict().items()}
    )
    return twin


def assert_layers_match(
    make: Callable, *inputs: np.ndarray, terms: int = 1, train: bool = True, **options: object
) -> None:
    """Layers that ``make`` makes of weft.nn and torch.nn have one line, one state, and agree in
    values, gradients and what they keep; and the first does compiled what it does eager."""
    weft.random.seed(3)
    layer = make(weft.nn)
    twin = copied(layer, make(torch.nn)).train(train)
    assert repr(layer.train(train)) == repr(twin)
    inputs = [x if x.dtype.kind == "i" else x.astype(np.float32) for x in inputs]
    ours = [weft.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    theirs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    before = {name: np.array(value) for name, value in layer.state_dict().items()}
    result, expected = layer(*ours, **options), twin(*theirs, **options)
    after = {name: np.array(value) for name, value in layer.state_dict().items()}
    layer.load_state_dict(before)
    compiled = weft.jit(lambda *xs: layer(*xs, **options))(*ours)
    assert_same_bits(compiled.detach(), result.detach(), "eager and jit differ")
    for name, value in layer.state_dict().items():
        assert_same_bits(np.array(value), after[name], name)
    assert_close(result, expected, "float32", terms, "result")
    cotangent = array(*expected.shape, seed=9).astype(np.float32)
    result.backward(weft.asarray(cotangent))
    expected.backward(torch.tensor(cotangent))
    for number, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        if y.grad is not None:
            assert_close(x.grad, y.grad, "float32", 2 * terms, f"gradient of input {number}")
    for (name, p), q in zip(layer.named_parameters(), twin.parameters(), strict=True):
        assert_close(p.grad, q.grad, "float32", 4 * terms, f"gradient of {name}")
    for (name, p), q in zip(layer.named_buffers(), twin.buffers(), strict=True):
        assert_close(p, q, "float32", terms, name)
