"""Whole ONNX models as modules: parameters, transforms, sizes, files and what is wrong in them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FLOAT = TensorProto.FLOAT


def value(name: str, shape: Any, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(nodes: Any, inputs: Any, outputs: Any, arrays: Any = (), **options: Any) -> Any:
    initializers = [numpy_helper.from_array(x, name) for name, x in dict(arrays).items()]
    graph = helper.make_graph(nodes, "model", inputs, outputs, initializers)
    imports = options.pop("imports", [helper.make_opsetid("", 20)])
    return helper.make_model(graph, opset_imports=imports, ir_version=10, **options)


def network(seed: int = 0) -> tuple[Any, dict[str, np.ndarray]]:
    """[batch, 4, 4] to [batch, 4]: its Reshape computes the size of the batch."""
    random = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {
        "l1.weight": random.standard_normal((16, 8)).astype(np.float32),
        "l1.bias": random.standard_normal(8).astype(np.float32),
        "l2.weight": random.standard_normal((8, 4)).astype(np.float32),
        "zero": np.array([0]),
        "rest": np.array([-1]),
    }
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["x", "flat"], ["rows"]),
        helper.make_node("Gemm", ["rows", "l1.weight", "l1.bias"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "l2.weight"], ["y"]),
    ]
    return model_of(nodes, [value("x", ["n", 4, 4])], [value("y", ["n", 4])], arrays), arrays


def expected(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    hidden = x.reshape(len(x), 16) @ arrays["l1.weight"] + arrays["l1.bias"]
    return np.maximum(hidden, 0) @ arrays["l2.weight"]


def images(count: int = 3) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, 4, 4)).astype(np.float32)


def test_a_model_is_a_module_that_all_modes_run_to_the_bit() -> None:
    proto, arrays = network()
    model = weft.onnx.load(proto)
    names = {name: tuple(x.shape) for name, x in model.named_parameters()}
    assert names == {"l1_weight": (16, 8), "l1_bias": (8,), "l2_weight": (8, 4)}
    x = images()
    eager = np.asarray(model(x))
    np.testing.assert_allclose(eager, expected(arrays, x), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(weft.jit(model)(x=x)), eager)
    mapped = weft.vmap(model)(np.stack([x, x]))
    np.testing.assert_array_equal(np.asarray(mapped)[1], eager)
    for program in (weft.export(model, *model.specs()), weft.export(model, *model.specs(n=3))):
        np.testing.assert_array_equal(np.asarray(program(x)), eager)


def test_sizes_keep_their_names() -> None:
    model = weft.onnx.load(network()[0])
    program = model.export()
    assert repr(program) == "Exported(x: float32[n, 4, 4] -> y: float32[n, 4])"
    for count in (1, 5):
        assert tuple(program(images(count))["y"].shape) == (count, 4)
    assert repr(model.export(n=2)) == "Exported(x: float32[2, 4, 4] -> y: float32[2, 4])"
    with pytest.raises(weft.NameUseError, match="no size 'm' open, but n"):
        model.export(m=2)


def test_models_train() -> None:
    model = weft.onnx.load(network()[0])
    optimizer = weft.optim.SGD(model.parameters(), lr=0.01)
    x = images()

    @weft.jit
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = [float(step(x)) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 2


def test_inputs_are_checked() -> None:
    model = weft.onnx.load(network()[0])
    with pytest.raises(weft.DTypeError, match="'x' is FLOAT, but float64"):
        model(images().astype(np.float64))
    with pytest.raises(weft.ShapeError, match=r"'x' has to be \['n', 4, 4\]"):
        model(images()[:, :3])
    with pytest.raises(weft.DTypeError, match=r"no tensor \(the input 'x'\)"):
        model("an image")
    with pytest.raises(TypeError, match="x is missing"):
        model()
    with pytest.raises(TypeError, match="it has no input z"):
        model(images(), z=images())
    with pytest.raises(weft.NameUseError, match="no input 'z', but x"):
        weft.onnx.load(network()[0], known={"z": np.zeros(1)})


def test_arrays_that_are_known_are_checked_as_inputs_are() -> None:
    for value, error in (
        (images().astype(np.float64), weft.DTypeError),
        (images()[:, :3], weft.ShapeError),
        ("a", weft.DTypeError),
    ):
        with pytest.raises(error, match="the input 'x'"):
            weft.onnx.load(network()[0], known={"x": value})


def test_inputs_and_constants_of_strings_are_refused_by_name() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    rows = [value("x", [1]), value("text", [1], TensorProto.STRING)], [value("y", [1])]
    with pytest.raises(weft.UnsupportedError, match="the input 'text' is STRING, which weft has"):
        weft.onnx.load(model_of(nodes, *rows))
    nodes.append(helper.make_node("Constant", [], ["t"], value_string="a"))
    with pytest.raises(weft.UnsupportedError, match="node 1 holds strings, which weft has no"):
        weft.onnx.load(model_of(nodes, rows[0][:1], rows[1]))


def test_opsets_that_nobody_knows_are_refused() -> None:
    proto = network()[0]
    proto.opset_import[0].version = onnx.defs.onnx_opset_version() + 1
    with pytest.raises(weft.UnsupportedError, match="knows opsets up to"):
        weft.onnx.load(proto)


def test_ops_that_are_newer_than_their_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    proto = network()[0]
    assert weft.onnx.load(proto).output_names == ("y",)
    # Of opset 20 there are Shape, Gather and Reshape of 13 and later.
    monkeypatch.setattr("weft.onnx._reading.NEWEST_OPSET", 12)
    with pytest.raises(weft.UnsupportedError) as caught:
        weft.onnx.load(proto)
    lines = str(caught.value).splitlines()
    assert "  Shape (version 20): once, at node 0" in lines
    assert "  Relu (version 20): once, at node 5" in lines


def test_errors_name_the_node() -> None:
    nodes = [helper.make_node("MatMul", ["x", "x"], ["y"], name="square")]
    model = weft.onnx.load(model_of(nodes, [value("x", [None, None])], [value("y", None)]))
    with pytest.raises(weft.ShapeError, match=r"\[ONNX op MatMul \(opset 20\) at node 0 'square'"):
        model(np.zeros((2, 3), np.float32))


def test_one_error_names_all_ops_without_a_rule() -> None:
    nodes = [
        helper.make_node("Strange", ["x"], ["a"], name="first", domain="my.ops"),
        helper.make_node("Strange", ["a"], ["b"], domain="my.ops"),
        helper.make_node("ImageDecoder", ["b"], ["y"]),
    ]
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("my.ops", 3)]
    proto = model_of(nodes, [value("x", [1])], [value("y", [1])], imports=imports)
    with pytest.raises(weft.UnsupportedError) as caught:
        weft.onnx.load(proto)
    assert str(caught.value).splitlines()[1:3] == [
        "  ImageDecoder (version 20): once, at node 2",
        "  my.ops.Strange (version 3): 2 times, first at node 0 'first'",
    ]


def test_functions_of_the_model_are_written_out() -> None:
    function = helper.make_function(
        "my.ops",
        "Affine",
        ["x", "w"],
        ["y"],
        [
            helper.make_node("Mul", ["x", "w"], ["m"]),
            helper.make_node("Add", ["m", "x"], ["y"]),
        ],
        [helper.make_opsetid("", 20)],
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("my.ops", 1)]
    nodes = [
        helper.make_node("Affine", ["x", "w"], ["a"], domain="my.ops"),
        helper.make_node("Affine", ["a", "w"], ["y"], domain="my.ops"),
    ]
    arrays = {"w": np.float32(3) * np.ones(2, np.float32)}
    rows = [value("x", [2])], [value("y", [2])]
    proto = model_of(nodes, *rows, arrays, imports=imports, functions=[function])
    made = weft.onnx.load(proto)(np.array([1, 2], np.float32))
    np.testing.assert_array_equal(np.asarray(made), [16, 32])
    function.node.append(helper.make_node("Affine", ["x", "w"], ["z"], domain="my.ops"))
    proto = model_of(nodes, *rows, arrays, imports=imports, functions=[function])
    with pytest.raises(weft.FileError, match="the function Affine calls itself"):
        weft.onnx.load(proto)


def test_functions_that_unfold_to_too_much_are_refused() -> None:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("my.ops", 1)]
    functions = []
    for depth in range(40):
        name = f"f{depth}"
        inner = f"f{depth + 1}" if depth < 39 else "Relu"
        domain = "my.ops" if depth < 39 else ""
        body = [
            helper.make_node(inner, ["x"], ["a"], domain=domain),
            helper.make_node(inner, ["a"], ["y"], domain=domain),
        ]
        functions.append(helper.make_function("my.ops", name, ["x"], ["y"], body, imports))
    node = helper.make_node("f0", ["x"], ["y"], domain="my.ops")
    rows = [value("x", [2])], [value("y", [2])]
    proto = model_of([node], *rows, imports=imports, functions=functions)
    with pytest.raises(weft.FileError, match="unfolds to more than 1000000 nodes"):
        weft.onnx.load(proto)


@pytest.mark.parametrize("count", [3, 20])
def test_loops_are_compiled(count: int) -> None:
    """x = x / 2 + i while i < count: written out, or as a loop; and while x > 1, as one."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["x_in", "half"], ["m"]),
            helper.make_node("Cast", ["i"], ["f"], to=FLOAT),
            helper.make_node("Add", ["m", "f"], ["x_out"]),
            helper.make_node("Identity", ["c"], ["c_out"]),
            helper.make_node("Identity", ["x_out"], ["row"]),
        ],
        "body",
        [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL), value("x_in", [2])],
        [value("c_out", [], TensorProto.BOOL), value("x_out", [2]), value("row", [2])],
    )
    nodes = [helper.make_node("Loop", ["count", "", "x"], ["y", "rows"], body=body)]
    arrays = {"count": np.array(count), "half": np.float32(0.5)}
    arrays = {name: np.asarray(x) for name, x in arrays.items()}
    outputs = [value("y", [2]), value("rows", [None, 2])]
    model = weft.onnx.load(model_of(nodes, [value("x", [2])], outputs, arrays))
    x = want = np.array([8, -3], np.float32)
    rows = []
    for i in range(count):
        want = want * np.float32(0.5) + np.float32(i)
        rows.append(want)
    for run in (model, weft.jit(model), weft.export(model, *model.specs())):
        last, all_rows = run(x)
        np.testing.assert_array_equal(np.asarray(last), want)
        np.testing.assert_array_equal(np.asarray(all_rows), rows)


