"""Singular values beside a decomposition with vectors: the bits are those of the values alone."""

import numpy as np
import weft


def arrays():
    """The arguments."""
    random = np.random.default_rng(3399)
    x = random.normal(0, 2, (1, 4, 3)) + 1j * random.normal(0, 2, (1, 4, 3))
    return [x.astype(np.complex64)]


def program(x):
    values = weft.linalg.svdvals(x)
    square = x.mT @ x
    return (
        weft.max(values, axis=(0, 1), keepdims=True),
        weft.linalg.lstsq(x, x).solution,
        weft.linalg.eigvals(square),
        weft.linalg.eig(square)[0],
    )
