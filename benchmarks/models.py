"""Inference of whole models at batch 1: ResNet-50, MobileNetV2, a token of a LLaMA stack.

Each model is one program for PyTorch and for Weft; only the modules differ. Both have the same
weights, and their results are compared before they are timed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import peers
import weft
from functions import compare, onnx_calls
from harness import WEFT, Bar, Case

RESNET_STAGES = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]
"""Channels within the blocks, blocks, stride of the first."""
MOBILENET_STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)]
MOBILENET_STAGES += [(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
"""Expansion, channels, blocks, stride of the first."""
LLAMA_LAYERS, LLAMA_WIDTH, LLAMA_HEADS, LLAMA_HIDDEN, LLAMA_PAST = 4, 1024, 16, 2816, 63


TOLERANCE = 1e-3
"""Of the largest score: tens of layers round differently."""


def _convolution(nn: ModuleType, inputs: int, outputs: int, size: int, stride=1, groups=1) -> list:
    """The layers of a convolution that keeps the size of an image, and its normalization."""
    convolution = nn.Conv2d(
        inputs, outputs, size, stride=stride, padding=size // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(outputs)]


def resnet50(framework: ModuleType) -> Any:
    """ResNet-50 (He et al., 2016), strides in the 3x3 windows: [N, 3, 224, 224] to scores."""
    nn = framework.nn

    class Block(nn.Module):
        def __init__(self, inputs: int, width: int, stride: int):
            super().__init__()
            outputs = 4 * width
            self.body = nn.Sequential(
                *_convolution(nn, inputs, width, 1),
                nn.ReLU(),
                *_convolution(nn, width, width, 3, stride),
                nn.ReLU(),
                *_convolution(nn, width, outputs, 1),
            )
            same = inputs == outputs and stride == 1
            self.shortcut = nn.Sequential(
                *([] if same else _convolution(nn, inputs, outputs, 1, stride))
            )

        def forward(self, x):
            return framework.relu(self.body(x) + self.shortcut(x))

    blocks, channels = [], 64
    for width, count, stride in RESNET_STAGES:
        for number in range(count):
            blocks.append(Block(channels, width, stride if number == 0 else 1))
            channels = 4 * width
    return nn.Sequential(
        *_convolution(nn, 3, 64, 7, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 1000),
    )


def mobilenet_v2(framework: ModuleType) -> Any:
    """MobileNetV2 (Sandler et al., 2018): [N, 3, 224, 224] to scores."""
    nn = framework.nn

    class ReLU6(nn.Module):
        def forward(self, x):
            return framework.clip(x, 0.0, 6.0)

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, expansion: int, stride: int):
            super().__init__()
            wide = inputs * expansion
            first = [*_convolution(nn, inputs, wide, 1), ReLU6()] if expansion > 1 else []
            self.body = nn.Sequential(
                *first,
                *_convolution(nn, wide, wide, 3, stride, groups=wide),
                ReLU6(),
                *_convolution(nn, wide, outputs, 1),
            )
            self.residual = inputs == outputs and stride == 1

        def forward(self, x):
            return x + self.body(x) if self.residual else self.body(x)

    layers, channels = [*_convolution(nn, 3, 32, 3, 2), ReLU6()], 32
    for expansion, width, count, stride in MOBILENET_STAGES:
        for number in range(count):
            layers.append(Block(channels, width, expansion, stride if number == 0 else 1))
            channels = width
    return nn.Sequential(
        *layers,
        *_convolution(nn, channels, 1280, 1),
        ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1280, 1000),
    )


def llama(framework: ModuleType) -> Any:
    """A stack of LLaMA's layers (Touvron et al., 2023) for one token, given the keys and values of
    those before it: x [N, 1, W], tables of the rotation [1, D], past [L, 2, N, H, S, D]."""
    nn = framework.nn
    join = {"dim": -1} if framework is not weft else {"axis": -1}
    append = {"dim": -2} if framework is not weft else {"axis": -2}
    mean = {"dim": -1, "keepdim": True} if framework is not weft else {"axis": -1, "keepdims": True}
    head = LLAMA_WIDTH // LLAMA_HEADS

    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(framework.ones(LLAMA_WIDTH))

        def forward(self, x):
            return x / framework.sqrt(framework.mean(x * x, **mean) + 1e-5) * self.weight

    def rotated(x, cosine, sine):
        left, right = x[..., : head // 2], x[..., head // 2 :]
        return x * cosine + framework.concat([-right, left], **join) * sine

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.norm_after = Norm(), Norm()
            self.queries, self.keys, self.values, self.joined = (
                nn.Linear(LLAMA_WIDTH, LLAMA_WIDTH, bias=False) for _ in range(4)
            )
            self.gate, self.up = (
                nn.Linear(LLAMA_WIDTH, LLAMA_HIDDEN, bias=False) for _ in range(2)
            )
            self.down = nn.Linear(LLAMA_HIDDEN, LLAMA_WIDTH, bias=False)

        def forward(self, x, cosine, sine, past):
            def heads(linear, y):
                split = linear(y).reshape(y.shape[0], y.shape[1], LLAMA_HEADS, head)
                return split.swapaxes(1, 2)

            y = self.norm(x)
            query = rotated(heads(self.queries, y), cosine, sine)
            key = framework.concat([past[0], rotated(heads(self.keys, y), cosine, sine)], **append)
            value = framework.concat([past[1], heads(self.values, y)], **append)
            scores = query @ key.swapaxes(-1, -2) * (1 / math.sqrt(head))
            mixed = (framework.softmax(scores, -1) @ value).swapaxes(1, 2)
            x = x + self.joined(mixed.reshape(x.shape))
            y = self.norm_after(x)
            return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))

    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([Layer() for _ in range(LLAMA_LAYERS)])

        def forward(self, x, cosine, sine, past):
            for number, layer in enumerate(self.layers):
                x = layer(x, cosine, sine, past[number])
            return x

    return Stack()


def _image() -> list[np.ndarray]:
    return [np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)]


def _token() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    head = LLAMA_WIDTH // LLAMA_HEADS
    angles = np.tile(LLAMA_PAST * 10000.0 ** (-np.arange(0, head, 2) / head), 2)[None]
    past = generator.standard_normal((LLAMA_LAYERS, 2, 1, LLAMA_HEADS, LLAMA_PAST, head))
    return [
        generator.standard_normal((1, 1, LLAMA_WIDTH), np.float32),
        np.cos(angles).astype(np.float32),
        np.sin(angles).astype(np.float32),
        past.astype(np.float32),
    ]


MODELS = {
    "ResNet-50": (resnet50, _image, 1 / 0.8),
    "MobileNetV2": (mobilenet_v2, _image, 1 / 0.6),
    "LLaMA layers, a token": (llama, _token, 1 / 0.9),
}
"""What builds a model, what makes its inputs, the factor of the peer's time that is asked for."""


