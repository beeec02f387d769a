"""docs/ahead-of-time.md and docs/browser.md work: files are written, commands executed in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "ahead-of-time.md"
BROWSER = ROOT / "docs" / "browser.md"
STEP = re.compile(r"(?:^In `([^`]+)`:\n\n)?^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
# Sections whose commands may be missing on a machine.
NEEDED = {
    "Another processor": ["aarch64-linux-gnu-gcc", "qemu-aarch64"],
    "Controllers": ["arm-none-eabi-gcc", "arm-none-eabi-size"],
}


def missing_tools(names: list[str]) -> str:
    """Those of the commands that this machine has not."""
    return ", ".join(name for name in names if shutil.which(name) is None)


def sections(document: Path) -> dict[str, list[tuple[str, str, str]]]:
    """The steps of each section: file name or nothing, language, code."""
    parts = re.split(r"^## (.*)\n", document.read_text(), flags=re.MULTILINE)[1:]
    found = {title: STEP.findall(text) for title, text in zip(parts[::2], parts[1::2], strict=True)}
    return {title: steps for title, steps in found.items() if steps}


def take(steps: list[tuple[str, str, str]], folder: Path) -> str:
    """Writes the files and executes the commands; returns what they print."""
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    printed = ""
    for name, language, code in steps:
        if name:
            (folder / name).write_text(code)
            continue
        assert language == "sh", f"a block of {language} that no one executes"
        result = subprocess.run(
            ["sh", "-e", "-x", "-c", code],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, code + result.stdout + result.stderr
        printed += result.stdout
    return printed


def test_all_sections(tmp_path: Path) -> None:
    """Each section needs the files of those before it."""
    printed, skipped = {}, []
    for title, steps in sections(DOCUMENT).items():
        if missing := missing_tools(NEEDED.get(title, [])):
            skipped.append(f"{title}: {missing} not installed")
        else:
            printed[title] = take(steps, tmp_path)
    assert "float32[batch, 784]" in printed["Compile"]
    numbers = [float(word) for word in printed["Call"].split()]
    assert len(numbers) == 10
    assert sum(numbers) == pytest.approx(1, abs=1e-3)
    assert printed["Threads"] == printed["Call"]
    assert printed["Weights in a file"] == "no error\n"
    if skipped:
        pytest.skip("; ".join(skipped))
    assert printed["Another processor"] == "no error\n"
    assert "model classify" in printed["Look inside"]
    assert "model.py:" in printed["Look inside"]


def test_all_sections_of_the_browser(tmp_path: Path) -> None:
    """As above."""
    if missing := missing_tools(["node"]):
        pytest.skip(f"{missing} not installed")
    steps = sections(BROWSER)
    printed = {title: take(steps[title], tmp_path) for title in steps}
    shape, total = printed["Call"].rsplit(" ", 1)
    assert shape == "[ 3, 10 ]"
    assert float(total) == pytest.approx(1, abs=1e-6)
    assert printed["Weights in a file"] == printed["Call"]
    assert (tmp_path / "classify.d.mts").exists()


def test_links_lead_somewhere() -> None:
    for document in (DOCUMENT, ROOT / "docs" / "artifact-format.md"):
        links = re.findall(r"\]\((?!https)([^)#]+)\)", document.read_text())
        assert links
        assert [link for link in links if not (document.parent / link).exists()] == []