def test_loops_that_values_end_stay_loops() -> None:
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["x_in", "half"], ["x_out"]),
            helper.make_node("ReduceMax", ["x_out"], ["most"], keepdims=0),
            helper.make_node("Greater", ["most", "one"], ["c_out"]),
        ],
        "body",
        [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL), value("x_in", [2])],
        [value("c_out", [], TensorProto.BOOL), value("x_out", [2])],
    )
    nodes = [helper.make_node("Loop", ["", "go", "x"], ["y"], body=body)]
    arrays = {"half": np.asarray(np.float32(0.5)), "one": np.asarray(np.float32(1))}
    arrays["go"] = np.asarray(True)
    model = weft.onnx.load(model_of(nodes, [value("x", [2])], [value("y", [2])], arrays))
    program = weft.export(model, *model.specs())
    for first in (1.5, 8.0, 100.0):
        x = np.array([first, 1], np.float32)
        want = x / 2
        while want.max() > 1:
            want = want / 2
        for run in (model, weft.jit(model), program):
            np.testing.assert_array_equal(np.asarray(run(x)), want)


def test_constants_of_nodes_are_weights_too() -> None:
    weight = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(weight)),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Mul", ["m", "half"], ["y"]),
    ]
    model = weft.onnx.load(model_of(nodes, [value("x", [3, 4])], [value("y", [3, 5])]))
    assert [name for name, _ in model.named_parameters()] == ["w"]
    x = np.ones((3, 4), np.float32)
    np.testing.assert_allclose(np.asarray(weft.jit(model)(x)), x @ weight / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [(TensorProto.INT4, -8, 8), (TensorProto.UINT4, 0, 16), (TensorProto.INT8, -128, 128)],
)
def test_weights_of_few_bits(kind: int, least: int, most: int) -> None:
    """Blocks of four rows have a scale of their own."""
    random = np.random.default_rng(kind)
    whole = random.integers(least, most, (8, 6))
    scale = random.random((2, 6)).astype(np.float32)
    weight = helper.make_tensor("w", kind, whole.shape, whole.reshape(-1).tolist())
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], axis=0, block_size=4),
        helper.make_node("MatMul", ["x", "d"], ["y"]),
    ]
    imports = [helper.make_opsetid("", 21)]
    rows = [value("x", [3, 8])], [value("y", [3, 6])]
    proto = model_of(nodes, *rows, {"s": scale}, imports=imports)
    proto.graph.initializer.append(weight)
    model = weft.onnx.load(proto)
    x = random.standard_normal((3, 8)).astype(np.float32)
    want = x @ (whole * np.repeat(scale, 4, axis=0)).astype(np.float32)
    for run in (model, weft.jit(model), weft.export(model, *model.specs())):
        np.testing.assert_allclose(np.asarray(run(x)), want, rtol=1e-4, atol=1e-3)


