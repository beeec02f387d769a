"""Lets the tests here find their helpers, those of other folders, and the generated table."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_TEST = ROOT / "test"
_FOLDERS = (_TEST / "programs", _TEST / "python", _TEST / "aot")
sys.path[:0] = [*map(str, _FOLDERS), str(ROOT / "build" / "release" / "generated")]
