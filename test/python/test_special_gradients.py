"""Derivatives where formulas divide by zero or jump: as PyTorch's."""

import math

import numpy as np
import pytest
import torch
import weft

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e-30, 100.0, -100.0])

UNARY = {
    "abs": (lambda x: weft.abs(x), torch.abs),
    "sqrt": (lambda x: weft.sqrt(weft.abs(x)), lambda x: torch.sqrt(torch.abs(x) + 0)),
    "relu": (weft.relu, torch.relu),
    "elu": (lambda x: weft.nn.functional.elu(x, 1.5), lambda x: torch.nn.functional.elu(x, 1.5)),
    "leaky_relu": (weft.nn.functional.leaky_relu, torch.nn.functional.leaky_relu),
    "gelu": (weft.nn.functional.gelu, torch.nn.functional.gelu),
    "silu": (weft.nn.functional.silu, torch.nn.functional.silu),
    "softplus": (weft.nn.functional.softplus, torch.nn.functional.softplus),
    "clip": (lambda x: weft.clip(x, -1.0, 2.5), lambda x: torch.clamp(x, -1.0, 2.5)),
    "clip_below": (lambda x: weft.clip(x, 0.0), lambda x: torch.clamp(x, 0.0)),
    "maximum_0": (
        lambda x: weft.maximum(x, weft.zeros(9, dtype="float64")),
        lambda x: torch.maximum(x, torch.zeros(9, dtype=torch.float64)),
    ),
    "square": (lambda x: x**2, lambda x: x**2),
    "power_0": (lambda x: x**0.0, lambda x: x**0.0),
    "atan2": (lambda x: weft.atan2(x, x), lambda x: torch.atan2(x, x)),
    "cbrt_like": (lambda x: weft.abs(x) ** 1.5, lambda x: torch.abs(x) ** 1.5),
}


def gradients(ours, theirs, x):
    """Both gradients of the sum, compiled and not."""
    wanted = torch.tensor(x, requires_grad=True)
    theirs(wanted).sum().backward()
    tensor = weft.tensor(x, requires_grad=True)
    ours(tensor).sum().backward()
    compiled = weft.jit(weft.grad(lambda x: ours(x).sum()))(weft.asarray(x))
    assert np.array_equal(tensor.grad, compiled, equal_nan=True)
    return tensor.grad.numpy(), wanted.grad.numpy()


@pytest.mark.parametrize("name", UNARY)
def test_elementwise(name):
    ours, theirs = gradients(*UNARY[name], SPECIAL)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-300)


REDUCTIONS = {
    "norm": (weft.norm, torch.linalg.vector_norm),
    "norm_1": (lambda x: weft.norm(x, ord=1), lambda x: torch.linalg.vector_norm(x, 1)),
    "norm_3": (lambda x: weft.norm(x, ord=3), lambda x: torch.linalg.vector_norm(x, 3)),
    "norm_half": (lambda x: weft.norm(x, ord=0.5), lambda x: torch.linalg.vector_norm(x, 0.5)),
    "norm_inf": (
        lambda x: weft.norm(x, ord=math.inf),
        lambda x: torch.linalg.vector_norm(x, math.inf),
    ),
    "std": (lambda x: weft.std(x, correction=1), torch.std),
    "var": (lambda x: weft.var(x, correction=1), torch.var),
    "population_std": (weft.std, lambda x: torch.std(x, correction=0)),
    "max": (weft.max, torch.amax),
    "min": (weft.min, torch.amin),
    "prod": (weft.prod, torch.prod),
    "logsumexp": (weft.logsumexp, lambda x: torch.logsumexp(x, 0)),
    "softmax": (lambda x: weft.softmax(x)[0], lambda x: torch.softmax(x, 0)[0]),
}
POINTS = [
    [0.0, 0.0, 0.0],
    [2.0, 2.0, 2.0],
    [3.0, 0.0, -4.0],
    [0.0, 5.0, 0.0],
    [-1.0],
    [0.0],
    [1e4, -1e4],
    [0.0, -math.inf],
]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("point", POINTS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_reductions(name, point):
    if name.startswith(("norm", "std", "var", "pop")) and math.isinf(point[-1]):
        pytest.skip("infinite")
    ours, theirs = gradients(*REDUCTIONS[name], np.array(point))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_large_halves_have_finite_norms(dtype):
    x = weft.full((16,), 10000.0, dtype=dtype)
    kind = getattr(torch, dtype)
    expected = torch.linalg.vector_norm(torch.full((16,), 10000.0, dtype=kind)).item()
    assert weft.norm(x).item() == expected
    parameter = weft.tensor(x, requires_grad=True)
    weft.norm(parameter).backward()
    assert np.allclose(parameter.grad.astype("float32"), 0.25, rtol=2**-7)
    parameter.grad = x
    total = weft.nn.utils.clip_grad_norm_([parameter], 1.0)
    assert math.isclose(total.item(), expected, rel_tol=2**-7)
    assert parameter.grad.dtype == dtype
    with pytest.raises(weft.OptionError):
        weft.norm(x, ord=-1)


EMPTIED = {
    "slice of none": (lambda x: x[:, :3], (0, 6)),
    "no slice": (lambda x: x[2:2], (4, 3)),
    "narrowed": (lambda x: x.narrow(0, 1, 0), (4, 3)),
    "index": (lambda x: x[x[:, 0] > 9], (4, 3)),
}


@pytest.mark.parametrize("name", EMPTIED)
def test_what_has_no_part_in_a_result_has_a_gradient_of_zeros(name):
    function, shape = EMPTIED[name]
    ours = weft.ones(shape, requires_grad=True)
    theirs = torch.ones(shape, requires_grad=True)
    for x in (ours, theirs):
        function(x).sum().backward()
    assert np.array_equal(ours.grad, theirs.grad.numpy())
    assert ours.grad.shape == tuple(theirs.grad.shape)
