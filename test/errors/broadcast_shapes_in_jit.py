# expect: ShapeError: HERE: multiply: .*\(8,\).*\(3,\)
import weft


@weft.jit
def scaled(x, factors):
    return x * factors  # HERE


scaled(weft.ones(8), weft.ones(3))
