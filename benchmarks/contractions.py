"""Contractions of well-known models, for schedules.py. Run with WEFT_TUNE: prints as JSON, for
each, the schedules that were measured, as `_core.tuned_kernels` gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np
import weft
from weft import _core
from weft.nn import functional as F

MATRICES = [(128, 128, 128), (512, 512, 512), (1024, 1024, 1024), (128, 3072, 768)]
MATRICES += [(32, 1024, 1024), (8, 1024, 1024), (4, 256, 1024), (1, 4096, 4096)]
"""M, K, N."""
CONVOLUTIONS = [(64, 56, 64, 3, 1), (128, 28, 128, 3, 1), (256, 14, 256, 3, 1)]
CONVOLUTIONS += [(512, 7, 512, 3, 1), (3, 224, 64, 7, 2), (128, 56, 128, 3, 2)]
CONVOLUTIONS += [(64, 56, 256, 1, 1), (512, 28, 128, 1, 1), (2048, 7, 512, 1, 1)]
CONVOLUTIONS += [(32, 112, 16, 1, 1), (24, 56, 144, 1, 1), (160, 7, 960, 1, 1)]
CONVOLUTIONS += [(256, 56, 128, 1, 1), (128, 28, 512, 1, 1), (256, 14, 1024, 1, 1)]
CONVOLUTIONS += [(1024, 14, 256, 1, 1), (1024, 14, 512, 1, 1), (512, 7, 2048, 1, 1)]
"""Channels, width, output channels, window, stride."""
DEPTHWISE = [(96, 112, 2), (192, 28, 1), (576, 14, 1)]
"""Channels, width, stride; the window is 3."""

_GENERATOR = np.random.default_rng(0)
Call = tuple[str, Callable[..., weft.Tensor], tuple[weft.Tensor, ...]]


def _tensor(*shape: int) -> weft.Tensor:
    """Memory of its own, as weights have it."""
    return weft.asarray(_GENERATOR.standard_normal(shape, np.float32)) * 1.0


def _layer(weight: weft.Tensor) -> weft.jit:
    return weft.jit(lambda x: x @ weight.T)


def _convolution(weight: weft.Tensor, **options: int) -> weft.jit:
    return weft.jit(lambda x: F.relu(F.conv2d(x, weight, **options)))


def calls() -> Iterator[Call]:
    product = weft.jit(lambda a, b: a @ b)
    for m, k, n in MATRICES:
        yield f"matmul {m}x{k}x{n}", product, (_tensor(m, k), _tensor(k, n))
        yield f"linear layer {m}x{k}x{n}", _layer(_tensor(n, k)), (_tensor(m, k),)
    turned = weft.jit(lambda q, k: q @ weft.matrix_transpose(k))
    yield "scores 12x128x64", turned, (_tensor(12, 128, 64), _tensor(12, 128, 64))
    yield "weighted values 12x128x64", product, (_tensor(12, 128, 128), _tensor(12, 128, 64))
    for channels, width, outputs, window, stride in CONVOLUTIONS:
        weight = _tensor(outputs, channels, window, window)
        name = f"conv {window}x{window} {channels}@{width} to {outputs}, stride {stride}"
        layer = _convolution(weight, stride=stride, padding=window // 2)
        yield name, layer, (_tensor(1, channels, width, width),)
    for channels, width, stride in DEPTHWISE:
        layer = _convolution(_tensor(channels, 1, 3, 3), stride=stride, padding=1, groups=channels)
        name = f"depthwise {channels}@{width}, stride {stride}"
        yield name, layer, (_tensor(1, channels, width, width),)


def main() -> None:
    known: set[str] = set()
    rows = []
    for name, function, arguments in calls():
        function(*arguments)
        for kernel in _core.tuned_kernels():
            if kernel["description"] not in known:
                known.add(kernel["description"])
                rows.append({"name": name, "schedules": kernel["schedules"]})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
