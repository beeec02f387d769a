"""Runs the programs of state_programs.py twice on state of their own, plain and compiled.

After each call the results and all state have to be the same to the bit. What several threads call
at once has to give what one thread gets that makes the calls in turn.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import weft
from state_programs import STATE, Program

#: Variables of the program's module that are compared.
_ROOTS = (
    *("thing", "other", "space", "slotted", "net", "point", "fixed", "ring", "ordered", "results"),
    *("LIST", "TABLE", "SET", "NUMBER", "WEIGHT", "TENSORS", "A", "B", "GRID", "COUNTER"),
    *("INTS", "BYTES", "MASK", "DOUBLES", "HALVES", "EMPTY", "ROW", "ONE"),
)
#: Seconds after which threads are taken to wait for each other.
_PATIENCE = 60
_REFUSALS = (weft.UnsupportedError, weft.ConcretizationError)


# ---- What programs call -------------------------------------------------------------------------


def _tensor(seed: int, dtype: str = "float32", shape: tuple[int, ...] = (4,)) -> weft.Tensor:
    values = np.random.default_rng(seed).standard_normal(shape)
    if dtype == "uint8":
        values = np.abs(values) * 50
    return weft.asarray((values > 0 if dtype == "bool" else values).astype(dtype), copy=True)


def _tensors(value: Any) -> Iterator[weft.Tensor]:
    """The tensors in a result."""
    if isinstance(value, weft.Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _write(result: Any, value: float) -> None:
    """Writes to the tensors of a result, one after the other."""
    with weft.no_grad():
        for number, tensor in enumerate(_tensors(result)):
            tensor.mul_(0.5)
            tensor[..., 0] = value + number


def _learn(result: Any) -> None:
    """Gradients of the tensors of a result that have a history."""
    sums = [weft.sum(tensor) for tensor in _tensors(result) if tensor.requires_grad]
    if sums:
        sum(sums[1:], sums[0]).backward()


def _latest(results: list[Any], default: weft.Tensor) -> weft.Tensor:
    """A tensor of an earlier result, fit for an argument."""
    fit = [x for x in _tensors(results) if x.shape == (4,) and x.dtype == weft.float32]
    return fit[-1] if fit else default


def _in_turn(step: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [[arguments, step(*arguments), step(*arguments)] for arguments in calls]


def _at_once(step: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Makes each call, twice, in a thread of its own."""
    results: list[Any] = [None] * len(calls)
    errors: list[Exception] = []
    barrier = threading.Barrier(len(calls))

    def work(number: int) -> None:
        try:
            barrier.wait(_PATIENCE)
            results[number] = _in_turn(step, [calls[number]])[0]
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
        assert not thread.is_alive(), "threads wait for each other"
    if errors:
        raise errors[0]
    return results


def _module(program: Program, compiled: bool) -> dict[str, Any]:
    variables: dict[str, Any] = {
        "__name__": "a_users_program",
        "tensor": _tensor,
        "write": _write,
        "learn": _learn,
        "latest": _latest,
        "at_once": _at_once if compiled else _in_turn,
        "results": [],
    }
    code = compile(STATE + program.function, "<program>", "exec", dont_inherit=True)
    exec(code, variables)
    if compiled:
        variables["step"] = weft.jit(variables["step"])
    return variables


# ---- What is compared ---------------------------------------------------------------------------


class _Facts:
    """State as something that compares by `==`: values to the bit, and which objects are one."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.kept: list[Any] = []

    def of(self, value: Any) -> Any:
        if isinstance(value, weft.Tensor):
            return self.of_tensor(value)
        if isinstance(value, (float, int, str, bytes, type(None))):
            return type(value).__name__, repr(value)
        if id(value) in self.numbers:
            return "same", self.numbers[id(value)]
        self.numbers[id(value)] = len(self.numbers)
        self.kept.append(value)
        if isinstance(value, dict):
            return "dict", [(key, self.of(item)) for key, item in value.items()]
        if isinstance(value, (list, tuple, set, collections.deque)):
            return type(value).__name__, [self.of(item) for item in value]
        if isinstance(value, (types.FunctionType, type)):
            return value.__name__
        names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
        return type(value).__name__, [
            (name, self.of(getattr(value, name))) for name in names if hasattr(value, name)
        ]

    def of_tensor(self, value: weft.Tensor) -> Any:
        grad = self.of(value.grad) if value.grad is not None else None
        array = np.asarray(value.detach())
        facts = str(value.dtype), tuple(value.shape), value.requires_grad, value.is_leaf, grad
        return *facts, array.tolist(), array.tobytes()


def _first_difference(have: Any, want: Any, path: str = "") -> str:
    if isinstance(have, (tuple, list)) and type(have) is type(want) and len(have) == len(want):
        for number, (mine, other) in enumerate(zip(have, want)):
            if mine != other:
                name = mine[0] if isinstance(mine, tuple) and len(mine) == 2 else number
                return _first_difference(mine, other, f"{path}.{name}")
    return f"{path} is\n  {have}\nnot\n  {want}"


@dataclasses.dataclass
class Outcome:
    """How a program ended: nothing differs, unless `difference` says what."""

    difference: str | None = None
    refused: str | None = None
    calls: int = 0
    seconds: float = 0.0


def _error_of(event: str, variables: dict[str, Any]) -> Exception | None:
    try:
        exec(event, variables)
    except Exception as error:
        return error
    return None


def _compare(plain: dict[str, Any], compiled: dict[str, Any]) -> str | None:
    before, after = _Facts(), _Facts()
    for name in _ROOTS:
        want, have = before.of(plain[name]), after.of(compiled[name])
        if want != have:
            return name + _first_difference(have, want)
    return None


def _events(program: Program, outcome: Outcome) -> None:
    plain, compiled = _module(program, False), _module(program, True)
    for event in program.events:
        want, have = _error_of(event, plain), _error_of(event, compiled)
        if isinstance(have, _REFUSALS) and type(have) is not type(want):
            outcome.refused = str(have)
            return
        if type(have) is not type(want):
            outcome.difference = f"after {event}: {want!r} is {have!r} when compiled"
            return
        # What else raises may have changed tensors, which a compiled function leaves as they were.
        if want is not None and want.args != ("early",):
            return
        outcome.calls += "step" in event
        difference = _compare(plain, compiled)
        if difference is not None:
            outcome.difference = f"after {event}: {difference}"
            return


def run(program: Program) -> Outcome:
    """Runs a program plain and compiled."""
    outcome = Outcome()
    start = time.perf_counter()
    _events(program, outcome)
    outcome.seconds = time.perf_counter() - start
    return outcome
