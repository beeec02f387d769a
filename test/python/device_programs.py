"""What processes with devices run that test_distributed_devices.py starts: mpirun -n 2 python this.

Each result on the device is compared with that of the host, to the bit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
import weft
import weft.distributed as dist
from weft import nn

RANK, SIZE, DEVICE = 0, 1, "emulator"

DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int32", "int64", "uint8", "bool"]
DTYPES += ["complex64"]
SHAPES = [(), (0,), (5,), (3, 1, 2), (1100,)]


def _value(shape: tuple[int, ...], dtype: str, seed: int) -> weft.Tensor:
    random = np.random.default_rng([seed, RANK])
    if dtype == "bool":
        return weft.asarray(random.integers(0, 2, shape).astype(bool))
    if dtype.startswith(("int", "uint")):
        return weft.asarray(random.integers(0, 100, shape).astype(dtype))
    numbers = random.normal(size=shape)
    if dtype.startswith("complex"):
        return weft.asarray((numbers + 1j * random.normal(size=shape)).astype(dtype))
    return weft.astype(weft.asarray(numbers.astype("float32")), dtype)


def _cases(dtype: str) -> dict[str, Callable[[weft.Tensor], weft.Tensor]]:
    """The operations that there are for a dtype."""
    cases: dict[str, Callable[[weft.Tensor], weft.Tensor]] = {
        "all_gather": dist.all_gather,
        "broadcast": lambda x: dist.broadcast(x, SIZE - 1),
        "shift": dist.shift,
        "permute": lambda x: dist.permute(x, [(0, SIZE - 1)]),
        "all_to_all": lambda x: dist.all_to_all(weft.stack([x] * SIZE)),
    }
    if dtype != "bool":
        cases["sum"] = dist.all_reduce
        cases["product"] = lambda x: dist.all_reduce(x, "product")
        cases["reduce"] = lambda x: dist.reduce(x, SIZE - 1)
        cases["reduce_scatter"] = lambda x: dist.reduce_scatter(weft.stack([x] * SIZE))
    if not dtype.startswith("complex"):
        cases["max"] = lambda x: dist.all_reduce(x, "max")
        cases["min"] = lambda x: dist.all_reduce(x, "min")
    if dtype.startswith(("float", "bfloat")):
        cases["mean"] = lambda x: dist.all_reduce(x, "mean")
    return cases


def _same(have: weft.Tensor, want: weft.Tensor, about: object) -> None:
    assert str(have.device).startswith(DEVICE), about
    assert (have.dtype, have.shape) == (want.dtype, want.shape), about
    bits = [
        np.asarray(weft.astype(x.cpu(), "float32") if x.dtype.name == "bfloat16" else x.cpu())
        for x in (have, want)
    ]
    np.testing.assert_array_equal(*bits, err_msg=str(about))


def operations() -> None:
    """Every operation in every dtype, eagerly and compiled."""
    for number, shape in enumerate(SHAPES):
        for dtype in DTYPES:
            for name, function in _cases(dtype).items():
                x = _value(shape, dtype, number)
                run = weft.jit(function) if number % 2 else function
                _same(run(x.to(DEVICE)), function(x), (name, shape, dtype))


def gradients() -> None:
    """Of compiled functions, and backward() without one; of sums large enough to be sent beside."""
    weights = {}
    for size in (6, 20000):
        for name, function in _cases("float32").items():
            x = _value((size,), "float32", 3)
            weights[size] = weft.sin(weft.arange(size, dtype="float32") + RANK)

            def loss(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
                return weft.sum(function(x * x) * w)

            want = weft.grad(loss)(x, weights[size])
            there = (x.to(DEVICE), weights[size].to(DEVICE))
            _close(weft.jit(weft.grad(loss))(*there), want, name)
            leaf = x.to(DEVICE).detach()
            leaf.requires_grad = True
            loss(leaf, there[1]).backward()
            _close(leaf.grad, want, name)


def _close(have: weft.Tensor, want: weft.Tensor, about: str) -> None:
    """The arithmetic around the operations rounds each element alike; a product's sum does not."""
    assert str(have.device).startswith(DEVICE), about
    np.testing.assert_allclose(
        np.asarray(have.cpu()), np.asarray(want), rtol=2e-6, atol=1e-6, err_msg=about
    )


def _trained(device: str) -> list[np.ndarray]:
    weft.manual_seed(0)
    model: nn.Module = nn.Sequential(nn.Linear(40, 500), nn.Tanh(), nn.Linear(500, 4)).to(device)
    model = dist.DistributedDataParallel(model)
    optimizer = weft.optim.SGD(model.parameters(), lr=0.05)
    x = _value((8, 40), "float32", 1).to(device)
    y = _value((8, 4), "float32", 2).to(device)

    @weft.jit
    def step(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        optimizer.zero_grad()
        loss = weft.mean((model(x) - y) ** 2)
        loss.backward()
        optimizer.step()
        return dist.all_reduce(loss.detach(), "mean")

    losses = [np.asarray(step(x, y).cpu()) for _ in range(3)]
    return [*losses, *(np.asarray(p.detach().cpu()) for p in model.parameters())]


def training() -> None:
    """Steps of a model that all have, whose gradients are sent beside other work."""
    for have, want in zip(_trained(DEVICE), _trained("cpu"), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-6)


def mixed() -> None:
    """One process has its tensors on the host, the others on their devices."""
    place = "cpu" if RANK == 0 else DEVICE
    for size in (3, 20000):
        x = _value((size,), "float32", 5)
        want = dist.all_reduce(x)
        have = weft.jit(dist.all_reduce)(x.to(place))
        assert str(have.device).startswith(place)
        np.testing.assert_array_equal(np.asarray(have.cpu()), np.asarray(want))


def refusals() -> None:
    """What differs is an error in all, with their lines; they go on, and order is the program's."""
    x = weft.ones(3 + RANK, device=DEVICE)
    for wrong in (dist.all_reduce, weft.jit(dist.all_gather)):
        with pytest.raises(weft.CommunicationError) as caught:
            wrong(x)
        assert str(caught.value).count("device_programs.py:") >= SIZE, str(caught.value)
    assert dist.all_reduce(weft.ones(2, device=DEVICE)).cpu().tolist() == [SIZE, SIZE]


if __name__ == "__main__":
    dist.init(timeout=60.0)
    RANK, SIZE = dist.rank(), dist.world_size()
    # "cuda:*": a device for each process.
    DEVICE = sys.argv[2].replace("*", str(RANK))
    globals()[sys.argv[1]]()
    print(f"process {RANK} of {SIZE} is done", flush=True)
