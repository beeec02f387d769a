"""Small encoders with decoders, with random weights, as transformers writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers as hf


def drawn_weights(model: torch.nn.Module, seed: int = 0, scale: float = 0.5) -> Any:
    """The model with weights that are so large that each token depends on those before it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            size = scale * 6 / weight.shape[-1] ** 0.5 if weight.ndim > 1 else 0.2
            if "relative_attention_bias" in name or "shared" in name or "embed" in name:
                size = 1.0
            weight.copy_(size * torch.randn(weight.shape, generator=generator))
            if weight.ndim == 1 and "norm" in name:
                weight += 1
    return model.eval()


def t5(seed: int = 0, untied: bool = False, family: str = "t5", **more: Any) -> Any:
    """A T5 of transformers, in eager PyTorch."""
    sizes: dict[str, Any] = {
        "vocab_size": 99,
        "d_model": 32,
        "d_kv": 12,
        "d_ff": 48,
        "num_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    config, kind = (
        (hf.MT5Config, hf.MT5ForConditionalGeneration)
        if family == "mt5"
        else (hf.T5Config, hf.T5ForConditionalGeneration)
    )
    model = kind(config(**{**sizes, **more}))
    if untied:
        model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
    return drawn_weights(model, seed)


def random_t5(seed: int) -> Any:
    """A T5 of drawn sizes."""
    random = np.random.default_rng(seed)

    def pick(*values: Any) -> Any:
        return values[random.integers(len(values))]

    buckets = int(pick(4, 6, 9, 32))
    proj = pick("relu", "gated-gelu", "gated-silu", "gelu", "gated-relu")
    return t5(
        seed,
        untied=bool(pick(False, True)),
        d_model=int(pick(8, 20, 32)),
        d_kv=int(pick(4, 10, 16)),
        d_ff=int(pick(16, 36)),
        num_heads=int(pick(1, 3, 4)),
        num_layers=int(pick(1, 2)),
        num_decoder_layers=int(pick(1, 2, 3)),
        relative_attention_num_buckets=buckets,
        relative_attention_max_distance=int(pick(buckets // 2 + 1, 20, 128)),
        feed_forward_proj=proj,
        tie_word_embeddings=bool(pick(False, True)),
    )


def texts(count: int, length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of several texts, and their mask: all but the first are filled up."""
    random = np.random.default_rng(seed)
    mask = np.ones((count, length), np.int64)
    for row in range(1, count):
        mask[row, random.integers(1, length + 1) :] = 0
    return np.where(mask, random.integers(3, 99, (count, length)), 0), mask


#: Whisper's settings of how it writes.
SPOKEN = {
    "lang_to_id": {"<|en|>": 10, "<|de|>": 11, "<|fr|>": 12},
    "task_to_id": {"transcribe": 13, "translate": 14},
    "no_timestamps_token_id": 98,
    "is_multilingual": True,
    "suppress_tokens": [5, 6, 20, 21],
    "begin_suppress_tokens": [7, 2],
}


def whisper(seed: int = 0, spoken: dict[str, Any] | None = None, **more: Any) -> Any:
    """A Whisper of transformers, in eager PyTorch."""
    sizes: dict[str, Any] = {
        "vocab_size": 99,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 48,
        "num_mel_bins": 8,
        "max_source_positions": 20,
        "max_target_positions": 60,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
        "suppress_tokens": None,
        "begin_suppress_tokens": None,
    }
    model = drawn_weights(
        hf.WhisperForConditionalGeneration(hf.WhisperConfig(**{**sizes, **more})), seed
    )
    for name, value in (SPOKEN if spoken is None else spoken).items():
        setattr(model.generation_config, name, value)
    return model


def sounds(count: int, seed: int = 0) -> np.ndarray:
    """Features of sounds for `whisper`."""
    return np.random.default_rng(seed).standard_normal((count, 8, 40)).astype(np.float32)
