"""Random shapes and attributes of the main ops, compared with ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_backend import results_of
from onnx_models import model_of, reference

Random = np.random.Generator
#: Draws of each op.
COUNT = 12


def floats(random: Random, *shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


def pick(random: Random, *values: Any) -> Any:
    return values[int(random.integers(len(values)))]


def check(
    op: str,
    inputs: dict[str, np.ndarray | None],
    terms: int = 1,
    **options: Any,
) -> None:
    """Equal to ONNX Runtime, but for the rounding of sums of so many terms."""
    model = model_of(op, inputs, **options)
    want = reference(model, inputs)
    given = [x for x in inputs.values() if x is not None]
    made = results_of(weft.jit(weft.onnx.load(model))(*given))
    assert len(made) >= len(want)
    for have, expected in zip(made, want, strict=False):
        result = np.asarray(have)
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        if expected.dtype.kind in "iub":
            np.testing.assert_array_equal(result, expected)
            continue
        # Each order of a sum of n terms is off by at most n units of the sum of magnitudes, for
        # which the largest result stands here; each function by some units of its own.
        eps = float(np.finfo(expected.dtype).eps)
        largest = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
        bound = (8 + 2 * math.sqrt(terms)) * eps
        np.testing.assert_allclose(result, expected, rtol=bound, atol=bound * largest)


def conv(random: Random) -> None:
    rank = int(random.integers(1, 4))
    group = pick(random, 1, 1, 2, 3)
    kernel = [int(k) for k in random.integers(1, 4, rank)]
    strides = [int(s) for s in random.integers(1, 3, rank)]
    holes = [int(d) for d in random.integers(1, 3, rank)]
    sizes = [int(s) + d * (k - 1) for s, d, k in zip(random.integers(1, 8, rank), holes, kernel)]
    each, filters = pick(random, 1, 2, 3), pick(random, 1, 2)
    x = floats(random, pick(random, 1, 2), group * each, *sizes)
    w = floats(random, group * filters, each, *kernel)
    options: dict[str, Any] = {"pads": [int(p) for p in random.integers(0, 3, 2 * rank)]}
    if random.random() < 0.3:
        options = {"auto_pad": pick(random, "SAME_UPPER", "SAME_LOWER", "VALID")}
        holes = [1] * rank
    bias = floats(random, group * filters) if random.random() < 0.5 else None
    inputs = {"x": x, "w": w} | ({"b": bias} if bias is not None else {})
    options |= {"strides": strides, "dilations": holes, "group": group}
    check("Conv", inputs, each * math.prod(kernel), **options)


def conv_transpose(random: Random) -> None:
    rank = int(random.integers(1, 3))
    group, each, filters = pick(random, 1, 2), pick(random, 1, 2), pick(random, 1, 3)
    kernel = [int(k) for k in random.integers(1, 4, rank)]
    strides = [int(s) for s in random.integers(1, 4, rank)]
    x = floats(random, pick(random, 1, 2), group * each, *map(int, random.integers(3, 6, rank)))
    w = floats(random, group * each, filters, *kernel)
    pads = [int(p) for p in random.integers(0, 2, 2 * rank)]
    more = [int(random.integers(0, s)) for s in strides]
    options = {"strides": strides, "pads": pads, "output_padding": more, "group": group}
    terms = each * math.prod(kernel)
    check("ConvTranspose", {"x": x, "w": w, "b": floats(random, group * filters)}, terms, **options)


def pool(random: Random) -> None:
    op = pick(random, "MaxPool", "AveragePool", "LpPool")
    rank = int(random.integers(1, 4))
    kernel = [int(k) for k in random.integers(1, 4, rank)]
    x = floats(
        random, pick(random, 1, 2), pick(random, 1, 3), *map(int, random.integers(4, 9, rank))
    )
    pads = [int(random.integers(0, k)) for k in (*kernel, *kernel)]
    options: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": [int(s) for s in random.integers(1, 4, rank)],
        "pads": pads,
    }
    if op != "LpPool":
        options["ceil_mode"] = pick(random, 0, 1)
        options["dilations"] = [1] * rank
    if op == "AveragePool":
        options["count_include_pad"] = pick(random, 0, 1)
    if op == "MaxPool" and random.random() < 0.5:
        options["outputs"] = 2
    check(op, {"x": x}, math.prod(kernel), **options)


def gemm(random: Random) -> None:
    m, k, n = (int(s) for s in random.integers(1, 20, 3))
    trans_a, trans_b = pick(random, 0, 1), pick(random, 0, 1)
    a = floats(random, k, m) if trans_a else floats(random, m, k)
    b = floats(random, n, k) if trans_b else floats(random, k, n)
    c = pick(random, None, floats(random, n), floats(random, m, 1), floats(random, m, n))
    inputs = {"a": a, "b": b} | ({} if c is None else {"c": c})
    options = {"alpha": pick(random, 1.0, 0.5), "beta": pick(random, 1.0, -2.0)}
    check("Gemm", inputs, k, transA=trans_a, transB=trans_b, **options)


def matmul(random: Random) -> None:
    m, k, n = (int(s) for s in random.integers(1, 20, 3))
    batch = pick(random, (), (2,), (3, 1))
    other = pick(random, (), (2,), (1, 2))
    check("MatMul", {"a": floats(random, *batch, m, k), "b": floats(random, *other, k, n)}, k)


def reduction(random: Random) -> None:
    op = pick(random, "Sum", "Mean", "Max", "Min", "L1", "L2", "LogSumExp", "SumSquare", "Prod")
    rank = int(random.integers(1, 5))
    x = floats(random, *map(int, random.integers(1, 6, rank)))
    axes = sorted({int(a) for a in random.integers(-rank, 0, int(random.integers(1, rank + 1)))})
    constants = {"axes": np.array(axes)} if random.random() < 0.8 else {}
    check(f"Reduce{op}", {"x": x}, x.size, constants=constants, keepdims=pick(random, 0, 1))


def place(random: Random) -> None:
    rank = int(random.integers(1, 4))
    x = random.integers(0, 4, random.integers(1, 6, rank)).astype(np.float32)
    options = {"axis": int(random.integers(-rank, rank)), "keepdims": pick(random, 0, 1)}
    op = pick(random, "ArgMax", "ArgMin")
    check(op, {"x": x}, select_last_index=pick(random, 0, 1), **options)


def slices(random: Random) -> None:
    rank = int(random.integers(1, 4))
    x = floats(random, *map(int, random.integers(1, 7, rank)))
    axes = [int(a) for a in random.permutation(rank)[: int(random.integers(1, rank + 1))]]
    bounds = (-9, -3, -1, 0, 1, 2, 5, 2**31 - 1, 2**63 - 1, -(2**63) + 1)
    # Where a step goes backwards, ONNX Runtime takes the largest numbers for the beginning, other
    # than ONNX's reference, which finds nothing there.
    steps = [pick(random, 1, 1, 2, 3, -1, -2) for _ in axes]
    ends = [pick(random, *(bounds if step > 0 else bounds[:7])) for step in steps]
    constants = {
        "starts": np.array([pick(random, *bounds) for _ in axes]),
        "ends": np.array(ends),
        "axes": np.array(axes),
        "steps": np.array(steps),
    }
    check("Slice", {"x": x}, constants=constants)


def pad(random: Random) -> None:
    rank = int(random.integers(1, 4))
    x = floats(random, *map(int, random.integers(4, 7, rank)))
    mode = pick(random, "constant", "reflect", "edge", "wrap")
    pads = random.integers(0 if mode != "constant" else -1, 4, 2 * rank)
    constants = {"pads": pads}
    if mode == "constant":
        constants["value"] = np.float32(1.5)
    check("Pad", {"x": x}, constants=constants, mode=mode)


def resize(random: Random) -> None:
    mode = pick(random, "nearest", "linear", "cubic")
    x = floats(random, 1, 2, *map(int, random.integers(3, 8, 2)))
    how = pick(random, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    constants: dict[str, np.ndarray] = {"roi": np.zeros(0, np.float32)}
    sizes = [1, 2, *map(int, random.integers(2, 12, 2))]
    constants |= {"scales": np.zeros(0, np.float32), "sizes": np.array(sizes)}
    options = {"mode": mode, "coordinate_transformation_mode": how}
    if mode == "nearest":
        # Places that lie halfway may be rounded to either side before the mode sees them.
        options |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        constants["sizes"] = np.array([1, 2, x.shape[2] * 2, x.shape[3] * 4])
    check("Resize", {"x": x}, 64, constants=constants, **options)


def gather(random: Random) -> None:
    op = pick(random, "Gather", "GatherElements")
    rank = int(random.integers(1, 4))
    x = floats(random, *map(int, random.integers(1, 6, rank)))
    axis = int(random.integers(-rank, rank))
    shape = list(x.shape) if op == "GatherElements" else [2, 3]
    if op == "GatherElements":
        shape[axis] = 4
    size = x.shape[axis]
    check(op, {"x": x, "i": random.integers(-size, size, shape)}, axis=axis)


def gather_rows(random: Random) -> None:
    rank = int(random.integers(3, 5))
    batch = pick(random, 0, 1)
    first = pick(random, 0, 2) if batch else 3
    x = floats(random, first, *map(int, random.integers(1, 4, rank - 2)), pick(random, 0, 1, 3))
    depth = int(random.integers(1, rank - batch))
    shape = (*x.shape[:batch], *pick(random, (), (2,), (0, 3)))
    columns = [random.integers(-n, n, shape) for n in x.shape[batch : batch + depth]]
    check("GatherND", {"x": x, "i": np.stack(columns, -1)}, batch_dims=batch)


def scatter_rows(random: Random) -> None:
    x = floats(random, 3, 2, pick(random, 0, 1, 4))
    depth, count = pick(random, 1, 2), pick(random, 0, 1, 3)
    rows = random.permutation(math.prod(x.shape[:depth]))[:count]
    places = np.stack(np.unravel_index(rows, x.shape[:depth]), -1)
    updates = floats(random, count, *x.shape[depth:])
    check("ScatterND", {"x": x, "i": places, "u": updates})


def most(random: Random) -> None:
    """Up to opset 9 the count is an attribute."""
    rank = int(random.integers(1, 4))
    x = random.integers(0, 9, random.integers(1, 6, rank)).astype(np.float32)
    axis, opset = int(random.integers(-rank, rank)), pick(random, 7, 9, 10, 11, 20)
    k = int(random.integers(1, x.shape[axis] + 1))
    if opset < 10:
        check("TopK", {"x": x}, axis=axis if axis >= 0 else -1, k=1, outputs=2, opset=opset)
        return
    largest = {"largest": pick(random, 0, 1)} if opset > 10 else {}
    constants = {"k": np.array([k])}
    check("TopK", {"x": x}, axis=axis, outputs=2, opset=opset, constants=constants, **largest)


def scatter(random: Random) -> None:
    rank = int(random.integers(1, 4))
    x = floats(random, *map(int, random.integers(2, 6, rank)))
    axis = int(random.integers(-rank, rank))
    reduction_of = pick(random, "none", "add", "mul", "max", "min")
    order = np.argsort(random.random(x.shape), axis=axis)
    updates = floats(random, *x.shape)
    check("ScatterElements", {"x": x, "i": order, "u": updates}, axis=axis, reduction=reduction_of)


def recurrent(random: Random) -> None:
    op, gates = pick(random, ("RNN", 1), ("GRU", 3), ("LSTM", 4))
    direction = pick(random, "forward", "reverse", "bidirectional")
    count = 2 if direction == "bidirectional" else 1
    t, n, i, h = (int(s) for s in random.integers(1, 6, 4))
    inputs: dict[str, np.ndarray | None] = {
        "x": floats(random, t, n, i),
        "w": floats(random, count, gates * h, i),
        "r": floats(random, count, gates * h, h),
        "b": floats(random, count, 2 * gates * h) if random.random() < 0.7 else None,
        "lengths": random.integers(1, t + 1, n).astype(np.int32) if random.random() < 0.5 else None,
        "h": floats(random, count, n, h) if random.random() < 0.5 else None,
    }
    options: dict[str, Any] = {"hidden_size": h, "direction": direction, "outputs": 2}
    if op == "LSTM":
        inputs["c"] = floats(random, count, n, h) if random.random() < 0.5 else None
        inputs["p"] = floats(random, count, 3 * h) if random.random() < 0.3 else None
        options["outputs"] = 3
    if op == "GRU":
        options["linear_before_reset"] = pick(random, 0, 1)
    while inputs[list(inputs)[-1]] is None:
        inputs.popitem()
    check(op, inputs, 64 * t * max(i, h), **options)


def normalization(random: Random) -> None:
    op = pick(random, "LayerNormalization", "InstanceNormalization", "BatchNormalization", "LRN")
    c = pick(random, 1, 2, 5)
    x = floats(random, pick(random, 1, 3), c, *map(int, random.integers(2, 6, 2)))
    s, b = floats(random, c), floats(random, c)
    if op == "LRN":
        check(op, {"x": x}, size=pick(random, 1, 3, 5), alpha=0.5, beta=0.6, bias=1.5)
    elif op == "BatchNormalization":
        inputs = {"x": x, "s": s, "b": b, "m": floats(random, c), "v": floats(random, c) ** 2}
        check(op, inputs, epsilon=1e-3)
    elif op == "InstanceNormalization":
        # ONNX Runtime adds x to its negative, rounded, both divided by what a variance of 0 leaves.
        x, least = pick(random, (x, 1), (x[:, :, :1, :1], 1000))
        check(op, {"x": x, "s": s, "b": b}, x[0, 0].size * 64 * least, epsilon=1 / 1000)
    else:
        axis = int(random.integers(-3, 0))
        x = x.astype(pick(random, np.float32, np.float64))
        s, b = (floats(random, *x.shape[axis:]).astype(x.dtype) for _ in range(2))
        inputs = {"x": x, "s": s, "b": b}
        check(op, inputs, s.size * 64, axis=axis, epsilon=1e-3, outputs=pick(random, 1, 3))


def softmax(random: Random) -> None:
    op = pick(random, "Softmax", "LogSoftmax")
    x = floats(random, *map(int, random.integers(1, 9, 3)))
    check(op, {"x": x}, x.size, axis=int(random.integers(-3, 3)), opset=pick(random, 11, 13, 20))


def quantised(random: Random) -> None:
    m, k, n = (int(s) for s in random.integers(1, 20, 3))
    a = random.integers(0, 256, (m, k)).astype(np.uint8)
    b = random.integers(-128, 128, (k, n)).astype(np.int8)
    op = pick(random, "MatMulInteger", "QuantizeLinear", "DequantizeLinear")
    if op == "MatMulInteger":
        inputs = {"a": a, "b": b, "az": np.uint8(7), "bz": np.zeros(n, np.int8) + 3}
        check(op, {key: np.asarray(x) for key, x in inputs.items()})
        return
    scale, zero = np.float32(random.random() + 0.01), random.integers(0, 256, ()).astype(np.uint8)
    x = floats(random, m, k) * 20 if op == "QuantizeLinear" else a
    check(op, {"x": x, "s": np.asarray(scale), "z": np.asarray(zero)})


def microsoft(random: Random) -> None:
    n, t, heads, e = 2, int(random.integers(1, 9)), pick(random, 1, 2, 4), pick(random, 4, 8)
    hidden = heads * e
    x = floats(random, n, t, hidden)
    op = pick(random, "Attention", "Gelu", "FastGelu", "BiasGelu", "SkipLayerNormalization")
    if op == "Attention":
        mask = random.integers(0, 2, (n, t)).astype(np.int32)
        mask[:, 0] = 1
        w = floats(random, hidden, 3 * hidden) / math.sqrt(hidden)
        inputs = {"x": x, "w": w, "b": floats(random, 3 * hidden), "m": mask}
        check(op, inputs, 64 * hidden, domain="com.microsoft", num_heads=heads)
    elif op == "SkipLayerNormalization":
        inputs = {"x": x, "k": floats(random, *x.shape)}
        inputs |= {"g": floats(random, hidden), "b": floats(random, hidden)}
        check(op, inputs, 64 * hidden, domain="com.microsoft", epsilon=1e-5)
    else:
        inputs = {"x": x} | ({"b": floats(random, hidden)} if op == "BiasGelu" else {})
        check(op, inputs, 64, domain="com.microsoft")


CASES: list[Callable[[Random], None]] = [
    *(conv, conv_transpose, pool, gemm, matmul, reduction, place, slices, pad, resize, gather),
    *(
        gather_rows,
        scatter_rows,
        most,
        scatter,
        recurrent,
        normalization,
        softmax,
        quantised,
        microsoft,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_equal_to_onnx_runtime(case: Callable[[Random], None]) -> None:
    for seed in range(COUNT):
        case(np.random.default_rng([seed, len(case.__name__)]))
