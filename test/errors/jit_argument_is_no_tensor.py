# expect: DTypeError: HERE: .*object
import weft


@weft.jit
def doubled(x):
    return x * 2


doubled(object())  # HERE