# Files ---------------------------------------------------------------------------------------


def external(folder: Path, location: str) -> Path:
    """A model whose weight lies in another file."""
    proto = network()[0]
    tensor = proto.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, "offset": "8", "length": str(len(data))}.items():
        tensor.external_data.add(key=key, value=text)
    (folder / "weights.bin").write_bytes(b"12345678" + data)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def test_weights_may_lie_in_another_file(tmp_path: Path) -> None:
    path = external(tmp_path, "weights.bin")
    x = images()
    want = np.asarray(weft.onnx.load(network()[0])(x))
    np.testing.assert_array_equal(np.asarray(weft.onnx.load(path)(x)), want)
    with pytest.raises(weft.FileError, match="load the model by its path"):
        weft.onnx.load(path.read_bytes())
    (tmp_path / "weights.bin").write_bytes(b"12345678")
    with pytest.raises(weft.FileError, match="too short"):
        weft.onnx.load(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(weft.FileError, match=r"no file 'weights\.bin' beside the model"):
        weft.onnx.load(path)


def test_tensors_of_nodes_may_lie_in_another_file(tmp_path: Path) -> None:
    """Of a node in a branch, and of a node of a function."""
    tensor = TensorProto(data_type=FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="data.bin")
    (tmp_path / "data.bin").write_bytes(np.array([3, 4], np.float32).tobytes())
    nodes = [
        helper.make_node("Constant", [], ["c"], value=tensor),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("my.ops", 1)]
    function = helper.make_function("my.ops", "F", ["x"], ["y"], nodes, imports[:1])
    branch = helper.make_graph(nodes, "branch", [], [value("y", [2])])
    main = [
        helper.make_node("If", ["go"], ["h"], then_branch=branch, else_branch=branch),
        helper.make_node("F", ["h"], ["z"], domain="my.ops"),
    ]
    inputs = [value("x", [2]), value("go", [], TensorProto.BOOL)]
    proto = model_of(main, inputs, [value("z", [2])], imports=imports, functions=[function])
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    model = weft.onnx.load(tmp_path / "model.onnx")
    assert model(np.ones(2, np.float32), np.array(True)).tolist() == [7, 9]
    with pytest.raises(weft.FileError, match="load the model by its path"):
        weft.onnx.load(proto)


def test_inputs_may_have_any_names() -> None:
    names = ["class", "class_", "def", "forward", "a b"]
    nodes = [helper.make_node("Sum", names, ["y"])]
    model = weft.onnx.load(model_of(nodes, [value(n, [1]) for n in names], [value("y", [1])]))
    given = dict(zip(names, np.arange(5, dtype=np.float32).reshape(5, 1), strict=True))
    assert model(**given).tolist() == [10]
    assert model.export()(*given.values())["y"].tolist() == [10]


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "", "link.bin", "a\0b"])
def test_weights_outside_of_the_folder_are_refused(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(1024))
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(weft.FileError):
        weft.onnx.load(external(folder, location))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_errors_of_weft(seed: int) -> None:
    random = np.random.default_rng(seed)
    content = network()[0].SerializeToString()
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(int(random.integers(1, 4))):
            damaged[int(random.integers(len(damaged)))] = int(random.integers(256))
        if random.random() < 0.3:
            del damaged[int(random.integers(len(damaged))) :]
        with contextlib.suppress(weft.WeftError):
            weft.onnx.load(bytes(damaged)).export()


