"""Checkpoints of the transformers library, as modules of weft."""

from __future__ import annotations

from ._decoder import Decoder
from ._decoder_config import DecoderConfig
from ._layers import Cache
from ._load import load, load_decoder
from ._tokenizer import Tokenizer, load_tokenizer

__all__ = [
    "Cache",
    "Decoder",
    "DecoderConfig",
    "Tokenizer",
    "load",
    "load_decoder",
    "load_tokenizer",
]
