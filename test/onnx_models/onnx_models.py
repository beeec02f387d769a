"""Small ONNX models of one op, and what ONNX Runtime makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper


def model_of(
    op: str,
    inputs: dict[str, np.ndarray | None],
    outputs: int = 1,
    opset: int = 20,
    constants: dict[str, np.ndarray] | None = None,
    domain: str = "",
    **attributes: Any,
) -> onnx.ModelProto:
    """One op: of inputs, and of constants by name behind them; None leaves an operand out."""
    constants = constants or {}
    rows = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for name, x in inputs.items()
        if x is not None
    ]
    names = [name if x is not None else "" for name, x in inputs.items()]
    names += list(constants)
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        op,
        rows,
        [onnx.ValueInfoProto(name=name) for name in results],
        [onnx.numpy_helper.from_array(x, name) for name, x in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(domain, 1)] if domain else []
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    return model if domain else onnx.shape_inference.infer_shapes(model)


def reference(model: onnx.ModelProto, inputs: dict[str, np.ndarray | None]) -> list[Any]:
    """What ONNX Runtime gives, on one thread and without rewriting the graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    engine = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {name: x for name, x in inputs.items() if x is not None}
    return engine.run(None, given)