@pytest.mark.parametrize("content", [b"", b"\x00", b"no model", b"\x89WEFT\r\n\x1a", bytes(100)])
def test_other_files_are_errors(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(weft.FileError, match=r"model\.onnx is no"):
        weft.onnx.load(tmp_path / "model.onnx")
    with pytest.raises(weft.FileError, match="No such file"):
        weft.onnx.load(tmp_path / "other.onnx")


def test_initializers_of_impossible_sizes_are_errors() -> None:
    proto = network()[0]
    for dims in ([2**40, 2**40], [-1, 8], [17, 8]):
        proto.graph.initializer[0].dims[:] = dims
        with pytest.raises(weft.FileError, match=r"the tensor 'l1\.weight'"):
            weft.onnx.load(proto)


def command(*arguments: str | Path) -> subprocess.CompletedProcess:
    words = [sys.executable, "-m", "weft.onnx", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_command_writes_programs_and_objects(tmp_path: Path) -> None:
    path, program = tmp_path / "model.onnx", tmp_path / "model.weft"
    path.write_bytes(network()[0].SerializeToString())
    made = command(path, "-o", program)
    assert made.returncode == 0, made.stderr
    assert made.stdout == "Exported(x: float32[n, 4, 4] -> y: float32[n, 4])\n"
    x = images()
    want = np.asarray(weft.onnx.load(path)(x))
    np.testing.assert_array_equal(np.asarray(weft.load(program)(x)["y"]), want)
    header = tmp_path / "model.h"
    made = command(path, "-o", tmp_path / "model.o", "--header", header, "--size", "n=2")
    assert made.returncode == 0, made.stderr
    assert "int model_run(" in header.read_text()
    path.write_bytes(path.read_bytes()[:100])
    made = command(path, "-o", program)
    assert made.returncode == 1
    assert made.stderr.startswith(f"weft.onnx: error: {path} is no ONNX model")


def test_without_the_package_onnx_there_is_one_clear_error(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "import weft\n"
        "try: weft.onnx.load('model.onnx')\n"
        "except weft.UnsupportedError as error: print(error)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "needs the package onnx, which reads the files: pip install onnx" in made.stdout


@pytest.mark.parametrize("element", ["int32", "int64"])
def test_shapes_that_are_computed_in_int32_stay_open(element: str) -> None:
    """As TensorFlow writes them; read as a tensor too, they have the dtype of the model."""
    kind = {"int32": 6, "int64": 7}[element]
    proto = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]>\n'
        f"m (float[n, 2, 3] x) => (float[n, k] y, {element}[2] wanted, {element}[1] rows) {{\n"
        "  shape = Shape(x)\n"
        f"  cast = Cast<to = {kind}>(shape)\n"
        "  zero = Constant<value_ints: ints = [0]>()\n one = Constant<value_ints: ints = [1]>()\n"
        "  rows = Slice(cast, zero, one, zero)\n"
        f"  rest = Constant<value = {element}[1] {{-1}}>()\n"
        "  wanted = Concat<axis = 0>(rows, rest)\n"
        "  long = Cast<to = 7>(wanted)\n"
        "  y = Reshape(x, long)\n"
        "}"
    )
    program = weft.onnx.load(proto).export()
    for count in (1, 5):
        x = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
        results = program(x)
        np.testing.assert_array_equal(np.asarray(results["y"]), x.reshape(count, 6))
        np.testing.assert_array_equal(np.asarray(results["wanted"]), [count, -1])
        np.testing.assert_array_equal(np.asarray(results["rows"]), [count])
        assert results["wanted"].dtype.name == results["rows"].dtype.name == element
