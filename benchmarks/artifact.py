"""The network of the training benchmark as a program of its own: its size, start, memory, speed;
the speed of two larger models.

Weft's is a C program linked with the object file; ONNX Runtime's is its library with a model file,
run from Python, of which the interpreter and NumPy are not counted.
"""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import peers
from harness import WEFT, Bar, Case
from network import pytorch_style_model

if TYPE_CHECKING:
    import weft
    from weft import nn

ONE_IMAGE = np.zeros((1, 1, 28, 28), np.float32)
OPERATIONS = 2 * (9 * 32 * 26**2 + 9 * 32 * 64 * 24**2 + 64 * 12**2 * 128 + 128 * 10)
"""Floating-point operations for an image."""
MODELS = ("ResNet-50", "MobileNetV2")
LEAST_RATIO = 1.1
"""What is asked: of the time of ONNX Runtime to that of Weft."""
COMPILER = "/usr/lib/llvm-22/bin/clang"
MAIN = """
#include "network.h"
#include <stdio.h>
int main(int count, char **words) {
  static float image[784], scores[10];
  if (network_run(1, image, scores, NULL) != WEFT_OK)
    return 1;
  FILE *file = count > 1 ? fopen(words[1], "r") : NULL;
  for (int byte; file && (byte = fgetc(file)) != EOF;)
    putchar(byte);
  return printf("%g\\n", scores[0]) < 0;
}
"""
"""Prints a file, too, if it is given one: what the system tells of the process itself."""
STATUS = "/proc/self/status"


def _network() -> nn.Module:
    import weft
    from weft import nn

    weft.random.seed(0)
    return pytorch_style_model(nn).eval()


def _exported(network: nn.Module) -> weft.Exported:
    import weft

    return weft.export(network, weft.spec(("n", 1, 28, 28)))


@contextmanager
def weft_program() -> Iterator[Path]:
    """The stripped program, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _exported(_network()).compile_object(folder / "network.o", header=folder / "network.h")
        (folder / "main.c").write_text(MAIN)
        command = [COMPILER, "-O2", "-s", "main.c", "network.o", "-o", "main", "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        yield folder / "main"


def _random_weights() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = (
        *((32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,)),
        *((128, 64 * 12 * 12), (128,), (10, 128), (10,)),
    )
    return [generator.standard_normal(shape, np.float32) for shape in shapes]


def onnx_model(weights: Sequence[np.ndarray]) -> bytes:
    """The same network as an ONNX file, with these weights and biases of its layers."""
    from onnx import TensorProto, checker, helper, numpy_helper

    names = ("w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4")
    values = [numpy_helper.from_array(*pair) for pair in zip(weights, names, strict=True)]
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


def _onnx_classify(model: bytes, images: np.ndarray) -> Callable[[], list[np.ndarray]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    network = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: network.run(None, {"x": images})


def _compiled_classify(
    program: weft.Exported, images: np.ndarray, scores: np.ndarray
) -> Callable[[], int]:
    """Calls the program in a shared library, as a program in C does; keeps the arrays alive."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "libnetwork.so"
        program.compile_object(path, emit="shared")
        library = ctypes.CDLL(str(path))
    library.network_run.argtypes = [ctypes.c_int64, *[ctypes.c_void_p] * 3]
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (images, scores)]
    if library.network_run(len(images), *pointers, None) != 0:
        raise RuntimeError("the compiled network refuses the images")
    return lambda: library.network_run(len(images), *pointers, None)


def _case(name: str, contenders: dict[str, Callable[[], object]], operations: float = 0.0) -> Case:
    bar = Bar(f">= {LEAST_RATIO} of ONNX Runtime", 1 / LEAST_RATIO, ("onnxruntime",))
    return Case(name, contenders, bar, operations)


def cases() -> Iterator[Case]:
    yield from _network_cases()
    for name in MODELS:
        yield _model_case(name)


def _model_case(name: str) -> Case:
    """A model of examples/models. Raises AssertionError if the scores differ."""
    import models
    import weft
    from functions import compare, onnx_calls

    model, calls, weights = models.MODELS[name], {}, None
    if torch := peers.torch():
        torch.set_num_threads(1)
        module, inputs = models.torch_model(model)
        weights, calls = models.weights_of(module), onnx_calls(module, inputs)
    network, (tensor,) = models.weft_model(model, weights)
    program = weft.export(network, weft.spec(("n", *tensor.shape[1:])))
    images, scores = np.array(tensor), np.empty((1, 1000), np.float32)
    contenders = {WEFT: _compiled_classify(program, images, scores)}
    if "onnxruntime" in calls:
        contenders["onnxruntime"] = calls["onnxruntime"]
        compare(name, scores, calls["onnxruntime"](), models.TOLERANCE)
    return _case(f"{name} compiled ahead of time, one image", contenders)


def _network_cases() -> Iterator[Case]:
    """The scores of one image, and of a batch."""
    network = _network()
    weights = [np.asarray(weight) for weight in network.parameters()]
    for batch in (1, 64):
        images = np.random.default_rng(1).random((batch, 1, 28, 28), np.float32)
        scores = np.empty((batch, 10), np.float32)
        contenders = {WEFT: _compiled_classify(_exported(network), images, scores)}
        if peers.available("onnxruntime"):
            classify = _onnx_classify(onnx_model(weights), images)
            np.testing.assert_allclose(classify()[0], scores, rtol=1e-3, atol=1e-4)
            contenders["onnxruntime"] = classify
        count = "one image" if batch == 1 else f"{batch} images"
        name = f"CNN compiled ahead of time, {count}"
        yield _case(name, contenders, batch * OPERATIONS)


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
    return library.stat().st_size + len(onnx_model(_random_weights()))


def program_start_seconds(framework: str) -> float:
    """From nothing to the scores of the first image."""
    if framework == "weft":
        with weft_program() as program:
            start = time.perf_counter()
            subprocess.run([program], check=True, stdout=subprocess.DEVNULL)
            return time.perf_counter() - start
    model = onnx_model(_random_weights())
    start = time.perf_counter()
    _onnx_classify(model, ONE_IMAGE)()
    return time.perf_counter() - start


def _bytes_in(status: str, field: str) -> int:
    """A figure of STATUS; unlike those of getrusage(), it begins anew with a program."""
    lines = (line.split() for line in status.splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[:1] == [f"{field}:"])


def onnx_peak_bytes(path: str) -> int:
    """The peak of memory of a process that classifies with a model file, less what it has now."""
    before = _bytes_in(Path(STATUS).read_text(), "VmRSS")
    _onnx_classify(Path(path).read_bytes(), ONE_IMAGE)()
    return _bytes_in(Path(STATUS).read_text(), "VmHWM") - before


def program_peak_bytes(framework: str) -> float:
    """The peak of resident memory until then."""
    if framework == "weft":
        with weft_program() as program:
            output = subprocess.run([program, STATUS], check=True, capture_output=True, text=True)
            return _bytes_in(output.stdout, "VmHWM")
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        Path(file.name).write_bytes(onnx_model(_random_weights()))
        code = f"import artifact; print(artifact.onnx_peak_bytes({file.name!r}))"
        command = [sys.executable, "-c", code]
        output = subprocess.run(
            command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True
        )
        return float(output.stdout)
