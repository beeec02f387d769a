"""Small programs in the formats of other systems, for the tests of tools that read them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def onnx_bytes() -> bytes:
    """softmax(x @ w) for any number of rows."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    weight = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Softmax", ["p"], ["y"], axis=-1),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 8])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 4])
    weights = [onnx.numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    version = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=version, ir_version=10).SerializeToString()


def torch_bytes() -> bytes:
    """A layer and gelu, as torch.export.save writes them."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.GELU()).eval()
    file = io.BytesIO()
    torch.export.save(torch.export.export(model, (torch.ones(2, 8),)), file)
    return file.getvalue()


def stablehlo_text() -> bytes:
    """tanh(x) @ x as JAX prints it."""
    jax = pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")
    lowered = jax.jit(lambda x: jax.numpy.tanh(x) @ x).lower(np.ones((3, 3), np.float32))
    return lowered.as_text().encode()


def stablehlo_bytecode() -> bytes:
    """The same as MLIR's bytecode."""
    text = stablehlo_text().decode()
    from jaxlib.mlir import ir
    from weft.stablehlo import _parse

    with _parse.context():
        file = io.BytesIO()
        ir.Module.parse(text).operation.write_bytecode(file)
        return file.getvalue()


def portable_artifact() -> bytes:
    """The same as jax.export writes it, for any number of rows of a second argument."""
    jax = pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")
    from jax import export

    function = jax.jit(lambda x, y: jax.numpy.tanh(y) @ x)
    rows = jax.ShapeDtypeStruct(export.symbolic_shape("n, 3"), np.float32)
    square = jax.ShapeDtypeStruct((3, 3), np.float32)
    return bytes(export.export(function)(square, rows).mlir_module_serialized)


#: Suffix, content and importer of each format.
FORMATS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "onnx": (".onnx", onnx_bytes, "weft.onnx"),
    "pt2": (".pt2", torch_bytes, "weft.torch"),
    "stablehlo text": (".mlir", stablehlo_text, "weft.stablehlo"),
    "stablehlo bytecode": (".mlirbc", stablehlo_bytecode, "weft.stablehlo"),
    "portable artifact": (".bin", portable_artifact, "weft.stablehlo"),
}


def write(kind: str, folder: Path, name: str = "net") -> Path:
    """A file of the format in the folder."""
    suffix, content, _ = FORMATS[kind]
    path = folder / f"{name}{suffix}"
    path.write_bytes(content())
    return path
