"""A step of data-parallel training on up to 1,024 workers, simulated from measured costs.

Each worker computes its backward pass, whose gradients come bucket by bucket, and sums the buckets
with the others while it goes on, or behind it. A message of b bytes takes alpha + beta * b seconds,
to add b bytes takes gamma * b. Three ways to sum on n workers, without stragglers:

- ordered, what weft.distributed does: each worker gets its part from all others, adds, and sends
  the sum to all: 2 (n - 1) alpha + 2 (n - 1)/n B beta + (n - 1)/n B gamma;
- ring: the same formula, but each message waits for the one before it;
- halving (recursive halving, then doubling): 2 log2(n) alpha, and the same bytes.

(Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH",
2005.) Workers take lognormally distributed times; each message waits for both of its ends.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORKERS = tuple(1 << power for power in range(11))


@dataclass(frozen=True)
class Costs:
    """Seconds, of a message, a sent byte and an added byte, and what a step is made of."""

    alpha: float
    beta: float
    gamma: float
    forward: float
    backward: float
    gradient_bytes: float
    buckets: int
    spread: float
    """The standard deviation of the logarithm of the time that a worker takes to compute."""


def ordered(ready: np.ndarray, size: float, costs: Costs) -> np.ndarray:
    """When each worker has the sum of `size` bytes, which it has at `ready` for itself."""
    count = len(ready)
    part = size / count
    rounds = count - 1
    # All parts are there once the last worker has sent its own.
    sent = ready + rounds * (costs.alpha + part * costs.beta)
    added = np.maximum(sent, sent.max()) + rounds * part * costs.gamma
    return added + rounds * (costs.alpha + part * costs.beta)


def ring(ready: np.ndarray, size: float, costs: Costs) -> np.ndarray:
    """The same by parts that go round; in the first half of the rounds they are added up."""
    count = len(ready)
    part = size / count
    now = ready
    for number in range(2 * (count - 1)):
        adds = part * costs.gamma if number < count - 1 else 0.0
        now = np.maximum(now, np.roll(now, 1)) + costs.alpha + part * costs.beta + adds
    return now


def halving(ready: np.ndarray, size: float, costs: Costs) -> np.ndarray:
    """The same among a power of two workers: pairs exchange halves, then what they have."""
    count = len(ready)
    powers = [1 << power for power in range(count.bit_length() - 1)]
    now, part = ready, size
    steps = [(distance, True) for distance in reversed(powers)]
    steps += [(distance, False) for distance in powers]
    for distance, adds in steps:
        part = part / 2 if adds else part
        sent = costs.alpha + part * (costs.beta + (costs.gamma if adds else 0.0))
        now = np.maximum(now, now[np.arange(count) ^ distance]) + sent
        part = part if adds else part * 2
    return now


WAYS = {"ordered": ordered, "ring": ring, "halving": halving}


def step_seconds(
    way: str, count: int, costs: Costs, overlaps: bool = True, steps: int = 5, seed: int = 0
) -> float:
    """The mean seconds of a step until the last worker has all sums."""
    random = np.random.default_rng(seed)
    total = 0.0
    for _ in range(steps):
        pace = np.exp(random.normal(0.0, costs.spread, count))
        done = np.zeros(count)
        for bucket in range(costs.buckets):
            share = (bucket + 1) / costs.buckets if overlaps else 1.0
            ready = pace * (costs.forward + costs.backward * share)
            done = np.maximum(done, ready)
            if count > 1:
                done = WAYS[way](done, costs.gradient_bytes / costs.buckets, costs)
        total += done.max()
    return total / steps


def table(costs: Costs) -> list[tuple[int, dict[str, float]]]:
    """For each number of workers, how much of its time a worker computes, by the way."""
    alone = step_seconds("ordered", 1, costs)
    rows = []
    for count in WORKERS:
        cells = {way: alone / step_seconds(way, count, costs) for way in WAYS}
        cells["ring, no overlap"] = alone / step_seconds("ring", count, costs, overlaps=False)
        rows.append((count, cells))
    return rows


def draw(rows: list[tuple[int, dict[str, float]]], file: Path) -> None:
    """The table as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6.4, 3.6))
    for name in rows[0][1]:
        axis.plot([row[0] for row in rows], [row[1][name] for row in rows], marker="o", label=name)
    axis.set_xscale("log", base=2)
    axis.set_xticks(WORKERS, [str(count) for count in WORKERS])
    axis.set_ylim(0, 1.05)
    axis.set_xlabel("workers")
    axis.set_ylabel("share of the step that computes")
    axis.grid(color="#dddddd", linewidth=0.6)
    axis.legend()
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--alpha", type=float, default=20e-6, help="seconds of a message (default: %(default)g)")
    add("--beta", type=float, default=3.2e-10, help="seconds of a sent byte (default: %(default)g)")
    add("--gamma", type=float, default=2e-10, help="of an added byte (default: %(default)g)")
    add("--forward", type=float, default=0.1, help="seconds (default: %(default)g)")
    add("--backward", type=float, default=0.2, help="seconds (default: %(default)g)")
    add("--megabytes", type=float, default=100.0, help="of gradients (default: %(default)g)")
    add("--buckets", type=int, default=4, help="of gradients (default: %(default)g)")
    add("--spread", type=float, default=0.02, help="of workers' times (default: %(default)g)")
    add("--picture", type=Path, metavar="FILE", help="draw it there, .svg or .png")
    return parser.parse_args()


def main() -> None:
    """Prints the table as one of Markdown."""
    options = _options()
    costs = Costs(
        options.alpha,
        options.beta,
        options.gamma,
        options.forward,
        options.backward,
        options.megabytes * 1e6,
        options.buckets,
        options.spread,
    )
    rows = table(costs)
    names = list(rows[0][1])
    print("| workers | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for count, cells in rows:
        print(f"| {count} | " + " | ".join(f"{100 * cells[name]:.0f} %" for name in names) + " |")
    if options.picture:
        draw(rows, options.picture)


if __name__ == "__main__":
    main()
