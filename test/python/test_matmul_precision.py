"""Products whose operands are rounded on request."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest
import weft
from weft import nn
from weft.nn import functional as F


def bits(x):
    return np.array(x.astype("float64") if isinstance(x, weft.Tensor) else x).tobytes()


def rounded(x):
    return x.astype("bfloat16").astype("float32")


def arrays(*shapes):
    generator = np.random.default_rng(0)
    return [weft.asarray(generator.standard_normal(shape, np.float32)) for shape in shapes]


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w: x @ w, [(5, 40), (40, 30)]),
        (lambda x, w: x @ w, [(2, 3, 40), (2, 40, 1)]),
        (F.linear, [(1, 64), (100, 64)]),
        (F.linear, [(70, 0), (3, 0)]),
        (F.conv2d, [(2, 3, 9, 9), (4, 3, 3, 3)]),
        (lambda x, w: F.conv2d(x, w, groups=4, padding=1), [(2, 4, 9, 9), (4, 1, 3, 3)]),
    ],
)
def test_bits_are_those_of_rounded_operands(function, shapes):
    x, w = arrays(*shapes)
    expected = function(rounded(x), rounded(w))
    compiled = weft.jit(function, matmul_precision="bf16")
    assert bits(compiled(x, w)) == bits(expected)
    kept = weft.jit(lambda x: function(x, w), matmul_precision="bf16")
    for _ in range(2):
        assert bits(kept(x)) == bits(expected)
    if shapes[0][-1] > 0:
        assert bits(compiled(x, w)) != bits(function(x, w))


def test_the_error_is_within_what_is_said():
    x, w = arrays((20, 300), (300, 20))
    result = np.array(weft.jit(weft.matmul, matmul_precision="bf16")(x, w), np.float64)
    left, right = (np.array(operand, np.float64) for operand in (x, w))
    assert (np.abs(result - left @ right) <= 2.0**-7 * (np.abs(left) @ np.abs(right))).all()


def test_gradients_are_of_rounded_operands_too():
    x, w = arrays((6, 8), (8, 5))

    def loss(x, w):
        return ((x @ w) ** 2).sum()

    ours = weft.jit(weft.grad(loss, argnums=(0, 1)), matmul_precision="bf16")(x, w)
    outer = rounded(2 * (rounded(x) @ rounded(w)))
    np.testing.assert_allclose(np.array(ours[0]), np.array(outer @ rounded(w).T), rtol=1e-5)
    np.testing.assert_allclose(np.array(ours[1]), np.array(rounded(x).T @ outer), rtol=1e-5)


def test_weights_are_kept_as_bfloat16():
    weft.random.seed(0)
    model, x = nn.Linear(96, 64), weft.ones(4, 96)
    compiled = weft.jit(model.__call__, matmul_precision="bf16")
    text = compiled.lower(x).ir("kernels")
    assert "tensor<64x96xbf16>" in text
    assert "-> tensor<64x96xf32>" not in text
    assert "-> tensor<96x64xf32>" not in text


def test_other_dtypes_are_as_they_were():
    x, w = (operand.astype("float64") for operand in arrays((5, 7), (7, 3)))
    compiled = weft.jit(weft.matmul, matmul_precision="bf16")
    assert bits(compiled(x, w)) == bits(x @ w)


def test_a_model_trains():
    weft.random.seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = weft.optim.Adam(model.parameters(), lr=0.01)
    x = weft.asarray(np.random.default_rng(1).standard_normal((64, 8), np.float32))
    y = x.sum(axis=1, keepdims=True)

    def step(x, y):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled = weft.jit(step, matmul_precision="bf16")
    losses = [float(compiled(x, y)) for _ in range(100)]
    assert losses[-1] < losses[0] / 20


def test_an_exported_program_has_it(tmp_path):
    x, w = arrays((5, 40), (40, 30))
    compiled = weft.jit(lambda x: x @ w, matmul_precision="bf16")
    program = weft.export(compiled, weft.spec(("n", 40)))
    assert bits(program(x)) == bits(compiled(x))
    program.save(tmp_path / "model.weft")
    assert bits(weft.load(tmp_path / "model.weft")(x)) == bits(compiled(x))


def product(x, w):
    return x @ w


def test_pickled_functions_keep_it():
    x, w = arrays((5, 40), (40, 30))
    compiled = weft.jit(product, matmul_precision="bf16")
    assert bits(pickle.loads(pickle.dumps(compiled))(x, w)) == bits(compiled(x, w))


def test_a_function_in_another_one_needs_the_same():
    x, w = arrays((5, 40), (40, 30))
    inner = weft.jit(product, matmul_precision="bf16")
    with pytest.raises(weft.OptionError, match="give it to the outer one"):
        weft.jit(lambda x, w: inner(x, w))(x, w)
    outer = weft.jit(lambda x, w: inner(x, w), matmul_precision="bf16")
    assert bits(outer(x, w)) == bits(inner(x, w))


def test_gradients_of_a_compiled_function_have_its_precision():
    x, w = arrays((6, 8), (8, 5))
    loss = weft.jit(lambda x, w: ((x @ w) ** 2).sum(), matmul_precision="bf16")
    small = weft.jit(lambda x: ((x @ w[:1]) ** 2).sum(), matmul_precision="bf16")
    expected = weft.jit(weft.grad(loss), matmul_precision="bf16")(x, w)
    assert bits(weft.grad(loss)(x, w)) == bits(expected)
    assert bits(weft.value_and_grad(weft.grad(small, has_aux=False))(x[:1, :1])[0]) == bits(
        weft.grad(small)(x[:1, :1])
    )
    with pytest.raises(weft.OptionError, match="outer one"):
        weft.grad(lambda x: (weft.grad(loss)(x, w) ** 2).sum())(x)


class Rounded(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(arrays((8, 5))[0])

    @functools.partial(weft.jit, matmul_precision="bf16")
    def forward(self, x):
        return ((x @ self.weight) ** 2).sum()


def test_methods_and_partial_functions_have_it_too():
    (x,) = arrays((6, 8))
    model = Rounded()
    expected = bits(model(x))
    assert expected == bits(((rounded(x) @ rounded(model.weight)) ** 2).sum())
    assert bits(weft.value_and_grad(model.forward)(x)[0]) == expected
    assert bits(weft.value_and_grad(functools.partial(model.forward))(x)[0]) == expected
    assert bits(weft.export(model, weft.spec((6, 8)))(np.array(x))) == expected


def test_a_function_that_has_its_name_only_does_not():
    x, w = arrays((6, 8), (8, 5))
    compiled = weft.jit(product, matmul_precision="bf16")

    @functools.wraps(compiled)
    def plain(x, w):
        return (x @ w).sum()

    assert bits(weft.value_and_grad(plain)(x, w)[0]) == bits((x @ w).sum())


def test_a_compiled_function_is_compiled_again_with_another_precision():
    x, w = arrays((5, 40), (40, 30))
    plain = weft.jit(product)
    assert bits(weft.jit(plain, matmul_precision="bf16")(x, w)) == bits(rounded(x) @ rounded(w))
    assert weft.jit(plain) is plain


def test_a_backward_pass_outside_is_of_float32():
    """It is no part of the function; its gradients are those at the same values."""
    x, w = arrays((6, 8), (8, 5))
    plain = weft.jit(lambda x, w: ((x @ w) ** 2).sum())
    loss = weft.jit(lambda x, w: ((x @ w) ** 2).sum(), matmul_precision="bf16")
    value, pull = weft.vjp(loss, x, w)
    assert bits(value) == bits(loss(x, w))
    assert bits(pull(weft.ones(()))[0]) == bits(weft.grad(plain)(x, w))


def test_other_names_are_refused():
    with pytest.raises(weft.OptionError, match='"bf16" or None, not'):
        weft.jit(product, matmul_precision="int8")
