"""A LLaMA of a few weights, without the packages that publish such."""

from __future__ import annotations

from typing import Any

import numpy as np
import weft

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 11,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "eos_token_id": 2,
}


def weights() -> dict[str, weft.Tensor]:
    """Those of the configuration."""
    random = np.random.default_rng(0)
    shapes = {"model.embed_tokens.weight": (11, 8), "lm_head.weight": (11, 8)}
    shapes["model.norm.weight"] = (8,)
    for layer in range(2):
        name = f"model.layers.{layer}"
        shapes[f"{name}.input_layernorm.weight"] = (8,)
        shapes[f"{name}.post_attention_layernorm.weight"] = (8,)
        for part, shape in (("q", (8, 8)), ("k", (4, 8)), ("v", (4, 8)), ("o", (8, 8))):
            shapes[f"{name}.self_attn.{part}_proj.weight"] = shape
        for part, shape in (("gate", (12, 8)), ("up", (12, 8)), ("down", (8, 12))):
            shapes[f"{name}.mlp.{part}_proj.weight"] = shape
    return {
        name: weft.asarray(random.standard_normal(shape).astype(np.float32))
        for name, shape in shapes.items()
    }
