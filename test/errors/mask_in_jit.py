# expect: UnsupportedError: HERE: the shape of x\[mask\] depends on the mask's values.*weft\.where
import weft


def positive(x):
    return x[x > 0]  # HERE


weft.export(positive, weft.spec((3,), "float32"))
