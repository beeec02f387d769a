"""StableHLO programs: each op against JAX, over random shapes and dtypes; what no program is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft

jax = pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")
import jax.numpy as jnp  # noqa: E402
from jax import export, lax  # noqa: E402
from weft.stablehlo import from_jax, load  # noqa: E402

jax.config.update("jax_platforms", "cpu")

Draw = np.random.Generator
# Units in the last place of what a result is computed of, times the steps of the longest sum here.
_STEPS = 64


def tolerance(dtype: Any, scale: float) -> float:
    """How far two orders of one sum may be apart."""
    kind = np.dtype(dtype)
    if kind.kind in "iub":
        return 0.0
    return _STEPS * float(jnp.finfo(kind).eps) * scale


def agree(function: Callable, *arguments: Any, scale: float = 1.0) -> None:
    """JAX and weft compute the same, operation by operation and compiled."""
    program = from_jax(function, *arguments)
    wanted = jax.tree_util.tree_leaves(jax.jit(function)(*arguments))
    given = jax.tree_util.tree_map(weft.asarray, arguments)
    for run in (program, weft.jit(lambda *values: program(*values))):
        made = jax.tree_util.tree_leaves(run(*given))
        for a, b in zip(wanted, made, strict=True):
            expected, actual = np.asarray(a), np.asarray(b)
            assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
            limit = tolerance(expected.dtype, scale * float(np.abs(size)))
            np.testing.assert_allclose(actual, expected, rtol=0, atol=limit)


def shape_of(draw: Draw, rank: int, least: int = 0) -> tuple[int, ...]:
    return tuple(
        int(draw.choice([size for size in (0, 1, 2, 3, 5) if size >= least])) for _ in range(rank)
    )


def floats(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    return draw.standard_normal(shape).astype(np.float32)


def integers(draw: Draw, shape: tuple[int, ...], dtype: Any = np.int32) -> np.ndarray:
    return draw.integers(0 if np.dtype(dtype).kind == "u" else -9, 9, shape).astype(dtype)


UNARY = {
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "tanh": jnp.tanh,
    "sin": jnp.sin,
    "sigmoid": jax.nn.sigmoid,
    "erf": lax.erf,
    "round": lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
    "round even": lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
    "sign": jnp.sign,
    "cbrt": jnp.cbrt,
    "int": lambda x: x.astype(jnp.int32),
    "bits": lambda x: lax.bitcast_convert_type(x, jnp.uint32),
    "bytes": lambda x: lax.bitcast_convert_type(x, jnp.uint8),
    "bfloat16": lambda x: lax.reduce_precision(x, 8, 7),
    "float16": lambda x: lax.reduce_precision(x, 5, 10),
    "lgamma": lambda x: lax.lgamma(jnp.abs(x) + 0.5),
    "erfc": lambda x: lax.erfc(x),
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_element(name: str) -> None:
    draw = np.random.default_rng(len(name))
    for rank in range(3):
        agree(UNARY[name], 3 * floats(draw, shape_of(draw, rank)))


BINARY = {
    "add": lax.add,
    "divide": lax.div,
    "remainder": lax.rem,
    "maximum": lax.max,
    "power": lambda a, b: lax.pow(a, b) if a.dtype.kind == "f" else a * b,
    "less": lax.lt,
    "equal": lax.eq,
    "shift": lambda a, b: a if a.dtype.kind == "f" else lax.shift_left(a, b),
    "shift right": lambda a, b: a if a.dtype.kind == "f" else lax.shift_right_logical(a, b),
    "arithmetic": lambda a, b: a if a.dtype.kind == "f" else lax.shift_right_arithmetic(a, b),
    "bits": lambda a, b: a if a.dtype.kind == "f" else lax.population_count(a ^ b) + lax.clz(a),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "uint16"])
def test_functions_of_two_elements(name: str, dtype: str) -> None:
    draw = np.random.default_rng(len(name) + len(dtype))
    shape = shape_of(draw, 2, least=1)
    a, b = (integers(draw, shape, dtype) for _ in range(2))
    if name in ("divide", "remainder"):
        b = np.where(b == 0, 3, b).astype(dtype)
    if name == "power":
        a = np.abs(a).astype(dtype)
    agree(BINARY[name], a, b)


REDUCTIONS = {
    "sum": jnp.sum,
    "prod": jnp.prod,
    "max": lambda x, axis: jnp.max(x, axis, initial=-3),
    "min": lambda x, axis: jnp.min(x, axis, initial=3),
    "any": lambda x, axis: jnp.any(x > 0, axis),
    "all": lambda x, axis: jnp.all(x > 0, axis),
    "xor": lambda x, axis: jnp.bitwise_xor.reduce(x.astype(jnp.int32), axis),
    "both": lambda x, axis: lax.reduce(
        (x, x), (np.float32(1), np.float32(0)), lambda a, b: (a[0] * b[0], a[1] + b[1]), (axis,)
    ),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    draw = np.random.default_rng(len(name))
    for least in (0, 1):
        x = floats(draw, shape_of(draw, 3, least))
        agree(lambda x: REDUCTIONS[name](x, axis=1), x, scale=4)


def test_the_place_of_an_extremum_is_the_first_one_and_nan_wins() -> None:
    draw = np.random.default_rng(1)
    x = integers(draw, (4, 9)).astype(np.float32)
    x[1, 3] = x[1, 5] = np.nan
    agree(lambda x: (jnp.argmax(x, 1), jnp.argmin(x, 0), jnp.argmax(x)), x)
    agree(lambda x: jnp.argmin(x, 1), integers(draw, (4, 9)))


def test_shapes() -> None:
    draw = np.random.default_rng(2)
    x = floats(draw, (3, 4, 2))
    agree(lambda x: (x.T, x[::-1], x[1:, ::2], x.reshape(4, 6), jnp.moveaxis(x, 0, 1)), x)
    agree(lambda x: (jnp.concatenate([x, x[:1]]), jnp.broadcast_to(x[:, None], (3, 5, 4, 2))), x)
    agree(lambda x: lax.pad(x, np.float32(7), [(1, -1, 2), (-1, 2, 0), (0, 0, 1)]), x)
    agree(lambda x: lax.pad(x[:0], np.float32(7), [(1, 2, 1), (0, 0, 0), (0, 0, 0)]), x)
    for start in ((0, 0, 0), (2, -3, 1), (9, 1, 0)):
        place = np.array(start, np.int32)
        agree(lambda x, i: lax.dynamic_slice(x, i, (2, 3, 1)), x, place)
        agree(lambda x, i: lax.dynamic_update_slice(x, 2 * x[:2, 1:, :1], i), x, place)


def _gather_case(draw: Draw) -> tuple[Callable, np.ndarray, np.ndarray]:
    """Dimension numbers that fit together: some dimensions collapsed, some with whole slices."""
    shape = shape_of(draw, 3, least=1)
    reached = sorted(draw.choice(3, size=draw.integers(1, 4), replace=False).tolist())
    collapsed = [d for d in range(3) if draw.integers(2)]
    sizes = [1 if d in collapsed else int(draw.integers(1, shape[d] + 1)) for d in range(3)]
    batch = shape_of(draw, int(draw.integers(3)), least=1)
    places = sorted(
        draw.choice(len(batch) + 3 - len(collapsed), 3 - len(collapsed), replace=False).tolist()
    )
    numbers = lax.GatherDimensionNumbers(tuple(places), tuple(collapsed), tuple(reached))
    index = draw.integers(-2, 6, (*batch, len(reached))).astype(np.int32)
    return (
        lambda x, i: lax.gather(x, i, numbers, sizes, mode="clip"),
        floats(draw, shape),
        index,
    )


def test_gathers_of_all_kinds() -> None:
    for seed in range(8):
        function, x, index = _gather_case(np.random.default_rng(seed))
        agree(function, x, index)


SCATTERS = {
    "add": lax.scatter_add,
    "mul": lax.scatter_mul,
    "min": lax.scatter_min,
    "max": lax.scatter_max,
    "set": lax.scatter,
}


@pytest.mark.parametrize("name", SCATTERS)
@pytest.mark.parametrize("mode", ["clip", "drop"])
def test_scatters(name: str, mode: str) -> None:
    draw = np.random.default_rng(len(name))
    x = floats(draw, (5, 4, 3))
    # Which of equal places a set keeps is left open: here they differ.
    index = np.array([[3, 1], [0, 2], [9, 0], [2, 3]], np.int32)
    for window, inserted, update in (((1,), (0, 1), (4, 3)), ((1, 2), (1,), (4, 2, 3))):
        numbers = lax.ScatterDimensionNumbers(window, inserted, (0, 1))
        values = floats(draw, update)
        scatter = SCATTERS[name]
        agree(lambda x, i, v: scatter(x, i, v, numbers, mode=mode), x, index, values)


def test_indices_of_jax() -> None:
    draw = np.random.default_rng(3)
    x, i = floats(draw, (5, 7)), np.array([1, 3, 4, 1], np.int32)
    agree(
        lambda x, i: (x[i], x[:, i], x.at[i].add(1.0), x[i, i], jnp.take(x, i, mode="fill")), x, i
    )
    agree(lambda x, i: (x.at[i].max(0.0), x.at[:, i].mul(2.0), x.at[i[0]].set(0.0)), x, i)
    agree(lambda x: x[jnp.array([], jnp.int32)], x)


def test_products() -> None:
    draw = np.random.default_rng(4)
    for sizes in ((2, 3, 4, 5), (1, 0, 2, 3), (2, 1, 1, 0)):
        b, m, k, n = sizes
        x, y = floats(draw, (m, b, k)), floats(draw, (n, k, b))
        agree(lambda x, y: lax.dot_general(x, y, (([2], [1]), ([1], [2]))), x, y)
        agree(lambda x, y: lax.dot_general(x, y, (([1, 2], [2, 1]), ([], []))), x, y)
    narrow = integers(draw, (3, 4), np.int8)
    agree(lambda x: lax.dot(x, x.T, preferred_element_type=jnp.int32), narrow)


def _convolution_case(draw: Draw, rank: int) -> tuple[Callable, np.ndarray, np.ndarray]:
    parts = [(1, 1), (2, 1), (1, 2)][draw.integers(3)]
    features, batches = parts
    shape = (2 * batches, 3 * features, *(int(n) for n in draw.integers(4, 8, rank)))
    window = (4 * features * batches, 3, *(int(n) for n in draw.integers(1, 4, rank)))
    options = {
        "window_strides": draw.integers(1, 3, rank).tolist(),
        "padding": [tuple(pair) for pair in draw.integers(-1, 3, (rank, 2)).tolist()],
        "lhs_dilation": draw.integers(1, 3, rank).tolist(),
        "rhs_dilation": draw.integers(1, 3, rank).tolist(),
        "feature_group_count": features,
        "batch_group_count": batches,
    }
    return (
        lambda x, w: lax.conv_general_dilated(x, w, **options),
        floats(draw, shape),
        floats(draw, window),
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolutions(rank: int) -> None:
    for seed in range(6 if rank == 2 else 2):
        agree(*_convolution_case(np.random.default_rng(seed), rank), scale=4)


def test_convolutions_of_integers_and_of_other_orders() -> None:
    draw = np.random.default_rng(5)
    x, w = integers(draw, (2, 5, 6, 3)), integers(draw, (2, 3, 3, 4))
    order = ("NHWC", "HWIO", "NHWC")
    for dtype in (np.int32, np.float32):
        a, b = x.astype(dtype), w.astype(dtype)
        agree(lambda x, w: lax.conv_general_dilated(x, w, (1, 2), "SAME", None, None, order), a, b)
    agree(
        lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME"),
        floats(draw, (1, 4, 5, 3)),
        floats(draw, (3, 3, 3, 2)),
    )


def test_windows() -> None:
    draw = np.random.default_rng(6)
    x = floats(draw, (2, 9, 8, 3))
    shape, strides = (1, 3, 2, 1), (1, 2, 2, 1)
    agree(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, shape, strides, "SAME"), x)
    agree(lambda x: lax.reduce_window(x, 0.0, lax.add, shape, strides, "VALID"), x)
    agree(lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 9, 1, 1), (1, 1, 1, 1), "SAME"), x)
    dilated = {"base_dilation": (1, 2, 1, 1), "window_dilation": (1, 1, 3, 1)}
    agree(lambda x: lax.reduce_window(x, 1.0, lax.mul, shape, strides, "SAME", **dilated), x)
    pool = lambda x: lax.reduce_window(x, -jnp.inf, lax.max, shape, strides, "SAME")  # noqa: E731
    agree(jax.grad(lambda x: jnp.sum(pool(x) ** 2)), x)
    agree(lambda x: (jnp.cumsum(x, 1), lax.cumsum(x, 1, reverse=True), lax.cummax(x, 1)), x)


def test_sorts() -> None:
    draw = np.random.default_rng(7)
    x = integers(draw, (6, 9)).astype(np.float32)
    x[0, :4] = [np.nan, -0.0, 0.0, np.inf]
    agree(lambda x: (jnp.sort(x), jnp.argsort(x, axis=0), jnp.sort(x, descending=True)), x)
    agree(lambda x: lax.top_k(x, 4), np.nan_to_num(x))
    keys, values = integers(draw, (4, 9)) % 3, floats(draw, (4, 9))
    agree(lambda k, v: lax.sort((k, v, -v), num_keys=2), keys, values)
    agree(jnp.sort, np.zeros((3, 0), np.float32))


COMPARED = """
func.func @main(%x: tensor<7xi32>) -> tensor<7xi32> {
  %0 = "stablehlo.sort"(%x) <{dimension = 0 : i64, is_stable = true}> ({
  ^bb0(%a: tensor<i32>, %b: tensor<i32>):
    %c = stablehlo.constant dense<3> : tensor<i32>
    %d = stablehlo.add %b, %c : tensor<i32>
    %e = stablehlo.remainder %a, %c : tensor<i32>
    %f = stablehlo.remainder %d, %c : tensor<i32>
    %g = stablehlo.compare LT, %e, %f : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %g : tensor<i1>
  }) : (tensor<7xi32>) -> tensor<7xi32>
  return %0 : tensor<7xi32>
}
"""


def test_a_comparator_without_keys_compares_all_pairs() -> None:
    x = [5, 3, 1, 4, 2, 0, 7]
    assert load(COMPARED)(weft.asarray(x, dtype="int32")).tolist() == sorted(x, key=lambda n: n % 3)


def test_loops_and_branches() -> None:
    draw = np.random.default_rng(8)
    x = np.abs(floats(draw, (3,))) + 1
    agree(
        lambda x: lax.while_loop(lambda c: c[0].sum() < 99, lambda c: (c[0] * 2, c[1] + 1), (x, 0)),
        x,
    )
    agree(lambda x: lax.fori_loop(0, 4, lambda i, v: v.at[i % 3].add(v[0]), x), x)
    agree(lambda x: lax.scan(lambda c, r: (c + r, c * r), x[0], x, reverse=True), x)
    for number in (-1, 0, 1, 7):
        branches = [lambda x: x * 2, lambda x: x - 1, lambda x: -x]
        agree(lambda i, x: lax.switch(i, branches, x), np.int32(number), x)
        agree(lambda i, x: lax.cond(i > 0, jnp.sin, jnp.cos, x), np.int32(number), x)


def test_linear_algebra() -> None:
    draw = np.random.default_rng(9)
    x = floats(draw, (2, 4, 4))
    x = x @ x.transpose(0, 2, 1) + 4 * np.eye(4, dtype=np.float32)
    y = floats(draw, (2, 4, 3))
    agree(lambda x, y: (jnp.linalg.cholesky(x), jnp.linalg.solve(x, y)), x, y)
    agree(lambda x: (jnp.linalg.eigvalsh(x), jnp.linalg.svd(x, compute_uv=False)), x)
    agree(lambda x, y: jax.scipy.linalg.solve_triangular(x[0], y[0], trans="T", lower=True), x, y)
    agree(lambda x: jax.lax.linalg.lu(x[:, ::-1])[1:], x)


def test_fourier_transforms_and_complex_numbers() -> None:
    draw = np.random.default_rng(10)
    x = floats(draw, (3, 8))
    agree(lambda x: (jnp.fft.fft(x), jnp.fft.rfft(x), jnp.fft.irfft(jnp.fft.rfft(x))), x)
    agree(lambda x: (jnp.fft.ifft2(x + 2j * x), jnp.abs(x * 1j), jnp.conj(x + 1j)), x)
    agree(lambda x: jnp.exp(x * np.array([1 + 2j, 3j], np.complex64)[0]), x)


def test_random_numbers_of_a_key() -> None:
    key = jax.random.PRNGKey(3)
    agree(lambda k: (jax.random.normal(k, (3, 4)), jax.random.permutation(k, 7)), np.asarray(key))


def test_narrow_floats() -> None:
    draw = np.random.default_rng(11)
    x = floats(draw, (4, 4))
    agree(lambda x: x.astype(jnp.bfloat16).astype(jnp.float32), x)
    # XLA may keep a result of halves wider than it is: within one unit of theirs.
    for dtype in (jnp.bfloat16, jnp.float16):
        unit = float(jnp.finfo(dtype).eps / jnp.finfo(np.float32).eps) / _STEPS
        agree(lambda x: (x.astype(dtype) * dtype(3) + 1).astype(jnp.float32), x, scale=2 * unit)


MISSING = """
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.custom_call @mystery(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %1 = stablehlo.custom_call @mystery(%0) : (tensor<2xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}
"""


def test_one_error_names_what_is_missing_with_place_and_number() -> None:
    with pytest.raises(weft.UnsupportedError) as caught:
        load(MISSING)
    assert "stablehlo.custom_call @mystery: 2 times, first at line 3" in str(caught.value)


def test_quantized_values_and_unknown_types_are_refused_by_name() -> None:
    kind = "tensor<2x!quant.uniform<i8:f32, 0.5:1>>"
    with pytest.raises(weft.UnsupportedError, match="quantized values are not supported"):
        load(f"func.func @main(%x: {kind}) -> {kind} {{\n return %x : {kind} }}")
    with pytest.raises(weft.UnsupportedError, match="f8E3M4"):
        load("func.func @main(%x: tensor<2xf8E3M4>) {\n return }")


def test_an_error_of_a_call_names_the_op_and_its_place() -> None:
    text = """
func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %0 = stablehlo.add %x, %y : tensor<?xf32>
  return %0 : tensor<?xf32>
}"""
    with pytest.raises(weft.ShapeError, match=r"in stablehlo\.add at line 3"):
        load(text)(weft.ones(2), weft.ones(3))
    with pytest.raises(weft.DTypeError, match=r"argument 0 \(arg0\) has to be tensor<\?xf32>"):
        load(text)(weft.ones(2, dtype="int32"), weft.ones(2))
    with pytest.raises(weft.ShapeError, match="takes 2 arguments, not 1"):
        load(text)(weft.ones(2))


def _forms() -> list[bytes]:
    """One program as text, as bytecode, and as a portable artifact."""
    from jax._src.interpreters.mlir import module_to_bytecode

    exported = export.export(jax.jit(lambda x: jnp.tanh(x) @ x))(jnp.ones((3, 3)))
    text = exported.mlir_module()
    lowered = jax.jit(lambda x: jnp.tanh(x) @ x).lower(jnp.ones((3, 3)))
    bytecode = module_to_bytecode(lowered.compiler_ir("stablehlo"))
    return [text.encode(), bytecode, exported.mlir_module_serialized]


def test_text_bytecode_and_portable_artifacts(tmp_path: Any) -> None:
    x = np.ones((3, 3), np.float32) / 2
    for number, data in enumerate(_forms()):
        path = tmp_path / f"program{number}.mlir"
        path.write_bytes(data)
        for program in (load(data), load(path), load(str(path))):
            np.testing.assert_allclose(np.asarray(program(x)), np.tanh(x) @ x, rtol=1e-6)


def test_damaged_programs_are_file_errors(tmp_path: Any) -> None:
    """Cut and changed at random; what is read all the same is some program."""
    draw = random.Random(1)
    refused = 0
    for data in _forms():
        for _ in range(5):
            damaged = bytearray(data[: draw.randrange(1, len(data))])
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            try:
                load(bytes(damaged))
            except (weft.FileError, weft.UnsupportedError):
                refused += 1
    assert refused > 10
    with pytest.raises(weft.FileError, match=r"nowhere\.mlir"):
        load(tmp_path / "nowhere.mlir")
    with pytest.raises(weft.FileError, match="no StableHLO"):
        load(b"ML\xefR" + bytes(100))
    deep = "func.func @main() {\n" + "(" * 200_000
    with pytest.raises(weft.FileError, match="no StableHLO"):
        load(deep)


def test_a_function_that_calls_itself_is_refused() -> None:
    text = """
func.func @main(%x: tensor<f32>) -> tensor<f32> {
  %0 = call @main(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}"""
    with pytest.raises(weft.UnsupportedError, match="calls itself"):
        load(text)


PROCESSES = """
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "stablehlo.all_reduce"(%x) <{replica_groups = dense<[[0, 2], [1, 3]]> : tensor<2x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
"""


def test_processes_are_examples_of_a_mapped_function() -> None:
    program = load(PROCESSES, processes=("all", 4, 1))
    x = weft.reshape(weft.arange(8, dtype="float32"), (4, 2))
    made = weft.vmap(program, axis_name="all")(x)
    assert made.tolist() == [[4.0, 6.0], [8.0, 10.0], [4.0, 6.0], [8.0, 10.0]]
