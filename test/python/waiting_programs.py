"""Processes that wait for each other in different groups: mpirun -n 4 python this, SEED.

Each draws the same groups and the same circle: members of it meet in pairs, of which each member
comes to the one that it has with the next first. Who is no part of it goes on alone, or waits for
one that is.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import weft
import weft.distributed as dist

SOON = 20.0
"""Seconds within which those who wait for ever hear it; the timeout is far behind."""


def circle(seed: int) -> None:
    """Those in the circle get an error that names all of it; others are not disturbed."""
    random = np.random.default_rng(seed)
    rank, size = dist.rank(), dist.world_size()
    count = int(random.integers(2, size + 1))
    members = [int(number) for number in random.permutation(size)[:count]]
    pairs = [(member, members[(i + 1) % count]) for i, member in enumerate(members)]
    groups = [dist.new_group(pair if random.integers(2) else pair[::-1]) for pair in pairs]
    compiled = bool(random.integers(2))
    late = [float(each) for each in random.random(size)]
    run = weft.jit(dist.all_reduce, static_argnames=["group"]) if compiled else dist.all_reduce
    for group in groups:  # In one order it is no circle.
        if rank in group.ranks:
            assert run(weft.ones(2), group=group).tolist() == [2, 2]
    if rank not in members:
        return
    time.sleep(late[rank])
    place = members.index(rank)
    begin = time.monotonic()
    try:
        run(weft.ones(3), group=groups[place])
        run(weft.ones(3), group=groups[place - 1])
    except weft.CommunicationError as error:
        text = str(error)
    else:
        raise AssertionError("there is no circle")
    assert time.monotonic() - begin < SOON, text
    assert "these processes wait for each other, and none can go on" in text, text
    for member, group in zip(members, groups, strict=True):
        of = ", ".join(map(str, group.ranks))
        line = f"process {member} waits in all_reduce of float32[3] with 0 of processes {of}, at "
        assert any(line in row and __file__ in row for row in text.splitlines()), text
    print(f"told: {text}", flush=True)


def chain(seed: int) -> None:
    """Waiting for one that comes late is none, however many wait for those that wait."""
    random = np.random.default_rng(seed)
    rank, size = dist.rank(), dist.world_size()
    groups = [dist.new_group([i, i + 1]) for i in range(size - 1)]
    numbers = [int(each) for each in random.permutation(size - 1)]
    for _ in range(2):
        if rank == int(random.integers(size)):
            time.sleep(2.5)
        for number in numbers:
            if rank in groups[number].ranks:
                assert dist.all_reduce(weft.ones(2), group=groups[number]).tolist() == [2, 2]
    assert dist.all_reduce(weft.asarray(1)).item() == size
    print("told: nothing", flush=True)


def late(seed: int) -> None:
    """Process 0 waits for 1, which waits for 2, for which 0 waits, too; it does not come."""
    rank = dist.rank()
    groups = [dist.new_group([0, 1, 2]), dist.new_group([1, 2])]
    if rank == 2:
        time.sleep(seed)
        return
    try:
        if rank == 0:
            dist.all_gather(weft.ones(3), group=groups[0])
        else:
            time.sleep(1.5)  # so that the other one is late first
            dist.all_reduce(weft.asarray(1), group=groups[1])
    except weft.CommunicationError as error:
        print(f"told: {error}", flush=True)


if __name__ == "__main__":
    dist.init(timeout=4.0 if sys.argv[1] == "late" else 100.0)
    globals()[sys.argv[1]](int(sys.argv[2]))
    print(f"process {dist.rank()} is done", flush=True)
