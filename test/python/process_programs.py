"""What processes run that test_distributed.py starts: ``mpirun -n 3 python`` this file, a name.

Each knows what all of them have, so that NumPy says what each has to get.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import weft
import weft.distributed as dist

RANK, SIZE = 0, 1


def _everybody(seed: int, shape: tuple[int, ...], dtype: str) -> list[np.ndarray]:
    """The arrays of all processes."""
    arrays = []
    for member in range(SIZE):
        random = np.random.default_rng([seed, member])
        if dtype == "bool":
            arrays.append(random.integers(0, 2, shape).astype(bool))
        elif dtype.startswith(("int", "uint")):
            info = np.iinfo(dtype)
            arrays.append(random.integers(info.min, info.max, shape, dtype, endpoint=True))
        elif dtype.startswith("complex"):
            arrays.append(
                (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(dtype)
            )
        else:
            arrays.append(random.normal(size=shape).astype(dtype))
    return arrays


SHAPES = [(), (1,), (0,), (5,), (3, 4), (2, 0, 3), (7, 1, 2), (2051,)]
DTYPES = ["float32", "float64", "float16", "int8", "int64", "uint8", "uint32", "complex64"]


def _equal(have: weft.Tensor, want: np.ndarray) -> None:
    got = np.asarray(have)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_array_equal(got, want)


def _in_order(arrays: list[np.ndarray]) -> np.ndarray:
    """The sum, one array after the other; halves as float32."""
    wide = [a.astype("float32") if a.dtype == np.float16 else a for a in arrays]
    total = wide[0]
    for each in wide[1:]:
        total = np.add(total, each, dtype=total.dtype)
    return np.asarray(total).astype(arrays[0].dtype)


def _check_reductions(arrays: list[np.ndarray], run: Callable) -> None:
    own, stacked = arrays[RANK], np.stack(arrays)
    _equal(run(dist.all_reduce)(own), _in_order(arrays))
    root = SIZE - 1
    total = _in_order(arrays)
    _equal(run(lambda x: dist.reduce(x, root))(own), total if root == RANK else total * 0)
    if own.dtype.kind != "c":
        _equal(run(lambda x: dist.all_reduce(x, "max"))(own), stacked.max(0))
        _equal(run(lambda x: dist.all_reduce(x, "min"))(own), stacked.min(0))
    if own.dtype.kind == "f" and own.dtype != np.float16:
        _equal(run(lambda x: dist.all_reduce(x, "mean"))(own), total / own.dtype.type(SIZE))
    if own.dtype.kind in "iu":
        product = np.prod(stacked, axis=0, dtype=own.dtype)
        _equal(run(lambda x: dist.all_reduce(x, "product"))(own), product)


def _check_moves(arrays: list[np.ndarray], run: Callable) -> None:
    own, stacked = arrays[RANK], np.stack(arrays)
    _equal(run(dist.all_gather)(own), stacked)
    _equal(run(lambda x: dist.broadcast(x, SIZE - 1))(own), arrays[-1])
    last = own.ndim
    _equal(run(lambda x: dist.all_gather(x, axis=last))(own), np.moveaxis(stacked, 0, last))
    if own.ndim:
        _equal(run(lambda x: dist.all_gather(x, tiled=True))(own), np.concatenate(arrays))
    _equal(run(lambda x: dist.shift(x))(own), arrays[(RANK - 1) % SIZE])
    first = arrays[0] if RANK == SIZE - 1 else own * np.zeros((), own.dtype)
    if SIZE > 1:
        _equal(run(lambda x: dist.permute(x, [(0, SIZE - 1)]))(own), first)


def _check_divided(arrays: list[np.ndarray], run: Callable) -> None:
    """Of arrays with a dimension for the members in front."""
    own = arrays[RANK]
    _equal(run(dist.reduce_scatter)(own), _in_order(arrays)[RANK])
    want = np.concatenate([a[RANK : RANK + 1] for a in arrays])
    _equal(run(dist.all_to_all)(own), want)


def operations() -> None:
    """Every operation, eagerly and compiled, over shapes and dtypes."""
    for number, shape in enumerate(SHAPES):
        for dtype in DTYPES if number % 2 else DTYPES[:3]:
            arrays = _everybody(number, shape, dtype)
            run = (lambda f: f) if number % 3 else weft.jit
            _check_reductions(arrays, run)
            _check_moves(arrays, run)
            _check_divided(_everybody(number + 100, (SIZE, *shape), dtype), run)
    flags = _everybody(3, (4, 3), "bool")
    _check_moves(flags, weft.jit)
    _equal(dist.all_reduce(weft.asarray(flags[RANK]), "max"), np.stack(flags).any(0))


def _linear_cases() -> list[tuple[Callable, Callable]]:
    """Functions of a process, and what NumPy makes of the arrays of all."""
    return [
        (dist.all_reduce, lambda all_: np.broadcast_to(all_.sum(0), all_.shape)),
        (
            lambda x: dist.all_reduce(x, "max"),
            lambda all_: np.broadcast_to(all_.max(0), all_.shape),
        ),
        (
            lambda x: dist.all_reduce(x, "mean"),
            lambda all_: np.broadcast_to(all_.mean(0), all_.shape),
        ),
        (lambda x: dist.broadcast(x, SIZE - 1), lambda all_: np.broadcast_to(all_[-1], all_.shape)),
        (lambda x: dist.reduce(x, 0), lambda all_: np.stack([all_.sum(0), *(0 * all_[1:])])),
        (lambda x: dist.shift(x), lambda all_: np.roll(all_, 1, 0)),
        (
            lambda x: dist.permute(x, [(0, SIZE - 1)]),
            lambda all_: np.stack([*(0 * all_[1:]), all_[0]]),
        ),
        (
            lambda x: dist.all_gather(x, tiled=True)[: 2 * SIZE],
            lambda all_: np.broadcast_to(all_.reshape(-1, 3)[: 2 * SIZE], all_.shape),
        ),
        (
            lambda x: dist.all_gather(dist.reduce_scatter(x, tiled=True), tiled=True),
            lambda all_: np.broadcast_to(all_.sum(0), all_.shape),
        ),
        (
            dist.all_to_all,
            lambda all_: np.stack(
                [np.concatenate([a[2 * i : 2 * i + 2] for a in all_]) for i in range(SIZE)]
            ),
        ),
    ]


def gradients() -> None:
    """Each gradient is that of the sum of all processes' results."""
    random = np.random.default_rng(5)
    weights = random.normal(size=(SIZE, SIZE, 2 * SIZE, 3))
    values = random.normal(size=(SIZE, 2 * SIZE, 3))
    for number, (function, reference) in enumerate(_linear_cases()):
        share = weights[number % SIZE]

        def loss(x: weft.Tensor) -> weft.Tensor:
            return weft.sum(function(weft.sin(x)) * weft.asarray(share[RANK]))

        def whole(all_: np.ndarray) -> float:
            return float((reference(np.sin(all_)) * share).sum())

        x = weft.asarray(values[RANK])
        slope = np.asarray(weft.grad(loss)(x))
        compiled = np.asarray(weft.jit(weft.grad(loss))(x))
        np.testing.assert_array_equal(slope, compiled)
        leaf = weft.tensor(values[RANK], requires_grad=True)
        loss(leaf).backward()
        np.testing.assert_allclose(np.asarray(leaf.grad), slope, rtol=1e-14, atol=1e-14)
        direction = np.random.default_rng(number).normal(size=values.shape)
        step = 1e-6
        difference = (whole(values + step * direction) - whole(values - step * direction)) / (
            2 * step
        )
        along = np.asarray(dist.all_reduce(weft.asarray((slope * direction[RANK]).sum())))
        np.testing.assert_allclose(along, difference, rtol=1e-6, atol=1e-7)
        _, tangent = weft.jvp(loss, (x,), (weft.asarray(direction[RANK]),))
        total = np.asarray(dist.all_reduce(tangent))
        np.testing.assert_allclose(total, difference, rtol=1e-6, atol=1e-7)


