"""Checkpoints of random settings and weights: every setting that transformers' classes have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from model_folders import randomized

Random = np.random.Generator

ACTIVATIONS = ("silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh") + (
    ("gelu_python", "gelu_accurate", "quick_gelu", "relu", "relu2", "relu6", "leaky_relu")
    + ("mish", "hardswish", "sigmoid", "tanh", "linear", "laplace")
)


def _one(random: Random, *values: Any) -> Any:
    return values[random.integers(len(values))]


def _rotary(random: Random, sizes: dict[str, Any]) -> dict[str, Any]:
    """Settings of positions, as one version of transformers or another writes them."""
    kind = _one(random, "default", "linear", "llama3", "yarn", "dynamic", "longrope")
    base = float(_one(random, 100.0, 10000.0, 1e6))
    part: dict[str, Any] = {}
    if kind != "default" or random.random() < 0.5:
        part[_one(random, "rope_type", "type")] = kind
    if kind not in ("default", "longrope") or (kind == "longrope" and random.random() < 0.5):
        part["factor"] = float(_one(random, 1.5, 4.0))
    if kind == "llama3":
        part.update(low_freq_factor=1.0, high_freq_factor=float(_one(random, 2.0, 4.0)))
    if kind == "yarn":
        part.update(
            _one(random, {}, {"beta_fast": 4.0, "beta_slow": 0.5}, {"truncate": False}),
            **_one(random, {}, {"attention_factor": 1.3}, {"mscale": 0.8, "mscale_all_dim": 0.5}),
        )
    if kind in ("llama3", "yarn", "longrope") and random.random() < 0.8:
        part["original_max_position_embeddings"] = int(_one(random, 8, 16, 64))
    if kind == "longrope":
        pairs = sizes["head_width"] // 2
        part.update(
            short_factor=(1 + random.random(pairs)).tolist(),
            long_factor=(1 + random.random(pairs)).tolist(),
        )
    form = random.integers(4)
    if form == 0:
        return {"rope_parameters": {"rope_theta": base, **part}}
    if form == 1:
        return {"rope_scaling": part or None, "rope_theta": base}
    if form == 2:
        return {"rope_parameters": part, "rope_theta": base}
    # Both: the one that only one of them can mean.
    return {"rope_scaling": {"rope_theta": base, **part}, "rope_parameters": {"rope_theta": 55.0}}


def _tokens(random: Random) -> dict[str, Any]:
    return {
        "bos_token_id": _one(random, None, 1),
        "eos_token_id": _one(random, None, 2, [2, 5]),
        "pad_token_id": _one(random, None, 0, 3),
        "use_cache": _one(random, True, False),
        "initializer_range": 0.5,
    }


def _like_llama(random: Random) -> dict[str, Any]:
    heads = int(_one(random, 1, 2, 4, 6))
    head_width = int(_one(random, 4, 8, 12))
    keys = int(_one(random, *(n for n in range(1, heads + 1) if heads % n == 0)))
    own = random.random() < 0.5
    width = int(_one(random, 8, 24, 36)) if own else heads * head_width
    sizes = {
        "vocab_size": int(_one(random, 17, 99)),
        "hidden_size": width,
        "intermediate_size": int(_one(random, 1, 24, 50)),
        "num_hidden_layers": int(_one(random, 1, 2, 3)),
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "hidden_act": _one(random, *ACTIVATIONS),
        "max_position_embeddings": int(_one(random, 16, 32, 512)),
        "tie_word_embeddings": _one(random, True, False),
        "attention_dropout": 0.3,
        **_tokens(random),
        **_rotary(random, {"head_width": head_width}),
    }
    if own or random.random() < 0.5:
        sizes["head_dim"] = head_width
    return sizes


def _epsilon(random: Random) -> float:
    return float(_one(random, 1e-12, 1e-5, 0.1))


def _llama(random: Random) -> dict[str, Any]:
    return {
        **_like_llama(random),
        "rms_norm_eps": _epsilon(random),
        "attention_bias": _one(random, True, False),
        "mlp_bias": _one(random, True, False),
        "pretraining_tp": _one(random, 1, 2),
        **_one(random, {}, {"num_key_value_heads": None}),
    }


def _mistral(random: Random) -> dict[str, Any]:
    window = _one(random, None, 1, 5, 100)
    return {**_like_llama(random), "rms_norm_eps": _epsilon(random), "sliding_window": window}


def _qwen2(random: Random) -> dict[str, Any]:
    settings = {
        **_like_llama(random),
        "rms_norm_eps": _epsilon(random),
        "use_sliding_window": _one(random, True, False),
        "sliding_window": _one(random, None, 1, 5, 100),
        "max_window_layers": _one(random, 0, 1, 2, 28),
        "layer_types": None,
    }
    if random.random() < 0.5:
        kinds = ["full_attention", "sliding_attention"]
        settings["layer_types"] = [
            str(random.choice(kinds)) for _ in range(settings["num_hidden_layers"])
        ]
    return settings


def _qwen3(random: Random) -> dict[str, Any]:
    settings = _qwen2(random)
    settings.setdefault("head_dim", 8)
    return {**settings, "attention_bias": _one(random, True, False)}


def _gemma(random: Random) -> dict[str, Any]:
    settings = _like_llama(random)
    return {
        "head_dim": 8,
        **settings,
        "rms_norm_eps": _epsilon(random),
        "attention_bias": _one(random, True, False),
        "use_bidirectional_attention": _one(random, None, None, None, False, True),
    }


def _phi(random: Random) -> dict[str, Any]:
    settings = _like_llama(random)
    if random.random() < 0.7:
        settings.pop("head_dim", None)
        settings["hidden_size"] = settings["num_attention_heads"] * int(_one(random, 4, 8, 12))
    if random.random() < 0.7:
        place = settings.get("rope_parameters") or settings
        place["partial_rotary_factor"] = float(_one(random, 0.25, 0.4, 0.5, 0.75, 1.0))
    return {
        **settings,
        "layer_norm_eps": _epsilon(random),
        "qk_layernorm": _one(random, True, False),
        "resid_pdrop": 0.2,
        "embd_pdrop": 0.2,
    }


def _phi3(random: Random) -> dict[str, Any]:
    settings = _like_llama(random)
    if random.random() < 0.5:  # others are for the family to refuse, or another way
        settings = {name: each for name, each in settings.items() if "rope" not in name}
        settings["rope_parameters"] = {"rope_theta": float(_one(random, 100.0, 1e4))}
        if random.random() < 0.5:
            settings["rope_parameters"]["partial_rotary_factor"] = 0.5
    return {
        **settings,
        "rms_norm_eps": _epsilon(random),
        "sliding_window": _one(random, None, 1, 5, 100),
        "original_max_position_embeddings": int(_one(random, 8, 4096)),
        "resid_pdrop": 0.2,
        "embd_pdrop": 0.2,
    }


def _gpt2(random: Random) -> dict[str, Any]:
    heads = int(_one(random, 1, 2, 4))
    return {
        "vocab_size": int(_one(random, 17, 99)),
        "n_positions": int(_one(random, 32, 64)),
        "n_embd": heads * int(_one(random, 3, 8)),
        "n_layer": int(_one(random, 1, 2, 3)),
        "n_head": heads,
        "n_inner": _one(random, None, 1, 40),
        "activation_function": _one(random, *ACTIVATIONS),
        "layer_norm_epsilon": _epsilon(random),
        "scale_attn_weights": _one(random, True, True, False),
        "scale_attn_by_inverse_layer_idx": _one(random, True, False),
        "reorder_and_upcast_attn": _one(random, True, False),
        "add_cross_attention": bool(random.random() < 0.05),
        "tie_word_embeddings": _one(random, True, True, False),
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_first_dropout"), 0.3),
        "summary_type": _one(random, "cls_index", "first"),
        "summary_use_proj": _one(random, True, False),
        "summary_activation": _one(random, None, "tanh"),
        "summary_proj_to_labels": _one(random, True, False),
        **_tokens(random),
    }


def _even(random: Random) -> dict[str, Any]:
    """LLaMA's settings for families whose heads are parts of the states."""
    settings = _like_llama(random)
    settings.pop("head_dim", None)
    settings["hidden_size"] = settings["num_attention_heads"] * int(_one(random, 4, 8, 12))
    return settings


