"""Processes whose GPUs compute together by NCCL; nccl_programs.py is what they run.

On machines without a GPU the driver's and NCCL's libraries are those of test/unit/cuda: theirs are
streams that run some time later, and files between the processes.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import weft
from launched import run_by_torch, run_processes
from weft import _core

PROGRAMS = str(Path(__file__).with_name("nccl_programs.py"))


@pytest.fixture
def stand_ins(build_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries in the place of NVIDIA's."""
    folder = build_folder / "test" / "unit" / "cuda"
    for variable, name in (("WEFT_LIBCUDA", "cuda"), ("WEFT_LIBNCCL", "nccl")):
        library = folder / f"libweft-fake-{name}.so"
        if not library.exists():
            pytest.skip("the libraries of the unit tests are not built")
        monkeypatch.setenv(variable, str(library))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def _passed(done: subprocess.CompletedProcess, count: int) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == count, done.stdout + done.stderr
    return str(done.stdout)


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("name", ["alike", "any_order", "mixed", "groups", "refusals"])
def test_gpus_compute_together(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if name != "alike":
        monkeypatch.setenv("FAKE_CUDA_DELAY", "300")
    count = 2 if name == "mixed" else 3
    _passed(run_processes(count, PROGRAMS, name), count)
    assert not list(tmp_path.glob("fake-nccl-*")), "a communicator was not left"


@pytest.mark.usefixtures("stand_ins")
def test_gpus_compute_together_by_torchrun() -> None:
    _passed(run_by_torch(2, PROGRAMS, "alike"), 2)


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FAKE_CUDA_ONE_DEVICE", "1"),
        ("NCCL_PROGRAMS", "refuse"),
        ("WEFT_LIBNCCL", "/nowhere/libnccl.so.2"),
        ("FAKE_NCCL_VERSION", "21300"),
    ],
)
def test_hosts_do_it_where_gpus_can_not(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    _passed(run_processes(2, PROGRAMS, "by_hosts"), 2)


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("how", ["FAIL", "HANG"])
def test_what_is_lost_is_an_error(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"FAKE_NCCL_{how}", "1")
    monkeypatch.setenv("FAKE_NCCL_MEMBER", "1")
    done = run_processes(2, PROGRAMS, "lost")
    said = [line for line in done.stdout.splitlines() if line.startswith("lost:")]
    assert len(said) == 2, done.stdout + done.stderr
    assert all("nccl_programs.py:" in line and "all_gather" in line for line in said), said
    if how == "FAIL":
        assert any("remote process exited" in line for line in said), said
    assert any("has not come for 2.0 seconds" in line for line in said), said


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("WEFT_LIBNCCL", "/nowhere/libnccl.so.2", "/nowhere/libnccl.so.2: cannot open"),
        ("FAKE_NCCL_VERSION", "21300", "its version is 21300; 2.14 (21400) or later is needed"),
    ],
)
def test_who_asks_for_nccl_hears_why_there_is_none(
    variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    done = run_processes(1, PROGRAMS, "without")
    assert words in _passed(done, 1)


@pytest.mark.device
def test_processes_on_gpus_of_their_own() -> None:
    try:
        weft.device("cuda:1")
        _core.require_nccl()
    except weft.UnsupportedError as error:
        pytest.skip(str(error))
    device_programs = str(Path(__file__).with_name("device_programs.py"))
    for name in ("operations", "gradients", "training", "mixed", "refusals"):
        _passed(run_processes(2, device_programs, name, "cuda:*"), 2)
