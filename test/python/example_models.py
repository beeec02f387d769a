"""The models of examples/models at small sizes, and how far results may be from PyTorch's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import weft
from numerics import UNIT_ROUNDOFF, to_numpy

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
from examples.models import written_in

# Of the largest element. These models have up to a dozen layers one after the other, whose sums
# have up to two hundred terms: a few roundings each, which add up like random numbers, and grow
# where a normalization divides by a small deviation. The largest seen are 24 roundings (U-Net),
# 7 for the others.
TOLERANCE = 128 * UNIT_ROUNDOFF["float32"]

WORDS = 50
Arguments = Callable[[np.random.Generator], tuple[np.ndarray, ...]]


@dataclass
class Example:
    """A class of a module of examples/models, of small sizes, and what makes its arguments."""

    module: str
    kind: str
    sizes: dict[str, Any]
    arguments: Arguments

    def build(self, framework: Any) -> Any:
        """The model of weft or of torch."""
        program = written_in(framework, self.module)
        return getattr(program, self.kind)(program.Config(**self.sizes))

    def pair(self) -> tuple[Any, Any, tuple[np.ndarray, ...]]:
        """The models of Weft and of PyTorch with equal weights, not for training; arguments."""
        torch.manual_seed(0)
        ours, theirs = self.build(weft), self.build(torch)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        arguments = self.arguments(np.random.default_rng(0))
        settle(theirs, arguments)
        ours.load_state_dict(theirs.state_dict())
        return ours.eval(), theirs.eval(), arguments


def settle(model: Any, arguments: tuple[np.ndarray, ...]) -> None:
    """Weights by which all layers count, biases and scales that are not 0 and 1, means and
    variances as after training."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn_like(parameter)
            elif parameter.ndim == 2:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
        norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
        model(*map(torch.from_numpy, arguments))
        for norm in norms:
            norm.momentum = 0.1


def numbers(*shapes: tuple[int, ...]) -> Arguments:
    """Standard normal numbers."""
    return lambda random: tuple(random.standard_normal(shape, np.float32) for shape in shapes)


def words(*shapes: tuple[int, ...], count: int = WORDS) -> Arguments:
    """Numbers of tokens."""
    return lambda random: tuple(random.integers(0, count, shape) for shape in shapes)


def both(*parts: Arguments) -> Arguments:
    """The arguments of all parts."""
    return lambda random: tuple(array for part in parts for array in part(random))


def some_edges(random: np.random.Generator, nodes: int = 9) -> np.ndarray:
    """Who sees whom, each node itself: bool [N, N], by target and source."""
    return (random.random((nodes, nodes)) < 0.3) | np.eye(nodes, dtype=bool)


