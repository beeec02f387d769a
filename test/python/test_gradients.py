"""Derivatives against differences, against PyTorch, against each other, and of second order."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from op_row import OpRow
from op_table import OPS
from weft.nn import functional as F

# Central differences err by h^2/6 of the third derivative and by rounding of about 2^-53 / h of
# the values: with h = 2^-17 both are near 1e-10 for values and derivatives near 1. The bound leaves
# room for third derivatives up to 1000, as of tan or log near the ends of the domains drawn from.
STEP = 2.0**-17
TOLERANCE = 1000 * STEP**2


def _differences(function: Callable, inputs: list[np.ndarray], cotangent: np.ndarray) -> list:
    """The cotangent's product with the Jacobian for each input, by central differences."""

    def value(number: int, place: int, step: float) -> float:
        moved = [x.copy() for x in inputs]
        moved[number].flat[place] += step
        return float(np.sum(to_numpy(function(*map(weft.asarray, moved))) * cotangent))

    result = []
    for number, x in enumerate(inputs):
        slopes = [
            (value(number, place, STEP) - value(number, place, -STEP)) / (2 * STEP)
            for place in range(x.size)
        ]
        result.append(np.reshape(slopes, x.shape))
    return result


def _cotangent(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape) + 1).uniform(0.5, 1.5, shape)


def _check(function: Callable, inputs: list[np.ndarray], second: bool = True) -> None:
    """First and second derivatives for all inputs, eager and compiled."""
    compiled = weft.jit(function)
    tensors = [weft.asarray(x) for x in inputs]
    cotangent = _cotangent(compiled(*tensors).shape)

    def gradients(*arguments: weft.Tensor) -> tuple:
        return weft.vjp(function, *arguments)[1](weft.asarray(cotangent))

    actual = eager_and_jit(gradients, *tensors)
    for slope, expected in zip(actual, _differences(compiled, inputs, cotangent), strict=True):
        np.testing.assert_allclose(to_numpy(slope), expected, rtol=TOLERANCE, atol=TOLERANCE)
    if second:
        _check_second(gradients, inputs)


def _check_second(gradients: Callable, inputs: list[np.ndarray]) -> None:
    """The gradient of a weighted sum of the gradients."""

    def weighted(*arguments: weft.Tensor) -> weft.Tensor:
        slopes = gradients(*arguments)
        return sum(weft.sum(g * weft.sin(x + 1.0)) for g, x in zip(slopes, arguments, strict=True))

    numbers = tuple(range(len(inputs)))
    actual = eager_and_jit(weft.grad(weighted, argnums=numbers), *map(weft.asarray, inputs))
    expected = _differences(weft.jit(weighted), inputs, np.array(1.0))
    for slope, exact in zip(actual, expected, strict=True):
        np.testing.assert_allclose(to_numpy(slope), exact, rtol=TOLERANCE, atol=TOLERANCE)


def _draw(row: OpRow, shape: tuple[int, ...], number: int) -> np.ndarray:
    """Away from the ends of domains and from kinks: differences must not step over them."""
    random = np.random.default_rng(zlib.crc32(f"{row.name} {number}".encode()))
    x = random.uniform(0.25, 0.75, shape)
    if row.domain == "above_one":
        return x + 1.25
    if row.domain == "unit":
        return x * random.choice([-1.0, 1.0], shape)
    if row.domain == "positive":
        return x + 0.25
    if row.domain == "nonzero":
        return (x + number) * random.choice([-1.0, 1.0], shape)
    return (x + number) * random.choice([-1.0, 1.0], shape)


_DIFFERENTIABLE = [
    pytest.param(row, id=row.python)
    for row in OPS
    if row.differentiable and "float" in row.operands[-1].dtype_classes
]


@pytest.mark.parametrize("row", _DIFFERENTIABLE)
def test_ops_by_differences(row: OpRow) -> None:
    function = getattr(weft, row.python)
    if row.python == "where":
        condition = weft.asarray(np.array([[True], [False]]))
        inputs = [_draw(row, (2, 3), 0), _draw(row, (3,), 1)]
        _check(lambda x, y: function(condition, x * x, y * y), inputs)
        return
    shapes = [(2, 3), (3,)][: len(row.operands)]
    _check(function, [_draw(row, shape, i) for i, shape in enumerate(shapes)])


