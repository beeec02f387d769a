"""Weights of few bits in ONNX files: as small there, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from weft import nn

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx_models import reference  # noqa: E402

FORMATS = [
    (weights, group, symmetric)
    for weights in ("int8", "int4")
    for group in (None, 16)
    for symmetric in (True, False)
]


def network(**options: Any) -> nn.Module:
    weft.manual_seed(3)
    model = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 40, bias=False))
    weft.quantize(model, **options)
    return model


def written(model: Any, path: Path, *given: Any) -> Any:
    weft.onnx.save(weft.export(model, *given), path)
    return onnx.load(path)


def kinds(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


def bound_of(model: nn.Module, x: np.ndarray) -> float:
    """Chains of as many products as rows are long, summed in two orders, and a GELU between them,
    whose slope is below 1.13."""
    hidden = np.abs(x) @ np.abs(np.array(model[0].dequantized())).T
    hidden = (hidden + np.abs(np.array(model[0].bias))) * 1.13 + 1
    most = (hidden @ np.abs(np.array(model[2].dequantized())).T).max()
    return float(most * 2 * (64 + 96 + 8) * 2.0**-24)


@pytest.mark.parametrize(("weights", "group", "symmetric"), FORMATS)
@pytest.mark.parametrize("activations", [None, "int8", "int8_static"])
def test_files_are_as_small_and_compute_the_same(
    weights: str, group: int | None, symmetric: bool, activations: str | None, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    options = {"symmetric": symmetric, "activations": activations, "calibration": [weft.asarray(x)]}
    model = network(weights=weights, group=group, **options)
    made = written(model, path := tmp_path / "model.onnx", weft.spec(("rows", 64)))
    numbers = (64 * 96 + 96 * 40) * (8 if weights == "int8" else 4) // 8
    groups = (64 // (group or 64)) * 96 + (96 // (group or 96)) * 40
    assert path.stat().st_size < numbers + groups * (4 if symmetric else 5) + 96 * 4 + 5000
    assert kinds(made).count("MatMul") == 2
    assert kinds(made).count("DequantizeLinear") == (4 if activations else 2)
    assert kinds(made).count("QuantizeLinear") == (2 if activations else 0)
    names = {each.name: each.data_type for each in made.graph.initializer}
    four = onnx.TensorProto.INT4 if symmetric else onnx.TensorProto.UINT4
    assert names["0.weight"] == (onnx.TensorProto.INT8 if weights == "int8" else four)
    expected, inputs = np.array(model(weft.asarray(x))), {made.graph.input[0].name: x}
    bound = bound_of(model, x)
    if activations:  # A number that lies between two steps may become either.
        step = np.abs(np.array(model[2].dequantized())).max(axis=0).max() * 0.1
        bound = max(bound, float(step))
    assert np.abs(reference(made, inputs)[0] - expected).max() <= bound
    back = np.array(weft.onnx.load(path)(x))
    assert back.tobytes() == expected.tobytes()


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_onnx_runtime_keeps_the_numbers_when_it_rewrites_the_graph(
    weights: str, tmp_path: Path
) -> None:
    model = network(weights=weights, group=32)
    x = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    path = tmp_path / "model.onnx"
    made = written(model, path, weft.spec(("rows", 64)))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "rewritten.onnx")
    options.log_severity_level = 4
    engine = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    result = engine.run(None, {made.graph.input[0].name: x})[0]
    expected = np.array(model(weft.asarray(x)))
    # Its own kernels round activations to 8 bits, unless they are told not to.
    assert np.abs(result - expected).max() <= 0.03 * np.abs(expected).max()
    assert kinds(onnx.load(tmp_path / "rewritten.onnx")).count("MatMulNBits") == 2


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("is_shared", [False, True])
def test_tables_are_as_small(weights: str, is_shared: bool, tmp_path: Path) -> None:
    """Rows are gathered from the bytes, also where a product reads the same."""
    weft.manual_seed(0)
    table, head = nn.Embedding(300, 64), nn.Linear(64, 300, bias=False)
    if is_shared:
        head.weight = table.weight
    model = nn.Sequential(table, head) if is_shared else table
    weft.quantize(holder := nn.Sequential(model), weights=weights, group=32, symmetric=False)
    tokens = np.array([[3, 1, 299, 0]])
    made = written(holder, path := tmp_path / "model.onnx", weft.asarray(tokens))
    assert path.stat().st_size < 300 * 64 * (1 if weights == "int8" else 0.5) * 1.4 + 6000
    result = reference(made, {made.graph.input[0].name: tokens})[0]
    expected = np.array(holder(weft.asarray(tokens)))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=64 * 2.0**-20)
    if not is_shared:
        assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("weights", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("group", [None, 16])
def test_floats_of_8_bits(weights: str, group: int | None, tmp_path: Path) -> None:
    model = network(weights=weights, group=group)
    x = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    made = written(model, path := tmp_path / "model.onnx", weft.spec(("rows", 64)))
    assert kinds(made).count("DequantizeLinear") == 2
    assert path.stat().st_size < (64 * 96 + 96 * 40) * 1.25 + 6000
    expected = np.array(model(weft.asarray(x)))
    result = reference(made, {made.graph.input[0].name: x})[0]
    assert np.abs(result - expected).max() <= bound_of(model, x)
    assert np.abs(np.array(weft.onnx.load(path)(x)) - expected).max() <= bound_of(model, x)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (1, 1), (2, 1)])
def test_small_layers(shape: tuple[int, int], tmp_path: Path) -> None:
    layer = nn.QuantizedLinear.of(nn.Linear(*shape), bits=8)
    x = np.ones((2, shape[0]), np.float32)
    made = written(layer.__call__, tmp_path / "model.onnx", weft.asarray(x))
    result = reference(made, {made.graph.input[0].name: x})[0]
    np.testing.assert_allclose(result, np.array(layer(weft.asarray(x))), rtol=1e-6)


def test_weights_that_are_arguments_are_written_by_their_definition(tmp_path: Path) -> None:
    packed = nn.QuantizedLinear.of(nn.Linear(24, 5), 4, 8, symmetric=False).packed
    arrays = [np.array(each) for each in (packed.numbers, packed.scale, packed.zero)]

    def call(x: Any, numbers: Any, scale: Any, zero: Any) -> Any:
        return type(packed)(numbers, scale, zero, 4).product(x)

    x = np.random.default_rng(0).standard_normal((3, 24)).astype(np.float32)
    given = [weft.asarray(each) for each in (x, *arrays)]
    made = written(call, tmp_path / "model.onnx", *given)
    names = [each.name for each in made.graph.input]
    result = reference(made, dict(zip(names, (x, *arrays), strict=True)))[0]
    np.testing.assert_allclose(result, np.array(call(*given)), rtol=1e-5, atol=1e-6)


# Files of others --------------------------------------------------------------------------------


def read_back(model: Any, x: np.ndarray, sizes: dict[str, tuple[int, ...]]) -> None:
    """ONNX Runtime's numbers, from buffers of these shapes and no weight in float32."""
    onnx.checker.check_model(model, full_check=True)
    loaded = weft.onnx.load(model)
    state = {name: tuple(value.shape) for name, value in loaded.state_dict().items()}
    assert state == sizes
    expected = reference(model, {"x": x})[0]
    bound = x.shape[-1] * 2.0**-23 * np.abs(x).max() * 200
    for made in (loaded(x), weft.jit(loaded)(x)):
        np.testing.assert_allclose(np.array(made), expected, rtol=1e-5, atol=bound)


