"""Processes that torchrun starts: PyTorch's gloo group moves their bytes."""

from __future__ import annotations

import ctypes
import datetime
import os
from collections.abc import Callable, Sequence
from typing import Any

from .._creation import _fail
from .._errors import CommunicationError, UnsupportedError

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
#: How C++ calls what moves bytes.
Move = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_void_p,
)

#: What gloo says where another process is gone.
_CLOSED = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
#: And where it does not come.
_LATE = "Timed out waiting"


def was_started() -> bool:
    """Whether this process was started by torchrun or its like."""
    return all(name in os.environ for name in _VARIABLES)


class Processes:
    """A gloo group of torch.distributed, which is made if there is none."""

    name = "gloo"

    def __init__(self, timeout: float) -> None:
        try:
            import torch
            import torch.distributed as of_torch
        except ImportError:
            raise _fail(
                UnsupportedError,
                "weft.distributed connects the processes that torchrun starts by PyTorch's gloo: "
                "pip install torch",
            ) from None
        self._torch, self._of_torch = torch, of_torch
        self._timeout = datetime.timedelta(seconds=timeout)
        self._is_own = not of_torch.is_initialized()
        try:
            if self._is_own:
                of_torch.init_process_group("gloo", timeout=self._timeout)
            self.rank, self.size = of_torch.get_rank(), of_torch.get_world_size()
            world = of_torch.new_group(backend="gloo", timeout=self._timeout)
        except (RuntimeError, ValueError) as error:
            raise _fail(CommunicationError, f"weft.distributed: {error}") from None
        self._groups: dict[int, tuple[Any, Sequence[int]]] = {0: (world, range(self.size))}
        # C++ keeps their addresses.
        self._functions = {
            "all_gather": Move(self._guarded(self._all_gather)),
            "all_to_all": Move(self._guarded(self._all_to_all)),
            "broadcast": Move(self._guarded(self._broadcast)),
            "exchange": Move(self._guarded(self._exchange)),
        }

    def _bytes(self, address: int, count: int) -> Any:
        return self._torch.frombuffer(
            (ctypes.c_char * count).from_address(address), dtype=self._torch.uint8
        )

    def _guarded(self, move: Callable[..., None]) -> Callable[..., int]:
        """The function as C calls it: an error is a text."""

        def guarded(
            group: int, source: int, target: int, count: int, first: int, second: int, error: int
        ) -> int:
            try:
                of, ranks = self._groups[group]
                move(of, ranks, source, target, count, first, second)
            except KeyboardInterrupt:
                return 2
            except Exception as problem:
                said = " ".join(str(problem).split())
                if any(sign in said for sign in _CLOSED):
                    said = f"another process has ended its program, or is lost ({said})"
                elif _LATE in said:
                    said = (
                        f"another process has not come for {self._timeout.total_seconds():g} "
                        "seconds (the timeout of weft.distributed.init); it has ended, hangs, or "
                        f"runs another program ({said})"
                    )
                text = said.encode()[:255]
                ctypes.memmove(error, text + b"\0", len(text) + 1)
                return 1
            return 0

        return guarded

    def _all_gather(
        self, of: Any, ranks: Sequence[int], source: int, target: int, count: int, *_: int
    ) -> None:
        parts = self._bytes(target, count * len(ranks)).split(count)
        self._of_torch.all_gather(list(parts), self._bytes(source, count), group=of)

    def _all_to_all(
        self, of: Any, ranks: Sequence[int], source: int, target: int, count: int, *_: int
    ) -> None:
        whole = count * len(ranks)
        self._of_torch.all_to_all_single(
            self._bytes(target, whole), self._bytes(source, whole), group=of
        )

    def _broadcast(
        self,
        of: Any,
        ranks: Sequence[int],
        _source: int,
        target: int,
        count: int,
        root: int,
        _: int,
    ) -> None:
        self._of_torch.broadcast(self._bytes(target, count), src=ranks[root], group=of)

    def _exchange(
        self,
        of: Any,
        ranks: Sequence[int],
        source: int,
        target: int,
        count: int,
        destination: int,
        origin: int,
    ) -> None:
        waiting = []
        if destination >= 0:
            sent = self._bytes(source, count)
            waiting.append(self._of_torch.isend(sent, dst=ranks[destination], group=of))
        if origin >= 0:
            got = self._bytes(target, count)
            waiting.append(self._of_torch.irecv(got, src=ranks[origin], group=of))
        for each in waiting:
            if each is not None:
                each.wait()

    def moves(self) -> dict[str, int]:
        """The addresses of the functions that move bytes."""
        return {
            name: ctypes.cast(function, ctypes.c_void_p).value or 0
            for name, function in self._functions.items()
        }

    def make_group(self, number: int, ranks: Sequence[int]) -> None:
        """Connects the processes of a group; all there are call this."""
        group = self._of_torch.new_group(list(ranks), backend="gloo", timeout=self._timeout)
        self._groups[number] = (group, tuple(ranks))

    def finish(self) -> None:
        """Leaves the group, if it was made here."""
        if self._is_own and self._of_torch.is_initialized():
            self._of_torch.destroy_process_group()

    def abort(self, status: int) -> None:
        """Nothing: torchrun sees how a process ends, and ends the others."""
