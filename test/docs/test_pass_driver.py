"""The commands of docs/pass-driver.md do what it says, on the files that it shows."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A file is shown in a block behind a paragraph that ends with its name and a colon.
FILE = re.compile(r"`([\w.-]+)`:\n\n```(?:mlir|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_commands_run(tmp_path: Path, build_folder: Path) -> None:
    text = (ROOT / "docs" / "pass-driver.md").read_text()
    files = FILE.findall(text)
    assert {name for name, _ in files} == {"model.mlir", "large.mlir", "still-fails.sh"}
    for name, content in files:
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    commands = [line for block in COMMANDS.findall(text) for line in block.splitlines()]
    assert len(commands) > 15
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(build_folder / "bin"), environment["PATH"]])
    for command in commands:
        expected = 1 if command.startswith("! ") else 0
        result = subprocess.run(
            ["bash", "-c", command.removeprefix("! ")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == expected, command + "\n" + result.stdout + result.stderr
    assert "rows = 2" in (tmp_path / "scheduled.mlir").read_text()
    assert (tmp_path / "small.mlir").read_text().count("weft.") == 1
    assert list((tmp_path / "phases").rglob("*weft-fuse.mlir"))


def test_named_phases_are_those_of_the_driver(build_folder: Path) -> None:
    text = (ROOT / "docs" / "pass-driver.md").read_text()
    result = subprocess.run(
        [build_folder / "bin" / "weft-opt", "-", "--weft-pipeline=cpu", "--until=none"],
        input="",
        capture_output=True,
        text=True,
    )
    phases = result.stderr.strip().partition("there are ")[2].split(", ")
    assert len(phases) > 5
    listed = re.search(r"cut into phases: ([^(]*)\(", text)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed[1]) == phases
