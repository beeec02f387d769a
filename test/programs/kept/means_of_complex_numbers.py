"""A mean of complex numbers is one of both parts, of one example as of each of a batch."""

import numpy as np
import weft


def arrays():
    """The arguments; not a number in one part says nothing of the other."""
    return [np.array([[np.nan + 1j, 2 + 3j], [1 + 1j, 2 + 2j]], np.complex64)]


def program(x1):
    v2 = weft.vmap(lambda row: weft.mean(row, axis=(0,), keepdims=True))(x1)
    v3 = weft.stack([weft.mean(x1[0], axis=(0,)), weft.mean(x1[1], axis=(0,))])
    return (v2, v3, weft.imag(v2[:, 0]) - weft.imag(v3))
