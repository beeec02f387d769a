"""The programs of docs/kernels.md do what the page says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "kernels.md"


def test_programs(tmp_path: Path) -> None:
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(programs) == 15
    # Kernels read their source: it is in a file, as users' is.
    path = tmp_path / "page.py"
    path.write_text("\n".join(programs))
    spec = importlib.util.spec_from_file_location("page", path)
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
