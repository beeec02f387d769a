"""vmap and what is made of it: equal to the bit to one example after the other."""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, numpy_dtype, to_numpy
from op_row import OpRow
from op_table import OPS

F = weft.nn.functional
COUNT = 3


def _random(*shape: int, seed: int = 0, dtype: str = "float32") -> weft.Tensor:
    random = np.random.default_rng(seed + 7 * sum(shape))
    if dtype == "bool":
        return weft.asarray(random.random(shape) < 0.5)
    if "int" in dtype:
        return weft.asarray(random.integers(0, 5, shape).astype(dtype))
    return weft.asarray(random.standard_normal(shape).astype(numpy_dtype(dtype)))


def _one_by_one(function: Callable, arguments: tuple, axes: tuple, count: int = COUNT) -> Any:
    """The results for each example, stacked along a first dimension."""
    arguments = tuple(x.clone() for x in arguments)
    results = []
    for number in range(count):
        own = [
            x.clone() if axis is None else weft.take(x, weft.asarray(number), axis=axis)
            for x, axis in zip(arguments, axes, strict=True)
        ]
        results.append(function(*own))
    if isinstance(results[0], tuple):
        return tuple(weft.stack(list(parts)) for parts in zip(*results, strict=True))
    return weft.stack(results)


def _assert_mapped(function: Callable, arguments: tuple, axes: tuple, count: int = COUNT) -> None:
    """Mapped alone, compiled and within another compiled function."""
    wanted = _one_by_one(weft.jit(function), arguments, axes, count)
    mapped = weft.vmap(function, in_axes=axes)
    before = [x.numpy().copy() for x in arguments]
    assert_same_bits(mapped(*arguments), wanted)
    assert_same_bits(weft.jit(lambda *x: mapped(*x))(*arguments), wanted)
    for x, array, axis in zip(arguments, before, axes, strict=True):
        if axis is not None:
            assert_same_bits(x, array, "an example is a tensor of its own")


