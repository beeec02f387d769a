"""What processes run that test_nccl.py starts, on libraries that stand in for NVIDIA's.

These have no kernels of ours: what runs here moves tensors and reduces them, no more.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import weft
import weft.distributed as dist

RANK, SIZE = 0, 1
DEVICE = "cuda:0"

DTYPES = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"]
DTYPES += ["uint64", "float16", "bool"]
#: One is small, one is no whole number of parts, one is sent beside other work.
SHAPES = [(), (0,), (5,), (3, 1, 2), (1501,), (20000,)]


def _value(shape: tuple[int, ...], dtype: str, *seed: int) -> weft.Tensor:
    random = np.random.default_rng([*seed, RANK])
    if dtype == "bool":
        return weft.asarray(random.integers(0, 2, shape).astype(bool))
    if "int" in dtype:
        limits = np.iinfo(dtype)
        return weft.asarray(random.integers(limits.min, limits.max, shape, dtype, endpoint=True))
    numbers = random.normal(size=shape).astype(dtype)
    numbers[random.random(shape) < 0.05] = np.nan
    return weft.asarray(numbers)


def _cases(dtype: str) -> dict[str, Callable[[weft.Tensor], weft.Tensor]]:
    cases: dict[str, Callable[[weft.Tensor], weft.Tensor]] = {
        "all_gather": dist.all_gather,
        "broadcast": lambda x: dist.broadcast(x, SIZE - 1),
        "shift": dist.shift,
        "stage": lambda x: dist.shift(x, wrap=False),
        "permute": lambda x: dist.permute(x, [(0, SIZE - 1)]),
        "itself": lambda x: dist.permute(x, [(each, each) for each in range(SIZE)]),
    }
    if dtype not in ("bool", "float16"):
        for op in ("sum", "max", "min"):
            cases[op] = lambda x, op=op: dist.all_reduce(x, op)
        cases["reduce"] = lambda x: dist.reduce(x, SIZE - 1)
    return cases


def _of_parts(dtype: str) -> dict[str, Callable[[weft.Tensor], weft.Tensor]]:
    """Those whose operand has a part for each member."""
    cases: dict[str, Callable[[weft.Tensor], weft.Tensor]] = {"all_to_all": dist.all_to_all}
    if dtype not in ("bool", "float16"):
        cases["reduce_scatter"] = dist.reduce_scatter
    return cases


def _count() -> int:
    return weft.stats()["nccl_collectives"]


def _same(have: weft.Tensor, want: weft.Tensor, about: object) -> None:
    assert str(have.device) == DEVICE, about
    left, right = np.asarray(have.cpu()), np.asarray(want)
    assert (left.dtype, left.shape) == (right.dtype, right.shape), about
    assert left.tobytes() == right.tobytes(), (about, left, right)


def _compare_all() -> None:
    """Every operation, dtype and shape has the bits of the host."""
    for (number, shape), dtype in itertools.product(enumerate(SHAPES), DTYPES):
        for name, function in _cases(dtype).items():
            x = _value(shape, dtype, number)
            run = weft.jit(function) if number % 2 else function
            _same(run(x.to(DEVICE)), function(x), (name, shape, dtype))
        for name, function in _of_parts(dtype).items():
            x = _value((SIZE, *shape), dtype, number)
            run = weft.jit(function) if number % 2 else function
            _same(run(x.to(DEVICE)), function(x), (name, shape, dtype))


def _compare_several() -> None:
    """Large ones of one program are under way at once."""

    def function(*tensors: weft.Tensor) -> tuple[weft.Tensor, ...]:
        return tuple(dist.all_gather(x) for x in tensors)

    given = [_value((300, 70), "float32", 8, number) for number in range(5)]
    compiled, before = weft.jit(function), _count()
    for _ in range(2):
        for have, x in zip(compiled(*(x.to(DEVICE) for x in given)), given, strict=True):
            _same(have, dist.all_gather(x), "several")
    assert _count() == before + 10


def alike() -> None:
    """With the bits of the host, and without it."""
    x = _value((7,), "float32", 1).to(DEVICE)
    before = _count()
    dist.all_gather(x)
    assert _count() == before + 1
    dist.all_reduce(x)
    assert _count() == before + 1, "small sums of floats go by the hosts"
    _compare_several()
    _compare_all()
    assert _count() > before + 300


def by_hosts() -> None:
    """The same where members can't do without their hosts."""
    _compare_all()
    assert _count() == 0


