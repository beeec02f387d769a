"""Random checkpoints in parts: mpirun -n 4 python this, FOLDER, SEED, COUNT.

A group of some size trains a module in one way and writes it; a group of another size reads it in
another way, and both go on. Gradients are whole numbers that all members have, so that their means
are exact, and all of it has the bits of one process without parts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import weft
import weft.distributed as dist
from weft import nn
from weft.distributed import _checkpoints

WAYS = ["whole", "replicas", "parts", "parts of the state"]
SIZES = [1, 2, 3, 5, 7, 13]


class Net(nn.Module):
    """Parameters of odd sizes, some of them under two names, a frozen one, and a buffer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        random = np.random.default_rng(seed)
        self.inner = nn.Module()
        for number in range(int(random.integers(1, 5))):
            shape = [int(random.choice(SIZES)) for _ in range(int(random.integers(0, 4)))]
            dtype = str(random.choice(["float32", "bfloat16", "float64"]))
            value = weft.asarray(random.normal(size=shape)).astype(dtype)
            parameter = nn.Parameter(value, requires_grad=bool(number == 0 or random.integers(4)))
            setattr(self, f"weight{number}", parameter)
            if random.integers(2):
                setattr(self.inner, f"tied{number}", parameter)
        self.register_buffer("calls", weft.asarray(random.normal(size=3)))

    def forward(self, k: int) -> weft.Tensor:
        """A loss whose gradient is k for each element; twice that where a name is tied."""
        used = list(self._parameters.values()) + list(self.inner._parameters.values())
        return sum(weft.sum(p.astype("float64")) for p in used) * k  # type: ignore[arg-type]


def _made(way: str, seed: int, group: dist.Group, adam: bool) -> tuple[Any, Any, Callable]:
    """A module, its optimizer, and the whole state."""
    net = Net(seed)
    kind = weft.optim.Adam if adam else weft.optim.SGD
    more = {"lr": 0.25} if adam else {"lr": 0.25, "momentum": 0.5}
    if way == "parts":
        module = dist.FullyShardedDataParallel(net, group)
        return module, kind(module.parameters(), **more), module.full_state_dict
    module = net if way == "whole" else dist.DistributedDataParallel(net, process_group=group)
    if way == "parts of the state":
        optimizer = dist.ZeroRedundancyOptimizer(
            net.parameters(), kind, process_group=group, **more
        )
        return module, optimizer, net.state_dict
    return module, kind(module.parameters(), **more), net.state_dict


def _train(module: Any, optimizer: Any, steps: int) -> None:
    for k in range(steps):
        optimizer.zero_grad()
        module(k + 1).backward()
        optimizer.step()


def _equal(have: dict, want: dict, about: str) -> None:
    assert set(have) == set(want), (about, set(have), set(want))
    for name, tensor in want.items():
        got, expected = have[name].detach().numpy(), tensor.detach().numpy()
        assert got.dtype == expected.dtype, (about, name)
        np.testing.assert_array_equal(got.astype(float), expected.astype(float), f"{about}: {name}")


def _refused(action: Callable[[], Any]) -> str:
    try:
        action()
    except weft.FileError as error:
        return str(error)
    return ""


def _round(seed: int, folder: Path, groups: list[dist.Group], everybody: dist.Group) -> None:
    random = np.random.default_rng(seed)
    writers, readers = (groups[int(i)] for i in random.integers(len(groups), size=2))
    ways = [str(way) for way in random.choice(WAYS, 2)]
    # What all have is written and read by the group of all.
    writers = everybody if ways[0] == "whole" else writers
    readers = everybody if ways[1] == "whole" else readers
    adam = bool(random.integers(2))
    about = f"seed {seed}, process {dist.rank()}, {ways}, {writers} to {readers}, {adam=}"
    place = folder / f"step-{seed}"
    plain, of_plain, plain_state = _made("whole", seed, everybody, adam)
    _train(plain, of_plain, 2)
    if writers.rank >= 0:
        module, optimizer, state = _made(ways[0], seed, writers, adam)
        _train(module, optimizer, 2)
        _equal(state(), plain_state(), about)
        _fails_in_one(place, module, optimizer, writers, about)
        dist.save_checkpoint(place, module, optimizer, extra=seed)
    dist.barrier()
    if readers.rank >= 0:
        module, optimizer, state = _made(ways[1], seed, readers, adam)
        _train(module, optimizer, 1)
        before = {name: tensor.clone() for name, tensor in state().items()}
        _is_whole_for_some(place, module, optimizer, readers, about)
        _equal(state(), before, about)
        assert dist.load_checkpoint(place, module, optimizer) == seed, about
        _equal(state(), plain_state(), about)
        _train(module, optimizer, 2)
        _train(plain, of_plain, 2)
        _equal(state(), plain_state(), about)
    dist.barrier()


def _fails_in_one(place: Path, module: Any, optimizer: Any, group: dist.Group, about: str) -> None:
    """A member that can't write its part: an error in all, and no checkpoint."""
    former = _checkpoints.save_safetensors
    if group.rank == group.size - 1:

        def fails(tensors: Any, path: Path) -> None:
            path.write_bytes(b"half of it")
            raise OSError("there is no room")

        _checkpoints.save_safetensors = fails  # type: ignore[assignment]
    message = _refused(lambda: dist.save_checkpoint(place, module, optimizer))
    _checkpoints.save_safetensors = former
    assert "there is no room" in message, (about, message)
    assert dist.last_checkpoint(place.parent, group) != str(place), about


def _is_whole_for_some(
    place: Path, module: Any, optimizer: Any, group: dist.Group, about: str
) -> None:
    """A file that is short for one member: an error in all, and nothing is changed."""
    former = _checkpoints.load_safetensors
    if group.rank == 0:

        def short(path: Path) -> Any:
            cut = place.parent / f"cut-{dist.rank()}.safetensors"
            cut.write_bytes(path.read_bytes()[:-1])
            return former(cut)

        _checkpoints.load_safetensors = short  # type: ignore[assignment]
    message = _refused(lambda: dist.load_checkpoint(place, module, optimizer))
    _checkpoints.load_safetensors = former
    assert "cut-" in message, (about, message)


def rounds(folder: Path, first: int, count: int) -> None:
    """So many, each in a folder of its own."""
    size = dist.world_size()
    everybody = dist.new_group(range(size))
    groups = [dist.new_group(range(number)) for number in range(1, size + 1)]
    for seed in range(first, first + count):
        _round(seed, folder, groups, everybody)


if __name__ == "__main__":
    dist.init(timeout=100.0)
    rounds(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    print(f"process {dist.rank()} of {dist.world_size()} is done", flush=True)
