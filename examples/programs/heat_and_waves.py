"""Heat and waves on a square by finite differences (Courant, Friedrichs and Lewy, 1928).

    python -m examples.programs.heat_and_waves

Both are zero at the edges. Draws the wave of a drop, and measures the errors of a heat and a wave
whose solutions are known.
"""

from __future__ import annotations

import math

import numpy as np
import weft

from ..common import command_line, progress


def laplacian(field, spacing: float):
    """Of the inner points of a square whose edges are zero: [N, N] to the same."""
    wide = weft.nn.functional.pad(field, (1, 1, 1, 1))
    beside = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    return (beside - 4 * field) / spacing**2


@weft.jit
def heat_step(field, spacing, time):
    """The heat a time later: its change is its Laplacian."""
    return field + time * laplacian(field, spacing)


@weft.jit
def wave_step(field, former, spacing, time):
    """The wave a time later, and the field of now: its second change is its Laplacian."""
    return 2 * field - former + time**2 * laplacian(field, spacing), field


def points(count: int):
    """The distance of neighbours, and the coordinates x and y [count, count] of the inner points of
    the unit square."""
    spacing = 1 / (count + 1)
    places = weft.arange(1, count + 1, dtype=weft.float64) * spacing
    return spacing, *weft.meshgrid(places, places, indexing="ij")


def standing(x, y, waves: int = 1):
    """A shape that both equations keep: its Laplacian is -2 (pi waves)^2 of itself."""
    return weft.sin(math.pi * waves * x) * weft.sin(math.pi * waves * y)


def errors(count: int, steps: int) -> tuple[float, float]:
    """How far heat and wave are from their solutions, of a largest value of 1."""
    spacing, x, y = points(count)
    shape, speed = standing(x, y), math.pi * math.sqrt(2)
    heat, wave, former = shape, shape, shape * math.cos(speed * spacing / 2)
    for _ in range(steps):
        heat = heat_step(heat, spacing, spacing**2 / 8)
        wave, former = wave_step(wave, former, spacing, spacing / 2)
    cooled = math.exp(-(speed**2) * steps * spacing**2 / 8)
    turned = math.cos(speed * steps * spacing / 2)
    return tuple(
        weft.abs(found - factor * shape).max().item()
        for found, factor in ((heat, cooled), (wave, turned))
    )


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=800, points=400)
    spacing, x, y = points(options.points)
    drop = weft.exp(-((x - 0.35) ** 2 + (y - 0.6) ** 2) * 1000)
    wave, former, frames = drop, drop, []
    with progress("waves", options.steps) as report:
        for step in range(1, options.steps + 1):
            wave, former = wave_step(wave, former, spacing, spacing / 2)
            if step % max(1, options.steps // 4) == 0:
                frames.append(np.asarray(wave))
            report()
    from matplotlib import pyplot

    path = options.output / "waves.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    wall = np.concatenate([frame / np.abs(frame).max() for frame in frames[:4]], 1)
    pyplot.imsave(path, wall, cmap="RdBu", vmin=-1, vmax=1)
    heat_error, wave_error = errors(options.points, options.steps)
    print(f"errors: heat {heat_error:.1e}, wave {wave_error:.1e}; picture in {path}")


if __name__ == "__main__":
    main()
