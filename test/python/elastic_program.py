"""Training that goes on from its last checkpoint: what test_elastic.py starts by weft launch.

Arguments: the folder, after how many steps to stop, and the step in which process 1 of the first
start is killed; -1: none.
"""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import weft
import weft.distributed as dist
from weft import nn

BATCH, EVERY = 12, 3


def main(folder: str, last: int, killed: int) -> None:
    """Trains, with a checkpoint every few steps."""
    dist.init(timeout=200.0)
    rank, count = dist.rank(), dist.world_size()
    weft.random.seed(1)
    network = nn.Sequential(nn.Linear(6, 160), nn.Tanh(), nn.Linear(160, 160), nn.Linear(160, 1))
    model = dist.DistributedDataParallel(network, bucket_cap_mb=0.1)
    optimizer = weft.optim.Adam(model.parameters(), lr=0.01)
    first = 0
    if (found := dist.last_checkpoint(folder)) is not None:
        first = dist.load_checkpoint(found, model, optimizer)

    @weft.jit
    def step(x: weft.Tensor) -> None:
        optimizer.zero_grad()
        weft.mean((model(x) - weft.sin(weft.sum(x, axis=1, keepdims=True))) ** 2).backward()
        optimizer.step()

    for number in range(first, last):
        if rank == 1 and number == killed and os.environ.get("WEFT_LAUNCH_START") == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        batch = np.random.default_rng(number).normal(size=(BATCH, 6)).astype("float32")
        step(weft.asarray(batch[rank * BATCH // count : (rank + 1) * BATCH // count]))
        if (number + 1) % EVERY == 0:
            where = f"{folder}/step-{number + 1}"
            dist.save_checkpoint(where, model, optimizer, extra=number + 1)
    if rank == 0:
        weft.save_safetensors(network.state_dict(), f"{folder}/trained.safetensors")
    print(f"process {rank} of {count} trained from step {first} on", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