def mapped() -> None:
    """Under vmap one operation is for all examples, and gradients of examples are theirs."""
    x = np.stack(_everybody(8, (3, 2, SIZE), "float64"))
    own = weft.asarray(x[RANK])
    for function in (
        dist.all_reduce,
        dist.all_gather,
        lambda v: dist.reduce_scatter(v, axis=1),
        lambda v: dist.all_to_all(v, split_axis=1),
        lambda v: dist.shift(v, 1) + dist.all_reduce(weft.ones(2))[:, None],
    ):
        want = weft.stack([function(own[i]) for i in range(3)])
        np.testing.assert_array_equal(np.asarray(weft.vmap(function)(own)), np.asarray(want))
        slope = weft.grad(lambda v, f=function: weft.sum(f(v) ** 2))
        want = weft.stack([slope(own[i]) for i in range(3)])
        np.testing.assert_allclose(
            np.asarray(weft.jit(weft.vmap(slope))(own)), np.asarray(want), rtol=1e-14
        )


def order() -> None:
    """What one process does not use it runs nonetheless; all keep the order of the program."""

    @weft.jit
    def step(x: weft.Tensor) -> tuple:
        unused = dist.all_reduce(x * 2.0)
        same = dist.all_reduce(x * 2.0)  # not merged with the one before
        gathered = dist.all_gather(x)
        return (unused, gathered) if RANK == 0 else (same,)

    for turn in range(3):
        first = np.asarray(step(weft.ones(4) * (RANK + turn))[0])
        np.testing.assert_array_equal(first, 2.0 * sum(range(turn, SIZE + turn)) * np.ones(4))

    hidden = weft.asarray(np.full(3, RANK, "float32"))
    reading = weft.jit(lambda: dist.all_reduce(hidden))  # nothing of it is kept from call to call
    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(reading()), sum(range(SIZE)) * np.ones(3))
    assert reading.lower().ir("kernels").count("weft.prepare") == 0


