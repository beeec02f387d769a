"""What the tests of the package share."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import configuration

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "release"

# The helpers beside the tests, and the table that weft-tblgen generates.
sys.path[:0] = [str(Path(__file__).parent), str(BUILD / "generated")]

# Not a folder in the source tree.
configuration.set_hypothesis_home_dir(BUILD / "hypothesis")
