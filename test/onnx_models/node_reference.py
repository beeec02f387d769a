"""What ONNX Runtime, or the package onnx, makes of one node: in a process that may end by it.

ONNX Runtime divides integers by zero with the processor's instruction, and is gone then.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper


class NotComputedError(Exception):
    """Neither of the two computes the node."""


def names_read(nodes: Any) -> Iterator[str]:
    """The names that nodes read, and graphs within them."""
    for node in nodes:
        yield from node.input
        for row in node.attribute:
            if row.type == onnx.AttributeProto.GRAPH:
                yield from names_read(row.g.node)
                yield from (x.name for x in row.g.output)


def has_graph(node: onnx.NodeProto) -> bool:
    """Whether it is a branch or a loop."""
    return any(row.type == onnx.AttributeProto.GRAPH for row in node.attribute)


def described(name: str, value: Any) -> onnx.ValueInfoProto:
    """The type of a value, as models say it."""
    if isinstance(value, list):
        if not value:
            raise NotComputedError
        element = helper.np_dtype_to_tensor_dtype(value[0].dtype)
        return helper.make_tensor_sequence_value_info(name, element, None)
    element = helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor_value_info(name, element, value.shape)


ENGINES = ("runtime", "package")
#: What the package onnx computes other than the definition says: windows, how loops join rows,
#: the one place of a maximum in all of the merged dimensions.
NOT_BY_PACKAGE = ("Hardmax", "Conv", "ConvTranspose", "Pool", "Resize", "Upsample")


class References:
    """A process that computes nodes; another one takes its place when it ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def close(self) -> None:
        """Ends the process."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __call__(
        self, node: onnx.NodeProto, values: dict[str, Any], opset: int
    ) -> tuple[list[Any], bool]:
        """The outputs of one node, and whether ONNX Runtime gave them. Raises NotComputedError."""
        given = {name: values[name] for name in names_read([node]) if name in values}
        rows = [described(name, x) for name, x in given.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "node", rows, outputs)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
        )
        alone = has_graph(node) or node.op_type.endswith(NOT_BY_PACKAGE)
        answer = self.model(model, given, engines=ENGINES[:1] if alone else ENGINES)
        if answer is None:
            raise NotComputedError
        return answer

    def model(
        self, model: onnx.ModelProto, given: dict[str, Any], engines: tuple[str, ...] = ("runtime",)
    ) -> tuple[list[Any], bool] | None:
        """What the first of the engines that computes a model gives; None if there is none."""
        process = self._process = self._process or _start()
        try:
            pickle.dump((model.SerializeToString(), given, engines), process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self.close()
            return None


def _start() -> Any:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


# ---- Within the process -------------------------------------------------------------------------


def _by_runtime(data: bytes, given: dict[str, Any]) -> list[Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    engine = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return engine.run(None, given)


def _by_package(data: bytes, given: dict[str, Any]) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(io.StringIO()):
            return ReferenceEvaluator(onnx.load_from_string(data)).run(None, given)


def _leaves(made: list[Any]) -> list[Any]:
    return [[np.asarray(y) for y in x] if isinstance(x, list) else np.asarray(x) for x in made]


def _answer(data: bytes, given: dict[str, Any], engines: tuple[str, ...]) -> Any:
    for name in engines:
        with contextlib.suppress(Exception):
            made = (_by_runtime if name == "runtime" else _by_package)(data, given)
            return _leaves(made), name == "runtime"
    return None


def main() -> None:
    """Answers until its input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_answer(*request), answers)
        answers.flush()


if __name__ == "__main__":
    main()
