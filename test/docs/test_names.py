"""What docs/names.md says holds: its programs, and its table of what there is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from weft._refused import TABLE

PAGE = Path(__file__).parents[2] / "docs" / "names.md"


def test_programs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    program = tmp_path / "page.py"
    program.write_text("\n".join(blocks))
    names: dict[str, Any] = {}
    exec(compile(program.read_text(), str(program), "exec"), names)


def test_the_table_of_what_there_is_not() -> None:
    rows = [
        line for line in PAGE.read_text().splitlines() if re.match(r"\| `.*` ?(, \.\.\. )?\|", line)
    ]
    shown = []
    for row in TABLE:
        names = row.names.split()
        first = ", ".join(f"`{name}`" for name in names[:2]) + (", ..." if len(names) > 2 else "")
        shown.append(f"| {first} | {row.reason} | {row.instead.format(base='squeeze')} |")
    assert rows[-len(shown) :] == shown