def _several(x: weft.Tensor, times: int) -> weft.Tensor:
    for _ in range(times):
        x = dist.all_reduce(x)
    return x


def refusals() -> None:
    """What differs is an error in all processes, and they go on after it."""
    x = weft.ones((2, 3) if RANK else (3, 2))
    for wrong in (
        lambda: dist.all_reduce(x),
        lambda: dist.all_reduce(weft.ones(3, dtype="float64" if RANK else "float32")),
        lambda: dist.all_reduce(weft.ones(3)) if RANK else dist.all_gather(weft.ones(3)),
        lambda: weft.jit(lambda v: dist.shift(v, 1 if RANK else 0))(weft.ones(3)),
        # Operations that are alike, but not as many.
        lambda: weft.jit(functools.partial(_several, times=RANK + 1))(weft.ones(3)),
        # Large ones, which are sent beside other work.
        lambda: dist.all_reduce(weft.ones(50000 + RANK)),
        lambda: weft.jit(functools.partial(_several, times=RANK + 1))(weft.ones(50000)),
        lambda: weft.jit(_first_differs)(weft.ones(50000)),
    ):
        with pytest.raises(weft.CommunicationError, match="different things") as caught:
            wrong()
        assert str(caught.value).count("process_programs.py:") >= SIZE, str(caught.value)
        _equal(dist.all_reduce(weft.ones(2)), np.full(2, SIZE, "float32"))


def _first_differs(x: weft.Tensor) -> tuple:
    """Sums of which the first differs: none of those behind it is sent."""
    first = dist.all_reduce(x[: 40000 + RANK])
    return first, *(dist.all_reduce(x * i) for i in range(3)), dist.all_gather(x)