def model_of(nodes: list[Any], shape: tuple[int, ...], arrays: list[Any]) -> Any:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (*shape[:-1], "rows"))
    graph = onnx.helper.make_graph(nodes, "few_bits", [x], [y], arrays)
    opset = [onnx.helper.make_opsetid("", 21)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)


KINDS = {"INT8": (-128, 127), "UINT8": (0, 255), "INT4": (-8, 7), "UINT4": (0, 15)}


@pytest.mark.parametrize("seed", range(40))
def test_products_by_dequantised_initializers_read_them_packed(seed: int) -> None:
    generator = np.random.default_rng(seed)
    kind = str(generator.choice([*KINDS]))
    size, groups, rows = int(generator.choice([2, 4, 6, 16])), int(generator.choice([1, 3])), 5
    width, is_block = size * groups, groups > 1 or bool(generator.integers(2))
    is_turned, has_zero = bool(generator.integers(2)), bool(generator.integers(2))
    whole = not is_block and bool(generator.integers(2))
    depth = 0 if is_turned else 1
    shape = (width, rows) if is_turned else (rows, width)
    factors = (groups, rows) if is_turned else (rows, groups)
    factors = factors if is_block else () if whole else (rows,)
    element = getattr(onnx.TensorProto, kind)

    def drawn(name: str, shape: tuple[int, ...]) -> Any:
        numbers = generator.integers(*KINDS[kind], shape, endpoint=True)
        return onnx.helper.make_tensor(name, element, shape, numbers.reshape(-1).tolist())

    scale = generator.standard_normal(factors).astype(np.float32)
    arrays = [drawn("w", shape), onnx.numpy_helper.from_array(scale, "s")]
    arrays += [drawn("z", factors)] if has_zero else []
    names = [array.name for array in arrays]
    options = {"axis": depth, "block_size": size} if is_block else {"axis": 1 - depth}
    nodes = [onnx.helper.make_node("DequantizeLinear", names, ["d"], **options)]
    form = str(generator.choice(["MatMul", "Gemm"]))
    if form == "MatMul":
        nodes += [onnx.helper.make_node("Transpose", ["d"], ["t"], perm=[1, 0])] * (not is_turned)
        nodes += [onnx.helper.make_node("MatMul", ["x", "d" if is_turned else "t"], ["y"])]
        x = generator.standard_normal((2, 3, width)).astype(np.float32)
    else:
        arrays += [onnx.numpy_helper.from_array(np.ones(rows, np.float32), "c")]
        options = {"transB": int(not is_turned), "alpha": 0.5, "beta": 2.0}
        nodes += [onnx.helper.make_node("Gemm", ["x", "d", "c"], ["y"], **options)]
        x = generator.standard_normal((7, width)).astype(np.float32)
    four = kind.endswith("4")
    sizes = {"w": (rows, groups, size // 2 if four else size), "s": (rows, groups)}
    counts = has_zero or kind.startswith("U")  # From a zero that is not the usual one.
    sizes |= ({"z": (rows, groups)} if has_zero else {"w_zero": (rows, groups)}) if counts else {}
    sizes |= {"c": (rows,)} if form == "Gemm" else {}
    made = model_of(nodes, x.shape, arrays)
    if counts and has_zero and kind in ("INT8", "INT4"):
        zero = onnx.numpy_helper.to_array(arrays[2])
        if not zero.astype(np.int32).any():
            del sizes["z"]
    read_back(made, x, sizes)


def test_other_readers_keep_the_weight() -> None:
    """An output, a sum, and a scale for each row of the depth."""
    weight = np.arange(12, dtype=np.int8).reshape(4, 3)
    arrays = [onnx.numpy_helper.from_array(weight, "w")]
    arrays += [onnx.numpy_helper.from_array(np.full(3, 0.5, np.float32), "s")]
    nodes = [
        onnx.helper.make_node("DequantizeLinear", ["w", "s"], ["d"], axis=1),
        onnx.helper.make_node("MatMul", ["x", "d"], ["p"]),
        onnx.helper.make_node("ReduceSum", ["d"], ["sum"], keepdims=0),
        onnx.helper.make_node("Add", ["p", "sum"], ["y"]),
    ]
    x = np.ones((2, 4), np.float32)
    read_back(model_of(nodes, (2, 4), arrays), x, {"w": (4, 3), "s": (3,)})
    arrays[1] = onnx.numpy_helper.from_array(np.full(4, 0.5, np.float32), "s")
    nodes[0] = onnx.helper.make_node("DequantizeLinear", ["w", "s"], ["d"], axis=0)
    nodes[1:] = [onnx.helper.make_node("MatMul", ["x", "d"], ["y"])]
    read_back(model_of(nodes, (2, 4), arrays), x, {"w": (4, 3), "s": (4,)})
