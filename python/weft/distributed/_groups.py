"""The processes, and groups of them."""

from __future__ import annotations

import atexit
import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from .. import _core
from .._core import Tensor
from .._creation import _fail, asarray
from .._devices import Device
from .._errors import CommunicationError, OptionError
from . import _gloo, _mpi


class Group:
    """Some of the processes, which compute together: made by `new_group`, and `init` for all.

    Attributes:
        number: the same in all processes.
        ranks: the members, as numbers among all processes.
    """

    __weft_state__ = True

    def __init__(self, number: int, ranks: Sequence[int], own: int) -> None:
        self.number = number
        self.ranks = tuple(ranks)
        self._own = own

    @property
    def size(self) -> int:
        """How many members there are."""
        return len(self.ranks)

    @property
    def rank(self) -> int:
        """The number of this process among the members; -1 if it is none."""
        return self.ranks.index(self._own) if self._own in self.ranks else -1

    def __repr__(self) -> str:
        return f"weft.distributed.Group(number={self.number}, ranks={list(self.ranks)})"


class _Alone:
    """A process that nobody started together with others."""

    name = "alone"
    rank, size = 0, 1

    def make_group(self, number: int, ranks: Sequence[int]) -> None:
        pass

    def finish(self) -> None:
        pass

    def abort(self, status: int) -> None:
        pass


class _State:
    """What `init` has set up."""

    def __init__(self) -> None:
        #: How many collectives this process has run: each takes it and leaves it, so that all are
        #: in the order of the program, whatever reads their results.
        self.begin()
        self.processes: Any = None
        self.world: Group | None = None
        self.groups = 0
        self.has_failed = False

    def begin(self) -> None:
        """Makes the token, unless it is there."""
        if hasattr(self, "token"):
            return
        self.token: Tensor = asarray(0, dtype="int32", copy=True)
        self.tokens: dict[Device, Tensor] = {self.token.device: self.token}
        _core.register_token(self.token, self.token_on)

    def token_on(self, device: Device) -> Tensor:
        """The token of a device: calls take and leave that of theirs, as operations on them."""
        if device not in self.tokens:
            # Of an array: a number would be a constant of the trace that asks for it.
            zero = asarray(np.zeros((), np.int32), copy=True)
            self.tokens[device] = _core.tensor_on(device, zero)
        return self.tokens[device]


state = _State()


def _watch_failures() -> None:
    """Ends the other processes where this one ends by an error: they would wait for it."""
    former = sys.excepthook

    def hook(kind: Any, value: Any, traceback: Any) -> None:
        former(kind, value, traceback)
        state.has_failed = True

    sys.excepthook = hook
    atexit.register(_end)


def _end() -> None:
    """What this process does at its end."""
    if state.processes is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    if state.has_failed or _core.broken_connection():
        state.processes.abort(1)
    else:
        _core.leave_devices()
        state.processes.finish()


_watches = False


def init(
    backend: str | None = None,
    *,
    timeout: float = 300.0,
    check: bool = True,
    order: str = "members",
    nccl: bool | None = None,
) -> Group:
    """Connects this process to those that were started with it; all of them call this first.

    Args:
        backend: "mpi" (started by ``mpirun``), "gloo" (by ``torchrun``; needs PyTorch), "alone"
            (one process), or None: what the environment says.
        timeout: for so many seconds a process waits for the others in one operation; then it raises
            `CommunicationError`. At least the longest time between two processes' arrivals there,
            compiling included.
        check: whether before each operation the processes compare what they are about to do.
            Without it another shape, dtype or order than that of the others is not noticed: results
            are wrong, or the processes wait for each other. Tensors on GPUs go by the hosts then.
        order: in which sums of floats are added: "members", that of the members' numbers, or "any",
            that of NCCL where tensors are on GPUs, whose bits depend on the machines.
        nccl: whether what is on GPUs is sent by NCCL, without their hosts: None, where all members
            of a group have NCCL and GPUs of their own; False, never; True, an error if this process
            finds no NCCL.

    Returns:
        The group of all processes. A second call returns it again, and changes nothing.

    Raises:
        UnsupportedError: MPI, PyTorch or NCCL is missing; the message says what to install.
        CommunicationError: the others can't be reached. OptionError: there is no such backend or
            order, the timeout is not positive, or a compiled function calls this.
    """
    global _watches
    if state.world is not None:
        return state.world
    if _core.is_tracing():
        raise _fail(OptionError, "init: connects processes once, outside of compiled functions")
    if not isinstance(timeout, (int, float)) or not timeout > 0:
        raise _fail(OptionError, f"init: the timeout is in seconds above 0, not {timeout!r}")
    if order not in ("members", "any"):
        raise _fail(OptionError, f"init: the order is members or any, not {order!r}")
    if nccl:
        _core.require_nccl()
    if backend is None:
        backend = "mpi" if _mpi.was_started() else "gloo" if _gloo.was_started() else "alone"
    if backend == "alone":
        state.processes = _Alone()
        _core.connect_alone()
    elif backend in ("mpi", "gloo"):
        module: Any = _mpi if backend == "mpi" else _gloo
        state.processes = module.Processes(float(timeout))
        _core.connect_processes(
            state.processes.moves(),
            compares=check,
            links_devices=nccl is not False,
            any_order=order == "any",
            timeout=float(timeout),
        )
    else:
        raise _fail(OptionError, f"init: there is no backend {backend!r}, only mpi, gloo and alone")
    if not _watches:
        _watches = True
        _watch_failures()
    state.begin()
    state.groups = 0
    state.world = _added(range(state.processes.size))
    return state.world


