"""The network of the training benchmark as a program of its own: its size, start and memory.

Weft's is a C program linked with the object file; ONNX Runtime's is its library with a model file,
run from Python, of which the interpreter and NumPy are not counted.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

COMPILER = "/usr/lib/llvm-22/bin/clang"
MAIN = """
#include "network.h"
#include <stdio.h>
int main(void) {
  static float image[784], scores[10];
  if (network_run(1, image, scores, NULL) != WEFT_OK)
    return 1;
  return printf("%g\\n", scores[0]) < 0;
}
"""


@contextmanager
def weft_program() -> Iterator[Path]:
    """The stripped program, in a folder of its own."""
    import weft
    from weft import nn

    weft.random.seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    ).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exported = weft.export(model, weft.spec(("n", 1, 28, 28)))
        exported.compile_object(folder / "network.o", header=folder / "network.h")
        (folder / "main.c").write_text(MAIN)
        command = [COMPILER, "-O2", "-s", "main.c", "network.o", "-o", "main", "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        yield folder / "main"


def onnx_model() -> bytes:
    """The same network, of other weights, as an ONNX file."""
    from onnx import TensorProto, checker, helper, numpy_helper

    generator = np.random.default_rng(0)
    weights = {
        "w1": (32, 1, 3, 3),
        "b1": (32,),
        "w2": (64, 32, 3, 3),
        "b2": (64,),
        "w3": (128, 64 * 12 * 12),
        "b3": (128,),
        "w4": (10, 128),
        "b4": (10,),
    }
    values = [
        numpy_helper.from_array(generator.standard_normal(shape, np.float32), name)
        for name, shape in weights.items()
    ]
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"]),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2", "b2"], ["c2"]),
        node("Relu", ["c2"], ["r2"]),
        node("MaxPool", ["r2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "w3", "b3"], ["d3"], transB=1),
        node("Relu", ["d3"], ["r3"]),
        node("Gemm", ["r3", "w4", "b4"], ["y"], transB=1),
    ]
    images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 28, 28])
    scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    graph = helper.make_graph(nodes, "network", [images], [scores], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def _onnx_classify(model: bytes) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    network = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    images = np.zeros((1, 1, 28, 28), np.float32)
    return lambda: network.run(None, {"x": images})


def program_bytes(framework: str) -> float:
    """What has to be shipped: program and weights, or library and model."""
    if framework == "weft":
        with weft_program() as program:
            return program.stat().st_size
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    library = next((package / "capi").glob("libonnxruntime.so.*"))
    return library.stat().st_size + len(onnx_model())


def program_start_seconds(framework: str) -> float:
    """From nothing to the scores of the first image."""
    if framework == "weft":
        with weft_program() as program:
            start = time.perf_counter()
            subprocess.run([program], check=True, stdout=subprocess.DEVNULL)
            return time.perf_counter() - start
    model = onnx_model()
    start = time.perf_counter()
    _onnx_classify(model)()
    return time.perf_counter() - start


def program_peak_bytes(framework: str) -> float:
    """The peak of resident memory until then."""
    if framework == "weft":
        with weft_program() as program:
            process = subprocess.Popen([program], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            if status != 0:
                raise RuntimeError(f"the program ended with status {status}")
            return usage.ru_maxrss * 1024
    model = onnx_model()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _onnx_classify(model)()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
