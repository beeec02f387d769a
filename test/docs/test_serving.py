"""docs/serving.md does what it says: its programs run beside the server that its command starts."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched
pytest.importorskip("tritonclient")

from weft.serving import ModelSettings, ServerSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in listeners]
    for each in listeners:
        each.close()
    return ports


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    page = PAGE
    for written, port in zip(("8000", "8001"), free_ports(2), strict=True):
        page = re.sub(rf"\b{written}\b", str(port), page)
    first, *blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    names: dict[str, Any] = {}
    run(first, names, 0)
    (command,) = re.findall(r"^```sh\n(.*?)\n```", page, flags=re.DOTALL | re.MULTILINE)
    words = [sys.executable, *shlex.split(command)[1:]]
    package = {"PYTHONPATH": str(ROOT / "build" / "release" / "python")}
    server = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, env={**os.environ, **package}
    )
    try:
        assert server.stderr is not None
        assert server.stderr.readline().endswith("models: digits\n")
        for number, block in enumerate(blocks, start=1):
            run(block, names, number)
    finally:
        server.terminate()
        assert server.wait(30) == 0
    assert 0 < len(names["came"]) <= 20


def run(block: str, names: dict[str, Any], number: int) -> None:
    """Runs a block of the page from a file, which errors and exports name."""
    file = Path(f"block_{number}.py")
    file.write_text(block)
    exec(compile(block, str(file), "exec"), names)


def test_all_settings_are_on_the_page() -> None:
    for each in dataclasses.fields(ModelSettings):
        assert f"`{each.name}`" in PAGE
    for each in dataclasses.fields(ServerSettings):
        assert f"--{each.name.replace('_', '-')}" in PAGE
