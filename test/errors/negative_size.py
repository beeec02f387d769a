# expect: ShapeError: .*negative
import weft

weft.zeros(2, -3)  # HERE
