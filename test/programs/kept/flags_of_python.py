"""A branch on Python's own bool or number, in what is exported: it has a value, as in eager."""

import numpy as np
import weft


def arrays():
    """The arguments."""
    return [np.array([0.5, -1.5, 3.0], np.float32)]


def program(x1):
    v2 = weft.cond(True, lambda b: b * 2.0, lambda b: b - 1.0, x1)
    v3 = weft.switch(5, [lambda b: b * 2.0, lambda b: b - 1.0], x1)
    v4 = weft.vmap(lambda b: weft.cond(False, lambda t: t * 2.0, lambda t: t - 1.0, b))(x1)
    return (v2, v3, v4)
