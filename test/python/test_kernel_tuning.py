"""The choices of weft.autotune on disk: shared by processes, and nothing is lost with a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from weft import blocks

SOURCE = """
import sys
import weft
from weft import blocks, _kernel_tuning


@weft.autotune([{{"block": 16}}, {{"block": 64}}], key=["n"])
@weft.kernel
def scaled(x, out, n, block: weft.constexpr):
    place = blocks.program_id(0) * block + blocks.arange(block)
    blocks.store(out, place, blocks.load(x, place, place < n) * {factor}, place < n)


measure = _kernel_tuning.TunedKernel._fastest
def measured(self, *rest):
    print("measured")
    measure(self, *rest)
    return int(sys.argv[1])
_kernel_tuning.TunedKernel._fastest = measured


def run(x, n):
    grid = lambda constants: blocks.cdiv(n, constants["block"])
    return scaled[grid](x, weft.spec(n), n)


x = weft.ones({size})
made = (weft.jit(lambda x: run(x, {size}))(x) if "jit" in sys.argv else run(x, {size}))
assert weft.all(made == {factor})
print([constants["block"] for _, constants in scaled.choices])
"""


class Processes:
    """Runs of a script with a folder of kernels of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"

    def start(self, *words: str, factor: int = 2, size: int = 40) -> subprocess.Popen:
        script = self.folder / f"scaled_{factor}_{size}.py"
        script.write_text(SOURCE.format(factor=factor, size=size))
        environment = os.environ | {"WEFT_CACHE_DIR": str(self.cache)}
        command = [sys.executable, str(script), *words]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def run(self, *words: str, factor: int = 2, size: int = 40) -> list[str]:
        process = self.start(*words, factor=factor, size=size)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 0
        return output.split("\n")[:-1]

    def notes(self) -> list[Path]:
        return [path for path in self.cache.rglob("*chosen_*") if path.is_file()]


def test_another_process_measures_nothing(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    assert processes.run("1") == ["measured", "[64]"]
    assert processes.run("0") == ["[64]"]
    # In a trace nothing is measured, but what is known counts.
    assert processes.run("0", "jit") == ["[64]"]
    # Another source, and another size, are measured.
    assert processes.run("0", factor=3) == ["measured", "[16]"]
    assert processes.run("0", size=50) == ["measured", "[16]"]
    assert processes.run("0", "jit", size=60) == ["[]"]
    assert len(processes.notes()) == 3


@pytest.mark.parametrize("damage", ["cut", "bits", "empty"])
def test_a_damaged_file_is_measured_again(damage: str, tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.run("1")
    [note] = processes.notes()
    contents = bytearray(note.read_bytes())
    contents[len(contents) // 2] ^= 255
    damaged = {"cut": contents[:20], "bits": contents, "empty": b""}[damage]
    note.write_bytes(damaged)
    assert processes.run("0") == ["measured", "[16]"]
    assert processes.run("1") == ["[16]"]


def test_two_processes_at_once(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    both = [processes.start(choice) for choice in ("0", "1")]
    for process in both:
        process.communicate(timeout=120)
        assert process.returncode == 0
    [answer] = processes.run("0")
    assert answer in ("[16]", "[64]")


def test_what_else_may_be_in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    @weft.autotune([{"block": 8}, {"block": 16}])
    @weft.kernel
    def doubled(x, out, block: weft.constexpr):
        place = blocks.arange(block)
        blocks.store(out, place, blocks.load(x, place, place < 5) * 2, place < 5)

    from weft import _core

    for text in (b"2", b"-1", b"true", b"[0]", b"{", b"1.0", b"", b"\xff"):
        monkeypatch.setattr(_core, "find_note", lambda _, text=text: text)
        assert doubled._noted("chosen_0") is None
    monkeypatch.setattr(_core, "find_note", lambda _: b"1")
    assert doubled._noted("chosen_0") == 1
    assert doubled._note_name((("f", np.sin),)) == ""


def test_constants_of_no_config_are_part_of_the_place() -> None:
    @weft.autotune([{"block": 8}])
    @weft.kernel
    def times(x, out, factor: weft.constexpr, block: weft.constexpr):
        place = blocks.arange(block)
        blocks.store(out, place, blocks.load(x, place, place < 5) * factor, place < 5)

    for factor in (2, 3):
        got = times[1](np.ones(5), weft.spec(5, "float64"), factor=factor)
        np.testing.assert_array_equal(got, np.full(5, factor))
    assert [place[2] for place, _ in times.choices] == [("factor", 2), ("factor", 3)]
