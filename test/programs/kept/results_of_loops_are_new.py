"""What a loop or branch gives is a new tensor in eager mode too: a write to it, or to what it was
made of, is none to the other."""

import numpy as np
import weft


def arrays():
    """The arguments."""
    return [np.array([0.5, -1.5, 3.0], np.float32)]


def program(x1):
    v2 = weft.while_loop(lambda s: s[1] < 0, lambda s: s, (x1, 0))[0]
    v3 = weft.fori_loop(1, 2, lambda i, s: s, x1)
    v4 = weft.cond(v2.sum() > 0, lambda b: b, lambda b: b * 2.0, x1)
    v5 = weft.cond(v2.sum() > 0, lambda b: b[1:], lambda b: b[:-1], x1)
    x1[0] = -2.5
    v5 -= v5
    v4[1] = 7.0
    return (v2, v3, v4, v5)