def weft_model(build: Callable, inputs: list[np.ndarray], weights: dict | None = None) -> Any:
    """The compiled model, its inputs, and the weights that it was given."""
    model = build(weft).eval()
    if weights is not None:
        model.load_state_dict({name: weft.asarray(value) for name, value in weights.items()})
    return weft.jit(lambda *args: model(*args)), [weft.asarray(array) for array in inputs]


def _torch_calls(model: Any, inputs: list[np.ndarray]) -> dict[str, Callable[[], Any]]:
    torch = peers.torch()
    tensors = [torch.from_numpy(array) for array in inputs]

    def call(*args):
        with torch.inference_mode():
            return model(*args)

    calls = {"torch": lambda: call(*tensors)}
    if tensors[0].ndim == 4:
        import copy

        last = copy.deepcopy(model).to(memory_format=torch.channels_last)
        image = tensors[0].to(memory_format=torch.channels_last)

        def call_channels_last():
            with torch.inference_mode():
                return last(image)

        calls["torch channels_last"] = call_channels_last
    return calls


def _weights(model: Any) -> dict[str, np.ndarray]:
    """The state of a PyTorch model, with means and variances as after training."""
    generator = np.random.default_rng(1)
    weights = {}
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(peers.torch().from_numpy(generator.uniform(0.5, 1.5, value.shape)))
        weights[name] = value.numpy()
    return weights


def cases() -> Iterator[Case]:
    for name, (build, make_inputs, limit) in MODELS.items():
        inputs, weights, contenders = make_inputs(), None, {}
        if torch := peers.torch():
            torch.manual_seed(0)
            model = build(torch).eval()
            weights = _weights(model)
            contenders = _torch_calls(model, inputs) | onnx_calls(model, inputs)
        compiled, tensors = weft_model(build, inputs, weights)
        ours = {WEFT: lambda compiled=compiled, tensors=tensors: compiled(*tensors)}
        for peer, call in contenders.items():
            compare(f"{name}: {peer}", ours[WEFT](), call(), TOLERANCE)
        text = f">= {1 / limit:.1f} of the best peer"
        yield Case(name, ours | contenders, Bar(text, limit, tuple(contenders)))


def weft_profile(name: str) -> str:
    """The kernels of a model and their times."""
    build, make_inputs, _ = MODELS[name]
    compiled, tensors = weft_model(build, make_inputs())
    return str(compiled.profile(*tensors))