def _without(settings: dict[str, Any], *parts: str) -> dict[str, Any]:
    return {n: value for n, value in settings.items() if not any(part in n for part in parts)}


def _called(settings: dict[str, Any], **names: str) -> dict[str, Any]:
    """The settings with other names for some."""
    return {names.get(name, name): value for name, value in settings.items()}


def _dropped(random: Random) -> dict[str, Any]:
    return {"hidden_dropout": 0.2, "attention_dropout": float(_one(random, 0.0, 0.3))}


def _gemma2(random: Random) -> dict[str, Any]:
    settings = _called(_gemma(random), hidden_act="hidden_activation")
    kinds = ["full_attention", "sliding_attention"]
    layers = [str(random.choice(kinds)) for _ in range(settings["num_hidden_layers"])]
    return {
        **settings,
        "query_pre_attn_scalar": int(_one(random, 1, 24, 256)),
        "sliding_window": int(_one(random, 1, 5, 100)),
        "layer_types": _one(random, None, layers),
        "final_logit_softcapping": _one(random, None, 0.5, 30.0),
        "attn_logit_softcapping": _one(random, None, 0.5, 50.0),
    }


def _gemma3(random: Random) -> dict[str, Any]:
    settings = _gemma2(random)
    rotary = {name: settings.pop(name) for name in list(settings) if "rope" in name}
    part = rotary.get("rope_parameters", {}) | (rotary.get("rope_scaling") or {})
    # Read from the wrong place by transformers.
    part.pop("truncate", None)
    # In the place of an older name transformers takes its default.
    part.setdefault("rope_type", part.pop("type", "default"))
    if random.random() < 0.5:
        near = {"rope_type": "default", "rope_theta": float(_one(random, 50.0, 1e4))}
        settings["rope_parameters"] = {"full_attention": part, "sliding_attention": near}
    else:
        theta = part.pop("rope_theta", 1e6)
        settings.update(rope_theta=theta, rope_local_base_freq=float(_one(random, 50.0, 1e4)))
        settings["rope_scaling"] = part or None
    settings["attn_logit_softcapping"] = _one(random, None, None, None, 50.0)
    return {**settings, **_one(random, {}, {"layer_types": None, "sliding_window_pattern": 2})}


