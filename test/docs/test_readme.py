"""The README's quick start is run as it stands."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_blocks(text: str) -> list[str]:
    """The Python code blocks of a Markdown text."""
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_quick_start_runs(tmp_path: Path) -> None:
    blocks = python_blocks((ROOT / "README.md").read_text())
    assert len(blocks) == 1
    path = tmp_path / "quick_start.py"
    path.write_text(blocks[0])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks[0], str(path), "exec"), {"__name__": "quick_start"})
    text = printed.getvalue()
    assert "20.085" in text  # exp(3), each element of the prediction
    assert "weft.kernel" in text
    assert "quick_start.py" in text


def test_named_files_exist() -> None:
    text = (ROOT / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert missing == []


def test_the_table_of_rooms_names_what_is_there() -> None:
    """Files and folders, patterns of them, and folders beside the one that was named before."""
    text = (ROOT / "README.md").read_text()
    table = text.split("## To change X, open Y")[1].split("\n## ")[0]
    missing = []
    for line in table.splitlines():
        before = ROOT
        for path in re.findall(r"`([\w./*<>+-]+)`", line.split("|")[2] if "|" in line else ""):
            pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
            beside = [
                folder for folder in (ROOT, before.parent, before) if list(folder.glob(pattern))
            ]
            if not beside:
                missing.append(path)
                continue
            before = beside[0] / pattern
    assert missing == []
