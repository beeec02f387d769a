"""What families of models have where config.json says nothing, and what weft need not know of it.

A setting that nothing reads is refused, unless it is off, as by default, or listed here.
"""

from __future__ import annotations

from typing import Any

from .._creation import _fail
from .._errors import FileError, UnsupportedError
from ._settings import Settings

_LLAMA = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "eos_token_id": 2,
}
_LLAMA_SIZES = {name: value for name, value in _LLAMA.items() if name != "rms_norm_eps"}
_QWEN2 = {
    **_LLAMA,
    "vocab_size": 151936,
    "intermediate_size": 22016,
    "num_key_value_heads": 32,
    "max_position_embeddings": 32768,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "eos_token_id": None,
}
_QWEN2_MOE = {
    **_LLAMA,
    "vocab_size": 151936,
    "hidden_size": 2048,
    "num_hidden_layers": 24,
    "max_position_embeddings": 32768,
    "sliding_window": 4096,
    "decoder_sparse_step": 1,
    "eos_token_id": None,
}
_GEMMA2 = {
    "vocab_size": 256000,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-6,
    "eos_token_id": 1,
    "tie_word_embeddings": True,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
}
_GPT2 = {
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "eos_token_id": 50256,
    "scale_attn_weights": True,
    "tie_word_embeddings": True,
}
_T5 = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 6,
    "num_heads": 8,
    "layer_norm_epsilon": 1e-6,
    "feed_forward_proj": "relu",
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "is_encoder_decoder": True,
}

#: What settings are by default, for each family of weft's own modules.
DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "mistral": {
        **_LLAMA,
        "intermediate_size": 14336,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
    },
    "qwen2": _QWEN2,
    "qwen3": {**_QWEN2, "head_dim": 128},
    "gemma": {
        **_LLAMA,
        "vocab_size": 256000,
        "hidden_size": 3072,
        "intermediate_size": 24576,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": 256,
        "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": 8192,
        "eos_token_id": 1,
        "tie_word_embeddings": True,
    },
    "phi": {
        "vocab_size": 51200,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-5,
        "partial_rotary_factor": 0.5,
        "eos_token_id": 2,
    },
    "phi3": {
        **_LLAMA,
        "vocab_size": 32064,
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "eos_token_id": 32000,
    },
    "gpt2": _GPT2,
    "bloom": {
        "vocab_size": 250880,
        "hidden_size": 64,
        "n_layer": 2,
        "n_head": 8,
        "layer_norm_epsilon": 1e-5,
        "eos_token_id": 2,
        "pretraining_tp": 1,
        "tie_word_embeddings": True,
    },
    "cohere": {
        **_LLAMA_SIZES,
        "vocab_size": 256000,
        "hidden_size": 8192,
        "intermediate_size": 22528,
        "logit_scale": 0.0625,
        "num_hidden_layers": 40,
        "num_attention_heads": 64,
        "max_position_embeddings": 8192,
        "layer_norm_eps": 1e-5,
        "eos_token_id": 255001,
        "tie_word_embeddings": True,
        "rope_theta": 500000.0,
    },
    "falcon": {
        "vocab_size": 65024,
        "hidden_size": 4544,
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
        "layer_norm_epsilon": 1e-5,
        "multi_query": True,
        "parallel_attn": True,
        "max_position_embeddings": 2048,
        "eos_token_id": 11,
        "activation": "gelu",
        "tie_word_embeddings": True,
    },
    "gemma2": {**_GEMMA2, "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0},
    "gemma3_text": {
        **_GEMMA2,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
        "rope_theta": 1000000.0,
        "rope_local_base_freq": 10000.0,
    },
    "gpt_neox": {
        "vocab_size": 50432,
        "hidden_size": 6144,
        "num_hidden_layers": 44,
        "num_attention_heads": 64,
        "intermediate_size": 24576,
        "hidden_act": "gelu",
        "max_position_embeddings": 2048,
        "layer_norm_eps": 1e-5,
        "eos_token_id": 2,
        "use_parallel_residual": True,
        "attention_bias": True,
        "rotary_pct": 0.25,
    },
    "granite": {
        **_LLAMA,
        **dict.fromkeys(("embedding_multiplier", "logits_scaling", "residual_multiplier"), 1.0),
        "attention_multiplier": 1.0,
    },
    "mixtral": {
        **_LLAMA,
        "intermediate_size": 14336,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5,
        "num_experts_per_tok": 2,
        "num_local_experts": 8,
        "rope_theta": 1000000.0,
    },
    "mpt": {
        "d_model": 2048,
        "n_heads": 16,
        "n_layers": 24,
        "expansion_ratio": 4,
        "max_seq_len": 2048,
        "vocab_size": 50368,
        "layer_norm_epsilon": 1e-5,
        "no_bias": True,
        "tie_word_embeddings": True,
    },
    "olmo": {**_LLAMA_SIZES, "vocab_size": 50304, "eos_token_id": 50279},
    "olmo2": {
        **_LLAMA_SIZES,
        "vocab_size": 50304,
        "eos_token_id": 50279,
        "rms_norm_eps": 1e-5,
    },
    "opt": {
        "vocab_size": 50272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
        "do_layer_norm_before": True,
        "num_attention_heads": 12,
        "activation_function": "relu",
        "eos_token_id": 2,
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "tie_word_embeddings": True,
    },
    "qwen2_moe": {
        **_QWEN2_MOE,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "intermediate_size": 5632,
        "max_window_layers": 28,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "num_experts_per_tok": 4,
        "num_experts": 60,
        "qkv_bias": True,
    },
    "qwen3_moe": {
        **_QWEN2_MOE,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_experts_per_tok": 8,
        "num_experts": 128,
    },
    "stablelm": {
        "vocab_size": 50304,
        "intermediate_size": 6912,
        "hidden_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "layer_norm_eps": 1e-5,
        "eos_token_id": 0,
        "partial_rotary_factor": 0.25,
    },
    "t5": _T5,
    "mt5": {
        **_T5,
        "vocab_size": 250112,
        "d_ff": 1024,
        "num_layers": 8,
        "num_heads": 6,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": True,
    },
    "whisper": {
        "vocab_size": 51865,
        "num_mel_bins": 80,
        "d_model": 384,
        "encoder_layers": 4,
        "encoder_attention_heads": 6,
        "encoder_ffn_dim": 1536,
        "decoder_layers": 4,
        "decoder_attention_heads": 6,
        "decoder_ffn_dim": 1536,
        "activation_function": "gelu",
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "tie_word_embeddings": True,
        "is_encoder_decoder": True,
    },
}

