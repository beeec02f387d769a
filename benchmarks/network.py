"""The training of a small convolutional network on images of 28x28, batch 64."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import peers
from steps import Training

BATCH = 64
SHAPES = {"0": (32, 1, 3, 3), "2": (64, 32, 3, 3), "6": (128, 64 * 12 * 12), "8": (10, 128)}
"""Of the weights, by the places of the layers in the network."""


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((BATCH, 1, 28, 28), np.float32)
    return images, generator.integers(0, 10, BATCH)


def state() -> dict[str, np.ndarray]:
    """Weights and biases as PyTorch draws them."""
    generator = np.random.default_rng(1)
    values = {}
    for name, shape in SHAPES.items():
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        for kind, size in (("weight", shape), ("bias", shape[:1])):
            values[f"{name}.{kind}"] = generator.uniform(-bound, bound, size).astype(np.float32)
    return values


def pytorch_style_model(nn: ModuleType) -> Any:
    """The network, of PyTorch's modules or of Weft's: [N, 1, 28, 28] to ten scores."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def _jax_scores(weights: dict[str, Any], x: Any) -> Any:
    jax = peers.jax()
    jnp, lax = jax.numpy, jax.lax
    layout = ("NCHW", "OIHW", "NCHW")
    for name in ("0", "2"):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = lax.conv_general_dilated(x, weight, (1, 1), "VALID", dimension_numbers=layout)
        x = jax.nn.relu(x + bias[:, None, None])
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = jax.nn.relu(x.reshape(x.shape[0], -1) @ weights["6.weight"].T + weights["6.bias"])
    return x @ weights["8.weight"].T + weights["8.bias"]


TRAINING = Training(lambda framework: pytorch_style_model(framework.nn), state, batch, _jax_scores)
steps = TRAINING.steps
weft_profile = TRAINING.weft_profile
