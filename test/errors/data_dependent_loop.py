# expect: ConcretizationError: HERE: .*value
import weft


@weft.jit
def halve(x):
    while weft.sum(x) > 1:  # HERE
        x = x / 2
    return x


halve(weft.ones(3))