_WHO_WROTE_IT = (
    "_attn_implementation_autoset _commit_hash _name_or_path architectures auto_map dtype "
    "finetuning_task is_llama_config model_type name_or_path torch_dtype transformers.js_config "
    "transformers_version unsloth_fixed unsloth_version"
)
_FOR_TRAINING = (
    "apply_spec_augment gradient_checkpointing init_std initializer_factor initializer_range "
    "init_config mask_feature_length mask_feature_min_masks mask_feature_prob mask_time_length "
    "mask_time_min_masks mask_time_prob router_aux_loss_coef router_jitter_noise"
)
_DROPPED_OUT = (
    "activation_dropout attention_dropout classifier_dropout decoder_layerdrop dropout "
    "dropout_rate embd_pdrop emb_pdrop encoder_layerdrop hidden_dropout layerdrop resid_pdrop "
    "attn_pdrop summary_first_dropout"
)
_FOR_OTHER_TASKS = (
    "classifier_proj_size id2label label2id num_labels problem_type summary_activation "
    "summary_proj_to_labels summary_type summary_use_proj task_specific_params "
    "use_weighted_layer_sum"
)
#: How one thing is computed: in pieces, in another order, by what else the call gives out.
_HOW = (
    "attention_softmax_in_fp32 attn_impl bias_dropout_fusion chunk_size_feed_forward init_device "
    "masked_softmax_fusion median_filter_width output_attentions output_hidden_states output_past "
    "output_router_logits pretraining_tp reorder_and_upcast_attn return_dict torchscript "
    "use_bfloat16 use_cache"
)
#: What encoders with decoders read, and decoders without one are told for nothing.
_TOLD_TWICE = "is_decoder"
_OF_TOKENIZERS = (
    "bos_token_id cls_token_id mask_token_id model_max_length pad_token_id prefix sep_token_id "
    "tokenizer_class tokenizer_name unk_token_id"
)
#: GPT-2's old name for its positions, which transformers does not read, either; T5's, which has
#: none; a scale of Whisper's embeddings that transformers reads and multiplies by nothing; and what
#: the programs that trained BLOOM and MPT had besides.
_READ_BY_NOBODY = (
    "n_ctx n_positions scale_embedding offset_alibi seq_length skip_bias_add verbose "
    "learned_pos_emb embedding_fraction norm_type attn_uses_sequence_id"
)

#: How texts are written, which is not what the model computes.
_OF_TEXTS = (
    "assistant_confidence_threshold assistant_early_exit assistant_lookbehind bad_words_ids "
    "begin_suppress_tokens cache_config cache_implementation constraints decoder_start_token_id "
    "disable_compile diversity_penalty do_sample dola_layers early_stopping "
    "encoder_no_repeat_ngram_size encoder_repetition_penalty eos_token_id epsilon_cutoff "
    "eta_cutoff exponential_decay_length_penalty force_words_ids forced_bos_token_id "
    "forced_decoder_ids forced_eos_token_id guidance_scale length_penalty low_memory "
    "max_initial_timestamp_index max_length max_matching_ngram_size max_new_tokens max_time "
    "min_length min_new_tokens min_p no_repeat_ngram_size num_assistant_tokens "
    "num_assistant_tokens_schedule num_beam_groups num_beams num_return_sequences output_logits "
    "output_scores pad_token_id penalty_alpha prefill_chunk_size prompt_lookup_num_tokens "
    "remove_invalid_values renormalize_logits repetition_penalty return_dict_in_generate "
    "sequence_bias stop_strings suppress_tokens target_lookbehind temperature token_healing top_h "
    "top_k top_p typical_p use_mtp watermarking_config"
)

