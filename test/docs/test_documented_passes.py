"""Each pass does to its documented example what its documentation says.

The description of a pass in a Passes.td holds two blocks of MLIR, before and after.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = re.compile(r'^def (\w+) : Pass<"([\w-]+)".*?(?=^def |^#endif)', re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"```mlir\n(.*?)```", re.DOTALL)


def documented_passes() -> dict[str, list[str]]:
    """The blocks of MLIR in the description of each pass, by the pass's flag."""
    passes = {}
    for file in sorted(ROOT.glob("passes/*.td")) + [ROOT / "codegen" / "Passes.td"]:
        for record in RECORD.finditer(file.read_text()):
            blocks = BLOCK.findall(textwrap.dedent(record[0]))
            passes[record[2]] = [textwrap.dedent(block) for block in blocks]
    return passes


def weft_opt(build_folder: Path, text: str, *flags: str) -> str:
    """What weft-opt makes of `text`."""
    result = subprocess.run(
        [build_folder / "bin" / "weft-opt", "-", *flags],
        input=text,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


PASSES = documented_passes()


def test_passes_are_found() -> None:
    assert {"weft-fuse", "weft-schedule", "weft-emit-loops"} <= PASSES.keys()


@pytest.mark.parametrize("flag", PASSES)
def test_documented_example(flag: str, build_folder: Path) -> None:
    assert len(PASSES[flag]) == 2, "the description needs an example: before and after"
    before, after = PASSES[flag]
    assert weft_opt(build_folder, before, f"--{flag}") == weft_opt(build_folder, after)
    assert weft_opt(build_folder, before) != weft_opt(build_folder, after), "nothing happens"
