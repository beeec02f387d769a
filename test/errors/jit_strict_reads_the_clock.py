# expect: UnsupportedError: .*strict: the function reads what can't be watched: .*perf_counter
import functools
import time

import weft


@functools.partial(weft.jit, strict=True)
def scaled(x):
    return x * time.perf_counter()


scaled(weft.ones(2))
