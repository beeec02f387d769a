# expect: ShapeError: HERE: conv2d: .*\(4, 1, 3, 3\).*needs a multiple of 3 filters, not 4
import weft
from weft.nn.functional import conv2d

conv2d(weft.ones(1, 3, 8, 8), weft.ones(4, 1, 3, 3), groups=3)  # HERE
