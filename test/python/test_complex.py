"""complex64 and complex128 against NumPy, in a wider type, and gradients against PyTorch.

A complex result may be off by so many ulp of its distance from 0: parts that are small beside the
other one have the error of that.
"""

from __future__ import annotations

import itertools
import operator
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, to_numpy
from op_table import OPS

COMPLEX = ["complex64", "complex128"]
PARTS = {"complex64": "float32", "complex128": "float64"}
WIDER = {"complex64": np.complex128, "complex128": np.clongdouble}

#: Functions of one operand: NumPy's name, and how many ulp they may be off.
UNARY = {
    "negative": ("negative", 0),
    "conj": ("conj", 0),
    "square": ("square", 4),
    "reciprocal": ("reciprocal", 8),
    "sqrt": ("sqrt", 8),
    "exp": ("exp", 8),
    "exp2": ("exp2", 16),
    "rsqrt": ("rsqrt", 16),
    "stop_gradient": ("positive", 0),
    "expm1": ("expm1", 8),
    "log": ("log", 8),
    "log2": ("log2", 8),
    "log10": ("log10", 8),
    "log1p": ("log1p", 8),
    "sin": ("sin", 8),
    "cos": ("cos", 8),
    "tan": ("tan", 16),
    "sinh": ("sinh", 8),
    "cosh": ("cosh", 8),
    "tanh": ("tanh", 16),
    "asin": ("arcsin", 16),
    "acos": ("arccos", 16),
    "atan": ("arctan", 16),
    "asinh": ("arcsinh", 16),
    "acosh": ("arccosh", 16),
    "atanh": ("arctanh", 16),
    "abs": ("abs", 4),
    "angle": ("angle", 4),
    "sign": ("sign", 8),
    "round": ("round", 0),
}


def _log1p(z: np.ndarray) -> np.ndarray:
    """NumPy's adds 1 first, and loses what is small beside it."""
    x, y = z.real, z.imag
    with np.errstate(all="ignore"):
        near = np.log1p(x * (2 + x) + y * y) / 2 + 1j * np.arctan2(y, 1 + x)
        moved = np.array(z)
        moved.real += 1  # a sum of complex numbers loses the sign of a zero
        return np.where(np.abs(z) < 0.5, near, np.log(moved))


#: Where NumPy's function is not exact to a few of its own ulp.
EXACT = {"log1p": _log1p, "rsqrt": lambda z: 1 / np.sqrt(z)}


def _random(*names: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(" ".join(map(str, names)).encode()))


