"""The programs of docs/hugging-face.md do what the page says, and its command runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "hugging-face.md"


def test_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 10
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "page.py"
    program.write_text("\n".join(blocks))
    names: dict[str, Any] = {}
    exec(compile(program.read_text(), str(program), "exec"), names)
    assert len(names["text"].tolist()) == len(names["prompt"]) + 20
    assert len(names["talk"]) == 2
    assert len(names["answer"].tolist()) <= 21
    assert len(names["answers"].tolist()) == 2
    assert names["said"].tolist()[0] == 1
    assert (tmp_path / "bert.h").read_text()
    commands = re.findall(r"^python -m .*$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(commands) == 1
    words = [sys.executable, *shlex.split(commands[0])[1:]]
    package = str(ROOT / "build" / "release" / "python")
    done = subprocess.run(
        words, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": package}
    )
    assert b"tokens per second" in done.stderr
