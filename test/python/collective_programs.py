"""Random programs of collectives over random groups: mpirun -n 3 python this, SEED, COUNT.

All processes draw the same programs, over overlapping groups in drawn orders of members. Values go
through several operations, one after the other, of which each process runs those that it is a
member for: in compiled functions and outside, with both modes of gradients. NumPy has what all
processes have, so that it says what each gets; what a dtype has not is the same error for all
members.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import weft
import weft.distributed as dist

FLOATS = ["float32", "float64", "float16", "bfloat16"]
DTYPES = [*FLOATS, "bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "complex64"]
DTYPES += ["complex128"]
KINDS = ["sum", "max", "min", "product", "mean", "merge", "reduce", "broadcast", "all_gather"]
KINDS += ["gather_tiled", "reduce_scatter", "scatter_tiled", "all_to_all", "permute", "shift"]
SIZES = [0, 1, 2, 3, 5]


def _numpy_dtype(name: str) -> Any:
    return ml_dtypes.bfloat16 if name == "bfloat16" else np.dtype(name)


@dataclasses.dataclass(frozen=True)
class Step:
    """One operation of a group."""

    kind: str
    members: tuple[int, ...]
    root: int
    axis: int
    destinations: tuple[int, ...]

    def run(self, x: weft.Tensor, group: dist.Group) -> weft.Tensor:
        """What Weft makes of it."""
        if self.kind in ("sum", "max", "min", "product", "mean"):
            return dist.all_reduce(x, self.kind, group)
        if self.kind in ("reduce", "broadcast"):
            return getattr(dist, self.kind)(x, self.root, group=group)
        if self.kind == "merge":
            return dist.merge(x, group)
        if self.kind == "permute":
            pairs = [(i, j) for i, j in enumerate(self.destinations) if j >= 0]
            return dist.permute(x, pairs, group)
        if self.kind == "shift":
            return dist.shift(x, self.root + 1, wrap=bool(self.axis), group=group)
        if self.kind == "all_to_all":
            return dist.all_to_all(
                x, split_axis=self.axis, concat_axis=x.ndim - 1 - self.axis, group=group
            )
        function = dist.all_gather if "gather" in self.kind else dist.reduce_scatter
        return function(x, axis=self.axis, tiled="tiled" in self.kind, group=group)

    def refuses(self, x: np.ndarray) -> str:
        """What Weft says of such an operand; empty if it takes it."""
        name, count = x.dtype.name, len(self.members)
        adds = ("sum", "mean", "merge", "reduce", "reduce_scatter", "scatter_tiled")
        if self.kind in ("scatter_tiled", "all_to_all") and x.shape[self.axis] % count:
            return "is not divisible by"
        if self.kind == "reduce_scatter" and x.shape[self.axis] != count:
            return "elements along axis"
        if self.kind == "mean" and x.dtype.kind in "iu":
            return "a mean is of floats"
        if name == "bool" and self.kind in (*adds, "product"):
            return "are not added"
        if x.dtype.kind == "c" and self.kind in ("max", "min"):
            return "have no order"
        return ""

    def made(self, xs: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """What NumPy makes of the members' operands, by process."""
        given = [xs[member] for member in self.members]
        results = self._results(given, len(given))
        return dict(zip(self.members, results, strict=True))

    def _results(self, given: list[np.ndarray], count: int) -> list[np.ndarray]:
        stacked, zero = np.stack(given), np.zeros_like(given[0])
        if self.kind in ("sum", "merge"):
            return [_in_order(given)] * count
        if self.kind == "mean":
            wide = _in_order(given, wide=True)
            parts = wide.view(wide.real.dtype) if wide.dtype.kind == "c" else wide
            mean = (parts / parts.dtype.type(count)).view(wide.dtype)
            return [mean.astype(given[0].dtype)] * count
        if self.kind in ("max", "min"):
            return [getattr(stacked, self.kind)(0)] * count
        if self.kind == "product":
            return [_product(given)] * count
        if self.kind == "reduce":
            return [_in_order(given) if i == self.root else zero for i in range(count)]
        if self.kind == "broadcast":
            return [given[self.root]] * count
        if self.kind == "all_gather":
            return [np.stack(given, axis=self.axis)] * count
        if self.kind == "gather_tiled":
            return [np.concatenate(given, axis=self.axis)] * count
        if self.kind == "reduce_scatter":
            return list(np.moveaxis(_in_order(given), self.axis, 0))
        if self.kind == "scatter_tiled":
            return np.split(_in_order(given), count, axis=self.axis)
        if self.kind == "all_to_all":
            parts = [np.split(x, count, axis=self.axis) for x in given]
            place = given[0].ndim - 1 - self.axis
            return [np.concatenate([p[i] for p in parts], axis=place) for i in range(count)]
        sources = self._sources(count)
        return [given[s] if s >= 0 else zero for s in sources]

    def _sources(self, count: int) -> list[int]:
        if self.kind == "permute":
            return [
                self.destinations.index(i) if i in self.destinations else -1 for i in range(count)
            ]
        by = self.root + 1
        if self.axis:
            return [(i - by) % count for i in range(count)]
        return [i - by if i >= by else -1 for i in range(count)]


def _in_order(given: list[np.ndarray], wide: bool = False) -> np.ndarray:
    """The sum, one member after the other; halves as float32."""
    halves = given[0].dtype.name in ("float16", "bfloat16")
    total = given[0].astype(np.float32) if halves else given[0]
    for each in given[1:]:
        total = np.add(total, each.astype(total.dtype), dtype=total.dtype)
    return np.asarray(total if wide else total.astype(given[0].dtype))


