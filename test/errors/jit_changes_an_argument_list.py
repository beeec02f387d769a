# expect: UnsupportedError: HERE: argument `items` is a container that the function changes
import weft


@weft.jit
def appended(items, x):
    items.append(x * 2)
    return x


appended([], weft.ones(2))  # HERE
