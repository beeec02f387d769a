"""Clusters by k-means (Lloyd, 1982), from starts far from each other (Arthur and Vassilvitskii,
2007, "k-means++").

    python -m examples.programs.k_means

Finds the groups that points in the plane were drawn from.
"""

from __future__ import annotations

import weft

from ..common import command_line, progress


def squared_distances(points, centers):
    """[N, D] and [K, D] to [N, K]."""
    return ((points[:, None] - centers) ** 2).sum(-1)


@weft.jit
def improved(points, centers):
    """Centers [K, D] moved to the mean of the points [N, D] nearest to them, the numbers of these
    [N], and the mean squared distance. Centers of no points stay."""
    distances = squared_distances(points, centers)
    nearest = distances.argmin(1)
    members = weft.nn.functional.one_hot(nearest, len(centers)).to(points.dtype)
    counts = members.sum(0)[:, None]
    means = members.T @ points / counts.clip(min=1)
    return weft.where(counts > 0, means, centers), nearest, distances.amin(1).mean()


@weft.jit
def next_center(points, distances):
    """One of the points, each as likely as its squared distance [N] to the centers is large, and
    the distances to all centers and this one."""
    center = points[weft.multinomial(distances, 1)]
    return center, weft.minimum(distances, squared_distances(points, center)[:, 0])


def first_centers(points, count: int):
    """So many points, each likely far from those before it."""
    center, distances = next_center(points, weft.ones(len(points), dtype=points.dtype))
    distances, centers = squared_distances(points, center)[:, 0], [center]
    while len(centers) < count:
        center, distances = next_center(points, distances)
        centers.append(center)
    return weft.cat(centers)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=30, points=100_000, groups=12)
    middles = weft.random.uniform((options.groups, 2), -10.0, 10.0)
    group = weft.randint(0, options.groups, (options.points,))
    points = middles[group] + 0.5 * weft.randn(options.points, 2)
    centers = first_centers(points, options.groups)
    with progress("k-means", options.steps) as report:
        for _ in range(options.steps):
            centers, nearest, spread = improved(points, centers)
            report(spread=spread.item())
    from matplotlib import pyplot

    path = options.output / "k_means.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(figsize=(6, 6), layout="constrained")
    shown = points[:5000].numpy()
    axes.scatter(*shown.T, c=nearest[:5000].numpy(), s=2, cmap="tab20")
    axes.scatter(*centers.numpy().T, c="black", marker="x")
    figure.savefig(path, dpi=120)
    print(f"k-means: mean squared distance {spread.item():.3f}; picture in {path}")


if __name__ == "__main__":
    main()
