"""The models of examples/models at small sizes: eager and compiled agree to the bit, and both with
PyTorch's results in float64 within rounding."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, eager_and_jit, to_numpy

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
from examples.models import bert, gpt2, llama, lstm, mlp, mobilenet, resnet, unet, vit

# Of the largest element. These models have up to a dozen layers one after the other, whose sums
# have up to two hundred terms: a few roundings each, which add up like random numbers, and grow
# where a normalization divides by a small deviation. The largest seen are 24 roundings (U-Net),
# 7 for the others.
TOLERANCE = 128 * UNIT_ROUNDOFF["float32"]

WORDS = 50
TRANSFORMER: dict[str, Any] = {"width": 24, "heads": 3, "layers": 2}
LANGUAGE = TRANSFORMER | {"vocabulary": WORDS, "positions": 16}
LLAMA = LANGUAGE | {"hidden": 40}
RESNET = {"stages": ((4, 2, 1), (8, 1, 2)), "stem": 4, "classes": 5}
MOBILENET = {
    "stages": ((1, 8, 1, 1), (6, 8, 2, 2), (2, 12, 2, 1)),
    "stem": 8,
    "head": 16,
    "classes": 5,
}


@dataclass
class Example:
    """A model of small sizes, and what makes its arguments."""

    module: ModuleType
    sizes: dict[str, Any]
    arguments: Callable[[np.random.Generator], tuple[np.ndarray, ...]]

    def pair(self) -> tuple[Any, Any, tuple[np.ndarray, ...]]:
        """The model of Weft and that of PyTorch, in float64, with equal weights; arguments."""
        torch.manual_seed(0)
        ours, theirs = self.module.build(weft, **self.sizes), self.module.build(torch, **self.sizes)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        arguments = self.arguments(np.random.default_rng(0))
        settle(theirs, arguments)
        state = {name: weft.asarray(value.numpy()) for name, value in theirs.state_dict().items()}
        ours.load_state_dict(state)
        return ours.eval(), theirs.double().eval(), arguments


def settle(model: Any, arguments: tuple[np.ndarray, ...]) -> None:
    """Biases and scales that are not 0 and 1, means and variances as after training."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn_like(parameter)
        norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
        model(*map(torch.from_numpy, arguments))


def numbers(*shape: int) -> Callable:
    """Standard normal numbers."""
    return lambda generator: (generator.standard_normal(shape, np.float32),)


def words(*shape: int) -> Callable:
    """Numbers of tokens."""
    return lambda generator: (generator.integers(0, WORDS, shape),)


EXAMPLES = {
    "mlp": Example(mlp, {"sizes": (6, 8, 8, 3)}, numbers(5, 6)),
    "mlp of relu": Example(mlp, {"sizes": (6, 8, 8, 3), "activation": "ReLU"}, numbers(5, 6)),
    "mlp of one layer, no rows": Example(mlp, {"sizes": (6, 3)}, numbers(0, 6)),
    "resnet": Example(resnet, RESNET, numbers(2, 3, 33, 40)),
    "mobilenet": Example(mobilenet, MOBILENET, numbers(2, 3, 33, 40)),
    "bert": Example(
        bert,
        LANGUAGE | {"hidden": 40},
        lambda generator: (*words(2, 7)(generator), generator.integers(0, 2, (2, 7))),
    ),
    "gpt2": Example(gpt2, LANGUAGE, words(2, 7)),
    "gpt2 of one token": Example(gpt2, LANGUAGE, words(1, 1)),
    "vit": Example(
        vit, TRANSFORMER | {"size": 12, "patch": 4, "classes": 5}, numbers(2, 3, 12, 12)
    ),
    "llama": Example(llama, LLAMA, words(2, 7)),
    "llama, the next token": Example(
        llama,
        LLAMA,
        lambda generator: (*words(2, 1)(generator), *numbers(2, 2, 2, 3, 7, 8)(generator)),
    ),
    "lstm": Example(lstm, {"inputs": 5, "width": 7}, numbers(2, 6, 5)),
    "unet": Example(unet, {"widths": (4, 6, 8)}, numbers(2, 3, 12, 8)),
}


def results_of(value: Any) -> list[np.ndarray]:
    """One result, or those of a tuple."""
    values = value if isinstance(value, tuple) else (value,)
    return [to_numpy(one.detach()) for one in values]


def assert_near(found: Any, expected: Any) -> None:
    """All results have the shapes of PyTorch's, and differ by no more than TOLERANCE."""
    for one, wanted in zip(results_of(found), results_of(expected), strict=True):
        assert one.shape == wanted.shape
        assert one.dtype == np.float32
        assert wanted.dtype == np.float64
        if one.size:
            assert np.abs(one - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def in_float64(array: np.ndarray) -> torch.Tensor:
    """Floating arrays in float64, others as they are."""
    tensor = torch.from_numpy(array)
    return tensor.double() if tensor.is_floating_point() else tensor


@pytest.mark.parametrize("name", EXAMPLES)
def test_eager_compiled_and_pytorch_agree(name: str) -> None:
    ours, theirs, arguments = EXAMPLES[name].pair()

    def inference(*tensors: weft.Tensor) -> Any:
        with weft.no_grad():
            return ours(*tensors)

    found = eager_and_jit(inference, *map(weft.asarray, arguments))
    with torch.no_grad():
        assert_near(found, theirs(*map(in_float64, arguments)))


def test_llama_goes_on_as_if_it_had_read_all() -> None:
    model = EXAMPLES["llama"].pair()[0]
    tokens = weft.asarray(words(2, 9)(np.random.default_rng(1))[0])
    step = weft.jit(lambda *arguments: model(*arguments))
    scores, past = step(tokens[:, :5])
    for place in range(5, 9):
        scores, own = step(tokens[:, place : place + 1], past)
        past = weft.concat([past, own], axis=4)
    expected = model(tokens)
    for one, wanted in zip((scores, past), expected, strict=True):
        difference = np.abs(to_numpy(one.detach()) - to_numpy(wanted.detach())).max()
        assert difference <= 2 * TOLERANCE * np.abs(to_numpy(wanted.detach())).max()


def test_lstm_is_that_of_pytorch() -> None:
    ours, _, (sequences,) = EXAMPLES["lstm"].pair()
    theirs = torch.nn.LSTM(5, 7, 2, batch_first=True).double()
    parts = {"ih": "of_input", "hh": "of_state"}
    with torch.no_grad():
        for number, layer in enumerate(ours):
            for short, part in parts.items():
                for kind in ("weight", "bias"):
                    value = np.array(getattr(getattr(layer, part), kind).detach())
                    getattr(theirs, f"{kind}_{short}_l{number}").copy_(torch.from_numpy(value))
        assert_near(ours(weft.asarray(sequences)), theirs(in_float64(sequences))[0])


@pytest.mark.parametrize(
    ("module", "millions"),
    [
        (mlp, 2.9),
        (resnet, 25.6),
        (mobilenet, 3.5),
        (bert, 108.9),
        (gpt2, 124.4),
        (vit, 86.6),
        (llama, 109.5),
        (lstm, 1.1),
        (unet, 1.9),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_defaults_are_the_real_sizes(module: ModuleType, millions: float) -> None:
    with torch.device("meta"):
        model = module.build(torch)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05)
