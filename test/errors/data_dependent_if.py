# expect: ConcretizationError: HERE: .*weft\.where
import weft


@weft.vmap
def relu(x):
    if x > 0:  # HERE
        return x
    return x * 0


relu(weft.asarray([3.0, -1.0]))
