"""The example of docs/devices.md runs as it stands, and the errors that it quotes are real."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import weft

TEXT = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()


def test_the_quick_start_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    # From a file: what a compiled function reads is named by its source.
    program = tmp_path / "train.py"
    program.write_text(code)
    output = subprocess.run(
        [sys.executable, str(program)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    copies, falls = output
    assert copies == "0 copies"
    assert falls == "True"


w = weft.ones(3, device="emulator")


def test_quoted_errors_are_real() -> None:
    missing, mixed = re.findall(r"```text\n(.*?)\n```", TEXT, flags=re.DOTALL)
    with pytest.raises(weft.DeviceError) as error:
        weft.jit(lambda x: x * w)(weft.ones(3))
    assert mixed.partition(": the ")[2] == str(error.value).partition(": the ")[2]
    message = ""
    try:
        weft.device("cuda")
    except weft.UnsupportedError as found:
        message = str(found)
    if message:
        assert "there is no CUDA device: " in missing
        assert message.partition(" device: ")[2] in missing
