"""Small checkpoints with random weights, as transformers writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf

#: Sizes of the decoders that have LLaMA's names for their settings.
TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

LLAMA3_ROTARY = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def _gpt2(**more: Any) -> Any:
    sizes = {"vocab_size": 99, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 512}
    return hf.GPT2Config(**sizes, bos_token_id=1, eos_token_id=2, pad_token_id=0, **more)


#: Configurations of all families of decoders, in all ways in which they differ.
DECODERS: dict[str, Callable[[], Any]] = {
    "LLaMA": lambda: hf.LlamaConfig(**TEXT),
    "LLaMA, shared keys": lambda: hf.LlamaConfig(**TEXT, num_key_value_heads=2),
    "LLaMA, tied, biases": lambda: hf.LlamaConfig(
        **TEXT, tie_word_embeddings=True, attention_bias=True, mlp_bias=True
    ),
    "LLaMA 3, rotary": lambda: hf.LlamaConfig(**TEXT, head_dim=16, rope_parameters=LLAMA3_ROTARY),
    "LLaMA, slower": lambda: hf.LlamaConfig(
        **TEXT, rope_parameters={"rope_type": "linear", "rope_theta": 500.0, "factor": 2.0}
    ),
    "Mistral": lambda: hf.MistralConfig(**TEXT, num_key_value_heads=1, sliding_window=7),
    "Mistral, no window": lambda: hf.MistralConfig(
        **TEXT, num_key_value_heads=2, sliding_window=None, head_dim=12
    ),
    "Qwen2": lambda: hf.Qwen2Config(**TEXT, num_key_value_heads=2, tie_word_embeddings=True),
    "Qwen2, window": lambda: hf.Qwen2Config(
        **TEXT,
        num_key_value_heads=2,
        use_sliding_window=True,
        sliding_window=5,
        max_window_layers=1,
    ),
    "Qwen3": lambda: hf.Qwen3Config(**TEXT, num_key_value_heads=2, head_dim=16),
    "Qwen3, YaRN": lambda: hf.Qwen3Config(
        **{**TEXT, "num_hidden_layers": 1},
        num_key_value_heads=4,
        head_dim=16,
        rope_parameters={"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}
        | {"original_max_position_embeddings": 128},
    ),
    "Gemma": lambda: hf.GemmaConfig(**TEXT, num_key_value_heads=1, head_dim=16),
    "Phi": lambda: hf.PhiConfig(**TEXT),
    "Phi, norms of queries": lambda: hf.PhiConfig(
        **TEXT, qk_layernorm=True, rope_parameters={"rope_theta": 1e4, "partial_rotary_factor": 0.3}
    ),
    "Phi3": lambda: hf.Phi3Config(**TEXT, num_key_value_heads=2, sliding_window=7),
    "GPT-2": _gpt2,
    "GPT-2, scales": lambda: _gpt2(
        scale_attn_by_inverse_layer_idx=True, n_inner=40, activation_function="relu"
    ),
}


def randomized(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The model with weights that are far from their starting values: biases and norms, too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            kept = torch.ones(()) if "norm" in name.lower() and weight.ndim == 1 else 0 * weight
            weight.copy_(0.3 * kept + 0.2 * noise)
    return model.eval()


def saved(model: Any, folder: Path, **options: Any) -> Path:
    """The folder with the model's files."""
    model.save_pretrained(folder, **options)
    return folder


def decoder(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """A decoder of transformers, in eager PyTorch."""
    torch.manual_seed(0)
    return randomized(hf.AutoModelForCausalLM.from_config(DECODERS[name]())).to(dtype)