def edge_list(random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Sources, targets and weights of edges."""
    target, source = np.nonzero(some_edges(random))
    return source, target, random.random(len(source), np.float32)


TRANSFORMER = {"width": 24, "heads": 3, "layers": 2}
LANGUAGE = TRANSFORMER | {"vocabulary": WORDS, "positions": 16, "dropout": 0.0}
LLAMA = {"vocabulary": WORDS, "positions": 16, "width": 32, "heads": 4, "key_heads": 2}
LLAMA |= {"hidden": 40, "layers": 2}
MOBILENET = {"stages": ((1, 8, 1, 1), (6, 8, 2, 2), (2, 12, 2, 1)), "stem": 8, "head": 16}
VIT = TRANSFORMER | {"size": 12, "patch": 4, "hidden": 40, "classes": 5}
T5 = TRANSFORMER | {"vocabulary": WORDS, "head_width": 5, "hidden": 40, "buckets": 8, "farthest": 9}

EXAMPLES = {
    "mlp": Example("mlp", "MLP", {"sizes": (6, 8, 8, 3)}, numbers((5, 6))),
    "mlp of one layer, no rows": Example("mlp", "MLP", {"sizes": (6, 3)}, numbers((0, 6))),
    "resnet": Example(
        "resnet", "ResNet", {"blocks": (2, 1), "width": 4, "classes": 5}, numbers((3, 3, 33, 40))
    ),
    "resnet of basic blocks": Example(
        "resnet",
        "ResNet",
        {"bottleneck": False, "blocks": (1, 2), "width": 6, "channels": 1, "classes": 5},
        numbers((3, 1, 28, 28)),
    ),
    "mobilenet": Example(
        "mobilenet",
        "MobileNetV2",
        MOBILENET | {"classes": 5, "dropout": 0.0},
        numbers((3, 3, 33, 40)),
    ),
    "bert": Example(
        "bert", "Bert", LANGUAGE | {"hidden": 40}, both(words((2, 7)), words((2, 7), count=2))
    ),
    "bert with gaps": Example(
        "bert",
        "MaskedLanguageModel",
        LANGUAGE | {"hidden": 40},
        both(words((2, 7)), words((2, 7), count=2)),
    ),
    "gpt2": Example("gpt2", "GPT2", LANGUAGE, words((2, 7))),
    "gpt2 of one token": Example("gpt2", "GPT2", LANGUAGE, words((1, 1))),
    "vit": Example("vit", "ViT", VIT, numbers((2, 3, 12, 12))),
    "llama": Example("llama", "Llama", LLAMA, words((2, 7))),
    "llama of one table": Example("llama", "Llama", LLAMA | {"tied": True}, words((1, 5))),
    "t5": Example("t5", "T5", T5, words((2, 12), (2, 9))),
    "moe": Example("moe", "Mixtral", LLAMA | {"experts": 4}, words((2, 7))),
    "moe with little room": Example(
        "moe", "Mixtral", LLAMA | {"experts": 3, "chosen": 1, "room": 0.8}, words((2, 7))
    ),
    "lstm": Example(
        "lstm", "LSTMClassifier", {"inputs": 5, "width": 7, "classes": 3}, numbers((2, 1, 6, 5))
    ),
    "unet": Example("unet", "UNet", {"widths": (4, 6, 8)}, numbers((3, 3, 12, 8))),
    "gcn": Example(
        "gcn", "GCN", {"inputs": 6, "classes": 3, "dropout": 0.0}, both(numbers((9, 6)), edge_list)
    ),
    "gat": Example(
        "gat",
        "GAT",
        {"inputs": 6, "heads": 3, "classes": 3, "dropout": 0.0},
        both(numbers((9, 6)), lambda random: edge_list(random)[:2]),
    ),
    "vae": Example("vae", "VAE", {"pixels": 12, "width": 9, "code": 3}, numbers((5, 12), (5, 3))),
    "generator": Example("gan", "Generator", {"noise": 5, "width": 4}, numbers((3, 5))),
    "discriminator": Example("gan", "Discriminator", {"width": 4}, numbers((3, 1, 28, 28))),
    "diffusion": Example(
        "diffusion",
        "Denoiser",
        {"channels": 2, "widths": (8, 12, 16), "groups": 4},
        both(numbers((2, 2, 12, 8)), words((2,), count=1000)),
    ),
    "dqn": Example("dqn", "QNetwork", {"width": 9}, numbers((5, 4))),
}


def results_of(value: Any) -> list[np.ndarray]:
    """One result, or those of a tuple."""
    values = value if isinstance(value, tuple) else (value,)
    return [to_numpy(one.detach()) for one in values]


def assert_near(found: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    """All results have the shapes of PyTorch's, and differ by no more than the tolerance times the
    largest element."""
    for one, wanted in zip(results_of(found), results_of(expected), strict=True):
        assert one.shape == wanted.shape
        assert one.dtype == np.float32
        assert wanted.dtype == np.float64
        if one.size:
            assert np.abs(one - wanted).max() <= tolerance * np.abs(wanted).max()


def assert_near_change(
    name: str, found: np.ndarray, narrow: np.ndarray, wide: np.ndarray, size: float = 0.0
) -> None:
    """The change of a number or weight of this size by training is that of PyTorch in float64, but
    for 8 times the error of PyTorch in float32: that is how well conditioned the training is.
    Where that one is exact by chance, some roundings of the weight and of its change are left.
    """
    error = np.abs(found - wide).max(initial=0.0)
    largest = np.abs(wide).max(initial=0.0) + size
    bound = 8 * np.abs(narrow - wide).max(initial=0.0) + 32 * UNIT_ROUNDOFF["float32"] * largest
    assert error <= bound, f"{name}: {error} where {bound} is allowed"


def in_float64(array: np.ndarray) -> torch.Tensor:
    """Floating arrays in float64, others as they are."""
    tensor = torch.from_numpy(np.array(array))
    return tensor.double() if tensor.is_floating_point() else tensor
