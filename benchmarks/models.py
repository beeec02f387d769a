"""Inference of whole models at batch 1: those of examples/models, at their real sizes.

Each model is one program for PyTorch and for Weft; only the modules differ. Both have the same
weights, and all results are compared before they are timed. JAX is left out: it has no modules that
these programs could be made of.
"""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import peers
import weft
from functions import compare, onnx_calls
from harness import WEFT, Bar, Case

sys.path.append(str(Path(__file__).resolve().parent.parent))
from examples.models import written_in

LEAST_RATIO = 0.95
"""What is asked of every model: of the time of the best peer to that of Weft."""
TOLERANCE = 1e-3
"""Of the largest score: tens of layers round differently."""
PAST = 512
"""The tokens before the single one of LLaMA."""
LAYERS = 12
"""Those of LLaMA."""


@dataclass
class Model:
    """A model of examples/models: what builds it of a framework, and what makes its inputs."""

    build: Callable[[ModuleType], Any]
    inputs: Callable[[np.random.Generator], list[np.ndarray]]


def _numbers(*shape: int) -> Callable[[np.random.Generator], list[np.ndarray]]:
    return lambda generator: [generator.standard_normal(shape, np.float32)]


def tokens(vocabulary: int, length: int) -> Callable[[np.random.Generator], list[np.ndarray]]:
    """A text of random tokens."""
    return lambda generator: [generator.integers(0, vocabulary, (1, length))]


def _text_and_segments(generator: np.random.Generator) -> list[np.ndarray]:
    segments = np.repeat(np.arange(2), 64)[None]
    return [*tokens(30522, 128)(generator), segments]


def _token_and_past(generator: np.random.Generator) -> list[np.ndarray]:
    past = generator.standard_normal((2 * LAYERS, 1, 12, PAST + 1, 64), np.float32)
    return [*tokens(32000, 1)(generator), *past]


def _of(name: str, kind: str) -> Callable[[ModuleType], Any]:
    """What builds a model of examples/models as it is by default."""

    def build(framework: ModuleType) -> Any:
        program = written_in(framework, name)
        return getattr(program, kind)(program.Config())

    return build


