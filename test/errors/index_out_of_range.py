# expect: OutOfBoundsError: HERE: index 7 is out of range for dimension 1 of shape \(2, 3\)
import weft

weft.ones(2, 3)[0, 7]  # HERE
