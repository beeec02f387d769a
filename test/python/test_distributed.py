"""Processes that compute together, as mpirun starts them; process_programs.py is what they run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import weft
from launched import run_by_torch, run_processes

PROGRAMS = Path(__file__).with_name("process_programs.py")


def _passes(count: int, name: str) -> None:
    done = run_processes(count, str(PROGRAMS), name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == count, done.stdout + done.stderr


@pytest.mark.parametrize("count", [2, 3])
def test_operations_have_the_values_of_numpy(count: int) -> None:
    _passes(count, "operations")


@pytest.mark.parametrize("count", [2, 3])
def test_gradients_are_those_of_the_sum_of_losses(count: int) -> None:
    _passes(count, "gradients")


@pytest.mark.parametrize("name", ["mapped", "order", "refusals", "loops"])
def test_two_processes(name: str) -> None:
    _passes(2, name)


def test_groups_of_four() -> None:
    _passes(4, "groups")


def test_a_process_that_fails_ends_the_others() -> None:
    done = run_processes(2, str(PROGRAMS), "dies", seconds=60)
    assert done.returncode != 0
    assert "this one fails" in done.stderr
    assert "is done" not in done.stdout


@pytest.mark.parametrize("start", [run_processes, run_by_torch])
@pytest.mark.parametrize("name", ["waits", "waits_with_much"])
def test_a_process_that_does_not_come_is_an_error(
    name: str, start: Callable[..., subprocess.CompletedProcess]
) -> None:
    done = start(2, str(PROGRAMS), name, seconds=60)
    assert "timeout:" in done.stdout, done.stdout + done.stderr
    assert "has not come for 1 seconds" in done.stdout
    assert "process_programs.py" in done.stdout


@pytest.mark.parametrize("name", ["gradients", "groups", "refusals"])
def test_processes_of_torchrun(name: str) -> None:
    done = run_by_torch(2, str(PROGRAMS), name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is done") == 2, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["gradients", "under_way"])
def test_a_program_that_is_started_as_usual_is_alone(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAMS), name],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "process 0 of 1 is done\n", done.stdout + done.stderr


def test_a_build_without_mpi_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from weft.distributed import _groups, _mpi

    monkeypatch.setattr(_groups.state, "world", None)
    monkeypatch.setattr(_mpi, "LIBRARY", Path("/there/is/none.so"))
    with pytest.raises(weft.UnsupportedError, match="apt-get install libopenmpi-dev"):
        weft.distributed.init("mpi")


def test_there_are_two_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    from weft.distributed import _groups

    monkeypatch.setattr(_groups.state, "world", None)
    with pytest.raises(weft.OptionError, match="the order is members or any, not 'ring'"):
        weft.distributed.init(order="ring")


def test_the_module_may_come_with_a_trace() -> None:
    """It keeps no tensor of the function that is compiled when it is imported."""
    program = (
        "import weft\n"
        "f = weft.jit(lambda x: x * weft.distributed.world_size())\n"
        "f(weft.ones(2))\n"
        "weft.distributed.init()\n"
        "assert weft.distributed.all_reduce(f(weft.ones(2))).tolist() == [1, 1]\n"
        "weft.distributed.finalize()\n"
        "try:\n"
        "    weft.jit(lambda x: [weft.distributed.init(), x][1])(weft.ones(2))\n"
        "except weft.OptionError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "outside of compiled functions" in done.stdout


def test_files_of_kernels_refuse_them_by_name() -> None:
    weft.distributed.init("alone")
    lowered = weft.jit(weft.distributed.all_reduce).lower(weft.ones(3), target="cuda:sm_80")
    with pytest.raises(weft.WeftError, match="is no kernel of a GPU"):
        lowered.ir("ptx")
