# expect: TracerLeakError: .*
import weft

kept = []


def keep(x):
    kept.append(x * 2)
    return x


weft.export(keep, weft.spec((3,)))
kept[0].numpy()  # HERE
