"""The models of the suite "models", read from the .onnx files that PyTorch writes of them.

Weft runs the graph of the file, as the runtimes do that it is compared with: nothing of the program
that the file was made of helps it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import models
import peers
import weft
from functions import compare, onnx_file, onnx_file_calls
from harness import WEFT, Bar, Case

LEAST_RATIO = 1.0
"""What is asked: of the time of ONNX Runtime to that of Weft."""


def cases() -> Iterator[Case]:
    if not peers.torch() or not peers.available("onnxruntime"):
        return
    for name in models.MODELS:
        gc.collect()  # The model before is several gigabytes, and in cycles of references.
        try:
            yield case_of(name)
        except peers.torch().onnx.errors.UnsupportedOperatorError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)


def case_of(name: str) -> Case:
    """A file in Weft and in the runtimes. Raises AssertionError if results differ."""
    module, inputs = models.torch_model(models.MODELS[name])
    with onnx_file(module, tuple(inputs)) as (path, feed):
        contenders = onnx_file_calls(path, feed)
        compiled = models.weft_call(weft.onnx.load(path))
    tensors = [weft.asarray(array) for array in inputs]
    for peer, call in contenders.items():
        compare(f"{name}: {peer}", models.first(compiled(*tensors)), call(), models.TOLERANCE)
    bar = Bar(f">= {LEAST_RATIO} of ONNX Runtime", 1 / LEAST_RATIO, ("onnxruntime",))
    return Case(name, {WEFT: lambda: compiled(*tensors)} | contenders, bar)