def _opt(random: Random) -> dict[str, Any]:
    settings = _without(_even(random), "rope", "num_key_value_heads", "intermediate_size")
    return {
        **_called(settings, hidden_act="activation_function"),
        "ffn_dim": int(_one(random, 1, 24)),
        "do_layer_norm_before": _one(random, True, False),
        "_remove_final_layer_norm": _one(random, True, False),
        "word_embed_proj_dim": _one(random, None, 5, settings["hidden_size"]),
        "enable_bias": _one(random, True, True, False),
        "layer_norm_elementwise_affine": _one(random, True, True, False),
        "dropout": 0.3,
        "layerdrop": 0.3,
        "init_std": 0.5,
    }


def _gpt_neox(random: Random) -> dict[str, Any]:
    settings = _without(_even(random), "num_key_value_heads")
    part = settings.get("rope_parameters") or settings
    if random.random() < 0.5 and "rope_scaling" not in settings:
        part["partial_rotary_factor"] = float(_one(random, 0.25, 0.4, 1.0))
    names = {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"}
    return {
        **_called(settings, **names),
        **_dropped(random),
        "layer_norm_eps": _epsilon(random),
        "use_parallel_residual": _one(random, True, False),
        "attention_bias": _one(random, True, False),
        "classifier_dropout": 0.3,
        "is_decoder": _one(random, True, False),
    }


def _falcon(random: Random) -> dict[str, Any]:
    settings = _even(random)
    newer = _one(random, True, False)
    names = {"num_key_value_heads": "num_kv_heads", "hidden_act": "activation"}
    keys = settings["num_key_value_heads"] if newer else _one(random, None, None, 1)
    return {
        **_without(_called(settings, **names), "intermediate_size"),
        **_dropped(random),
        "num_kv_heads": keys,
        "ffn_hidden_size": _one(random, None, 1, 24),
        "layer_norm_epsilon": _epsilon(random),
        "num_ln_in_parallel_attn": _one(random, None, None, 1, 2),
        "alibi": _one(random, True, False),
        "new_decoder_architecture": newer,
        "multi_query": _one(random, True, False),
        "parallel_attn": newer or _one(random, True, False),
        "bias": _one(random, True, False),
    }


def _bloom(random: Random) -> dict[str, Any]:
    heads = int(_one(random, 1, 2, 3, 6, 8, 12))
    return {
        "vocab_size": int(_one(random, 17, 99)),
        _one(random, "hidden_size", "n_embed"): heads * int(_one(random, 3, 8)),
        "n_layer": int(_one(random, 1, 2, 3)),
        "n_head": heads,
        "layer_norm_epsilon": _epsilon(random),
        "apply_residual_connection_post_layernorm": _one(random, True, False),
        "pretraining_tp": int(_one(random, 1, 2)),
        "slow_but_exact": bool(random.random() < 0.1),
        "tie_word_embeddings": _one(random, True, True, False),
        **_dropped(random),
        **_tokens(random),
    }


def _stablelm(random: Random) -> dict[str, Any]:
    settings = _even(random)
    if random.random() < 0.7:
        place = settings.get("rope_parameters") or settings
        place["partial_rotary_factor"] = float(_one(random, 0.25, 0.4, 0.5, 1.0))
    return {
        **settings,
        **_dropped(random),
        "layer_norm_eps": _epsilon(random),
        "use_qkv_bias": _one(random, True, False),
        "qk_layernorm": _one(random, True, False),
        "use_parallel_residual": _one(random, True, False),
    }


def _mpt(random: Random) -> dict[str, Any]:
    heads = int(_one(random, 1, 2, 3, 6, 8))
    part = {
        "clip_qkv": _one(random, None, 0.5, 6.0),
        "softmax_scale": _one(random, None, 0.3),
        "attn_pdrop": 0,
    }
    return {
        "vocab_size": int(_one(random, 17, 99)),
        "d_model": heads * int(_one(random, 3, 8)),
        "n_layers": int(_one(random, 1, 2, 3)),
        "n_heads": heads,
        "max_seq_len": int(_one(random, 32, 64)),
        "expansion_ratio": 4,
        "layer_norm_epsilon": _epsilon(random),
        "learned_pos_emb": _one(random, True, False),
        "attn_config": part,
        "init_device": "cpu",
        "logit_scale": None,
        "no_bias": True,
        "embedding_fraction": 1.0,
        "norm_type": "low_precision_layernorm",
        "resid_pdrop": 0.2,
        "emb_pdrop": 0.2,
        "tie_word_embeddings": _one(random, True, True, False),
        **_tokens(random),
    }


def _taken(random: Random) -> dict[str, Any]:
    """How many experts there are, and are taken."""
    count = int(_one(random, 1, 3, 6))
    return {"num_experts": count, "num_experts_per_tok": int(random.integers(1, count + 1))}


def _mixtral(random: Random) -> dict[str, Any]:
    return {
        **_mistral(random),
        **_called(_taken(random), num_experts="num_local_experts"),
        "router_jitter_noise": 0.1,
        "router_aux_loss_coef": 0.1,
        "output_router_logits": False,
    }


def _sparse(random: Random) -> dict[str, Any]:
    return {
        **_taken(random),
        "decoder_sparse_step": int(_one(random, 1, 2)),
        "mlp_only_layers": _one(random, None, [0], [1, 7]),
        "moe_intermediate_size": int(_one(random, 1, 24)),
        "norm_topk_prob": _one(random, True, False),
        "router_aux_loss_coef": 0.1,
        "output_router_logits": False,
    }


def _qwen2_moe(random: Random) -> dict[str, Any]:
    settings = _qwen2(random)
    if settings["use_sliding_window"]:
        # transformers asks for one, even where no layer has it.
        settings["sliding_window"] = settings["sliding_window"] or 5
    return {
        **settings,
        **_sparse(random),
        "shared_expert_intermediate_size": int(_one(random, 1, 24)),
        "qkv_bias": _one(random, True, False),
    }


def _qwen3_moe(random: Random) -> dict[str, Any]:
    settings = _without(_qwen3(random), "max_window_layers", "layer_types")
    return {**settings, **_sparse(random)}


def _olmo(random: Random) -> dict[str, Any]:
    return {
        **_like_llama(random),
        "attention_bias": _one(random, True, False),
        "clip_qkv": _one(random, None, 0.5),
    }


def _olmo2(random: Random) -> dict[str, Any]:
    bias = {"attention_bias": _one(random, True, False)}
    return {**_like_llama(random), **bias, "rms_norm_eps": _epsilon(random)}


def _granite(random: Random) -> dict[str, Any]:
    names = ("embedding_multiplier", "logits_scaling", "residual_multiplier")
    settings = {name: _one(random, 1, 1.0, 0.3, 7.3) for name in names}
    return {
        **_without(_llama(random), "pretraining_tp"),
        **settings,
        "attention_multiplier": _one(random, 1.0, 0.05),
    }


def _cohere(random: Random) -> dict[str, Any]:
    return {
        **_like_llama(random),
        "layer_norm_eps": _epsilon(random),
        "logit_scale": float(_one(random, 0.0625, 1.3)),
        "attention_bias": _one(random, True, False),
        "use_qk_norm": _one(random, True, False),
    }


def _t5(random: Random) -> dict[str, Any]:
    activation = _one(random, *ACTIVATIONS)
    return {
        "vocab_size": int(_one(random, 17, 99)),
        "d_model": int(_one(random, 8, 24)),
        "d_kv": int(_one(random, 4, 6)),
        "d_ff": int(_one(random, 1, 30)),
        "num_layers": int(_one(random, 1, 2)),
        "num_decoder_layers": _one(random, None, 1, 3),
        "num_heads": int(_one(random, 1, 3)),
        "relative_attention_num_buckets": int(_one(random, 4, 6, 32)),
        "relative_attention_max_distance": int(_one(random, 20, 128)),
        "layer_norm_epsilon": _epsilon(random),
        "feed_forward_proj": _one(random, activation, f"gated-{activation}", "gated-gelu"),
        "tie_word_embeddings": _one(random, True, False),
        "dropout_rate": 0.2,
        "classifier_dropout": 0.2,
        "initializer_factor": 0.5,
        "is_decoder": bool(random.random() < 0.05),
        "use_cache": _one(random, True, False),
        "bos_token_id": _one(random, None, 1),
        "pad_token_id": _one(random, 0, 3),
        "eos_token_id": _one(random, 1, 2),
        "decoder_start_token_id": _one(random, 0, 4),
    }


def _whisper(random: Random) -> dict[str, Any]:
    return {
        "vocab_size": int(_one(random, 17, 99)),
        "num_mel_bins": int(_one(random, 3, 8)),
        "d_model": int(_one(random, 8, 24)),
        "encoder_layers": int(_one(random, 1, 2)),
        "encoder_attention_heads": int(_one(random, 1, 2, 4)),
        "encoder_ffn_dim": int(_one(random, 1, 30)),
        "decoder_layers": int(_one(random, 1, 2)),
        "decoder_attention_heads": int(_one(random, 1, 2, 4)),
        "decoder_ffn_dim": int(_one(random, 1, 30)),
        "activation_function": _one(random, *ACTIVATIONS),
        "max_source_positions": int(_one(random, 5, 20)),
        "max_target_positions": int(_one(random, 12, 40)),
        "scale_embedding": _one(random, True, False),
        "tie_word_embeddings": _one(random, True, False),
        "use_weighted_layer_sum": _one(random, True, False),
        "apply_spec_augment": _one(random, True, False),
        **dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.3),
        **dict.fromkeys(("encoder_layerdrop", "decoder_layerdrop"), 0.3),
        **dict.fromkeys(("mask_time_prob", "mask_feature_prob"), 0.5),
        **dict.fromkeys(("mask_time_length", "mask_feature_length"), 2),
        **dict.fromkeys(("mask_time_min_masks", "mask_feature_min_masks"), 1),
        "classifier_proj_size": 7,
        "median_filter_width": 3,
        "init_std": 0.5,
        "decoder_start_token_id": _one(random, 1, 4),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": _one(random, 2, 3),
        "suppress_tokens": _one(random, None, [7, 9]),
        "begin_suppress_tokens": _one(random, None, [8, 2]),
        "use_cache": _one(random, True, False),
    }


