"""Hamiltonian Monte Carlo (Duane et al., 1987; Neal, 2011): drawing from a distribution of which
only the logarithm of the density is known, by its gradient.

    python -m examples.programs.mcmc

Draws from the posterior of a logistic regression of which the data are made here.
"""

from __future__ import annotations

from collections.abc import Callable

import weft

from ..common import command_line, progress


def sampler(log_density: Callable, leaps: int = 10) -> Callable:
    """The compiled step of many chains: places [N, D] and the length of a leap to the next places,
    and the share of chains that moved. `log_density` is that of one place [D]."""
    slope = weft.vmap(weft.grad(log_density))
    density = weft.vmap(log_density)

    @weft.jit
    def step(places, length):
        speeds = weft.randn(places.shape, dtype=places.dtype)
        before = density(places) - (speeds**2).sum(-1) / 2
        found, speeds = places, speeds + length / 2 * slope(places)
        for leap in range(leaps):
            found = found + length * speeds
            push = length if leap < leaps - 1 else length / 2
            speeds = speeds + push * slope(found)
        after = density(found) - (speeds**2).sum(-1) / 2
        drawn = weft.rand(len(places), dtype=places.dtype)
        moved = weft.log(drawn) < after - before
        return weft.where(moved[:, None], found, places), moved.to(places.dtype).mean()

    return step


def regression(features, labels) -> Callable:
    """The logarithm of the density of weights [D], given features [N, D] and labels [N] of -1 or 1,
    where they are standard normal at first."""

    def log_density(weights):
        return -weft.softplus(-labels * (features @ weights)).sum() - (weights**2).sum() / 2

    return log_density


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=500, chains=200)
    truth = weft.tensor([1.5, -1.0, 0.5])
    features = weft.randn(200, 3)
    labels = weft.where(weft.rand(200) < weft.sigmoid(features @ truth), 1.0, -1.0)
    step = sampler(regression(features, labels))
    places, kept = weft.randn(options.chains, 3), []
    with progress("Monte Carlo", options.steps) as report:
        for number in range(options.steps):
            places, moved = step(places, 0.1)
            if number >= options.steps // 5:  # What came before depends on where chains began.
                kept.append(places)
            report(moved=moved.item())
    drawn = weft.cat(kept)
    mean, deviation = drawn.mean(0).tolist(), drawn.std(0).tolist()
    pairs = ", ".join(f"{m:.2f} ± {d:.2f}" for m, d in zip(mean, deviation, strict=True))
    print(f"Monte Carlo: weights {pairs}; the data were made with 1.5, -1.0, 0.5")


if __name__ == "__main__":
    main()
