"""Training steps: one program for PyTorch and for Weft, the same function in JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import peers

RATE = 0.001


def training_step(framework: ModuleType, model: Any) -> Callable:
    """(inputs, labels) to the loss: cross-entropy of the model's scores [..., C], and Adam."""
    criterion = framework.nn.CrossEntropyLoss()
    optimizer = framework.optim.Adam(model.parameters(), lr=RATE)

    def step(inputs, labels):
        optimizer.zero_grad()
        loss = criterion(model(inputs).flatten(0, -2), labels.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


@dataclass
class Training:
    """What is trained, with equal weights and data in all frameworks."""

    build: Callable[[ModuleType], Any]
    """The model, of `torch` or `weft`."""
    state: Callable[[], dict[str, np.ndarray]]
    """Its weights at first, by the names of its state dict."""
    batch: Callable[[], tuple[np.ndarray, np.ndarray]]
    """Inputs and labels."""
    jax_scores: Callable[[dict[str, Any], Any], Any]
    """The model as a function of weights and inputs."""

    def weft_function(self) -> tuple[Callable, list[Any]]:
        """The compiled step and its arguments."""
        import weft

        model = self.build(weft)
        state = {name: weft.asarray(value) for name, value in self.state().items()}
        model.load_state_dict(state)
        arguments = [weft.asarray(array) for array in self.batch()]
        return weft.jit(training_step(weft, model)), arguments

    def weft_step(self) -> Callable[[], object]:
        step, arguments = self.weft_function()
        return lambda: step(*arguments)

    def weft_profile(self) -> str:
        """The kernels of the step and their times."""
        step, arguments = self.weft_function()
        step(*arguments)  # The state of the optimizer is there from the first step on.
        return str(step.profile(*arguments))

    def torch_step(self, compiled: bool = False) -> Callable[[], object]:
        torch = peers.torch()
        model = self.build(torch)
        state = {name: torch.from_numpy(value) for name, value in self.state().items()}
        model.load_state_dict(state)
        step = training_step(torch, model)
        if compiled:
            torch.compiler.reset()  # Each step is compiled as the first one of a process.
            step = torch.compile(step)
        arguments = [torch.from_numpy(array) for array in self.batch()]
        return lambda: step(*arguments)

    def jax_step(self) -> Callable[[], object]:
        jax = peers.jax()
        jnp = jax.numpy

        def loss_of(parameters, inputs, labels):
            scores = self.jax_scores(parameters, inputs)
            logarithms = jax.nn.log_softmax(scores.reshape(-1, scores.shape[-1]))
            return -jnp.take_along_axis(logarithms, labels.reshape(-1, 1), 1).mean()

        def step(parameters, means, squares, count, inputs, labels):
            loss, gradients = jax.value_and_grad(loss_of)(parameters, inputs, labels)
            count = count + 1
            means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
            squares = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, squares, gradients)

            def updated(parameter, mean, square):
                scale = jnp.sqrt(square / (1 - 0.999**count)) + 1e-8
                return parameter - RATE * mean / (1 - 0.9**count) / scale

            return loss, jax.tree.map(updated, parameters, means, squares), means, squares, count

        compiled = jax.jit(step, donate_argnums=(0, 1, 2, 3))
        parameters = {name: jnp.asarray(value) for name, value in self.state().items()}
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        state = [parameters, *zeros, jnp.zeros(())]
        inputs, labels = (jnp.asarray(array) for array in self.batch())

        def call():
            loss, *state[:] = jax.block_until_ready(compiled(*state, inputs, labels))
            return loss

        return call

    def steps(self) -> dict[str, Callable[[], Callable[[], object]]]:
        """What makes the step of each framework that is there."""
        makers: dict[str, Callable] = {"weft": self.weft_step}
        if peers.installed("torch"):
            makers["torch"] = self.torch_step
        if peers.installed("torch") and peers.has_compiler():
            makers["torch.compile"] = lambda: self.torch_step(compiled=True)
        if peers.installed("jax"):
            makers["jax"] = self.jax_step
        return makers
