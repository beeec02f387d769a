"""What a loop reads and no result depends on has no gradient.

Zeros of it would become NaN where they meet what is infinite.
"""

import numpy as np
import weft


def arrays():
    """The arguments."""
    return [np.array([[np.inf, 1.0], [-np.inf, np.nan]], np.float32), np.ones(2, np.float32)]


def program(x1, x2):
    v3 = x1 @ x2
    v4, v5 = weft.scan(lambda c, x: (c * 2.0, c + weft.round(x)), x2, v3)
    v6, v7 = weft.scan(lambda c, x: (x, x * 2.0), weft.sum(v3), x2)
    return (v4, v5, v6, v7)