#: Of each family of weft's own modules: how settings are drawn, transformers' class for them and
#: that of the model.
OWN: dict[str, tuple[Callable[[Random], dict[str, Any]], type, type]] = {
    "llama": (_llama, hf.LlamaConfig, hf.LlamaForCausalLM),
    "mistral": (_mistral, hf.MistralConfig, hf.MistralForCausalLM),
    "qwen2": (_qwen2, hf.Qwen2Config, hf.Qwen2ForCausalLM),
    "qwen3": (_qwen3, hf.Qwen3Config, hf.Qwen3ForCausalLM),
    "gemma": (_gemma, hf.GemmaConfig, hf.GemmaForCausalLM),
    "phi": (_phi, hf.PhiConfig, hf.PhiForCausalLM),
    "phi3": (_phi3, hf.Phi3Config, hf.Phi3ForCausalLM),
    "gpt2": (_gpt2, hf.GPT2Config, hf.GPT2LMHeadModel),
    "bloom": (_bloom, hf.BloomConfig, hf.BloomForCausalLM),
    "cohere": (_cohere, hf.CohereConfig, hf.CohereForCausalLM),
    "falcon": (_falcon, hf.FalconConfig, hf.FalconForCausalLM),
    "gemma2": (_gemma2, hf.Gemma2Config, hf.Gemma2ForCausalLM),
    "gemma3_text": (_gemma3, hf.Gemma3TextConfig, hf.Gemma3ForCausalLM),
    "gpt_neox": (_gpt_neox, hf.GPTNeoXConfig, hf.GPTNeoXForCausalLM),
    "granite": (_granite, hf.GraniteConfig, hf.GraniteForCausalLM),
    "mixtral": (_mixtral, hf.MixtralConfig, hf.MixtralForCausalLM),
    "mpt": (_mpt, hf.MptConfig, hf.MptForCausalLM),
    "olmo": (_olmo, hf.OlmoConfig, hf.OlmoForCausalLM),
    "olmo2": (_olmo2, hf.Olmo2Config, hf.Olmo2ForCausalLM),
    "opt": (_opt, hf.OPTConfig, hf.OPTForCausalLM),
    "qwen2_moe": (_qwen2_moe, hf.Qwen2MoeConfig, hf.Qwen2MoeForCausalLM),
    "qwen3_moe": (_qwen3_moe, hf.Qwen3MoeConfig, hf.Qwen3MoeForCausalLM),
    "stablelm": (_stablelm, hf.StableLmConfig, hf.StableLmForCausalLM),
    "t5": (_t5, hf.T5Config, hf.T5ForConditionalGeneration),
    "mt5": (_t5, hf.MT5Config, hf.MT5ForConditionalGeneration),
    "whisper": (_whisper, hf.WhisperConfig, hf.WhisperForConditionalGeneration),
}


