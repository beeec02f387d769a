# expect: ConcretizationError: HERE: .*value
import weft


def halve(x):
    while weft.sum(x) > 1:  # HERE
        x = x / 2
    return x


weft.export(halve, weft.spec((3,), "float32"))
