"""Stars that attract each other, by the leapfrog method (Störmer; Verlet, 1967).

    python -m examples.programs.n_body

Draws where they are at the end.
"""

from __future__ import annotations

import numpy as np
import weft

from ..common import command_line, progress

SOFTENING = 0.05
"""Distances are made longer by this, so that no star is thrown out by one that it meets."""


def energy(places, speeds, masses):
    """Of the motion and of the attraction. places, speeds: [N, D]; masses: [N]."""
    away = places[:, None] - places
    distances = weft.sqrt((away**2).sum(-1) + SOFTENING**2)
    pairs = weft.triu(masses[:, None] * masses / distances, diagonal=1)
    return (masses * (speeds**2).sum(-1)).sum() / 2 - pairs.sum()


def accelerations(places, masses):
    """What the attraction of all others does to each: [N, D]."""
    away = places[:, None] - places
    pulls = masses * ((away**2).sum(-1) + SOFTENING**2) ** -1.5
    return pulls @ places - pulls.sum(1)[:, None] * places


@weft.jit
def leap(places, speeds, masses, time):
    """Places and speeds a time later: half a push, a move, half a push."""
    speeds = speeds + time / 2 * accelerations(places, masses)
    places = places + time * speeds
    return places, speeds + time / 2 * accelerations(places, masses)


def disc(stars: int, seed: int):
    """Places, speeds and masses, float64, of stars that circle around a heavy one."""
    random = np.random.default_rng(seed)
    radius, angle = random.uniform(0.5, 2.0, stars), random.uniform(0, 2 * np.pi, stars)
    places = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    speeds = np.stack([-np.sin(angle), np.cos(angle)], 1) / np.sqrt(radius)[:, None]
    masses = np.full(stars, 0.1 / stars)
    places[0], speeds[0], masses[0] = 0.0, 0.0, 1.0
    return [weft.asarray(array) for array in (places, speeds, masses)]


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=1000, stars=500)
    places, speeds, masses = disc(options.stars, options.seed)
    of_all = weft.jit(energy)
    first = of_all(places, speeds, masses).item()
    with progress("N-body", options.steps) as report:
        for step in range(options.steps):
            places, speeds = leap(places, speeds, masses, 0.005)
            report(**({"energy": of_all(places, speeds, masses).item()} if step % 50 == 0 else {}))
    change = abs(of_all(places, speeds, masses).item() / first - 1)
    from matplotlib import pyplot

    path = options.output / "n_body.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(figsize=(6, 6), layout="constrained")
    axes.scatter(*np.asarray(places).T, s=4000 * np.asarray(masses) ** 0.5 / options.stars**0.5)
    axes.set(aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
    figure.savefig(path, dpi=120)
    print(f"N-body: the energy has changed by {change:.1e} of itself; picture in {path}")


if __name__ == "__main__":
    main()
