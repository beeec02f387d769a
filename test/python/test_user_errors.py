"""Programs with a user's mistake (test/errors): each ends in one clear error.

A program's first lines say what: `# expect:` and a regular expression for the error's line, in
which HERE stands for the file and the line marked so, `# expect-output:` for lines of its output.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).resolve().parent.parent / "errors").glob("*.py"))


def _run(program: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def _marked_line(text: str) -> int:
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.endswith("# HERE")]
    return lines[0] if lines else 0


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_mistakes_end_in_one_clear_error(program: Path) -> None:
    text = program.read_text()
    expected = re.findall(r"^# expect: (.*)", text, re.M)
    assert len(expected) == 1, f"{program.name} has to say which error it expects"
    run = _run(program)
    assert run.returncode == 1, run.stderr
    here = re.escape(f"{program}:{_marked_line(text)}")
    error = run.stderr.strip().splitlines()[-1]
    # The exception's line may carry its module, and nothing else in front.
    assert re.match(r"([\w.]+\.)?" + expected[0].replace("HERE", here), error), run.stderr
    assert "LLVM ERROR" not in run.stderr
    output = run.stdout.splitlines()
    for line in re.findall(r"^# expect-output: (.*)", text, re.M):
        assert any(re.fullmatch(line, printed) for printed in output), run.stdout


_CACHED = """
import numpy as np
import weft
x = weft.asarray(np.ones(5, np.float32))
# A kernel that the package does not bring along.
assert float(weft.jit(lambda t: weft.sum(weft.exp(t) * weft.sin(t - t) + t))(x)) == 5.0
statistics = weft.stats()
print(statistics["disk_cache_hits"], statistics["kernels_compiled"],
      statistics["disk_cache_failures"])
"""


def _counters(program: Path, folder: Path | str) -> tuple[int, int, int]:
    run = _run(program, WEFT_CACHE_DIR=str(folder))
    assert run.returncode == 0, run.stderr
    hits, compiled, failures = map(int, run.stdout.split())
    return hits, compiled, failures


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(_CACHED)
    return path


def test_an_unwritable_cache_folder_is_counted_and_nothing_else(program: Path) -> None:
    hits, compiled, failures = _counters(program, "/proc/weft-cache")
    assert hits == 0
    assert compiled > 0
    assert failures > 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "replaced"])
def test_a_damaged_cache_entry_counts_as_missing(
    program: Path, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "cache"
    _, compiled, failures = _counters(program, folder)
    assert failures == 0
    assert _counters(program, folder) == (compiled, 0, 0)
    entries = [path for path in folder.rglob("*") if path.is_file()]
    assert len(entries) == compiled
    for path in entries:
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(
            {
                "cut": content[:middle],
                "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
                "emptied": b"",
                "replaced": b"no kernel" * 100,
            }[damage]
        )
    hits, recompiled, _ = _counters(program, folder)
    assert (hits, recompiled) == (0, compiled)
    # The damaged entries were replaced.
    assert _counters(program, folder)[:2] == (compiled, 0)
