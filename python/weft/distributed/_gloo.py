"""Processes that torchrun starts: PyTorch's gloo group moves their bytes."""

from __future__ import annotations

import ctypes
import datetime
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .. import _core
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
#: What C++ knows besides an error, see lib/Runtime/Collectives.h.
_INTERRUPTED, _ENDLESS, _LATE_STATUS = 2, 3, 4
#: Seconds between two looks around of one who waits, and the least between two tellings.
_LOOK, _TELL = 0.05, 1.0
#: Bytes of messages whose waits look around: the comparison in front of each operation. Behind it
#: all members have come.
_SMALL = 1 << 16


class _EndedError(Exception):
    """A wait that has ended by itself."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Waits:
    """What processes that wait tell each other, in the store that has connected them."""

    made = 0

    def __init__(self, of_torch: Any, rank: int, size: int, timeout: float) -> None:
        self._store = of_torch.distributed_c10d._get_default_store()
        _Waits.made += 1
        self._keys = [f"weft/waits/{_Waits.made}/{number}" for number in range(size)]
        self._rank = rank
        self._pause = min(_TELL, timeout / 4)
        self._store.set(self._keys[rank], b"")
        #: Whether there is a work that nobody waits for any more.
        self.has_given_up = False

    def wait_for(self, work: Any) -> None:
        """Waits for a work of torch.distributed, and looks around meanwhile."""
        told = time.monotonic()
        endless = 0.0
        while True:
            try:
                work.wait(timeout=datetime.timedelta(seconds=_LOOK))
                return
            except RuntimeError:
                if work.is_completed() and _core.waits_for_ever():
                    raise _EndedError(_ENDLESS) from None  # who has heard it first has ended
                if work.is_completed():
                    raise
            status, now = 0, time.monotonic()
            if _core.is_interrupted():
                status = _INTERRUPTED
            elif now - told > self._pause:
                told = now
                self._tell_and_hear()
            elif _core.waits_for_ever():
                endless = endless or now
                # The others look for it as seldom as they tell of themselves.
                status = _ENDLESS if now - endless > 1.2 * self._pause else 0
            if status:
                self.has_given_up = True
                raise _EndedError(status)

    def _tell_and_hear(self) -> None:
        self._store.set(self._keys[self._rank], _core.wait_to_tell())
        for number, key in enumerate(self._keys):
            if number != self._rank and (told := self._store.get(key)):
                _core.hear_wait(told)


def was_started() -> bool:
    """Whether this process was started by torchrun or its like."""
    return all(name in os.environ for name in _VARIABLES)


class _Members(NamedTuple):
    """A group of PyTorch's, and its processes in Weft's order."""

    of: Any
    ranks: Sequence[int]
    #: The members in PyTorch's order, which is that of the processes' numbers.
    order: Sequence[int]


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
        self._waits = _Waits(of_torch, self.rank, self.size, timeout)
        every = range(self.size)
        self._groups: dict[int, _Members] = {0: _Members(world, every, every)}
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
                move(self._groups[group], source, target, count, first, second)
            except KeyboardInterrupt:
                self._waits.has_given_up = True
                return _INTERRUPTED
            except _EndedError as ended:
                return ended.status
            except Exception as problem:
                said = " ".join(str(problem).split())
                if _LATE in said:
                    return _LATE_STATUS
                if any(sign in said for sign in _CLOSED):
                    said = f"another process has ended its program, or is lost ({said})"
                text = said.encode()[:255]
                ctypes.memmove(error, text + b"\0", len(text) + 1)
                return 1
            return 0

        return guarded

    def _run(self, start: Callable[..., Any], source: Any, target: Any, more: dict) -> None:
        """Runs an operation of torch.distributed from a tensor, or none, to another."""
        if len(target) > _SMALL:
            start(target, source, **more)
            return
        # What is given up may still be written to: that is memory of its own.
        result = self._torch.empty_like(target)
        given = None if source is None else source.clone()
        if given is None:
            result.copy_(target)
        self._waits.wait_for(start(result, given, async_op=True, **more))
        target.copy_(result)

    def _all_gather(self, group: _Members, source: int, target: int, count: int, *_: int) -> None:
        def start(result: Any, given: Any, **more: Any) -> Any:
            parts = result.split(count)
            return self._of_torch.all_gather([parts[i] for i in group.order], given, **more)

        whole = self._bytes(target, count * len(group.ranks))
        self._run(start, self._bytes(source, count), whole, {"group": group.of})

    def _all_to_all(self, group: _Members, source: int, target: int, count: int, *_: int) -> None:
        whole, order = count * len(group.ranks), list(group.order)
        given, result = self._bytes(source, whole), self._bytes(target, whole)
        start = self._of_torch.all_to_all_single
        if order == sorted(order):
            self._run(start, given, result, {"group": group.of})
            return
        turned = self._torch.empty_like(result)
        parts = given.view(len(order), count)[order].flatten()
        self._run(start, parts, turned, {"group": group.of})
        result.view(len(order), count)[order] = turned.view(len(order), count)

    def _broadcast(
        self, group: _Members, _source: int, target: int, count: int, root: int, _: int
    ) -> None:
        def start(result: Any, _: Any, **more: Any) -> Any:
            return self._of_torch.broadcast(result, **more)

        more = {"src": group.ranks[root], "group": group.of}
        self._run(start, None, self._bytes(target, count), more)

    def _exchange(
        self,
        group: _Members,
        source: int,
        target: int,
        count: int,
        destination: int,
        origin: int,
    ) -> None:
        waiting = []
        if destination >= 0:
            sent, to = self._bytes(source, count), group.ranks[destination]
            waiting.append(self._of_torch.isend(sent, dst=to, group=group.of))
        if origin >= 0:
            got, by = self._bytes(target, count), group.ranks[origin]
            waiting.append(self._of_torch.irecv(got, src=by, group=group.of))
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
        if self.rank in ranks:
            there = self._of_torch.get_process_group_ranks(group)
            order = [list(ranks).index(rank) for rank in there]
            self._groups[number] = _Members(group, tuple(ranks), order)

    def finish(self) -> None:
        """Leaves the group, if it was made here."""
        if self._is_own and self._of_torch.is_initialized():
            self._of_torch.destroy_process_group()

    def abort(self, status: int) -> None:
        """Ends this process; torchrun sees how, and ends the others."""
        if self._waits.has_given_up:
            # Threads of gloo still wait, and at the end they would be waited for.
            os._exit(status)
