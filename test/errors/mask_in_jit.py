# expect: UnsupportedError: HERE: the shape of x\[mask\] depends on the mask's values.*weft\.where
import weft


@weft.jit
def positive(x):
    return x[x > 0]  # HERE


positive(weft.ones(3))
