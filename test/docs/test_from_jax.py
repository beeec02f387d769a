"""The programs of docs/from-jax.md do what the page says, and its commands run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jax", reason="jax is not installed: StableHLO is read by jaxlib")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "from-jax.md"


def test_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "page.py"
    program.write_text("\n".join(blocks))
    names: dict[str, Any] = {}
    exec(compile(program.read_text(), str(program), "exec"), names)
    text = names["jax"].jit(lambda x: names["jnp"].sum(x, 1)).lower(names["images"]).as_text()
    (tmp_path / "model.mlir").write_text(text.replace("tensor<5", "tensor<?"))
    commands = re.findall(r"^(?:weftc|python -m) .*$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        words = command.replace("x=batch,784", "0=batch,784").split()
        known = {"python": sys.executable, "weftc": str(ROOT / "build/release/bin/weftc")}
        subprocess.run([known[words[0]], *words[1:]], cwd=tmp_path, check=True)
    assert (tmp_path / "model.h").read_text()
