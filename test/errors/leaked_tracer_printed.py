# expect: TracerLeakError: .*
import weft

kept = []


@weft.jit
def keep(x):
    kept.append(x * 2)
    return x


keep(weft.ones(3))
kept[0].numpy()  # HERE
