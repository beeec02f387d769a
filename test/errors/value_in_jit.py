# expect: ConcretizationError: HERE: .*value
import weft


@weft.jit
def logged(x):
    print(x.item())  # HERE
    return x


logged(weft.asarray(3.0))