def _added(ranks: Sequence[int]) -> Group:
    group = Group(state.groups, ranks, state.processes.rank)
    state.groups += 1
    if group.rank >= 0:
        _core.add_process_group(group.number, group.rank, group.ranks)
    return group


def new_group(ranks: Sequence[int]) -> Group:
    """A group of some processes. All processes call this, also those that are no members.

    Args:
        ranks: their numbers, in the order of the members.

    Raises:
        CommunicationError: `init` was not called, or another process names others. OptionError:
            there is no such process, it is named twice, or none is named.
    """
    world = require_group(None, "new_group")
    members = [int(rank) for rank in ranks]
    if not members or len(set(members)) != len(members) or not set(members) <= set(world.ranks):
        error = _fail(
            OptionError,
            f"new_group: {list(ranks)} has to name some of the {world.size} processes, each once",
        )
        tell_refusal(world, error)
        raise error
    # Where they differ some would wait for ever.
    file, line = _core.user_line()
    _core.agree(
        world.number, "new_group", f"{file}:{line}" if line else "", f"new_group of {members}"
    )
    state.processes.make_group(state.groups, members)
    return _added(members)


def tell_refusal(group: Group | None, error: Exception) -> None:
    """Tells the other members, who wait for this one, what it refuses before it takes part.

    They get a `CommunicationError` with its words, unless they refuse the same.
    """
    chosen = state.world if group is None else group
    if not isinstance(chosen, Group) or chosen.rank < 0 or isinstance(error, CommunicationError):
        return
    if state.world is not None and not getattr(error, "_is_told", False):
        words = " ".join(str(error).split()) or type(error).__name__
        _core.tell_refusal(chosen.number, words)
        error._is_told = True  # type: ignore[attr-defined]


Function = TypeVar("Function", bound=Callable[..., Any])


def tells_refusals(function: Function) -> Function:
    """A function whose errors of one member the others of its ``group`` hear at once."""
    place = list(inspect.signature(function).parameters).index("group")

    @functools.wraps(function)
    def telling(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception as error:
            group = arguments[place] if place < len(arguments) else named.get("group")
            tell_refusal(group, error)
            raise

    return cast(Function, telling)


def require_group(group: Group | None, name: str) -> Group:
    """The group, or that of all processes; this process has to be a member."""
    if state.world is None:
        raise _fail(
            CommunicationError,
            f"{name}: this process is connected to no others; call weft.distributed.init() first",
        )
    chosen = state.world if group is None else group
    if not isinstance(chosen, Group):
        raise _fail(OptionError, f"{name}: a group is made by new_group(), not {group!r}")
    if chosen.rank < 0:
        raise _fail(
            OptionError, f"{name}: process {state.processes.rank} is no member of {chosen!r}"
        )
    return chosen


def is_initialized() -> bool:
    """Whether `init` was called, and `finalize` was not."""
    return state.world is not None


def rank(group: Group | None = None) -> int:
    """The number of this process, from 0; -1 if it is no member of the group. 0 before `init`."""
    chosen = state.world if group is None else group
    return 0 if chosen is None else chosen.rank


def world_size(group: Group | None = None) -> int:
    """How many processes there are. 1 before `init`."""
    chosen = state.world if group is None else group
    return 1 if chosen is None else chosen.size


def barrier(group: Group | None = None) -> None:
    """Returns once all members have called this.

    Raises CommunicationError if one does not come.
    """
    from ._operations import all_gather

    if _core.is_tracing():
        raise _fail(
            OptionError,
            "barrier: in a compiled function nothing is there to wait for; call it outside",
        )
    all_gather(asarray(0, dtype="uint8"), group=group)


def finalize() -> None:
    """Ends what `init` has begun; all processes call this, or none: a process does it at its end.

    With MPI a process can't begin again.
    """
    if state.world is None:
        return
    if _core.broken_connection():
        state.processes.abort(1)
    _core.leave_devices()
    _core.connect_processes({})
    state.processes.finish()
    state.processes, state.world = None, None
