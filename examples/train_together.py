"""A network that several processes train together, each on its part of the pictures.

    mpirun -n 2 python examples/train_together.py

Or by torchrun, or by python alone: the numbers are those of one process, to rounding.
"""

from __future__ import annotations

import argparse

import weft
import weft.distributed as dist
from weft import nn


def pictures(count: int, seed: int) -> tuple[weft.Tensor, weft.Tensor]:
    """Noisy bars in one of eight places, float32 [count, 64], and where they are: int64 [count]."""
    key = weft.random.key(seed)
    places = weft.random.randint(0, 8, (count,), key=weft.random.fold_in(key, 1))
    noise = weft.random.normal((count, 8, 8), std=0.5, key=weft.random.fold_in(key, 2))
    bars = weft.nn.functional.one_hot(places, 8).astype("float32")[:, None, :]
    return weft.reshape(bars + noise, (count, 64)), places


def main() -> None:
    """Trains for some epochs, and says how many pictures of others the network tells apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="of all processes together")
    options = parser.parse_args()
    dist.init()
    rank, count = dist.rank(), dist.world_size()
    weft.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))
    model = dist.DistributedDataParallel(network)
    optimizer = weft.optim.Adam(model.parameters(), lr=3e-3)

    @weft.jit
    def step(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return dist.all_reduce(loss.detach(), "mean")

    x, y = pictures(2048, seed=1)
    sampler = weft.data.DistributedSampler(range(len(x)), count, rank)
    own = options.batch // count
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        order = list(sampler)
        for first in range(0, len(order) - own + 1, own):
            chosen = weft.asarray(order[first : first + own])
            loss = step(x[chosen], y[chosen])
        if rank == 0:
            print(f"epoch {epoch + 1}: loss {float(loss):.3f}", flush=True)
    others, places = pictures(1024, seed=2)
    part = slice(rank * len(others) // count, (rank + 1) * len(others) // count)
    right = weft.sum(weft.argmax(network(others[part]), axis=1) == places[part])
    right = int(dist.all_reduce(right))
    if rank == 0:
        print(f"{count} processes tell {100 * right / len(others):.1f} % of the pictures apart")


if __name__ == "__main__":
    main()
