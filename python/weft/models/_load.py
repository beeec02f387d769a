"""`weft.models.load`: from a checkpoint's folder to a module."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from weft import nn

from ._decoder import Decoder, Weights
from ._decoder_config import DECODERS, decoder_config, named_weights
from ._folder import as_folder, read_config, read_json, read_tensors
from ._settings import Settings


def load(folder: str | os.PathLike) -> nn.Module:
    """A module of weft made of a checkpoint: a folder with config.json and safetensors files.

    Args:
        folder: a local one; nothing is downloaded.

    Raises:
        FileError: the folder is none, a file in it is missing or damaged, or weights and
        config.json do not fit. UnsupportedError: a family or a setting that weft does not know.
    """
    path = as_folder(folder)
    settings = Settings(read_config(path), path / "config.json")
    family = settings.choice("model_type", DECODERS)
    return _decoder(path, settings, family)


def _decoder(path: Path, settings: Settings, family: str) -> Decoder:
    config = decoder_config(settings, family)
    generation = path / "generation_config.json"
    if generation.is_file():
        own = Settings(read_json(generation), generation)
        if own.has("eos_token_id"):
            config = replace(config, eos=own.tokens("eos_token_id"))
    return Decoder(config, Weights(named_weights(read_tensors(path), family), path))
