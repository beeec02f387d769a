"""Programs whose first call is measured: inference and training, of random weights.

Each is a function of the framework's name, as the table has it, that builds the model and gives a
call that computes on it. Nothing is traced or compiled before the first call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import language
import network
import numpy as np
import peers
import weft
from models import MODELS, Model, tokens, weft_call
from steps import Training

Call = Callable[[], object]
TEXT = 64
"""The tokens of a text that a GPT reads."""


def _gpt(layers: int) -> Model:
    return Model(language.builder(layers), tokens(language.VOCABULARY, TEXT))


INFERENCE = {
    "GPT, 4 layers": _gpt(4),
    "GPT, 12 layers": _gpt(12),
    "ResNet-50": MODELS["ResNet-50"],
    "LSTM of 50 steps": MODELS["LSTM, 2 layers, 50 steps"],
}


def of_batch(name: str, framework: str) -> Callable[[int], Call]:
    """The calls of one of INFERENCE, by the number of texts or images; one compiled function."""
    model = INFERENCE[name]
    arrays = model.inputs(np.random.default_rng(0))
    if framework == "weft":
        function, convert = weft_call(model.build(weft).eval()), weft.asarray
    else:
        function, convert = _by_torch(model, framework == "torch.compile"), peers.torch().from_numpy

    def call_of(batch: int) -> Call:
        inputs = [convert(array.repeat(batch, 0)) for array in arrays]
        return lambda: function(*inputs)

    return call_of


def _by_torch(model: Model, compiled: bool) -> Callable[..., Any]:
    torch = peers.torch()
    module = model.build(torch).eval()
    function = torch.compile(module) if compiled else module

    def call(*inputs):
        with torch.inference_mode():
            return function(*inputs)

    return call


def _inference(name: str, framework: str) -> Call:
    return of_batch(name, framework)(1)


def _training(training: Training, framework: str) -> Call:
    return training.steps()[framework]()


PROGRAMS: dict[str, Callable[[str], Call]] = {
    **{name: functools.partial(_inference, name) for name in INFERENCE},
    "CNN training step": functools.partial(_training, network.TRAINING),
    "GPT training step, 12 layers": functools.partial(_training, language.training(12)),
}
