"""The programs of docs/watching.md run as they stand, one after the other in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "watching.md"


def test_programs(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 8
    (tmp_path / "page.py").write_text("\n".join(blocks))
    result = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert {"trace.json", "step.svg", "step.folded", "runs"} <= made
    assert len(list((tmp_path / "runs" / "profile").glob("*.pt.trace.json"))) == 1
    for name, count in (("first", 3), ("second", 2), ("third", 2)):
        found = accumulators.EventAccumulator(str(tmp_path / "runs" / name))
        found.Reload()
        assert len(found.Scalars("loss")) == count
    assert "'weights': 1 of 2 elements are NaN or infinite" in result.stdout
    assert re.search(r"training: 30/30, loss [\d.]+, [\d.,e+]+ images/s", result.stdout)
    assert "page.py:" in result.stdout
