"""Gaussian process regression (Rasmussen and Williams, 2006), by conjugate gradients (Hestenes and
Stiefel, 1952).

    python -m examples.programs.gaussian_process

Learns how smooth a function is of some of its values with noise, and draws what it may be between
them.
"""

from __future__ import annotations

import numpy as np
import weft

from ..common import command_line, progress


def kernel(x, y, logs):
    """How alike the values at points x [N] and y [M] are [N, M]: `logs` has the logarithms of their
    deviation, of the distance over which they change, and of the noise."""
    deviation, distance = weft.exp(logs[0]), weft.exp(logs[1])
    return deviation**2 * weft.exp(-(((x[:, None] - y) / distance) ** 2) / 2)


def covariance(x, logs):
    """Of measurements at the points x [N]."""
    return kernel(x, x, logs) + weft.exp(2 * logs[2]) * weft.eye(len(x), dtype=x.dtype)


def solve(matrix, right, steps: int):
    """matrix^-1 right, of a symmetric positive definite matrix [N, N] and columns [N, K]; of steps
    as many as it has distinct eigenvalues are enough."""
    found, rest, way = weft.zeros_like(right), right, right
    size = (rest**2).sum(0)
    for _ in range(steps):
        ahead = matrix @ way
        length = size / (way * ahead).sum(0).clip(min=1e-300)
        found, rest = found + length * way, rest - length * ahead
        next_size = (rest**2).sum(0)
        way, size = rest + next_size / size.clip(min=1e-300) * way, next_size
    return found


def surrogate(logs, x, y, probes, steps: int):
    """A number whose gradient is that of -log p(y | x), of the matrix C of `covariance`:
    (tr(C^-1 dC) - y C^-1 dC C^-1 y) / 2, whose trace is the mean over probes [N, K] of signs z of
    z C^-1 dC z (Hutchinson, 1990)."""
    matrix = covariance(x, logs)
    with weft.no_grad():
        solved = solve(matrix, weft.cat([y[:, None], probes], 1), steps)
    fit, inverse = solved[:, 0], solved[:, 1:]
    trace = (inverse * (matrix @ probes)).sum() / probes.shape[1]
    return (trace - fit @ matrix @ fit) / 2


@weft.jit(static_argnames="steps")
def predict(logs, x, y, new, steps: int):
    """Means and deviations [M] of the function at new points."""
    between = kernel(x, new, logs)
    solved = solve(covariance(x, logs), weft.cat([y[:, None], between], 1), steps)
    mean = between.T @ solved[:, 0]
    variance = weft.exp(2 * logs[0]) - (between * solved[:, 1:]).sum(0)
    return mean, weft.sqrt(variance.clip(min=0))


def truth(x):
    return weft.sin(3 * x) + 0.3 * weft.cos(9 * x)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=100, points=60)
    x = weft.random.uniform((options.points,), -2.0, 2.0, dtype=weft.float64)
    y = truth(x) + 0.1 * weft.randn(options.points, dtype=weft.float64)
    logs = weft.nn.Parameter(weft.zeros(3, dtype=weft.float64))
    optimizer = weft.optim.Adam([logs], lr=0.1)

    @weft.jit
    def step():
        signs = weft.where(weft.rand(len(x), 16) < 0.5, -1.0, 1.0).to(x.dtype)
        optimizer.zero_grad()
        surrogate(logs, x, y, signs, options.points).backward()
        optimizer.step()

    with progress("Gaussian process", options.steps) as report:
        for _ in range(options.steps):
            step()
            report(noise=float(np.exp(logs[2].item())))
    new = weft.linspace(-2.5, 2.5, 200, dtype=weft.float64)
    mean, deviation = predict(logs.detach(), x, y, new, steps=2 * options.points)
    from matplotlib import pyplot

    path = options.output / "gaussian_process.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    ends = (mean - 2 * deviation).numpy(), (mean + 2 * deviation).numpy()
    axes.fill_between(new.numpy(), *ends, alpha=0.3)
    axes.plot(new.numpy(), mean.numpy())
    axes.plot(new.numpy(), truth(new).numpy(), "--")
    axes.plot(x.numpy(), y.numpy(), "k.")
    figure.savefig(path, dpi=120)
    inside = weft.abs(new) < 2
    far = weft.where(inside, weft.abs(mean - truth(new)), 0.0).max().item()
    print(f"Gaussian process: off by {far:.3f} at most between the points; picture in {path}")


if __name__ == "__main__":
    main()
