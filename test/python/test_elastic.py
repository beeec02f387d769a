"""Training that goes on with fewer processes when one dies; elastic_program.py is what they run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import weft
from launched import needs_mpi
from weft.distributed._mpi import LIBRARY

PROGRAM = str(Path(__file__).with_name("elastic_program.py"))
MPIRUN = "mpirun --oversubscribe --allow-run-as-root --bind-to none"
MORE = {"WEFT_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}

with_mpi = pytest.param("mpi", marks=needs_mpi)


def _launched(by: str, *arguments: str) -> subprocess.CompletedProcess:
    if by == "gloo":
        pytest.importorskip("torch")
    command = [sys.executable, "-m", "weft", "launch", "--by", by, "--mpirun", MPIRUN]
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, **MORE},
        check=False,
    )


def _trained(folder: Path) -> dict[str, np.ndarray]:
    state = weft.load_safetensors(folder / "trained.safetensors")
    return {name: np.asarray(tensor) for name, tensor in state.items()}


@pytest.mark.parametrize("by", [with_mpi, "gloo"])
def test_training_goes_on_with_one_process_fewer(by: str, tmp_path: Path) -> None:
    """It has the bits of a run of 3 processes, then 2 from the same checkpoint."""
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    done = _launched(by, "-n", "3", PROGRAM, str(killed), "9", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 3 processes ended with an error; it begins anew with 2" in done.stderr
    assert done.stdout.count("of 2 trained from step 3 on") == 2, done.stdout
    for count, last in ((3, 3), (2, 9)):
        done = _launched(by, "-n", str(count), PROGRAM, str(calm), str(last), "-1")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "it begins anew" not in done.stderr
    want = _trained(calm)
    for name, have in _trained(killed).items():
        np.testing.assert_array_equal(have, want[name], name)


def test_what_is_left_has_to_be_enough(tmp_path: Path) -> None:
    done = _launched("gloo", "-n", "2", "--least", "2", PROGRAM, str(tmp_path), "9", "1")
    assert done.returncode == 1
    assert "1 are too few to go on" in done.stderr


def test_a_program_that_always_fails_ends(tmp_path: Path) -> None:
    program = tmp_path / "fails.py"
    program.write_text("raise SystemExit('no way')")
    done = _launched("gloo", "-n", "3", "--restarts", "1", str(program))
    assert done.returncode == 1
    assert done.stderr.count("it begins anew") == 1
    assert "behind 1 restarts" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-n", "0"], "there can't be at least 1"),
        (["-n", "2", "--least", "3"], "there can't be at least 3"),
        (["-n", "2", "--restarts", "-1"], "from 0 on"),
        (["-n", "2", "--by", "mpi", "--mpirun", "no-such-mpirun"], "libopenmpi-dev"),
    ],
)
def test_wrong_options_are_told(options: list[str], message: str) -> None:
    done = _launched("gloo", *options, PROGRAM)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    done = _launched("gloo", "-n", "2", str(tmp_path / "nothing.py"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "there is no file" in done.stderr


def test_mpirun_that_starts_nothing(tmp_path: Path) -> None:
    """Refused once, with its own words: the program is not to blame."""
    mpirun = tmp_path / "mpirun"
    mpirun.write_text("#!/bin/sh\necho 'no slots' >&2\nexit 3\n")
    mpirun.chmod(0o755)
    done = _launched("mpi", "-n", "3", "--mpirun", str(mpirun), PROGRAM)
    assert done.returncode == 1
    expected = "starts no 3 processes" if LIBRARY.exists() else "libopenmpi-dev"
    assert expected in done.stderr
    assert "begins anew" not in done.stderr


def test_the_end_of_the_launcher_ends_the_processes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    program = tmp_path / "sleeps.py"
    program.write_text(
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1], os.environ['RANK']).write_text(str(os.getpid()))\n"
        "time.sleep(300)\n"
    )
    command = [sys.executable, "-m", "weft", "launch", "-n", "2", "--by", "gloo", str(program)]
    with subprocess.Popen([*command, str(tmp_path)]) as launcher:
        files = [tmp_path / "0", tmp_path / "1"]
        end = time.monotonic() + 120
        while not all(file.exists() and file.read_text() for file in files):
            assert time.monotonic() < end
            time.sleep(0.1)
        launcher.send_signal(signal.SIGTERM)
        assert launcher.wait(60) == 128 + signal.SIGTERM
    for file in files:
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)
