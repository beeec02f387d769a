"""Training by several processes: what test_distributed_training.py starts by mpirun."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import weft
import weft.distributed as dist
from weft import nn

RANK, SIZE = 0, 1
STEPS = 3


def _network() -> nn.Module:
    weft.random.seed(7)
    return nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 5, bias=False), nn.Linear(5, 1))


def _batches() -> tuple[weft.Tensor, weft.Tensor]:
    random = np.random.default_rng(3)
    x = random.normal(size=(STEPS, 4 * SIZE, 6)).astype("float32")
    return weft.asarray(x), weft.asarray(np.sin(x.sum(-1, keepdims=True)))


def _train(
    module: nn.Module,
    optimizer: weft.optim.Optimizer,
    wrap: Callable,
    parts: list[slice],
    batches: tuple | None = None,
) -> None:
    """Steps of means over the parts of each batch, one part after the other."""

    def step(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        optimizer.zero_grad()
        total = weft.asarray(0.0)
        for part in parts:
            loss = weft.mean((module(x[part]) - y[part]) ** 2)
            loss.backward()
            total = total + loss.detach()
        for parameter in module.parameters() if len(parts) > 1 else ():
            parameter.grad = parameter.grad / len(parts)
        optimizer.step()
        return total / len(parts)

    run = wrap(step)
    for x, y in zip(*(batches or _batches()), strict=True):
        run(x, y)


def _own_part() -> list[slice]:
    return [slice(4 * RANK, 4 * RANK + 4)]


def _state(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: np.asarray(tensor) for name, tensor in module.state_dict().items()}


def _parts_of_all() -> list[slice]:
    return [slice(4 * i, 4 * i + 4) for i in range(SIZE)]


def data_parallel() -> None:
    """Training has the bits of one process that adds up the processes' gradients, and is that of
    the whole batch to rounding; the buckets' sizes and compiling change nothing."""
    alone, whole = _network(), _network()
    _train(alone, weft.optim.Adam(alone.parameters(), lr=0.01), weft.jit, _parts_of_all())
    _train(whole, weft.optim.Adam(whole.parameters(), lr=0.01), weft.jit, [slice(None)])
    for wrap, megabytes in ((weft.jit, 25.0), (weft.jit, 1e-4), (lambda f: f, 25.0)):
        module = _network()
        if RANK:  # all begin with the parameters of member 0
            with weft.no_grad():
                module[0].weight.assign(module[0].weight * 2.0)
        divided = dist.DistributedDataParallel(module, bucket_cap_mb=megabytes)
        _train(divided, weft.optim.Adam(divided.parameters(), lr=0.01), wrap, _own_part())
        for name, have in _state(module).items():
            np.testing.assert_array_equal(have, _state(alone)[name], name)
            np.testing.assert_allclose(have, _state(whole)[name], rtol=2e-4, atol=2e-5)
            np.testing.assert_array_equal(have, dist.broadcast_object(have))


def buffers() -> None:
    """Buffers are those of member 0 when a call begins."""
    module = nn.BatchNorm1d(3)
    divided = dist.DistributedDataParallel(module)
    x = np.random.default_rng(1).normal(size=(SIZE, 8, 3)).astype("float32")
    twin = nn.BatchNorm1d(3)
    for _ in range(2):
        divided(weft.asarray(x[RANK]))
        twin(weft.asarray(x[0]))
    divided.eval()
    if RANK == 0:
        np.testing.assert_array_equal(
            np.asarray(module.running_mean), np.asarray(twin.running_mean)
        )


