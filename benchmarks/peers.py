"""The frameworks that are installed beside Weft. None is required."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from functools import cache
from types import ModuleType


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@cache
def torch() -> ModuleType | None:
    if not installed("torch"):
        return None
    import torch as module

    return module


@cache
def jax() -> ModuleType | None:
    if not installed("jax"):
        return None
    import jax as module

    return module


def has_compiler() -> bool:
    """torch.compile needs a C++ compiler."""
    return any(map(shutil.which, ("g++", "c++", "clang++")))


def torch_compiles() -> bool:
    return torch() is not None and has_compiler()


def available(framework: str) -> bool:
    """For a framework as the table names it."""
    if framework == "torch.compile":
        return installed("torch") and has_compiler()
    if framework in ("onnxruntime", "openvino"):
        return installed(framework) and installed("onnx")
    return installed(framework)


def jax_call(function: Callable, *args: object) -> Callable[[], object]:
    """A call of the compiled function that waits for its result."""
    module = jax()
    assert module is not None
    compiled = module.jit(function)
    placed = [module.numpy.asarray(arg) for arg in args]
    return lambda: module.block_until_ready(compiled(*placed))


def onnxruntime_call(path: str, feed: dict, threads: int) -> Callable[[], object]:
    """A call of the model in an ONNX file that gives its first result."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    network = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: network.run(None, feed)[0]


def openvino_call(path: str, feed: dict, threads: int) -> Callable[[], object]:
    """The same in OpenVINO, in float32."""
    import openvino

    hints = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = openvino.Core().compile_model(path, "CPU", hints).create_infer_request()
    return lambda: next(iter(request.infer(feed, share_inputs=True).values()))


def missing() -> list[str]:
    """A line for each peer that is left out."""
    lines = []
    for name, label in (("torch", "PyTorch"), ("jax", "JAX"), ("numpy", "NumPy")):
        if not installed(name):
            lines.append(f"{label} is not installed: skipped")
    if installed("torch") and not has_compiler():
        lines.append("torch.compile is skipped: it needs a C++ compiler (g++)")
    if not available("onnxruntime"):
        lines.append("ONNX Runtime is skipped: it needs the packages onnx and onnxruntime")
    if not available("openvino"):
        lines.append("OpenVINO is skipped: it needs the packages onnx and openvino")
    return lines
