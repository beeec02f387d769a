"""Starts the processes of a program, and starts them anew with those that are left when one ends.

`python -m weft launch -n 4 train.py`: the processes are connected by MPI or by PyTorch's gloo. When
one ends with an error, the others stop where they wait for it; then the program begins again with
one process fewer, from the checkpoint that it finds.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from .._creation import _fail
from .._errors import CommunicationError, FileError, OptionError, UnsupportedError
from ._mpi import LIBRARY

#: So long it takes until the end of a process is noticed, and a process may take to obey.
_PAUSE, _OBEDIENCE = 0.05, 5.0
#: The signals by which a machine ends a process; others are its own errors.
_KILLED = (signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True)
class LaunchSettings:
    """How processes are started, and what becomes of them.

    Attributes:
        command: the program and its arguments, as Python gets them.
        workers: how many processes there are at first.
        least: with fewer there is no going on.
        restarts: how often the program is started anew.
        grace: for so many seconds the others may end by themselves behind one that has failed.
        by: "mpi", "gloo", or "": MPI where it is there, gloo otherwise.
        mpirun: the command that starts processes of MPI, with its options.
    """

    command: tuple[str, ...]
    workers: int
    least: int = 1
    restarts: int = 3
    grace: float = 30.0
    by: str = ""
    mpirun: str = "mpirun"


class _Job:
    """The processes of one start: one command of MPI, or one command each."""

    def __init__(self, commands: list[list[str]], environments: list[dict[str, str]]) -> None:
        self._processes: list[subprocess.Popen] = []
        for command, environment in zip(commands, environments, strict=True):
            self._processes.append(subprocess.Popen(command, env=environment))

    def wait(self, grace: float) -> int:
        """Waits until all have ended, which they do soon once one has failed.

        Returns:
            How many are lost: 0 if all went well, those that were killed, one at least.
        """
        while self._living() and not self._failed():
            time.sleep(_PAUSE)
        if not self._failed():
            return 0
        killed = sum(-process.returncode in _KILLED for process in self._failed())
        end = time.monotonic() + grace
        while self._living() and time.monotonic() < end:
            time.sleep(_PAUSE)
        self.stop()
        return max(killed, 1)

    def stop(self) -> None:
        """Ends what has not ended by itself."""
        for process in self._living():
            process.terminate()
        end = time.monotonic() + _OBEDIENCE
        while self._living() and time.monotonic() < end:
            time.sleep(_PAUSE)
        for process in self._living():
            process.kill()
            process.wait()

    def _living(self) -> list[subprocess.Popen]:
        return [process for process in self._processes if process.poll() is None]

    def _failed(self) -> list[subprocess.Popen]:
        return [process for process in self._processes if process.poll() not in (None, 0)]


def launch(settings: LaunchSettings) -> None:
    """Runs a program in several processes until it has ended well.

    Raises:
        CommunicationError: too few processes are left, or it was started anew too often.
        FileError: the program is not there. OptionError: a number is out of range.
        UnsupportedError: there is no MPI or no PyTorch, or MPI starts no processes here.
    """
    _check(settings)
    starts_all = _by_mpi(settings)
    if starts_all:
        _try_mpirun(settings)
    count, start = settings.workers, 0
    while True:
        lost = _run(settings, count, start, starts_all)
        if lost == 0:
            return
        start, count = start + 1, count - lost
        told = f"{lost} of {count + lost} processes ended with an error"
        if count < settings.least:
            raise _fail(CommunicationError, f"launch: {told}; {count} are too few to go on")
        if start > settings.restarts:
            raise _fail(CommunicationError, f"launch: {told}, behind {settings.restarts} restarts")
        print(f"weft: {told}; it begins anew with {count}", file=sys.stderr, flush=True)


def _check(settings: LaunchSettings) -> None:
    if not 1 <= settings.least <= settings.workers:
        raise _fail(
            OptionError,
            f"launch: of {settings.workers} processes there can't be at least {settings.least}",
        )
    program = settings.command[0]
    if not program.startswith("-") and not Path(program).is_file():
        raise _fail(FileError, f"launch: there is no file {program}")
    if settings.restarts < 0 or settings.grace < 0:
        raise _fail(OptionError, "launch: restarts and grace are numbers from 0 on")
    if settings.by not in ("", "mpi", "gloo"):
        raise _fail(
            OptionError, f"launch: processes are connected by mpi or gloo, not {settings.by!r}"
        )


def _by_mpi(settings: LaunchSettings) -> bool:
    """Whether MPI starts and connects the processes."""
    launcher = shlex.split(settings.mpirun)
    has_mpi = bool(launcher) and shutil.which(launcher[0]) is not None and LIBRARY.exists()
    if settings.by != "gloo" and has_mpi:
        return True
    if settings.by != "mpi" and importlib.util.find_spec("torch") is not None:
        return False
    raise _fail(
        UnsupportedError,
        "launch: processes are connected by MPI (on Debian: apt-get install libopenmpi-dev "
        "openmpi-bin, before weft is built) or by PyTorch's gloo (pip install torch); "
        + (f"{settings.by} is not there" if settings.by else "neither is there"),
    )


def _try_mpirun(settings: LaunchSettings) -> None:
    """Starts processes that do nothing: what fails there is no fault of the program."""
    nothing = [sys.executable, "-c", ""]
    command = [*shlex.split(settings.mpirun), "-n", str(settings.workers), *nothing]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return
    print(tried.stderr, end="", file=sys.stderr, flush=True)
    options = ["--oversubscribe"] + ["--allow-run-as-root"] * (os.geteuid() == 0)
    raise _fail(
        UnsupportedError,
        f"launch: {settings.mpirun} starts no {settings.workers} processes; its options are given "
        f'as --mpirun "mpirun {" ".join(options)}", and --by gloo does without it',
    )


def _run(settings: LaunchSettings, count: int, start: int, starts_all: bool) -> int:
    """Starts so many processes and waits for them: how many are lost."""
    program = [sys.executable, *settings.command]
    common = {**os.environ, "WEFT_LAUNCH_START": str(start)}
    if starts_all:
        commands = [[*shlex.split(settings.mpirun), "-n", str(count), *program]]
        environments = [common]
    else:
        commands = [program] * count
        common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        environments = [{**common, **_place(number, count)} for number in range(count)]
    former = signal.signal(signal.SIGTERM, _end)
    job = _Job(commands, environments)
    try:
        return job.wait(settings.grace)
    finally:
        job.stop()
        signal.signal(signal.SIGTERM, former)


def _end(number: int, _: FrameType | None) -> None:
    """SIGTERM ends the processes, too: on the way out."""
    raise SystemExit(128 + number)


def _place(number: int, count: int) -> Mapping[str, str]:
    numbers = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    return {name: str(value) for name, value in numbers.items()}


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
