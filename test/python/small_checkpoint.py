"""A LLaMA of a few weights, without the packages that publish such."""

from __future__ import annotations

import json
from pathlib import Path
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


def save_checkpoint(folder: Path, vocabulary: int, **settings: Any) -> Path:
    """Writes a LLaMA of so many tokens, which end no text, to a folder."""
    tensors = weights()
    weft.manual_seed(0)
    for name, tensor in tensors.items():
        if tensor.shape[0] == CONFIG["vocab_size"]:
            tensors[name] = weft.randn((vocabulary, *tensor.shape[1:]))
    weft.save_safetensors(tensors, folder / "model.safetensors")
    config = {**CONFIG, "vocab_size": vocabulary, "eos_token_id": None, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


#: A T5 with sizes of heads that are no part of the states'.
T5_CONFIG: dict[str, Any] = {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "vocab_size": 11,
    "d_model": 8,
    "d_kv": 3,
    "d_ff": 12,
    "num_layers": 2,
    "num_decoder_layers": 1,
    "num_heads": 2,
    "feed_forward_proj": "relu",
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "decoder_start_token_id": 0,
}

#: A Whisper of sounds of four frames.
WHISPER_CONFIG: dict[str, Any] = {
    "architectures": ["WhisperForConditionalGeneration"],
    "model_type": "whisper",
    "vocab_size": 11,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "num_mel_bins": 3,
    "max_source_positions": 2,
    "max_target_positions": 64,
    "decoder_start_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


def _drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, weft.Tensor]:
    random = np.random.default_rng(0)
    return {
        name: weft.asarray(random.standard_normal(shape).astype(np.float32))
        for name, shape in shapes.items()
    }


def t5_weights() -> dict[str, weft.Tensor]:
    """Those of `T5_CONFIG`."""
    shapes: dict[str, tuple[int, ...]] = {"shared.weight": (11, 8)}
    for part, count in (("encoder", 2), ("decoder", 1)):
        shapes[f"{part}.final_layer_norm.weight"] = (8,)
        first = f"{part}.block.0.layer.0.SelfAttention"
        shapes[f"{first}.relative_attention_bias.weight"] = (8, 2)
        for layer in range(count):
            name = f"{part}.block.{layer}.layer"
            attentions = ["SelfAttention", "EncDecAttention"][: 1 + (part == "decoder")]
            for place, attention in enumerate(attentions):
                shapes[f"{name}.{place}.layer_norm.weight"] = (8,)
                for letter, shape in (("q", (6, 8)), ("k", (6, 8)), ("v", (6, 8)), ("o", (8, 6))):
                    shapes[f"{name}.{place}.{attention}.{letter}.weight"] = shape
            dense = f"{name}.{len(attentions)}"
            shapes[f"{dense}.layer_norm.weight"] = (8,)
            shapes[f"{dense}.DenseReluDense.wi.weight"] = (12, 8)
            shapes[f"{dense}.DenseReluDense.wo.weight"] = (8, 12)
    return _drawn(shapes)


def whisper_weights() -> dict[str, weft.Tensor]:
    """Those of `WHISPER_CONFIG`."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.encoder.conv1.weight": (8, 3, 3),
        "model.encoder.conv1.bias": (8,),
        "model.encoder.conv2.weight": (8, 8, 3),
        "model.encoder.conv2.bias": (8,),
        "model.encoder.embed_positions.weight": (2, 8),
        "model.decoder.embed_positions.weight": (64, 8),
        "model.decoder.embed_tokens.weight": (11, 8),
    }
    for part in ("encoder", "decoder"):
        name = f"model.{part}.layers.0"
        norms = ["self_attn_layer_norm", "final_layer_norm"]
        attentions = ["self_attn"]
        if part == "decoder":
            norms, attentions = [*norms, "encoder_attn_layer_norm"], [*attentions, "encoder_attn"]
        for norm in (f"model.{part}.layer_norm", *(f"{name}.{each}" for each in norms)):
            shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (8,)
        for attention in attentions:
            for product in ("q_proj", "k_proj", "v_proj", "out_proj"):
                shapes[f"{name}.{attention}.{product}.weight"] = (8, 8)
                if product != "k_proj":
                    shapes[f"{name}.{attention}.{product}.bias"] = (8,)
        shapes |= {f"{name}.fc1.weight": (12, 8), f"{name}.fc1.bias": (12,)}
        shapes |= {f"{name}.fc2.weight": (8, 12), f"{name}.fc2.bias": (8,)}
    return _drawn(shapes)
