"""Files that ONNX Runtime's tools quantised, and products of whole numbers: its values."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper  # noqa: E402
from onnx_models import reference  # noqa: E402
from onnxruntime.quantization import (  # noqa: E402
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

Random = np.random.Generator
KINDS = {"int8": (-128, 127), "uint8": (0, 255)}


def built(nodes: list[Any], x: Any, arrays: dict[str, np.ndarray], domains: tuple = ()) -> Any:
    """A model of the input x, an array or the names and sizes of one of float32."""
    shape, element = (
        (x.shape, helper.np_dtype_to_tensor_dtype(x.dtype)) if hasattr(x, "shape") else (x, 1)
    )
    rows = [helper.make_tensor_value_info("x", element, shape)]
    held = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "graph", rows, [onnx.ValueInfoProto(name="y")], held)
    imports = [helper.make_opsetid("", 21), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def drawn(random: Random, kind: str, *shape: int) -> np.ndarray:
    return random.integers(*KINDS[kind], shape, endpoint=True).astype(kind)


def either(random: Random) -> str:
    return str(random.choice([*KINDS]))


def made_by_weft(model: Any, x: np.ndarray) -> np.ndarray:
    loaded = weft.onnx.load(model)
    eager, compiled = np.array(loaded(x)), np.array(weft.jit(loaded)(x))
    assert eager.tobytes() == compiled.tobytes()
    return eager


@pytest.mark.parametrize("seed", range(30))
def test_products_of_quantised_activations_read_whole_numbers(seed: int) -> None:
    """QuantizeLinear, DequantizeLinear, and one or two products that share what they are given."""
    random = np.random.default_rng(seed)
    width, rows, kind, of_x = int(random.choice([1, 3, 16, 70])), 5, either(random), either(random)
    x = random.standard_normal((int(random.choice([0, 1, 7])), width)).astype(np.float32)
    step = np.float32(random.choice([0.02, 0.1]))
    arrays = {"xs": np.full((1,) if random.integers(2) else (), step)}
    arrays |= {"xz": drawn(random, of_x, *arrays["xs"].shape)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"])]
    nodes += [helper.make_node("DequantizeLinear", ["q", "xs", "xz"], ["d"])]
    results = []
    for i in range(int(random.integers(1, 3))):
        arrays[f"w{i}"] = drawn(random, kind, width, rows)
        scale = random.random(rows if random.integers(2) else ()).astype(np.float32) + 0.1
        zero = drawn(random, kind, *scale.shape) * np.array(random.integers(2), kind)
        arrays |= {f"s{i}": scale.astype(np.float32), f"z{i}": zero.astype(kind)}
        names = [f"w{i}", f"s{i}", f"z{i}"]
        nodes += [helper.make_node("DequantizeLinear", names, [f"v{i}"], axis=1)]
        if random.integers(2):
            nodes += [helper.make_node("MatMul", ["d", f"v{i}"], [f"p{i}"])]
        else:
            arrays[f"c{i}"] = random.standard_normal(rows).astype(np.float32)
            given, options = ["d", f"v{i}", f"c{i}"], {"alpha": 0.5, "beta": 2.0}
            nodes += [helper.make_node("Gemm", given, [f"p{i}"], **options)]
        results.append(f"p{i}")
    nodes += [helper.make_node("Sum", results, ["y"])]
    model = built(nodes, x, arrays)
    made = made_by_weft(model, x)
    packed = [node.name for node in weft.onnx.load(model)._program.graph.nodes]
    assert packed.count("weft.PackedDot") == len(results)
    assert "DequantizeLinear" not in packed
    steps = np.clip(np.rint(x / step) + arrays["xz"], *KINDS[of_x]).astype(np.float64)
    bound, size = np.full((len(x), rows), 1e-6), np.abs(steps - arrays["xz"]) * step
    for i in range(len(results)):
        wide = (arrays[f"w{i}"].astype(np.float64) - arrays[f"z{i}"]) * arrays[f"s{i}"]
        # Two chains; the numbers as they are kept may be 128 further from 0.
        bound += (size + 128 * step) @ np.abs(wide) * 2 * (width + 8) * 2.0**-24
        bound += np.abs(arrays.get(f"c{i}", np.zeros(1))) * 2.0**-20
    assert (np.abs(made - reference(model, {"x": x})[0]) <= bound).all()


def test_other_readers_of_quantised_activations_stay() -> None:
    """What an output reads, or a sum, is dequantised; numbers of 16 bits are no bytes."""
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    arrays = {"s": np.float32(0.01).reshape(()), "z": np.array(3, np.int8)}
    arrays |= {"w": np.arange(16, dtype=np.int8).reshape(4, 4), "t": np.float32(0.5).reshape(())}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "t"], ["v"]),
        helper.make_node("MatMul", ["d", "v"], ["p"]),
        helper.make_node("Add", ["p", "d"], ["y"]),
    ]
    for zero in (np.array(3, np.int8), np.array(3, np.int16)):
        model = built(nodes, x, arrays | {"z": zero})
        np.testing.assert_allclose(
            made_by_weft(model, x), reference(model, {"x": x})[0], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("seed", range(40))
def test_products_of_integers_are_exact(seed: int) -> None:
    """Zero points of all, of rows and of columns; sums that float32 does not hold."""
    random = np.random.default_rng(seed)
    m, k, n = (int(random.choice(sizes)) for sizes in ((0, 1, 5), (1, 3, 512, 513, 1500), (1, 6)))
    kinds = either(random), either(random)
    batch = (2,) if random.integers(2) else ()
    a, b = drawn(random, kinds[0], *batch, m, k), drawn(random, kinds[1], k, n)
    if random.integers(3) == 0:  # The largest sums that there are.
        a[...], b[...] = KINDS[kinds[0]][1], KINDS[kinds[1]][0]
    arrays, names, wide = {"b": b}, ["x", "b"], [a.astype(np.int64), b.astype(np.int64)]
    if random.integers(4):
        zero = drawn(random, kinds[0], *([(m,), ()][int(random.integers(2))] if not batch else ()))
        arrays, names = arrays | {"az": zero}, [*names, "az"]
        wide[0] = wide[0] - (zero[:, None] if zero.ndim else zero)
        if random.integers(2):
            zero = drawn(random, kinds[1], *[(n,), ()][int(random.integers(2))])
            arrays, names = arrays | {"bz": zero}, [*names, "bz"]
            wide[1] = wide[1] - zero
    model = built([helper.make_node("MatMulInteger", names, ["y"])], a, arrays)
    np.testing.assert_array_equal(made_by_weft(model, a), wide[0] @ wide[1])


@pytest.mark.parametrize("seed", range(12))
def test_products_that_become_floats(seed: int) -> None:
    """com.microsoft.MatMulIntegerToFloat: scales of all and of columns, zero points, a bias."""
    random = np.random.default_rng(seed)
    m, k, n = (int(random.integers(1, 40)) for _ in range(3))
    of_a, of_b = "uint8", either(random)
    a, step = drawn(random, of_a, m, k), random.random(n if random.integers(2) else 1) + 0.1
    arrays = {"b": drawn(random, of_b, k, n), "as": np.float32([0.5]), "bs": np.float32(step)}
    arrays |= {"az": drawn(random, of_a, 1), "bz": drawn(random, of_b, len(step))}
    arrays |= {"c": random.standard_normal(n).astype(np.float32)}
    names = ["x", "b", "as", "bs", *["az", "bz", "c"][: int(random.integers(4))]]
    node = helper.make_node("MatMulIntegerToFloat", names, ["y"], domain="com.microsoft")
    model = built([node], a, arrays, ("com.microsoft",))
    expected = reference(model, {"x": a})[0]
    # The sums are exact; a product and an addition round.
    np.testing.assert_allclose(made_by_weft(model, a), expected, rtol=1e-6, atol=1e-6 * k * 255**2)


@pytest.mark.parametrize("seed", range(12))
def test_images_whose_channels_are_behind(seed: int) -> None:
    """com.microsoft.QLinearGlobalAveragePool and QLinearAveragePool with `channels_last`."""
    random = np.random.default_rng(seed)
    kind, (h, w, c) = either(random), (int(random.integers(2, 9)) for _ in range(3))
    x = drawn(random, kind, 2, h, w, c)
    arrays = {"s": np.float32(0.1), "z": drawn(random, kind), "t": np.float32(0.07)}
    arrays |= {"u": drawn(random, kind)}
    name, options = "QLinearGlobalAveragePool", {}
    if random.integers(2):
        name, options = "QLinearAveragePool", {"kernel_shape": [2, 2], "strides": [1, 2]}
    node = helper.make_node(
        name, ["x", *"sztu"], ["y"], domain="com.microsoft", channels_last=1, **options
    )
    model = built(
        [node], x, {key: np.asarray(each) for key, each in arrays.items()}, (node.domain,)
    )
    expected, made = reference(model, {"x": x})[0], made_by_weft(model, x)
    # A mean between two steps may become either.
    assert np.abs(made.astype(int) - expected).max() <= 1


# Models that the tools of ONNX Runtime wrote ------------------------------------------------------


class Batches(CalibrationDataReader):
    def __init__(self, batches: list[np.ndarray]) -> None:
        self.left = [{"x": each} for each in batches]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.left.pop() if self.left else None


def dense(random: Random) -> tuple[Any, tuple[int, ...]]:
    width = first = int(random.choice([5, 16, 33]))
    nodes, arrays, last = [], {}, "x"
    for i in range(int(random.integers(1, 4))):
        rows = int(random.choice([1, 7, 32]))
        weight = random.standard_normal((rows, width)).astype(np.float32)
        arrays[f"b{i}"] = random.standard_normal(rows).astype(np.float32)
        if random.integers(2):
            arrays[f"w{i}"] = weight
            nodes += [helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"h{i}"], transB=1)]
        else:
            arrays[f"w{i}"] = np.ascontiguousarray(weight.T)
            nodes += [helper.make_node("MatMul", [last, f"w{i}"], [f"m{i}"])]
            nodes += [helper.make_node("Add", [f"m{i}", f"b{i}"], [f"h{i}"])]
        act = str(random.choice(["Relu", "Sigmoid", "LeakyRelu", "Tanh"]))
        nodes += [helper.make_node(act, [f"h{i}"], [last := f"a{i}"])]
        width = rows
    nodes += [helper.make_node("Softmax", [last], ["y"], axis=-1)]
    return built(nodes, ("batch", first), arrays), (4, first)


def images(random: Random) -> tuple[Any, tuple[int, ...]]:
    width = first = int(random.choice([1, 3]))
    nodes, arrays, last = [], {}, "x"
    for i in range(2):
        rows = int(random.choice([2, 5]))
        arrays[f"w{i}"] = random.standard_normal((rows, width, 3, 3)).astype(np.float32)
        arrays[f"b{i}"] = random.standard_normal(rows).astype(np.float32)
        nodes += [helper.make_node("Conv", [last, f"w{i}", f"b{i}"], [f"h{i}"], pads=[1] * 4)]
        nodes += [helper.make_node("Relu", [f"h{i}"], [f"a{i}"])]
        pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
        kind = str(random.choice(["MaxPool", "AveragePool"]))
        nodes += [helper.make_node(kind, [f"a{i}"], [last := f"p{i}"], **pool)]
        width = rows
    arrays["w"] = random.standard_normal((width, 3)).astype(np.float32)
    nodes += [helper.make_node("GlobalAveragePool", [last], ["g"])]
    nodes += [
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    return built(nodes, ("batch", first, 8, 8), arrays), (4, first, 8, 8)


def attention(random: Random) -> tuple[Any, tuple[int, ...]]:
    arrays = {f"w{x}": random.standard_normal((16, 16)).astype(np.float32) for x in "qkv"}
    arrays["wo"] = random.standard_normal((32, 16)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", f"w{x}"], [x]) for x in "qkv"]
    nodes += [
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["o"]),
        helper.make_node("Add", ["o", "x"], ["r"]),
        helper.make_node("Concat", ["r", "x"], ["c"], axis=-1),
        helper.make_node("MatMul", ["c", "wo"], ["y"]),
    ]
    return built(nodes, ("batch", 6, 16), arrays), (4, 6, 16)


def quantised(model: Any, batches: list[np.ndarray], folder: Path) -> Iterator[Any]:
    onnx.save(onnx.shape_inference.infer_shapes(model), source := folder / "wide.onnx")
    target = folder / "narrow.onnx"
    for per_channel in (False, True):
        for weights in (QuantType.QInt8, QuantType.QUInt8):
            quantize_dynamic(source, target, per_channel=per_channel, weight_type=weights)
            yield onnx.load(target)
        for form in (QuantFormat.QDQ, QuantFormat.QOperator):
            for given in (QuantType.QUInt8, QuantType.QInt8):
                quantize_static(
                    source,
                    target,
                    Batches(batches),
                    quant_format=form,
                    per_channel=per_channel,
                    activation_type=given,
                    weight_type=QuantType.QInt8,
                )
                yield onnx.load(target)


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("network", [dense, images, attention])
@pytest.mark.parametrize("seed", range(3))
def test_models_that_were_quantised_by_others(network: Any, seed: int, tmp_path: Path) -> None:
    """A number between two steps may become either, in both; then later ones differ by as much as
    quantising changed them. That is rare."""
    random = np.random.default_rng(seed)
    model, shape = network(random)
    batches = [random.standard_normal(shape).astype(np.float32) for _ in range(3)]
    x, wide = batches[0], reference(model, {"x": batches[0]})[0]
    equal = 0
    for each in (found := list(quantised(model, batches, tmp_path))):
        expected, made = reference(each, {"x": x})[0], made_by_weft(each, x)
        assert made.dtype == expected.dtype
        assert made.shape == expected.shape
        change = np.abs(made - expected).max()
        equal += bool(change <= 1e-5 * np.abs(expected).max())
        assert change <= np.abs(wide - expected).max()
    assert equal >= len(found) - 2


def reference_convolution(x: np.ndarray, w: np.ndarray, group: int, pad: int) -> np.ndarray:
    """Of whole numbers, in int64."""
    wide = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, w.shape[2:], axis=(2, 3))
    inner, made = w.shape[1], w.shape[0] // group
    return np.concatenate(
        [
            np.einsum(
                "nchwij,ocij->nohw",
                windows[:, part * inner : (part + 1) * inner],
                w[part * made : (part + 1) * made].astype(np.int64),
            )
            for part in range(group)
        ],
        axis=1,
    )


@pytest.mark.parametrize("seed", range(24))
def test_convolutions_of_whole_numbers_are_exact(seed: int) -> None:
    """Also where sums are as large as they can be, and float32 does not hold them."""
    random = np.random.default_rng(seed)
    of_x, of_w, group = either(random), either(random), int(random.choice([1, 1, 2]))
    inner, window = int(random.choice([1, 3, 70, 300])), int(random.choice([1, 3, 5]))
    x = drawn(random, of_x, int(random.choice([0, 1, 2])), group * inner, 6, 5)
    w = drawn(random, of_w, group * 2, inner, window, window)
    zeros = [drawn(random, kind) * np.array(random.integers(2), kind) for kind in (of_x, of_w)]
    if random.integers(2):
        x[:], w[:] = KINDS[of_x][1], KINDS[of_w][1]
        zeros = [np.array(KINDS[kind][0], kind) for kind in (of_x, of_w)]
    arrays = {"w": w, "xz": np.array(zeros[0], of_x), "wz": np.array(zeros[1], of_w)}
    pad = window // 2
    node = helper.make_node(
        "ConvInteger", ["x", "w", "xz", "wz"], ["y"], group=group, pads=[pad] * 4
    )
    differences = [
        each.astype(np.int64) - int(zero) for each, zero in zip((x, w), zeros, strict=True)
    ]
    expected = reference_convolution(*differences, group, pad)
    np.testing.assert_array_equal(made_by_weft(built([node], x, arrays), x), expected)
