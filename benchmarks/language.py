"""The training of a small GPT on 8 sequences of 128 tokens."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import peers
from steps import Training

sys.path.append(str(Path(__file__).resolve().parent.parent))
from examples.models import written_in

SEQUENCES, LENGTH, VOCABULARY, WIDTH, HEADS = 8, 128, 1024, 256, 4


def builder(layers: int) -> Callable[[ModuleType], Any]:
    """What builds GPT-2 with that many layers of 256, without dropout: all losses are equal."""

    def build(framework: ModuleType) -> Any:
        program = written_in(framework, "gpt2")
        config = program.Config(VOCABULARY, LENGTH, WIDTH, HEADS, layers, dropout=0.0)
        return program.GPT2(config)

    return build


def training(layers: int) -> Training:
    """The training of that model."""
    build = builder(layers)

    def state() -> dict[str, np.ndarray]:
        import weft

        weft.random.seed(0)
        return {name: np.array(value) for name, value in build(weft).state_dict().items()}

    return Training(build, state, _batch, functools.partial(_jax_scores, layers))


def _batch() -> tuple[np.ndarray, np.ndarray]:
    """Tokens, and at each place the one that comes next."""
    texts = np.random.default_rng(0).integers(0, VOCABULARY, (SEQUENCES, LENGTH + 1))
    return np.ascontiguousarray(texts[:, :-1]), np.ascontiguousarray(texts[:, 1:])


def _jax_scores(layers: int, weights: dict[str, Any], tokens: Any) -> Any:
    jax = peers.jax()
    jnp = jax.numpy

    def linear(name, x):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name, x):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        scaled = (x - mean) * jax.lax.rsqrt(variance + 1e-5)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def attention(name, x):
        parts = jnp.split(linear(f"{name}.c_attn", x), 3, -1)
        heads = [part.reshape(*x.shape[:2], HEADS, WIDTH // HEADS) for part in parts]
        mixed = jax.nn.dot_product_attention(*heads, is_causal=True)
        return linear(f"{name}.c_proj", mixed.reshape(x.shape))

    x = weights["wte.weight"][tokens] + weights["wpe.weight"][: tokens.shape[1]]
    for number in range(layers):
        name = f"h.{number}"
        x = x + attention(f"{name}.attn", norm(f"{name}.ln_1", x))
        y = linear(f"{name}.mlp.c_fc", norm(f"{name}.ln_2", x))
        x = x + linear(f"{name}.mlp.c_proj", jax.nn.gelu(y, approximate=True))
    return norm("ln_f", x) @ weights["wte.weight"].T
