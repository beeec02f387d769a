# expect: UnsupportedError: HERE: a container .* holds itself
import weft


@weft.jit
def doubled(x):
    return x[0] * 2


items = [weft.ones(2)]
items.append(items)
doubled(items)  # HERE
