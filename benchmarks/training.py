"""The time of training steps, of equal weights and data; the losses of some steps are compared."""

from __future__ import annotations

from collections.abc import Iterator

import language
import network
from functions import compare
from harness import WEFT, Bar, Case
from steps import Training

PEERS = ("torch", "torch.compile", "jax")
COMPARED_STEPS = 3
TOLERANCE = 1e-3
"""Of the loss: Adam makes steps of about the same size of small gradients and of their rounding."""


def case_of(name: str, training: Training, ratio: float, without: tuple[str, ...] = ()) -> Case:
    """A training step, `without` some peers. Raises AssertionError if losses differ."""
    makers = {peer: make for peer, make in training.steps().items() if peer not in without}
    contenders = {peer: make() for peer, make in makers.items()}
    for step in range(COMPARED_STEPS):
        losses = {peer: call() for peer, call in contenders.items()}
        for peer, loss in losses.items():
            compare(f"{name}, step {step}: {peer}", losses[WEFT], loss, TOLERANCE)
    return Case(name, contenders, Bar(f">= {ratio} of the best peer", 1 / ratio, PEERS))


def cases() -> Iterator[Case]:
    # torch.compile of PyTorch 2.13 takes the gradients of the network's convolutions for zero.
    yield case_of("CNN training step", network.TRAINING, 1.8, without=("torch.compile",))
    for layers in (4, 12):
        name = f"GPT training step, {layers} layers of {language.WIDTH}"
        yield case_of(name, language.training(layers), 1.15)
