"""Lets the tests here find their helpers and those of other folders."""

from __future__ import annotations

import sys
from pathlib import Path

_TEST = Path(__file__).resolve().parent.parent
_GENERATED = _TEST.parent / "build" / "release" / "generated"
sys.path[:0] = [str(_TEST / folder) for folder in ("jax_programs", "aot", "python", "programs")]
sys.path[:0] = [str(_GENERATED)]
