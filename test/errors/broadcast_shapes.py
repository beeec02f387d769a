# expect: ShapeError: HERE: add: .*\(2, 3\).*\(2, 4\)
import weft

weft.ones(2, 3) + weft.ones(2, 4)  # HERE