def written(model: Any, settings: dict[str, Any], random: Random, folder: Path) -> None:
    """Writes a checkpoint in one of the forms that there are.

    Weights of some dtype, in one file or several; config.json with the settings as they were drawn,
    as older files have them, and perhaps without one that has its default.
    """
    dtype = _one(random, torch.float32, torch.float32, torch.float16, torch.bfloat16)
    randomized(model, int(random.integers(1 << 30))).to(dtype)
    model.save_pretrained(folder, max_shard_size=_one(random, "1GB", "4KB"))
    file = folder / "config.json"
    values = json.loads(file.read_text())
    if random.random() < 0.5:
        if "rope_scaling" in settings or "rope_theta" in settings:
            values.pop("rope_parameters", None)
        values.update(settings)
    default = type(model.config)().to_dict()
    for name in list(values):
        if name in default and values[name] == default[name] and name != "model_type":
            values.pop(name)
    file.write_text(json.dumps(values))


def _bert(random: Random) -> dict[str, Any]:
    heads = int(_one(random, 1, 2))
    return {
        "vocab_size": int(_one(random, 17, 40)),
        "hidden_size": heads * int(_one(random, 4, 6)),
        "num_hidden_layers": int(_one(random, 1, 2)),
        "num_attention_heads": heads,
        "intermediate_size": int(_one(random, 1, 20)),
        "hidden_act": _one(random, *ACTIVATIONS, "gelu_10"),
        "max_position_embeddings": int(_one(random, 16, 24)),
        "type_vocab_size": int(_one(random, 1, 2, 3)),
        "layer_norm_eps": _epsilon(random),
        "is_decoder": bool(random.random() < 0.3),
        "add_cross_attention": False,
        "tie_word_embeddings": _one(random, True, False),
        "position_embedding_type": "absolute",
        "classifier_dropout": _one(random, None, 0.3),
        **dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.3),
        "chunk_size_feed_forward": 1,
        "pad_token_id": _one(random, 0, 1),
    }