def sharded() -> None:
    """A module in parts has the bits of one that each process has whole."""
    whole = dist.DistributedDataParallel(_network())
    _train(whole, weft.optim.Adam(whole.parameters(), lr=0.01), weft.jit, _own_part())
    module = dist.FullyShardedDataParallel(_network())
    kept = sum(p.shape[0] for p in module.parameters())
    assert kept <= sum(-(-math.prod(p.shape) // SIZE) for p in _network().parameters())
    optimizer = weft.optim.Adam(module.parameters(), lr=0.01)
    _train(module, optimizer, weft.jit, _own_part())
    found = module.full_state_dict()
    for name, want in _state(whole.module).items():
        np.testing.assert_array_equal(np.asarray(found[name]), want, name)


def _resumed(folder: Path) -> tuple[nn.Module, weft.optim.Optimizer]:
    module = dist.FullyShardedDataParallel(_network())
    optimizer = weft.optim.Adam(module.parameters(), lr=0.01)
    assert dist.load_checkpoint(folder, module, optimizer) == {"step": STEPS}
    return module, optimizer


def save() -> None:
    """Writes a checkpoint in parts, and what training goes on to from there."""
    folder = Path(sys.argv[2])
    module = dist.FullyShardedDataParallel(_network())
    optimizer = weft.optim.Adam(module.parameters(), lr=0.01)
    _train(module, optimizer, weft.jit, _own_part())
    dist.save_checkpoint(folder / "checkpoint", module, optimizer, extra={"step": STEPS})
    with pytest.raises(weft.FileError, match="already"):
        dist.save_checkpoint(folder / "checkpoint", module, optimizer)
    state = module.full_state_dict()
    kept = {
        f"{key}.{piece.names[0]}": dist.all_gather(optimizer.state[own][key], tiled=True)[
            : piece.count
        ]
        for piece, own in module.parts()
        for key in ("exp_avg", "exp_avg_sq")
    }
    if RANK == 0:
        weft.save_safetensors({**state, **kept}, folder / "want.safetensors")


def load() -> None:
    """Another number of processes goes on from it."""
    folder = Path(sys.argv[2])
    module, optimizer = _resumed(folder / "checkpoint")
    want = weft.load_safetensors(folder / "want.safetensors")
    for name, tensor in module.full_state_dict().items():
        np.testing.assert_array_equal(np.asarray(tensor), np.asarray(want[name]))
    for piece, own in module.parts():
        for key in ("exp_avg", "exp_avg_sq"):
            flat = dist.all_gather(optimizer.state[own][key], tiled=True)[: piece.count]
            np.testing.assert_array_equal(
                np.asarray(flat), np.asarray(want[f"{key}.{piece.names[0]}"])
            )
    for broken in ("missing", "checkpoint"):
        if broken == "checkpoint":
            dist.barrier()
            if RANK == 0:
                part = next((folder / "checkpoint").glob("part-*"))
                part.write_bytes(part.read_bytes()[:-8])
            dist.barrier()
        before = module.full_state_dict()
        with pytest.raises(weft.FileError):
            dist.load_checkpoint(folder / broken, module, optimizer)
        for name, tensor in module.full_state_dict().items():
            np.testing.assert_array_equal(np.asarray(tensor), np.asarray(before[name]))


def tensor_parallel() -> None:
    """Divided layers compute, and learn, what whole ones do."""
    weft.random.seed(11)
    first, second = nn.Linear(6, 4 * SIZE), nn.Linear(4 * SIZE, 3)
    weft.random.seed(11)
    columns = dist.ColumnParallelLinear(6, 4 * SIZE)
    rows = dist.RowParallelLinear(4 * SIZE, 3)
    weft.random.seed(11)
    gathered = dist.ColumnParallelLinear(6, 4 * SIZE, gather_output=True)
    apart = dist.RowParallelLinear(4 * SIZE, 3, input_is_parallel=False)
    x = weft.asarray(np.random.default_rng(2).normal(size=(5, 6)).astype("float32"))
    own = slice(4 * RANK, 4 * RANK + 4)

    def trained(*layers: nn.Module) -> tuple:
        leaf = weft.tensor(x, requires_grad=True)
        loss = weft.sum(weft.sin(layers[1](weft.tanh(layers[0](leaf)))))
        loss.backward()
        return loss, leaf.grad, *(p.grad for layer in layers for p in layer.parameters())

    want = [np.asarray(t) for t in trained(first, second)]
    want[2], want[3], want[4] = want[2][own], want[3][own], want[4][:, own]
    for layers in ((columns, rows), (gathered, apart)):
        for have, expected in zip(trained(*layers), want, strict=True):
            np.testing.assert_allclose(np.asarray(have), expected, rtol=1e-5, atol=1e-6)


def pipeline() -> None:
    """Stages that hand on parts of a batch learn what one module does."""
    weft.random.seed(5)
    stages = [nn.Linear(4, 4) for _ in range(SIZE)]
    own = stages[RANK]
    x = weft.asarray(np.random.default_rng(4).normal(size=(3, 2, 4)).astype("float32"))

    is_first, is_last = weft.asarray(RANK == 0), weft.asarray(RANK == SIZE - 1)

    def loss(weight: weft.Tensor) -> weft.Tensor:
        held, total = weft.zeros((2, 4)), weft.asarray(0.0)
        for turn in range(3 + SIZE - 1):
            # Chosen by values: all processes run one program.
            made = weft.tanh(
                weft.where(is_first, x[min(turn, 2)], held) @ weight.mT + own.bias.detach()
            )
            if turn >= SIZE - 1:
                total = total + weft.where(is_last, weft.sum(made**2), 0.0)
            held = dist.shift(made, wrap=False)
        return total

    slope = weft.jit(weft.grad(loss))(own.weight.detach())

    def whole(weight: weft.Tensor) -> weft.Tensor:
        y = x
        for number, stage in enumerate(stages):
            used = weight if number == RANK else stage.weight.detach()
            y = weft.tanh(y @ used.mT + stage.bias.detach())
        return weft.sum(y**2)

    want = weft.grad(whole)(own.weight.detach())
    np.testing.assert_allclose(np.asarray(slope), np.asarray(want), rtol=1e-4, atol=1e-6)


if __name__ == "__main__":
    dist.init(timeout=60.0)
    RANK, SIZE = dist.rank(), dist.world_size()
    globals()[sys.argv[1]]()
    print(f"process {RANK} of {SIZE} is done", flush=True)