def _small_llama(framework: ModuleType) -> Any:
    """LLaMA with 110 million weights: (tokens, keys and values of each layer) to the scores after
    the last of the tokens. What is before them is in the keys and values, which they are added to.
    """
    program = written_in(framework, "llama")
    config = program.Config(32000, 1024, 768, 12, 12, 2048, LAYERS, base=10000.0, tied=True)

    class Last(framework.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = program.Llama(config)

        def forward(self, tokens, *past):
            cache = program.Cache(past[:LAYERS], past[LAYERS:]) if past else None
            states = self.model.states(tokens, cache, PAST if past else 0)
            return self.model.lm_head(states[:, -1])

    return Last()


def _lstm(framework: ModuleType) -> Any:
    """That of the classifier of sequences, without its head: the states of all steps, and last."""
    return framework.nn.LSTM(256, 256, 2, batch_first=True)


MODELS = {
    "MLP, 64 rows": Model(_of("mlp", "MLP"), _numbers(64, 784)),
    "ResNet-50": Model(_of("resnet", "ResNet"), _numbers(1, 3, 224, 224)),
    "MobileNetV2": Model(_of("mobilenet", "MobileNetV2"), _numbers(1, 3, 224, 224)),
    "BERT-base, 128 tokens": Model(_of("bert", "Bert"), _text_and_segments),
    "GPT-2 small, 64 tokens": Model(_of("gpt2", "GPT2"), tokens(50257, 64)),
    "ViT-B/16": Model(_of("vit", "ViT"), _numbers(1, 3, 224, 224)),
    "LLaMA 110M, 64 tokens": Model(_small_llama, tokens(32000, 64)),
    f"LLaMA 110M, a token after {PAST}": Model(_small_llama, _token_and_past),
    "LSTM, 2 layers, 50 steps": Model(_lstm, _numbers(1, 50, 256)),
    "U-Net, 128x128": Model(_of("unet", "UNet"), _numbers(1, 3, 128, 128)),
}


def weft_model(model: Model, weights: dict | None = None) -> tuple[Any, list[Any]]:
    """The module, which has the weights that are given, and its inputs."""
    module = model.build(weft).eval()
    if weights is not None:
        module.load_state_dict({name: weft.asarray(value) for name, value in weights.items()})
    return module, [weft.asarray(array) for array in _inputs(model)]


def weft_call(module: Any, **options: Any) -> Callable[..., Any]:
    """The compiled function of a module, which records nothing for gradients."""

    @weft.jit(**options)
    def call(*args):
        with weft.no_grad():
            return module(*args)

    return call


def _inputs(model: Model) -> list[np.ndarray]:
    return model.inputs(np.random.default_rng(0))


def torch_call(module: Any, tensors: list[Any]) -> Callable[[], Any]:
    """A call of a PyTorch module that records nothing for gradients."""

    def call():
        with peers.torch().inference_mode():
            return module(*tensors)

    return call


def _torch_calls(module: Any, inputs: list[np.ndarray]) -> dict[str, Callable[[], Any]]:
    torch = peers.torch()
    tensors = [torch.from_numpy(array) for array in inputs]
    calls = {"torch": torch_call(module, tensors)}
    if tensors[0].ndim == 4:
        layout = torch.channels_last
        module = copy.deepcopy(module).to(memory_format=layout)
        tensors = [tensors[0].to(memory_format=layout)]
        calls["torch channels_last"] = torch_call(module, tensors)
    if peers.torch_compiles():
        torch.compiler.reset()  # Each model is compiled as the first one of a process.
        calls["torch.compile"] = torch_call(torch.compile(module), tensors)
    return calls


def _settle(module: Any, inputs: list[np.ndarray]) -> None:
    """Gives batch normalizations the means and variances of the inputs, as if trained on them."""
    torch = peers.torch()
    norms = [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        module.train()(*map(torch.from_numpy, inputs))
    module.eval()


def first(result: Any) -> Any:
    """The result, or the first of several: the states of an LSTM."""
    return result[0] if isinstance(result, tuple) else result


def torch_model(model: Model) -> tuple[Any, list[np.ndarray]]:
    """PyTorch's module, its normalizations as if trained, and its inputs."""
    peers.torch().manual_seed(0)
    module, inputs = model.build(peers.torch()).eval(), _inputs(model)
    _settle(module, inputs)
    return module, inputs


def weights_of(module: Any) -> dict[str, np.ndarray]:
    """Those of a PyTorch module."""
    return {name: value.numpy() for name, value in module.state_dict().items()}


def case_of(name: str) -> Case:
    """A model beside those peers that are installed. Raises AssertionError if results differ."""
    model, weights, contenders = MODELS[name], None, {}
    if peers.torch():
        module, inputs = torch_model(model)
        weights = weights_of(module)
        contenders = _torch_calls(module, inputs) | onnx_calls(module, inputs)
    module, tensors = weft_model(model, weights)
    compiled = weft_call(module)
    for peer, call in contenders.items():
        compare(f"{name}: {peer}", first(compiled(*tensors)), first(call()), TOLERANCE)
    bar = Bar(f">= {LEAST_RATIO} of the best peer", 1 / LEAST_RATIO, tuple(contenders))
    return Case(name, {WEFT: lambda: compiled(*tensors)} | contenders, bar)


def cases() -> Iterator[Case]:
    for name in MODELS:
        gc.collect()  # The model before is several gigabytes, and in cycles of references.
        yield case_of(name)


def weft_profile(name: str) -> str:
    """The kernels of a model and their times."""
    module, tensors = weft_model(MODELS[name])
    return str(weft_call(module).profile(*tensors))