def _distilbert(random: Random) -> dict[str, Any]:
    heads = int(_one(random, 1, 2))
    return {
        "vocab_size": int(_one(random, 17, 40)),
        "max_position_embeddings": int(_one(random, 16, 24)),
        "sinusoidal_pos_embds": _one(random, True, False),
        "n_layers": int(_one(random, 1, 2)),
        "n_heads": heads,
        "dim": heads * int(_one(random, 4, 6)),
        "hidden_dim": int(_one(random, 1, 20)),
        "activation": _one(random, "gelu", "relu", "silu", "gelu_new"),
        "tie_word_embeddings": _one(random, True, False),
        **dict.fromkeys(("dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout"), 0.3),
    }


def _vision(random: Random) -> dict[str, Any]:
    heads, patch = int(_one(random, 1, 2)), int(_one(random, 4, 8))
    return {
        "hidden_size": heads * int(_one(random, 4, 6)),
        "num_hidden_layers": int(_one(random, 1, 2)),
        "num_attention_heads": heads,
        "intermediate_size": int(_one(random, 1, 20)),
        "hidden_act": _one(random, "gelu", "quick_gelu", "relu"),
        "layer_norm_eps": _epsilon(random),
        "image_size": patch * int(_one(random, 1, 3)),
        "patch_size": patch,
        "num_channels": int(_one(random, 1, 3)),
        "attention_dropout": 0.3,
    }


