"""Checkpoints of the transformers library, as modules of weft."""

from __future__ import annotations

from ._load import load

__all__ = ["load"]
