# expect: ShapeError: HERE: a nested list has to be rectangular
import weft

weft.asarray([[1, 2], [3]])  # HERE
