# expect: UnsupportedError: HERE: strict: .*value
import weft


@weft.jit(strict=True)
def logged(x):
    print(x.item())  # HERE
    return x


logged(weft.asarray(3.0))