@pytest.mark.parametrize(
    "row",
    [p for p in OPS if not p.differentiable and p.domain != "shift"],
    ids=lambda row: row.python,
)
def test_ops_without_a_derivative_stop_gradients(row: OpRow) -> None:
    if "float" not in row.operands[-1].dtype_classes:
        return
    function = getattr(weft, row.python)

    def through(x: weft.Tensor) -> weft.Tensor:
        result = function(*[x] * len(row.operands))
        return weft.sum(result.astype("float64") * 3.0 + x)

    x = weft.asarray(np.array([0.3, 1.7, -2.2]))
    np.testing.assert_array_equal(to_numpy(eager_and_jit(weft.grad(through), x)), [1, 1, 1])


_INDICES = weft.asarray(np.array([2, 0, 2, 1]))
_TARGET = weft.asarray(np.array([1, 0, 3]))

# Public functions that are not rows of the table, with the shapes of their inputs.
FUNCTIONS: dict[str, tuple[Callable, list[tuple[int, ...]]]] = {
    "sum": (lambda x: weft.sum(x * x, axis=(0, 2)), [(2, 3, 2)]),
    "prod": (lambda x: weft.prod(x, axis=1), [(2, 4)]),
    "max": (lambda x: weft.max(x, axis=1), [(3, 4)]),
    "min": (lambda x: weft.min(x * x), [(3, 2)]),
    "mean": (lambda x: weft.mean(x * x, axis=0), [(3, 2)]),
    "var": (lambda x: weft.var(x, axis=1, correction=1), [(2, 4)]),
    "std": (lambda x: weft.std(x, axis=1), [(2, 4)]),
    "norm": (lambda x: weft.norm(x, axis=1), [(2, 4)]),
    "logsumexp": (lambda x: weft.logsumexp(x, axis=1), [(2, 4)]),
    "matmul": (weft.matmul, [(2, 3), (3, 4)]),
    "matmul_batched": (weft.matmul, [(2, 2, 3), (3, 2)]),
    "matmul_of_vectors": (weft.matmul, [(3,), (3,)]),
    "einsum": (lambda x, y: weft.einsum("bij,bkj->ik", x, y), [(2, 2, 3), (2, 2, 3)]),
    "reshape": (lambda x: weft.reshape(x * x, (3, 2)), [(2, 3)]),
    "permute_dims": (lambda x: weft.permute_dims(x * x, (2, 0, 1)), [(2, 3, 2)]),
    "broadcast_to": (lambda x: weft.broadcast_to(x * x, (2, 3, 2)), [(3, 1)]),
    "slice": (lambda x: (x * x)[::-2, 1:], [(4, 3)]),
    "flip": (lambda x: weft.flip(x * x, axis=0), [(3, 2)]),
    "roll": (lambda x: weft.roll(x * x, 2, axis=1), [(2, 5)]),
    "pad": (lambda x: weft.pad(x * x, [(1, 2), (0, 1)], 3.0), [(2, 2)]),
    "concat": (lambda x, y: weft.concat([x * x, y, x], axis=1), [(2, 3), (2, 1)]),
    "stack": (lambda x, y: weft.stack([x * x, y], axis=1), [(2, 3), (2, 3)]),
    "tile": (lambda x: weft.tile(x * x, (2, 3)), [(2, 1)]),
    "repeat": (lambda x: weft.repeat(x * x, 3, axis=1), [(2, 2)]),
    "take": (lambda x: weft.take(x * x, _INDICES, axis=1), [(2, 3)]),
    "scatter_add": (lambda x, y: weft.scatter_add(x * x, _INDICES, y * y), [(3, 2), (4, 2)]),
    "tril": (lambda x: weft.tril(x * x), [(3, 3)]),
    "clip": (lambda x: weft.clip(x, 0.0, 0.5), [(7,)]),
    "softmax": (weft.softmax, [(2, 4)]),
    "softmax_of_columns": (lambda x: weft.softmax(x, 0), [(3, 2)]),
    "log_softmax": (weft.log_softmax, [(2, 4)]),
    "linear": (F.linear, [(2, 3), (4, 3), (4,)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, 4, w, b), [(2, 4), (4,), (4,)]),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        [(3, 2, 2), (2,), (2,)],
    ),
    "cross_entropy": (lambda x: F.cross_entropy(x, _TARGET, label_smoothing=0.1), [(3, 4)]),
    "mse_loss": (F.mse_loss, [(2, 3), (2, 3)]),
    "leaky_relu": (F.leaky_relu, [(2, 3)]),
    "elu": (F.elu, [(2, 3)]),
    "binary_cross_entropy": (F.binary_cross_entropy_with_logits, [(2, 3), (2, 3)]),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [(2, 3, 2), (2, 3, 2), (2, 3, 3)],
    ),
    "conv2d": (lambda x, w: F.conv2d(x, w, padding=1, stride=2), [(1, 2, 4, 3), (2, 2, 3, 2)]),
    "conv2d_grouped": (
        lambda x, w: F.conv2d(x, w, groups=2, dilation=(1, 2)),
        [(1, 2, 3, 4), (4, 1, 2, 2)],
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, stride=1), [(1, 2, 3, 4)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x * x, (2, 3), stride=1, padding=1), [(1, 1, 3, 4)]),
}


