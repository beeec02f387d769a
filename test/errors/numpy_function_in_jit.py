# expect: ConcretizationError: HERE: .*value
import numpy as np
import weft


@weft.vmap
def mixed(x):
    return np.asarray(x) + 1  # HERE


mixed(weft.ones((2, 3)))
