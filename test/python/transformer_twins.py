"""Small transformers of the transformers package, with random weights, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers as hf

_TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def _tokens(*names: str) -> Callable[[], dict[str, torch.Tensor]]:
    return lambda: {name: torch.randint(3, 99, (2, 10)) for name in names or ("input_ids",)}


def _images(size: int = 32) -> Callable[[], dict[str, torch.Tensor]]:
    return lambda: {"pixel_values": torch.randn(2, 3, size, size)}


@dataclass(frozen=True)
class Twin:
    """A model and what it is called with."""

    make: Callable[[], Any]
    inputs: Callable[[], dict[str, torch.Tensor]]


def _clip() -> Any:
    return hf.CLIPModel(
        hf.CLIPConfig(
            text_config={**_TEXT, "eos_token_id": 98, "bos_token_id": 1, "pad_token_id": 0},
            vision_config={**_TEXT, "image_size": 32, "patch_size": 8},
            projection_dim=16,
        )
    )


TWINS = {
    "BERT": Twin(lambda: hf.BertModel(hf.BertConfig(**_TEXT)), _tokens()),
    "GPT-2": Twin(
        lambda: hf.GPT2LMHeadModel(
            hf.GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, use_cache=False)
        ),
        _tokens(),
    ),
    "LLaMA": Twin(
        lambda: hf.LlamaForCausalLM(
            hf.LlamaConfig(**_TEXT, num_key_value_heads=2, use_cache=False)
        ),
        _tokens(),
    ),
    "Qwen2": Twin(
        lambda: hf.Qwen2ForCausalLM(
            hf.Qwen2Config(**_TEXT, num_key_value_heads=2, use_cache=False)
        ),
        _tokens(),
    ),
    "T5": Twin(
        lambda: hf.T5ForConditionalGeneration(
            hf.T5Config(
                vocab_size=99,
                d_model=32,
                d_kv=8,
                d_ff=64,
                num_layers=2,
                num_heads=4,
                use_cache=False,
                decoder_start_token_id=0,
            )
        ),
        _tokens("input_ids", "decoder_input_ids"),
    ),
    "Whisper": Twin(
        lambda: hf.WhisperModel(
            hf.WhisperConfig(
                vocab_size=99,
                d_model=32,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                num_mel_bins=8,
                max_source_positions=20,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=1,
                use_cache=False,
                suppress_tokens=None,
                begin_suppress_tokens=None,
            )
        ),
        lambda: {
            "input_features": torch.randn(2, 8, 40),
            "decoder_input_ids": torch.randint(3, 99, (2, 10)),
        },
    ),
    "CLIP": Twin(_clip, lambda: {**_tokens()(), **_images()()}),
    "ViT": Twin(
        lambda: hf.ViTModel(
            hf.ViTConfig(
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=64,
                image_size=32,
                patch_size=8,
            )
        ),
        _images(),
    ),
    "ResNet": Twin(
        lambda: hf.ResNetModel(
            hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 2, 1])
        ),
        _images(64),
    ),
    "ConvNeXt": Twin(
        lambda: hf.ConvNextModel(
            hf.ConvNextConfig(hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 2, 1])
        ),
        _images(64),
    ),
    "MobileNetV2": Twin(
        lambda: hf.MobileNetV2Model(hf.MobileNetV2Config(depth_multiplier=0.25)), _images(64)
    ),
}


def plain_outputs(outputs: Any) -> list[torch.Tensor]:
    """The floating tensors among a model's outputs."""
    found = torch.utils._pytree.tree_leaves(outputs)
    return [x for x in found if isinstance(x, torch.Tensor) and x.is_floating_point()]