def loops() -> None:
    """Loops and branches that are compiled refuse them, by name; Python's have them."""

    def body(carry: weft.Tensor, _: weft.Tensor) -> tuple:
        return dist.all_reduce(carry), carry

    x = weft.ones(2)
    for wrong in (
        lambda v: weft.scan(body, v, weft.ones(3))[0],
        lambda v: weft.cond(v[0] > 0, dist.all_reduce, lambda u: u, v),
        lambda v: weft.fori_loop(0, 2, lambda _, u: dist.all_reduce(u), v),
        lambda v: weft.grad(lambda u: weft.sum(weft.checkpoint(dist.all_reduce, u)))(v),
    ):
        with pytest.raises(weft.WeftError, match="all_reduce"):
            weft.jit(wrong)(x)
    _equal(weft.scan(body, x, weft.ones(3))[0], np.full(2, float(SIZE**3), "float32"))


def groups() -> None:
    """Groups of some processes, objects, a barrier."""
    evens, odds = dist.new_group(range(0, SIZE, 2)), dist.new_group(range(1, SIZE, 2))
    own = odds if RANK % 2 else evens
    members = list(range(RANK % 2, SIZE, 2))
    assert own.rank == members.index(RANK)
    assert own.size == len(members)
    assert (evens if RANK % 2 else odds).rank == -1
    _equal(dist.all_reduce(weft.asarray(RANK), group=own), np.asarray(sum(members)))
    with pytest.raises(weft.OptionError, match="no member"):
        dist.all_reduce(weft.asarray(RANK), group=evens if RANK % 2 else odds)
    dist.barrier()
    assert dist.broadcast_object({"rate": 0.5, "from": RANK}, root=1)["from"] == 1
    assert dist.all_gather_object("x" * RANK) == ["x" * i for i in range(SIZE)]


def dies() -> None:
    """The last process ends by an error: mpirun ends the others."""
    if RANK == SIZE - 1:
        raise RuntimeError("this one fails")
    dist.all_reduce(weft.ones(2))


def waits() -> None:
    """A process does not come: the others get an error."""
    if RANK == SIZE - 1:
        time.sleep(4)
        return
    size = 50000 if sys.argv[1] == "waits_with_much" else 2
    with pytest.raises(weft.CommunicationError) as caught:
        dist.all_reduce(weft.ones(size))
    # One write: the processes have one output.
    sys.stdout.write(f"timeout: {caught.value}\n")
    with pytest.raises(weft.CommunicationError, match="can't go on together"):
        dist.all_reduce(weft.ones(2))


def waits_with_much() -> None:
    """The same of what is sent beside other work."""
    waits()


def under_way() -> None:
    """A sum is sent while the program goes on: here, until it has begun another one."""
    from weft import _core
    from weft.distributed import _gloo, _groups

    def echo(group: int, source: int, target: int, count: int, *_: int) -> int:
        for member in range(2):
            ctypes.memmove(target + member * count, source, count)
        return 0

    def exchange(group: int, source: int, target: int, count: int, *more: int) -> int:
        end = time.monotonic() + 60
        while not exchanged and _core.collectives_under_way() < 2:
            if time.monotonic() > end:
                return 1
            time.sleep(0.001)
        exchanged.append(threading.get_ident())
        return echo(group, source, target, count)

    exchanged: list[int] = []
    functions = [_gloo.Move(function) for function in (echo, exchange)]
    addresses = [ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions]
    _core.connect_processes({"all_gather": addresses[0], "all_to_all": addresses[1]})
    _core.add_process_group(0, 0, (0, 1))
    _groups.state.world = _groups.Group(0, (0, 1), 0)
    x = weft.asarray(np.random.default_rng(0).normal(size=(300, 100)).astype("float32"))
    f = weft.jit(lambda x: (dist.all_reduce(x), dist.all_reduce(weft.negative(x))))
    _, second = f(x)
    assert len(exchanged) == 2
    assert threading.main_thread().ident not in exchanged
    assert _core.collectives_under_way() == 0
    # The peer is this process: what comes back is twice its first half, from both.
    half = -2 * np.asarray(x).ravel()[:15000]
    _equal(second, np.concatenate([half, half]).reshape(300, 100))


if __name__ == "__main__":
    name = sys.argv[1]
    dist.init(timeout=1.0 if name.startswith("waits") else 60.0)
    RANK, SIZE = dist.rank(), dist.world_size()
    globals()[name]()
    print(f"process {RANK} of {SIZE} is done", flush=True)
