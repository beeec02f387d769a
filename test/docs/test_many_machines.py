"""The examples of docs/many-machines.md run as they stand, one after the other in one process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "many-machines.md").read_text()


def test_examples_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(blocks) >= 5
    subprocess.run([sys.executable, "-c", "\n".join(blocks)], check=True)
