"""A body writes to the value that it carries and to its slice: neither is a tensor from outside."""

import numpy as np
import weft


def arrays():
    """The arguments."""
    return [np.ones(3, np.float32), np.ones((2, 3), np.float32)]


def program(x1, x2):
    def more(s):
        s += 1
        return s

    v3 = weft.fori_loop(0, 2, lambda i, s: more(s), x1)
    v4 = weft.while_loop(lambda s: s.sum() < 9, more, x1)
    v5, v6 = weft.scan(lambda s, x: (more(s), more(x)), x1, x2)
    return (v3, v4, v5, v6)
