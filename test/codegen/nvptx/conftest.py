"""What the tests of the GPU code share."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# The helpers beside the tests, those of the package's tests, and the generated op table.
sys.path[:0] = [
    str(Path(__file__).parent),
    str(ROOT / "test" / "python"),
    str(ROOT / "build" / "release" / "generated"),
]