def _product(given: list[np.ndarray]) -> np.ndarray:
    total = given[0].astype(np.float32) if given[0].dtype.itemsize == 2 else given[0]
    with np.errstate(over="ignore"):
        for each in given[1:]:
            total = np.asarray(total * each.astype(total.dtype), total.dtype)
    return total.astype(given[0].dtype)


def _values(seed: int, member: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Small whole numbers, so that sums and products of floats are exact."""
    random = np.random.default_rng([seed, member])
    whole = random.integers(0 if dtype.startswith("u") else -2, 3, shape)
    if dtype == "bool":
        return np.asarray(whole > 0)
    if dtype.startswith("complex"):
        return (whole + 1j * random.integers(-2, 3, shape)).astype(dtype)
    return whole.astype(_numpy_dtype(dtype))


def _step(random: np.random.Generator, groups: list[dist.Group], rank_of: int) -> tuple[int, Step]:
    number = int(random.integers(len(groups)))
    count = groups[number].size
    kind = str(random.choice(KINDS))
    extra = kind == "all_gather"
    axis = int(random.integers(rank_of + extra)) if kind != "shift" else int(random.integers(2))
    destinations = [int(i) if random.integers(3) else -1 for i in random.permutation(count)]
    root = int(random.integers(count))
    return number, Step(kind, groups[number].ranks, root, axis, tuple(destinations))


def _equal(have: Any, want: np.ndarray, about: str) -> None:
    got = have.numpy()
    assert got.dtype == want.dtype, (about, got.dtype, want.dtype)
    assert got.shape == want.shape, (about, got.shape, want.shape)
    if want.dtype.kind == "c":  # Products of complex numbers may round the sum of two once.
        room = 16 * np.finfo(want.dtype).eps
        np.testing.assert_allclose(got, want, rtol=room, atol=room, err_msg=about)
    else:
        np.testing.assert_array_equal(got.astype(float), want.astype(float), err_msg=about)


def _program(seed: int, groups: list[dist.Group]) -> None:
    """A chain of operations; each member's value is what the groups before have made of it."""
    random = np.random.default_rng(seed)
    dtype = str(random.choice(DTYPES))
    shape = tuple(int(random.choice(SIZES)) for _ in range(int(random.integers(1, 4))))
    rank, size = dist.rank(), dist.world_size()
    xs = {member: _values(seed, member, shape, dtype) for member in range(size)}
    own = xs[rank]
    steps: list[tuple[int, Step]] = []
    refused = ""
    for _ in range(int(random.integers(1, 6))):
        if any(x.ndim == 0 for x in xs.values()):
            break
        number, step = _step(random, groups, min(x.ndim for x in xs.values()))
        operands = [xs[member] for member in step.members]
        if len({x.shape for x in operands}) > 1 or sum(x.size for x in operands) > 1 << 14:
            continue
        refused = step.refuses(operands[0])
        if refused:  # By its members alone: others would wait for what these do not come to.
            steps, own = [(number, step)], xs[rank]
            break
        steps.append((number, step))
        xs |= step.made(xs)
    compiled = bool(random.integers(2))

    def whole(x: weft.Tensor) -> weft.Tensor:
        for number, step in steps:
            if rank in step.members:
                x = step.run(x, groups[number])
        return x

    about = f"seed {seed}, process {rank} of {size}, {dtype}{list(shape)}, {compiled=}: {steps}"
    run = weft.jit(whole) if compiled else whole
    if refused and rank not in steps[-1][1].members:
        return
    if refused:
        message = _error(lambda: run(weft.asarray(own)))
        assert refused in message, (about, message, refused)
        return
    _equal(run(weft.asarray(own)), xs[rank], about)
    if dtype in FLOATS[:2]:
        _check_gradient(whole, own, about)


def _error(action: Callable[[], Any]) -> str:
    try:
        action()
    except weft.WeftError as error:
        return str(error)
    return ""


def _check_gradient(whole: Any, own: np.ndarray, about: str) -> None:
    """Reverse and forward mode agree: sums over all processes of <J v, w> and <v, J^T w>."""
    x = weft.asarray(own)
    random = np.random.default_rng([own.size, dist.rank()])
    v = weft.asarray(random.integers(-2, 3, own.shape).astype(own.dtype))
    result, tangent = weft.jvp(whole, (x,), (v,))
    w = weft.asarray(random.integers(-2, 3, result.shape).astype(own.dtype))
    _, back = weft.vjp(whole, x)
    (cotangent,) = back(w)
    forward = dist.all_reduce(weft.sum(tangent * w)).item()
    backward = dist.all_reduce(weft.sum(cotangent * v)).item()
    scale = 1 + abs(forward)
    assert abs(forward - backward) < 1e-4 * scale, (about, forward, backward)


def programs(first: int, count: int) -> None:
    """So many, over groups that overlap."""
    size = dist.world_size()
    random = np.random.default_rng(first)
    groups = [dist.new_group(range(size))]
    for _ in range(4):
        number = int(random.integers(1, size + 1))
        groups.append(dist.new_group([int(i) for i in random.permutation(size)[:number]]))
    for seed in range(first, first + count):
        _program(seed, groups)
        dist.barrier()


if __name__ == "__main__":
    dist.init(timeout=100.0)
    programs(int(sys.argv[1]), int(sys.argv[2]))
    print(f"process {dist.rank()} of {dist.world_size()} is done", flush=True)