def mixed() -> None:
    """One process has its tensors on the host."""
    for size, place in itertools.product((3, 20000), (DEVICE, "cpu")):
        chosen = place if RANK == 0 else DEVICE
        x = _value((size,), "float32", 2)
        before = _count()
        for function in (dist.all_reduce, dist.all_gather, weft.jit(dist.all_reduce)):
            have, want = function(x.to(chosen)), function(x)
            assert str(have.device) == chosen
            assert np.asarray(have.cpu()).tobytes() == np.asarray(want).tobytes()
        assert (_count() > before) == (place == DEVICE)


def groups() -> None:
    """Each group has members of its own, and some processes are in several."""
    pair, turned = dist.new_group([0, SIZE - 1]), dist.new_group(list(range(SIZE))[::-1])
    for repeat in range(3):
        x = _value((2000,), "float64", repeat)
        for group in (None, turned, pair):
            if group is pair and RANK not in (0, SIZE - 1):
                continue
            for function in (dist.all_reduce, dist.all_gather):
                _same(function(x.to(DEVICE), group=group), function(x, group=group), group)
    assert _count() >= 12


def any_order() -> None:
    """Sums in the order of the library, several of them under way at once."""
    values = [
        np.random.default_rng([number, member]).normal(size=(3, 9000)).astype("float32")
        for number, member in itertools.product(range(4), range(SIZE))
    ]

    def added(number: int) -> np.ndarray:
        total = values[number * SIZE + SIZE - 1]
        for member in range(SIZE - 2, -1, -1):
            total = total + values[number * SIZE + member]
        return total

    own = [weft.asarray(values[number * SIZE + RANK]).to(DEVICE) for number in range(4)]
    wants = [added(number) for number in range(4)]

    def all_sums(*tensors: weft.Tensor) -> tuple[weft.Tensor, ...]:
        return tuple(dist.all_reduce(x) for x in tensors)

    for run in (all_sums, weft.jit(all_sums), weft.jit(all_sums)):
        before = _count()
        for have, want in zip(run(*own), wants, strict=True):
            assert np.asarray(have.cpu()).tobytes() == want.tobytes()
        assert _count() == before + 4
    ordered = dist.all_reduce(own[0].cpu())
    assert np.asarray(ordered).tobytes() != wants[0].tobytes() or SIZE == 2
    for member in range(SIZE):
        have = dist.reduce(own[1], member)
        np.testing.assert_array_equal(
            np.asarray(have.cpu()), wants[1] if member == RANK else np.zeros((3, 9000), "float32")
        )
    # Members' orders have to be the same: these are those of the hosts.
    _same(dist.all_reduce(own[0], "max"), dist.all_reduce(own[0].cpu(), "max"), "max")


def refusals() -> None:
    """What differs is an error in all, with their lines; they go on."""
    x = weft.ones(3 + RANK).to(DEVICE)
    for wrong in (dist.all_gather, weft.jit(dist.all_gather), dist.all_reduce):
        with pytest.raises(weft.CommunicationError) as caught:
            wrong(x)
        assert str(caught.value).count("nccl_programs.py:") >= SIZE, str(caught.value)
    same = dist.all_gather(weft.ones(2).to(DEVICE))
    assert same.cpu().tolist() == [[1.0, 1.0]] * SIZE


def lost() -> None:
    """What never comes is an error, at the next reading at the latest, and nothing hangs."""
    x = weft.ones(4).to(DEVICE)
    made = dist.all_gather(x)
    assert made.cpu().shape == (SIZE, 4)
    began = time.monotonic()
    with pytest.raises(weft.CommunicationError) as caught:
        dist.all_gather(x).cpu()
    assert time.monotonic() - began < 60
    # One write: two processes have one output.
    sys.stdout.write(f"lost: {' '.join(str(caught.value).split())}\n")
    host = weft.ones(4)
    for again in (lambda: x.cpu(), lambda: dist.all_gather(x), lambda: dist.all_gather(host)):
        with pytest.raises(weft.CommunicationError):
            again()
    # Who ends now ends the others, too, which hear of it a little later.
    time.sleep(4)


def without() -> None:
    """A process that asks for the library and does not find it."""
    with pytest.raises(weft.UnsupportedError) as caught:
        dist.init(nccl=True)
    sys.stdout.write(f"without: {' '.join(str(caught.value).split())}\n")


if __name__ == "__main__":
    name = sys.argv[1]
    if name != "without":
        dist.init(
            timeout=2.0 if name == "lost" else 60.0,
            order="any" if name == "any_order" else "members",
            nccl=False if os.environ.get("NCCL_PROGRAMS") == "refuse" else None,
        )
    RANK, SIZE = dist.rank(), dist.world_size()
    globals()[name]()
    print(f"process {RANK} of {SIZE} is done", flush=True)
