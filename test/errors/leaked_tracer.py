# expect: TracerLeakError: HERE: .*
import weft

kept = []


@weft.jit
def keep(x):
    kept.append(x * 2)
    raise ValueError("no result")


try:
    keep(weft.ones(3))
except ValueError:
    kept[0] + 1  # HERE
