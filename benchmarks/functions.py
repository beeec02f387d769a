"""One function, written for Weft and for its peers, as a case: the same inputs, equal results."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case

LEAST_RATIO = 0.9
"""What is asked of every operation: of the time of the best peer to that of Weft."""
TOLERANCE = 1e-4
"""Of the largest element: chains of some thousand additions in other orders differ by less."""


def function_case(
    name: str,
    ours: Callable,
    theirs: Callable,
    arrays: tuple[np.ndarray, ...],
    *,
    numpy: Callable | None = None,
    jax: Callable | None = None,
    exported: Callable | None = None,
    compiled: bool = True,
    operations: float = 0.0,
) -> Case:
    """`ours` compiled by Weft beside `theirs` in PyTorch (also by torch.compile, unless that is
    switched off, and in the runtimes that read ONNX files, for which `exported` may say it in other
    words), and beside the versions for NumPy and JAX where there are any. All results are compared
    first. Raises AssertionError if they differ.
    """
    function = weft.jit(ours)
    tensors = [weft.asarray(array) for array in arrays]
    calls = torch_calls(theirs, exported or theirs, arrays, compiled) if peers.torch() else {}
    if numpy:
        calls["numpy"] = lambda: numpy(*arrays)
    if jax and peers.jax():
        calls["jax"] = peers.jax_call(jax, *arrays)
    for peer, call in calls.items():
        compare(f"{name}: {peer}", function(*tensors), call())
    bar = Bar(f">= {LEAST_RATIO} of the best peer", 1 / LEAST_RATIO, tuple(calls))
    return Case(name, {WEFT: lambda: function(*tensors)} | calls, bar, operations)


def torch_calls(
    function: Callable, exported: Callable, arrays: tuple[np.ndarray, ...], compiled: bool
) -> dict:
    """A PyTorch function in eager mode, by torch.compile and by the runtimes of ONNX files."""
    torch = peers.torch()
    inputs = [torch.from_numpy(array) for array in arrays]
    calls = {"torch": lambda: function(*inputs)}
    if compiled and peers.torch_compiles():
        torch.compiler.reset()  # Each function is compiled as the first one of a process.
        fast = torch.compile(function)
        calls["torch.compile"] = lambda: fast(*inputs)

    class Wrapped(torch.nn.Module):
        def forward(self, *args):
            return exported(*args)

    return calls | onnx_calls(Wrapped(), arrays)


@contextmanager
def onnx_file(model: Any, arrays: tuple[np.ndarray, ...]) -> Iterator[tuple[str, dict]]:
    """The path of a file that PyTorch writes of a module, and its inputs by their names."""
    torch = peers.torch()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        tensors = tuple(torch.from_numpy(array) for array in arrays)
        names = [f"input{number}" for number in range(len(arrays))]
        torch.onnx.export(model, tensors, path, input_names=names, dynamo=False)
        yield path, dict(zip(names, arrays, strict=True))


def onnx_calls(model: Any, arrays: tuple[np.ndarray, ...]) -> dict[str, Callable[[], Any]]:
    """A PyTorch module in the runtimes that read ONNX files, where they are installed."""
    if not peers.available("onnx"):
        return {}
    try:
        with onnx_file(model, arrays) as (path, feed):
            return onnx_file_calls(path, feed)
    except peers.torch().onnx.errors.UnsupportedOperatorError as error:
        print(f"no ONNX file: {error}", file=sys.stderr)
        return {}


def onnx_file_calls(path: str, feed: dict) -> dict[str, Callable[[], Any]]:
    """A file in the runtimes for such files."""
    calls: dict[str, Callable[[], Any]] = {}
    threads = peers.torch().get_num_threads()
    if peers.available("onnxruntime"):
        calls["onnxruntime"] = peers.onnxruntime_call(path, feed, threads)
    if peers.available("openvino"):
        calls["openvino"] = peers.openvino_call(path, feed, threads)
    return calls


def compare(name: str, actual: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    """Raises AssertionError where they differ by more than `tolerance` of the largest element."""
    wanted = np.asarray(expected)
    found = np.asarray(actual)
    if found.shape != wanted.shape:
        raise AssertionError(f"{name} has the shape {wanted.shape}, Weft's result {found.shape}")
    if wanted.size == 0:
        return
    error = np.abs(found.astype(np.float64) - wanted).max()
    if not error <= tolerance * np.abs(wanted).max():
        raise AssertionError(f"{name} differs by {error}")