def _with_examples(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    return shape if axis is None else (*shape[:axis], COUNT, *shape[axis:])


#: One example's function, and the shapes (or shape and dtype) of its arguments.
PROGRAMS: dict[str, tuple[Callable, list]] = {
    "reshape": (lambda x: x.reshape(4, 3), [(3, 4)]),
    "transpose": (lambda x: x.T, [(3, 4)]),
    "expand": (lambda x: weft.broadcast_to(x, (2, 3, 4)), [(3, 1)]),
    "slice": (lambda x: x[1:, ::2], [(3, 4)]),
    "flip": (lambda x: weft.flip(x, axis=0), [(3, 4)]),
    "pad": (lambda x: weft.pad(x, [(1, 2), (0, 1)], 3.0), [(3, 4)]),
    "concatenate": (lambda x, y: weft.concat([x, y, x], axis=1), [(3, 4), (3, 2)]),
    "put a slice": (lambda x, y: _put(x, slice(1, 3), y), [(4, 2), (2, 2)]),
    "take": (lambda x, i: weft.take(x, i, axis=1), [(2, 5, 3), ((2, 2), "int64")]),
    "take rows": (lambda x, i: weft.take(x, i, axis=0), [(5, 3), ((), "int32")]),
    "take, out of range": (lambda x, i: weft.take(x, i - 7, axis=0), [(5, 3), ((4,), "int64")]),
    "take, unsigned": (lambda x, i: weft.take(x, i + 2, axis=0), [(5, 3), ((4,), "uint64")]),
    "scatter_add": (
        lambda x, i, y: weft.scatter_add(x, i, y, axis=1),
        [(2, 5), ((3,), "int64"), (2, 3)],
    ),
    "put at indices": (lambda x, i, y: _put(x, i, y), [(5, 2), ((3,), "int64"), (3, 2)]),
    "gather": (lambda x, i: weft.gather(x, 0, i), [(5, 2), ((3, 2), "int64")]),
    "sum": (lambda x: x.sum(0), [(3, 4)]),
    "sum of all": (lambda x: x.sum(), [(3, 4)]),
    "max and argmax": (lambda x: tuple(x.max(1)), [(3, 4)]),
    "prod": (lambda x: x.prod(1), [(3, 4)]),
    "any": (lambda x: (x > 1).any(0), [(3, 4)]),
    "sort": (lambda x: tuple(x.sort(0)), [(5, 2)]),
    "sort of a vector": (lambda x: weft.sort(x), [(7,)]),
    "cumulative_sum": (lambda x: weft.cumulative_sum(x, axis=0), [(6,)]),
    "matmul": (lambda x, y: x @ y, [(3, 4), (4, 2)]),
    "matmul of vectors": (lambda x, y: x @ y, [(4,), (4, 2)]),
    "matmul of batches": (lambda x, y: x @ y, [(2, 3, 4), (2, 4, 2)]),
    "matmul, transposed": (lambda x, y: x.T @ y.T, [(4, 3), (2, 4)]),
    "linear": (lambda x, w, b: F.linear(x, w, b), [(2, 4), (3, 4), (3,)]),
    "conv2d": (lambda x, w: F.conv2d(x, w, padding=1), [(2, 3, 5, 5), (4, 3, 3, 3)]),
    "conv2d, depthwise": (lambda x, w: F.conv2d(x, w, groups=3), [(1, 3, 5, 5), (3, 1, 3, 3)]),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), [(2, 3, 4, 4)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2, 1), [(2, 3, 4, 4)]),
    "softmax": (lambda x: F.softmax(x, 0), [(3, 4)]),
    "log_softmax": (lambda x: F.log_softmax(x, 1), [(3, 4)]),
    "layer_norm": (lambda x, w: F.layer_norm(x, (4,), w), [(3, 4), (4,)]),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), [(5, 3)]),
    "gelu": (lambda x: F.gelu(x), [(3, 4)]),
    "cross_entropy": (lambda x, y: F.cross_entropy(x, y), [(5, 4), ((5,), "int64")]),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        [(2, 5, 4), (2, 6, 4), (2, 6, 4)],
    ),
    "attention, causal": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [(5, 4), (5, 4), (5, 4)],
    ),
    "einsum": (lambda x, y: weft.einsum("ij,kj->ki", x, y), [(3, 4), (2, 4)]),
    "var": (lambda x: weft.var(x, axis=1), [(3, 4)]),
    "triangle": (lambda x: weft.tril(x), [(3, 3)]),
    "constants": (lambda x: x * weft.arange(4) + weft.ones(3, 1), [(3, 4)]),
    "bits": (lambda x: weft.bitcast(x, "int32"), [(3,)]),
    "key": (lambda k: weft.random.uniform((4,), key=k), [((2,), "int32")]),
    "a write": (lambda x: _written(x), [(4,)]),
    "a write through a view": (lambda x: _written_view(x), [(4, 2)]),
    "a write by an operator": (lambda x: _multiplied(x), [(4,)]),
    "a write by a method": (lambda x: x.add_(1), [(3,)]),
    "conv1d": (lambda x, w: F.conv1d(x, w, stride=2), [(1, 2, 7), (3, 2, 3)]),
    "conv2d, grouped": (lambda x, w: F.conv2d(x, w, groups=2), [(1, 4, 4, 4), (6, 2, 3, 3)]),
    "conv2d, dilated": (lambda x, w: F.conv2d(x, w, dilation=2), [(2, 2, 6, 6), (3, 2, 3, 3)]),
    "conv_transpose2d": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2),
        [(1, 2, 3, 3), (2, 3, 2, 2)],
    ),
    "gradient of conv2d": (
        lambda x, w: weft.grad(lambda w: (F.conv2d(x, w) ** 2).sum())(w),
        [(2, 2, 5, 5), (3, 2, 3, 3)],
    ),
    "gradient of max_pool2d": (
        lambda x: weft.grad(lambda x: (F.max_pool2d(x, 2) ** 2).sum())(x),
        [(1, 2, 4, 4)],
    ),
    "gradient of take": (
        lambda x, i: weft.grad(lambda x: (weft.take(x, i, axis=0) ** 2).sum())(x),
        [(5, 2), ((3,), "int64")],
    ),
    "gradient of attention": (
        lambda q, k: weft.grad(lambda q: F.scaled_dot_product_attention(q, k, k).sum())(q),
        [(3, 4), (5, 4)],
    ),
    "pad with a value of its own": (lambda x, y: x.new_ones(2) * y.sum() + x.sum(), [(3,), (2,)]),
    "a loop": (lambda x, w: _recurrent(x, w), [(4, 3), (3, 3)]),
}


def _written(x: weft.Tensor) -> weft.Tensor:
    x[0] = 5.0
    return x * 2


def _written_view(x: weft.Tensor) -> weft.Tensor:
    view = x[1:3]
    view.zero_()
    return x


def _multiplied(x: weft.Tensor) -> weft.Tensor:
    y = x
    y *= 2
    y[y > 1] = 0.0
    return x + y


def _put(x: weft.Tensor, key: Any, value: weft.Tensor) -> weft.Tensor:
    x = x.clone()
    x[key] = value
    return x