def _numbers(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Of ordinary size, near the unit circle, on the axes, and spread over powers of two."""

    def part() -> np.ndarray:
        return random.normal(0, 2, shape)

    ordinary = part() + 1j * part()
    circle = np.exp(1j * random.uniform(-4, 4, shape)) * (1 + random.normal(0, 1e-3, shape))
    axis = np.where(random.random(shape) < 0.5, part() + 0j, 1j * part())
    spread = ordinary * np.exp2(random.uniform(-18, 4, shape))
    return np.choose(random.integers(0, 4, shape), [ordinary, circle, axis, spread]).astype(dtype)


def _assert_close(actual: object, exact: np.ndarray, dtype: str, ulp: float, name: str) -> None:
    array = to_numpy(actual)
    part = array.real.dtype
    assert part == PARTS[dtype], name
    assert array.shape == exact.shape, name
    wide = np.asarray(exact, WIDER[dtype])
    limits = np.finfo(part)
    with np.errstate(all="ignore"):
        error = np.abs(np.asarray(array, WIDER[dtype]) - wide)
    allowed = ulp * 2 * UNIT_ROUNDOFF[str(part)] * np.abs(wide) + ulp * limits.smallest_subnormal
    finite = np.isfinite(wide) & (np.abs(wide) < limits.max / 4)
    off = finite & ~(error <= allowed)
    if off.any():
        place = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(off)))
        raise AssertionError(
            f"{name}: {np.atleast_1d(array)[place]!r} at {place}, exactly "
            f"{np.atleast_1d(wide)[place]!r}: {int(off.sum())} of {array.size} are off"
        )


def test_every_op_that_takes_them_is_tried() -> None:
    tried = {*UNARY, "add", "subtract", "multiply", "divide", "pow", "equal", "not_equal"}
    tried |= {"isnan", "isinf", "isfinite", "where"}
    taking = {row.python for row in OPS if any(o.takes_complex() for o in row.operands)}
    assert taking <= tried
    assert {"exp", "multiply", "where"} <= taking


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", UNARY)
def test_functions_are_those_of_numpy(name: str, dtype: str) -> None:
    reference, ulp = UNARY[name]
    function = getattr(weft, name)
    for shape in [(), (0,), (257,), (3, 1, 5)]:
        x = _numbers(_random(name, dtype, shape), shape, dtype)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            exact_function = EXACT.get(name) or getattr(np, reference)
            exact = np.asarray(exact_function(x.astype(WIDER[dtype])))
        _assert_close(eager_and_jit(function, weft.asarray(x)), exact, dtype, max(ulp, 1), name)


_ODD = [0.0, -0.0, 0.5, -1.0, 1.0, 2.0, -3.0]


@pytest.mark.parametrize("name", UNARY)
def test_branches_are_cut_on_the_side_of_a_zeros_sign(name: str) -> None:
    x = np.array([complex(a, b) for a, b in itertools.product(_ODD, _ODD)])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        exact = np.asarray((EXACT.get(name) or getattr(np, UNARY[name][0]))(x))
    _assert_close(getattr(weft, name)(weft.asarray(x)), exact, "complex128", 20, name)


@pytest.mark.parametrize("dtype", COMPLEX)
def test_large_and_small_numbers_overflow_no_sooner_than_they_have_to(dtype: str) -> None:
    limits = np.finfo(dtype)
    top, low = float(np.log2(limits.max)), float(np.log2(limits.smallest_normal))
    parts = [s * 2.0**e for s in (1, -1) for e in (top - 2, top / 2, 0.0, low / 2, low + 2)]
    x = np.array([complex(a, b) for a, b in itertools.product(parts, parts)]).astype(dtype)
    z, wide = weft.asarray(x), x.astype(WIDER[dtype])
    with np.errstate(all="ignore"):
        _assert_close(weft.abs(z), np.abs(wide), dtype, 4, "abs")
        _assert_close(weft.sqrt(z), np.sqrt(wide), dtype, 8, "sqrt")
        _assert_close(weft.log(z), np.log(wide), dtype, 8, "log")
        _assert_close(z / z[:1], wide / wide[:1], dtype, 16, "divide")
    edge = np.array([complex(np.log(limits.max) + 0.3, y) for y in (1.55, -1.56, 1.6)], dtype)
    for name in ("exp", "sinh", "cosh"):
        exact = getattr(np, name)(edge.astype(WIDER[dtype]))
        _assert_close(getattr(weft, name)(weft.asarray(edge)), exact, dtype, 400, name)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "pow"])
@pytest.mark.parametrize("dtype", COMPLEX)
def test_arithmetic_is_that_of_numpy(name: str, dtype: str) -> None:
    random = _random(name, dtype)
    function, reference = getattr(weft, name), getattr(np, "power" if name == "pow" else name)
    for left, right in [((5, 1), (1, 19)), ((0,), (1,)), ((), ()), ((2, 3, 1), (3, 4))]:
        x, y = _numbers(random, left, dtype), _numbers(random, right, dtype)
        with np.errstate(all="ignore"):
            exact = reference(x.astype(WIDER[dtype]), y.astype(WIDER[dtype]))
        result = eager_and_jit(function, weft.asarray(x), weft.asarray(y))
        _assert_close(result, exact, dtype, 400 if name == "pow" else 8, name)
        if name in ("add", "subtract"):
            assert_same_bits(result, reference(x, y))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5])
def test_powers_by_known_numbers(exponent: float) -> None:
    x = _numbers(_random("powers"), (101,), "complex128")
    exact = x.astype(np.clongdouble) ** exponent
    result = eager_and_jit(lambda z: z**exponent, weft.asarray(x))
    _assert_close(result, exact, "complex128", 16, str(exponent))
    assert_same_bits(weft.asarray([0j]) ** 0, np.ones(1, "complex64"))


def test_predicates_and_comparisons() -> None:
    odd = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan]
    x = np.array([complex(a, b) for a, b in itertools.product(odd, odd)])
    y = np.roll(x, 1)
    y[::2] = x[::2]
    for name in ("isnan", "isinf", "isfinite"):
        result = eager_and_jit(getattr(weft, name), weft.asarray(x))
        assert_same_bits(result, getattr(np, name)(x))
    for name in ("equal", "not_equal"):
        result = eager_and_jit(getattr(weft, name), weft.asarray(x), weft.asarray(y))
        assert_same_bits(result, getattr(np, name)(x, y))
    assert_same_bits(weft.asarray(x).astype("bool"), x.astype(bool))
    assert_same_bits(weft.any(weft.asarray(x)), np.any(x))
    assert_same_bits(weft.count_nonzero(weft.asarray(x)), np.int64(np.count_nonzero(x)))


ALONG_AXES: dict[str, tuple[Callable, Callable]] = {
    "sum": (weft.sum, np.sum),
    "prod": (weft.prod, np.prod),
    "mean": (weft.mean, np.mean),
    "var": (weft.var, np.var),
    "std": (weft.std, np.std),
    "cumulative_sum": (weft.cumulative_sum, np.cumsum),
    "cumulative_prod": (weft.cumulative_prod, np.cumprod),
}


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", ALONG_AXES)
def test_along_axes(name: str, dtype: str) -> None:
    ours, theirs = ALONG_AXES[name]
    for shape in [(7,), (1,), (3, 5), (2, 1, 9), (4, 0)]:
        random = _random(name, dtype, shape)
        x = (random.normal(0, 1, shape) + 1j * random.normal(0, 1, shape)).astype(dtype)
        for axis in range(len(shape)):
            if x.shape[axis] == 0 and name in ("mean", "var", "std"):
                continue
            exact = theirs(x.astype(WIDER[dtype]), axis=axis)
            result = eager_and_jit(lambda z, axis=axis: ours(z, axis=axis), weft.asarray(x))
            magnitude = max(1.0, float(np.abs(exact).max(initial=1)))
            scale = magnitude / np.maximum(np.abs(exact), 1e-30)
            ulp = 16 * float(scale.max(initial=1))
            _assert_close(result, np.asarray(exact), dtype, ulp, name)


@pytest.mark.parametrize("dtype", COMPLEX)
def test_products_of_matrices(dtype: str) -> None:
    random = _random("matmul", dtype)
    for left, right in [((3, 4), (4, 5)), ((2, 3, 4), (4, 1)), ((4,), (4, 2)), ((0, 3), (3, 2))]:
        x, y = _numbers(random, left, dtype), _numbers(random, right, dtype)
        x, y = x / 8, y / 8
        exact = x.astype(WIDER[dtype]) @ y.astype(WIDER[dtype])
        result = to_numpy(eager_and_jit(weft.matmul, weft.asarray(x), weft.asarray(y)))
        bound = 16 * UNIT_ROUNDOFF[PARTS[dtype]] * (np.abs(x) @ np.abs(y))
        assert (np.abs(result - exact) <= bound).all()
    x, y = _numbers(random, (3, 5), dtype), _numbers(random, (3, 5), dtype)
    bound = 32 * UNIT_ROUNDOFF[PARTS[dtype]] * (np.abs(x) * np.abs(y)).sum(axis=1)
    result = to_numpy(weft.vecdot(weft.asarray(x), weft.asarray(y)))
    assert (np.abs(result - np.vecdot(x.astype(WIDER[dtype]), y)) <= bound).all()


MOVED: dict[str, Callable] = {
    "reshape": lambda m, z: m.reshape(z, (4, 6)),
    "transpose": lambda m, z: m.permute_dims(z, (2, 0, 1)),
    "flip": lambda m, z: m.flip(z, axis=1),
    "roll": lambda m, z: m.roll(z, 1, axis=0),
    "slice": lambda m, z: z[:, ::-1, 1:3],
    "concat": lambda m, z: m.concat([z, z[:1]], axis=0),
    "stack": lambda m, z: m.stack([z, z], axis=1),
    "broadcast": lambda m, z: m.broadcast_to(z[:, :1], (2, 3, 4)),
    "take": lambda m, z: m.take(z, m.asarray([2, 0, 1]), axis=2),
    "where": lambda m, z: m.where(m.real(z) > 0, z, -z),
    "indices": lambda m, z: z[m.asarray([1, 0, 1])],
    "tril": lambda m, z: m.tril(z),
    "tile": lambda m, z: m.tile(z, (2, 1, 1)),
}


@pytest.mark.parametrize("name", MOVED)
@pytest.mark.parametrize("dtype", COMPLEX)
def test_movement_moves_both_parts(name: str, dtype: str) -> None:
    x = _numbers(_random("moved"), (2, 3, 4), dtype)
    function = MOVED[name]
    assert_same_bits(eager_and_jit(lambda z: function(weft, z), weft.asarray(x)), function(np, x))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_assignments_change_what_they_name(dtype: str) -> None:
    x = _numbers(_random("assigned"), (4, 5), dtype)

    def assigned(z: weft.Tensor) -> weft.Tensor:
        z = z.clone()
        z[1] = 2 - 1j
        z[:, 2] += z[:, 0]
        z[weft.real(z) > 1] = 0
        z *= 1j
        return z

    wanted = x.copy()
    wanted[1] = 2 - 1j
    wanted[:, 2] += wanted[:, 0]
    wanted[wanted.real > 1] = 0
    expected = wanted * np.asarray(1j, dtype)
    result = eager_and_jit(assigned, weft.asarray(x))
    assert (to_numpy(result) == expected).all()
    with pytest.raises(weft.DTypeError, match="does not fit"):
        operator.iadd(weft.ones(3), 1j)


def test_promotion_is_the_array_apis() -> None:
    numbers = {**PARTS, "float32": "", "float64": "", "float16": "", "int32": "", "bool": ""}
    for left, right in itertools.product(numbers, COMPLEX):
        precise = "complex128" if "float64" in (left, PARTS.get(left), PARTS[right]) else right
        result = weft.ones(2, dtype=left) + weft.ones(2, dtype=right)
        assert result.dtype == precise
        assert weft.promote_types(left, right) == precise
    assert (weft.ones(2) * 1j).dtype == "complex64"
    assert (weft.ones(2, dtype="float64") * 1j).dtype == "complex128"
    assert (weft.ones(2, dtype="complex64") * 1.5).dtype == "complex64"
    assert (2 - weft.ones(2, dtype="complex128")).dtype == "complex128"
    assert weft.asarray(1j).dtype == weft.asarray([1, 2.5, 1j]).dtype == "complex64"
    assert weft.isdtype("complex64", "complex floating")
    assert weft.finfo("complex64").eps == weft.finfo("float32").eps


GRADIENTS: dict[str, Callable] = {
    "multiply": lambda m, x, y: x * y,
    "divide": lambda m, x, y: x / y,
    "pow": lambda m, x, y: x**y,
    "square": lambda m, x, y: x**2 + y**-1,
    "abs": lambda m, x, y: m.abs(x) * y,
    "angle": lambda m, x, y: m.angle(x) + y,
    "parts": lambda m, x, y: m.complex(m.real(x) * m.imag(y), m.imag(x)),
    "conj": lambda m, x, y: m.conj(x) * y,
    "matmul": lambda m, x, y: m.matmul(x, y.reshape(4, 3)),
    "prod": lambda m, x, y: x.prod(1) + y.sum(1),
    "cumprod": lambda m, x, y: x.cumprod(1) * y,
    "cumsum": lambda m, x, y: x.cumsum(0) * y,
    "mean": lambda m, x, y: x.mean() * y,
    "select": lambda m, x, y: m.where(m.real(x) > 0, x, y),
    "indices": lambda m, x, y: x[:, 1:] * y[:, :3],
    **{
        name: (lambda name: lambda m, x, y: getattr(m, name)(x) * y)(name)
        for name in (
            *("sqrt", "rsqrt", "exp", "log", "log2", "log10", "log1p", "reciprocal"),
            *("sin", "cos", "tan", "sinh", "cosh", "tanh", "expm1"),
            *("asin", "acos", "atan", "asinh", "acosh", "atanh"),
        )
    },
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_pytorch(name: str) -> None:
    random = _random("gradient", name)
    x, y = (random.normal(0, 1, (3, 4)) + 1j * random.normal(0, 1, (3, 4)) for _ in range(2))
    function = GRADIENTS[name]
    leaves = [torch.tensor(value, requires_grad=True) for value in (x, y)]
    result = function(torch, *leaves)
    weights = random.normal(0, 1, result.shape) + 1j * random.normal(0, 1, result.shape)
    (result * torch.tensor(weights)).real.sum().backward()

    def step(x: weft.Tensor, y: weft.Tensor) -> list[weft.Tensor]:
        ours = [x.clone().detach(), y.clone().detach()]
        for leaf in ours:
            leaf.requires_grad = True
        loss = weft.real(function(weft, *ours) * weft.asarray(weights)).sum()
        loss.backward()
        return [leaf.grad for leaf in ours if leaf.grad is not None]

    gradients = eager_and_jit(step, weft.asarray(x), weft.asarray(y))
    wanted = [leaf.grad.resolve_conj().numpy() for leaf in leaves if leaf.grad is not None]
    for ours, theirs in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(to_numpy(ours), theirs, rtol=1e-11, atol=1e-11)


def test_transformations_compose() -> None:
    x = _numbers(_random("vmap"), (3, 4), "complex128") / 4

    def energy(z: weft.Tensor) -> weft.Tensor:
        return weft.sum(weft.abs(weft.exp(z) * z) ** 2)

    each = weft.vmap(weft.grad(energy))(weft.asarray(x))
    for row, gradient in zip(x, each, strict=True):
        assert_same_bits(weft.jit(weft.grad(energy))(weft.asarray(row)), gradient)
    mapped = weft.vmap(lambda z: weft.conj(z) / weft.prod(z))(weft.asarray(x))
    np.testing.assert_allclose(to_numpy(mapped), np.conj(x) / x.prod(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_they_come_and_go_by_every_way(dtype: str, tmp_path: Path) -> None:
    x = _numbers(_random("ways"), (2, 3), dtype)
    tensor = weft.asarray(x)
    assert tensor.dtype == dtype == str(tensor.numpy().dtype)
    assert tensor.tolist() == x.tolist()
    assert tensor[0, 1].item() == x[0, 1].item() == complex(tensor[0, 1])
    assert_same_bits(weft.asarray(x.tolist(), dtype=dtype), x)
    assert_same_bits(np.from_dlpack(tensor), x)
    assert_same_bits(weft.from_dlpack(torch.from_numpy(x)), x)
    assert_same_bits(torch.from_dlpack(tensor).numpy(), x)
    assert "j" in repr(tensor)
    assert dtype in repr(tensor)
    exported = weft.export(lambda z: z * 1j + weft.conj(z), weft.spec((2, 3), dtype))
    exported.save(tmp_path / "x.weft")
    assert_same_bits(weft.load(tmp_path / "x.weft")(tensor), x * np.asarray(1j, dtype) + x.conj())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z: weft.floor(z), "floor.*complex64"),
        (lambda z: z < 1, "less.*complex64"),
        (lambda z: weft.max(z), "max.*complex64"),
        (lambda z: z.astype("float32"), "weft.real or weft.imag"),
        (lambda z: weft.asarray(1j, dtype="float32"), "complex"),
        (lambda z: weft.full(3, 1j, dtype="int64"), "complex"),
        (lambda z: z & 1, "bitwise_and"),
        (lambda z: weft.complex(z, z), "float32 or float64"),
    ],
)
def test_what_has_no_meaning_for_them_says_so(function: Callable, message: str) -> None:
    z = weft.asarray([1 + 2j, 3 - 1j])
    for call in (function, weft.jit(function)):
        with pytest.raises((weft.DTypeError, weft.OptionError), match=message):
            call(z)


def test_a_complex_loss_has_no_gradient_of_its_own() -> None:
    z = weft.asarray([1 + 2j, 3 - 1j])
    z.requires_grad = True
    with pytest.raises(weft.DTypeError, match=r"backward: a complex number.*weft.real"):
        (z * z).sum().backward()
    assert z.grad is None


def test_products_of_vectors_conjugate_where_pytorch_does() -> None:
    x, y = (
        _numbers(_random("dot"), (7,), "complex128"),
        _numbers(_random("other"), (7,), "complex128"),
    )
    for name in ("dot", "vdot"):
        wanted = getattr(torch, name)(torch.tensor(x), torch.tensor(y)).numpy()
        np.testing.assert_allclose(getattr(weft.asarray(x), name)(weft.asarray(y)), wanted)


def test_optimizers_as_functions_take_squares_of_distances() -> None:
    optim = weft.optim
    assert float(optim.global_norm({"w": weft.asarray([3j, 4.0])})) == 5.0
    rule = optim.scale_by_adam()
    gradient = {"w": weft.asarray([1 + 1j, 1j])}
    steps, _ = rule.update(gradient, rule.init(gradient))
    expected = np.array([1 + 1j, 1j]) / np.abs([1 + 1j, 1j])
    np.testing.assert_allclose(to_numpy(steps["w"]), expected, rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_imaginary_part_of_a_real_tensor_can_not_be_written(compiled):
    def write(x):
        x.imag[0] = 1.0
        return x.imag

    x = weft.ones((3, 2))
    assert not np.asarray((weft.jit(weft.imag) if compiled else weft.imag)(x)).any()
    with pytest.raises(weft.WeftError, match="expanded view"):
        (weft.jit(write) if compiled else write)(x)
