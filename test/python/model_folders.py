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


#: The same for decoders that have other names.
_NO_HIDDEN = {name: value for name, value in TEXT.items() if name != "intermediate_size"}
OPT = {**_NO_HIDDEN, "ffn_dim": 48}
FALCON = {**_NO_HIDDEN, "ffn_hidden_size": 48}
_ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
BLOOM = {"vocab_size": 99, "hidden_size": 32, "n_layer": 3, **_ENDS}
MPT = {"vocab_size": 99, "d_model": 32, "n_layers": 3, "max_seq_len": 512, **_ENDS}


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
    "Gemma2": lambda: hf.Gemma2Config(
        **TEXT,
        num_key_value_heads=2,
        head_dim=16,
        sliding_window=7,
        query_pre_attn_scalar=24,
        attn_logit_softcapping=3.0,
        final_logit_softcapping=2.0,
    ),
    "Gemma3": lambda: hf.Gemma3TextConfig(
        **TEXT,
        num_key_value_heads=2,
        head_dim=16,
        sliding_window=7,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "rope_theta": 1e5, "factor": 8.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
        },
    ),
    "Phi3": lambda: hf.Phi3Config(**TEXT, num_key_value_heads=2, sliding_window=7),
    "Phi3, LongRoPE": lambda: hf.Phi3Config(
        **TEXT,
        original_max_position_embeddings=64,
        rope_parameters={"rope_type": "longrope", "rope_theta": 1e4}
        | {"short_factor": [1.0, 1.1, 1.5, 2.0], "long_factor": [1.0, 2.0, 5.0, 9.0]},
    ),
    "OPT": lambda: hf.OPTConfig(**OPT),
    "OPT, norms of sums": lambda: hf.OPTConfig(
        **OPT, do_layer_norm_before=False, word_embed_proj_dim=16
    ),
    "GPT-NeoX": lambda: hf.GPTNeoXConfig(**TEXT),
    "GPT-NeoX, one after the other": lambda: hf.GPTNeoXConfig(**TEXT, use_parallel_residual=False),
    "StableLM": lambda: hf.StableLmConfig(**TEXT, num_key_value_heads=2, use_qkv_bias=True),
    "StableLM, norms of queries": lambda: hf.StableLmConfig(
        **TEXT, num_key_value_heads=2, qk_layernorm=True, use_parallel_residual=True
    ),
    "Falcon": lambda: hf.FalconConfig(**FALCON),
    "Falcon, shared keys": lambda: hf.FalconConfig(
        **FALCON, new_decoder_architecture=True, num_kv_heads=2
    ),
    "Falcon, biases of distances": lambda: hf.FalconConfig(
        **FALCON, alibi=True, multi_query=False, parallel_attn=False, bias=True
    ),
    "BLOOM": lambda: hf.BloomConfig(**BLOOM, n_head=4),
    "BLOOM, normed residuals": lambda: hf.BloomConfig(
        **{**BLOOM, "hidden_size": 36}, n_head=6, apply_residual_connection_post_layernorm=True
    ),
    "MPT": lambda: hf.MptConfig(**MPT, n_heads=4),
    "MPT, clipped": lambda: hf.MptConfig(
        **{**MPT, "d_model": 36}, n_heads=6, attn_config={"clip_qkv": 0.5, "softmax_scale": 0.2}
    ),
    "OLMo": lambda: hf.OlmoConfig(**TEXT, num_key_value_heads=2, clip_qkv=0.5),
    "OLMo2": lambda: hf.Olmo2Config(**TEXT, num_key_value_heads=2),
    "Granite": lambda: hf.GraniteConfig(
        **TEXT,
        num_key_value_heads=2,
        embedding_multiplier=3.3,
        residual_multiplier=0.4,
        attention_multiplier=0.3,
        logits_scaling=7.0,
    ),
    "Cohere": lambda: hf.CohereConfig(**TEXT, num_key_value_heads=2),
    "Cohere, norms of queries": lambda: hf.CohereConfig(
        **TEXT, num_key_value_heads=2, use_qk_norm=True, logit_scale=0.3
    ),
    "Mixtral": lambda: hf.MixtralConfig(
        **TEXT, num_key_value_heads=2, num_local_experts=5, num_experts_per_tok=2, sliding_window=7
    ),
    "Qwen2-MoE": lambda: hf.Qwen2MoeConfig(
        **{**TEXT, "num_attention_heads": 4},
        num_key_value_heads=2,
        num_experts=6,
        num_experts_per_tok=3,
        moe_intermediate_size=20,
        shared_expert_intermediate_size=24,
        mlp_only_layers=[1],
    ),
    "Qwen3-MoE": lambda: hf.Qwen3MoeConfig(
        **TEXT,
        num_key_value_heads=2,
        head_dim=16,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=20,
        norm_topk_prob=True,
        decoder_sparse_step=2,
    ),
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
    return randomized(of_any_dtype(hf.AutoModelForCausalLM.from_config(DECODERS[name]()))).to(dtype)


def of_any_dtype(model: Any) -> Any:
    """The model of transformers, whose experts are products one by one: others have no float64."""
    if hasattr(model.config, "num_experts_per_tok"):
        model.set_experts_implementation("eager")
    return model