def _recurrent(x: weft.Tensor, weight: weft.Tensor) -> weft.Tensor:
    state = weft.zeros(3)
    for step in range(x.shape[0]):
        state = weft.tanh(state @ weight + x[step])
    return state


def _ways(count: int) -> list[tuple]:
    """Each argument mapped along 0, alone and with the others, and all along other axes."""
    mapped = [way for way in itertools.product([0, None], repeat=count) if any(a == 0 for a in way)]
    return [*mapped, (-1,) * count]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_mapped_function_is_one_example_after_the_other(name: str) -> None:
    function, shapes = PROGRAMS[name]
    for axes in _ways(len(shapes)):
        arguments = []
        for number, spec in enumerate(shapes):
            shape, dtype = spec if spec and isinstance(spec[-1], str) else (spec, "float32")
            axis = axes[number] if axes[number] != -1 else len(shape)
            arguments.append(_random(*_with_examples(shape, axis), seed=number, dtype=dtype))
        own = tuple(
            axis if axis != -1 else x.ndim - 1 for axis, x in zip(axes, arguments, strict=True)
        )
        _assert_mapped(function, tuple(arguments), own)


@pytest.mark.parametrize("row", OPS, ids=lambda row: row.python)
def test_each_op_of_the_table_is_mapped(row: OpRow) -> None:
    if not row.reference or any(operand.variadic for operand in row.operands):
        return
    random = np.random.default_rng(zlib.crc32(row.name.encode()))
    arguments = []
    for operand in row.operands:
        dtype = "float32" if "float32" in operand.dtypes() else operand.dtypes()[0]
        if dtype == "bool":
            x = random.random((COUNT, 2, 5)) < 0.5
        elif dtype == "float32":
            x = random.uniform(1.1, 3, (COUNT, 2, 5))
            x = x if row.domain in ("above_one", "positive") else x - 1.05
        else:
            x = random.integers(1, 5, (COUNT, 2, 5))
        arguments.append(weft.asarray(x.astype(dtype)))
    function = getattr(weft, row.python)
    _assert_mapped(lambda *x: function(*x), tuple(arguments), (0,) * len(arguments))
    _assert_mapped(
        lambda *x: function(*x),
        (arguments[0], *(x[0] for x in arguments[1:])),
        (0, *(None for _ in arguments[1:])),
    )


@pytest.mark.parametrize("count", [0, 1])
def test_none_and_one_example(count: int) -> None:
    mapped = weft.vmap(lambda x: (x @ weft.ones(4, 2)).sum(0))
    result = mapped(_random(count, 3, 4))
    assert result.shape == (count, 2)
    assert_same_bits(result, (_random(count, 3, 4) @ weft.ones(4, 2)).sum(1))


@pytest.mark.parametrize(
    "name", ["take", "gather", "scatter_add", "put at indices", "conv2d", "key"]
)
def test_no_examples_of_anything(name: str) -> None:
    function, shapes = PROGRAMS[name]
    arguments = []
    for number, spec in enumerate(shapes):
        shape, dtype = spec if spec and isinstance(spec[-1], str) else (spec, "float32")
        arguments.append(_random(0, *shape, seed=number, dtype=dtype))
    one = function(*(weft.zeros(x.shape[1:], dtype=x.dtype) for x in arguments))
    result = weft.vmap(function)(*arguments)
    assert result.shape == (0, *one.shape)
    assert result.dtype == one.dtype


def test_what_a_closure_does_to_the_batch_comes_later() -> None:
    batch = _random(3, 2)
    before = to_numpy(batch).copy()

    def clears(x: weft.Tensor) -> weft.Tensor:
        batch.zero_()
        return x + 1

    assert_same_bits(weft.vmap(clears)(batch), before + np.float32(1))
    assert (to_numpy(batch) == 0).all()

    def outer(batch: weft.Tensor) -> weft.Tensor:
        def scales(x: weft.Tensor) -> weft.Tensor:
            batch.mul_(10)
            return x + 1

        return weft.vmap(scales)(batch)

    assert_same_bits(weft.jit(outer)(weft.ones(2, 2)), weft.full((2, 2), 2.0))


def test_nested() -> None:
    x, y = _random(3, 5), _random(4, 5, seed=1)
    distances = weft.vmap(
        lambda a: weft.vmap(lambda b: ((a - b) ** 2).sum())(y),
    )
    wanted = [[((a - b) ** 2).sum().item() for b in y] for a in x]
    np.testing.assert_allclose(to_numpy(distances(x)), wanted, rtol=1e-6)
    outer = weft.vmap(weft.vmap(weft.multiply, in_axes=(None, 0)), in_axes=(0, None))
    assert_same_bits(outer(x[0], y[0]), weft.outer(x[0], y[0]))


