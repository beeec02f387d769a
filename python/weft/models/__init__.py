"""Checkpoints of the transformers library, as modules of weft."""

from __future__ import annotations

from ._decoder import Decoder
from ._decoder_config import DecoderConfig
from ._layers import Cache
from ._load import load, load_decoder
from ._sound import SoundConfig, SoundFeatures, load_sound_features, read_sound
from ._t5 import T5
from ._tokenizer import Tokenizer, load_tokenizer
from ._whisper import Whisper

__all__ = [
    "T5",
    "Cache",
    "Decoder",
    "DecoderConfig",
    "SoundConfig",
    "SoundFeatures",
    "Tokenizer",
    "Whisper",
    "load",
    "load_decoder",
    "load_sound_features",
    "load_tokenizer",
    "read_sound",
]
