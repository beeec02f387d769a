"""Several processes that compute together: Weft by mpirun, PyTorch by torchrun (gloo).

Run as ``together.py FIGURE FRAMEWORK`` by either of them; process 0 prints the seconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

STEPS, WARM = 15, 3
WIDTH, EXAMPLES = 1024, 64
"""Of the network that is trained: 3 layers; and of each process's part of a batch."""
FIGURES = {"step": 0, "step apart": 0, "sum of 64 B": 16, "sum of 8 MiB": 1 << 21}
"""Training with and without sums of gradients; sums of so many floats."""


def together_seconds(framework: str, program: str) -> float:
    """The seconds of a figure: "step, 2 processes"."""
    figure, count = program.rsplit(", ", 1)
    number = count.split()[0]
    if framework == "weft":
        launcher = ["mpirun", "-n", number, "--oversubscribe", "--bind-to", "none"]
        launcher += ["--allow-run-as-root"] * (os.geteuid() == 0)
        launcher += [sys.executable]
    else:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        launcher += [f"--nproc-per-node={number}"]
    command = [*launcher, str(Path(__file__)), figure, framework]
    # A core that waits is one that computes for others.
    environment = {**os.environ, "OMPI_MCA_mpi_yield_when_idle": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.stderr.write(result.stderr)
        result.check_returncode()
    return float(result.stdout.split()[-1])


def _weft(figure: str) -> tuple[Callable[[], object], int]:
    import weft
    import weft.distributed as dist
    from weft import nn

    dist.init()
    if FIGURES[figure]:
        x = weft.ones(FIGURES[figure])
        return (lambda: dist.all_reduce(x)), dist.rank()
    layers = [nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(WIDTH, WIDTH))
    model = dist.DistributedDataParallel(network, bucket_cap_mb=4.0)
    optimizer = weft.optim.SGD(model.parameters(), lr=0.01)
    x = weft.random.normal((EXAMPLES, WIDTH))

    @weft.jit
    def step(x: weft.Tensor) -> None:
        optimizer.zero_grad()
        weft.mean((model(x) if figure == "step" else network(x)) ** 2).backward()
        optimizer.step()

    return (lambda: step(x)), dist.rank()


def _torch(figure: str) -> tuple[Callable[[], object], int]:
    import torch
    import torch.distributed as dist
    from torch import nn

    dist.init_process_group("gloo")
    if FIGURES[figure]:
        x = torch.ones(FIGURES[figure])
        return (lambda: dist.all_reduce(x)), dist.get_rank()
    layers = [nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(WIDTH, WIDTH))
    model = nn.parallel.DistributedDataParallel(network, bucket_cap_mb=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.randn(EXAMPLES, WIDTH)

    def step() -> None:
        optimizer.zero_grad()
        ((model(x) if figure == "step" else network(x)) ** 2).mean().backward()
        optimizer.step()

    return step, dist.get_rank()


def _main(figure: str, framework: str) -> None:
    call, rank = (_weft if framework == "weft" else _torch)(figure)
    samples = []
    for number in range(WARM + STEPS):
        start = time.perf_counter()
        call()
        if number >= WARM:
            samples.append(time.perf_counter() - start)
    if rank == 0:
        print(statistics.median(samples), flush=True)
    if framework == "torch":
        from torch.distributed import destroy_process_group

        # The threads of gloo end the process by an abort if they still run at its end.
        destroy_process_group()


if __name__ == "__main__":
    _main(*sys.argv[1:])