def _vit(random: Random) -> dict[str, Any]:
    settings = _vision(random)
    settings.pop("attention_dropout")
    return {
        **settings,
        **dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.3),
        "qkv_bias": _one(random, True, False),
        "encoder_stride": settings["patch_size"],
        "pooler_output_size": _one(random, None, settings["hidden_size"]),
        "pooler_act": _one(random, "tanh", "relu"),
    }


def _clip(random: Random) -> dict[str, Any]:
    vision = _vision(random)
    text = {name: vision[name] for name in list(vision)[:6]}
    text.update(
        vocab_size=40,
        max_position_embeddings=12,
        bos_token_id=38,
        eos_token_id=_one(random, 2, 39),
        pad_token_id=1,
    )
    return {
        "text_config": text,
        "vision_config": vision,
        "projection_dim": int(_one(random, 4, 7)),
        "logit_scale_init_value": 1.5,
    }


def _resnet(random: Random) -> dict[str, Any]:
    return {
        "num_channels": int(_one(random, 1, 3)),
        "embedding_size": int(_one(random, 4, 6)),
        "hidden_sizes": [8, int(_one(random, 8, 12))],
        "depths": [1, int(_one(random, 1, 2))],
        "layer_type": _one(random, "basic", "bottleneck"),
        "hidden_act": _one(random, "relu", "silu"),
        "downsample_in_first_stage": _one(random, True, False),
        "downsample_in_bottleneck": _one(random, True, False),
    }


