"""Settings that published checkpoints have are read: none is refused, and they are these models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from weft.models import DecoderConfig
from weft.models._decoder_families import decoder_config
from weft.models._settings import Settings

#: What their files say besides, and what changes nothing.
_SAID = {
    "architectures": ["ForCausalLM"],
    "auto_map": {"AutoConfig": "configuration.Config"},
    "attention_dropout": 0.1,
    "hidden_dropout": 0.0,
    "initializer_range": 0.02,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.0",
    "use_cache": True,
    "bos_token_id": 1,
    "pad_token_id": 0,
}


def _sized(width: int, layers: int, heads: int, hidden: int, **more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    return {**_SAID, **sizes, "intermediate_size": hidden, **more}


_WITHOUT = {"rope_scaling": None, "tie_word_embeddings": False}
_FALCON = {
    "alibi": False,
    "apply_residual_connection_post_layernorm": False,
    "bias": False,
    "layer_norm_epsilon": 1e-5,
    "vocab_size": 65024,
}
_MPT_ATTENTION = {
    "alibi": True,
    "alibi_bias_max": 8,
    "attn_impl": "torch",
    "attn_pdrop": 0,
    "attn_type": "multihead_attention",
    "attn_uses_sequence_id": False,
    "clip_qkv": None,
    "prefix_lm": False,
    "qk_ln": False,
    "softmax_scale": None,
}
_OPT = {
    "_remove_final_layer_norm": False,
    "activation_function": "relu",
    "do_layer_norm_before": True,
    "dropout": 0.1,
    "init_std": 0.02,
    "layerdrop": 0.0,
    "prefix": "</s>",
}
_GEMMA = {
    "attention_bias": False,
    "cache_implementation": "hybrid",
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-6,
}


def _without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "BLOOM 560M": (
        "bloom",
        {
            **_SAID,
            "n_embed": 1024,
            "n_inner": None,
            "n_layer": 24,
            "num_attention_heads": 16,
            "attention_softmax_in_fp32": True,
            "bias_dropout_fusion": True,
            "masked_softmax_fusion": True,
            "offset_alibi": 100,
            "pretraining_tp": 1,
            "seq_length": 2048,
            "skip_bias_add": True,
            "skip_bias_add_qkv": False,
            "slow_but_exact": False,
            "unk_token_id": 0,
            "vocab_size": 250880,
        },
    ),
    "Command R": (
        "cohere",
        _sized(8192, 40, 64, 22528, logit_scale=0.0625, model_max_length=131072)
        | {"num_key_value_heads": 64, "rope_theta": 8e6, "use_qk_norm": False},
    ),
    "Falcon 7B": (
        "falcon",
        _without(_sized(4544, 32, 71, 0, **_FALCON), "intermediate_size")
        | {"multi_query": True, "new_decoder_architecture": False, "parallel_attn": True},
    ),
    "Falcon 40B": (
        "falcon",
        _without(_sized(8192, 60, 128, 0, **_FALCON), "intermediate_size")
        | {"num_kv_heads": 8, "new_decoder_architecture": True, "parallel_attn": True},
    ),
    "Falcon RW 1B": (
        "falcon",
        _without(_sized(2048, 24, 32, 0, **_FALCON), "intermediate_size")
        | {"alibi": True, "bias": True, "multi_query": False, "parallel_attn": False},
    ),
    "Gemma 2 2B": (
        "gemma2",
        _sized(2304, 26, 8, 9216, num_key_value_heads=4, hidden_act="gelu_pytorch_tanh", **_GEMMA)
        | {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
        | {"rope_theta": 10000.0, "sliding_window": 4096},
    ),
    "Gemma 3 1B": (
        "gemma3_text",
        _sized(1152, 26, 4, 6912, num_key_value_heads=1, **_GEMMA)
        | {"attn_logit_softcapping": None, "final_logit_softcapping": None}
        | {"rope_local_base_freq": 10000, "rope_theta": 1000000, "rope_scaling": None}
        | {"sliding_window": 512, "sliding_window_pattern": 6, "eos_token_id": [1, 106]},
    ),
    "Granite 3 2B": (
        "granite",
        _sized(2048, 40, 32, 8192, num_key_value_heads=8, mlp_bias=False, rope_scaling=None)
        | {"attention_multiplier": 0.015625, "embedding_multiplier": 12.0}
        | {"logits_scaling": 8.0, "residual_multiplier": 0.22},
    ),
    "Mixtral 8x7B": (
        "mixtral",
        _sized(4096, 32, 32, 14336, num_key_value_heads=8, rope_theta=1e6, sliding_window=None)
        | {"num_experts_per_tok": 2, "num_local_experts": 8, "output_router_logits": False}
        | {"router_aux_loss_coef": 0.02},
    ),
    "MPT 7B": (
        "mpt",
        {
            **_without(_SAID, "attention_dropout", "hidden_dropout"),
            "attn_config": _MPT_ATTENTION,
            "d_model": 4096,
            "n_heads": 32,
            "n_layers": 32,
            "emb_pdrop": 0,
            "embedding_fraction": 1.0,
            "expansion_ratio": 4,
            "init_config": {"name": "kaiming_normal_", "verbose": 0},
            "init_device": "cpu",
            "learned_pos_emb": True,
            "logit_scale": None,
            "max_seq_len": 2048,
            "no_bias": True,
            "norm_type": "low_precision_layernorm",
            "resid_pdrop": 0,
            "tokenizer_name": "gpt-neox",
            "verbose": 0,
            "vocab_size": 50432,
        },
    ),
    "OLMo 1B": (
        "olmo",
        _sized(2048, 16, 16, 8192, clip_qkv=None, num_key_value_heads=16, pretraining_tp=1),
    ),
    "OLMo 2 7B": ("olmo2", _sized(4096, 32, 32, 11008, rms_norm_eps=1e-6, rope_theta=5e5)),
    "OPT 125M": (
        "opt",
        _without(_sized(768, 12, 12, 0, **_OPT), "intermediate_size")
        | {"ffn_dim": 3072, "word_embed_proj_dim": 768},
    ),
    "OPT 350M": (
        "opt",
        _without(_sized(1024, 24, 16, 0, **_OPT), "intermediate_size")
        | {"ffn_dim": 4096, "word_embed_proj_dim": 512, "do_layer_norm_before": False},
    ),
    "Phi 3 mini, 128K": (
        "phi3",
        _sized(3072, 32, 32, 8192, num_key_value_heads=32, embd_pdrop=0.0, resid_pdrop=0.0)
        | {"max_position_embeddings": 131072, "original_max_position_embeddings": 4096}
        | {"rope_theta": 10000.0, "sliding_window": 262144, "attention_bias": False}
        | {
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0 + pair / 48 for pair in range(48)],
                "long_factor": [1.0 + pair for pair in range(48)],
            }
        },
    ),
    "Pythia 70M": (
        "gpt_neox",
        _sized(512, 6, 8, 2048, layer_norm_eps=1e-5, rotary_emb_base=10000, rotary_pct=0.25)
        | {"hidden_act": "gelu", "use_parallel_residual": True, "vocab_size": 50304},
    ),
    "Qwen 1.5 MoE": (
        "qwen2_moe",
        _sized(2048, 24, 16, 5632, num_key_value_heads=16, rope_theta=1e6, norm_topk_prob=False)
        | {"decoder_sparse_step": 1, "moe_intermediate_size": 1408, "num_experts": 60}
        | {"num_experts_per_tok": 4, "shared_expert_intermediate_size": 5632}
        | {"max_window_layers": 21, "sliding_window": 32768, "use_sliding_window": False},
    ),
    "Qwen 3 30B": (
        "qwen3_moe",
        _sized(2048, 48, 32, 6144, num_key_value_heads=4, head_dim=128, **_WITHOUT)
        | {"decoder_sparse_step": 1, "moe_intermediate_size": 768, "num_experts": 128}
        | {"num_experts_per_tok": 8, "norm_topk_prob": True, "mlp_only_layers": []}
        | {"max_window_layers": 48, "sliding_window": None, "use_sliding_window": False}
        | {"attention_bias": False, "output_router_logits": False, "rope_theta": 1e6},
    ),
    "StableLM 2 1.6B": (
        "stablelm",
        _sized(2048, 24, 32, 5632, num_key_value_heads=32, partial_rotary_factor=0.25, **_WITHOUT)
        | {"layer_norm_eps": 1e-5, "rope_theta": 10000, "use_qkv_bias": True},
    ),
}


def _read(name: str) -> DecoderConfig:
    family, values = PUBLISHED[name]
    return decoder_config(Settings({"model_type": family, **values}, Path("config.json")), family)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name: str) -> None:
    config, said = _read(name), PUBLISHED[name][1]
    width = next(said[each] for each in ("hidden_size", "n_embed", "d_model") if each in said)
    assert config.width == width
    assert len(config.rotary) == len(config.windows) == config.layers
    assert config.heads % config.key_heads == 0


def test_what_they_are() -> None:
    """Some that follow from several settings together."""
    assert [_read(f"Falcon {name}").key_heads for name in ("7B", "40B", "RW 1B")] == [1, 8, 32]
    gemma = _read("Gemma 3 1B")
    assert [n for n, window in enumerate(gemma.windows) if window is None] == [5, 11, 17, 23]
    near, far = gemma.rotary[0], gemma.rotary[5]
    assert near is not None
    assert far is not None
    assert (near.base, far.base) == (10000, 1000000)
    phi = _read("Phi 3 mini, 128K")
    assert (phi.longest, phi.positions) == (4096, 131072)
    assert phi.rotary[0] is not None
    assert phi.rotary[0].amount == pytest.approx((1 + 5 / 12) ** 0.5)  # log 32 over log 4096
    assert (_read("OPT 350M").embedding_width, _read("OPT 125M").embedding_width) == (512, None)
    rotary = _read("Pythia 70M").rotary[0]
    assert rotary is not None
    assert rotary.width == 16
    experts = _read("Qwen 1.5 MoE").experts
    assert experts is not None
    assert (experts.shared, experts.normalized, all(experts.layers)) == (5632, False, True)
