"""A Kalman filter (Kalman, 1960, "A new approach to linear filtering and prediction problems").

    python -m examples.programs.kalman_filter

Follows many bodies that move in the plane by measurements of where they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import weft

from ..common import command_line, progress


class System(NamedTuple):
    """state' = motion @ state + noise; measurement = view @ state + noise, with the covariances of
    the noises."""

    motion: weft.Tensor
    motion_noise: weft.Tensor
    view: weft.Tensor
    view_noise: weft.Tensor


def inverse(matrix: weft.Tensor) -> weft.Tensor:
    """Of symmetric positive definite matrices [..., M, M], by eliminating row after row."""
    size = matrix.shape[-1]
    rows = weft.cat([matrix, weft.eye(size, dtype=matrix.dtype).expand(matrix.shape)], -1)
    for place in range(size):
        pivot = rows[..., place, :] / rows[..., place, place, None]
        rest = rows - rows[..., :, place, None] * pivot[..., None, :]
        chosen = (weft.arange(size) == place)[:, None]
        rows = weft.where(chosen, pivot[..., None, :], rest)
    return rows[..., size:]


@weft.jit
def follow(system: System, mean, covariance, measurement):
    """One step: means [N, S] and covariances [N, S, S] of the states, after the measurements
    [N, M]."""
    mean = mean @ system.motion.T
    covariance = system.motion @ covariance @ system.motion.T + system.motion_noise
    surprise = measurement - mean @ system.view.T
    spread = system.view @ covariance @ system.view.T + system.view_noise
    gain = covariance @ system.view.T @ inverse(spread)
    mean = mean + (gain @ surprise[..., None])[..., 0]
    kept = weft.eye(mean.shape[-1]) - gain @ system.view
    # Joseph's form, which stays symmetric and positive whatever is rounded.
    covariance = kept @ covariance @ kept.mT + gain @ system.view_noise @ gain.mT
    return mean, covariance


def moving_bodies(time: float = 0.1) -> System:
    """Places and speeds in the plane (x, y, their speeds), of which the places are measured."""
    one, none = np.eye(2), np.zeros((2, 2))
    motion = np.block([[one, time * one], [none, one]])
    push = np.concatenate([time**2 / 2 * one, time * one])
    arrays = (motion, push @ push.T, np.eye(2, 4), one)
    return System(*(weft.asarray(array.astype(np.float32)) for array in arrays))


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=500, bodies=1000)
    system, random = moving_bodies(), np.random.default_rng(options.seed)
    motion, noise, view, _ = (np.asarray(matrix) for matrix in system)
    states = random.normal(0, 1, (options.bodies, 4))
    mean = weft.zeros(options.bodies, 4)
    covariance = weft.eye(4).expand(options.bodies, 4, 4) * 1.0
    with progress("Kalman filter", options.steps) as report:
        for _ in range(options.steps):
            pushes = random.multivariate_normal(np.zeros(4), noise, options.bodies, method="svd")
            states = states @ motion.T + pushes
            measured = states @ view.T + random.normal(0, 1, (options.bodies, 2))
            found = weft.asarray(measured.astype(np.float32))
            mean, covariance = follow(system, mean, covariance, found)
            error = np.sqrt(np.mean((np.asarray(mean)[:, :2] - states[:, :2]) ** 2))
            report(error=error)
    raw = np.sqrt(np.mean((measured - states[:, :2]) ** 2))
    expected = covariance[:, :2, :2].diagonal(dim1=-2, dim2=-1).mean().item() ** 0.5
    print(f"Kalman filter: error {error:.3f}, expected {expected:.3f}, of a measurement {raw:.3f}")


if __name__ == "__main__":
    main()