def _inputs(name: str, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """All different by more than a step, so that no extremum changes its place."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    result = []
    for shape in shapes:
        count = int(np.prod(shape))
        steps = random.permutation(count) / count * 2 - 1 + 0.03
        result.append(steps.reshape(shape) + (0 if count > 1 else 0.5))
    return result


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_by_differences(name: str) -> None:
    function, shapes = FUNCTIONS[name]
    _check(function, _inputs(name, shapes))


_TORCH: dict[str, Callable] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "relu": torch.relu,
    "softplus": torch.nn.functional.softplus,
    "abs": torch.abs,
    "erf": torch.erf,
    "exp": torch.exp,
    "sign": torch.sign,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "atan2": torch.atan2,
    "pow": torch.pow,
}


@pytest.mark.parametrize("name", _TORCH)
def test_gradients_are_pytorchs_also_at_kinks_and_ties(name: str) -> None:
    binary = name in ("maximum", "minimum", "atan2", "pow")
    x = np.array([0.5, 1.0, 2.0, 3.0] if name == "pow" else [-2.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    y = np.array([2.0, 0.0, -1.0, 3.0] if name == "pow" else [1.0, -0.5, 0.25, 0.0, 1.0, -2.0])
    inputs = [x, y] if binary else [x]
    leaves = [torch.tensor(value, requires_grad=True) for value in inputs]
    _TORCH[name](*leaves).sum().backward()

    def total(*arguments: weft.Tensor) -> weft.Tensor:
        return weft.sum(getattr(weft, name)(*arguments))

    numbers = tuple(range(len(inputs)))
    actual = weft.grad(total, argnums=numbers)(*map(weft.asarray, inputs))
    for slope, leaf in zip(actual, leaves, strict=True):
        np.testing.assert_allclose(to_numpy(slope), leaf.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_ties_share_the_gradient_of_an_extremum() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    leaf = torch.tensor(x, requires_grad=True)
    torch.amax(leaf, 1).sum().backward()
    actual = weft.grad(lambda t: weft.sum(weft.max(t, axis=1)))(weft.asarray(x))
    np.testing.assert_allclose(to_numpy(actual), leaf.grad.numpy(), rtol=1e-15)


def test_a_product_with_zeros_has_a_gradient() -> None:
    for values in ([0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0]):
        leaf = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        torch.prod(leaf).backward()
        actual = weft.grad(weft.prod)(weft.asarray(np.array(values)))
        np.testing.assert_allclose(to_numpy(actual), leaf.grad.numpy(), rtol=1e-15)


def test_nested_gradients_in_and_around_jit() -> None:
    def cubic(x: weft.Tensor) -> weft.Tensor:
        return x * x * x

    x = weft.asarray(np.float64(1.5))
    for second in (
        weft.grad(weft.grad(cubic)),
        weft.jit(weft.grad(weft.grad(cubic))),
        weft.grad(weft.jit(weft.grad(cubic))),
        weft.grad(weft.grad(weft.jit(cubic))),
        weft.jit(weft.grad(weft.jit(weft.grad(weft.jit(cubic))))),
    ):
        assert to_numpy(second(x)) == 9.0
    assert to_numpy(weft.grad(weft.grad(weft.grad(cubic)))(x)) == 6.0


def test_values_vjp_and_jvp_agree() -> None:
    def function(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        return weft.sin(x) * y

    x, y = weft.asarray(np.array([0.5, 1.5])), weft.asarray(np.array([2.0, 3.0]))
    value, slopes = weft.value_and_grad(lambda a, b: weft.sum(function(a, b)), argnums=(0, 1))(x, y)
    assert_same_bits(value, weft.sum(function(x, y)))
    ones = weft.ones_like(x)
    assert_same_bits(list(weft.vjp(function, x, y)[1](ones)), list(slopes))
    _, along = weft.jvp(function, (x, y), (ones, weft.zeros_like(y)))
    np.testing.assert_allclose(to_numpy(along), to_numpy(slopes[0]), rtol=1e-15)


def test_gradients_of_containers_and_auxiliary_values() -> None:
    def loss(parameters: dict, x: weft.Tensor) -> tuple:
        y = x @ parameters["weight"] + parameters["bias"]
        return weft.sum(y * y), {"output": y}

    parameters = {"weight": weft.ones(3, 2), "bias": weft.zeros(2)}
    x = weft.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    gradient, aux = weft.grad(loss, has_aux=True)(parameters, x)
    assert sorted(gradient) == ["bias", "weight"]
    y = to_numpy(x) @ np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(to_numpy(aux["output"]), y)
    np.testing.assert_array_equal(to_numpy(gradient["weight"]), 2 * to_numpy(x).T @ y)


def _step(leaves: list[weft.Tensor], x: weft.Tensor) -> weft.Tensor:
    loss = weft.mean(weft.tanh(x @ leaves[0] + leaves[1]) ** 2)
    loss.backward()
    return loss.detach()


def test_backward_gives_the_same_bits_in_eager_and_in_jit() -> None:
    random = np.random.default_rng(4)
    arrays = [random.standard_normal(shape).astype(np.float32) for shape in [(7, 5), (5,)]]
    x = weft.asarray(random.standard_normal((11, 7)).astype(np.float32))
    eager = [weft.tensor(a, requires_grad=True) for a in arrays]
    compiled = [weft.tensor(a, requires_grad=True) for a in arrays]
    step = weft.jit(lambda t: _step(compiled, t))
    for _ in range(3):  # Gradients accumulate, in both.
        assert_same_bits(_step(eager, x), step(x))
        assert_same_bits([t.grad for t in eager], [t.grad for t in compiled])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_gradients_have_the_dtype_of_their_input(dtype: str) -> None:
    x = weft.ones(2, 3).astype(dtype)
    gradient = weft.grad(lambda t: weft.sum(weft.tanh(t)).astype("float32"))(x)
    assert gradient.dtype == dtype
    assert gradient.shape == (2, 3)


def test_integers_have_no_gradient() -> None:
    with pytest.raises(weft.DTypeError):
        weft.grad(lambda t: weft.sum(t * 1.0))(weft.asarray(np.array([1, 2])))


def test_an_argument_may_be_named_twice():
    def product(z, y):
        return weft.sum(z * y)

    arguments = weft.ones(2), weft.full((2,), 3.0)
    for numbers in ((0, 0), (0, -2), (1, 0, 1), (-1, 1)):
        found = weft.grad(product, argnums=numbers)(*arguments)
        assert [g.tolist() for g in found] == [[[3.0] * 2, [1.0] * 2][n % 2] for n in numbers]
    for wrong in ("ab", [0, "a"], [1.5]):
        with pytest.raises(weft.OptionError, match="argnums"):
            weft.grad(product, argnums=wrong)


@pytest.mark.parametrize("x", [0.0, 1e-40, 1.0])
@pytest.mark.parametrize("y", [1e-40, -2.9e-39, 1e-30, 3.0])
def test_quotients_by_tiny_numbers(x, y):
    found = weft.grad(lambda v: weft.asarray(x) / v)(weft.asarray(y)).item()
    v = torch.tensor(y, requires_grad=True)
    (torch.tensor(x) / v).backward()
    np.testing.assert_allclose(found, v.grad.item(), rtol=4 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("shape", [(3, 1), (1, 30), (1, 1), (3, 30)])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_updates_that_are_equal_along_rows_are_added(shape, dtype):
    """What is repeated for a row is computed where it is added."""
    indices = np.array([1, 1, 2])
    update = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)

    def function(u, i):
        return weft.scatter_add(weft.zeros(4, 30), i, weft.broadcast_to(u, (3, 30)))

    expected = np.zeros((4, 30), np.float32)
    np.add.at(expected, indices, np.broadcast_to(update, (3, 30)))
    places = weft.asarray(indices).astype(dtype)
    for call in (function, weft.jit(function)):
        np.testing.assert_array_equal(np.array(call(weft.asarray(update), places)), expected)


def test_the_gradient_of_a_summed_embedding_counts():
    table, indices = weft.ones(40, 30), weft.asarray(np.array([1, 1, 2]))
    counts = weft.grad(lambda w: weft.nn.functional.embedding(indices, w).sum())(table)
    expected = np.zeros((40, 30), np.float32)
    expected[1], expected[2] = 2, 1
    np.testing.assert_array_equal(np.array(counts), expected)
