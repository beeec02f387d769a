"""Random programs of several processes of which one does something else: mpirun -n 3 python this.

``mismatched_programs.py mismatches SEED COUNT`` runs so many; all processes draw the same programs,
and the same place where one of them differs. There each has to get an error, soon and in the same
words; what comes before and behind it has NumPy's values. ``... ends SEED HOW`` is one program of
which a process ends amid, in some way.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import weft
import weft.distributed as dist
from weft import _core

SOON = 5.0
"""Seconds within which all have their error; the timeout is far behind."""

KINDS = ["all_reduce", "max", "all_gather", "broadcast", "reduce", "reduce_scatter", "all_to_all"]
KINDS += ["shift"]
DTYPES = ["float32", "float64", "int32", "uint8", "int64"]


@dataclasses.dataclass(frozen=True)
class Step:
    """One operation of all members, or what one member does instead."""

    kind: str
    shape: tuple[int, ...]
    dtype: str
    number: int = 0  # the root, or how far to shift
    seed: int = 0

    def value(self, member: int) -> np.ndarray:
        """What a member has for it."""
        random = np.random.default_rng([self.seed, member])
        return random.integers(0, 50, self.shape).astype(self.dtype)

    def run(self, x: weft.Tensor, group: dist.Group) -> weft.Tensor:
        """What Weft makes of it."""
        if self.kind == "max":
            return dist.all_reduce(x, "max", group)
        if self.kind in ("broadcast", "reduce", "shift"):
            return getattr(dist, self.kind)(x, self.number, group=group)
        return getattr(dist, self.kind)(x, group=group)

    def expected(self, own: int, members: int) -> np.ndarray:
        """What NumPy makes of it."""
        values = [self.value(member) for member in range(members)]
        stacked = np.stack(values)
        total = stacked.sum(0, dtype=self.dtype)
        results: dict[str, Callable[[], np.ndarray]] = {
            "all_reduce": lambda: total,
            "max": lambda: stacked.max(0),
            "all_gather": lambda: stacked,
            "broadcast": lambda: values[self.number],
            "reduce": lambda: total if own == self.number else total * 0,
            "reduce_scatter": lambda: total[own],
            "all_to_all": lambda: stacked[:, own],
            "shift": lambda: values[(own - self.number) % members],
        }
        return results[self.kind]()


def _drawn(random: np.random.Generator, members: int) -> Step:
    kind = str(random.choice(KINDS))
    rank = int(random.integers(0, 3))
    shape = tuple(int(size) for size in random.integers(1, 5, rank))
    if random.integers(0, 4) == 0:
        shape = (20000 + int(random.integers(0, 100)),)  # sent beside other work
    if kind in ("reduce_scatter", "all_to_all"):
        shape = (members, *shape)
    number = int(random.integers(0, members))
    return Step(kind, shape, str(random.choice(DTYPES)), number, int(random.integers(1 << 30)))


def _other(random: np.random.Generator, step: Step, members: int) -> tuple[str, Step | None]:
    """What one member does instead, and how that is called; None: it refuses."""
    ways = ["shape", "dtype", "kind", "refusal", "order"]
    if step.kind in ("broadcast", "reduce", "shift"):
        ways.append("number")
    way = str(random.choice(ways))
    if way == "shape":
        return way, dataclasses.replace(step, shape=(*step.shape, int(random.integers(2, 4))))
    if way == "dtype":
        others = [dtype for dtype in DTYPES if dtype != step.dtype]
        return way, dataclasses.replace(step, dtype=str(random.choice(others)))
    if way == "number":
        return way, dataclasses.replace(step, number=(step.number + 1) % members)
    if way == "kind":
        kinds = [kind for kind in KINDS if kind != step.kind and "_to_" not in kind]
        kind = str(random.choice([kind for kind in kinds if kind != "reduce_scatter"]))
        return way, dataclasses.replace(step, kind=kind)
    return way, None


def _refused(random: np.random.Generator, group: dist.Group) -> None:
    """A call that a member refuses by itself."""
    wrong: Sequence[Callable[[], Any]] = (
        lambda: dist.all_reduce(weft.ones(3, dtype="bool"), group=group),
        lambda: dist.reduce_scatter(weft.ones(group.size + 1), group=group),
        lambda: dist.broadcast(weft.ones(3), group.size, group=group),
        lambda: dist.all_to_all(weft.ones(()), group=group),
        lambda: dist.all_gather(object(), group=group),
        lambda: dist.all_reduce(weft.ones(3), "most", group=group),
        lambda: dist.broadcast_object(lambda: 0, group.rank, group=group),
        lambda: dist.permute(weft.ones(3), [(0, 0), (0, 0)], group=group),
    )
    wrong[int(random.integers(len(wrong)))]()


def _error(action: Callable[[], object]) -> tuple[str, float]:
    """The error that an action ends with, and after how many seconds."""
    begin = time.monotonic()
    try:
        action()
    except Exception as error:
        return str(error), time.monotonic() - begin
    return "", time.monotonic() - begin


def _run(steps: Sequence[Step], group: dist.Group, compiled: bool) -> list[weft.Tensor]:
    values = [weft.asarray(step.value(group.rank)) for step in steps]
    whole = lambda given: [step.run(x, group) for step, x in zip(steps, given, strict=True)]  # noqa: E731
    return (weft.jit(whole) if compiled else whole)(values)


def _check(steps: Sequence[Step], group: dist.Group, compiled: bool) -> None:
    for step, result in zip(steps, _run(steps, group, compiled), strict=True):
        want = step.expected(group.rank, group.size)
        np.testing.assert_array_equal(np.asarray(result), want, err_msg=str(step))
        assert np.asarray(result).dtype == want.dtype, step


def _mismatch(seed: int, group: dist.Group) -> None:
    random = np.random.default_rng(seed)
    steps = [_drawn(random, group.size) for _ in range(int(random.integers(1, 5)))]
    place, odd = int(random.integers(len(steps))), int(random.integers(group.size))
    compiled = bool(random.integers(2))
    way, other = _other(random, steps[place], group.size)
    _check(steps[:place], group, compiled)

    def differs() -> None:
        if group.rank != odd:
            _run(steps[place:], group, compiled)
        elif way == "refusal":
            _refused(random, group)
        elif other is None:  # it comes to the operation later than to those behind it
            _run([*steps[place + 1 :], dataclasses.replace(steps[place], seed=1)], group, compiled)
        else:
            _run([other, *steps[place + 1 :]], group, compiled)

    if way == "order" and (place + 1 == len(steps) or _alike(steps[place], steps[place + 1])):
        return _check(steps[place:], group, compiled)  # it is no other order
    message, seconds = _error(differs)
    about = f"seed {seed}, process {group.rank} of {group.size}: {way} at {place} of {steps}"
    assert message, about
    assert seconds < SOON, (seconds, about)
    told = dist.all_gather_object((message, seconds), group)
    texts = {text for member, (text, _) in enumerate(told) if way != "refusal" or member != odd}
    heard = {text[text.index("the processes are about") :] for text in texts}
    assert len(heard) == 1, (about, texts)
    if way == "refusal":
        assert "can't take part" in heard.pop(), about
    _check(steps, group, compiled)


def _alike(first: Step, second: Step) -> bool:
    """Whether two operations are the same for those who compare them."""
    return dataclasses.replace(first, seed=0) == dataclasses.replace(second, seed=0)


def mismatches(first: int, count: int) -> None:
    """Programs of all processes, and of groups of two."""
    rank, size = dist.rank(), dist.world_size()
    own = dist.new_group(range(size))
    for begin in range(0, size - 1, 2):
        pair = dist.new_group([begin, begin + 1])
        own = pair if rank in pair.ranks else own
    for seed in range(first, first + count):
        in_pairs = seed % 3 == 2 and size % 2 == 0
        _mismatch(seed, own if in_pairs else dist.new_group(range(size)))
        if seed % 10 == 0:
            with np.testing.assert_raises_regex(weft.CommunicationError, "new_group of"):
                dist.new_group([rank])
    dist.barrier()


HOW: dict[str, Callable[[], object]] = {
    "exits": lambda: sys.exit(0),
    "exits with 3": lambda: sys.exit(3),
    "raises": lambda: _raise(),
    "leaves": lambda: os._exit(0),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


def _raise() -> None:
    raise RuntimeError("this one fails")


def ends(seed: int, how: str) -> None:
    """A process ends amid a program; the others are told, or ended."""
    random = np.random.default_rng(seed)
    size, rank = dist.world_size(), dist.rank()
    some = dist.new_group([0, size - 1])
    steps = [_drawn(random, size) for _ in range(4)]
    place = int(random.integers(4))
    _check(steps[:place], dist.new_group(range(size)), compiled=False)
    if rank == size - 1:
        HOW[how]()
    begin = time.monotonic()
    try:
        if seed % 2 and rank == 0:
            dist.all_reduce(weft.ones(2), group=some)
        _run(steps[place:], dist.new_group(range(size)), compiled=bool(seed % 4 < 2))
    except weft.CommunicationError as error:
        print(f"told after {time.monotonic() - begin:.1f} s: {error}", flush=True)
        raise


def starved(room: int, _how: str) -> None:
    """One process has no room for the thread that sends: all are told, and can go on later."""
    x = weft.ones(50000) * (dist.rank() + 1)
    pair = weft.jit(lambda v: (dist.all_reduce(v), dist.all_reduce(weft.exp(v))))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    if dist.rank() == 1:
        # Less than the stack of a thread, more than the sum and its compiling need.
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, limits[1]))
    # The first sum is sent while what the second one is of is computed.
    message, seconds = _error(lambda: pair(x))
    assert "can't take part: the thread that sends can't be started" in message, message
    assert seconds < SOON, seconds
    assert _core.collectives_under_way() == 0
    texts = {text[text.index("the processes") :] for text in dist.all_gather_object(message)}
    assert len(texts) == 1, texts
    resource.setrlimit(resource.RLIMIT_AS, limits)
    total, powers = (np.asarray(each) for each in pair(x))
    numbers = [np.float32(member + 1) for member in range(dist.world_size())]
    np.testing.assert_array_equal(total, np.full(50000, sum(numbers)))
    np.testing.assert_allclose(powers, np.full(50000, sum(np.exp(numbers))), rtol=1e-6)


if __name__ == "__main__":
    dist.init(timeout=100.0)
    if sys.argv[1] == "mismatches":
        mismatches(int(sys.argv[2]), int(sys.argv[3]))
    else:
        {"ends": ends, "starved": starved}[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
    print(f"process {dist.rank()} of {dist.world_size()} is done", flush=True)