#: Settings that change nothing of what weft's own modules compute.
INDIFFERENT = frozenset(
    " ".join(
        (_WHO_WROTE_IT, _FOR_TRAINING, _DROPPED_OUT, _FOR_OTHER_TASKS, _HOW, _TOLD_TWICE)
        + (_OF_TOKENIZERS, _READ_BY_NOBODY, _OF_TEXTS)
    ).split()
)

_LAYER_NORM = {"rms_norm_eps": "layer_norm_eps"}
_GEMMA_NAMES = {"hidden_act": "hidden_activation"}
_OLDER_LAYER_NORM = {"rms_norm_eps": "layer_norm_epsilon"}

#: What families call settings that LLaMA has, too.
_NAMES: dict[str, dict[str, str]] = {
    "bloom": {
        **_OLDER_LAYER_NORM,
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
    },
    "cohere": _LAYER_NORM,
    "falcon": {
        **_OLDER_LAYER_NORM,
        "hidden_act": "activation",
        "intermediate_size": "ffn_hidden_size",
        "num_key_value_heads": "num_kv_heads",
    },
    "gemma2": _GEMMA_NAMES,
    "gemma3_text": _GEMMA_NAMES,
    "gpt2": {
        **_OLDER_LAYER_NORM,
        "hidden_act": "activation_function",
        "hidden_size": "n_embd",
        "intermediate_size": "n_inner",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    },
    "gpt_neox": {
        **_LAYER_NORM,
        "partial_rotary_factor": "rotary_pct",
        "rope_theta": "rotary_emb_base",
    },
    "mixtral": {"num_experts": "num_local_experts"},
    "mpt": {
        **_OLDER_LAYER_NORM,
        "hidden_size": "d_model",
        "max_position_embeddings": "max_seq_len",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    },
    "opt": {"hidden_act": "activation_function", "intermediate_size": "ffn_dim"},
    "phi": _LAYER_NORM,
    "stablelm": _LAYER_NORM,
}

_SECOND_NAMES_OF_T5 = {
    "hidden_size": "d_model",
    "num_attention_heads": "num_heads",
    "num_hidden_layers": "num_layers",
    "head_dim": "d_kv",
}

#: Other names that transformers has for settings of a family.
_SECOND_NAMES: dict[str, dict[str, str]] = {
    "bloom": {
        "n_embed": "hidden_size",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    },
    "falcon": {"n_embed": "hidden_size"},
    "gemma2": _GEMMA_NAMES,
    "gemma3_text": _GEMMA_NAMES,
    "mixtral": {"num_experts": "num_local_experts"},
    "mpt": {
        "hidden_size": "d_model",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    },
    "qwen3_moe": {"num_local_experts": "num_experts"},
    "gpt2": {
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    },
    "whisper": {
        "hidden_size": "d_model",
        "num_attention_heads": "encoder_attention_heads",
        "num_key_value_heads": "encoder_attention_heads",
        "num_hidden_layers": "encoder_layers",
    },
    "t5": _SECOND_NAMES_OF_T5,
    "mt5": _SECOND_NAMES_OF_T5,
}


def of_family(settings: Settings, family: str) -> Settings:
    """The settings with the family's names for LLaMA's, and its defaults.

    Raises:
        FileError: a setting has two names, and two values.
    """
    values = dict(settings.values)
    for second, name in _SECOND_NAMES.get(family, {}).items():
        if second not in values:
            continue
        value = values.pop(second)
        if value is None:
            continue
        if values.setdefault(name, value) != value:
            raise _fail(
                FileError,
                f"{settings.path}: {second} is another name of {name} here, but they are "
                f"{str(value)[:60]} and {str(values[name])[:60]}",
            )
    return Settings(values, settings.path, DEFAULTS[family], _NAMES.get(family))


def refuse_unread(settings: Settings, family: str) -> None:
    """Raises UnsupportedError if there are settings that nothing has read, and that may matter."""
    if not settings.flag("is_causal", True):
        raise _fail(UnsupportedError, f"{settings.path}: is_causal false is not read")
    unread = settings.unread(INDIFFERENT)
    if unread:
        shown = ", ".join(f"{name} ({str(value)[:40]})" for name, value in unread[:5])
        more = f" and {len(unread) - 5} more" if len(unread) > 5 else ""
        raise _fail(
            UnsupportedError,
            f"{settings.path} has settings that weft does not know of {family}: {shown}{more}; "
            "take those out that do not change what the model computes",
        )
