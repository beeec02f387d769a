"""The programs of docs/from-pytorch.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "from-pytorch.md"


def test_programs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 8
    program = tmp_path / "page.py"
    program.write_text("\n".join(blocks))
    names: dict[str, Any] = {}
    exec(compile(program.read_text(), str(program), "exec"), names)
