# expect: OutOfBoundsError: HERE: sum: axis 2 is out of range for 2 dimensions
import weft

weft.sum(weft.ones(2, 3), axis=2)  # HERE