def _convnext(random: Random) -> dict[str, Any]:
    return {
        "num_channels": int(_one(random, 1, 3)),
        "patch_size": int(_one(random, 2, 4)),
        "num_stages": 2,
        "hidden_sizes": [4, int(_one(random, 6, 8))],
        "depths": [1, int(_one(random, 1, 2))],
        "hidden_act": _one(random, "gelu", "relu"),
        "layer_norm_eps": _epsilon(random),
        "layer_scale_init_value": float(_one(random, 1e-6, 0.5, 0.0)),
        "drop_path_rate": float(_one(random, 0.0, 0.3)),
        "image_size": int(_one(random, 32, 48)),
    }


#: The same of families that go through PyTorch, with classes of models for what they give.
THROUGH_TORCH: dict[str, tuple[Callable[[Random], dict[str, Any]], type, tuple[type, ...]]] = {
    "bert": (_bert, hf.BertConfig, (hf.BertModel, hf.BertForMaskedLM, hf.BertLMHeadModel)),
    "roberta": (_bert, hf.RobertaConfig, (hf.RobertaModel, hf.RobertaForMaskedLM)),
    "distilbert": (
        _distilbert,
        hf.DistilBertConfig,
        (hf.DistilBertModel, hf.DistilBertForMaskedLM, hf.DistilBertForQuestionAnswering),
    ),
    "llama": (_llama, hf.LlamaConfig, (hf.LlamaModel, hf.LlamaForSequenceClassification)),
    "qwen2": (_qwen2, hf.Qwen2Config, (hf.Qwen2Model, hf.Qwen2ForTokenClassification)),
    "phi3": (_phi3, hf.Phi3Config, hf.Phi3ForCausalLM),
    "gpt2": (_gpt2, hf.GPT2Config, (hf.GPT2Model, hf.GPT2ForSequenceClassification)),
    "t5": (_t5, hf.T5Config, (hf.T5Model,)),
    "vit": (_vit, hf.ViTConfig, (hf.ViTModel, hf.ViTForImageClassification)),
    "clip": (_clip, hf.CLIPConfig, (hf.CLIPModel,)),
    "resnet": (_resnet, hf.ResNetConfig, (hf.ResNetModel, hf.ResNetForImageClassification)),
    "convnext": (
        _convnext,
        hf.ConvNextConfig,
        (hf.ConvNextModel, hf.ConvNextForImageClassification),
    ),
}
