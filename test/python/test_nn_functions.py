"""Functions of weft.nn.functional against PyTorch over random shapes, extremes and dtypes."""

import math

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st

F, TF = weft.nn.functional, torch.nn.functional
EXTREMES = [0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 88.0, -88.0, 6e4, -6e4, math.inf, -math.inf]
#: Relative errors: a few roundings of the dtype, of float32 for what is computed in it.
ROUNDINGS = {"float16": 2**-9, "bfloat16": 2**-6, "float32": 2**-19, "float64": 2**-48}

ELEMENTWISE = {
    "relu": {},
    "elu": {"alpha": 0.7},
    "leaky_relu": {"negative_slope": 0.2},
    "gelu": {},
    "silu": {},
    "sigmoid": {},
    "softplus": {},
    "tanh": {},
}
ALONG = {"softmax": {}, "log_softmax": {}}


def as_torch(x, dtype):
    return torch.tensor(x, dtype=torch.float64).to(getattr(torch, dtype))


def as_weft(x, dtype):
    return weft.asarray(np.asarray(x, np.float64)).astype(dtype)


def to_float64(x):
    if isinstance(x, torch.Tensor):
        return x.detach().to(torch.float64).numpy()
    return np.asarray(x.detach().astype("float64"))


def assert_same(ours, theirs, x, dtype, size=1.0):
    """Values, and gradients where both are finite: eager, and to the bit compiled.

    ``size`` is that of the numbers whose roundings count.
    """
    mine = as_weft(x, dtype)
    mine.requires_grad = True
    wanted = as_torch(x, dtype).requires_grad_()
    result, expected = ours(mine), theirs(wanted)
    assert result.dtype == dtype
    compiled = weft.jit(ours)(as_weft(x, dtype))
    assert np.array_equal(to_float64(compiled), to_float64(result), equal_nan=True)
    unit = ROUNDINGS[dtype] * size
    np.testing.assert_allclose(to_float64(result), to_float64(expected), rtol=unit, atol=unit)
    result.sum().backward()
    expected.sum().backward()
    finite = np.isfinite(x)
    np.testing.assert_allclose(
        to_float64(mine.grad)[finite], to_float64(wanted.grad)[finite], rtol=4 * unit, atol=4 * unit
    )


SHAPES = st.sampled_from([(), (1,), (0,), (7,), (3, 1), (2, 0, 3), (2, 3, 4), (33,)])
DTYPES = st.sampled_from(sorted(ROUNDINGS))


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(SHAPES, DTYPES, st.integers(0, 99), st.booleans())
@settings(max_examples=20, deadline=None)
def test_elementwise(name, shape, dtype, seed, extreme):
    rng = np.random.default_rng(seed)
    x = rng.choice(EXTREMES, shape) if extreme else rng.standard_normal(shape) * 4
    options = ELEMENTWISE[name]
    x = to_float64(as_torch(x, dtype))

    def reference(x):
        # In float64: PyTorch's gelu of infinity is NaN in float32 on processors with AVX-512.
        return getattr(TF, name)(x.double(), **options).to(x.dtype)

    assert_same(lambda x: getattr(F, name)(x, **options), reference, x, dtype)


@pytest.mark.parametrize("name", ALONG)
@given(SHAPES, DTYPES, st.integers(0, 99), st.sampled_from([1.0, 50.0]), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_along_an_axis(name, shape, dtype, seed, scale, axis):
    shape = shape or (1,)
    x = to_float64(as_torch(np.random.default_rng(seed).standard_normal(shape) * scale, dtype))
    axis %= len(shape)
    assert_same(lambda x: getattr(F, name)(x, axis), lambda x: getattr(TF, name)(x, axis), x, dtype)


@given(
    st.sampled_from([(1, 1), (4, 8), (2, 3, 5), (3, 2, 1), (0, 4)]),
    st.sampled_from(["float32", "float64", "float16"]),
    st.booleans(),
    st.sampled_from([0.0, 100.0]),
)
@settings(max_examples=20, deadline=None)
def test_layer_norm(shape, dtype, weighted, offset):
    rng = np.random.default_rng(0)
    x = to_float64(as_torch(rng.standard_normal(shape) + offset, dtype))
    weight, bias = rng.standard_normal((2, shape[-1]))

    def ours(x):
        more = [as_weft(weight, dtype), as_weft(bias, dtype)] if weighted else []
        return F.layer_norm(x, shape[-1:], *more)

    def theirs(x):
        more = [as_torch(weight, dtype), as_torch(bias, dtype)] if weighted else []
        return TF.layer_norm(x, shape[-1:], *more)

    # The mean is off by a rounding of the offset, and so is each distance from it.
    assert_same(ours, theirs, x, dtype, size=1.0 + offset)


@given(st.integers(0, 3), st.integers(1, 3), st.integers(0, 4), st.sampled_from([0.0, 0.5]))
@settings(max_examples=25, deadline=None)
def test_masked_attention(batch, queries, keys, density):
    rng = np.random.default_rng(batch * 100 + queries * 10 + keys)
    shapes = [(batch, 2, queries, 3), (batch, 2, keys, 3), (batch, 2, keys, 5)]
    inputs = [rng.standard_normal(shape) for shape in shapes]
    seen = rng.uniform(size=(queries, keys)) < density
    mine = [weft.tensor(x, requires_grad=True) for x in inputs]
    theirs = [torch.tensor(x, requires_grad=True) for x in inputs]
    result = F.scaled_dot_product_attention(*mine, weft.asarray(seen))
    if keys == 0:
        assert result.shape == (batch, 2, queries, 5)
        assert not np.asarray(result.detach()).any()
        return
    expected = TF.scaled_dot_product_attention(*theirs, torch.tensor(seen))
    np.testing.assert_allclose(result.detach(), expected.detach(), rtol=1e-12, atol=1e-14)
    result.sum().backward()
    expected.sum().backward()
    for x, y in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(x.grad, y.grad, rtol=1e-11, atol=1e-13)
