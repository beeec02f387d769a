"""The examples of docs/export.md run as they stand, one process for each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import weft

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "export.md").read_text()


def test_examples_run(tmp_path: Path) -> None:
    first, second, third, bounded = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    imports = "import numpy as np\nimport weft\n"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout
        for code in (first, imports + second, imports + second + third, imports + bounded)
    ]
    assert outputs[0] == "Exported(input: float32[batch, 784] -> result: float32[batch, 10])\n"
    assert outputs[1].splitlines() == [f"({batch}, 10)" for batch in (1, 32, 5)]
    assert (tmp_path / "network.o").exists()
    assert "network" in (tmp_path / "network.h").read_text()


def test_quoted_errors_are_real() -> None:
    quoted = re.findall(r"```text\n\w+Error: \S+ (.*?)\n```", TEXT, flags=re.DOTALL)
    program = weft.export(lambda x: x, weft.spec(("batch", 784)))
    messages = []
    for call in (
        lambda: program(np.zeros((5, 783), np.float32)),
        lambda: weft.export(lambda x: x if x.shape[0] > 3 else -x, weft.spec(("batch", 784))),
    ):
        try:
            call()
        except weft.WeftError as error:
            messages.append(str(error))
    assert len(messages) == len(quoted) == 2
    for message, text in zip(messages, quoted, strict=True):
        assert text.removesuffix(" ...") in message


def test_header_is_as_described(tmp_path: Path) -> None:
    path = tmp_path / "program.weft"
    weft.export(lambda x: x + 1, weft.spec("n")).save(path)
    content = path.read_bytes()
    magic = bytes.fromhex(re.search(r"`((?:[0-9a-f]{2} ){7}[0-9a-f]{2})`", TEXT)[1])  # type: ignore[index]
    assert content[:8] == magic == b"\x89WEFT\r\n\x1a"
    assert int.from_bytes(content[8:12], "little") == 1
    assert int.from_bytes(content[16:24], "little") == len(content) - 64
    assert content[12:16] == bytes(4)
    assert content[48:64] == bytes(16)
    assert content[64:68] == b"ML\xefR"
