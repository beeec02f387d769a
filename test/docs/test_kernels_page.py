"""The programs of docs/kernels.md do what the page says."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import textwrap
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from examples import block_kernels

PAGE = Path(__file__).parents[2] / "docs" / "kernels.md"


def test_programs(tmp_path: Path) -> None:
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(programs) == 15
    # Kernels read their source: it is in a file, as users' is.
    path = tmp_path / "page.py"
    path.write_text("\n".join(programs))
    spec = importlib.util.spec_from_file_location("page", path)
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


KERNELS = [name for name, each in vars(block_kernels).items() if hasattr(each, "checked")]


@pytest.mark.parametrize("name", KERNELS)
def test_the_kernels_of_the_examples_are_shown(name: str) -> None:
    """What the page shows is what the tests run on devices, and the benchmarks measure."""
    kernel = getattr(block_kernels, name)
    assert textwrap.dedent(inspect.getsource(kernel.__wrapped__)) in PAGE.read_text()
