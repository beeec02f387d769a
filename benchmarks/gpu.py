"""On an NVIDIA GPU: products, rows, elements, attention, convolution and a training step.

Each contender is one call and the wait for its end. There are no cases without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import peers
import weft
from functions import LEAST_RATIO
from harness import WEFT, Bar, Case

SQUARES = [("bfloat16", 8192), ("bfloat16", 4096), ("bfloat16", 1024), ("float16", 4096)]
SQUARES += [("float32", 4096), ("float32", 1024)]
"""Products of square matrices."""
ROWS = [("float32", 8192, 4096), ("bfloat16", 8192, 4096), ("bfloat16", 65536, 512)]
"""Softmax and layer norm of so many rows of so many elements."""
ATTENTION = [("bfloat16", 16, 4096, 128, False), ("bfloat16", 16, 4096, 128, True)]
ATTENTION += [("float32", 12, 1024, 64, False)]
"""Heads, queries and keys, width of a head, causal."""
TOLERANCES = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}
"""Of the largest element: sums in other orders, and results rounded to eleven and eight bits."""


def cases() -> Iterator[Case]:
    try:
        device = weft.device("cuda")
    except weft.WeftError:
        return
    generator = np.random.default_rng(0)
    for dtype, size in SQUARES:
        yield _matmul(generator, device, dtype, size)
    for dtype, rows, width in ROWS:
        yield from _rows(generator, device, dtype, rows, width)
    yield _elements(generator, device)
    yield _column_sums(generator, device)
    for shape in ATTENTION:
        yield _attention(generator, device, *shape)
    yield _convolution(generator, device)
    yield _training(generator, device)


def _case(
    name: str,
    device: weft.device,
    ours: Callable,
    theirs: Callable,
    arrays: list[np.ndarray],
    dtype: str,
    operations: float = 0.0,
) -> Case:
    """`ours` compiled beside `theirs` in PyTorch, eager and by torch.compile; equal results."""
    tensors = [weft.asarray(array).to(device).astype(getattr(weft, dtype)) for array in arrays]
    function = weft.jit(ours)

    def call() -> Any:
        result = function(*tensors)
        device.synchronize()
        return result

    calls = {WEFT: call}
    if (torch := peers.torch()) and torch.cuda.is_available():
        theirs_on = [torch.from_numpy(x).to("cuda", getattr(torch, dtype)) for x in arrays]
        torch.compiler.reset()

        def waiting(function: Callable) -> Callable:
            def call() -> Any:
                result = function(*theirs_on)
                torch.cuda.synchronize()
                return result

            return call

        calls["torch"] = waiting(theirs)
        calls["torch.compile"] = waiting(torch.compile(theirs))
        _compare(name, call(), calls["torch"](), TOLERANCES[dtype])
    bar = Bar(f">= {LEAST_RATIO} of the best peer", 1 / LEAST_RATIO, tuple(calls)[1:])
    return Case(name, calls, bar if len(calls) > 1 else None, operations)


def _compare(name: str, actual: Any, expected: Any, tolerance: float) -> None:
    found = np.asarray(actual.cpu().astype(weft.float32))
    wanted = expected.detach().float().cpu().numpy()
    if found.shape != wanted.shape:
        raise AssertionError(f"{name} has the shape {wanted.shape}, Weft's result {found.shape}")
    error = np.abs(found - wanted).max()
    if not error <= tolerance * np.abs(wanted).max():
        raise AssertionError(f"{name} differs by {error}")


def _normal(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.standard_normal(shape, np.float32)


def _matmul(generator: np.random.Generator, device: weft.device, dtype: str, size: int) -> Case:
    arrays = [_normal(generator, size, size) for _ in range(2)]
    return _case(
        f"gpu: matmul {size}, {dtype}",
        device,
        lambda a, b: a @ b,
        lambda a, b: a @ b,
        arrays,
        dtype,
        operations=2.0 * size**3,
    )


def _rows(
    generator: np.random.Generator, device: weft.device, dtype: str, rows: int, width: int
) -> Iterator[Case]:
    arrays = [_normal(generator, rows, width)]
    shape = f"{rows}x{width}, {dtype}"
    yield _case(
        f"gpu: softmax {shape}",
        device,
        lambda x: weft.nn.functional.softmax(x, -1),
        lambda x: peers.torch().softmax(x, -1),
        arrays,
        dtype,
    )
    arrays += [_normal(generator, width), _normal(generator, width)]
    yield _case(
        f"gpu: layer norm {shape}",
        device,
        lambda x, w, b: weft.nn.functional.layer_norm(x, (width,), w, b),
        lambda x, w, b: peers.torch().nn.functional.layer_norm(x, (width,), w, b),
        arrays,
        dtype,
    )


def _elements(generator: np.random.Generator, device: weft.device) -> Case:
    """Three tensors read, one written, what is between them fused."""
    arrays = [_normal(generator, 4096, 8192) for _ in range(3)]
    return _case(
        "gpu: gelu(x * y + z) of 4096x8192, float32",
        device,
        lambda x, y, z: weft.nn.functional.gelu(x * y + z),
        lambda x, y, z: peers.torch().nn.functional.gelu(x * y + z),
        arrays,
        "float32",
    )


def _column_sums(generator: np.random.Generator, device: weft.device) -> Case:
    arrays = [_normal(generator, 16384, 2048)]
    return _case(
        "gpu: sums of columns of 16384x2048, float32",
        device,
        lambda x: weft.sum(x, axis=0),
        lambda x: x.sum(0),
        arrays,
        "float32",
    )


def _attention(
    generator: np.random.Generator,
    device: weft.device,
    dtype: str,
    heads: int,
    length: int,
    width: int,
    causal: bool,
) -> Case:
    arrays = [_normal(generator, 1, heads, length, width) for _ in range(3)]
    attention = weft.nn.functional.scaled_dot_product_attention
    return _case(
        f"gpu: attention {heads}x{length}x{width}, {dtype}" + ", causal" * causal,
        device,
        lambda q, k, v: attention(q, k, v, is_causal=causal),
        lambda q, k, v: peers.torch().nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=causal
        ),
        arrays,
        dtype,
        operations=4.0 * heads * length * length * width / (2 if causal else 1),
    )


def _convolution(generator: np.random.Generator, device: weft.device) -> Case:
    arrays = [_normal(generator, 32, 64, 56, 56), _normal(generator, 64, 64, 3, 3)]
    return _case(
        "gpu: conv2d 32x64x56x56 by 64x64x3x3, float16",
        device,
        lambda x, w: weft.nn.functional.conv2d(x, w, padding=1),
        lambda x, w: peers.torch().nn.functional.conv2d(x, w, padding=1),
        arrays,
        "float16",
        operations=2.0 * 32 * 64 * 56 * 56 * 64 * 9,
    )


def _training(generator: np.random.Generator, device: weft.device) -> Case:
    """A step of SGD of three layers on 4096 rows."""
    images = _normal(generator, 4096, 784)
    labels = generator.integers(0, 10, 4096)
    sizes = [784, 1024, 1024, 10]

    def step_of(library: Any, optim: Any, images: Any, labels: Any, network: Any) -> Callable:
        optimizer = optim.SGD(network.parameters(), lr=0.01)

        def step() -> Any:
            optimizer.zero_grad()
            loss = library.functional.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def network_of(library: Any) -> Any:
        layers = []
        for inputs, outputs in pairwise(sizes):
            layers += [library.Linear(inputs, outputs), library.ReLU()]
        return library.Sequential(*layers[:-1])

    ours = network_of(weft.nn).to(device)
    here = [weft.asarray(images).to(device), weft.asarray(labels).to(device)]
    step = weft.jit(step_of(weft.nn, weft.optim, *here, ours))

    def call() -> None:
        step()
        device.synchronize()

    calls = {WEFT: call}
    if (torch := peers.torch()) and torch.cuda.is_available():
        there = [torch.from_numpy(images).cuda(), torch.from_numpy(labels).cuda()]
        theirs = step_of(torch.nn, torch.optim, *there, network_of(torch.nn).cuda())

        def torch_call() -> None:
            theirs()
            torch.cuda.synchronize()

        calls["torch"] = torch_call
    bar = Bar(f">= {LEAST_RATIO} of the best peer", 1 / LEAST_RATIO, tuple(calls)[1:])
    name = "gpu: training step of an MLP, 4096 rows, float32"
    return Case(name, calls, bar if len(calls) > 1 else None)
