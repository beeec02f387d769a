# expect: ShapeError: HERE: reshape: a tensor of shape \(2, 3\) has 6 elements
import weft

weft.reshape(weft.ones(2, 3), (4, 2))  # HERE
