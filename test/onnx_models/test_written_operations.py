"""Each operation of weft as an ONNX model: checked, run by ONNX Runtime, and read again by weft.

A case is a function and its arrays; that the program has the operation is looked at, so that none
is left out when records come and go. What ONNX has no operator for is in REFUSED, and in the docs.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from weft import _core, nn

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx_models import reference  # noqa: E402
from op_table import OPS, RECORDS  # noqa: E402

#: ONNX has no operator for these.
REFUSED = {
    *("cholesky", "solve", "solve_triangular", "lu", "qr"),
    *("svd", "svdvals", "eigh", "eigvalsh", "eig", "eigvals"),
    "bitcast",
    *("all_reduce", "reduce", "reduce_scatter", "all_gather", "all_to_all"),
    *("collective_broadcast", "permute_members"),
}

#: Operations that no program has once it is traced, or that are made behind what files hold.
NOT_IN_PROGRAMS = {
    *("sum_examples", "gather_examples", "scatter_examples", "depthwise_convolution"),
    *("start_collective", "finish_collective"),
}

_FLOATS = ("float32", "float64", "float16")
_INTEGERS = ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")


def floats(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed + sum(shape)).standard_normal(shape)
    return np.asarray(made).astype(dtype)


def whole(*shape: int, most: int = 9, dtype: str = "int64", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + 7).integers(0, most, shape).astype(dtype)


def complexes(*shape: int) -> np.ndarray:
    return (floats(*shape) + 1j * floats(*shape, seed=9)).astype(np.complex64)


# Running -------------------------------------------------------------------------------------


def run(model: Any, inputs: dict[str, np.ndarray]) -> tuple[list[np.ndarray], float]:
    """By ONNX Runtime; in dtypes that it has not implemented, by the evaluator of onnx itself.

    With the eps of what is computed: the evaluator's functions are those of float32.
    """
    try:
        return reference(model, inputs), 0.0
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error) and "is not supported with" not in str(error):
            raise
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = ReferenceEvaluator(model).run(None, inputs)
    return list(made), float(np.finfo(np.float32).eps)


def leaves(value: Any) -> list[np.ndarray]:
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    made = np.asarray(value)
    return (
        [made.view(f"float{4 * made.itemsize}").reshape(*made.shape, 2)]
        if (made.dtype.kind == "c")
        else [made]
    )


def compare(have: Any, want: np.ndarray, tolerance: float, least: float = 0.0) -> None:
    have = np.asarray(have)
    assert (have.dtype, have.shape) == (want.dtype, want.shape)
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(have, want)
        return
    unit = float(np.finfo(want.dtype).eps) if want.dtype.kind == "f" else 2.0**-7
    unit = max(unit, least)
    scale = np.abs(np.where(np.isfinite(want), want, 0)).max(initial=0.0) if want.size else 0.0
    np.testing.assert_allclose(
        have.astype("float64"),
        want.astype("float64"),
        rtol=tolerance * unit,
        atol=tolerance * unit * min(1.0, float(scale)),
    )


def check(
    function: Callable,
    folder: Path,
    *arrays: np.ndarray,
    specs: Any = None,
    tolerance: float = 200,
    reads: bool = True,
) -> Any:
    """Equal in ONNX Runtime, and when weft reads the file again."""
    program = weft.export(function, *(arrays if specs is None else specs))
    path = folder / "program.onnx"
    weft.onnx.save(program, path)
    model = onnx.load(path)
    given = [leaves(x)[0] for x in arrays]
    inputs = {spec.name: x for spec, x in zip(program.inputs, given, strict=True)}
    want = leaves(program(*arrays))
    made, least = run(model, inputs)
    for have, expected in zip(made, want, strict=True):
        compare(have, expected, tolerance, least)
    if reads:
        for have, expected in zip(leaves(weft.onnx.load(path)(*given)), want, strict=True):
            compare(have, expected, tolerance)
    return program


def names_in(program: Any) -> set[str]:
    """The operations of a program, composites whole."""
    return set(re.findall(r"\bweft\.(\w+)", program._program.text(True)))


# Elementwise: the rows of the op table -------------------------------------------------------


def drawn(row: Any, dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    source = np.random.default_rng(seed)
    if dtype == "bool":
        return source.random(shape) < 0.5
    if dtype in _INTEGERS:
        bits = np.iinfo(dtype).bits
        if row.domain == "shift":
            return source.integers(0, bits, shape).astype(dtype)
        least = 0 if row.domain == "positive" or dtype[0] == "u" else -9
        x = source.integers(least, 9, shape)
        return np.where(x == 0, 1, x).astype(dtype) if row.domain == "nonzero" else x.astype(dtype)
    x = source.normal(0, 2, shape)
    domains = {
        "positive": np.abs(x) + 0.1,
        "nonzero": np.where(np.abs(x) < 0.1, 1.0, x),
        "unit": np.tanh(x) * 0.9,
        "above_one": 1 + np.abs(x),
    }
    return domains.get(row.domain, x).astype(dtype)


def rows() -> Iterator[Any]:
    for row in OPS:
        for dtype in row.operands[-1].dtypes():
            if dtype in (*_FLOATS, *_INTEGERS, "bool"):
                yield pytest.param(row, dtype, id=f"{row.python}-{dtype}")


SHAPES = [((), (), ()), ((0,), (1,), (0,)), ((7, 1), (1, 5), (5,)), ((2, 3, 4), (4,), (3, 1))]


@pytest.mark.parametrize(("row", "dtype"), list(rows()))
def test_the_op_table(row: Any, dtype: str, tmp_path: Path) -> None:
    function = getattr(weft, row.python)
    for number, shapes in enumerate(SHAPES):
        arrays = []
        for place, (operand, shape) in enumerate(zip(row.operands, shapes, strict=False)):
            own = dtype if dtype in operand.dtypes() else operand.dtypes()[0]
            arrays.append(drawn(row, own, shape, 10 * number + place))
        program = check(function, tmp_path, *arrays, tolerance=500)
        assert row.name.removeprefix("weft.") in names_in(program)
    # One size that is not known.
    shape = (3, 2)
    arrays = [
        drawn(row, dtype if dtype in x.dtypes() else x.dtypes()[0], shape, 90 + i)
        for i, x in enumerate(row.operands)
    ]
    specs = [weft.spec(("n", 2), x.dtype.name) for x in arrays]
    check(function, tmp_path, *arrays, specs=specs, tolerance=500)


# Other operations ----------------------------------------------------------------------------


def pooled_gradient(pool: Callable) -> Callable:
    return weft.grad(lambda x: weft.sum(weft.sin(pool(x))))


def convolution(groups: int = 1, stride: int = 1, dilation: int = 1) -> Callable:
    def gradients(x: Any, weight: Any) -> Any:
        def loss(x: Any, weight: Any) -> Any:
            made = nn.functional.conv2d(
                x, weight, stride=stride, padding=1, dilation=dilation, groups=groups
            )
            return weft.sum(weft.sin(made))

        return weft.grad(loss, argnums=(0, 1))(x, weight)

    return gradients


def special(dtype: str = "float32") -> np.ndarray:
    """NaN among equal elements and both infinities."""
    row = np.array([3, np.nan, -np.inf, 3, 1, np.inf, np.nan, 0.0, -0.0, 1], dtype)
    return np.stack([row, np.roll(row, 3), np.abs(row[::-1])])


INDICES = np.array([[2, -1], [0, 2]])
#: Negative, twice the same, and out of range on both sides.
ODD = np.array([1, -1, 1, 5, -9, 0])

KEYS = np.array([[1, 2], [-3, 4], [5, 6], [0, 2**31 - 1]], np.int32)

weft.distributed.init("alone")
CASES: dict[str, list[tuple]] = {
    "constant": [(lambda x: x + np.float32([1, 2, 3]), floats(3))],
    "iota": [(lambda x: x + weft.arange(4)[:, None], whole(4, 3))],
    "random_bits": [
        (lambda key: weft.random.split(key, (3, 5)), np.array([7, -9], np.int32)),
        (lambda key: weft.random.split(key, 0), np.array([7, -9], np.int32)),
        (lambda key: _core.apply("weft.random_bits", (key,), None, (4, 3), weft.int64), KEYS),
    ],
    "reshape": [(lambda x: weft.reshape(x, (3, -1)), floats(2, 6))],
    "transpose": [(lambda x: weft.permute_dims(x, (2, 0, 1)), floats(2, 3, 4))],
    "broadcast": [(lambda x: weft.broadcast_to(x, (4, 3)), floats(3))],
    "slice": [
        (lambda x: (x[::-2, 1:3], x[1:1], x[-1:0:-1, ::-1], x[:, 5:]), floats(4, 6)),
        (lambda x: (x[:, 1:], x[::-1, ::-1]), floats(0, 3)),
    ],
    "pad": [(lambda x: weft.pad(x, [(1, 2), (0, 1)], 3.0), floats(4, 5))],
    "update": [
        (lambda x, v: x.at[1:3, ::2].set(v), floats(4, 6), floats(2, 3)),
        (lambda x, v: x.at[:, 2:].set(v), floats(4, 6), floats(4, 4)),
        (lambda x, v: x.at[3::4, 1::3].set(v), floats(9, 7), floats(2, 2)),
    ],
    "concatenate": [(lambda x, y: weft.concat([x, y, x], axis=1), floats(2, 3), floats(2, 1))],
    "gather": [
        (lambda x, i: weft.take(x, i, axis=1), floats(2, 3), INDICES),
        (lambda x, i: weft.take(x, i, axis=0), floats(3, 2), ODD),
        (lambda x, i: weft.take(x, i, axis=0), whole(3, 2), ODD.astype(np.int32)),
        (lambda x: weft.take(x, np.array([2, 0]), axis=1), floats(2, 3)),
        (lambda x, i: weft.take_along_axis(x, i, axis=1), floats(2, 3), whole(2, 4, most=3)),
    ],
    "scatter_add": [
        (lambda x, u, i: x.at[i].add(u), floats(3, 2), floats(6, 2), ODD),
        (lambda x, u, i: x.at[:, i].add(u), floats(2, 3), floats(2, 2, 2), INDICES),
        (lambda x, u: x.at[np.array([1, 1])].add(u), whole(4), whole(2)),
    ],
    "scatter": [
        (lambda x, u, i: x.at[i].set(u), floats(3, 2), floats(6, 2), ODD),
        (lambda x, u, i: x.at[:, i].set(u), floats(2, 3, 2), floats(2, 2, 2, 2), INDICES),
        (lambda x, u, i: x.at[i].set(u), whole(4) > 3, whole(3) > 4, np.array([3, 3, 0])),
    ],
    "sum": [
        (lambda x: (weft.sum(x), weft.sum(x, axis=1), weft.sum(x, axis=(0, 2))), floats(2, 3, 4)),
        (lambda x: weft.sum(x, axis=0), floats(0, 3)),
        (lambda x: weft.sum(x, axis=0, dtype="int16"), whole(3, 2, dtype="int16")),
    ],
    "prod": [(lambda x: (weft.prod(x), weft.prod(x, axis=1)), floats(2, 3))],
    "max": [
        (lambda x: (weft.max(x), weft.max(x, axis=1)), floats(3, 4)),
        (lambda x: weft.max(x, axis=1), special()),
        (lambda x: (weft.max(x, axis=0), weft.any(x, axis=1)), whole(3, 4) > 5),
    ],
    "min": [
        (lambda x: weft.min(x, axis=1), special("float64")),
        (lambda x: weft.min(x, axis=0), whole(3, 4, dtype="int16")),
    ],
    "argmax": [
        (lambda x: (weft.argmax(x), weft.argmax(x, axis=1)), special()),
        (lambda x: weft.argmax(x, axis=1), whole(3, 4, dtype="int32")),
    ],
    "argmin": [(lambda x: weft.argmin(x, axis=1), special())],
    "sort": [
        (lambda x: (weft.sort(x), weft.argsort(x)), special()),
        (lambda x: (weft.sort(x, descending=True), weft.argsort(x, axis=0)), special("float64")),
        (lambda x: weft.topk(x, 3), special()),
        (lambda x: (weft.sort(x, axis=0), weft.argsort(x, stable=True)), whole(3, 8)),
        (lambda x: weft.sort(x), whole(9) > 4),
        (lambda x: weft.argsort(x, descending=True), whole(2, 9, dtype="int16")),
        (lambda x: weft.sort(x), floats(2, 0)),
    ],
    "cumulative_sum": [
        (lambda x: (weft.cumulative_sum(x, axis=0), weft.cumulative_sum(x, axis=1)), floats(3, 4)),
        (lambda x: weft.cumulative_sum(x, axis=0), whole(5, dtype="int16")),
    ],
    "cumulative_prod": [
        (
            lambda x: (weft.cumulative_prod(x, axis=0), weft.cumulative_prod(x, axis=1)),
            floats(3, 4),
        ),
        (weft.grad(lambda x: weft.sum(weft.cumulative_prod(x, axis=0))), floats(4)),
        (lambda x: weft.cumulative_prod(x, axis=0), floats(0, 3)),
    ],
    "fourier": [
        (lambda x: weft.fft.fft(x + 0j), floats(2, 6)),
        (lambda x: weft.fft.ifft(x * (1 + 2j)), floats(5)),
    ],
    "real_fourier": [(weft.fft.rfft, floats(2, 7)), (weft.fft.rfft, floats(8))],
    "inverse_real_fourier": [
        (lambda x: weft.fft.irfft(x + 1j * x, n=9), floats(2, 5)),
        (lambda x: weft.fft.irfft(x + 1j * x), floats(2, 5)),
    ],
    "matmul": [
        (lambda x, y: x @ y, floats(2, 3, 4), floats(4, 5)),
        (
            lambda x, y: weft.matrix_transpose(x) @ weft.matrix_transpose(y),
            floats(4, 3),
            floats(5, 4),
        ),
        (lambda x, y: x @ y, whole(2, 3, dtype="int8"), whole(3, 2, dtype="int8")),
    ],
    "convolution": [
        (convolution(stride=2), floats(2, 3, 8, 7), floats(4, 3, 3, 3)),
        (convolution(groups=2, dilation=2), floats(1, 4, 9, 9), floats(6, 2, 3, 3)),
    ],
    "convolution_weight_gradient": [(convolution(), floats(2, 3, 8, 7), floats(4, 3, 3, 3))],
    "window_max_index": [
        (pooled_gradient(lambda x: nn.functional.max_pool2d(x, 2)), floats(2, 3, 6, 5)),
        (pooled_gradient(lambda x: nn.functional.max_pool2d(x, 3, 1, 1)), floats(1, 2, 5, 5)),
    ],
    "window_gather": [
        (
            lambda x: weft.jvp(lambda x: nn.functional.max_pool2d(x, 2), (x,), (weft.cos(x),))[1],
            floats(2, 3, 8, 7),
        )
    ],
    "window_scatter": [
        (pooled_gradient(lambda x: nn.functional.max_pool2d(x, 2, 1)), floats(1, 2, 5, 4))
    ],
    "window_sum": [
        (
            weft.grad(
                lambda x: weft.sum(
                    pooled_gradient(lambda x: nn.functional.avg_pool2d(weft.sin(x), 2))(x) ** 2
                )
            ),
            floats(2, 3, 6, 5),
        )
    ],
    "window_spread": [
        (pooled_gradient(lambda x: nn.functional.avg_pool2d(x, 3, 2, 1)), floats(1, 2, 7, 6)),
    ],
    "cast": [
        (lambda x: x.astype("float64"), floats(3)),
        (lambda x: (x * 9).astype("int8"), floats(4)),
        (lambda x: x.astype("bool"), whole(5, most=2)),
        (lambda x: x.astype("bfloat16").astype("float32"), floats(4)),
    ],
    "fixed_pow": [(lambda x: (x**2, x**-1.0, abs(x) ** 0.5, x**7.0), floats(4))],
    "barrier": [
        (
            weft.grad(lambda x: weft.sum(weft.checkpoint(lambda x: weft.sin(weft.exp(x)))(x))),
            floats(3),
        )
    ],
    "real": [(lambda z: weft.real(z * (1 + 2j)), complexes(5))],
    "imag": [(lambda z: weft.imag(weft.exp(z)), complexes(5))],
    "complex": [(lambda x: weft.complex(x, x + 1) * (x - 2j) / (x + 3j), floats(5))],
    "conj": [(lambda x: weft.conj(x * 2j), complexes(5))],
    "magnitude": [(lambda x: weft.abs(x + 2j), complexes(5))],
    "softmax": [(lambda x: weft.softmax(x, dim=1), floats(3, 4))],
    "log_softmax": [(lambda x: nn.functional.log_softmax(x, dim=0), floats(3, 4))],
    "mean": [(lambda x: (weft.mean(x), weft.mean(x, axis=1)), floats(3, 4))],
    "variance": [(lambda x: (weft.var(x), weft.var(x, axis=1, correction=1)), floats(3, 4))],
    "layer_norm": [
        (
            lambda x, w, b: nn.functional.layer_norm(x, (4,), w, b),
            floats(3, 4),
            floats(4),
            floats(4),
        )
    ],
    "batch_norm": [
        (
            lambda x, m, v: nn.functional.batch_norm(x, m, weft.abs(v), m, v),
            *(floats(3, 4, 2, 2), floats(4), floats(4, seed=3)),
        )
    ],
    "cross_entropy": [
        (
            lambda x, i: nn.functional.cross_entropy(x, i, reduction="none"),
            floats(5, 3),
            whole(5, most=3),
        ),
        (lambda x, i: nn.functional.cross_entropy(x, i), floats(3, 3), np.array([0, -100, 2])),
    ],
    "dropout": [
        (
            lambda x, key: _core.apply("weft.dropout", (x, key), {"probability": 0.4}),
            *(floats(4, 8), KEYS[0]),
        )
    ],
    "scaled_dot_product_attention": [],
    "replicate": [(weft.distributed.replicate, floats(2, 3))],
    "conv2d": [
        (lambda x, w: nn.functional.conv2d(x, w, padding=1), floats(1, 2, 5, 5), floats(3, 2, 3, 3))
    ],
    "max_pool2d": [(lambda x: nn.functional.max_pool2d(x, 3, 2, 1), floats(1, 2, 7, 7))],
    "avg_pool2d": [(lambda x: nn.functional.avg_pool2d(x, 2), floats(1, 2, 6, 6))],
}


def attend(**options: Any) -> Callable:
    def call(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
        return nn.functional.scaled_dot_product_attention(q, k, v, mask, **options)

    return call


_QKV = (floats(2, 4, 5, 4), floats(2, 2, 6, 4), floats(2, 2, 6, 7))
_NONE = np.arange(30).reshape(5, 6) % 4 > 1
_NONE[2] = False
_FEW_BITS = [
    weft.nn.QuantizedLinear.of(weft.nn.Linear(24, 5), bits, 8, symmetric=symmetric).packed
    for bits, symmetric in ((4, True), (4, False), (8, True), (8, False))
]
CASES["quantized_matmul"] = [(packed.product, floats(3, 24)) for packed in _FEW_BITS]
CASES["quantized_dot"] = [(packed.product_of_steps, floats(3, 24)) for packed in _FEW_BITS]
CASES["quantized_steps"] = [
    (_FEW_BITS[0].product_of_steps, floats(3, 24)),
    (_FEW_BITS[2].product_of_steps, floats(3, 24), np.float32(0.0625)),
]
CASES["quantized_values"] = [(lambda x, p=p: x @ p.values().T, floats(3, 24)) for p in _FEW_BITS]
CASES["scaled_dot_product_attention"] = [
    (attend(is_causal=True, enable_gqa=True), *_QKV),
    (attend(enable_gqa=True), *_QKV, _NONE),
    (attend(), floats(2, 5, 4), floats(2, 6, 4), floats(2, 6, 3), floats(5, 6)),
]


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, found in CASES.items() for i in range(len(found))]
)
def test_operations(name: str, number: int, tmp_path: Path) -> None:
    function, *arrays = CASES[name][number]
    weft.manual_seed(0)
    assert name in names_in(check(function, tmp_path, *arrays))


# Control flow --------------------------------------------------------------------------------


def branches(x: Any, i: Any) -> Any:
    return weft.switch(i, [weft.sin, lambda x: x * 2 + weft.sum(x), weft.negative], x)


def newton(x: Any) -> Any:
    """The square root, as far as steps change it."""

    def goes_on(state: tuple) -> Any:
        return weft.max(weft.abs(state[0] * state[0] - x)) > 1e-4

    def step(state: tuple) -> tuple:
        return (state[0] + x / state[0]) / 2, state[1] + 1

    return weft.while_loop(goes_on, step, (x, 0))


def running(reverse: bool) -> Callable:
    def call(h: Any, xs: Any, w: Any) -> Any:
        def step(h: Any, x: Any) -> tuple:
            h = weft.tanh(h @ w + x)
            return h, (weft.sum(h), h * x)

        return weft.scan(step, h, xs, reverse=reverse)

    return call


def counted(count: int, reverse: bool = False) -> Callable:
    def step(state: tuple, _: None) -> tuple:
        value, number = state
        return (value * 0.5 + number, number + 1), value

    return lambda x: weft.scan(step, (x, 0.0), None, length=count, reverse=reverse)


def nested(x: Any, n: Any) -> Any:
    """A branch in a scan in a loop, which read what is around them."""
    slope = weft.cos(x)

    def row(total: Any, part: Any) -> tuple:
        made = weft.cond(part > 0, lambda: total + part * slope[0], lambda: total - n)
        return made, made

    def body(i: Any, value: Any) -> Any:
        total, rows = weft.scan(row, weft.sum(value) * 0, value + i)
        return rows * 0.5 + total * 0.1

    return weft.fori_loop(0, n, body, x)


_HXW = (floats(3), floats(5, 3), floats(3, 3))

REGIONS: dict[str, list[tuple]] = {
    "case": [
        *((branches, floats(3), np.array(i)) for i in (-2, 0, 1, 2, 7)),
        (lambda x, y: weft.cond(weft.sum(x) > 0, lambda: (x, 2 * y), lambda: (-x, y)), *_HXW[1:]),
    ],
    "while": [
        (newton, np.float32([4, 2, 9])),
        (lambda x, n: weft.fori_loop(0, n, lambda i, v: v * 2 + i, x), floats(3), np.array(4)),
        (lambda x, n: weft.fori_loop(0, n, lambda i, v: v * 2 + i, x), floats(3), np.array(0)),
        (nested, floats(4), np.array(3)),
    ],
    "scan": [
        (running(False), *_HXW),
        (running(True), *_HXW),
        (running(True), floats(3), floats(0, 3), floats(3, 3)),
        (running(False), floats(3), floats(1, 3), floats(3, 3)),
        (counted(12), floats(3)),
        (counted(12, True), floats(3)),
        (counted(0), floats(3)),
        (lambda x: weft.map(lambda row: weft.sort(row)[0] + x[0, 0], x), floats(4, 3)),
        (weft.grad(lambda *x: weft.sum(running(False)(*x)[0]), argnums=(0, 1, 2)), *_HXW),
        (lambda x: weft.fori_loop(0, 9, lambda i, v: v + i / (1 + v * v), x), floats(3)),
        (
            lambda x: weft.while_loop(lambda v: v < 9, lambda v: v * 2, x, max_iterations=5),
            floats(),
        ),
    ],
}


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, found in REGIONS.items() for i in range(len(found))]
)
def test_control_flow(name: str, number: int, tmp_path: Path) -> None:
    function, *arrays = REGIONS[name][number]
    assert name in names_in(check(function, tmp_path, *arrays))


def test_functions_with_derivatives_of_their_own_are_what_they_compute(tmp_path: Path) -> None:
    @weft.custom_vjp
    def clipped(x: Any) -> Any:
        return weft.sin(x)

    clipped.defvjp(lambda x: (weft.sin(x), x), lambda x, g: (g * weft.cos(x),))
    check(lambda x: clipped(x) + weft.checkpoint(weft.cos)(x), tmp_path, floats(4))


# Sizes that are not known --------------------------------------------------------------------

#: Of a mean, which divides by a size.
WITH_SIZE = 0

OPEN: list[tuple] = [
    (weft.grad(lambda x: weft.mean(x * x) + weft.arange(x.shape[0])[1]), [("n",)], floats(5)),
    (lambda x: (weft.flip(x, axis=0), x[1:], x[:-1, :2], x[::2]), [("n", 3)], floats(5, 3)),
    (lambda x: weft.pad(x, [(1, 2), (0, 0)]), [("n", 3)], floats(4, 3)),
    (lambda x: x.at[1:].set(x[:-1]), [("n", 3)], floats(4, 3)),
    (lambda x: x.at[:, ::2].set(0), [("n", 6)], floats(4, 6)),
    (lambda x, i: weft.take(x, i, axis=0), [("n", 3), ("m",)], floats(4, 3), np.array([1, -4, 9])),
    (lambda x, i: x.at[i].add(1.0), [("n", 3), ("m",)], floats(4, 3), np.array([1, -4, 1])),
    (lambda x, i: x.at[i].set(2.0), [("n",), ("m",)], floats(4), np.array([1, -4, 9])),
    (lambda x: (weft.sort(x, axis=0), weft.argsort(x, axis=1)), [("n", "m")], floats(3, 4)),
    (lambda x: weft.cumulative_prod(x, axis=0), [("n", 2)], floats(5, 2)),
    (lambda x: weft.reshape(x, (x.shape[0] * 3, -1)), [("n", 3, 4)], floats(2, 3, 4)),
    (lambda x: x + 1, [("2*n + 1",)], floats(5)),
    (lambda x: x[: (x.shape[0] - 1) // 2], [("2*n + 1",)], floats(5)),
    (lambda x: (weft.max(x, axis=0), weft.argmax(x, axis=0)), [("n", 2)], special()[:, :2]),
    (running(False), [(3,), ("n", 3), (3, 3)], *_HXW),
    (running(True), [("m",), ("n", "m"), ("m", "m")], *_HXW),
    (attend(is_causal=True), [(1, "l", 4)] * 3, *[floats(1, 5, 4, seed=i) for i in range(3)]),
    (weft.fft.rfft, [("n", 8)], floats(3, 8)),
    (
        lambda x: nn.functional.conv2d(x, weft.ones((2, 3, 3, 3))),
        [("n", 3, "h", "w")],
        floats(2, 3, 5, 6),
    ),
    (
        pooled_gradient(lambda x: nn.functional.max_pool2d(x, 2)),
        *([("n", 2, 4, 4)], floats(3, 2, 4, 4)),
    ),
]


@pytest.mark.parametrize("number", range(len(OPEN)))
def test_open_sizes(number: int, tmp_path: Path) -> None:
    function, shapes, *arrays = OPEN[number]
    specs = [weft.spec(shape, x.dtype.name) for shape, x in zip(shapes, arrays, strict=True)]
    program = check(function, tmp_path, *arrays, specs=specs)
    assert "size" in names_in(program) or number != WITH_SIZE


def test_every_operation_has_a_case() -> None:
    table = {row.name.removeprefix("weft.") for row in OPS}
    everything = {record.name.removeprefix("weft.") for record in RECORDS}
    met = {name for name, found in CASES.items() if found} | table | {"size"}
    assert everything - met == REFUSED | NOT_IN_PROGRAMS
    assert not met & (REFUSED | NOT_IN_PROGRAMS)


# What is refused -----------------------------------------------------------------------------

MATRIX = floats(3, 3) @ floats(3, 3).T + 3 * np.eye(3, dtype=np.float32)

WITHOUT_OPERATOR: dict[str, Callable] = {
    "cholesky": weft.linalg.cholesky,
    "solve": lambda x: weft.linalg.solve(x, x),
    "solve_triangular": lambda x: weft.linalg.solve_triangular(x, x, upper=False),
    "lu": weft.linalg.det,
    "qr": lambda x: weft.linalg.qr(x)[1],
    "svd": lambda x: weft.linalg.svd(x).S,
    "svdvals": weft.linalg.svdvals,
    "eigh": lambda x: weft.linalg.eigh(x)[0],
    "eigvalsh": weft.linalg.eigvalsh,
    "eig": lambda x: weft.linalg.eig(x)[0],
    "eigvals": weft.linalg.eigvals,
    "bitcast": lambda x: weft.bitcast(x, "int32"),
    "all_reduce": weft.distributed.all_reduce,
    "reduce": weft.distributed.reduce,
    "reduce_scatter": lambda x: weft.distributed.reduce_scatter(x, tiled=True),
    "all_gather": weft.distributed.all_gather,
    "all_to_all": weft.distributed.all_to_all,
    "collective_broadcast": weft.distributed.broadcast,
    "permute_members": weft.distributed.shift,
}


def test_what_has_no_operator_is_refused_and_in_the_docs(tmp_path: Path) -> None:
    assert set(WITHOUT_OPERATOR) == REFUSED
    for name, function in WITHOUT_OPERATOR.items():
        program = weft.export(function, weft.spec((3, 3)))
        with pytest.raises(weft.UnsupportedError) as caught:
            weft.onnx.save(program, tmp_path / "program.onnx")
        found = re.findall(
            r"^  weft\.(\w+): (once|\d+ times), first at .+\.py:\d+$", str(caught.value), re.M
        )
        assert [row[0] for row in found] == [name], str(caught.value)
    assert not list(tmp_path.iterdir())
    page = Path(__file__).resolve().parents[2] / "docs" / "from-onnx.md"
    listed = re.findall(r"^\| `weft\.(\w+)` \|", page.read_text(), re.M)
    assert sorted(listed) == sorted(REFUSED)
