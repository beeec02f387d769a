"""A change by a view of the whole: gradients are added up in the same order, traced or recorded."""

import numpy as np
import weft


def arrays():
    """The arguments; one rounding more or less shows in the second element."""
    return [np.array([0.8105, 0.4814, -1.976, 1.544], np.float16)]


def program(x1):
    v4 = x1[0:4].reshape(-1)
    v4 -= 0.5
    return (v4**3, weft.negative(x1), v4)
