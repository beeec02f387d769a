"""Processes that mpirun starts: the library beside this file moves their bytes by MPI."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from .. import _core
from .._creation import _fail
from .._errors import CommunicationError, UnsupportedError

#: What connects processes by MPI; it is there if weft was built where there was an MPI.
LIBRARY = Path(__file__).with_name("libweft_mpi.so")
_INSTALL = (
    "weft.distributed needs MPI to connect the processes that mpirun starts, and this weft was "
    "built without; install it (on Debian: apt-get install libopenmpi-dev openmpi-bin) and build "
    "weft again"
)

#: What launchers of MPI tell their processes.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


def was_started() -> bool:
    """Whether this process was started by mpirun or its like."""
    return any(name in os.environ for name in _SIZES)


class Processes:
    """MPI, from `MPI_Init` to `MPI_Finalize`."""

    name = "mpi"

    def __init__(self, timeout: float) -> None:
        if not LIBRARY.exists():
            raise _fail(UnsupportedError, _INSTALL)
        try:
            # Libraries that MPI itself opens look for its symbols in the process.
            self._library = ctypes.CDLL(str(LIBRARY), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise _fail(UnsupportedError, f"{_INSTALL} ({error})") from None
        self._error = ctypes.create_string_buffer(256)
        rank, size = ctypes.c_int(), ctypes.c_int()
        status = self._library.weft_mpi_start(
            ctypes.c_double(timeout),
            ctypes.c_void_p(_core.wait_questions()),
            ctypes.byref(rank),
            ctypes.byref(size),
            self._error,
        )
        self._require(status)
        self.rank, self.size = rank.value, size.value

    def _require(self, status: int) -> None:
        if status:
            message = self._error.value.decode(errors="replace")
            raise _fail(CommunicationError, f"weft.distributed: {message}")

    def moves(self) -> dict[str, int]:
        """The addresses of the functions that move bytes."""
        names = ("all_gather", "all_to_all", "broadcast", "exchange")
        return {
            name: ctypes.cast(getattr(self._library, f"weft_mpi_{name}"), ctypes.c_void_p).value
            or 0
            for name in names
        }

    def make_group(self, number: int, ranks: Sequence[int]) -> None:
        """Connects the processes of a group, which all call this."""
        if self.rank not in ranks:
            return
        numbers = (ctypes.c_int * len(ranks))(*ranks)
        self._require(
            self._library.weft_mpi_make_group(
                ctypes.c_int64(number), numbers, len(ranks), self._error
            )
        )

    def finish(self) -> None:
        """Ends MPI; all processes call this."""
        self._library.weft_mpi_finish()

    def abort(self, status: int) -> None:
        """Ends all processes."""
        self._library.weft_mpi_abort(status)