def test_containers_axes_and_keywords() -> None:
    x, y = _random(2, COUNT), _random(COUNT, 4)
    mapped = weft.vmap(
        lambda tree, scale: {"a": tree["x"] * scale, "b": [tree["y"].sum(), scale * 1.0]},
        in_axes=({"x": 1, "y": 0}, None),
        out_axes={"a": 1, "b": [0, None]},
    )
    result = mapped({"x": x, "y": y}, weft.asarray(2.0))
    assert_same_bits(result["a"], x * 2)
    assert_same_bits(result["b"][0], y.sum(1))
    assert result["b"][1].item() == 2.0
    named = weft.vmap(lambda x, y: x + y.sum())
    assert_same_bits(named(y, y=y), y + y.sum(1, keepdim=True))
    same = weft.vmap(lambda x: weft.ones(2))(y)
    assert_same_bits(same, weft.ones(COUNT, 2))


def test_gradients_of_each_example() -> None:
    weight, x, y = _random(4), _random(6, 4, seed=1), _random(6, seed=2)

    def loss(weight: weft.Tensor, x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        return (weft.tanh(x @ weight) - y) ** 2

    each = weft.vmap(weft.grad(loss), in_axes=(None, 0, 0))(weight, x, y)
    assert_same_bits(each, weft.stack([weft.grad(loss)(weight, a, b) for a, b in zip(x, y)]))

    def total(weight: weft.Tensor) -> weft.Tensor:
        return weft.vmap(loss, in_axes=(None, 0, 0))(weight, x, y).sum()

    np.testing.assert_allclose(
        to_numpy(weft.grad(total)(weight)), to_numpy(each.sum(0)), rtol=1e-5, atol=1e-6
    )
    parameter = weft.tensor(to_numpy(weight), requires_grad=True)
    total(parameter).backward()
    np.testing.assert_allclose(
        to_numpy(parameter.grad), to_numpy(each.sum(0)), rtol=1e-5, atol=1e-6
    )

    @weft.jit
    def step(weight: weft.Tensor) -> weft.Tensor:
        parameter = weight.detach().clone().requires_grad_()
        total(parameter).backward()
        return parameter.grad

    assert_same_bits(step(weight), parameter.grad)


def _network(w: weft.Tensor, x: weft.Tensor) -> Any:
    if isinstance(w, torch.Tensor):
        return torch.tanh(w @ x).pow(2) / (1 + x[:3].exp())
    return weft.tanh(w @ x) ** 2 / (1 + weft.exp(x[:3]))


@pytest.mark.parametrize("transformation", [weft.jacrev, weft.jacfwd])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
def test_jacobians_are_pytorchs(transformation: Callable, argnums: Any) -> None:
    w, x = _random(3, 4, dtype="float64"), _random(4, dtype="float64")
    ours = transformation(_network, argnums)(w, x)
    tensors = torch.from_numpy(to_numpy(w).copy()), torch.from_numpy(to_numpy(x).copy())
    theirs = torch.func.jacrev(_network, argnums)(*tensors)
    pairs = zip(ours, theirs, strict=True) if isinstance(argnums, tuple) else [(ours, theirs)]
    for mine, wanted in pairs:
        assert mine.shape == tuple(wanted.shape)
        np.testing.assert_allclose(to_numpy(mine), wanted.numpy(), rtol=1e-12, atol=1e-14)


def test_second_derivatives_are_pytorchs() -> None:
    x = _random(4, dtype="float64")
    function = lambda x: (x.sin() * x.sum()).prod()  # noqa: E731
    ours = weft.hessian(function)(x)
    theirs = torch.func.hessian(function)(torch.from_numpy(to_numpy(x).copy()))
    np.testing.assert_allclose(to_numpy(ours), theirs.numpy(), rtol=1e-11, atol=1e-13)
    per_example = weft.vmap(weft.hessian(function))(_random(3, 4, dtype="float64"))
    assert per_example.shape == (3, 4, 4)


def test_jacobians_of_trees() -> None:
    function = lambda t: {"s": t["a"].sum() * t["b"], "p": t["a"] * 2}  # noqa: E731
    tree = {"a": _random(3), "b": _random(2)}
    jacobian = weft.jacrev(function)(tree)
    assert jacobian["s"]["a"].shape == (2, 3)
    assert jacobian["p"]["b"].shape == (3, 2)
    assert_same_bits(jacobian["p"]["a"], weft.eye(3) * 2)
    assert_same_bits(jacobian["s"]["b"], weft.eye(2) * tree["a"].sum())
    forward = weft.jacfwd(function)(tree)
    for name, part in itertools.product("sp", "ab"):
        np.testing.assert_allclose(
            to_numpy(forward[name][part]), to_numpy(jacobian[name][part]), rtol=1e-6
        )


def test_a_second_call_traces_nothing() -> None:
    mapped = weft.vmap(lambda x: weft.sin(x).sum())
    x, y = _random(5, 3), _random(5, 3, seed=1)
    mapped(x)
    before = weft.stats()
    mapped(y)
    after = weft.stats()
    assert after["compiles"] == before["compiles"]
    assert after["kernels_compiled"] == before["kernels_compiled"]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: weft.vmap(lambda x: x)(weft.asarray(1.0)), weft.ShapeError, "has no examples"),
        (lambda: weft.vmap(lambda x: x)(3.0), weft.ShapeError, "give it None in in_axes"),
        (
            lambda: weft.vmap(weft.add)(weft.ones(2), weft.ones(3)),
            weft.ShapeError,
            r"different numbers of examples: \[2, 3\]",
        ),
        (
            lambda: weft.vmap(weft.add, in_axes=(0,))(weft.ones(2), weft.ones(2)),
            weft.OptionError,
            "in_axes is for 1 arguments, not 2",
        ),
        (lambda: weft.vmap(lambda x: x, in_axes=None)(weft.ones(2)), weft.OptionError, "mapped"),
        (
            lambda: weft.vmap(lambda x: x, in_axes="0")(weft.ones(2)),
            weft.OptionError,
            "has to be an axis",
        ),
        (lambda: weft.vmap(lambda x: x, in_axes=2)(weft.ones(2)), weft.OutOfBoundsError, "axis 2"),
        (
            lambda: weft.vmap(lambda x: x, out_axes=None)(weft.ones(2)),
            weft.OptionError,
            "examples have part in",
        ),
        (
            lambda: weft.vmap(lambda x: x * weft.rand(2))(weft.ones(3, 2)),
            weft.UnsupportedError,
            'randomness="different"',
        ),
        (
            lambda: weft.vmap(lambda w: weft.nn.functional.conv2d(weft.ones(1, 1, 3, 3), w))(
                weft.zeros(300, 1, 1, 2, 2)
            ),
            weft.UnsupportedError,
            "not for 300",
        ),
        (
            lambda: weft.vmap(lambda x: x.sum().backward())(weft.ones(3, 2).requires_grad_()),
            weft.UnsupportedError,
            "use weft.grad inside",
        ),
        (
            lambda: weft.export(weft.jacrev(lambda x: x * 2), weft.spec(("n",), "float32")),
            weft.UnsupportedError,
            "sizes that are known",
        ),
        (
            lambda: weft.vmap(lambda x: float(x))(weft.ones(3)),
            weft.ConcretizationError,
            "",
        ),
    ],
)
def test_wrong_uses(call: Callable, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words or None):
        call()


