"""The training step of a small convolutional network on images of 28x28, batch 64, with Adam."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import peers

BATCH = 64


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((BATCH, 1, 28, 28), np.float32)
    return images, generator.integers(0, 10, BATCH)


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


def pytorch_style_step(nn: ModuleType, optim: ModuleType) -> Callable:
    """One program for PyTorch and for Weft; only the modules differ."""
    model = pytorch_style_model(nn)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.001)

    def step(images, labels):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def weft_step() -> Callable[[], object]:
    import weft
    from weft import nn, optim

    step = weft.jit(pytorch_style_step(nn, optim))
    images, labels = (weft.asarray(array) for array in batch())
    return lambda: step(images, labels)


def weft_profile() -> str:
    """The kernels of the step and their times."""
    import weft
    from weft import nn, optim

    step = weft.jit(pytorch_style_step(nn, optim))
    inputs = [weft.asarray(array) for array in batch()]
    step(*inputs)  # The state of the optimizer is there from the first step on.
    return str(step.profile(*inputs))


def torch_step(compiled: bool = False) -> Callable[[], object]:
    torch = peers.torch()
    step = pytorch_style_step(torch.nn, torch.optim)
    if compiled:
        step = torch.compile(step)
    images, labels = (torch.from_numpy(array) for array in batch())
    return lambda: step(images, labels)


def jax_step() -> Callable[[], object]:
    jax = peers.jax()
    jnp, lax = jax.numpy, jax.lax
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = [(32, 1, 3, 3), (64, 32, 3, 3), (64 * 12 * 12, 128), (128, 10)]
    weights = [jax.random.normal(key, shape) * 0.05 for key, shape in zip(keys, shapes)]
    biases = [jnp.zeros(size) for size in (32, 64, 128, 10)]
    layout = ("NCHW", "OIHW", "NCHW")

    def loss_of(parameters, images, labels):
        weights, biases = parameters
        x = images
        for weight, bias in zip(weights[:2], biases[:2]):
            x = lax.conv_general_dilated(x, weight, (1, 1), "VALID", dimension_numbers=layout)
            x = jax.nn.relu(x + bias[:, None, None])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        x = jax.nn.relu(x.reshape(x.shape[0], -1) @ weights[2] + biases[2])
        logits = jax.nn.log_softmax(x @ weights[3] + biases[3])
        return -jnp.take_along_axis(logits, labels[:, None], 1).mean()

    @jax.jit
    def step(parameters, means, squares, count, images, labels):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, images, labels)
        count = count + 1
        means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
        squares = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, squares, gradients)

        def updated(parameter, mean, square):
            scale = jnp.sqrt(square / (1 - 0.999**count)) + 1e-8
            return parameter - 0.001 * mean / (1 - 0.9**count) / scale

        return loss, jax.tree.map(updated, parameters, means, squares), means, squares, count

    parameters = (weights, biases)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [parameters, zeros, zeros, jnp.zeros(())]
    images, labels = (jnp.asarray(array) for array in batch())

    def call():
        loss, *state[:] = jax.block_until_ready(step(*state, images, labels))
        return loss

    return call


def steps() -> dict[str, Callable[[], Callable[[], object]]]:
    """What makes the step of each framework that is there."""
    makers: dict[str, Callable] = {"weft": weft_step}
    if peers.installed("torch"):
        makers["torch"] = torch_step
    if peers.installed("torch") and peers.has_compiler():
        makers["torch.compile"] = lambda: torch_step(compiled=True)
    if peers.installed("jax"):
        makers["jax"] = jax_step
    return makers