def test_numbers_are_the_same_for_all_examples_where_that_is_said() -> None:
    result = weft.vmap(lambda x: x * 0 + weft.rand(4), randomness="same")(weft.ones(3, 4))
    assert_same_bits(result[0], result[1])
    assert len(set(to_numpy(result[0]).tolist())) == 4


def test_a_tensor_of_one_example_does_not_leave() -> None:
    kept: list[weft.Tensor] = []
    total = weft.zeros(2)

    def keeps(x: weft.Tensor) -> weft.Tensor:
        kept.append(x * 2)
        return x

    def adds(x: weft.Tensor) -> weft.Tensor:
        total.add_(x)
        return x

    def used(x: weft.Tensor) -> weft.Tensor:
        weft.vmap(keeps)(x)
        return kept[-1] + 1

    with pytest.raises(weft.UnsupportedError, match="a tensor of one example has left"):
        weft.jit(used)(weft.ones(3, 2))
    with pytest.raises(weft.UnsupportedError, match="a tensor of one example has left"):
        weft.jit(lambda x: (weft.vmap(keeps)(x), kept[-1]))(weft.ones(3, 2))
    with pytest.raises(weft.UnsupportedError, match="a tensor of one example has left"):
        weft.vmap(adds)(weft.ones(3, 2))

    def fails(x: weft.Tensor) -> weft.Tensor:
        kept.append(x * 2)
        raise ValueError

    def goes_on(x: weft.Tensor) -> weft.Tensor:
        with contextlib.suppress(ValueError):
            weft.vmap(fails)(x)
        return kept[-1] + 1

    with pytest.raises(weft.UnsupportedError, match="a tensor of one example has left"):
        weft.jit(goes_on)(weft.ones(3, 2))
    assert total.tolist() == [0.0, 0.0]
